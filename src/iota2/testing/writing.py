"""Writing of a synthetic world: images of its sensors, polygons, class tables, a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import numpy as np

from iota2.core.random import generator
from iota2.testing.archive import Product, write_band, write_masks
from iota2.testing.classes import BANDS
from iota2.testing.configurations import write_config
from iota2.testing.files import WorldFiles, write_class_tables
from iota2.testing.landsat import write_landsat
from iota2.testing.layers import write_layers
from iota2.testing.radar import write_radar
from iota2.testing.reference import write_polygons, write_regions
from iota2.testing.sky import SATURATED, Sky
from iota2.testing.world import World, WorldOptions


def write_world(world: World, folder: Path) -> WorldFiles:
    """Write images, polygons, class tables and a configuration into ``folder``, created if absent.

    Only one band of one date is in memory at a time.
    """
    files = write_inputs(world, folder)
    write_config(world.options.tiles, files, world.options.sensors)
    return files


def write_inputs(world: World, folder: Path) -> WorldFiles:
    """Write images, polygons and class tables into ``folder``, created if absent."""
    files = WorldFiles(Path(folder).absolute())
    files.ground_truth.parent.mkdir(parents=True, exist_ok=True)
    for sensor in world.options.sensors:
        WRITERS[sensor](world, files)
    write_polygons(world.reference, files.ground_truth)
    write_regions(world.landscape, files.regions)
    write_class_tables(world.landscape.classes, files)
    return files


def _write_sentinel_2(world: World, files: WorldFiles) -> None:
    for day in world.options.dates:
        _write_date(world, day, files.s2_path)
    # A file that is not a product, as found in archives: it is reported, and the run continues.
    stray = files.s2_path / world.options.tiles[0] / "README.txt"
    stray.write_text("This file is not a product.\n", encoding="utf-8")


WRITERS: Mapping[str, Callable[[World, WorldFiles], object]] = {
    "Sentinel2": _write_sentinel_2,
    "Landsat8": lambda world, files: write_landsat(world, files.l8_path),
    "Sentinel1": lambda world, files: write_radar(world, files.radar),
    "userFeat": lambda world, files: write_layers(world, files.user_feat_path),
}
"""Writer of the files of each sensor."""


def _write_date(world: World, day: date, root: Path) -> None:
    """Write the products of one date for all tiles that have it."""
    sky = world.sky(day)
    products = [product(world, tile, day, sky) for tile in world.options.tiles if day in world.dates(tile)]
    for one in products:
        write_masks(one, root)
    for band in BANDS:
        values = world.observed(day, band, sky)
        for one in products:
            write_band(one, root, band, values[world.window(one.tile)])


def product(world: World, tile: str, day: date, sky: Sky) -> Product:
    """Sentinel-2 product of a tile on a date, without its bands."""
    platform, time = _passage(world.options, day)
    window = world.window(tile)
    saturated = np.where(sky.saturated[window], SATURATED, 0).astype(np.uint8)
    return Product(
        tile=tile,
        day=day,
        platform=platform,
        time=time,
        geobox=world.tile_geobox(tile),
        clm=sky.clm[window],
        sat=saturated,
        edge=sky.edge[window],
    )


def _passage(options: WorldOptions, day: date) -> tuple[str, str]:
    """Satellite and time of day in product names; 11 May is used in the tutorial."""
    if day == date(2018, 5, 11):
        return "SENTINEL2A", "105804-037"
    rng = generator(options.seed, "passage", day.isoformat())
    satellite = "AB"[options.dates.index(day) % 2]
    return f"SENTINEL2{satellite}", f"105{rng.integers(10)}{rng.integers(60):02d}-{rng.integers(1000):03d}"
