"""Rasterisation of many polygons at once: at each pixel, the first polygon that contains its centre."""

from __future__ import annotations

import numba
import numpy as np

from iota2.compute.scan_lines import crossings, vertices


class FirstPolygons:
    """A raster with the first polygon that contains the centre of each pixel, by the rule of ``centres_inside``.

    Polygons are added in batches, in any order: their ranks decide which one is the first.
    """

    def __init__(self, numbers: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
        """``numbers``: (y, x) uint32 zeros, to be filled. ``x`` ascends, ``y`` descends: centres, in map units."""
        self.numbers = numbers
        """(y, x) number of the polygon, from 1 in the order in which polygons were added; 0 outside all polygons."""
        self.ranks = np.zeros(0, np.int64)
        """(polygon,) rank of each polygon."""
        self.won = np.zeros(0, np.int64)
        """(polygon,) number of pixels of which the polygon is the first."""
        self.lost = np.zeros(0, np.int64)
        """(polygon,) number of pixels in the polygon that belong to polygons of lower rank."""
        self._x, self._down = x, -y

    def add(self, polygons: np.ndarray, ranks: np.ndarray) -> None:
        """Add polygons and multipolygons, valid or not, with finite coordinates; all ranks differ."""
        first, none = len(self.ranks), np.zeros(len(polygons), np.int64)
        self.ranks = np.concatenate([self.ranks, ranks])
        self.won, self.lost = np.concatenate([self.won, none]), np.concatenate([self.lost, none])
        if len(polygons):
            shapes = vertices(polygons)
            _burn(shapes, (self._x, self._down), first, self.numbers, (self.ranks, self.won, self.lost))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _burn(
    shapes: tuple[np.ndarray, np.ndarray, np.ndarray],
    centres: tuple[np.ndarray, np.ndarray],
    first: int,
    numbers: np.ndarray,
    tables: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Write the numbers of the polygons of ``vertices`` from ``first`` + 1; ``tables``: ranks, won and lost pixels."""
    points, rings, starts = shapes
    ranks, won, lost = tables
    for k in range(len(starts) - 1):
        polygon = first + k
        top, row_starts, columns = crossings(points, rings[starts[k] : starts[k + 1] + 1], centres)
        for row in range(len(row_starts) - 1):
            for pair in range(row_starts[row], row_starts[row + 1] - 1, 2):
                for column in range(columns[pair], columns[pair + 1]):
                    other = np.int64(numbers[top + row, column]) - 1
                    if other >= 0 and ranks[other] < ranks[polygon]:
                        lost[polygon] += 1
                        continue
                    if other >= 0:
                        won[other] -= 1
                        lost[other] += 1
                    won[polygon] += 1
                    numbers[top + row, column] = polygon + 1
