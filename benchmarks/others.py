"""The archive of the benchmarks in other forms: JPEG 2000 as ESA ships it, and images of another projection."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from benchmarks.archives import DONE, TILE, Archive
from iota2.core.grid import aligned_grid
from iota2.core.scene import Acquisition, Scene, SensorScene
from iota2.core.sensor import SensorSpec
from iota2.io.archive.products import native_geobox, scan_tile
from iota2.io.archive.specs import builtin_specs, parse_spec
from iota2.testing.archive import FINE_BANDS, NODATA
from iota2.testing.products import Layer, product_name, write_product

DISTINCT = 3
"""Dates with pixels of their own. The others are further names of their files: what they spare is disk, and the time to
write JPEG 2000."""
OTHER_ZONE = "EPSG:32632"
"""The tile lies in zone 31, so that the pixels of this one are turned by some degrees."""
CLEAR, CLOUD = 4, 9
"""Codes of the scene classification."""
DESCRIPTION = r"""
name: Zone{pixel}
section: Zone{pixel}
product: '^zone{pixel}_(?P<date>\d{{8}})$'
bands: [{bands}]
masks:
  - {{name: CLM, file: '*_CLM.tif'}}
nodata: -10000
"""


def in_strips(made: Archive) -> SensorScene:
    """The archive as it is."""
    return scan_tile(builtin_specs()["Sentinel_2"], made.files.s2_path, TILE)[0]


def in_jpeg2000(made: Archive) -> SensorScene:
    """The same pixels as products of ESA: lossless JPEG 2000 in tiles of 1024 x 1024, of 16 bits."""
    return _written(made, builtin_specs()["Sentinel_2_S2C"], _as_esa)


def of_other_zone(made: Archive, pixel: int) -> SensorScene:
    """The same pixels as images of another zone that cover the tile, with pixels of so many metres (a multiple of 10):
    the four bands of 10 m, or those of a Landsat from 30 m on."""
    bands = FINE_BANDS if pixel < 30 else ("B1", "B2", "B3", "B4", "B5", "B6", "B7")
    entries = ", ".join(f"{{name: {band}, file: '*_{band}.tif'}}" for band in bands)
    spec = parse_spec(DESCRIPTION.format(pixel=pixel, bands=entries), source="benchmarks")
    return _written(made, spec, partial(_turned, pixel=pixel))


def beside(made: Archive, sensor: SensorScene) -> Scene:
    """A sensor on the grid of the archive."""
    return Scene(TILE, native_geobox(in_strips(made)), (sensor,))


def _written(made: Archive, spec: SensorSpec, form) -> SensorScene:
    """The series of a sensor whose products are written from those of the archive, when they are not there."""
    root = made.files.folder / spec.name
    if not (root / DONE).exists():
        originals = in_strips(made).acquisitions
        days = [original.day for original in originals]
        offsets = dict.fromkeys(spec.band_names, 0.0) if spec.metadata else None
        written = [
            write_product(spec, root / TILE, TILE, original.day, form(spec, original), offsets=offsets)
            for original in originals[:DISTINCT]
        ]
        for number, day in enumerate(days[DISTINCT:]):
            _link(spec, written[number % DISTINCT], day)
        (root / DONE).touch()
    return scan_tile(spec, root, TILE)[0]


def _as_esa(spec: SensorSpec, original: Acquisition) -> dict[str, Layer]:
    """Bands and scene classification of a product."""
    layers = {}
    for name, path in zip(spec.band_names, original.bands.values(), strict=True):
        layer = _read(path)
        values = np.where(layer.values == NODATA, 0, np.maximum(layer.values, 1)).astype(np.uint16)
        layers[name] = replace(layer, values=values)
    grid = layers["B05"].geobox
    clouds, edge = (_read(original.masks[name]).values[::2, ::2] for name in ("CLM", "EDG"))
    classes = np.where(edge, 0, np.where(clouds, CLOUD, CLEAR)).astype(np.uint8)
    return layers | dict.fromkeys(("SCL", "EDG"), Layer(classes, grid))


def _turned(spec: SensorSpec, original: Acquisition, *, pixel: int) -> dict[str, Layer]:
    """Bands and clouds of a product, laid on a grid of another zone that covers the tile: not where they belong, but
    as hard to decode."""
    fine = FINE_BANDS
    names = [fine[number % len(fine)] for number in range(len(spec.bands))]
    sources = [_read(path) for path in (*(original.bands[name] for name in names), original.masks["CLM"])]
    grid = _covering(sources[0].geobox, pixel)
    step = pixel // 10
    return {
        part.name: Layer(_filling(source.values[::step, ::step], (grid.shape.y, grid.shape.x)), grid)
        for part, source in zip(spec.parts, sources, strict=True)
    }


def _read(path: str) -> Layer:
    with rasterio.open(path) as source:
        return Layer(source.read(1), GeoBox(source.shape, source.transform, source.crs.to_string()))


def _covering(tile: GeoBox, pixel: int) -> GeoBox:
    """The grid of another zone that covers a tile, and some pixels around."""
    box, margin = tile.boundingbox, 4 * pixel
    transformer = Transformer.from_crs(str(tile.crs), OTHER_ZONE, always_xy=True)
    left, bottom, right, top = transformer.transform_bounds(box.left, box.bottom, box.right, box.top, densify_pts=101)
    around = (left - margin, bottom - margin, right + margin, top + margin)
    return aligned_grid(around, (pixel, pixel), OTHER_ZONE)


def _filling(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """An image repeated until it has a shape."""
    times = [-(-wanted // have) for wanted, have in zip(shape, values.shape, strict=True)]
    return np.tile(values, times)[: shape[0], : shape[1]]


def _link(spec: SensorSpec, product: Path, day: date) -> None:
    """Give a further date the files of a product."""
    name = product_name(spec, TILE, day)
    for source in [path for path in product.rglob("*") if path.is_file()]:
        target = product.with_name(name) / str(source.relative_to(product)).replace(product.name, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)
