"""Position of an excerpt of a raster."""

from __future__ import annotations

import numpy as np
import pytest

from iota2.compute.excerpt import excerpt


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        ([], ((450, 550), (950, 1050))),
        ([(700, 300)], ((650, 750), (250, 350))),
        ([(700, 300), (710, 310), (20, 1900)], ((655, 755), (255, 355))),
        ([(3, 1999)], ((0, 100), (1900, 2000))),
    ],
)
def test_the_excerpt_is_where_most_pixels_are_and_inside_the_raster(pixels: list[tuple[int, int]], expected) -> None:
    rows, cols = np.array(pixels, np.int64).reshape(-1, 2).T
    assert excerpt((1000, 2000), rows, cols, 100) == expected


def test_a_small_raster_is_shown_whole() -> None:
    assert excerpt((40, 60), np.array([1]), np.array([2]), 100) == ((0, 40), (0, 60))


def test_squares_at_opposite_sides_of_the_raster_are_not_mixed() -> None:
    rows, cols = np.array([0, 0, 10, 10, 60, 60, 60]), np.array([153, 154, 0, 1, 80, 81, 82])
    assert excerpt((200, 155), rows, cols, 20) == ((50, 70), (71, 91))
