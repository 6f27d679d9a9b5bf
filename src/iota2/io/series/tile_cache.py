"""Cache of decoded tiles and strips that several blocks of a job read, in a scratch file until their last use.

A piece is a tile or several strips of a file: decoding any window of a piece costs as much as decoding all of it. The
scratch file is in the folder for temporary files (``TMPDIR``), has no name, and is deleted with the process.
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

Extent = tuple[int, int, int, int]
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
    """Temporary file of arrays; the space of freed arrays is reused. Safe for use by several threads."""

    _file: BinaryIO | None = field(default=None, init=False, repr=False)
    _free: dict[int, list[int]] = field(default_factory=dict, init=False, repr=False)
    """Offsets of free space by its size in bytes."""
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)
    size: int = field(default=0, init=False)
    """Size of the file in bytes."""
    full: bool = field(default=False, init=False)
    """Whether writing has failed; nothing more is stored then."""

    def put(self, values: np.ndarray) -> Slot | None:
        """Store ``values`` (band, row, column); None when writing to the disk fails, with one warning."""
        if self.full:
            return None
        values = np.ascontiguousarray(values)
        try:
            slot = Slot(self._allocate(values.nbytes), values.shape, values.dtype)
            rest = values.data.cast("B")
            while rest:
                rest = rest[os.pwrite(self._descriptor, rest, slot.offset + values.nbytes - len(rest)) :]
        except OSError as err:
            self.full = True
            log.warning(
                "The folder for temporary files cannot be used: %s. Images stored in tiles are decoded several times, "
                "which takes longer. Set TMPDIR to a folder on a disk with more free space",
                err,
            )
            return None
        return slot

    def rows(self, slot: Slot, first: int, last: int) -> np.ndarray:
        """(band, row, column) values of a stored array, from row ``first`` to ``last`` (excluded)."""
        bands, height, width = slot.shape
        found = np.empty((bands, last - first, width), slot.dtype)
        for band, layer in enumerate(found):
            rest = layer.data.cast("B")
            begin = slot.offset + (band * height + first) * width * slot.dtype.itemsize
            while rest:
                got = os.preadv(self._descriptor, [rest], begin + layer.nbytes - len(rest))
                if not got:
                    raise OSError(f"{tempfile.gettempdir()}: a temporary file was truncated")
                rest = rest[got:]
        return found

    def free(self, slot: Slot) -> None:
        """Free the space of a stored array."""
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

    def _allocate(self, size: int) -> int:
        with self._lock:
            free = self._free.get(size)
            if free:
                return free.pop()
            self.size += size
            return self.size - size


class TileCache:
    """Cache of the decoded pieces of files that share grid and storage layout.

    ``shape``: rows and columns of the files. ``stored``: rows and columns of their tiles or strips. ``windows``: for
    each block of the job, in order, a window that contains all pixels that the block reads.
    """

    def __init__(
        self, shape: tuple[int, int], stored: tuple[int, int], windows: Sequence[Extent], scratch: ScratchFile
    ) -> None:
        self._piece_shape = piece_shape(shape, stored)
        (high, wide), (height, width) = self._piece_shape, shape
        self._last = np.full((-(-height // high), -(-width // wide)), -1)
        for number, window in enumerate(windows):
            self._last[self._pieces_in(window)] = number
        self._bounds = _bounds(shape, stored, windows)
        self._scratch = scratch
        self._cached: dict[tuple[int, int], dict[tuple[str, tuple[int, ...]], Slot]] = {}

    def read(
        self,
        source: DatasetReader,
        indexes: Sequence[int],
        window: Extent,
        block_number: int,
        out: Sequence[np.ndarray],
    ) -> None:
        """Read a window of an open file into ``out``: one (row, column) array for each band number in ``indexes``.

        Pieces that a block after ``block_number`` reads are kept in the scratch file.
        """
        rows, cols = self._pieces_in(window)
        of_file = source.name, tuple(indexes)
        places = [(r, c) for r in range(rows.start, rows.stop) for c in range(cols.start, cols.stop)]
        shared = self._last[rows, cols].max() > block_number or any(
            of_file in self._cached.get(at, ()) for at in places
        )
        if not shared or _intersection(window, self._bounds) != window:
            _fill(out, source.read(list(indexes), window=_window(window)))
            return
        for place in places:
            whole = self._decoded_window(place)
            top, bottom, left, right = _intersection(window, whole)
            slot = self._cached.get(place, {}).get(of_file)
            if slot is not None:
                values = self._scratch.rows(slot, top - whole[0], bottom - whole[0])
            else:
                values = source.read(list(indexes), window=_window(whole))
                kept = self._scratch.put(values) if self._last[place] > block_number else None
                if kept is not None:
                    self._cached.setdefault(place, {})[of_file] = kept
                values = values[:, top - whole[0] : bottom - whole[0]]
            target = slice(top - window[0], bottom - window[0]), slice(left - window[2], right - window[2])
            _fill([layer[target] for layer in out], values[:, :, left - whole[2] : right - whole[2]])

    def drop_unused(self, block_number: int) -> None:
        """Delete the pieces that no block after number ``block_number`` reads."""
        for place in [place for place in self._cached if self._last[place] <= block_number]:
            for slot in self._cached.pop(place).values():
                self._scratch.free(slot)

    def _pieces_in(self, window: Extent) -> tuple[slice, slice]:
        """Rows and columns of the pieces that intersect a window."""
        (high, wide), (top, bottom, left, right) = self._piece_shape, window
        if top >= bottom or left >= right:
            return slice(0), slice(0)
        return slice(top // high, -(-bottom // high)), slice(left // wide, -(-right // wide))

    def _decoded_window(self, place: tuple[int, int]) -> Extent:
        """The part of a piece that is decoded: its intersection with the area that the job reads."""
        (high, wide), (row, col) = self._piece_shape, place
        return _intersection(self._bounds, (row * high, (row + 1) * high, col * wide, (col + 1) * wide))


def shared_tile_cache(
    grid: GeoBox,
    sensor: SensorScene,
    bands: Sequence[str],
    blocks: Sequence[Block],
    *,
    scratch: ScratchFile,
) -> dict[str, TileCache]:
    """By path: the cache of each file of ``bands`` and of all masks of a sensor.

    ``blocks``: the blocks of the tile's ``grid`` in the order of reading. Files in low strips have no cache when all
    blocks have the full width: the reader keeps the rows that two blocks need in memory, and the strips have few other
    rows.
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
                windows = _file_windows(source_windows(source, grid, places, sensor.spec.resampling), extent)
                kinds[kind] = TileCache(shape, stored, windows, scratch)
            found[path] = kinds[kind]
    return found


def _file_windows(windows: np.ndarray, extent: Extent | None) -> list[Extent]:
    """Convert windows (n, 4) of a grid to windows of a file that covers its ``extent``; empty outside the file."""
    if extent is not None:
        upper, lower, west, east = extent
        windows = np.hstack([np.clip(windows[:, :2], upper, lower) - upper, np.clip(windows[:, 2:], west, east) - west])
    return [(top, bottom, left, right) for top, bottom, left, right in windows.tolist()]


def _bounds(shape: tuple[int, int], stored: tuple[int, int], windows: Sequence[Extent]) -> Extent:
    """Bounds of all windows that a job reads in the files, extended to whole tiles or strips."""
    table = np.array([window for window in windows if window[0] < window[1] and window[2] < window[3]])
    if not len(table):
        return 0, 0, 0, 0
    (top, left), (bottom, right) = table[:, ::2].min(axis=0) // stored * stored, table[:, 1::2].max(axis=0)
    bottom, right = (-(-last // own) * own for last, own in zip((bottom, right), stored, strict=True))
    return int(top), int(min(bottom, shape[0])), int(left), int(min(right, shape[1]))


def _intersection(one: Extent, other: Extent) -> Extent:
    return max(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), min(one[3], other[3])


def _window(window: Extent) -> Window:
    top, bottom, left, right = window
    return Window(left, top, right - left, bottom - top)


def _fill(targets: Sequence[np.ndarray], layers: np.ndarray) -> None:
    for target, layer in zip(targets, layers, strict=True):
        target[...] = layer
