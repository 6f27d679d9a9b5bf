"""The synthetic archive in other forms: JPEG 2000 as delivered by ESA, and images of another projection."""

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

from benchmarks.archives import DONE_MARKER, TILE, Archive
from iota2.core.grid import aligned_grid
from iota2.core.scene import Acquisition, Scene, SensorScene
from iota2.core.sensor import SensorSpec
from iota2.io.archive.products import native_geobox, scan_tile
from iota2.io.archive.specs import builtin_specs, parse_spec
from iota2.testing.archive import FINE_BANDS, NODATA
from iota2.testing.products import Layer, product_name, write_product

DISTINCT_DATES = 3
"""Dates with different pixels. The others are hard links to the same files, to save disk space and the time to write
JPEG 2000."""
OTHER_ZONE = "EPSG:32632"
"""The tile is in UTM zone 31, so pixels of this zone are rotated against it by some degrees."""
CLEAR, CLOUD = 4, 9
"""Codes of the Sen2Cor scene classification."""
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
    """The series of the archive itself."""
    return scan_tile(builtin_specs()["Sentinel_2"], made.files.s2_path, TILE)[0]


def in_jpeg2000(made: Archive) -> SensorScene:
    """The same pixels as products of ESA: lossless 16-bit JPEG 2000 in tiles of 1024 x 1024."""
    return _written(made, builtin_specs()["Sentinel_2_S2C"], _as_esa)


def of_other_zone(made: Archive, pixel: int) -> SensorScene:
    """The same pixels as images of another UTM zone that cover the tile. ``pixel``: pixel size in metres, a multiple of
    10; from 30 on, the bands are those of Landsat instead of the four bands at 10 m."""
    bands = FINE_BANDS if pixel < 30 else ("B1", "B2", "B3", "B4", "B5", "B6", "B7")
    entries = ", ".join(f"{{name: {band}, file: '*_{band}.tif'}}" for band in bands)
    spec = parse_spec(DESCRIPTION.format(pixel=pixel, bands=entries), source="benchmarks")
    return _written(made, spec, partial(_in_other_zone, pixel=pixel))


def scene_of(made: Archive, sensor: SensorScene) -> Scene:
    """A scene of one sensor on the grid of the archive."""
    return Scene(TILE, native_geobox(in_strips(made)), (sensor,))


def _written(made: Archive, spec: SensorSpec, form) -> SensorScene:
    """The series of a sensor; its products are written from those of the archive if they do not exist."""
    root = made.files.folder / spec.name
    if not (root / DONE_MARKER).exists():
        originals = in_strips(made).acquisitions
        days = [original.day for original in originals]
        offsets = dict.fromkeys(spec.band_names, 0.0) if spec.metadata else None
        written = [
            write_product(spec, root / TILE, TILE, original.day, form(spec, original), offsets=offsets)
            for original in originals[:DISTINCT_DATES]
        ]
        for number, day in enumerate(days[DISTINCT_DATES:]):
            _link(spec, written[number % DISTINCT_DATES], day)
        (root / DONE_MARKER).touch()
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


def _in_other_zone(spec: SensorSpec, original: Acquisition, *, pixel: int) -> dict[str, Layer]:
    """Bands and clouds of a product on a grid of another UTM zone that covers the tile. Pixels are copied without
    reprojection, so positions are wrong, but decoding takes as long."""
    fine = FINE_BANDS
    names = [fine[number % len(fine)] for number in range(len(spec.bands))]
    sources = [_read(path) for path in (*(original.bands[name] for name in names), original.masks["CLM"])]
    grid = _covering_grid(sources[0].geobox, pixel)
    step = pixel // 10
    return {
        part.name: Layer(_repeated(source.values[::step, ::step], (grid.shape.y, grid.shape.x)), grid)
        for part, source in zip(spec.parts, sources, strict=True)
    }


def _read(path: str) -> Layer:
    with rasterio.open(path) as source:
        return Layer(source.read(1), GeoBox(source.shape, source.transform, source.crs.to_string()))


def _covering_grid(tile: GeoBox, pixel: int) -> GeoBox:
    """The grid of another UTM zone that covers a tile with a margin of some pixels."""
    box, margin = tile.boundingbox, 4 * pixel
    transformer = Transformer.from_crs(str(tile.crs), OTHER_ZONE, always_xy=True)
    left, bottom, right, top = transformer.transform_bounds(box.left, box.bottom, box.right, box.top, densify_pts=101)
    around = (left - margin, bottom - margin, right + margin, top + margin)
    return aligned_grid(around, (pixel, pixel), OTHER_ZONE)


def _repeated(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """An image repeated and cut to a shape."""
    times = [-(-wanted // have) for wanted, have in zip(shape, values.shape, strict=True)]
    return np.tile(values, times)[: shape[0], : shape[1]]


def _link(spec: SensorSpec, product: Path, day: date) -> None:
    """Hard links to the files of a product, under the names of another day."""
    name = product_name(spec, TILE, day)
    for source in [path for path in product.rglob("*") if path.is_file()]:
        target = product.with_name(name) / str(source.relative_to(product)).replace(product.name, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)
