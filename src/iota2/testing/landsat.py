"""Landsat 8 images of a synthetic world in THEIA (MAJA) format, with a 30 m grid and independent clouds."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.core.grid import with_pixel_size
from iota2.core.random import generator
from iota2.testing.archive import NODATA, write_image
from iota2.testing.sky import Sky, SkyOptions, make_sky
from iota2.testing.world import World

BANDS = {"B1": "B2", "B2": "B2", "B3": "B3", "B4": "B4", "B5": "B8A", "B6": "B11", "B7": "B12"}
"""Sentinel-2 band with a similar wavelength, by Landsat band."""
REVISIT_DAYS = 32
"""Days between successive images."""
FIRST_DATE_DELAY_DAYS = 4
"""Days from the first date of the world to the first image."""
PIXEL_METRES = 30.0
PIXELS_PER_SIDE = 3
"""Number of world pixels along the side of a Landsat pixel."""
SKY_SEED_OFFSET = 8
"""Offset to the seed of the world, so that clouds are independent of those of Sentinel-2."""


def landsat_dates(world: World) -> tuple[date, ...]:
    """Dates with an image, the same for all tiles."""
    first, last = world.options.dates[0] + timedelta(days=FIRST_DATE_DELAY_DAYS), world.options.dates[-1]
    count = max(1, (last - first).days // REVISIT_DAYS + 1)
    return tuple(first + timedelta(days=REVISIT_DAYS * k) for k in range(count))


def landsat_sky(world: World, day: date) -> Sky:
    """Clouds, shadows and orbit edge over the world's 10 m grid on a Landsat date."""
    options, dates = world.options, landsat_dates(world)
    height, width = world.geobox.shape
    weather = SkyOptions(options.seed + SKY_SEED_OFFSET, len(dates), options.clouds, options.orbit_edge, options.cover)
    return make_sky((height, width), weather, dates.index(day))


def write_landsat(world: World, root: Path) -> None:
    """Write a product for each date and tile into ``<root>/<tile>/``."""
    for day in landsat_dates(world):
        sky = landsat_sky(world, day)
        bands = {band: world.observed(day, fine, sky) for band, fine in BANDS.items() if band != "B1"}
        rng = generator(world.options.seed, "coastal", day.isoformat())
        bands["B1"] = bands["B2"] * np.float32(0.9) + rng.normal(0, 20, bands["B2"].shape).astype(np.float32)
        for tile in world.options.tiles:
            window, geobox = world.window(tile), with_pixel_size(world.tile_geobox(tile), (PIXEL_METRES, PIXEL_METRES))
            name = f"LANDSAT8-OLITIRS-XS_{day:%Y%m%d}-104112-{day.toordinal() % 1000:03d}_L2A_{tile}_C_V1-0"
            edge = coarse(sky.edge[window], geobox).any(axis=(1, 3))
            for band, values in bands.items():
                stored = np.rint(coarse(values[window], geobox).mean(axis=(1, 3))).astype(np.int16)
                stored[edge] = NODATA
                write_image(root / tile / name / f"{name}_FRE_{band}.tif", stored, geobox, nodata=NODATA)
            for mask, flags in _masks(sky, window, geobox).items():
                write_image(root / tile / name / "MASKS" / f"{name}_{mask}_XS.tif", flags, geobox)


def _masks(sky: Sky, window: tuple[slice, slice], geobox: GeoBox) -> dict[str, np.ndarray]:
    """Masks of a tile at 30 m: the union of the masks of the world pixels in each Landsat pixel."""
    edge = coarse(sky.edge[window], geobox).any(axis=(1, 3))
    codes = np.moveaxis(coarse(sky.clm[window], geobox), 2, 1).reshape(*geobox.shape, PIXELS_PER_SIDE * PIXELS_PER_SIDE)
    saturated = coarse(sky.saturated[window], geobox).any(axis=(1, 3))
    masks = {"CLM": np.bitwise_or.reduce(codes, axis=2) * ~edge, "SAT": 0b0111 * (saturated & ~edge), "EDG": edge}
    return {mask: flags.astype(np.uint8) for mask, flags in masks.items()}


def coarse(values: np.ndarray, geobox: GeoBox) -> np.ndarray:
    """World pixels (row, 3, column, 3) in each pixel of a 30 m grid.

    The last row and column are repeated beyond the tile.
    """
    height, width = geobox.shape
    missing = height * PIXELS_PER_SIDE - values.shape[0], width * PIXELS_PER_SIDE - values.shape[1]
    padded = np.pad(values, ((0, missing[0]), (0, missing[1])), mode="edge")
    return padded.reshape(height, PIXELS_PER_SIDE, width, PIXELS_PER_SIDE)
