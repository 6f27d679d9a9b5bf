"""Polygons of a coverage that are cut by an area."""

from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from iota2.compute.polygons import is_polygonal


def clipped(polygons: np.ndarray, area: BaseGeometry) -> tuple[np.ndarray, np.ndarray]:
    """The parts of polygons inside an area, and the position of the polygon of each part, ascending.

    Each part is a single polygon: a polygon may become several, or none. ``polygons`` and ``area`` are valid. Parts of
    a valid coverage are a valid coverage, up to the rounding of coordinates where the border of the area passes very
    close to a vertex: at a vertex on the border, both neighbours get the same point.
    """
    shapely.prepare(area)
    # A polygon that only touches the border from inside is also cut: the border may end on its edge, and then the
    # neighbour gets a vertex there.
    inside = shapely.contains_properly(area, polygons)
    at = np.flatnonzero(~inside)
    at = at[shapely.intersects(area, polygons[at])]
    outer, first = shapely.get_parts(shapely.intersection(polygons[at], area), return_index=True)
    parts, second = shapely.get_parts(outer, return_index=True)
    areal = is_polygonal(parts)
    owner = np.concatenate([np.flatnonzero(inside), at[first[second[areal]]]])
    order = np.argsort(owner, kind="stable")
    return np.concatenate([polygons[inside], parts[areal]])[order], owner[order]
