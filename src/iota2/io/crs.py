"""How a length in metres is said in the map units of a coordinate system: metres, feet, degrees."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pyproj import CRS

from iota2.compute.polygons import SLIVER

_EARTH_RADIUS = 6_371_000.0
_POLEWARD = 84.0
"""Degrees of latitude: beyond, a metre along the parallel is taken to be what it is here."""


def units_per_metre(crs: Any, y: float = 0.0) -> float:
    """Map units of a CRS (anything pyproj takes) that are a metre: 1 for metres, 3.28 for feet.

    In degrees it depends on direction and place: as many as are a metre along the parallel at ``y`` (map units), and
    so at least a metre in every other direction. NaN, the middle of no ground, is like a place near the pole.
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
    """The area in square map units up to which ground is rounding."""
    return SLIVER * units_per_metre(crs) ** 2
