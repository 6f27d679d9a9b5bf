"""Content of the figures; the same values give the same bytes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from iota2.compute.accuracy import scores
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import Confusion
from iota2.report.results.figures import (
    confidence_quicklook,
    confusion_figure,
    map_quicklook,
    validity_quicklook,
)

GREEN, DARK_RED, EMPTY = (0x3F, 0x9B, 0x5B), (0xB3, 0x26, 0x1E), (0xEC, 0xEF, 0xF1)


def classes(*names: str) -> Nomenclature:
    codes = tuple(range(1, len(names) + 1))
    return Nomenclature(codes, names, tuple((10 * k % 256, 200, 30) for k in codes), codes)


def draw(path, counts, nomenclature) -> np.ndarray:
    matrix = Confusion(nomenclature.codes, np.array(counts), np.zeros(len(counts), dtype=np.int64))
    confusion_figure(matrix, scores(matrix), nomenclature, path)
    return pixels(path.read_bytes())


def pixels(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    assert not {"Software", "Creation Time", "date:create"} & set(image.info)
    return np.asarray(image.convert("RGB")).astype(int)


def where(image: np.ndarray, color) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.nonzero((abs(image - color) <= 1).all(axis=2))
    assert rows.size
    return rows, columns


def test_rows_of_the_figure_are_the_reference(tmp_path):
    image = draw(tmp_path / "a.png", [[0, 0, 50], [0, 50, 0], [0, 0, 50]], classes("a", "b", "c"))
    wrong_rows, wrong_columns = where(image, DARK_RED)
    right_rows, right_columns = where(image, GREEN)
    assert wrong_rows.max() < right_rows.min()
    assert wrong_columns.min() > right_columns.min()


def test_a_class_without_reference_is_grey_over_its_row(tmp_path):
    image = draw(tmp_path / "a.png", [[9, 0], [0, 0]], classes("a", "b"))
    green_rows, _ = where(image, GREEN)
    rows, columns = where(image, EMPTY)
    assert rows.max() > green_rows.max()
    assert np.ptp(columns) > image.shape[1] / 3


def test_nothing_is_drawn_outside_the_figure(tmp_path):
    image = draw(tmp_path / "a.png", np.eye(12, dtype=int) * 10**7, classes(*["É" * 60] * 12))
    for edge in (image[:8], image[-8:], image[:, :8], image[:, -8:]):
        assert (edge == 255).all()


@pytest.mark.parametrize("name", ["$x^$ _{", "森林", "", "a\tb", "<b>&amp;"])
def test_any_name_can_be_drawn(tmp_path, name):
    draw(tmp_path / "a.png", [[1, 2], [3, 4]], classes(name, "b"))
    assert map_quicklook(np.array([[1, 2]], dtype=np.uint8), classes(name, "b"))


def test_the_same_values_give_the_same_bytes(tmp_path):
    for path in (tmp_path / "a.png", tmp_path / "b.png"):
        draw(path, [[5, 1], [0, 12345]], classes("a", "b"))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    labels = np.array([[1, 2], [0, 1]], dtype=np.uint8)
    assert map_quicklook(labels, classes("a", "b"), 10.0) == map_quicklook(labels, classes("a", "b"), 10.0)


def test_figure_grows_with_the_classes_at_200_dpi(tmp_path):
    few = draw(tmp_path / "a.png", np.eye(3, dtype=int), classes(*"abc")).shape
    many = draw(tmp_path / "b.png", np.eye(16, dtype=int), classes(*["a"] * 16)).shape
    assert many[0] - few[0] > 600
    assert many[0] > 16 * 0.5 * 200


def test_the_map_shows_classes_in_their_colours_and_other_pixels_white():
    image = pixels(map_quicklook(np.array([[1, 2], [0, 2]], dtype=np.uint8), classes("a", "b")))
    first_rows, first_columns = where(image, (10, 200, 30))
    second_rows, _ = where(image, (20, 200, 30))
    assert first_rows.size * 1.9 < second_rows.size < first_rows.size * 2.1
    assert first_columns.min() < image.shape[1] / 4
    assert (image[int(image.shape[0] * 0.7), int(image.shape[1] * 0.2)] == 255).all()


def test_a_map_without_legend_is_only_as_wide_as_its_image():
    labels = np.array([[1, 2], [1, 2]], dtype=np.uint8)
    image = pixels(map_quicklook(labels, classes("a", "b"), legend=False))
    _, columns = where(image, (20, 200, 30))
    assert columns.max() > 0.95 * image.shape[1]
    assert pixels(map_quicklook(labels, classes("a", "b"))).shape[1] > 1.3 * image.shape[1]


def test_an_unknown_code_is_an_error():
    with pytest.raises(KeyError):
        map_quicklook(np.array([[3]], dtype=np.uint8), classes("a"))


@pytest.mark.parametrize("quicklook", [confidence_quicklook, validity_quicklook])
def test_pixels_that_are_not_classified_are_white(quicklook):
    values = np.zeros((20, 20), dtype=np.uint16)
    nothing, something = pixels(quicklook(values, 10.0)), pixels(quicklook(values + 60, 10.0))
    middle = (200, 200)
    assert (nothing[middle] == 255).all()
    assert not (something[middle] == 255).all()
