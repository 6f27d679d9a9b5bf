"""Shapes of the blocks in which a scene is decoded and computed, within a memory budget."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.compute.placement import Range, source_windows
from iota2.compute.stored_files import MAX_LOW_STRIP_ROWS, piece_shape, stored_type
from iota2.core.grid import Block, blocks, resolution, shift_corrected
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.scene import FileFormat, Scene, SensorScene
from iota2.core.user_features import UserFunction
from iota2.errors import ConfigError

MIN_ROWS, MIN_COLS = MIN_SHAPE = 16, 64
"""Rows and columns of the smallest useful block. All blocks begin at multiples of them."""
COMPUTED_SHAPES = ((64, 256), (32, 256), (32, 128), (16, 128), (MIN_ROWS, MIN_COLS))
"""Shapes of computed blocks, best first: the features of a few thousand pixels fit the processor's cache, and blocks
are high enough that resampling reads few additional rows around them."""
_MASK_BYTES = 32
"""Bytes per pixel of a block to read one mask of one date."""
_MASK_BYTES_PER_EXTRA_PIXEL = 20
"""Bytes per further pixel of a mask that has more pixels than the block."""
_SCALING_BYTES = 11
"""Bytes per value to scale bands and find nodata, in addition to the stored values."""
_COUNT_BYTES = 16
"""Bytes per pixel of a block for the number of clear dates and the region."""
_PLACEMENT_BYTES = 60
"""Bytes per pixel of a block for its position in a grid of another projection."""
_FILTER_BYTES = 28
"""Bytes per pixel of the speckle filter, in addition to its input and output."""
_FLAG_BYTES = 3
"""Bytes per date of a pixel to find the raw dates that temporal features use."""
_COPIES = 6
"""Arrays of the size of its result that a function of the user is assumed to have in memory; of the series that it
reads, three: the series, a copy, and an intermediate result."""
_MAX_ATTEMPTS = 4
"""Maximum number of attempts to reduce a shape until the block and its margins fit the memory."""


@dataclass(frozen=True)
class BlockShapes:
    """Rows and columns of blocks."""

    decoded: tuple[int, int]
    """Shape of the blocks that are decoded at once."""
    computed: tuple[int, int]
    """Shape of the blocks whose features are computed at once, inside the decoded blocks."""
    cell: tuple[int, int]
    """Shape of the cells by which decoded blocks are ordered, so that file tiles stay in memory for a short time."""

    def in_order(self, tile: str, geobox: GeoBox, rows: Range | None = None) -> list[Block]:
        """The decoded blocks of a tile, or of a range of its rows, in order of processing."""
        return [
            block
            for cell in blocks(tile, geobox, self.cell, rows)
            for block in blocks(tile, geobox, self.decoded, cell.rows, cell.cols)
        ]


def block_shapes(
    scene: Scene,
    recipe: FeatureRecipe,
    memory: int,
    *,
    extra_bytes: int = 0,
    further_features: int = 0,
    regions: int = 0,
    reserved: int = 0,
    share: float = 1.0,
    threads: int = 1,
    margin: int = 0,
) -> BlockShapes:
    """Shapes of the blocks in which ``scene`` is decoded and its features are computed within ``memory`` bytes.

    Memory per computed pixel is the maximum of: the series (4 bytes per value) and resampling buffers; the series, the
    features and filter buffers; the features and ``extra_bytes`` of the caller. Memory per decoded pixel: stored values
    of the block and its margins, and masks of ``regions``; twice with several ``threads``, because the next block is
    decoded in the background. Memory per thread: a tile or strip of a file. ``reserved`` bytes of the caller do not
    depend on the shape. ``further_features``: number of features of other recipes that are also in memory. ``margin``:
    pixels around a block whose features are also computed. The sum is kept below ``share`` of the memory.

    Full-width strips are preferred, since most archives store images in strips; narrower blocks of 16 rows are the
    fallback. For files stored in tiles: rows of whole tiles, some tiles of one row, or parts of a tile. Raises
    ConfigError with the required memory if the smallest blocks do not fit.
    """
    needs = _BlockMemory(
        scene, recipe, extra_bytes, regions, decodes_ahead=threads > 1, margin=margin, further_features=further_features
    )
    reserved += threads * needs.piece_bytes()
    height, width = scene.geobox.shape
    least = MIN_ROWS, min(MIN_COLS, width)
    smallest = (needs.computed(least) + needs.decoded(least)) * least[0] * least[1] + reserved
    found = []
    for shape in COMPUTED_SHAPES:
        inner = min(shape[0], height), min(shape[1], width)
        left = share * memory - reserved - needs.computed(inner) * inner[0] * inner[1]
        fitting = _shape(scene, needs.decoded, left, needs.tile)
        if fitting is not None:
            cell, outer = fitting
            found.append(BlockShapes(outer, (min(inner[0], outer[0]), min(inner[1], outer[1])), cell))
    if not found:
        raise _memory_error(scene, memory, smallest / share)
    return max(found, key=_preference)


def _preference(shapes: BlockShapes) -> tuple[int, int]:
    """Sort key of shapes: larger computed blocks first, then larger decoded blocks."""
    (rows, cols), decoded = shapes.computed, shapes.decoded
    return rows * cols, decoded[0] * decoded[1]


def function_bytes(function: UserFunction) -> int:
    """Assumed bytes per pixel of a call of a function of the user: its series, intermediate results, its features."""
    return 4 * (3 * function.values_read + _COPIES * len(function.labels))


def mask_block_shape(scene: Scene, memory: int, *, threads: int = 1) -> tuple[int, int]:
    """Rows and columns of the blocks in which all masks of ``scene`` are read within ``memory`` bytes."""
    dated = [sensor for sensor in scene.sensors if sensor.acquisitions]
    dates = sum(len(sensor.acquisitions) for sensor in dated)
    names = [
        (sensor, date, next(iter(date.masks), sensor.spec.reference.name))
        for sensor in dated
        if not sensor.spec.static
        for date in sensor.acquisitions
    ]
    files = [(date.formats[name], sensor.grids[name]) for sensor, date, name in names]

    def per_pixel(shape: tuple[int, int]) -> float:
        return dates + _COUNT_BYTES + threads * max((_mask_bytes(scene, sensor, shape) for sensor in dated), default=0)

    fitting = _shape(scene, per_pixel, memory, _stored_tile(scene, files))
    if fitting is None:
        least = _least(*scene.geobox.shape)
        raise _memory_error(scene, memory, per_pixel(least) * least[0] * least[1])
    return fitting[1]


def _mask_bytes(scene: Scene, sensor: SensorScene, shape: tuple[int, int]) -> float:
    """Bytes per pixel of a block of a shape to read one mask of one date or the reference band, and to store the
    positions of its pixels on their grids."""
    names = (sensor.spec.reference.name, *(rule.name for rule in sensor.spec.masks))
    grids = list({sensor.grids[name]: None for name in names if name in sensor.grids})
    windows = [_window(scene, sensor, grid, shape) for grid in grids]
    most = max((rows * cols / (shape[0] * shape[1]) for rows, cols in windows), default=1.0)
    warped = sum(grid.crs != scene.geobox.crs for grid in grids)
    return _MASK_BYTES + _MASK_BYTES_PER_EXTRA_PIXEL * max(0.0, most - 1.0) + _PLACEMENT_BYTES * warped


@dataclass(frozen=True)
class _BlockMemory:
    """Memory of the blocks of a scene, in bytes."""

    scene: Scene
    recipe: FeatureRecipe
    extra_bytes: int
    regions: int
    decodes_ahead: bool
    margin: int = 0
    """Pixels around a block whose features are also computed."""
    further_features: int = 0

    def computed(self, shape: tuple[int, int]) -> float:
        """Maximum bytes per pixel of a computed block of a shape."""
        series = temporary = resampling = 0.0
        for sensor, wanted in self._sensors():
            dates, bands = len(sensor.acquisitions), len(wanted.bands)
            around = enlarged(shape, self.recipe.halos[wanted.sensor] + self.margin)
            series += around * dates * (4 * bands + 1) + self._placement_bytes(sensor, wanted)
            resampling = max(resampling, around * self._resampling_bytes(sensor, wanted, shape))
            filtered = around * (4 * dates * bands + _FILTER_BYTES) if wanted.speckle_radius else 0
            flags = _FLAG_BYTES * dates if wanted.temporal and not wanted.gapfilling else 0
            unused = 0 if wanted.copy_input else 4 * len(wanted.dates) * bands
            temporary = max(temporary, filtered + enlarged(shape, self.margin) * (flags + unused))
        for function in self.recipe.functions:
            of_function = 4 * len(function.labels) if function.whole_tile else function_bytes(function)
            temporary = max(temporary, of_function * enlarged(shape, self.recipe.halo + self.margin))
        names = len(self.recipe.names) + self.further_features
        features = enlarged(shape, self.margin) * (4 * names + 2 * len(self.recipe.sensors))
        return max(series + resampling, series + temporary + features, features + self.extra_bytes) + _COUNT_BYTES

    def decoded(self, shape: tuple[int, int]) -> float:
        """Bytes per pixel of a decoded block of a shape: stored values of the block and its margins, and its regions.

        Rows that the block and the next one below share are temporarily stored twice.
        """
        total = 2.0 * self.regions
        for sensor, wanted in self._sensors():
            for number, names in self._grids(sensor, wanted).items():
                grid = sensor.grids[names[0]]
                rows, cols = self._window(sensor, number, shape, around=self.recipe.halo + self.margin)
                plain = shape[0] * resolution(self.scene.geobox)[1] / resolution(grid)[1]
                pixels = (rows + max(0.0, rows - plain)) * cols / (shape[0] * shape[1])
                total += len(sensor.acquisitions) * pixels * sum(self._sizes[sensor.spec.name, name] for name in names)
            total += self._placement_bytes(sensor, wanted)
        return (1 + self.decodes_ahead) * total + _COUNT_BYTES

    def piece_bytes(self) -> int:
        """Maximum bytes of a tile or strip of the files of a date; each thread decodes one."""
        most = 0
        for sensor, _ in self._sensors():
            for file in {file for date in sensor.acquisitions for file in date.formats.values()}:
                rows, cols = piece_shape(file.shape, file.block)
                if file.block[1] < file.shape[1] or file.block[0] > MAX_LOW_STRIP_ROWS:
                    most = max(most, rows * cols * file.bands * np.dtype(file.dtype).itemsize)
        return most

    @cached_property
    def tile(self) -> tuple[int, int] | None:
        """Rows and columns of the tiles in which files are stored; None for files without tiles."""
        files: list[tuple[FileFormat, GeoBox]] = []
        for sensor, wanted in self._sensors():
            reference = sensor.spec.reference.name
            band = reference if reference in wanted.bands else wanted.bands[0]
            files += [(date.formats[band], sensor.grids[band]) for date in sensor.acquisitions]
        return _stored_tile(self.scene, files)

    def _sensors(self) -> list[tuple[SensorScene, SensorRecipe]]:
        recipes = {sensor.sensor: sensor for sensor in self.recipe.sensors}
        return [(s, recipes[s.spec.name]) for s in self.scene.sensors if s.spec.name in recipes and s.acquisitions]

    def _resampling_bytes(self, sensor: SensorScene, wanted: SensorRecipe, shape: tuple[int, int]) -> float:
        """Bytes per pixel to resample the bands of one grid: stored (twice if warped), resampled and scaled values."""
        most = 0.0
        for number, names in self._grids(sensor, wanted).items():
            bands = [self._sizes[sensor.spec.name, name] for name in names if name in wanted.bands]
            rows, cols = self._window(sensor, number, shape, around=self.recipe.halos[wanted.sensor] + self.margin)
            copies = 1 if sensor.grids[names[0]].crs == self.scene.geobox.crs else 2
            ratio = copies * rows * cols / (shape[0] * shape[1])
            most = max(most, sum(size * (ratio + 1) + _SCALING_BYTES for size in bands))
        return most * len(sensor.acquisitions)

    def _placement_bytes(self, sensor: SensorScene, wanted: SensorRecipe) -> int:
        """Bytes per pixel for its positions on grids of other projections."""
        warped = [names for names in self._grids(sensor, wanted).values() if self._is_warped(sensor, names)]
        return _PLACEMENT_BYTES * len(warped) * len({acquisition.shift for acquisition in sensor.acquisitions})

    def _is_warped(self, sensor: SensorScene, names: Sequence[str]) -> bool:
        return bool(sensor.grids[names[0]].crs != self.scene.geobox.crs)

    def _grids(self, sensor: SensorScene, wanted: SensorRecipe) -> Mapping[int, list[str]]:
        """Bands and masks to read, by the number of their grid."""
        found: dict[int, list[str]] = {}
        for name in (*wanted.bands, *(rule.name for rule in sensor.spec.masks)):
            if name in sensor.grid_numbers:
                found.setdefault(sensor.grid_numbers[name], []).append(name)
        return found

    @cached_property
    def _sizes(self) -> dict[tuple[str, str], int]:
        """Bytes per decoded pixel, by sensor and band or mask."""
        found = {}
        for sensor, wanted in self._sensors():
            for name in (*wanted.bands, *(rule.name for rule in sensor.spec.masks)):
                exists = bool(sensor.formats(name))
                found[sensor.spec.name, name] = stored_type(sensor, name).itemsize if exists else 1
        return found

    def _window(self, sensor: SensorScene, number: int, shape: tuple[int, int], *, around: int) -> tuple[float, float]:
        """Maximum rows and columns of a grid that a block of a shape with a margin of ``around`` pixels reads."""
        grid = next(sensor.grids[name] for name in sensor.grid_numbers if sensor.grid_numbers[name] == number)
        return _window(self.scene, sensor, grid, shape, around=around)


def enlarged(shape: tuple[int, int], around: int) -> float:
    """Pixels of a block with a margin of ``around`` pixels on each side, divided by those of the block."""
    return (shape[0] + 2 * around) * (shape[1] + 2 * around) / (shape[0] * shape[1])


def _window(
    scene: Scene, sensor: SensorScene, grid: GeoBox, shape: tuple[int, int], around: int = 0
) -> tuple[float, float]:
    """Maximum rows and columns of a sensor's grid that a block of a shape with a margin of ``around`` pixels reads."""
    probes = _probes(scene, shape) + np.array([-1, 1, -1, 1]) * around
    most = np.zeros(2)
    for shift in {acquisition.shift for acquisition in sensor.acquisitions}:
        windows = source_windows(shift_corrected(grid, shift), scene.geobox, probes, sensor.spec.resampling)
        most = np.maximum(most, (windows[:, 1::2] - windows[:, ::2]).max(axis=0))
    return float(most[0]), float(most[1])


def _probes(scene: Scene, shape: tuple[int, int]) -> np.ndarray:
    """(9, 4) blocks of a shape at the corners, sides and centre: a file may cover a part of the tile only."""
    (height, width), (rows, cols) = scene.geobox.shape, shape
    firsts = itertools.product((0, (height - rows) // 2, height - rows), (0, (width - cols) // 2, width - cols))
    return np.array([(top, top + rows, left, left + cols) for top, left in firsts])


def _stored_tile(scene: Scene, found: Iterable[tuple[FileFormat, GeoBox]]) -> tuple[int, int] | None:
    """Rows and columns of the most frequent file tiles, in pixels of the working grid.

    ``found``: format and grid of each file. None if no file is stored in tiles.
    """
    tiled = Counter((file.block, grid) for file, grid in found if file.block[1] < file.shape[1])
    if not tiled:
        return None
    ((rows, cols), grid), _ = tiled.most_common(1)[0]
    ratio = 1.0, 1.0
    if grid.crs == scene.geobox.crs:
        (width, height), (own_width, own_height) = resolution(grid), resolution(scene.geobox)
        ratio = height / own_height, width / own_width
    return max(1, round(rows * ratio[0])), max(1, round(cols * ratio[1]))


def _shape(
    scene: Scene, per_pixel: Callable[[tuple[int, int]], float], memory: float, tile: tuple[int, int] | None
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Shapes of cells and of blocks that need at most ``memory`` bytes, see ``BlockShapes``; None if none fits.

    ``per_pixel``: bytes per pixel of a block of a shape.
    """
    height, width = scene.geobox.shape
    if memory >= per_pixel((height, width)) * height * width:
        return (height, width), (height, width)
    pixels = int(max(0.0, memory) // per_pixel((min(MIN_COLS, height), min(MIN_COLS, width))))
    for _ in range(_MAX_ATTEMPTS):
        if pixels // MIN_ROWS < min(MIN_COLS, width):
            break
        cell, block = _strips(height, width, pixels) if tile is None else _tiles(height, width, pixels, tile)
        needed = per_pixel(block)
        if needed * block[0] * block[1] <= memory:
            return cell, block
        pixels = min(pixels - 1, int(memory // needed))
    least = _least(height, width)
    return (least, least) if memory >= per_pixel(least) * least[0] * least[1] else None


def _memory_error(scene: Scene, given: float, needed: float) -> ConfigError:
    return ConfigError(
        [
            f"tile {scene.tile}: a block of {MIN_ROWS} x {MIN_COLS} pixels needs {needed / 2**20:.1f} MB, but a "
            f"job has {given / 2**20:.1f} MB. Increase the memory: iota2 run --memory"
        ]
    )


def _least(height: int, width: int) -> tuple[int, int]:
    return min(MIN_ROWS, height), min(MIN_COLS, width)


def _strips(height: int, width: int, pixels: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Full-width strips of a multiple of 16 rows; if these do not fit, 16 rows of a multiple of 64 columns."""
    rows, cols = pixels // width, pixels // MIN_ROWS
    if rows >= MIN_ROWS:
        strip = min(rows - rows % MIN_ROWS, height), width
        return strip, strip
    narrow = min(MIN_ROWS, height), min(cols - cols % MIN_COLS, width)
    return (narrow[0], width), narrow


def _tiles(height: int, width: int, pixels: int, tile: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Cells and blocks: rows of whole tiles, some tiles of one row, or parts of a tile.

    Tiles count as enlarged to multiples of the smallest block, so that all blocks begin at multiples of it.
    """
    rows, cols = (
        min(-(-side // least) * least, whole)
        for side, least, whole in zip(tile, MIN_SHAPE, (height, width), strict=True)
    )
    if pixels >= rows * width:
        whole = min(height, pixels // width // rows * rows), width
        return whole, whole
    if pixels >= rows * cols:
        some = rows, pixels // rows // cols * cols
        return some, some
    high = pixels // cols
    if high >= MIN_ROWS:
        even = -(-rows // -(-rows // (high - high % MIN_ROWS)))
        return (rows, cols), (min(high - high % MIN_ROWS, -(-even // MIN_ROWS) * MIN_ROWS), cols)
    wide = pixels // MIN_ROWS
    return (rows, cols), (MIN_ROWS, wide - wide % MIN_COLS)
