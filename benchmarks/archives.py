"""Synthetic Sentinel-2 archives of any size in the format of THEIA: one tile, one year, 17 classes.

An archive has thirty dates of ten bands (four at 10 m, six at 20 m) in deflated strips. About half of all observations
are covered by clouds or shadows, or outside the swath. Archives are written once and reused.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from iota2.core.random import generator
from iota2.testing.classes import CLASSES
from iota2.testing.files import WorldFiles
from iota2.testing.sky import Sky, SkyOptions, make_sky
from iota2.testing.world import PIXEL_METRES, World, WorldOptions, make_world
from iota2.testing.writing import write_world

TILE = "T31TDJ"
DATES = tuple(date(2018, 1, 1) + timedelta(round(364 * k / 29)) for k in range(30))
"""From the first to the last day of a year: 37 interpolation dates, ten days apart."""
FULL_TILE_SIDE = 10980
"""Pixels along the side of a real tile."""
MAX_UNTILED_SIDE, PATCH_SIDE = 5000, 1830
"""Pixels along the side: a tile above ``MAX_UNTILED_SIDE`` consists of repetitions of a patch of ``PATCH_SIDE``."""
MIXED_CLASSES = 7
"""Number of the ten classes of the synthetic landscape that are divided at random, by polygon, into two classes with
identical distributions. Trees therefore grow as deep as with real, mixed classes."""
POLYGON_SIDE, POLYGONS_PER_ROW = 6, 40
"""Reference polygons are squares: pixels along the side, and squares in each row and column of the tile."""
DONE_MARKER = "complete.txt"
"""File in the folder of a complete archive."""

CONFIG = """\
chain :
{{
  output_path : '{output}'
  nomenclature_path : '{nomenclature}'
  color_table : '{colors}'
  list_tile : '{tile}'
  s2_path : '{s2_path}'
  ground_truth : '{ground_truth}'
  data_field : 'code'
  spatial_resolution : 10
  proj : 'EPSG:2154'
  last_step : 'validation'
  remove_output_path : True
}}

arg_train :
{{
  classifier : 'rf'
  otb_classifier_options : {{ 'classifier.rf.min' : 5, 'classifier.rf.max' : 25, 'classifier.rf.nbtrees' : 100 }}
  sample_selection : {{ 'sampler' : 'random', 'strategy' : 'constant', 'strategy.constant.nb' : 1700 }}
  runs : 1
  random_seed : 42
}}

sensors_data_interpolation : {{ auto_date : True }}
"""


@dataclass(frozen=True)
class Archive:
    """A tile on disk with all inputs of a run."""

    files: WorldFiles
    side: int
    dates: tuple[date, ...] = DATES

    @property
    def megapixels(self) -> float:
        """Size of the tile in millions of pixels, rounded as in tables."""
        return round(self.side**2 / 1e6, 2)

    @property
    def config(self) -> Path:
        """A configuration that runs the whole chain."""
        return self.files.config

    @property
    def output(self) -> Path:
        """Output folder of that configuration."""
        return self.files.output


class CloudyWorld(World):
    """The synthetic landscape under two layers of clouds: one alone covers less than a third of the observations."""

    def dates(self, tile: str) -> tuple[date, ...]:
        """All dates: here no tile lacks a date."""
        return self.options.dates

    def sky(self, day: date) -> Sky:
        """Clouds, shadows and masks of both layers."""
        first = super().sky(day)
        weather = SkyOptions(self.options.seed + 1, len(self.options.dates), clouds=True, orbit_edge=False)
        second = make_sky(self.geobox.shape, weather, self.options.dates.index(day))
        return Sky(
            np.maximum(first.opacity, second.opacity),
            first.shadow | second.shadow,
            first.saturated,
            np.where(first.edge, 0, first.clm | second.clm).astype(np.uint8),
            first.edge,
        )


def side_of(megapixels: float) -> int:
    """Rows and columns of a square tile: an even number, so that bands at 20 m cover the same area."""
    return 2 * round(math.sqrt(megapixels * 1e6) / 2)


def archive(root: Path, side: int, *, distinct: int | None = None, dates: tuple[date, ...] = DATES) -> Archive:
    """The archive of ``side`` x ``side`` pixels in ``root``; written if it does not exist.

    Of its dates, ``distinct`` (all by default) have different pixels; the others are hard links to their files, to save
    disk space. Linked files are opened and decoded like others.
    """
    distinct = distinct or len(dates)
    number = f"{distinct}" if dates == DATES else f"{distinct}of{len(dates)}"
    made = Archive(WorldFiles((root / f"{side}px-{number}").absolute()), side, dates)
    if not (made.files.folder / DONE_MARKER).exists():
        _write(made, distinct)
        (made.files.folder / DONE_MARKER).touch()
    return made


def _write(made: Archive, distinct: int) -> None:
    repeats = made.side // PATCH_SIDE if made.side > MAX_UNTILED_SIDE else 1
    options = WorldOptions(
        size=made.side // repeats,
        overlap=0,
        dates=made.dates[:: len(made.dates) // distinct],
        tiles=(TILE,),
        classes=len(CLASSES),
    )
    # land cover of at least a million pixels, so that every class occurs
    landscape = make_world(replace(options, size=max(options.size, 1000))).landscape
    world = CloudyWorld(options, landscape)
    write_world(world, made.files.folder)
    if repeats > 1:
        for path in (made.files.s2_path / TILE).rglob("*.tif"):
            _tile_image(path, repeats)
    if distinct < len(made.dates):
        _link_dates(made.files.s2_path / TILE, made.dates)
    squares = reference_squares(world)
    squares.to_file(made.files.ground_truth, engine="pyogrio")
    codes = sorted(set(squares["code"].tolist()))
    made.files.nomenclature.write_text("".join(f"class {code}:{code}\n" for code in codes), encoding="utf-8")
    colors = "".join(f"{code} {10 * k} {255 - 10 * k} 100\n" for k, code in enumerate(codes))
    made.files.colors.write_text(colors, encoding="utf-8")
    files = made.files
    made.config.write_text(
        CONFIG.format(
            output=files.output, nomenclature=files.nomenclature, colors=files.colors, tile=TILE,
            s2_path=files.s2_path, ground_truth=files.ground_truth,
        ),
        encoding="utf-8",
    )  # fmt: skip


def reference_squares(world: World) -> gpd.GeoDataFrame:
    """Small squares across the tile, each with the class at its centre as label: 17 codes."""
    rng = generator(world.options.seed, "squares")
    geobox: GeoBox = world.geobox
    step = geobox.shape[1] / POLYGONS_PER_ROW
    rows, cols = (axis.ravel() * step for axis in np.mgrid[:POLYGONS_PER_ROW, :POLYGONS_PER_ROW])
    free = max(0.0, step - POLYGON_SIDE)
    left = geobox.affine.c + PIXEL_METRES * (cols + rng.uniform(0, free, len(cols)))
    top = geobox.affine.f - PIXEL_METRES * (rows + rng.uniform(0, free, len(rows)))
    boxes = shapely.box(left, top - PIXEL_METRES * POLYGON_SIDE, left + PIXEL_METRES * POLYGON_SIDE, top)
    squares = gpd.GeoDataFrame(geometry=boxes, crs=str(geobox.crs)).to_crs("EPSG:2154")
    centres = squares.geometry.centroid
    place = np.searchsorted(np.sort(world.landscape.codes), world.label_at(centres.x.to_numpy(), centres.y.to_numpy()))
    squares["code"] = (1 + place + len(CLASSES) * ((place < MIXED_CLASSES) & (rng.random(len(place)) < 0.5))).astype(
        np.int32
    )
    return squares


def _tile_image(path: Path, repeats: int) -> None:
    """Repeat an image horizontally and vertically. Horizontal repetitions are shifted by rows: a strip with several
    copies of the same row would be easier to decode."""
    with rasterio.open(path) as source:
        profile, values = source.profile, source.read(1)
    profile.update(height=repeats * source.height, width=repeats * source.width)
    for layout in ("blockxsize", "blockysize"):
        profile.pop(layout, None)
    with rasterio.open(path, "w", **profile) as target:
        row = np.hstack([np.roll(values, number * source.height // repeats, axis=0) for number in range(repeats)])
        for number in range(repeats):
            target.write(row, 1, window=Window(0, number * source.height, row.shape[1], source.height))


def _link_dates(tile: Path, dates: tuple[date, ...]) -> None:
    """For each date without a product, link the files of an existing product, in turn."""
    written = sorted(folder for folder in tile.iterdir() if folder.is_dir())
    have = {folder.name[11:19] for folder in written}
    lacking = [day for day in dates if f"{day:%Y%m%d}" not in have]
    for number, day in enumerate(lacking):
        _link_product(written[number % len(written)], f"{day:%Y%m%d}")


def _link_product(product: Path, day: str) -> None:
    """Hard links to the files of a product, under the names of another day (YYYYMMDD)."""
    other = product.name[:11] + day + product.name[19:]
    for source in _files(product):
        target = product.with_name(other) / source.relative_to(product)
        target = target.with_name(target.name.replace(product.name, other))
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def input_bytes(made: Archive) -> tuple[int, int]:
    """Bytes of all images: as stored on disk, and decoded."""
    stored = sum(path.stat().st_size for path in _files(made.files.s2_path))
    fine, coarse = made.side**2, (made.side // 2) ** 2
    return stored, len(made.dates) * (4 * 2 * fine + 6 * 2 * coarse + 3 * fine + 3 * coarse)
