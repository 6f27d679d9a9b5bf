"""Selected pixels grouped into cells: small blocks around neighbouring pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.core.grid import Block, block_of

CELL_SIDES = (8, 16, 32, 64)
"""Sides of the square cells around scattered pixels."""
CELL_OVERHEAD_PIXELS = 256
"""Overhead of a cell, as the number of pixels with the same computing time."""


@dataclass(frozen=True, eq=False)
class Cell:
    """Selected pixels of a small block."""

    block: Block
    rows: np.ndarray
    """Rows within the block."""
    cols: np.ndarray
    at: np.ndarray
    """Positions of the pixels among the selected pixels of the larger block."""


def selected_blocks(
    tile: str,
    geobox: GeoBox,
    rows: np.ndarray,
    cols: np.ndarray,
    *,
    outer: tuple[int, int],
    inner: tuple[int, int],
    strip: tuple[int, int] | None = None,
) -> Iterator[tuple[Block, np.ndarray]]:
    """Blocks of shape ``inner`` with selected pixels, and the positions of these pixels among ``rows`` and ``cols``.

    Blocks are ordered by cells of shape ``outer``, and in scan order inside each cell. ``strip``: half-open range of
    rows that contains all selected pixels and that no block exceeds; by default the whole tile.
    """
    start, end = strip or (0, geobox.shape[0])
    for (below, west), within in _occupied(rows - start, cols, outer):
        upper = start + below
        lower, east = min(upper + outer[0], end), min(west + outer[1], geobox.shape[1])
        for (row, col), at in _occupied(rows[within] - upper, cols[within] - west, inner):
            top, left = upper + row, west + col
            bottom, right = min(top + inner[0], lower), min(left + inner[1], east)
            yield block_of(tile, geobox, (top, bottom), (left, right)), within[at]


def cells(
    geobox: GeoBox, block: Block, pixels: tuple[np.ndarray, np.ndarray], *, largest: tuple[int, int], halo: int
) -> Iterator[Cell]:
    """Cells of the selected ``pixels`` (rows, columns of the tile) of a block, in scan order.

    ``largest`` is the maximum shape of a cell, ``halo`` the margin in pixels that is read around it.
    """
    (top, bottom), (left, right) = block.rows, block.cols
    rows, cols = pixels[0] - top, pixels[1] - left
    shape = cell_shape(rows, cols, largest, halo)
    for (row, col), at in _occupied(rows, cols, shape):
        first = top + row, left + col
        last = min(first[0] + shape[0], bottom), min(first[1] + shape[1], right)
        small = block_of(block.tile, geobox, (first[0], last[0]), (first[1], last[1]))
        yield Cell(small, rows[at] - row, cols[at] - col, at)


def cell_shape(rows: np.ndarray, cols: np.ndarray, largest: tuple[int, int], halo: int) -> tuple[int, int]:
    """Cell shape, at most ``largest``, with the lowest computing time for the pixels.

    Smaller cells contain fewer unselected pixels; larger cells have fewer ``halo`` pixels in total.
    """

    def work(shape: tuple[int, int]) -> int:
        count = len(np.unique(rows // shape[0] * (cols.max() + 1) + cols // shape[1]))
        return count * ((shape[0] + 2 * halo) * (shape[1] + 2 * halo) + CELL_OVERHEAD_PIXELS)

    squares = ((min(side, largest[0]), min(side, largest[1])) for side in CELL_SIDES)
    return min([*squares, largest], key=work)


def _occupied(
    rows: np.ndarray, cols: np.ndarray, shape: tuple[int, int]
) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """First row and column of each cell of ``shape`` with pixels, in scan order, and the positions of its pixels."""
    tops, lefts = rows // shape[0] * shape[0], cols // shape[1] * shape[1]
    order = np.lexsort((lefts, tops))
    tops, lefts = tops[order], lefts[order]
    changes = np.flatnonzero((np.diff(tops) != 0) | (np.diff(lefts) != 0)) + 1
    for at in np.split(order, changes):
        yield (int(rows[at[0]] // shape[0] * shape[0]), int(cols[at[0]] // shape[1] * shape[1])), at
