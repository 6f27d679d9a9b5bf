"""Block-wise reading of the series of a scene on the working grid: values, validity and observations.

Reading has two stages. ``CubeReader.blocks`` decodes large blocks of many rows: stored pixels need little memory.
``DecodedBlock.cubes`` resamples parts of a decoded block, of some thousand pixels each, to the working grid: computed
values then stay in the processor's cache. ``CubeReader.observed`` reads masks only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar, overload

import numpy as np

from iota2.compute.placement import Placement, Range
from iota2.compute.valid import absent_value
from iota2.core.cube import Cube
from iota2.core.grid import Block, block_of, padded
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene, SensorScene
from iota2.io.series.decoded import NO_HALOS, DecodedBlock, Shift, StoredWindow, placements
from iota2.io.series.observed import ObservationReader, Observed, bands_for_observations
from iota2.io.series.open_files import OpenFiles, ReadRequest, call_on_threads, dates_by_shift, files_of

T = TypeVar("T")


def recipe_bands(recipe: FeatureRecipe) -> dict[str, tuple[str, ...]]:
    """Bands that a recipe needs, by sensor name."""
    return {sensor.sensor: sensor.bands for sensor in recipe.sensors}


def series_reader(scene: Scene, recipe: FeatureRecipe, *, threads: int = 1, margin: int = 0) -> CubeReader:
    """Reader of the cubes that a recipe needs, for features of blocks with a ``margin`` in pixels."""
    return CubeReader(scene, recipe_bands(recipe), threads=threads, halo=recipe.halo + margin)


@dataclass(frozen=True)
class _Group:
    """Bands, or one mask, that are read and stored together."""

    names: tuple[str, ...]
    """Names of the bands, or of the mask."""
    dates: list[int]
    """Positions of the dates in the series."""
    shift: Shift


@dataclass
class CubeReader:
    """Context manager that reads the series of one scene block by block; its files stay open until the context ends.

    ``bands``: bands of the cubes by sensor. ``threads``: number of files read in parallel; the result does not depend
    on it. ``halo``: maximum width in pixels of the margin around a block in its cubes.

    Cubes are int16 when all files are int16 and need no scaling, else float32 in product units. A pixel of a date is
    valid when no mask applies and all requested bands have data (not nodata, not NaN, not outside the file). The value
    of a pixel without data is NaN in a float32 cube; in an int16 cube, the sensor's nodata value, or 0 if it has none.

    Bands on another grid are resampled by the sensor's method, masks by nearest neighbour. DamagedProduct is raised for
    a file that cannot be read.
    """

    scene: Scene
    bands: Mapping[str, Sequence[str]]
    threads: int = 1
    halo: int = 0
    _above: dict[tuple[str, str, Shift], StoredWindow] = field(default_factory=dict, init=False, repr=False)
    """Last decoded rows that the block below needs again, by sensor, band or mask, and shift."""
    _numbers: dict[Block, int] = field(default_factory=dict, init=False, repr=False)
    """Number of each block in the job."""
    _files: OpenFiles = field(init=False, repr=False)
    _observations: ObservationReader = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._files = OpenFiles(self.scene)
        self._observations = ObservationReader(self.scene, self._files, self.threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._above.clear()
        self._files.close()

    def read(self, block: Block, halos: Mapping[str, int] = NO_HALOS) -> dict[str, Cube]:
        """The cubes of one block by sensor name, in the order of the scene's sensors; ``halos`` as for
        ``DecodedBlock.cubes``."""
        return self._decode(block).cubes(block, halos)

    def _decode(self, block: Block) -> DecodedBlock:
        """Decode the pixels of the files that the cubes of ``block``, or of any part of it, need.

        Full-width blocks should be decoded from top to bottom: rows decoded for the block above are reused.
        """
        self._files.block_number = self._numbers.get(block, -1)
        windows: dict[str, list[StoredWindow]] = {}
        above: dict[tuple[str, str, Shift], StoredWindow] = {}
        places: dict[str, dict[tuple[str, Shift], Placement]] = {}
        around = self._with_halo(block)
        for sensor in self.scene.sensors:
            name = sensor.spec.name
            if name in self.bands:
                groups = self._groups(sensor)
                places[name] = self._places(sensor, around, groups)
                windows[name] = [self._empty_window(sensor, group, places[name]) for group in groups]
                self._fill(sensor, windows[name])
                above |= self._rows_for_next(sensor, block, groups, windows[name])
        self._above = above
        self._files.drop_unused()
        types = {sensor.spec.name: self._cube_type(sensor) for sensor in self.scene.sensors}
        return DecodedBlock(self.scene, self.bands, types, around, places, windows)

    def _with_halo(self, block: Block) -> Block:
        return padded(block, self.halo, self.scene.geobox)

    def _groups(self, sensor: SensorScene) -> list[_Group]:
        """Groups of bands with the same grid, data type and nodata value, and one group for each existing mask.

        Dates with different shifts are in different groups.
        """
        bands: dict[tuple[int, str, float | None], list[str]] = {}
        for band in self.bands[sensor.spec.name]:
            kind = sensor.grid_numbers[band], self._files.stored_type(sensor, band).name, sensor.spec.nodata_of(band)
            bands.setdefault(kind, []).append(band)
        masks = [(rule.name,) for rule in sensor.spec.masks if rule.name in sensor.grid_numbers]
        return [
            _Group(names, [t for t in dates if names[0] in files_of(sensor.acquisitions[t])], shift)
            for shift, dates in dates_by_shift(sensor).items()
            for names in (*map(tuple, bands.values()), *masks)
        ]

    def _places(
        self, sensor: SensorScene, block: Block, groups: Sequence[_Group]
    ) -> dict[tuple[str, Shift], Placement]:
        """Placements of a block on the grids of the groups, by first name and shift of the group."""
        return {
            (name, shift): place
            for shift in dict.fromkeys(group.shift for group in groups)
            for name, place in placements(
                self.scene, sensor, block, [group.names[0] for group in groups if group.shift == shift], shift
            ).items()
        }

    @overload
    def blocks(self, order: Iterable[Block]) -> Iterator[tuple[Block, DecodedBlock]]: ...

    @overload
    def blocks(
        self, order: Iterable[Block], prepare: Callable[[Block], T | None]
    ) -> Iterator[tuple[T, DecodedBlock]]: ...

    def blocks(
        self, order: Iterable[Block], prepare: Callable[[Block], Any] = lambda block: block
    ) -> Iterator[tuple[Any, DecodedBlock]]:
        """Decode blocks in the given order; each is returned with the result of ``prepare`` (by default, the block).

        Blocks for which ``prepare`` returns None are not decoded. A decoded block is released when the next one is
        requested. Tiles and strips of files are decoded once for all blocks; see ``io.series.tile_cache``. With several
        threads, the next block is decoded in the background.
        """
        every = list(order)
        self._announce(every, self.bands)
        prepared = ((block, found) for block in every if (found := prepare(block)) is not None)
        if self.threads <= 1:
            for block, found in prepared:
                yield from _until_released(found, self._decode(block))
            return
        with ThreadPoolExecutor(1) as other:
            waiting: deque[tuple[Any, Future[DecodedBlock]]] = deque()
            for block, found in prepared:
                waiting.append((found, other.submit(self._decode, block)))
                if len(waiting) > 1:
                    first, coming = waiting.popleft()
                    yield from _until_released(first, coming.result())
            for last, coming in waiting:
                yield from _until_released(last, coming.result())

    def observation_blocks(self, order: Iterable[Block]) -> Iterator[Block]:
        """Return the blocks one by one, for calls of ``observed``: tiles and strips of masks are decoded only once."""
        every = list(order)
        self._announce(every, {sensor.spec.name: bands_for_observations(sensor) for sensor in self.scene.sensors})
        for number, block in enumerate(every):
            self._files.block_number = number
            yield block
            self._files.drop_unused()

    def _announce(self, every: Sequence[Block], bands: Mapping[str, Sequence[str]]) -> None:
        """Number the blocks of a job and prepare the caches of the files that it reads."""
        self._numbers = {block: number for number, block in enumerate(every)}
        around = [self._with_halo(block) for block in every]
        for sensor in self.scene.sensors:
            if sensor.spec.name in bands:
                self._files.announce(sensor, bands[sensor.spec.name], around)

    def _empty_window(
        self, sensor: SensorScene, group: _Group, places: Mapping[tuple[str, Shift], Placement]
    ) -> StoredWindow:
        """A window of the bands or the mask of a group, with uninitialised values."""
        rows, cols = places[group.names[0], group.shift].window
        shape = len(group.dates), len(group.names), rows[1] - rows[0], cols[1] - cols[0]
        values = np.empty(shape, self._files.stored_type(sensor, group.names[0]))
        return StoredWindow(group.names, values, rows, cols, group.dates, group.shift)

    def _fill(self, sensor: SensorScene, windows: Sequence[StoredWindow]) -> None:
        """Read the values of the windows of one sensor, each file once."""
        index = {band.name: band.index for band in sensor.spec.bands}
        rules = {rule.name: rule for rule in sensor.spec.masks}
        requests: dict[tuple[str, Range, Range], list[ReadRequest]] = {}
        for window in windows:
            first = self._fill_from_above(sensor, window)
            name = window.names[0]
            absent = absent_value(rules.get(name), window.values.dtype, sensor.spec.nodata_of(name))
            for layers, t in zip(window.values, window.dates, strict=True):
                acquisition = sensor.acquisitions[t]
                for name, layer in zip(window.names, layers, strict=True):
                    path, out = files_of(acquisition)[name], layer[first - window.rows[0] :]
                    extent = acquisition.extents.get(name)
                    hidden = acquisition.hidden.get(name, ())
                    rows = first, window.rows[1]
                    request = ReadRequest(path, index.get(name, 1), rows, window.cols, out, extent, absent, hidden)
                    if first < window.rows[1]:
                        requests.setdefault((path, request.rows, request.cols), []).append(request)
        groups = list(requests.values())
        call_on_threads(self.threads, len(groups), lambda k: self._files.read(groups[k]))

    def _fill_from_above(self, sensor: SensorScene, window: StoredWindow) -> int:
        """Copy rows decoded for the block above, and return the first row that must be read."""
        above = self._above.get((sensor.spec.name, window.names[0], window.shift))
        if above is None or above.cols != window.cols or not above.rows[0] <= window.rows[0] < above.rows[1]:
            return window.rows[0]
        last = min(above.rows[1], window.rows[1])
        known = above.values[..., window.rows[0] - above.rows[0] : last - above.rows[0], :]
        window.values[..., : known.shape[2], :] = known
        return last

    def _rows_for_next(
        self, sensor: SensorScene, block: Block, groups: Sequence[_Group], windows: Sequence[StoredWindow]
    ) -> Iterator[tuple[tuple[str, str, Shift], StoredWindow]]:
        """Decoded rows that the block below needs again; empty for blocks that do not have the full width."""
        height, width = self.scene.geobox.shape
        if block.cols != (0, width) or block.rows[1] >= height:
            return
        below = block_of(self.scene.tile, self.scene.geobox, (block.rows[1], block.rows[1] + 1), block.cols)
        places = self._places(sensor, self._with_halo(below), groups)
        for window in windows:
            (top, _), _ = places[window.names[0], window.shift].window
            if top < window.rows[1]:
                yield (sensor.spec.name, window.names[0], window.shift), window.below(top)

    def observed(self, block: Block) -> dict[str, Observed]:
        """Observations of a block by sensor name, see ``ObservationReader.observed``."""
        return self._observations.observed(block)

    def footprint(self, block: Block, *, every: bool = True, layers: bool = True) -> np.ndarray:
        """(y, x) bool footprint of the sensors in a block, see ``ObservationReader.footprint``."""
        return self._observations.footprint(block, every=every, layers=layers)

    def _cube_type(self, sensor: SensorScene) -> np.dtype[Any]:
        """Data type of a cube: int16 when all files are int16 in product units, else float32; layers are float32."""
        bands, dates = self.bands.get(sensor.spec.name, ()), range(len(sensor.acquisitions))
        plain = (
            not sensor.spec.static
            and all(self._files.stored_type(sensor, band) == np.int16 for band in bands)
            and all(sensor.scaling(t, band) == (1.0, 0.0) for band in bands for t in dates)
        )
        return np.dtype(np.int16 if plain else np.float32)


def _until_released(prepared: T, decoded: DecodedBlock) -> Iterator[tuple[T, DecodedBlock]]:
    yield prepared, decoded
    decoded.release()
