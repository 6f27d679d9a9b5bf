"""Made-up Sentinel-2 archives of any size, written as THEIA writes its products: a tile, a year, 17 classes.

Thirty dates of ten bands (four at 10 m, six at 20 m), deflated strips; about half of all observations lie under
clouds, shadows or beyond the edge of the orbit. Each is made once and kept for further runs.
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
from iota2.testing.world import PIXEL, World, WorldOptions, make_world
from iota2.testing.writing import write_world

TILE = "T31TDJ"
DATES = tuple(date(2018, 1, 1) + timedelta(round(364 * k / 29)) for k in range(30))
"""From the first to the last day of a year: 37 output dates, ten days apart."""
FULL_TILE = 10980
"""Pixels along the side of a real tile."""
LARGEST, PATCH = 5000, 1830
"""A tile of a longer side is a patch of so many pixels laid beside itself."""
SPLIT = 7
"""So many of the ten classes of the world count as two, drawn by polygon: nothing reports these apart but chance. So
trees grow as deep as with real, mixed classes."""
SQUARE, ACROSS = 6, 40
"""Reference polygons: squares of so many pixels, so many in a row and in a column of the tile."""
DONE = "complete.txt"

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
    """A tile on disk with all that a run needs."""

    files: WorldFiles
    side: int

    @property
    def megapixels(self) -> float:
        """Size of the tile, rounded as in tables."""
        return round(self.side**2 / 1e6, 2)

    @property
    def config(self) -> Path:
        """A configuration that runs the whole chain."""
        return self.files.config

    @property
    def output(self) -> Path:
        """Where that configuration writes."""
        return self.files.output


class CloudyWorld(World):
    """The world under two skies at once: one alone hides less than a third of the observations."""

    def dates(self, tile: str) -> tuple[date, ...]:
        """All of them: here no tile lacks any."""
        return self.options.dates

    def sky(self, day: date) -> Sky:
        """Whatever either sky hides is hidden."""
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
    """Rows and columns of a square tile: even, so that its 20 m pixels are whole."""
    return 2 * round(math.sqrt(megapixels * 1e6) / 2)


def archive(root: Path, side: int, *, distinct: int = len(DATES)) -> Archive:
    """The archive of ``side`` x ``side`` pixels in ``root``; written when it is not there.

    Of its 30 dates, ``distinct`` have pixels of their own; the others are further names of the same files. They are
    opened and decoded as others are: what they spare is disk.
    """
    made = Archive(WorldFiles((root / f"{side}px-{distinct}").absolute()), side)
    if not (made.files.folder / DONE).exists():
        _write(made, distinct)
        (made.files.folder / DONE).touch()
    return made


def _write(made: Archive, distinct: int) -> None:
    times = made.side // PATCH if made.side > LARGEST else 1
    options = WorldOptions(
        size=made.side // times, overlap=0, dates=DATES[:: len(DATES) // distinct], tiles=(TILE,), classes=len(CLASSES)
    )
    # the ground of a world of a million pixels at least: it holds every class
    landscape = make_world(replace(options, size=max(options.size, 1000))).landscape
    world = CloudyWorld(options, landscape)
    write_world(world, made.files.folder)
    if times > 1:
        for path in (made.files.s2_path / TILE).rglob("*.tif"):
            _repeat(path, times)
    if distinct < len(DATES):
        _link_dates(made.files.s2_path / TILE)
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
    """Small squares all over the tile, each labelled by the class at its centre: 17 codes."""
    rng = generator(world.options.seed, "squares")
    geobox: GeoBox = world.geobox
    step = geobox.shape[1] / ACROSS
    rows, cols = (axis.ravel() * step for axis in np.mgrid[:ACROSS, :ACROSS])
    free = max(0.0, step - SQUARE)
    left = geobox.affine.c + PIXEL * (cols + rng.uniform(0, free, len(cols)))
    top = geobox.affine.f - PIXEL * (rows + rng.uniform(0, free, len(rows)))
    boxes = shapely.box(left, top - PIXEL * SQUARE, left + PIXEL * SQUARE, top)
    squares = gpd.GeoDataFrame(geometry=boxes, crs=str(geobox.crs)).to_crs("EPSG:2154")
    centres = squares.geometry.centroid
    place = np.searchsorted(np.sort(world.landscape.codes), world.label_at(centres.x.to_numpy(), centres.y.to_numpy()))
    squares["code"] = (1 + place + len(CLASSES) * ((place < SPLIT) & (rng.random(len(place)) < 0.5))).astype(np.int32)
    return squares


def _repeat(path: Path, times: int) -> None:
    """Lay an image so many times beside and below itself, quickly. Beside it lie other rows of it: a strip that held
    the same row several times would be easier to decode."""
    with rasterio.open(path) as source:
        profile, values = source.profile, source.read(1)
    profile.update(height=times * source.height, width=times * source.width)
    for layout in ("blockxsize", "blockysize"):
        profile.pop(layout, None)
    with rasterio.open(path, "w", **profile) as target:
        row = np.hstack([np.roll(values, number * source.height // times, axis=0) for number in range(times)])
        for number in range(times):
            target.write(row, 1, window=Window(0, number * source.height, row.shape[1], source.height))


def _link_dates(tile: Path) -> None:
    """Give the dates that have no product the files of those that have one, in turn."""
    written = sorted(folder for folder in tile.iterdir() if folder.is_dir())
    have = {folder.name[11:19] for folder in written}
    lacking = [day for day in DATES if f"{day:%Y%m%d}" not in have]
    for number, day in enumerate(lacking):
        _link_product(written[number % len(written)], f"{day:%Y%m%d}")


def _link_product(product: Path, day: str) -> None:
    other = product.name[:11] + day + product.name[19:]
    for source in _files(product):
        target = product.with_name(other) / source.relative_to(product)
        target = target.with_name(target.name.replace(product.name, other))
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def input_bytes(made: Archive) -> tuple[int, int]:
    """Bytes of all images on disk, and of their pixels."""
    stored = sum(path.stat().st_size for path in _files(made.files.s2_path))
    fine, coarse = made.side**2, (made.side // 2) ** 2
    return stored, len(DATES) * (4 * 2 * fine + 6 * 2 * coarse + 3 * fine + 3 * coarse)
