"""Search for vertices in a triangle.

The lines of a coverage meet at vertices only. Let ``p`` be a vertex with two lines, and ``a`` and ``b`` be points on
these, so that no vertex is between ``p`` and ``a`` or ``b``. If the closed triangle a, p, b contains no further vertex,
no other line touches it, except at ``a`` or ``b`` if these are vertices: a line that enters it through the side a-b
cannot leave it again through that side, nor through the other two, which are lines of the coverage, and has no end in
it. So the side a-b can replace the lines from ``a`` over ``p`` to ``b``, unless ``a`` and ``b`` are connected already.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

_MARGIN = 1e-6
"""Pixels by which the columns of a search are extended, so that rounding excludes no vertex."""


class VertexIndex(NamedTuple):
    """Vertices by pixel."""

    points: np.ndarray
    """(vertex, 2) float64: x, y in pixels, from 0."""
    starts: np.ndarray
    """(row, column) int64: position in ``order`` of the first vertex of the pixel; one more column than pixels."""
    order: np.ndarray
    """(vertex,) int64: the vertices, by pixel."""


def vertex_index(points: np.ndarray) -> VertexIndex:
    """Index of points (vertex, 2), from 0."""
    cols, rows = np.floor(points).astype(np.int64).T
    height, width = rows.max(initial=-1) + 1, cols.max(initial=-1) + 2
    pixels = rows * width + cols
    starts = np.cumsum(np.bincount(pixels, minlength=height * width)) - np.bincount(pixels, minlength=height * width)
    return VertexIndex(points, starts.reshape(height, width), np.argsort(pixels, kind="stable"))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def contains_vertex(index: VertexIndex, present: np.ndarray, triangle: np.ndarray, own: tuple[int, int, int]) -> bool:
    """Whether the closed triangle (3, 2) contains a vertex that is ``present`` (vertex,) bool, except its ``own``."""
    height, width = index.starts.shape
    first = max(0, int(np.floor(triangle[:, 1].min())))
    last = min(height - 1, int(np.floor(triangle[:, 1].max())))
    for row in range(first, last + 1):
        low, high = _columns(triangle, row)
        begin = index.starts[row, min(max(0, int(np.floor(low - _MARGIN))), width - 1)]
        end = index.starts[row, min(max(0, int(np.floor(high + _MARGIN)) + 1), width - 1)]
        for k in range(begin, end):
            vertex = index.order[k]
            other = present[vertex] and vertex != own[0] and vertex != own[1] and vertex != own[2]
            if other and _is_inside(triangle, index.points[vertex, 0], index.points[vertex, 1]):
                return True
    return False


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _columns(triangle: np.ndarray, row: int) -> tuple[float, float]:
    """Smallest and largest x of a triangle between y = row and y = row + 1."""
    low, high = np.inf, -np.inf
    for k in range(3):
        x, y = triangle[k]
        to_x, to_y = triangle[(k + 1) % 3]
        for level in (max(min(y, to_y), float(row)), min(max(y, to_y), row + 1.0)):
            if min(y, to_y) <= level <= max(y, to_y) and row <= level <= row + 1:
                if y == to_y:
                    low, high = min(low, x, to_x), max(high, x, to_x)
                else:
                    at = x + (to_x - x) * (level - y) / (to_y - y)
                    low, high = min(low, at), max(high, at)
    return low, high


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _is_inside(triangle: np.ndarray, x: float, y: float) -> bool:
    """Whether a point is in a closed triangle, which may be a segment; exact."""
    if not (triangle[:, 0].min() <= x <= triangle[:, 0].max() and triangle[:, 1].min() <= y <= triangle[:, 1].max()):
        return False
    positive = negative = False
    for k in range(3):
        from_x, from_y = triangle[k]
        to_x, to_y = triangle[(k + 1) % 3]
        side = (to_x - from_x) * (y - from_y) - (to_y - from_y) * (x - from_x)
        positive |= side > 0
        negative |= side < 0
    return not (positive and negative)
