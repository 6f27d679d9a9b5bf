"""How the series of a scene are read on blocks of its working lattice: values, validity, footprint.

Values are read on two scales. A block is decoded at once: pixels as the files store them, of many rows, since they
take little. Blocks inside of it are brought onto the working lattice some thousand pixels at a time, so that what is
computed from them stays near the processor.
"""

from __future__ import annotations

import resource
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from iota2.core.cube import Cube
from iota2.core.grid import Block, block_of, grown
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Acquisition, Scene, SensorScene
from iota2.core.sensor import MaskRule
from iota2.errors import DamagedProduct, InputError
from iota2.io.addresses import is_remote, masked
from iota2.io.decoded import Decoded, Shift, Stored, absent_value, clear_of, has_data, kept_type, nodata_of, placements
from iota2.io.environ import open_image
from iota2.io.pieces import Pieces, Scratch, shared_pieces
from iota2.io.warp import Placement, Range

MAX_OPEN = 1024
"""Files kept open by one reader, if the system allows as many; further ones are opened for each block."""


def recipe_bands(recipe: FeatureRecipe) -> dict[str, tuple[str, ...]]:
    """The bands that a recipe needs, by sensor name."""
    return {sensor.sensor: sensor.bands for sensor in recipe.sensors}


def series_reader(scene: Scene, recipe: FeatureRecipe, *, threads: int = 1) -> CubeReader:
    """A reader of the cubes that a recipe needs."""
    speckle = {sensor.sensor: sensor.speckle_radius for sensor in recipe.sensors if sensor.speckle_radius}
    return CubeReader(scene, recipe_bands(recipe), threads=threads, speckle=speckle)


@dataclass(frozen=True, eq=False)
class Sight:
    """What the dates of one sensor show of a block."""

    valid: np.ndarray
    """(time, y, x) bool: no mask applies, and the image has a pixel there."""
    inside: np.ndarray
    """(time,) pixels inside the image: no edge mask applies. Without edge masks, all that the reference band has; of a
    date without any mask, those where it has data."""


@dataclass(frozen=True, eq=False)
class _Wish:
    """Pixels of one band of a file, and where they are wanted."""

    path: str
    index: int
    rows: Range
    cols: Range
    out: np.ndarray
    """(row, column), of the type that is wanted."""
    extent: tuple[int, int, int, int] | None = None
    """First row, row after the last, first column, column after the last of the file, when it has not all of the
    lattice in which ``rows`` and ``cols`` count."""
    absent: float = 0.0
    """What is there beyond the file."""


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
    _stack: ExitStack = field(default_factory=ExitStack, init=False, repr=False)
    _open: dict[str, DatasetReader] = field(default_factory=dict, init=False, repr=False)
    _types: dict[tuple[str, str], np.dtype[Any]] = field(default_factory=dict, init=False, repr=False)
    _above: dict[tuple[str, str, Shift], Stored] = field(default_factory=dict, init=False, repr=False)
    """Last rows of what was decoded: those that the block below needs again."""
    _scratch: Scratch = field(default_factory=Scratch, init=False, repr=False)
    _numbers: dict[Block, int] = field(default_factory=dict, init=False, repr=False)
    """Position of each block among those of the job."""
    _now: int = field(default=-1, init=False, repr=False)
    _pieces: dict[str, Pieces] = field(default_factory=dict, init=False, repr=False)
    """By path, how the files are cut of which several blocks read the same pieces."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._above.clear()
        self._pieces.clear()
        self._scratch.close()
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
        return self.decode(block).cubes(block)

    def decode(self, block: Block) -> Decoded:
        """What the files hold for ``block``: its cubes, and those of any block inside of it, come from there.

        Blocks of the full width are best decoded from top to bottom: rows that were decoded for the one above are
        not decoded again.
        """
        self._now = self._numbers.get(block, -1)
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
        self._forget()
        types = {sensor.spec.name: self._cube_type(sensor) for sensor in self.scene.sensors}
        return Decoded(self.scene, self.bands, stored, types, around, places, self.speckle)

    def _groups(self, sensor: SensorScene) -> list[_Group]:
        """Bands that are held together, since they share their lattice, type and nodata value; each mask that exists
        by itself. Of dates that are shifted alike."""
        bands: dict[tuple[int, str, float | None], list[str]] = {}
        for band in self.bands[sensor.spec.name]:
            kind = sensor.lattices[band], self._stored_type(sensor, band).name, sensor.spec.nodata_of(band)
            bands.setdefault(kind, []).append(band)
        masks = [(rule.name,) for rule in sensor.spec.masks if rule.name in sensor.lattices]
        return [
            _Group(names, [t for t in dates if names[0] in _files(sensor.acquisitions[t])], shift)
            for shift, dates in _by_shift(sensor).items()
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
    ) -> Iterator[tuple[Block, Decoded]]:
        """Each of the blocks that is ``wanted`` with what was decoded for it, which is gone when the next one is asked
        for. What files store together is decoded once for all of them; see ``io.pieces``.

        On several threads, the next one is decoded meanwhile.
        """
        every = list(blocks)
        self._foresee(every, self.bands)
        if self.threads <= 1:
            for block in filter(wanted, every):
                yield from _shown(block, self.decode(block))
            return
        with ThreadPoolExecutor(1) as other:
            waiting: deque[tuple[Block, Future[Decoded]]] = deque()
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
        self._foresee(every, {sensor.spec.name: _shown_by(sensor) for sensor in self.scene.sensors})
        for number, block in enumerate(every):
            self._now = number
            yield block
            self._forget()

    def _foresee(self, every: Sequence[Block], bands: Mapping[str, Sequence[str]]) -> None:
        """See which blocks are the last to read what the files of bands, and of masks, store together."""
        self._numbers = {block: number for number, block in enumerate(every)}
        for sensor in self.scene.sensors:
            name = sensor.spec.name
            if name in bands:
                around = [grown(block, self.speckle.get(name, 0), self.scene.geobox) for block in every]
                self._pieces |= shared_pieces(
                    self.scene.geobox, sensor, bands[name], around, stored_as=self._stored_as, scratch=self._scratch
                )

    def _forget(self) -> None:
        """Let go what no further block reads."""
        for pieces in dict.fromkeys(self._pieces.values()):
            pieces.forget(self._now)

    def _stored_as(self, path: str) -> tuple[tuple[int, int], tuple[int, int]]:
        """Rows and columns of a file, and of the tiles or strips in which it is stored."""
        with self._source(path) as source:
            return source.shape, source.block_shapes[0]

    def _room(self, sensor: SensorScene, group: _Group, places: Mapping[tuple[str, Shift], Placement]) -> Stored:
        """Room for a window of some bands or a mask."""
        rows, cols = places[group.names[0], group.shift].window
        shape = len(group.dates), len(group.names), rows[1] - rows[0], cols[1] - cols[0]
        room = np.empty(shape, self._stored_type(sensor, group.names[0]))
        return Stored(group.names, room, rows, cols, group.dates, group.shift)

    def _fill(self, sensor: SensorScene, stored: Sequence[Stored]) -> None:
        """Read what is wanted of the files of one sensor: each once, whatever is wanted of it."""
        index = {band.name: band.index for band in sensor.spec.bands}
        rules = {rule.name: rule for rule in sensor.spec.masks}
        wishes: dict[tuple[str, Range, Range], list[_Wish]] = {}
        for room in stored:
            first = self._fill_from_above(sensor, room)
            absent = absent_value(rules.get(room.names[0]), room.values.dtype, sensor.spec.nodata_of(room.names[0]))
            for layers, t in zip(room.values, room.dates, strict=True):
                acquisition = sensor.acquisitions[t]
                for name, layer in zip(room.names, layers, strict=True):
                    path, out = _files(acquisition)[name], layer[first - room.rows[0] :]
                    extent = acquisition.extents.get(name)
                    wish = _Wish(path, index.get(name, 1), (first, room.rows[1]), room.cols, out, extent, absent)
                    if first < room.rows[1]:
                        wishes.setdefault((path, wish.rows, wish.cols), []).append(wish)
        groups = list(wishes.values())
        self._each(len(groups), lambda k: self._read(groups[k]))

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

    def sight(self, block: Block) -> dict[str, Sight]:
        """By sensor name, what the dates show of the block; layers without dates show nothing. Of bands,
        only the reference is read, of dates that have no mask."""
        dated = (sensor for sensor in self.scene.sensors if not sensor.spec.static)
        return {sensor.spec.name: self._sensor_sight(sensor, block) for sensor in dated}

    def _sensor_sight(self, sensor: SensorScene, block: Block) -> Sight:
        """The sight of one sensor."""
        edges, others = _edges_and_others(sensor)
        valid = np.empty((len(sensor.acquisitions), *block.shape), bool)
        inside = np.empty(len(valid), np.int64)
        alike = _alike(sensor, self.threads)

        def fill(k: int) -> None:
            shift, dates = alike[k]
            places = self._mask_places(sensor, block, shift)
            for t in dates:
                acquisition = sensor.acquisitions[t]
                valid[t] = self._inside(sensor, acquisition, edges, places)
                inside[t] = np.count_nonzero(valid[t])
                valid[t] &= self._clear(acquisition, others, places, block.shape)

        self._each(len(alike), fill)
        return Sight(valid, inside)

    def footprint(self, block: Block, *, every: bool = True) -> np.ndarray:
        """(y, x) bool: for every sensor, or for any with dates when not ``every``, the pixel is inside the image of at
        least one date, as ``Sight.inside`` says. Of layers without dates, the ground of all.
        """
        if every:
            return np.logical_and.reduce([self._sensor_footprint(s, block) for s in self.scene.sensors])
        dated = [sensor for sensor in self.scene.sensors if not sensor.spec.static]
        return np.logical_or.reduce([self._sensor_footprint(sensor, block) for sensor in dated])

    def _sensor_footprint(self, sensor: SensorScene, block: Block) -> np.ndarray:
        """The footprint of one sensor."""
        if sensor.spec.static:
            layers = placements(self.scene, sensor, block, sensor.spec.band_names)
            return np.logical_and.reduce([place.inside for place in layers.values()])
        edges, _ = _edges_and_others(sensor)
        seen = np.zeros(block.shape, bool)
        for shift, dates in _alike(sensor, 1):
            places = self._mask_places(sensor, block, shift)
            for t in dates:
                seen |= self._inside(sensor, sensor.acquisitions[t], edges, places)
                if seen.all():
                    return seen
        return seen

    def _mask_places(self, sensor: SensorScene, block: Block, shift: Shift) -> dict[str, Placement]:
        """Where a block lies on the lattices of the masks and of the reference band."""
        names = [sensor.spec.reference.name, *(rule.name for rule in sensor.spec.masks)]
        return placements(self.scene, sensor, block, names, shift)

    def _inside(
        self, sensor: SensorScene, acquisition: Acquisition, edges: Sequence[MaskRule], places: Mapping[str, Placement]
    ) -> np.ndarray:
        """(y, x) bool: the image of a date has the pixel, see ``Sight``."""
        reference = sensor.spec.reference.name
        if not acquisition.masks:
            return self._shows(sensor, acquisition, places[reference])
        shape = places[reference].inside.shape
        inside = self._clear(acquisition, edges, places, shape)
        if not edges or any(rule.name not in acquisition.masks for rule in edges):
            inside &= _covered(acquisition, reference, places[reference])
        return inside

    def _shows(self, sensor: SensorScene, acquisition: Acquisition, place: Placement) -> np.ndarray:
        """(y, x) bool: the reference band of a date has data there."""
        band = sensor.spec.reference
        dtype = self._stored_type(sensor, band.name)
        marker = sensor.spec.nodata_of(band.name)
        nodata = nodata_of(dtype, marker)
        if nodata is None:
            return _covered(acquisition, band.name, place)
        absent = absent_value(None, dtype, marker)
        values = self._window_of(acquisition, band.name, place, dtype, absent=absent, index=band.index)
        return place.inside & place.nearest(has_data(values, nodata))

    def _each(self, count: int, fill: Callable[[int], None]) -> None:
        """Call ``fill`` for every acquisition, on some threads."""
        if self.threads <= 1 or count <= 1:
            for t in range(count):
                fill(t)
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(fill, range(count)))

    def _cube_type(self, sensor: SensorScene) -> np.dtype[Any]:
        """int16 when all files are int16 in product units, else float32, as of layers, each with gaps of its own."""
        bands, dates = self.bands.get(sensor.spec.name, ()), range(len(sensor.acquisitions))
        plain = (
            not sensor.spec.static
            and all(self._stored_type(sensor, band) == np.int16 for band in bands)
            and all(sensor.scaling(t, band) == (1.0, 0.0) for band in bands for t in dates)
        )
        return np.dtype(np.int16 if plain else np.float32)

    def _stored_type(self, sensor: SensorScene, name: str) -> np.dtype[Any]:
        """The common type of the files of one band, as it is resampled, or of a mask, which keeps all its bits."""
        key = sensor.spec.name, name
        if key not in self._types:
            index = {band.name: band.index for band in sensor.spec.bands}
            paths = [files[name] for files in map(_files, sensor.acquisitions) if name in files]
            found = dict.fromkeys(self._file_type(path, index.get(name, 1)) for path in paths)
            self._types[key] = kept_type(*found) if name in index else np.result_type(*found)
        return self._types[key]

    def _file_type(self, path: str, index: int) -> np.dtype[Any]:
        with self._source(path) as source:
            return np.dtype(source.dtypes[index - 1])

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
                clear &= clear_of(rule, self._read_mask(acquisition, rule, place), place)
        return clear

    def _read_mask(self, acquisition: Acquisition, rule: MaskRule, place: Placement) -> np.ndarray:
        """The placement's window of a mask."""
        dtype = self._file_type(acquisition.masks[rule.name], 1)
        return self._window_of(acquisition, rule.name, place, dtype, absent=absent_value(rule, dtype, None))

    def _window_of(
        self,
        acquisition: Acquisition,
        name: str,
        place: Placement,
        dtype: np.dtype[Any],
        *,
        absent: float,
        index: int = 1,
    ) -> np.ndarray:
        """The placement's window of a band or mask; ``absent`` beyond the file."""
        rows, cols = place.window
        out = np.empty((rows[1] - rows[0], cols[1] - cols[0]), dtype)
        extent = acquisition.extents.get(name)
        self._read([_Wish(_files(acquisition)[name], index, rows, cols, out, extent, absent)])
        return out

    def _read(self, wishes: Sequence[_Wish]) -> None:
        """Read a window of some bands of one file, decoding it once."""
        first = wishes[0]
        (top, bottom), (left, right) = first.rows, first.cols
        targets = [wish.out for wish in wishes]
        if first.extent is not None:
            upper, lower, west, east = first.extent
            for wish in wishes:
                wish.out[...] = wish.absent
            rows, cols = (max(top, upper), min(bottom, lower)), (max(left, west), min(right, east))
            if rows[0] >= rows[1] or cols[0] >= cols[1]:
                return
            inner = slice(rows[0] - top, rows[1] - top), slice(cols[0] - left, cols[1] - left)
            targets = [out[inner] for out in targets]
            (top, bottom), (left, right) = (row - upper for row in rows), (col - west for col in cols)
        window = Window(left, top, right - left, bottom - top)
        pieces = self._pieces.get(first.path)
        try:
            with self._source(first.path) as source:
                if pieces is not None:
                    indexes = [wish.index for wish in wishes]
                    pieces.read(source, indexes, (top, bottom, left, right), self._now, targets)
                elif len(wishes) == 1 and first.extent is None:
                    source.read(first.index, out=first.out, window=window)
                else:
                    layers = source.read([wish.index for wish in wishes], window=window)
                    for target, layer in zip(targets, layers, strict=True):
                        target[...] = layer
        except RasterioIOError as err:
            reason = str(err.__cause__ or err).rstrip(".")  # GDAL's own words, where rasterio has them
            raise self._damaged(first.path, f"cannot be read in rows {top} to {bottom}: {reason}") from err

    def _damaged(self, path: str, ailment: str) -> InputError:
        """What is wrong with a file, and with the product that it belongs to. A file on a web server is not taken for
        damaged: it may be there again later."""
        if is_remote(path):
            return InputError(
                f"tile {self.scene.tile}: {path}: {masked(ailment)}. Run again when the server gives it, or "
                "download the files and give the folder of the copies."
            )
        sensor, product = next(
            (sensor, acquisition.product)
            for sensor in self.scene.sensors
            for acquisition in sensor.acquisitions
            if path in _files(acquisition).values()
        )
        told = f"tile {self.scene.tile}: {path}: {ailment}. The file is damaged: get it again"
        if sensor.spec.static:  # a layer cannot be left out as a date can
            return InputError(f"{told}.")
        return DamagedProduct(
            f"{told}, move the product away, or set chain.skip_damaged_products.",
            tile=self.scene.tile,
            product=product,
            path=path,
        )

    @contextmanager
    def _source(self, path: str) -> Iterator[DatasetReader]:
        """The open file of a path; kept open while there is room, else closed again."""
        source = self._open.get(path)
        if source is not None:
            yield source
        elif len(self._open) < _handles():
            source = self._open[path] = self._opened(path)
            # not entered as a context: rasterio would stack one environment on another for each file
            self._stack.callback(source.close)
            yield source
        else:
            with self._opened(path) as source:
                yield source

    def _opened(self, path: str) -> DatasetReader:
        try:
            return open_image(path)
        except InputError as err:
            raise self._damaged(path, f"cannot be opened: {err}") from err


def _shown(block: Block, decoded: Decoded) -> Iterator[tuple[Block, Decoded]]:
    yield block, decoded
    decoded.forget()


def _by_shift(sensor: SensorScene) -> dict[Shift, list[int]]:
    """The dates by their shift."""
    shifts: dict[Shift, list[int]] = {}
    for t, acquisition in enumerate(sensor.acquisitions):
        shifts.setdefault(acquisition.shift, []).append(t)
    return shifts


def _alike(sensor: SensorScene, parts: int) -> list[tuple[Shift, list[int]]]:
    """Dates that one placement serves, with their shift: those of a shift, in some parts for as many threads."""
    groups = [(shift, dates[k::parts]) for shift, dates in _by_shift(sensor).items() for k in range(parts)]
    return [(shift, dates) for shift, dates in groups if dates]


def _edges_and_others(sensor: SensorScene) -> tuple[list[MaskRule], list[MaskRule]]:
    """The rules of masks that say where an image has data at all, and the others."""
    rules = sensor.spec.masks
    return [rule for rule in rules if rule.edge], [rule for rule in rules if not rule.edge]


def _shown_by(sensor: SensorScene) -> tuple[str, ...]:
    """The band that is read to see where dates without masks have data, if there are such dates."""
    bare = not sensor.spec.static and any(not acquisition.masks for acquisition in sensor.acquisitions)
    return (sensor.spec.reference.name,) if bare else ()


def _covered(acquisition: Acquisition, name: str, place: Placement) -> np.ndarray:
    """(y, x) bool: the file of a date has a pixel there, whatever it holds."""
    if name not in acquisition.extents:
        return place.inside
    (rows, cols), (top, bottom, left, right) = place.window, acquisition.extents[name]
    in_rows, in_cols = np.arange(*rows), np.arange(*cols)
    within = ((in_rows >= top) & (in_rows < bottom))[:, None] & (in_cols >= left) & (in_cols < right)
    return place.inside & place.nearest(within)


def _files(acquisition: Acquisition) -> Mapping[str, str]:
    """Path by name of band or mask."""
    return {**acquisition.bands, **acquisition.masks}


def _handles() -> int:
    """Files that one reader may keep open: half of what the system allows, other readers may be at work.

    The usual limit is a soft one, which a process may raise: a year of images has more files.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_OPEN
    if soft < 2 * MAX_OPEN and (hard == resource.RLIM_INFINITY or hard > soft):
        soft = 2 * MAX_OPEN if hard == resource.RLIM_INFINITY else min(2 * MAX_OPEN, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(MAX_OPEN, soft // 2)
