"""Simplification of the lines of a coverage (Visvalingam and Whyatt, 1993).

The vertex with the smallest triangle is removed first, as long as its triangle with the two neighbours is not larger
than a limit. A vertex stays if the triangle contains another vertex, or if its neighbours are connected already, so
that lines never meet or cross (``vertex_index``), and a ring keeps three vertices. It stays, too, if a polygon would
become smaller than its minimum (``areas``).
"""

from __future__ import annotations

import heapq
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numba import njit

from iota2.compute.coverage.areas import PolygonAreas, transfer
from iota2.compute.coverage.lines import Lines
from iota2.compute.coverage.vertex_index import VertexIndex, contains_vertex, vertex_index


class _Borders(NamedTuple):
    """What changes when a vertex is removed."""

    free: np.ndarray
    """(vertex,) bool."""
    neighbours: np.ndarray
    """(vertex, 4) int64."""
    sides: np.ndarray
    """(vertex, 2) int32."""
    polygons: PolygonAreas


def simplify(lines: Lines, tolerance: float) -> Lines:
    """The lines without free vertices whose triangles are at most ``tolerance`` (pixels) squared; 0 changes nothing."""
    if tolerance == 0 or not lines.free.any():
        return lines
    present = np.ones(len(lines.points), bool)
    neighbours = lines.neighbours()
    borders = _Borders(lines.free, neighbours, lines.sides(neighbours), lines.areas())
    _remove_vertices(vertex_index(lines.points), borders, present, tolerance**2)
    kept = present[lines.members]
    numbers = np.cumsum(present, dtype=np.int32) - 1
    return replace(
        lines,
        points=lines.points[present],
        free=lines.free[present],
        members=numbers[lines.members[kept]],
        rings=np.append(0, np.cumsum(kept))[lines.rings],
    )


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _remove_vertices(index: VertexIndex, borders: _Borders, present: np.ndarray, largest: float) -> None:
    """Mark removed vertices as not ``present``; neighbours and areas of polygons change accordingly."""
    free, neighbours, sides, polygons = borders
    triangle = np.empty((3, 2))
    areas = np.empty(len(free))
    queue = [(0.0, 0) for _ in range(0)]
    for vertex in range(len(free)):
        if free[vertex]:
            areas[vertex] = abs(_read_triangle(index.points, neighbours, vertex, triangle))
            if areas[vertex] <= largest:
                queue.append((areas[vertex], vertex))
    heapq.heapify(queue)
    while len(queue) > 0:
        area, vertex = heapq.heappop(queue)
        if not present[vertex] or area != areas[vertex]:
            continue
        one, other = neighbours[vertex, 0], neighbours[vertex, 1]
        loss = _read_triangle(index.points, neighbours, vertex, triangle)
        if (neighbours[one] == other).any() or contains_vertex(index, present, triangle, (one, vertex, other)):
            continue
        if not transfer(polygons, sides[vertex, 0], sides[vertex, 1], loss):
            continue
        present[vertex] = False
        for end, beyond in ((one, other), (other, one)):
            neighbours[end][neighbours[end] == vertex] = beyond
            if free[end]:
                areas[end] = abs(_read_triangle(index.points, neighbours, end, triangle))
                if areas[end] <= largest:
                    heapq.heappush(queue, (areas[end], end))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _read_triangle(points: np.ndarray, neighbours: np.ndarray, vertex: int, triangle: np.ndarray) -> float:
    """Write a free vertex with its neighbours to ``triangle`` (3, 2); returns its area, negative if the polygon whose
    ring passes from the first neighbour to the second does not contain it."""
    triangle[0] = points[neighbours[vertex, 0]]
    triangle[1] = points[vertex]
    triangle[2] = points[neighbours[vertex, 1]]
    (ax, ay), (px, py), (bx, by) = triangle[0], triangle[1], triangle[2]
    return float(((px - ax) * (by - ay) - (bx - ax) * (py - ay)) / 2)
