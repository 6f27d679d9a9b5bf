"""Areas of the polygons of a coverage while its lines move: each polygon keeps a minimum area."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit


class PolygonAreas(NamedTuple):
    """Areas of polygons, in pixels; sums of multiples of a power of 1/2, which are exact."""

    areas: np.ndarray
    """(polygon,) float64: areas at present; changed by ``transfer``."""
    minimum: np.ndarray
    """(polygon,) float64: areas below which they must not fall."""


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def transfer(polygons: PolygonAreas, source: int, target: int, area: float) -> bool:
    """Move an area from one polygon to another, unless the first one would become smaller than its minimum.

    A negative area is moved in the opposite direction. Returns whether the area was moved.
    """
    if area < 0:
        source, target, area = target, source, -area
    if polygons.areas[source] - area < polygons.minimum[source]:
        return False
    polygons.areas[source] -= area
    polygons.areas[target] += area
    return True
