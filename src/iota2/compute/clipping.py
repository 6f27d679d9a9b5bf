"""Polygons of a coverage that are cut by an area."""

from __future__ import annotations

import numpy as np
import shapely
from scipy.spatial import cKDTree
from shapely.geometry.base import BaseGeometry

from iota2.compute.polygons import is_polygonal

_ROUNDING = 16
"""Distance, in steps of the largest coordinate, within which points of an intersection are the same."""


def clipped(polygons: np.ndarray, area: BaseGeometry) -> tuple[np.ndarray, np.ndarray]:
    """The parts of polygons inside an area, and the position of the polygon of each part, ascending.

    Each part is a single polygon: a polygon may become several, or none. ``polygons`` and ``area`` are valid. Parts of
    a valid coverage are a valid coverage, with few exceptions: where the border of the area passes a vertex at the
    distance of a rounding error, both neighbours get this vertex, but one of them may lose a sliver of this width.
    """
    shapely.prepare(area)
    # A polygon that only touches the border from inside is also cut: the border may end on its edge, and then the
    # neighbour gets a vertex there.
    inside = shapely.contains_properly(area, polygons)
    at = np.flatnonzero(~inside)
    at = at[shapely.intersects(area, polygons[at])]
    found, first = _polygons_in(shapely.intersection(polygons[at], area))
    found, second = _on_vertices(found, polygons[at])
    owner = np.concatenate([np.flatnonzero(inside), at[first[second]]])
    order = np.argsort(owner, kind="stable")
    return np.concatenate([polygons[inside], found])[order], owner[order]


def _polygons_in(geometries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The single polygons in geometries of any type, and the position of the geometry of each."""
    outer, first = shapely.get_parts(geometries, return_index=True)
    parts, second = shapely.get_parts(outer, return_index=True)
    areal = is_polygonal(parts)
    return parts[areal], first[second[areal]]


def _on_vertices(parts: np.ndarray, polygons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The parts with vertices of the polygons in place of points that differ from them by rounding only.

    A part may lose its area, or become several; also the position of the part of each result, ascending.
    """
    every = np.arange(len(parts))
    corners, points = shapely.get_coordinates(polygons), shapely.get_coordinates(parts)
    if not len(points):
        return parts, every
    rounding = _ROUNDING * np.spacing(np.abs(corners).max())
    distance, nearest = cKDTree(corners).query(points, distance_upper_bound=rounding)
    beside = np.isfinite(distance) & (distance > 0)
    if not beside.any():
        return parts, every
    points[beside] = corners[nearest[beside]]
    moved = shapely.set_coordinates(parts.copy(), points)
    broken = ~shapely.is_valid(moved)
    moved[broken] = shapely.make_valid(moved[broken])
    found, owner = _polygons_in(moved)
    return shapely.remove_repeated_points(found), owner
