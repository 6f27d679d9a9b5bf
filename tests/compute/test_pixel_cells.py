"""Cells around scattered pixels contain few other pixels."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.compute.pixel_cells import CELL_OVERHEAD_PIXELS, CELL_SIDES, cell_shape, selected_blocks

WHOLE = (64, 256)


def pixels(share: float, side: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of random squares that cover a share of 512 x 512 pixels."""
    rng = np.random.default_rng(0)
    chosen = np.kron(rng.random((512 // side, 512 // side)) < share, np.ones((side, side)))
    return np.nonzero(chosen)


def test_scattered_pixels_get_the_smallest_cells_and_dense_ones_whole_blocks() -> None:
    assert cell_shape(*pixels(0.0005), WHOLE, 0) == (8, 8)
    assert cell_shape(*pixels(0.5), WHOLE, 0) == WHOLE
    assert cell_shape(*pixels(0.0005), (5, 7), 3) == (5, 7), "never more than a block that fits the memory"


def test_larger_halos_give_larger_cells() -> None:
    sides = [cell_shape(*pixels(0.002, 12), WHOLE, radius)[0] for radius in (0, 2, 5, 15, 40)]
    assert sides == sorted(sides)
    assert sides[0] < sides[-1]


@pytest.mark.parametrize("radius", [0, 2, 15])
@pytest.mark.parametrize(("share", "side"), [(0.0005, 1), (0.01, 1), (0.01, 16), (0.1, 8), (0.5, 32)])
def test_no_other_shape_has_a_lower_cost(share: float, side: int, radius: int) -> None:
    rows, cols = pixels(share, side)

    def work(shape: tuple[int, int]) -> int:
        cells = {(row // shape[0], col // shape[1]) for row, col in zip(rows, cols, strict=True)}
        return len(cells) * ((shape[0] + 2 * radius) * (shape[1] + 2 * radius) + CELL_OVERHEAD_PIXELS)

    found = work(cell_shape(rows, cols, WHOLE, radius))
    assert found == min(work(shape) for shape in [*zip(CELL_SIDES, CELL_SIDES, strict=True), WHOLE])


@pytest.mark.parametrize("strip", [None, (0, 40), (13, 90), (40, 41)])
def test_blocks_start_at_the_strip_and_contain_each_selected_pixel_once(strip: tuple[int, int] | None) -> None:
    grid = GeoBox((100, 70), Affine(10, 0, 0, 0, -10, 0), "EPSG:32631")
    first, end = strip or (0, 100)
    rows, cols = np.nonzero(np.random.default_rng(1).random((100, 70)) < 0.02)
    rows, cols = rows[(rows >= first) & (rows < end)], cols[(rows >= first) & (rows < end)]
    times = np.zeros(len(rows), int)
    for block, at in selected_blocks("A", grid, rows, cols, outer=(16, 70), inner=(8, 30), strip=strip):
        top, left = block.rows[0], block.cols[0]
        assert ((top - first) % 8, left % 30) == (0, 0)
        assert block.shape == (min(8, end - top), min(30, 70 - left))
        assert ((rows[at] >= top) & (rows[at] < block.rows[1])).all()
        assert ((cols[at] >= left) & (cols[at] < block.cols[1])).all()
        times[at] += 1
    assert (times == 1).all()
