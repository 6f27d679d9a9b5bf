"""Cache of decoded tiles and strips that several blocks of a job read, in a scratch file until their last use.

A piece is a unit of storage in a file, a tile or some strips: decoding any part of it costs as much as the whole. The
scratch file is in the folder for temporary files (``TMPDIR``), has no name, and vanishes with the process.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.io import DatasetReader
from rasterio.windows import Window

from iota2.compute.placement import source_windows
from iota2.compute.stored_files import MAX_LOW_STRIP_ROWS, piece_shape
from iota2.core.grid import Block, shift_corrected
from iota2.core.scene import SensorScene

Part = tuple[int, int, int, int]
"""First row, row after the last, first column, column after the last."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Slot:
    """Location of an array in the scratch file."""

    offset: int
    shape: tuple[int, int, int]
    """(band, row, column)."""
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """Size in bytes."""
        return int(np.prod(self.shape)) * self.dtype.itemsize


@dataclass
class ScratchFile:
    """Arrays in a file; the space of freed arrays is reused. Safe for use by several threads."""

    _file: BinaryIO | None = field(default=None, init=False, repr=False)
    _free: dict[int, list[int]] = field(default_factory=dict, init=False, repr=False)
    """Offsets by size."""
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)
    size: int = field(default=0, init=False)
    """Bytes of the file."""
    full: bool = field(default=False, init=False)

    def put(self, values: np.ndarray) -> Slot | None:
        """Store ``values`` (band, row, column); None, with one warning, when writing to the disk fails."""
        if self.full:
            return None
        values = np.ascontiguousarray(values)
        try:
            slot = Slot(self._room(values.nbytes), values.shape, values.dtype)
            rest = values.data.cast("B")
            while rest:
                rest = rest[os.pwrite(self._descriptor, rest, slot.offset + values.nbytes - len(rest)) :]
        except OSError as err:
            self.full = True
            log.warning(
                "The folder for temporary files: %s. Images that are stored in tiles are decoded several times now, "
                "which takes longer. Set TMPDIR to a folder on a disk with more room",
                err,
            )
            return None
        return slot

    def rows(self, slot: Slot, first: int, last: int) -> np.ndarray:
        """(band, row, column): the rows from ``first`` to before ``last``."""
        bands, height, width = slot.shape
        found = np.empty((bands, last - first, width), slot.dtype)
        for band, layer in enumerate(found):
            rest = layer.data.cast("B")
            begin = slot.offset + (band * height + first) * width * slot.dtype.itemsize
            while rest:
                got = os.preadv(self._descriptor, [rest], begin + layer.nbytes - len(rest))
                if not got:
                    raise OSError(f"{tempfile.gettempdir()}: a temporary file was cut short")
                rest = rest[got:]
        return found

    def free(self, slot: Slot) -> None:
        """Free the space of a slot."""
        with self._lock:
            self._free.setdefault(slot.size, []).append(slot.offset)

    def close(self) -> None:
        """Delete the file."""
        if self._file is not None:
            self._file.close()
        self._file, self._free, self.size = None, {}, 0

    @property
    def _descriptor(self) -> int:
        with self._lock:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by close()
            return self._file.fileno()

    def _room(self, size: int) -> int:
        with self._lock:
            free = self._free.get(size)
            if free:
                return free.pop()
            self.size += size
            return self.size - size


class TileCache:
    """Division of the files of one grid into pieces, and the last block of a job that reads each piece.

    ``shape``: rows and columns of the files, ``stored``: of their tiles or strips, ``parts``: the window that each
    block of the job reads, in order, or a slightly larger one.
    """

    def __init__(
        self, shape: tuple[int, int], stored: tuple[int, int], parts: Sequence[Part], scratch: ScratchFile
    ) -> None:
        self._size = piece_shape(shape, stored)
        (high, wide), (height, width) = self._size, shape
        self._last = np.full((-(-height // high), -(-width // wide)), -1)
        for number, part in enumerate(parts):
            self._last[self._touched(part)] = number
        self._bounds = _bounds(shape, stored, parts)
        self._scratch = scratch
        self._held: dict[tuple[int, int], dict[tuple[str, tuple[int, ...]], Slot]] = {}

    def read(
        self, source: DatasetReader, indexes: Sequence[int], part: Part, now: int, out: Sequence[np.ndarray]
    ) -> None:
        """Fill ``out`` (row, column), one array for each of the band ``indexes``, with a part of an open file for block
        number ``now``."""
        rows, cols = self._touched(part)
        of_file = source.name, tuple(indexes)
        places = [(r, c) for r in range(rows.start, rows.stop) for c in range(cols.start, cols.stop)]
        others = self._last[rows, cols].max() > now or any(of_file in self._held.get(at, ()) for at in places)
        if not others or _common(part, self._bounds) != part:
            _fill(out, source.read(list(indexes), window=_window(part)))
            return
        for place in places:
            whole = self._bounded(place)
            top, bottom, left, right = _common(part, whole)
            slot = self._held.get(place, {}).get(of_file)
            if slot is not None:
                values = self._scratch.rows(slot, top - whole[0], bottom - whole[0])
            else:
                values = source.read(list(indexes), window=_window(whole))
                kept = self._scratch.put(values) if self._last[place] > now else None
                if kept is not None:
                    self._held.setdefault(place, {})[of_file] = kept
                values = values[:, top - whole[0] : bottom - whole[0]]
            target = slice(top - part[0], bottom - part[0]), slice(left - part[2], right - part[2])
            _fill([layer[target] for layer in out], values[:, :, left - whole[2] : right - whole[2]])

    def forget(self, now: int) -> None:
        """Drop the pieces that no block after number ``now`` reads."""
        for place in [place for place in self._held if self._last[place] <= now]:
            for slot in self._held.pop(place).values():
                self._scratch.free(slot)

    def _touched(self, part: Part) -> tuple[slice, slice]:
        """Pieces that intersect a part."""
        (high, wide), (top, bottom, left, right) = self._size, part
        if top >= bottom or left >= right:
            return slice(0), slice(0)
        return slice(top // high, -(-bottom // high)), slice(left // wide, -(-right // wide))

    def _bounded(self, place: tuple[int, int]) -> Part:
        """The part of a piece to decode: the union of what all blocks of the job read."""
        (high, wide), (row, col) = self._size, place
        return _common(self._bounds, (row * high, (row + 1) * high, col * wide, (col + 1) * wide))


def shared_tile_cache(
    grid: GeoBox,
    sensor: SensorScene,
    bands: Sequence[str],
    blocks: Sequence[Block],
    *,
    scratch: ScratchFile,
) -> dict[str, TileCache]:
    """By path, caches for the files of a sensor with some of its ``bands``, or with masks.

    ``blocks`` of the tile's ``grid`` are the blocks to read, in this order. Files in low strips are excluded when
    all blocks have the full width: then the rows that two blocks need stay in memory, and their strips contain little
    else.
    """
    names = {*bands, *(rule.name for rule in sensor.spec.masks)}
    wide = all(block.cols == (0, grid.shape.x) for block in blocks)
    places = np.array([(*block.rows, *block.cols) for block in blocks]).reshape(-1, 4)
    kinds: dict[object, TileCache] = {}
    found = {}
    for acquisition in sensor.acquisitions:
        for name, path in {**acquisition.bands, **acquisition.masks}.items():
            if name not in names:
                continue
            file, extent = acquisition.formats[name], acquisition.extents.get(name)
            shape, stored = file.shape, file.block
            if wide and stored[1] >= shape[1] and stored[0] <= MAX_LOW_STRIP_ROWS:
                continue
            kind = sensor.grid_numbers[name], acquisition.shift, extent, shape, stored
            if kind not in kinds:
                source = shift_corrected(sensor.grids[name], acquisition.shift)
                parts = _within(source_windows(source, grid, places, sensor.spec.resampling), extent)
                kinds[kind] = TileCache(shape, stored, parts, scratch)
            found[path] = kinds[kind]
    return found


def _within(parts: np.ndarray, extent: Part | None) -> list[Part]:
    """The parts (n, 4) of a grid as parts of a file that covers ``extent`` of it; empty outside the file."""
    if extent is not None:
        upper, lower, west, east = extent
        parts = np.hstack([np.clip(parts[:, :2], upper, lower) - upper, np.clip(parts[:, 2:], west, east) - west])
    return [(top, bottom, left, right) for top, bottom, left, right in parts.tolist()]


def _bounds(shape: tuple[int, int], stored: tuple[int, int], parts: Sequence[Part]) -> Part:
    """Union of the windows that the blocks of a job read in the files, in whole tiles or strips."""
    table = np.array([part for part in parts if part[0] < part[1] and part[2] < part[3]])
    if not len(table):
        return 0, 0, 0, 0
    (top, left), (bottom, right) = table[:, ::2].min(axis=0) // stored * stored, table[:, 1::2].max(axis=0)
    bottom, right = (-(-last // own) * own for last, own in zip((bottom, right), stored, strict=True))
    return int(top), int(min(bottom, shape[0])), int(left), int(min(right, shape[1]))


def _common(one: Part, other: Part) -> Part:
    return max(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), min(one[3], other[3])


def _window(part: Part) -> Window:
    top, bottom, left, right = part
    return Window(left, top, right - left, bottom - top)


def _fill(targets: Sequence[np.ndarray], layers: np.ndarray) -> None:
    for target, layer in zip(targets, layers, strict=True):
        target[...] = layer
