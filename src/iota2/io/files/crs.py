"""Map units of coordinate reference systems, and reprojection of vectors."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import geopandas as gpd
import numpy as np
import shapely
from pyproj import CRS
from pyproj.exceptions import ProjError

from iota2.compute.polygons import MAX_SLIVER_AREA
from iota2.errors import InputError

_EARTH_RADIUS = 6_371_000.0
_POLEWARD = 84.0
"""Degrees of latitude beyond which a metre along the parallel is taken as at this latitude."""


def units_per_metre(crs: Any, y: float = 0.0) -> float:
    """Map units per metre of a CRS (anything that pyproj accepts): 1 for metres, 3.28 for feet.

    Degrees depend on direction and place: those of a metre along the parallel at ``y`` (map units), which are at least
    a metre in every other direction. NaN, the middle of no ground, is like a place near the pole.
    """
    system = CRS.from_user_input(crs)
    factor = float(system.axis_info[0].unit_conversion_factor)
    if not system.is_geographic:
        return 1.0 / factor
    furthest = math.radians(_POLEWARD)
    latitude = abs(y) * factor if abs(y) * factor < furthest else furthest
    return 1.0 / (factor * _EARTH_RADIUS * math.cos(latitude))


def square_metres(area: np.ndarray, crs: Any, y: np.ndarray) -> np.ndarray:
    """Areas in square map units of a CRS as square metres; in degrees by the latitude ``y`` (map units) of each."""
    if not CRS.from_user_input(crs).is_geographic:
        metres: np.ndarray = area / units_per_metre(crs) ** 2
        return metres
    along = units_per_metre(crs)
    return np.array([one / (along * units_per_metre(crs, at)) for one, at in zip(area, y, strict=True)])


def sliver(crs: Any) -> float:
    """The area in square map units below which a part is a rounding error."""
    return MAX_SLIVER_AREA * units_per_metre(crs) ** 2


SEGMENT = 1000.0
"""Metres; longer edges are divided before reprojection, since straight lines become curves."""


MOST_EDGES = 1e6
"""Segments along the border of a geometry, at most: 25 times around the Earth."""


Frame = TypeVar("Frame", gpd.GeoDataFrame, gpd.GeoSeries)


def to_crs(frame: Frame, crs: Any, segment: float = SEGMENT) -> Frame:
    """The frame in another CRS (anything pyproj takes); edges longer than ``segment`` metres are divided before, so
    that they bend as they should. Unchanged when it is in that CRS already. What has no place in the new CRS gets
    infinite coordinates, and so does what is longer than any edge on Earth. InputError when the CRS of the frame
    cannot be transformed into the other one.
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
    """The geometries with edges of at most ``longest``; those of more than ``MOST_EDGES`` such edges get infinite
    coordinates."""
    shapes = geometry.to_numpy()
    with np.errstate(all="ignore"):
        lost = ~(np.nan_to_num(shapely.length(shapes), nan=0.0) <= MOST_EDGES * longest)
    divided = shapes.copy()
    divided[~lost] = shapely.segmentize(shapes[~lost], longest)
    divided[lost] = shapely.transform(shapes[lost], lambda points: np.full_like(points, np.inf))
    return gpd.GeoSeries(divided, index=geometry.index, crs=geometry.crs)
