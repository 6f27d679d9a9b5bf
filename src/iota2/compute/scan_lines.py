"""Scan lines through polygons: which pixel centres of each row are inside.

The even-odd rule, as in ``compute.polygons.centres_inside``: a centre on the common edge of two polygons is in exactly
one of them, whatever the window.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import shapely


class PixelRuns(NamedTuple):
    """Runs of adjacent pixels of one row inside a polygon, in the order of rows, polygons and columns."""

    row: np.ndarray
    """(run,) int32."""
    polygon: np.ndarray
    """(run,) int32: position of the polygon."""
    first: np.ndarray
    """(run,) int32: first column."""
    end: np.ndarray
    """(run,) int32: end column, exclusive."""


def pixel_runs(polygons: np.ndarray, x: np.ndarray, y: np.ndarray) -> PixelRuns:
    """The pixels whose centre is inside each polygon or multipolygon with finite coordinates.

    ``x`` ascends, ``y`` descends: centres of columns and rows, in map units. Memory and time depend on the vertices and
    the height of polygons, not on their area.
    """
    none = np.zeros(0, np.int32)
    if len(polygons) == 0:
        return PixelRuns(none, none, none, none)
    found = np.asarray(_runs(*vertices(polygons), (x, -y)))
    return PixelRuns(*found[:, np.lexsort((found[2], found[1], found[0]))])


def vertices(polygons: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (vertex, 2), first vertex of each ring, first ring of each polygon; the last two with the end as last
    element."""
    _, points, offsets = shapely.to_ragged_array(polygons, include_z=False)
    rings, starts, *parts = (np.asarray(one, np.int64) for one in offsets)
    return points, rings, starts[parts[0]] if parts else starts


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _runs(
    points: np.ndarray, rings: np.ndarray, starts: np.ndarray, centres: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """(4, run): row, polygon, first column and column after the last one."""
    out, count = np.empty((4, 1024), np.int32), 0
    for polygon in range(len(starts) - 1):
        top, row_starts, columns = crossings(points, rings[starts[polygon] : starts[polygon + 1] + 1], centres)
        if count + len(columns) // 2 > out.shape[1]:
            larger = np.empty((4, 2 * (count + len(columns))), np.int32)
            larger[:, :count] = out[:, :count]
            out = larger
        for row in range(len(row_starts) - 1):
            for pair in range(row_starts[row], row_starts[row + 1] - 1, 2):
                if columns[pair] < columns[pair + 1]:
                    out[0, count], out[1, count] = top + row, polygon
                    out[2, count], out[3, count] = columns[pair], columns[pair + 1]
                    count += 1
    return out[:, :count]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def crossings(
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
    top, bottom = np.searchsorted(down, -vertical.max(), "right"), np.searchsorted(down, -vertical.min(), "right")
    row_starts = np.zeros(bottom - top + 1, np.int64)
    for ring in range(len(rings) - 1):
        for k in range(rings[ring], rings[ring + 1] - 1):
            low, high = min(points[k, 1], points[k + 1, 1]), max(points[k, 1], points[k + 1, 1])
            for row in range(np.searchsorted(down, -high, "right"), np.searchsorted(down, -low, "right")):
                row_starts[row - top + 1] += 1
    row_starts = np.cumsum(row_starts)
    ends, columns = row_starts.copy(), np.empty(row_starts[-1], np.int64)
    for ring in range(len(rings) - 1):
        for k in range(rings[ring], rings[ring + 1] - 1):
            low, high = (k, k + 1) if points[k, 1] < points[k + 1, 1] else (k + 1, k)
            (x1, y1), (x2, y2) = points[low], points[high]
            slope = (x2 - x1) / (y2 - y1)
            for row in range(np.searchsorted(down, -y2, "right"), np.searchsorted(down, -y1, "right")):
                crossing = x1 + (-down[row] - y1) * slope
                columns[ends[row - top]] = np.searchsorted(x, crossing)
                ends[row - top] += 1
    for row in range(len(row_starts) - 1):
        columns[row_starts[row] : row_starts[row + 1]].sort()
    return top, row_starts, columns
