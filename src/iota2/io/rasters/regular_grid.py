"""Sizes from metres of a map before it becomes polygons: of its pixels, patches and tolerances."""

from __future__ import annotations

import math

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.core.grid import crs_name, resolution, with_pixel_size
from iota2.io.files.crs import square_metres, units_per_metre

LINE_METRES = 10
"""Tolerance of the simplification and the smoothing of lines, if none is given."""


def regular_grid(geobox: GeoBox, metres: float) -> GeoBox:
    """The grid with pixels of ``metres``, and the upper-left corner of ``geobox``; never finer than ``geobox``.

    In degrees, the pixel is ``metres`` wide in the middle of the map.
    """
    wanted = map_units(geobox, metres)
    width, height = resolution(geobox)
    return with_pixel_size(geobox, (max(width, wanted), max(height, wanted)))


def in_map_units(geobox: GeoBox, area: float) -> float:
    """``area`` square metres in the middle of the map, in squared units of the map."""
    (metres,) = square_metres(np.ones(1), crs_name(geobox), np.array([_middle(geobox)]))
    return area / float(metres)


def unit_pixels(geobox: GeoBox, area: float) -> int:
    """Smallest number of pixels with at least ``area`` square metres; the pixels are those in the middle of the map."""
    width, height = resolution(geobox)
    return math.ceil(in_map_units(geobox, area) / (width * height) - 1e-9)


def line_tolerance(geobox: GeoBox, given: float | None = None) -> float:
    """The ``given`` tolerance of lines, or that of ``LINE_METRES``, in map units."""
    return map_units(geobox, LINE_METRES) if given is None else given


def map_units(geobox: GeoBox, metres: float) -> float:
    """A length in map units; in degrees, along the parallel in the middle of the map."""
    return metres * units_per_metre(crs_name(geobox), _middle(geobox))


def _middle(geobox: GeoBox) -> float:
    """The y coordinate in the middle of a grid."""
    bounds = geobox.boundingbox
    return (bounds.bottom + bounds.top) / 2
