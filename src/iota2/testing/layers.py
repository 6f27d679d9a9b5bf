"""Altitude and slope of a synthetic world: layers without dates, correlated with the classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy import ndimage

from iota2.core.grid import aligned_grid
from iota2.core.random import generator
from iota2.testing.archive import write_image
from iota2.testing.world import World

# Mean altitude above the valley in metres, and mean slope in degrees, of the fields of each class.
ALTITUDE = {11: 15, 12: 30, 31: 110, 32: 190, 41: 40, 51: 0, 211: 60, 222: 90, 34: 150, 221: 75}
SLOPE = {11: 1, 12: 2, 31: 12, 32: 16, 41: 3, 51: 0, 211: 6, 222: 9, 34: 11, 221: 5}
FIELD_SPREAD = {"ALT": 45.0, "SLP": 4.0}
"""Standard deviation of the fields of a class, so large that neither layer alone separates the classes."""
NODATA = -9999
ALTITUDE_PIXEL_METRES, ALTITUDE_CRS = 25.0, "EPSG:2154"
"""Grid of the altitude, as in national elevation models."""


def write_layers(world: World, root: Path) -> None:
    """Write ``<root>/<tile>/ALT_<tile>.tif`` and ``SLP_<tile>.tif``.

    The altitude is int16, 25 m, EPSG:2154; the slope is float32 on the grid of the tile.
    """
    for tile in world.options.tiles:
        fine = world.tile_geobox(tile)
        write_image(root / tile / f"SLP_{tile}.tif", layer(world, "SLP", fine).astype(np.float32), fine)
        grid = covering_grid(fine)
        altitude = np.rint(layer(world, "ALT", grid)).astype(np.int16)
        write_image(root / tile / f"ALT_{tile}.tif", altitude, grid, nodata=NODATA)


def covering_grid(geobox: GeoBox) -> GeoBox:
    """The grid of the altitude that covers another grid in any CRS."""
    to_map = Transformer.from_crs(str(geobox.crs), ALTITUDE_CRS, always_xy=True)
    left, bottom, right, top = to_map.transform_bounds(*geobox.boundingbox.bbox)
    return aligned_grid((left, bottom, right, top), (ALTITUDE_PIXEL_METRES, ALTITUDE_PIXEL_METRES), ALTITUDE_CRS)


def layer(world: World, name: str, geobox: GeoBox) -> np.ndarray:
    """Altitude or slope (y, x) at the pixel centres of a grid in any CRS."""
    landscape, options = world.landscape, world.options
    rng = generator(options.seed, "layer", name)
    usual = np.array([{"ALT": ALTITUDE, "SLP": SLOPE}[name][c.code] for c in landscape.classes])[landscape.classes_of]
    own = rng.normal(0.0, FIELD_SPREAD[name], usual.shape) * (not options.constant)
    values = (np.maximum(usual + own, 0.0))[world.fields_at(geobox)]
    return ndimage.gaussian_filter(values, 0.7)
