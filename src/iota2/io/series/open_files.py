"""Reading from the files of a scene: open files, cached tiles, and errors that name the damaged product."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from iota2.compute.nodata_search import MIN_ASTRONOMIC, nodata_meant
from iota2.compute.placement import Range
from iota2.compute.stored_files import stored_type
from iota2.core.grid import Block
from iota2.core.scene import Acquisition, Scene, SensorScene
from iota2.errors import DamagedProduct, InputError
from iota2.io.files.addresses import is_remote, without_secrets
from iota2.io.files.gdal import open_image, reason_of
from iota2.io.series.decoded import Shift
from iota2.io.series.tile_cache import ScratchFile, TileCache, shared_tile_cache

MAX_OPEN_FILES = 1024
"""Maximum number of files that one reader keeps open, if the system allows it; others are opened for each read."""


@dataclass(frozen=True, eq=False)
class ReadRequest:
    """Request to read a window of one band of a file into an array."""

    path: str
    index: int
    """Band number, from 1."""
    rows: Range
    cols: Range
    out: np.ndarray
    """(row, column) array to fill, with the data type of the result."""
    extent: tuple[int, int, int, int] | None = None
    """Position of the file in the grid of ``rows`` and ``cols``: first row, row after the last, first column, column
    after the last. None when the file covers the whole grid."""
    absent: float = 0.0
    """Fill value: outside the file, and instead of hidden values."""
    hidden: tuple[float, ...] = ()
    """No-data values of the file in addition to the sensor's nodata."""


@dataclass
class OpenFiles:
    """Files of one scene, which stay open until ``close``."""

    scene: Scene
    block_number: int = -1
    """Number of the current block in the job; -1 when the blocks were not announced."""
    _stack: ExitStack = field(default_factory=ExitStack, init=False, repr=False)
    _open: dict[str, DatasetReader] = field(default_factory=dict, init=False, repr=False)
    _types: dict[tuple[str, str], np.dtype[Any]] = field(default_factory=dict, init=False, repr=False)
    _scratch: ScratchFile = field(default_factory=ScratchFile, init=False, repr=False)
    _caches: dict[str, TileCache] = field(default_factory=dict, init=False, repr=False)
    """By path: the cache of a file whose tiles or strips are read by several blocks."""

    def close(self) -> None:
        """Close all files and delete the cache."""
        self._caches.clear()
        self._scratch.close()
        self._open.clear()
        self._stack.close()

    def announce(self, sensor: SensorScene, bands: Sequence[str], blocks: Sequence[Block]) -> None:
        """Prepare the caches for a job that reads ``blocks`` of some bands and all masks, in this order."""
        self._caches |= shared_tile_cache(self.scene.geobox, sensor, bands, blocks, scratch=self._scratch)

    def drop_unused(self) -> None:
        """Drop cached values that no further block reads."""
        for pieces in dict.fromkeys(self._caches.values()):
            pieces.drop_unused(self.block_number)

    def stored_type(self, sensor: SensorScene, name: str) -> np.dtype[Any]:
        """Data type that can represent the values of all files of a band, or all bits of a mask."""
        key = sensor.spec.name, name
        if key not in self._types:
            self._types[key] = stored_type(sensor, name)
        return self._types[key]

    def read(self, requests: Sequence[ReadRequest]) -> None:
        """Fulfil requests for several bands of one file and the same window, which is decoded once.

        DamagedProduct, or InputError for a layer or a file on a web server, when the file cannot be read.
        """
        first = requests[0]
        (top, bottom), (left, right) = first.rows, first.cols
        targets = [request.out for request in requests]
        if first.extent is not None:
            upper, lower, west, east = first.extent
            for request in requests:
                request.out[...] = request.absent
            rows, cols = (max(top, upper), min(bottom, lower)), (max(left, west), min(right, east))
            if rows[0] >= rows[1] or cols[0] >= cols[1]:
                return
            inner = slice(rows[0] - top, rows[1] - top), slice(cols[0] - left, cols[1] - left)
            targets = [out[inner] for out in targets]
            (top, bottom), (left, right) = (row - upper for row in rows), (col - west for col in cols)
        window = Window(left, top, right - left, bottom - top)
        pieces = self._caches.get(first.path)
        try:
            with self._source(first.path) as source:
                if pieces is not None:
                    indexes = [request.index for request in requests]
                    pieces.read(source, indexes, (top, bottom, left, right), self.block_number, targets)
                elif len(requests) == 1 and first.extent is None:
                    source.read(first.index, out=first.out, window=window)
                else:
                    layers = source.read([request.index for request in requests], window=window)
                    for target, layer in zip(targets, layers, strict=True):
                        target[...] = layer
            for request, target in zip(requests, targets, strict=True):
                replace_hidden(target, request.hidden, request.absent)
        except RasterioIOError as err:
            raise self._damaged(first.path, f"cannot be read in rows {top} to {bottom}: {reason_of(err)}") from err

    def _damaged(self, path: str, fault: str) -> InputError:
        """Error that names a file and its product.

        A file on a web server does not count as damaged, since it may be available later.
        """
        if is_remote(path):
            return InputError(
                f"tile {self.scene.tile}: {path}: {without_secrets(fault)}. Run again when the server is available, or "
                "download the files and use the folder of the copies."
            )
        sensor, product = next(
            (sensor, acquisition.product)
            for sensor in self.scene.sensors
            for acquisition in sensor.acquisitions
            if path in files_of(acquisition).values()
        )
        message = f"tile {self.scene.tile}: {path}: {fault}. The file is damaged: download or copy it again"
        if sensor.spec.static:  # layers are mandatory; only dates can be left out
            return InputError(f"{message}.")
        return DamagedProduct(
            f"{message}, remove the product, or set chain.skip_damaged_products.",
            tile=self.scene.tile,
            product=product,
            path=path,
        )

    @contextmanager
    def _source(self, path: str) -> Iterator[DatasetReader]:
        """The open file of a path; closed after use when the limit of open files is reached."""
        source = self._open.get(path)
        if source is not None:
            yield source
        elif len(self._open) < _max_open_files():
            source = self._open[path] = self._opened(path)
            # not used as a context manager: rasterio would nest one environment for each file
            self._stack.callback(source.close)
            yield source
        else:
            with self._opened(path) as source:
                yield source

    def _opened(self, path: str) -> DatasetReader:
        try:
            source = open_image(path)
        except InputError as err:
            raise self._damaged(path, f"cannot be opened: {err}") from err
        for index, kind in self._expected.get(path, ()):
            if index <= source.count and source.dtypes[index - 1] != kind:
                source.close()
                raise InputError(
                    f"tile {self.scene.tile}: {without_secrets(path)}: was replaced after the start of the run: its "
                    f"pixels are {source.dtypes[index - 1]}, not {kind}. Run again."
                )
        return source

    @cached_property
    def _expected(self) -> Mapping[str, frozenset[tuple[int, str]]]:
        """By path: numbers (from 1) of the bands to read, and their data types at the time of the scan."""
        found: dict[str, set[tuple[int, str]]] = {}
        for sensor in self.scene.sensors:
            index = {band.name: band.index for band in sensor.spec.bands}
            for acquisition in sensor.acquisitions:
                for name, path in files_of(acquisition).items():
                    found.setdefault(path, set()).add((index.get(name, 1), acquisition.formats[name].dtype))
        return {path: frozenset(kinds) for path, kinds in found.items()}


def replace_hidden(values: np.ndarray, hidden: Sequence[float], absent: float) -> None:
    """Replace no-data values ``hidden`` by ``absent``, in place; in float arrays, also infinite values.

    A huge no-data value such as 3.4e38 also matches values close to it, since it is often written with few digits.
    """
    if values.dtype.kind == "f":
        values[np.isinf(values)] = absent
        hidden = (*hidden, *((absent,) if abs(absent) >= MIN_ASTRONOMIC else ()))
    for value in hidden:
        values[nodata_meant(values, value)] = absent


def files_of(acquisition: Acquisition) -> Mapping[str, str]:
    """Paths of an acquisition by name of band or mask."""
    return {**acquisition.bands, **acquisition.masks}


def call_on_threads(threads: int, count: int, fill: Callable[[int], None]) -> None:
    """Call ``fill`` with each number from 0 to ``count`` - 1, on several threads."""
    if threads <= 1 or count <= 1:
        for k in range(count):
            fill(k)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, range(count)))


def dates_by_shift(sensor: SensorScene) -> dict[Shift, list[int]]:
    """Positions of the dates of a sensor, grouped by their shift."""
    shifts: dict[Shift, list[int]] = {}
    for t, acquisition in enumerate(sensor.acquisitions):
        shifts.setdefault(acquisition.shift, []).append(t)
    return shifts


def _max_open_files() -> int:
    """Number of files that one reader may keep open: half of the system's limit, since other readers may be active.

    The soft limit of the process is raised if possible: a year of images often has more files than its default.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_OPEN_FILES
    if soft < 2 * MAX_OPEN_FILES and (hard == resource.RLIM_INFINITY or hard > soft):
        soft = 2 * MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(2 * MAX_OPEN_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(MAX_OPEN_FILES, soft // 2)
