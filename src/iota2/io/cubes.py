"""How the series of a scene are read on a block of its working lattice: values, validity, footprint."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from iota2.core.cube import Cube
from iota2.core.grid import Block, resolution
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Acquisition, Scene, SensorScene
from iota2.core.sensor import MaskRule, SensorSpec
from iota2.errors import ConfigError, DamagedProduct, InputError
from iota2.io.environ import open_raster, raster_lattice
from iota2.io.warp import Placement, placement

MAX_OPEN = 1024
"""Files kept open by one reader, if the system allows as many; further ones are opened for each block."""
MIN_ROWS, MIN_COLS = 16, 64
"""The smallest block worth reading."""
_READING = 32
"""Bytes for each pixel of a block while one band of one date is read: the file's pixels, the resampled ones,
their product units and where they have data."""
_COUNTS = 16
"""Bytes for each pixel of a block: clear dates in several steps, the region."""

_KEPT = ("int8", "uint8", "int16", "uint16", "float32")
"""Types that are resampled as they are; others become float32 first."""


def recipe_bands(recipe: FeatureRecipe) -> dict[str, tuple[str, ...]]:
    """The bands that a recipe needs, by sensor name."""
    return {sensor.sensor: sensor.bands for sensor in recipe.sensors}


def block_shape(
    scene: Scene, recipe: FeatureRecipe, memory: int, *, extra_bytes: int = 0, reserved: int = 0, threads: int = 1
) -> tuple[int, int]:
    """Rows and columns of the blocks in which ``scene`` is read and made into features within ``memory`` bytes.

    Counts the series (4 bytes a value), their validity, the features, a series aside where the features hold
    no copy of it, and the greater of two: what reading on ``threads`` needs, and ``extra_bytes`` per pixel
    that the caller needs once the series are gone; ``reserved`` bytes are the caller's whatever the shape.

    Full-width strips first, since most archives store images in strips; narrower blocks of 16 rows when even
    those do not fit. Of files stored in tiles, rows of whole tiles, some tiles of one row, or parts of a tile.
    ConfigError says how much memory the smallest block needs.
    """
    bands = recipe_bands(recipe)
    series = sum(
        len(sensor.acquisitions) * (4 * len(bands[sensor.spec.name]) + 1)
        for sensor in scene.sensors
        if sensor.spec.name in bands
    )
    aside = max((4 * len(s.dates) * len(s.bands) for s in recipe.sensors if not s.copy_input), default=0)
    features = 4 * len(recipe.names) + aside + _COUNTS
    per_pixel = series + features + max(_READING * threads, extra_bytes)
    files = [
        sensor.acquisitions[0].bands[_sample(sensor, bands[sensor.spec.name])]
        for sensor in scene.sensors
        if sensor.acquisitions and bands.get(sensor.spec.name)
    ]
    return _shape(scene, per_pixel, (memory, reserved), _stored_tile(scene, files))


def mask_block_shape(scene: Scene, memory: int, *, threads: int = 1) -> tuple[int, int]:
    """Rows and columns of the blocks in which all masks of ``scene`` are read within ``memory`` bytes."""
    dates = sum(len(sensor.acquisitions) for sensor in scene.sensors)
    first = [next(iter(s.acquisitions[0].masks.values()), None) for s in scene.sensors if s.acquisitions]
    tile = _stored_tile(scene, [path for path in first if path])
    return _shape(scene, dates + _COUNTS + _READING * threads, (memory, 0), tile)


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


def _shape(scene: Scene, per_pixel: int, memory: tuple[int, int], tile: tuple[int, int] | None) -> tuple[int, int]:
    """The shape of blocks within ``memory`` (bytes of the job, of them reserved); see ``block_shape``."""
    height, width = scene.geobox.shape
    given, reserved = memory
    pixels = max(0, given - reserved) // per_pixel
    if pixels >= height * width:
        return height, width
    if pixels // MIN_ROWS < min(MIN_COLS, width):
        needed = (per_pixel * MIN_ROWS * MIN_COLS + reserved) / 2**20
        raise ConfigError(
            [
                f"tile {scene.tile}: a block of {MIN_ROWS} x {MIN_COLS} pixels needs {needed:.1f} MB, and a job has "
                f"{given / 2**20:.1f} MB. Give more: iota2 run --memory"
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


def mask_applies(rule: MaskRule, values: np.ndarray) -> np.ndarray:
    """Where a mask says "not valid", as bool: one of the rule's bits is set, or its values met; without, any
    but 0."""
    applies = np.zeros(values.shape, bool)
    if rule.bits:
        applies |= (values.astype(np.int64) & sum(1 << bit for bit in rule.bits)) != 0
    if rule.values:
        applies |= np.isin(values, rule.values)
    return applies if rule.bits or rule.values else values != 0


@dataclass
class CubeReader:
    """Reads the series of one scene block by block, from files that stay open until the context ends.

    ``bands``: which bands of which sensors ``read`` gives. ``threads``: how many acquisitions are read at a
    time, which does not change what is read.
    """

    scene: Scene
    bands: Mapping[str, Sequence[str]]
    threads: int = 1
    _stack: ExitStack = field(default_factory=ExitStack, init=False, repr=False)
    _open: dict[str, DatasetReader] = field(default_factory=dict, init=False, repr=False)
    _types: dict[str, np.dtype[Any]] = field(default_factory=dict, init=False, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.clear()
        self._stack.close()

    def read(self, block: Block) -> dict[str, Cube]:
        """The cubes of the wanted bands, by sensor name, in the scene's order of sensors.

        Values are int16 when all files are and need no scaling, else float32 in product units. A pixel of a
        date is valid when no mask applies, and every wanted band has data there (not nodata, not NaN, not
        beyond the file). Pixels of a band without data hold NaN when the cube is float32; else the sensor's nodata
        value, or 0 if it has none.
        Bands of another lattice come by the sensor's resampling, masks by the pixel in which the centre lies.
        DamagedProduct names a file that cannot be read.
        """
        return {
            sensor.spec.name: self._cube(sensor, block)
            for sensor in self.scene.sensors
            if sensor.spec.name in self.bands
        }

    def valid(self, block: Block) -> dict[str, np.ndarray]:
        """By sensor name, (time, y, x) bool: no mask applies. Bands are not opened."""
        found = {}
        for sensor in self.scene.sensors:
            places = _placements(self.scene, sensor, block, [rule.name for rule in sensor.spec.masks])
            valid = np.empty((len(sensor.acquisitions), *block.shape), bool)

            def fill(t: int, sensor: SensorScene = sensor, valid: np.ndarray = valid, places: Any = places) -> None:
                valid[t] = self._clear(sensor.acquisitions[t], sensor.spec.masks, places, block.shape)

            self._each(len(valid), fill)
            found[sensor.spec.name] = valid
        return found

    def footprint(self, block: Block) -> np.ndarray:
        """(y, x) bool: for every sensor, at least one date is clear of its edge masks.

        Of a sensor without edge masks it is the whole reference image.
        """
        common = np.ones(block.shape, bool)
        for sensor in self.scene.sensors:
            common &= self._sensor_footprint(sensor, block)
        return common

    def _sensor_footprint(self, sensor: SensorScene, block: Block) -> np.ndarray:
        """The footprint of one sensor."""
        edges = [rule for rule in sensor.spec.masks if rule.edge]
        if not edges:
            name = sensor.spec.reference.name
            return _placements(self.scene, sensor, block, [name])[name].inside
        places = _placements(self.scene, sensor, block, [rule.name for rule in edges])
        seen = np.zeros(block.shape, bool)
        for acquisition in sensor.acquisitions:
            seen |= self._clear(acquisition, edges, places, block.shape)
            if seen.all():
                break
        return seen

    def _cube(self, sensor: SensorScene, block: Block) -> Cube:
        """The cube of one sensor."""
        spec, bands = sensor.spec, tuple(self.bands[sensor.spec.name])
        places = _placements(self.scene, sensor, block, [*bands, *(rule.name for rule in spec.masks)])
        values = np.empty((len(sensor.acquisitions), len(bands), *block.shape), self._cube_type(sensor, bands))
        valid = np.empty((len(sensor.acquisitions), *block.shape), bool)

        def fill(t: int) -> None:
            acquisition = sensor.acquisitions[t]
            valid[t] = self._clear(acquisition, spec.masks, places, block.shape)
            for b, band in enumerate(bands):
                valid[t] &= self._band(acquisition, spec, band, places[band], values[t, b])

        self._each(len(valid), fill)
        roles = {role: band for role, band in spec.roles.items() if band in bands}
        return Cube(values, valid, sensor.days, sensor.keys, bands, roles, spec.nodata)

    def _each(self, count: int, fill: Callable[[int], None]) -> None:
        """Call ``fill`` for every acquisition, on some threads."""
        if self.threads <= 1 or count <= 1:
            for t in range(count):
                fill(t)
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(fill, range(count)))

    def _cube_type(self, sensor: SensorScene, bands: Sequence[str]) -> np.dtype[Any]:
        """int16 when all files are int16 in product units, else float32."""
        spec = sensor.spec
        if spec.name not in self._types:
            index = {band.name: band.index for band in spec.bands}
            plain = (spec.scale, spec.offset) == (1.0, 0.0) and all(
                self._file_type(acquisition.bands[band], index[band]) == np.int16
                for acquisition in sensor.acquisitions
                for band in bands
            )
            self._types[spec.name] = np.dtype(np.int16 if plain else np.float32)
        return self._types[spec.name]

    def _file_type(self, path: str, index: int) -> np.dtype[Any]:
        with self._source(path) as source:
            return np.dtype(source.dtypes[index - 1])

    def _band(
        self, acquisition: Acquisition, spec: SensorSpec, band: str, place: Placement, out: np.ndarray
    ) -> np.ndarray:
        """Read one band of one date into ``out`` (y, x); returns where it has data."""
        index = next(item.index for item in spec.bands if item.name == band)
        raw = self._read(acquisition.bands[band], index, place)
        nodata = _nodata_of(raw.dtype, spec.nodata)
        layer = place.resample(raw[None], nodata)[0]
        known = place.inside & ~np.isnan(layer)
        if nodata is not None:
            known &= layer != nodata
        if (spec.scale, spec.offset) == (1.0, 0.0):
            out[...] = layer
        else:
            out[...] = layer.astype(np.float64) * spec.scale + spec.offset
        out[~known] = np.nan if out.dtype.kind == "f" else nodata or 0
        return known

    def _clear(
        self,
        acquisition: Acquisition,
        rules: Sequence[MaskRule],
        places: Mapping[str, Placement],
        shape: tuple[int, int],
    ) -> np.ndarray:
        """(y, x) bool: none of the mask rules applies, and each mask that exists says something there."""
        clear = np.ones(shape, bool)
        for rule in rules:
            if rule.name in acquisition.masks:
                place = places[rule.name]
                applies = mask_applies(rule, self._read(acquisition.masks[rule.name], 1, place))
                clear &= place.inside & ~place.nearest(applies)
        return clear

    def _read(self, path: str, index: int, place: Placement) -> np.ndarray:
        """The placement's window of one band of a file."""
        (top, bottom), (left, right) = place.window
        try:
            with self._source(path) as source:
                values = source.read(index, window=Window(left, top, right - left, bottom - top))
        except (RasterioIOError, InputError) as err:
            raise DamagedProduct(
                f"tile {self.scene.tile}: {path}: cannot be read in rows {top} to {bottom}: {err}. The file is "
                "damaged: get it again, move its product folder away, or set chain.skip_damaged_products.",
                tile=self.scene.tile,
                product=self._product_of(path),
                path=path,
            ) from err
        return values if values.dtype.name in _KEPT else values.astype(np.float32)

    def _product_of(self, path: str) -> str:
        """Name of the product that a file belongs to."""
        return next(
            acquisition.product
            for sensor in self.scene.sensors
            for acquisition in sensor.acquisitions
            if path in (*acquisition.bands.values(), *acquisition.masks.values())
        )

    @contextmanager
    def _source(self, path: str) -> Iterator[DatasetReader]:
        """The open file of a path; kept open while there is room, else closed again."""
        source = self._open.get(path)
        if source is not None:
            yield source
        elif len(self._open) < _handles():
            source = self._open[path] = open_raster(path)
            # not entered as a context: rasterio would stack one environment on another for each file
            self._stack.callback(source.close)
            yield source
        else:
            with open_raster(path) as source:
                yield source


def _handles() -> int:
    """Files that one reader may keep open: half of what the system allows, other readers may be at work."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_OPEN if soft == resource.RLIM_INFINITY else min(MAX_OPEN, soft // 2)


def _placements(scene: Scene, sensor: SensorScene, block: Block, names: Sequence[str]) -> dict[str, Placement]:
    """Where a block lies on the lattices of the named bands and masks; lattices that are shared are placed
    once."""
    kernel = sensor.spec.resampling
    grids = {name: sensor.grids[name] for name in names if name in sensor.grids}
    places = {
        grid: placement(grid, scene.geobox, block.rows, block.cols, kernel) for grid in dict.fromkeys(grids.values())
    }
    return {name: places[grid] for name, grid in grids.items()}


def _nodata_of(dtype: np.dtype[Any], nodata: float | None) -> float | None:
    """The sensor's nodata value as pixels of a type can hold it: None if they cannot; NaN stands for none in
    floats."""
    if dtype.kind == "f":
        return np.nan if nodata is None else nodata
    limits = np.iinfo(dtype)
    fits = nodata is not None and limits.min <= nodata <= limits.max and nodata == int(nodata)
    return nodata if fits else None
