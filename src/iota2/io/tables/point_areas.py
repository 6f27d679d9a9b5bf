"""Conversion of reference points to polygons: the pixel that contains the point, or a square of this size around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import geopandas as gpd
import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from iota2.core.grid import resolution
from iota2.io.files.crs import to_crs

PointArea = Literal["buffer", "pixel"]
_POINTS = (shapely.GeometryType.POINT, shapely.GeometryType.MULTIPOINT)


@dataclass(frozen=True)
class PointRule:
    """The kind of polygon that replaces a point, and the grids of the pixels."""

    area: PointArea
    grids: Mapping[str, GeoBox]
    """Working grid by tile; not empty."""
    tile_areas: Mapping[str, shapely.Geometry] = field(default_factory=dict)
    """Area of each tile in the projection of the points. A point in several areas belongs to the first tile; a point
    outside all areas gets a square on the first grid."""


def outline(grid: GeoBox, crs: object) -> shapely.Geometry:
    """Outline of a grid in a projection."""
    return to_crs(gpd.GeoSeries([grid.extent.geom], crs=grid.crs), crs).iloc[0]


def is_point(geometries: np.ndarray) -> np.ndarray:
    """Whether each geometry is a point or multipoint; False for None."""
    return np.isin(shapely.get_type_id(geometries), _POINTS)


def with_areas(geometry: gpd.GeoSeries, rule: PointRule) -> gpd.GeoSeries:
    """The geometries with points replaced by polygons, in the same projection; a multipoint becomes one multipolygon.

    ``pixel``: the pixel that contains the point, in the grid of its tile. ``buffer``: a square that extends half a
    pixel to each side of the point. A point on the edge between pixels is in the right or lower one.
    """
    found = geometry.to_numpy().copy()
    which = np.flatnonzero(is_point(found))
    points, owner = shapely.get_parts(found[which], return_index=True)
    squares = _squares(points, rule, geometry.crs)
    for row, own in zip(which, np.split(squares, np.flatnonzero(np.diff(owner)) + 1), strict=bool(len(which))):
        found[row] = own[0] if len(own) == 1 else shapely.union_all(own)
    return gpd.GeoSeries(found, index=geometry.index, crs=geometry.crs)


def _squares(points: np.ndarray, rule: PointRule, crs: object) -> np.ndarray:
    """A polygon for each point."""
    squares = np.full(len(points), None, dtype=object)
    for tile, within in _by_tile(points, rule):
        grid = rule.grids[tile]
        local = to_crs(gpd.GeoSeries(points[within], crs=crs), grid.crs).to_numpy()
        boxes = _boxes(local, grid, rule.area)
        squares[within] = to_crs(gpd.GeoSeries(boxes, crs=grid.crs), crs).to_numpy()
    return squares


def _by_tile(points: np.ndarray, rule: PointRule) -> list[tuple[str, np.ndarray]]:
    """Each tile with the positions of its points; each point belongs to one tile."""
    left = np.ones(len(points), bool)
    found = []
    for tile, area in rule.tile_areas.items():
        shapely.prepare(area)
        inside = left & shapely.intersects(area, points)
        found.append((tile, np.flatnonzero(inside)))
        left &= ~inside
    return [*found, (next(iter(rule.grids)), np.flatnonzero(left))]


def _boxes(points: np.ndarray, grid: GeoBox, area: PointArea) -> np.ndarray:
    """Polygons of one pixel, in the projection of the grid."""
    x, y = shapely.get_x(points), shapely.get_y(points)
    affine = grid.affine
    if area == "pixel":
        x = affine.c + (np.floor((x - affine.c) / affine.a) + 0.5) * affine.a
        y = affine.f + (np.floor((y - affine.f) / affine.e) + 0.5) * affine.e
    half_x, half_y = (side / 2 for side in resolution(grid))
    return np.asarray(shapely.box(x - half_x, y - half_y, x + half_x, y + half_y))
