"""One polygon from the pieces of a patch in several cells.

Pieces have the same vertices on the boundaries of cells that they share. A segment of two pieces is within the patch
and belongs to no ring of the result. The other segments are followed with the patch on the right. Where the patch
touches itself at a vertex, the leftmost of the segments that begin there separates the rings (``outlines``). This takes
time in proportion to the number of vertices, which matters for patches that extend over a whole map, with many holes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numba import njit
from shapely import Polygon


def dissolve(pieces: Sequence[Polygon]) -> Polygon:
    """The polygon of a patch from its pieces, in normal form: their order does not matter.

    The patch is connected over edges of pixels. No vertex is new, and none moves.
    """
    normal = shapely.normalize(np.array(pieces, object))
    if len(pieces) == 1:
        return normal[0]
    points, starts, ends = _segments(normal)
    order, rings = np.empty(len(starts), np.int64), np.zeros(len(starts) + 1, np.int64)
    count = _follow(points, starts, ends, order, rings)
    return shapely.normalize(_polygon(points[starts[order]], rings[: count + 1]))


def _segments(polygons: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (vertex, 2), and the first and the last vertex of the segments of one polygon only, by first vertex.

    The polygons are on the right of the segments, because they are in normal form.
    """
    _, coordinates, (rings, _) = shapely.to_ragged_array(polygons, include_z=False)
    points, numbers = np.unique(coordinates.reshape(-1).view(np.complex128), return_inverse=True)
    within = np.ones(len(numbers), bool)
    within[rings[1:] - 1] = False
    starts, ends = numbers[within], numbers[np.flatnonzero(within) + 1]
    pairs = np.minimum(starts, ends) * len(points) + np.maximum(starts, ends)
    _, pair, uses = np.unique(pairs, return_inverse=True, return_counts=True)
    single = np.flatnonzero(uses[pair] == 1)
    single = single[np.lexsort((ends[single], starts[single]))]
    return points.view(np.float64).reshape(-1, 2), starts[single], ends[single]


def _polygon(vertices: np.ndarray, rings: np.ndarray) -> Polygon:
    """The polygon with one exterior ring among rings, of which ``rings`` are the offsets in ``vertices``."""
    before = np.roll(vertices, 1, axis=0)
    before[rings[:-1]] = vertices[rings[1:] - 1]
    (x, y), (from_x, from_y) = (vertices - vertices[0]).T, (before - vertices[0]).T
    exterior = int(np.argmin(np.add.reduceat(from_x * y - x * from_y, rings[:-1])))
    drawn = shapely.linearrings(vertices, indices=np.repeat(np.arange(len(rings) - 1), np.diff(rings)))
    return shapely.polygons(drawn[exterior], holes=np.delete(drawn, exterior))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _follow(points: np.ndarray, starts: np.ndarray, ends: np.ndarray, order: np.ndarray, rings: np.ndarray) -> int:
    """Write the segments in the order of rings, and the first position after each ring; returns the number of rings."""
    first = np.searchsorted(starts, np.arange(len(points) + 1))
    used = np.zeros(len(starts), np.bool_)
    position = count = 0
    for begin in range(len(starts)):
        segment = begin
        while not used[segment]:
            used[segment] = True
            order[position] = segment
            position += 1
            corner = ends[segment]
            segment = _leftmost(points, ends, (starts[segment], corner), (first[corner], first[corner + 1]))
        if position > rings[count]:
            count += 1
            rings[count] = position
    return count


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _leftmost(points: np.ndarray, ends: np.ndarray, segment: tuple[int, int], others: tuple[int, int]) -> int:
    """Of the segments from ``others[0]`` to ``others[1]`` - 1, which begin at the end of a segment, the leftmost."""
    begin, corner = segment
    best, most = others[0], -np.inf
    if others[1] - others[0] == 1:
        return best
    x, y = points[corner] - points[begin]
    for k in range(others[0], others[1]):
        to_x, to_y = points[ends[k]] - points[corner]
        angle = np.arctan2(x * to_y - y * to_x, x * to_x + y * to_y)
        if angle > most:
            best, most = k, angle
    return best
