"""Squares of a map that becomes polygons: groups of cells of its grid, each the work of one job.

Cells do not depend on the number of squares, so the polygons do not either.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from iota2.compute.coverage.cells import CELL_PIXELS, CellIndex


@dataclass(frozen=True)
class Square:
    """Half-open ranges of rows and columns of cells."""

    rows: tuple[int, int]
    cols: tuple[int, int]

    @property
    def cells(self) -> Iterator[CellIndex]:
        """The cells, row by row."""
        return ((row, col) for row in range(*self.rows) for col in range(*self.cols))

    def pixels(self, shape: tuple[int, int]) -> int:
        """Number of its pixels in a raster of ``shape``."""
        (top, bottom), (left, right) = (
            (min(first * CELL_PIXELS, size), min(end * CELL_PIXELS, size))
            for (first, end), size in zip((self.rows, self.cols), shape, strict=True)
        )
        return (bottom - top) * (right - left)


def squares_of(shape: tuple[int, int], gridsize: int | None) -> dict[str, Square]:
    """The squares of a raster of ``shape`` by name, row by row: at most ``gridsize`` rows and columns of squares, or a
    square for each cell."""
    ranges = [_ranges(math.ceil(size / CELL_PIXELS), gridsize) for size in shape]
    return {
        f"{row}_{col}": Square(rows, cols) for row, rows in enumerate(ranges[0]) for col, cols in enumerate(ranges[1])
    }


def _ranges(cells: int, count: int | None) -> list[tuple[int, int]]:
    """Ranges of nearly equal numbers of cells, at most ``count``."""
    count = cells if count is None else min(count, cells)
    return [(cells * k // count, cells * (k + 1) // count) for k in range(count)]


def cell_pixels(cell: CellIndex, shape: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Half-open ranges of rows and columns of the pixels of a cell in a raster of ``shape``; empty outside it."""
    first = [min(index * CELL_PIXELS, size) for index, size in zip(cell, shape, strict=True)]
    end = [min((index + 1) * CELL_PIXELS, size) for index, size in zip(cell, shape, strict=True)]
    return (first[0], end[0]), (first[1], end[1])


def squares_text(squares: Mapping[str, Square]) -> str:
    """The squares as JSON."""
    plain = {name: {"rows": square.rows, "cols": square.cols} for name, square in squares.items()}
    return json.dumps(plain, indent=1) + "\n"


def read_squares(path: Path) -> dict[str, Square]:
    """The squares from a file with the content of ``squares_text``."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {name: Square(tuple(one["rows"]), tuple(one["cols"])) for name, one in content.items()}
