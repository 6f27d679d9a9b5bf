"""Picture of the borders of segments."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from iota2.report.results.segment_picture import BORDER_COLOR, NO_DATA_COLOR, ZOOM, borders, segments_picture

NUMBERS = np.array([[1, 1, 2], [1, 1, 2], [0, 0, 2]])
CLEAR = np.ones((3, 3), bool)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_borders_are_pixels_before_another_number() -> None:
    assert borders(NUMBERS).tolist() == [[False, True, False], [True, True, False], [False, True, False]]


def test_borders_are_thin_lines_over_the_enlarged_image() -> None:
    band = np.arange(9, dtype=np.float32).reshape(3, 3)
    found = pixels(segments_picture([band, band, band], CLEAR, NUMBERS))
    assert found.shape == (3 * ZOOM, 3 * ZOOM, 3)
    yellow = (found == BORDER_COLOR).all(axis=-1)
    expected = np.zeros(yellow.shape, bool)
    expected[:, 2 * ZOOM - 1] = expected[2 * ZOOM - 1, : 2 * ZOOM] = True
    assert np.array_equal(yellow, expected)
    assert found[0, 0].tolist() == [0, 0, 0]
    assert found[-1, -1].tolist() == [255, 255, 255]


def test_pixels_without_data_are_grey_and_clouds_do_not_change_the_scale() -> None:
    band = np.array([[np.nan, 10, 20], [30, 40, 50], [60, 70, 9000]], np.float32)
    clear = ~np.isnan(band) & (band < 100)
    found = pixels(segments_picture([band], clear, np.zeros((3, 3))))[::ZOOM, ::ZOOM]
    assert tuple(found[0, 0]) == NO_DATA_COLOR
    assert found[2, 2].tolist() == [255] * 3
    assert 120 < found[1, 1, 0] < 135, "the middle of the clear values"
    assert (pixels(segments_picture([np.full((3, 3), np.nan)], ~CLEAR, np.zeros((3, 3)))) == NO_DATA_COLOR).all()


def test_equal_segments_give_equal_bytes() -> None:
    band = np.arange(9, dtype=np.float32).reshape(3, 3)
    assert segments_picture([band], CLEAR, NUMBERS) == segments_picture([band], CLEAR, NUMBERS)
