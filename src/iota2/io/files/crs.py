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


def frame_units_per_metre(frame: gpd.GeoDataFrame) -> float:
    """Map units per metre of a frame; for a CRS in degrees, along the parallel in the middle of its bounds."""
    return units_per_metre(frame.crs, float(frame.total_bounds[[1, 3]].mean()))


def pixel_metres(geobox: GeoBox) -> tuple[float, float]:
    """Pixel size (x, y) in metres; for a grid in degrees, at the latitude of its centre."""
    across, down = resolution(geobox)
    middle = geobox.affine.f + geobox.affine.e * geobox.shape[0] / 2
    return across / units_per_metre(geobox.crs, middle), down / units_per_metre(geobox.crs)


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
