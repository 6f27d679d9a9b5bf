"""Patches over several cells: their pieces, and homes."""

from __future__ import annotations

import numpy as np

from iota2.compute.coverage.joining import join_cells
from tests.compute.coverage.test_cells import cells_of


def joined(labels: np.ndarray, size: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Pieces with their homes."""
    found = join_cells({cell: one.sides for cell, one in cells_of(labels, size).items()})
    assert found.pieces.shape == found.homes.shape == (len(found.pieces), 3)
    return [*zip(map(tuple, found.pieces.tolist()), map(tuple, found.homes.tolist()), strict=True)]


def test_the_home_of_a_patch_is_its_first_piece() -> None:
    labels = np.array([[1, 2, 1, 1], [1, 2, 2, 3], [1, 1, 1, 0], [4, 4, 0, 0]], np.uint8)
    first, second = (0, 0, 0), (0, 0, 1)
    assert joined(labels, 2) == [
        (first, first),
        ((1, 0, 0), first),
        ((1, 1, 0), first),
        (second, second),
        ((0, 1, 1), second),
    ]


def test_pieces_of_one_cell_are_joined_through_another() -> None:
    u_shape = np.array([[1, 2, 1], [1, 2, 1], [1, 1, 1]], np.uint8)
    home = (0, 0, 0)
    assert joined(u_shape, 2) == [(home, home), ((0, 1, 0), home), ((1, 0, 0), home), ((1, 1, 0), home)]


def test_equal_labels_at_a_corner_of_cells_are_not_joined() -> None:
    assert joined(np.array([[1, 2], [3, 1]], np.uint8), 1) == []


def test_pixels_without_label_are_not_joined() -> None:
    assert joined(np.zeros((2, 2), np.uint8), 1) == []


def test_a_cell_that_is_missing_ends_its_patches() -> None:
    sides = {cell: one.sides for cell, one in cells_of(np.ones((1, 3), np.uint8), 1).items()}
    del sides[0, 1]
    assert len(join_cells(sides).pieces) == len(join_cells({}).pieces) == 0


def test_a_large_number_of_cells_is_joined_in_any_form() -> None:
    """A spiral is one patch."""
    spiral = np.zeros((21, 21), np.uint8)
    row, col, step = 0, 0, (0, 1)
    spiral[0, 0] = 1
    for length in (20, 20, 20, 18, 18, 16, 16, 14, 14, 12, 12, 10, 10, 8, 8, 6, 6, 4, 4, 2, 2):
        for _ in range(length):
            row, col = row + step[0], col + step[1]
            spiral[row, col] = 1
        step = (step[1], -step[0])
    found = joined(spiral, 1)
    assert len(found) == spiral.sum()
    assert {home for _, home in found} == {(0, 0, 0)}
