"""Smoothing of the lines of a coverage by corner cutting (Chaikin, 1974).

A free vertex is replaced by the points at a quarter of its two segments. It stays if the triangle that this cuts off
contains another vertex, or if a polygon would become smaller than its minimum (``areas``). All other vertices of a
round are replaced at once, and lines do not meet or cross:

- A new side does not touch the remaining part of an old segment: no other segment touches the triangle
  (``vertex_index``), and the vertex's own segments do only between it and the new points.
- Two new sides do not touch. Their ends are on segments that do not touch the triangle of the other, or, on a segment
  between both vertices, beyond its first quarter. So a new side that touched the triangle of the other would enter and
  leave it through the same straight side.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from affine import Affine
from numba import njit

from iota2.compute.coverage.areas import PolygonAreas, transfer
from iota2.compute.coverage.lines import Lines
from iota2.compute.coverage.vertex_index import VertexIndex, contains_vertex, vertex_index

ROUNDS = 4
"""Largest number of times that corners are cut."""


def smooth(lines: Lines, transform: Affine, longest: float) -> Lines:
    """The lines without corners at segments longer than ``longest`` in units of the map; 0 changes nothing.

    ``transform``: from pixels to coordinates of the map; it determines lengths only. A segment is divided into a
    quarter, a half and a quarter in each of at most ``ROUNDS`` rounds.
    """
    for _ in range(ROUNDS if longest > 0 else 0):
        neighbours = lines.neighbours()
        cut = _is_long(lines, neighbours, transform, longest)
        _keep_corners(vertex_index(lines.points), neighbours, lines.sides(neighbours), lines.areas(), cut)
        if not cut.any():
            break
        lines = _without_corners(lines, neighbours, cut)
    return lines


def _is_long(lines: Lines, neighbours: np.ndarray, transform: Affine, longest: float) -> np.ndarray:
    """(vertex,) bool: free vertices with a segment longer than ``longest``, where a line turns."""
    free = np.flatnonzero(lines.free)
    one, other = (lines.points[neighbours[free, k]] - lines.points[free] for k in (0, 1))
    lengths = [
        np.hypot(transform.a * x + transform.b * y, transform.d * x + transform.e * y) for x, y in (one.T, other.T)
    ]
    turns = one[:, 0] * other[:, 1] != one[:, 1] * other[:, 0]
    found = np.zeros(len(lines.points), bool)
    found[free] = turns & (np.maximum(*lengths) > longest)
    return found


def _without_corners(lines: Lines, neighbours: np.ndarray, cut: np.ndarray) -> Lines:
    """The lines with two vertices instead of each one that is ``cut`` (vertex,) bool."""
    corners = np.flatnonzero(cut)
    first = np.cumsum(1 + cut, dtype=np.int32) - 1 - cut
    points, free = np.repeat(lines.points, 1 + cut, axis=0), np.repeat(lines.free, 1 + cut)
    for k in (0, 1):
        points[first[corners] + k] = 0.75 * lines.points[corners] + 0.25 * lines.points[neighbours[corners, k]]
    members, rings = lines.members, lines.rings
    before = np.roll(members, 1)
    before[rings[:-1]] = members[rings[1:] - 1]
    twice = cut[members]
    replaced = np.repeat(first[members], 1 + twice)
    at = (np.cumsum(1 + twice) - 1 - twice)[twice]
    backward = neighbours[members[twice], 0] != before[twice]
    replaced[at] += backward
    replaced[at + 1] += ~backward
    rings = rings + np.append(0, np.cumsum(twice))[rings]
    return replace(lines, points=points, free=free, members=replaced, rings=rings)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _keep_corners(
    index: VertexIndex, neighbours: np.ndarray, sides: np.ndarray, polygons: PolygonAreas, cut: np.ndarray
) -> None:
    """Remove vertices from ``cut`` (vertex,) bool whose triangle contains another vertex, or is needed by a polygon."""
    triangle, present = np.empty((3, 2)), np.ones(len(cut), np.bool_)
    for vertex in range(len(cut)):
        if cut[vertex]:
            triangle[1] = index.points[vertex]
            for k in (0, 1):
                triangle[2 * k] = 0.75 * index.points[vertex] + 0.25 * index.points[neighbours[vertex, k]]
            (ax, ay), (px, py), (bx, by) = triangle[0], triangle[1], triangle[2]
            loss = ((px - ax) * (by - ay) - (bx - ax) * (py - ay)) / 2
            blocked = contains_vertex(index, present, triangle, (vertex, vertex, vertex))
            cut[vertex] = not blocked and transfer(polygons, sides[vertex, 0], sides[vertex, 1], loss)
