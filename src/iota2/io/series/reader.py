"""How the series of a scene are read on blocks of its working lattice: values and validity, and what they show.

Values are read on two scales. A block is decoded at once: pixels as the files store them, of many rows, since they
take little. Blocks inside of it are brought onto the working lattice some thousand pixels at a time, so that what is
computed from them stays near the processor.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np

from iota2.compute.placement import Placement, Range
from iota2.compute.valid import absent_value
from iota2.core.cube import Cube
from iota2.core.grid import Block, block_of, grown
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene, SensorScene
from iota2.io.series.decoded import DecodedBlock, Shift, Stored, placements
from iota2.io.series.observed import ObservationReader, Observed, shown_by
from iota2.io.series.open_files import OpenFiles, ReadRequest, by_shift, files_of, on_threads


def recipe_bands(recipe: FeatureRecipe) -> dict[str, tuple[str, ...]]:
    """The bands that a recipe needs, by sensor name."""
    return {sensor.sensor: sensor.bands for sensor in recipe.sensors}


def series_reader(scene: Scene, recipe: FeatureRecipe, *, threads: int = 1) -> CubeReader:
    """A reader of the cubes that a recipe needs."""
    speckle = {sensor.sensor: sensor.speckle_radius for sensor in recipe.sensors if sensor.speckle_radius}
    return CubeReader(scene, recipe_bands(recipe), threads=threads, speckle=speckle)


@dataclass(frozen=True)
class _Group:
    """Bands, or a mask, that are read and held together."""

    names: tuple[str, ...]
    dates: list[int]
    shift: Shift


@dataclass
class CubeReader:
    """Reads the series of one scene block by block, from files that stay open until the context ends.

    ``bands``: which bands of which sensors the cubes have. ``threads``: how many acquisitions are read at a
    time, which does not change what is read. ``speckle``: radius of the multitemporal speckle filter of the sensors
    that have one.
    """

    scene: Scene
    bands: Mapping[str, Sequence[str]]
    threads: int = 1
    speckle: Mapping[str, int] = field(default_factory=dict)
    _above: dict[tuple[str, str, Shift], Stored] = field(default_factory=dict, init=False, repr=False)
    """Last rows of what was decoded: those that the block below needs again."""
    _numbers: dict[Block, int] = field(default_factory=dict, init=False, repr=False)
    """Position of each block among those of the job."""
    _files: OpenFiles = field(init=False, repr=False)
    _sights: ObservationReader = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._files = OpenFiles(self.scene)
        self._sights = ObservationReader(self.scene, self._files, self.threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._above.clear()
        self._files.close()

    def read(self, block: Block) -> dict[str, Cube]:
        """The cubes of the wanted bands, by sensor name, in the scene's order of sensors.

        Values are int16 when all files are and need no scaling, else float32 in product units. A pixel of a
        date is valid when no mask applies, and every wanted band has data there (not nodata, not NaN, not
        beyond the file). Pixels of a band without data hold NaN when the cube is float32; else the sensor's nodata
        value, or 0 if it has none.
        Bands of another lattice come by the sensor's resampling, masks by the pixel in which the centre lies.
        DamagedProduct names a file that cannot be read.
        """
        return self.decode(block).cubes(block)

    def decode(self, block: Block) -> DecodedBlock:
        """What the files hold for ``block``: its cubes, and those of any block inside of it, come from there.

        Blocks of the full width are best decoded from top to bottom: rows that were decoded for the one above are
        not decoded again.
        """
        self._files.now = self._numbers.get(block, -1)
        stored: dict[str, list[Stored]] = {}
        above: dict[tuple[str, str, Shift], Stored] = {}
        places: dict[str, dict[tuple[str, Shift], Placement]] = {}
        around: dict[str, Block] = {}
        for sensor in self.scene.sensors:
            name = sensor.spec.name
            if name in self.bands:
                around[name] = grown(block, self.speckle.get(name, 0), self.scene.geobox)
                groups = self._groups(sensor)
                places[name] = self._places(sensor, around[name], groups)
                stored[name] = [self._room(sensor, group, places[name]) for group in groups]
                self._fill(sensor, stored[name])
                above |= self._kept_for_next(sensor, block, groups, stored[name])
        self._above = above
        self._files.forget()
        types = {sensor.spec.name: self._cube_type(sensor) for sensor in self.scene.sensors}
        return DecodedBlock(self.scene, self.bands, stored, types, around, places, self.speckle)

    def _groups(self, sensor: SensorScene) -> list[_Group]:
        """Bands that are held together, since they share their lattice, type and nodata value; each mask that exists
        by itself. Of dates that are shifted alike."""
        bands: dict[tuple[int, str, float | None], list[str]] = {}
        for band in self.bands[sensor.spec.name]:
            kind = sensor.lattices[band], self._files.stored_type(sensor, band).name, sensor.spec.nodata_of(band)
            bands.setdefault(kind, []).append(band)
        masks = [(rule.name,) for rule in sensor.spec.masks if rule.name in sensor.lattices]
        return [
            _Group(names, [t for t in dates if names[0] in files_of(sensor.acquisitions[t])], shift)
            for shift, dates in by_shift(sensor).items()
            for names in (*map(tuple, bands.values()), *masks)
        ]

    def _places(
        self, sensor: SensorScene, block: Block, groups: Sequence[_Group]
    ) -> dict[tuple[str, Shift], Placement]:
        """Where a block lies on the lattices of some groups, by their first name and their shift."""
        return {
            (name, shift): place
            for shift in dict.fromkeys(group.shift for group in groups)
            for name, place in placements(
                self.scene, sensor, block, [group.names[0] for group in groups if group.shift == shift], shift
            ).items()
        }

    def decoded(
        self, blocks: Iterable[Block], wanted: Callable[[Block], bool] = lambda block: True
    ) -> Iterator[tuple[Block, DecodedBlock]]:
        """Each of the blocks that is ``wanted`` with what was decoded for it, which is gone when the next one is asked
        for. What files store together is decoded once for all of them; see ``io.series.tile_cache``.

        On several threads, the next one is decoded meanwhile.
        """
        every = list(blocks)
        self._foresee(every, self.bands)
        if self.threads <= 1:
            for block in filter(wanted, every):
                yield from _shown(block, self.decode(block))
            return
        with ThreadPoolExecutor(1) as other:
            waiting: deque[tuple[Block, Future[DecodedBlock]]] = deque()
            for block in filter(wanted, every):
                waiting.append((block, other.submit(self.decode, block)))
                if len(waiting) > 1:
                    first, coming = waiting.popleft()
                    yield from _shown(first, coming.result())
            for last, coming in waiting:
                yield from _shown(last, coming.result())

    def in_turn(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Each of the blocks, for ``sight`` or ``footprint`` of it: what the files of masks store together is decoded
        once for all of them."""
        every = list(blocks)
        self._foresee(every, {sensor.spec.name: shown_by(sensor) for sensor in self.scene.sensors})
        for number, block in enumerate(every):
            self._files.now = number
            yield block
            self._files.forget()

    def _foresee(self, every: Sequence[Block], bands: Mapping[str, Sequence[str]]) -> None:
        """See which blocks are the last to read what the files of bands, and of masks, store together."""
        self._numbers = {block: number for number, block in enumerate(every)}
        for sensor in self.scene.sensors:
            name = sensor.spec.name
            if name in bands:
                around = [grown(block, self.speckle.get(name, 0), self.scene.geobox) for block in every]
                self._files.foresee(sensor, bands[name], around)

    def _room(self, sensor: SensorScene, group: _Group, places: Mapping[tuple[str, Shift], Placement]) -> Stored:
        """Room for a window of some bands or a mask."""
        rows, cols = places[group.names[0], group.shift].window
        shape = len(group.dates), len(group.names), rows[1] - rows[0], cols[1] - cols[0]
        room = np.empty(shape, self._files.stored_type(sensor, group.names[0]))
        return Stored(group.names, room, rows, cols, group.dates, group.shift)

    def _fill(self, sensor: SensorScene, stored: Sequence[Stored]) -> None:
        """Read what is wanted of the files of one sensor: each once, whatever is wanted of it."""
        index = {band.name: band.index for band in sensor.spec.bands}
        rules = {rule.name: rule for rule in sensor.spec.masks}
        wishes: dict[tuple[str, Range, Range], list[ReadRequest]] = {}
        for room in stored:
            first = self._fill_from_above(sensor, room)
            absent = absent_value(rules.get(room.names[0]), room.values.dtype, sensor.spec.nodata_of(room.names[0]))
            for layers, t in zip(room.values, room.dates, strict=True):
                acquisition = sensor.acquisitions[t]
                for name, layer in zip(room.names, layers, strict=True):
                    path, out = files_of(acquisition)[name], layer[first - room.rows[0] :]
                    extent = acquisition.extents.get(name)
                    hidden = acquisition.hidden.get(name, ())
                    rows = first, room.rows[1]
                    wish = ReadRequest(path, index.get(name, 1), rows, room.cols, out, extent, absent, hidden)
                    if first < room.rows[1]:
                        wishes.setdefault((path, wish.rows, wish.cols), []).append(wish)
        groups = list(wishes.values())
        on_threads(self.threads, len(groups), lambda k: self._files.read(groups[k]))

    def _fill_from_above(self, sensor: SensorScene, room: Stored) -> int:
        """Copy the rows that were decoded for the block above; the first row that is still wanted."""
        above = self._above.get((sensor.spec.name, room.names[0], room.shift))
        if above is None or above.cols != room.cols or not above.rows[0] <= room.rows[0] < above.rows[1]:
            return room.rows[0]
        last = min(above.rows[1], room.rows[1])
        known = above.values[..., room.rows[0] - above.rows[0] : last - above.rows[0], :]
        room.values[..., : known.shape[2], :] = known
        return last

    def _kept_for_next(
        self, sensor: SensorScene, block: Block, groups: Sequence[_Group], stored: Sequence[Stored]
    ) -> Iterator[tuple[tuple[str, str, Shift], Stored]]:
        """The rows that the block below needs again; nothing when this one is not as wide as the scene."""
        height, width = self.scene.geobox.shape
        if block.cols != (0, width) or block.rows[1] >= height:
            return
        below = block_of(self.scene.tile, self.scene.geobox, (block.rows[1], block.rows[1] + 1), block.cols)
        below = grown(below, self.speckle.get(sensor.spec.name, 0), self.scene.geobox)
        places = self._places(sensor, below, groups)
        for room in stored:
            (top, _), _ = places[room.names[0], room.shift].window
            if top < room.rows[1]:
                yield (sensor.spec.name, room.names[0], room.shift), room.below(top)

    def sight(self, block: Block) -> dict[str, Observed]:
        """By sensor name, what the dates show of the block: see ``Sights.sight``."""
        return self._sights.sight(block)

    def footprint(self, block: Block, *, every: bool = True) -> np.ndarray:
        """(y, x) bool: where the sensors show something: see ``Sights.footprint``."""
        return self._sights.footprint(block, every=every)

    def _cube_type(self, sensor: SensorScene) -> np.dtype[Any]:
        """int16 when all files are int16 in product units, else float32, as of layers, each with gaps of its own."""
        bands, dates = self.bands.get(sensor.spec.name, ()), range(len(sensor.acquisitions))
        plain = (
            not sensor.spec.static
            and all(self._files.stored_type(sensor, band) == np.int16 for band in bands)
            and all(sensor.scaling(t, band) == (1.0, 0.0) for band in bands for t in dates)
        )
        return np.dtype(np.int16 if plain else np.float32)


def _shown(block: Block, decoded: DecodedBlock) -> Iterator[tuple[Block, DecodedBlock]]:
    yield block, decoded
    decoded.forget()
