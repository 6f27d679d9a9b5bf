"""Layers without dates of a made-up world, altitude and slope, that say something about the classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy import ndimage

from iota2.core.grid import aligned
from iota2.core.random import generator
from iota2.testing.archive import write_image
from iota2.testing.world import World

# Metres above the valley and degrees of slope at which fields of a class usually lie.
ALTITUDE = {11: 15, 12: 30, 31: 110, 32: 190, 41: 40, 51: 0, 211: 60, 222: 90, 34: 150, 221: 75}
SLOPE = {11: 1, 12: 2, 31: 12, 32: 16, 41: 3, 51: 0, 211: 6, 222: 9, 34: 11, 221: 5}
SPREAD = {"ALT": 45.0, "SLP": 4.0}
"""Standard deviation of fields around their class: neither layer tells the classes apart by itself."""
NODATA = -9999
COARSE_PIXEL, COARSE_CRS = 25.0, "EPSG:2154"
"""Of the altitude, as national elevation models have them."""


def write_layers(world: World, root: Path) -> None:
    """Write ``<root>/<tile>/ALT_<tile>.tif`` (int16, 25 m, EPSG:2154) and ``SLP_<tile>.tif``
    (float32, on the lattice of the tile)."""
    for tile in world.options.tiles:
        fine = world.tile_geobox(tile)
        write_image(root / tile / f"SLP_{tile}.tif", layer(world, "SLP", fine).astype(np.float32), fine)
        to_map = Transformer.from_crs(str(fine.crs), COARSE_CRS, always_xy=True)
        left, bottom, right, top = to_map.transform_bounds(*fine.boundingbox.bbox)
        grid = aligned((left, bottom, right, top), (COARSE_PIXEL, COARSE_PIXEL), COARSE_CRS)
        altitude = np.rint(layer(world, "ALT", grid)).astype(np.int16)
        write_image(root / tile / f"ALT_{tile}.tif", altitude, grid, nodata=NODATA)


def layer(world: World, name: str, geobox: GeoBox) -> np.ndarray:
    """(y, x): altitude or slope at the centres of a lattice in any CRS."""
    ground, options = world.ground, world.options
    rng = generator(options.seed, "layer", name)
    usual = np.array([{"ALT": ALTITUDE, "SLP": SLOPE}[name][c.code] for c in ground.classes])[ground.classes_of]
    own = rng.normal(0.0, SPREAD[name], usual.shape) * (not options.constant)
    values = (np.maximum(usual + own, 0.0))[world.fields_at(geobox)]
    return ndimage.gaussian_filter(values, 0.7)
