"""Rasterisation of many polygons at once: at each pixel, the first polygon that contains its centre."""

from __future__ import annotations

import numba
import numpy as np
import shapely


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
            shapes = _vertices(polygons)
            _burn(shapes, (self._x, self._down), first, self.numbers, (self.ranks, self.won, self.lost))


def _vertices(polygons: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (vertex, 2), first vertex of each ring, first ring of each polygon; the last two with the end as last
    element."""
    _, points, offsets = shapely.to_ragged_array(polygons, include_z=False)
    rings, starts, *parts = (np.asarray(one, np.int64) for one in offsets)
    return points, rings, starts[parts[0]] if parts else starts


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _burn(
    shapes: tuple[np.ndarray, np.ndarray, np.ndarray],
    centres: tuple[np.ndarray, np.ndarray],
    first: int,
    numbers: np.ndarray,
    tables: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Write the numbers of the polygons of ``_vertices`` from ``first`` + 1; ``tables``: ranks, won and lost pixels."""
    points, rings, starts = shapes
    ranks, won, lost = tables
    for k in range(len(starts) - 1):
        polygon = first + k
        top, row_starts, columns = _crossings(points, rings[starts[k] : starts[k + 1] + 1], centres)
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


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _crossings(
    points: np.ndarray, rings: np.ndarray, centres: tuple[np.ndarray, np.ndarray]
) -> tuple[int, np.ndarray, np.ndarray]:
    """Where the rows of centres cross the rings from ``rings[k]`` to ``rings[k + 1]``.

    Returns the first row, the start of each row (with the end of the last one), and the column of the first centre at
    or to the right of each crossing, sorted in each row. A horizontal edge crosses no row.
    """
    x, down = centres
    if rings[0] == rings[-1]:
        return 0, np.zeros(1, np.int64), np.zeros(0, np.int64)
    vertical = points[rings[0] : rings[-1], 1]
    top, bottom = _after(down, -vertical.max()), _after(down, -vertical.min())
    row_starts = np.zeros(bottom - top + 1, np.int64)
    for ring in range(len(rings) - 1):
        for k in range(rings[ring], rings[ring + 1] - 1):
            low, high = min(points[k, 1], points[k + 1, 1]), max(points[k, 1], points[k + 1, 1])
            for row in range(_after(down, -high), _after(down, -low)):
                row_starts[row - top + 1] += 1
    row_starts = np.cumsum(row_starts)
    ends, columns = row_starts.copy(), np.empty(row_starts[-1], np.int64)
    for ring in range(len(rings) - 1):
        for k in range(rings[ring], rings[ring + 1] - 1):
            low, high = (k, k + 1) if points[k, 1] < points[k + 1, 1] else (k + 1, k)
            (x1, y1), (x2, y2) = points[low], points[high]
            slope = (x2 - x1) / (y2 - y1)
            for row in range(_after(down, -y2), _after(down, -y1)):
                crossing = x1 + (-down[row] - y1) * slope
                columns[ends[row - top]] = _from(x, crossing)
                ends[row - top] += 1
    for row in range(len(row_starts) - 1):
        columns[row_starts[row] : row_starts[row + 1]].sort()
    return top, row_starts, columns


@numba.njit(nogil=True, cache=True)
def _from(values: np.ndarray, bound: float) -> int:
    """Position of the first of ascending ``values`` that is at least ``bound``."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if values[middle] >= bound:
            high = middle
        else:
            low = middle + 1
    return low


@numba.njit(nogil=True, cache=True)
def _after(values: np.ndarray, bound: float) -> int:
    """Position of the first of ascending ``values`` that is greater than ``bound``."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if values[middle] > bound:
            high = middle
        else:
            low = middle + 1
    return low
