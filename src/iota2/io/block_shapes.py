"""The shapes of the blocks in which a scene is decoded and computed, within a budget of memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from iota2.core.grid import Block, block_of, resolution
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene, SensorScene
from iota2.errors import ConfigError
from iota2.io.decoded import kept_type, placements
from iota2.io.environ import open_raster, raster_lattice
from iota2.io.warp import Range

MIN_ROWS, MIN_COLS = 16, 64
"""The smallest block worth reading."""
COMPUTED = ((64, 256), (32, 256), (32, 128), (16, 128), (MIN_ROWS, MIN_COLS))
"""Shapes of blocks that are computed, best first: the features of some thousand pixels stay near the processor, and
the rows around a block, which resampling reads too, are few beside its own."""
_READING = 32
"""Bytes for each pixel of a block while one mask of one date is read."""
_BRINGING = 16
"""Bytes for each pixel and date of a block while one band is resampled, scaled, and found to have data."""
_COUNTS = 16
"""Bytes for each pixel of a block: clear dates in several steps, the region."""
_PROBE = 64
"""Rows and columns of the block by which it is seen how much the files store for each of its pixels."""


@dataclass(frozen=True)
class BlockShapes:
    """Rows and columns of blocks."""

    decoded: tuple[int, int]
    """What is decoded at once."""
    computed: tuple[int, int]
    """What is made into features at once, inside of the other."""


def block_shapes(
    scene: Scene, recipe: FeatureRecipe, memory: int, *, extra_bytes: int = 0, reserved: int = 0, ahead: bool = False
) -> BlockShapes:
    """Shapes of blocks in which ``scene`` is read and made into features within ``memory`` bytes.

    Of each computed pixel counts: the series (4 bytes a value), their validity, the features, a series aside where
    the features hold no copy of it, and the greater of two: what resampling needs, and ``extra_bytes`` that the caller
    needs once the series are gone; ``reserved`` bytes are the caller's whatever the shape. Of each decoded pixel, what
    the files store; twice with ``ahead``, when the next block is decoded while one is computed.

    Decoded are full-width strips first, since most archives store images in strips; narrower blocks of 16 rows when
    even those do not fit. Of files stored in tiles, rows of whole tiles, some tiles of one row, or parts of a tile.
    ConfigError says how much memory the smallest blocks need.
    """
    sensors = [sensor for sensor in scene.sensors if sensor.spec.name in {s.sensor for s in recipe.sensors}]
    bands = {sensor.sensor: sensor.bands for sensor in recipe.sensors}
    dates = sum(len(sensor.acquisitions) for sensor in sensors)
    series = sum(len(s.acquisitions) * (4 * len(bands[s.spec.name]) + 1) for s in sensors)
    aside = max((4 * len(s.dates) * len(s.bands) for s in recipe.sensors if not s.copy_input), default=0)
    features = 4 * len(recipe.names) + aside + _COUNTS
    computed = series + features + max(_BRINGING * dates, extra_bytes)
    decoded = (1 + ahead) * sum(_stored_bytes(scene, s, bands[s.spec.name]) for s in sensors) + _COUNTS
    files = [s.acquisitions[0].bands[_sample(s, bands[s.spec.name])] for s in sensors if s.acquisitions]
    height, width = scene.geobox.shape
    for shape in COMPUTED:
        inner = min(shape[0], height), min(shape[1], width)
        left = memory - reserved - computed * inner[0] * inner[1]
        if left >= (memory - reserved) / 2 or shape == COMPUTED[-1]:
            break
    smallest = (computed + decoded) * MIN_ROWS * min(MIN_COLS, width) + reserved
    outer = _shape(scene, decoded, left, _stored_tile(scene, files), (memory, smallest))
    return BlockShapes(outer, (min(inner[0], outer[0]), min(inner[1], outer[1])))


def mask_block_shape(scene: Scene, memory: int, *, threads: int = 1) -> tuple[int, int]:
    """Rows and columns of the blocks in which all masks of ``scene`` are read within ``memory`` bytes."""
    dates = sum(len(sensor.acquisitions) for sensor in scene.sensors)
    first = [next(iter(s.acquisitions[0].masks.values()), None) for s in scene.sensors if s.acquisitions]
    tile = _stored_tile(scene, [path for path in first if path])
    per_pixel = dates + _COUNTS + _READING * threads
    smallest = per_pixel * MIN_ROWS * min(MIN_COLS, scene.geobox.shape[1])
    return _shape(scene, per_pixel, memory, tile, (memory, smallest))


def _stored_bytes(scene: Scene, sensor: SensorScene, bands: Sequence[str]) -> float:
    """Bytes that the files of a sensor store for each pixel of the working lattice, and around it."""
    if not sensor.acquisitions:
        return 0.0
    first, masks = sensor.acquisitions[0], [rule.name for rule in sensor.spec.masks if rule.name in sensor.grids]
    files = {name: (first.bands[name] if name in bands else first.masks.get(name)) for name in (*bands, *masks)}
    size = {name: _item_bytes(path) if path else 1 for name, path in files.items()}
    each = [
        sum(size[name] * _pixels(place.window) for name, place in placements(scene, sensor, probe, list(size)).items())
        / float(np.prod(probe.shape))
        for probe in _probes(scene)
    ]
    return len(sensor.acquisitions) * max(each)


def _probes(scene: Scene) -> Iterator[Block]:
    """Blocks at the corners and in the middle: a file need not cover all of a tile."""
    height, width = scene.geobox.shape
    rows, cols = min(_PROBE, height), min(_PROBE, width)
    for top, left in itertools.product(
        (0, (height - rows) // 2, height - rows), (0, (width - cols) // 2, width - cols)
    ):
        yield block_of(scene.tile, scene.geobox, (top, top + rows), (left, left + cols))


def _pixels(window: tuple[Range, Range]) -> int:
    (top, bottom), (left, right) = window
    return (bottom - top) * (right - left)


def _item_bytes(path: str) -> int:
    """Bytes of a pixel of one band of a file, once it is read."""
    with open_raster(path) as source:
        return kept_type(np.dtype(source.dtypes[0])).itemsize


def _sample(sensor: SensorScene, bands: Sequence[str]) -> str:
    """The band whose file shows how files are stored: that of the native lattice, if it is read."""
    return sensor.spec.reference.name if sensor.spec.reference.name in bands else bands[0]


def _stored_tile(scene: Scene, files: Sequence[str]) -> tuple[int, int] | None:
    """Rows and columns, on the working lattice, of the tiles of the first of ``files`` that is stored in tiles.

    None when all are stored in strips, or in one piece.
    """
    for path in files:
        with open_raster(path) as source:
            rows, cols = source.block_shapes[0]
            if cols >= source.width:
                continue
            ratio = 1.0, 1.0
            lattice = raster_lattice(source)
            if lattice.crs == scene.geobox.crs:
                (width, height), (own_width, own_height) = resolution(lattice), resolution(scene.geobox)
                ratio = height / own_height, width / own_width
            return max(1, round(rows * ratio[0])), max(1, round(cols * ratio[1]))
    return None


def _shape(
    scene: Scene, per_pixel: float, memory: float, tile: tuple[int, int] | None, asked: tuple[int, float]
) -> tuple[int, int]:
    """The shape of blocks that take at most ``memory`` bytes, at ``per_pixel`` of them; see ``block_shapes``.

    ``asked``: bytes that the job has, and that its smallest blocks need in all.
    """
    height, width = scene.geobox.shape
    pixels = int(max(0.0, memory) // per_pixel)
    if pixels >= height * width:
        return height, width
    given, needed = asked
    if pixels // MIN_ROWS < min(MIN_COLS, width):
        raise ConfigError(
            [
                f"tile {scene.tile}: a block of {MIN_ROWS} x {MIN_COLS} pixels needs {needed / 2**20:.1f} MB, and a "
                f"job has {given / 2**20:.1f} MB. Give more: iota2 run --memory"
            ]
        )
    return _strips(height, width, pixels) if tile is None else _tiles(height, width, pixels, tile)


def _strips(height: int, width: int, pixels: int) -> tuple[int, int]:
    """Full-width strips of a multiple of 16 rows; else 16 rows of a multiple of 64 columns."""
    rows, cols = pixels // width, pixels // MIN_ROWS
    if rows >= MIN_ROWS:
        return rows - rows % MIN_ROWS, width
    return min(MIN_ROWS, height), min(cols - cols % MIN_COLS, width)


def _tiles(height: int, width: int, pixels: int, tile: tuple[int, int]) -> tuple[int, int]:
    """Rows of whole tiles, some tiles of one row, or a part of a tile.

    A part is as high as the tile while it is at least 64 columns wide: blocks that follow each other then lie
    in the same tile, which GDAL's cache may still hold.
    """
    rows, cols = min(tile[0], height), min(tile[1], width)
    if pixels >= rows * width:
        return min(height, pixels // width // rows * rows), width
    if pixels >= rows * cols:
        return rows, pixels // rows // cols * cols
    while rows * cols > pixels:
        rows, cols = (rows, -(-cols // 2)) if cols > MIN_COLS else (-(-rows // 2), cols)
    return rows, cols
