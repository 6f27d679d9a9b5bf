"""Map units of coordinate reference systems, and reprojection of vectors."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import geopandas as gpd
import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from pyproj import CRS
from pyproj.exceptions import ProjError

from iota2.compute.polygons import MAX_SLIVER_AREA
from iota2.core.grid import resolution
from iota2.errors import InputError

_EARTH_RADIUS_METRES = 6_371_000.0
_MAX_LATITUDE_DEGREES = 84.0
"""Latitude at which conversions from metres to degrees are evaluated for places closer to a pole."""
_MAX_MERCATOR = math.radians(89.9)
"""Maximum latitude in Mercator coordinates, which are infinite at a pole."""


def units_per_metre(crs: Any, y: float = 0.0) -> float:
    """Map units per metre of a CRS (anything that pyproj accepts): 1 for metres, 3.28 for feet.

    For a CRS in degrees, the result is the length in degrees of a metre along the parallel at ``y`` (map units). In any
    other direction, as many degrees are at least a metre. NaN in ``y``, as for the centroid of an empty geometry, is
    treated like a place near a pole.
    """
    system = CRS.from_user_input(crs)
    factor = float(system.axis_info[0].unit_conversion_factor)
    if not system.is_geographic:
        return 1.0 / factor
    furthest = math.radians(_MAX_LATITUDE_DEGREES)
    latitude = abs(y) * factor if abs(y) * factor < furthest else furthest
    return 1.0 / (factor * _EARTH_RADIUS_METRES * math.cos(latitude))


def isotropic(geometries: np.ndarray, crs: Any) -> tuple[np.ndarray, np.ndarray]:
    """Geometries in coordinates whose scale is the same in all directions, and their units per metre, (geometry,).

    A projected CRS is unchanged. Degrees become coordinates of the spherical Mercator projection, whose scale depends
    on the latitude only: it is that in the middle of the bounds of each geometry. Distances between geometries, divided
    by the scale of one of them, are metres; at 60° they are wrong by 0.03 % for each kilometre of distance. Latitudes
    above 89.9° count as 89.9°.
    """
    system = CRS.from_user_input(crs)
    if not system.is_geographic:
        return geometries, np.full(len(geometries), units_per_metre(crs))
    factor = float(system.axis_info[0].unit_conversion_factor)
    moved = shapely.transform(
        shapely.segmentize(geometries, MAX_SEGMENT_METRES * units_per_metre(crs)),
        lambda points: _mercator(points * factor),
    )
    bounds = shapely.bounds(moved)
    return moved, np.cosh((bounds[:, 1] + bounds[:, 3]) / 2 / _EARTH_RADIUS_METRES)


def _mercator(radians: np.ndarray) -> np.ndarray:
    """Metres at the equator (point, 2) of longitudes and latitudes in radians (point, 2)."""
    latitude = np.clip(radians[:, 1], -_MAX_MERCATOR, _MAX_MERCATOR)
    return _EARTH_RADIUS_METRES * np.column_stack([radians[:, 0], np.arcsinh(np.tan(latitude))])


def pixel_metres(geobox: GeoBox) -> tuple[np.ndarray, float]:
    """Width of the pixels of each row, (row,) float64, and their height in metres; widths in degrees depend on the
    latitude of the row."""
    across, down = resolution(geobox)
    rows = geobox.affine.f + geobox.affine.e * (np.arange(geobox.shape[0]) + 0.5)
    height = down / units_per_metre(geobox.crs)
    if not CRS.from_user_input(geobox.crs).is_geographic:
        return np.full(len(rows), across / units_per_metre(geobox.crs)), height
    return np.array([across / units_per_metre(geobox.crs, row) for row in rows.tolist()]), height


def square_metres(area: np.ndarray, crs: Any, y: np.ndarray) -> np.ndarray:
    """Convert areas from square map units of a CRS to square metres; ``y`` (map units) is the latitude of each area."""
    if not CRS.from_user_input(crs).is_geographic:
        metres: np.ndarray = area / units_per_metre(crs) ** 2
        return metres
    along = units_per_metre(crs)
    return np.array([one / (along * units_per_metre(crs, at)) for one, at in zip(area, y, strict=True)])


def sliver_area(crs: Any) -> float:
    """The area in square map units below which a polygon is considered a rounding error."""
    return MAX_SLIVER_AREA * units_per_metre(crs) ** 2


MAX_SEGMENT_METRES = 1000.0
"""Maximum length of an edge in reprojection; longer edges are divided, since straight lines become curves."""
MAX_SEGMENTS = 1e6
"""Maximum number of segments along the border of a geometry: 25 times around the Earth."""

Frame = TypeVar("Frame", gpd.GeoDataFrame, gpd.GeoSeries)


def to_crs(frame: Frame, crs: Any, segment: float = MAX_SEGMENT_METRES) -> Frame:
    """The frame in another CRS (anything that pyproj accepts); unchanged when it is already in that CRS.

    Edges longer than ``segment`` metres are divided first, so that they follow the curves of the projection. Geometries
    outside the domain of the new CRS get infinite coordinates, and so do geometries with more than ``MAX_SEGMENTS``
    segments. InputError when the CRS of the frame cannot be transformed into the other one.
    """
    target = CRS.from_user_input(crs)
    if frame.crs == target:
        return frame
    geometry = frame if isinstance(frame, gpd.GeoSeries) else frame.geometry
    try:
        moved = _divided(geometry, segment * units_per_metre(frame.crs)).to_crs(target)
    except ProjError as err:
        raise InputError(
            f"its coordinate reference system ({frame.crs.name}) cannot be transformed into {target.name} ({err}). "
            "Correct it (for a shapefile: the .prj)"
        ) from err
    return moved if isinstance(frame, gpd.GeoSeries) else frame.set_geometry(moved)


def _divided(geometry: gpd.GeoSeries, longest: float) -> gpd.GeoSeries:
    """The geometries with edges of at most ``longest`` map units.

    Geometries that need more than ``MAX_SEGMENTS`` such edges get infinite coordinates.
    """
    shapes = geometry.to_numpy()
    with np.errstate(all="ignore"):
        lost = ~(np.nan_to_num(shapely.length(shapes), nan=0.0) <= MAX_SEGMENTS * longest)
    divided = shapes.copy()
    divided[~lost] = shapely.segmentize(shapes[~lost], longest)
    divided[lost] = shapely.transform(shapes[lost], lambda points: np.full_like(points, np.inf))
    return gpd.GeoSeries(divided, index=geometry.index, crs=geometry.crs)
