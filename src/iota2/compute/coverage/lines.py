"""Lines of a coverage: polygons whose rings refer to common vertices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numba import njit

from iota2.compute.coverage.areas import PolygonAreas


@dataclass(frozen=True, eq=False)
class Lines:
    """Polygons without gap or overlap: lines meet at vertices only, and a vertex is stored once for all polygons."""

    points: np.ndarray
    """(vertex, 2) float64: x, y in pixels of the cell, y down; multiples of a power of 1/2, so that sums and products
    of coordinates are exact."""
    free: np.ndarray
    """(vertex,) bool: vertices within a line between two polygons. The others are where more lines meet, or on the
    outer limits of the coverage; they do not move."""
    members: np.ndarray
    """(member,) int32: vertices of the rings, one ring after the other; the first of a ring is not repeated."""
    rings: np.ndarray
    """(ring + 1,) int64: first member of each ring."""
    polygons: np.ndarray
    """(polygon + 1,) int64: first ring of each polygon, which is its exterior; the others are holes."""
    minimum: np.ndarray
    """(polygon,) float64: areas in pixels below which polygons must not fall when vertices move."""

    def neighbours(self) -> np.ndarray:
        """(vertex, 4) int64: the vertices that each one is connected with, -1 beyond; free vertices have two."""
        found = np.full((len(self.points), 4), -1)
        _connect(self.members, self.rings, found)
        return found

    def sides(self, neighbours: np.ndarray) -> np.ndarray:
        """(vertex, 2) int32: polygons of each free vertex: that whose ring comes from its first neighbour, and that
        whose ring comes from the second; ``neighbours`` as above."""
        found = np.full((len(self.points), 2), -1, np.int32)
        owners = np.repeat(np.arange(len(self.minimum), dtype=np.int32), np.diff(self.polygons))
        _find_sides(self.members, self.rings, owners, neighbours, found)
        return found

    def areas(self) -> PolygonAreas:
        """Areas of the polygons, from the vertices: positive, because exteriors turn from x to y."""
        if len(self.members) == 0:
            return PolygonAreas(np.zeros(len(self.minimum)), self.minimum)
        after = np.arange(1, len(self.members) + 1)
        after[self.rings[1:] - 1] = self.rings[:-1]
        (x, y), (to_x, to_y) = self.points[self.members].T, self.points[self.members[after]].T
        first = self.rings[self.polygons[:-1]]
        return PolygonAreas(np.add.reduceat(x * to_y - to_x * y, first) / 2, self.minimum)

    def to_polygons(self, points: np.ndarray) -> np.ndarray:
        """(polygon,) shapely polygons, with ``points`` (vertex, 2) as vertices."""
        if len(self.polygons) == 1:
            return np.empty(0, object)
        closed = np.insert(self.members, self.rings[1:], self.members[self.rings[:-1]])
        offsets = (self.rings + np.arange(len(self.rings)), self.polygons)
        found: np.ndarray = shapely.from_ragged_array(shapely.GeometryType.POLYGON, points[closed], offsets)
        return found


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _connect(members: np.ndarray, rings: np.ndarray, neighbours: np.ndarray) -> None:
    """Write the neighbours of each vertex in the order of rings."""
    for ring in range(len(rings) - 1):
        one = members[rings[ring + 1] - 1]
        for k in range(rings[ring], rings[ring + 1]):
            other = members[k]
            _add(neighbours[one], other)
            _add(neighbours[other], one)
            one = other


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _find_sides(
    members: np.ndarray, rings: np.ndarray, owners: np.ndarray, neighbours: np.ndarray, sides: np.ndarray
) -> None:
    """Write the polygons at the vertices to ``sides``; ``owners`` (ring,): polygon of each ring."""
    for ring in range(len(rings) - 1):
        before = members[rings[ring + 1] - 1]
        for k in range(rings[ring], rings[ring + 1]):
            vertex = members[k]
            sides[vertex, 0 if neighbours[vertex, 0] == before else 1] = owners[ring]
            before = vertex


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add(neighbours: np.ndarray, vertex: int) -> None:
    """Add a vertex to the neighbours (4,) of another one, once."""
    for k in range(len(neighbours)):
        if neighbours[k] == vertex:
            return
        if neighbours[k] < 0:
            neighbours[k] = vertex
            return
