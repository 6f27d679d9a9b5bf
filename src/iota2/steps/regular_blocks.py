"""Removal of small patches from a raster of labels of any size, block by block."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from iota2.compute.regularise import Groups, regularised_block
from iota2.core.graph import Resources
from iota2.core.grid import Block, blocks, padded
from iota2.errors import ConfigError
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter

_BYTES_PER_PIXEL = 20
"""Memory per pixel of a block and its halo: labels, patches, their sizes, and lists of small patches."""
REGULARISATION_THREADS = 4
"""Maximum number of threads: rasters are read and written by one thread at a time, so that more gain little."""
_MIN_SIDE = 64
"""Minimum side of a block in pixels."""
_HALO_FACTOR = 16
"""Halo at first, divided by the square root of the minimum size of patches: nearly always enough."""
PASS_SECONDS = 0.15e-6
"""Seconds per pixel, measured by ``make bench``."""
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class MappingUnit:
    """Minimum size of patches."""

    pixels: int
    option: str
    """Name of the option that defines it, for messages."""
    groups: Groups | None = None
    """Groups of labels, if they matter for the new label of a patch."""


class BlockPlan(NamedTuple):
    """How the map is processed."""

    shape: tuple[int, int]
    """Rows and columns of a block, without halo."""
    halo: int
    """Pixels around a block that are also read, at first."""
    threads: int = 1
    """Number of blocks that are processed at the same time."""

    def seconds(self, shape: tuple[int, int]) -> float:
        """Estimated time for a map of this shape, in units of the time of one pixel."""
        (height, width), (rows, cols) = shape, self.shape
        count = math.ceil(height / rows) * math.ceil(width / cols)
        pixels = min(height, rows + 2 * self.halo) * min(width, cols + 2 * self.halo)
        return math.ceil(count / self.threads) * pixels


def regularise_raster(source: Path, target: Path, profile: RasterProfile, unit: MappingUnit, use: Resources) -> None:
    """Write a raster of labels without patches below the unit. ``target`` may be ``source``."""
    plan = block_plan((profile.geobox.shape.y, profile.geobox.shape.x), unit, use)
    with RasterReader(source) as reader, RasterWriter(target, profile) as writer:
        regularise = _Regularisation(reader, unit).block
        order = blocks("", profile.geobox, plan.shape)
        for block, labels in in_order(lambda block: (block, regularise(block, plan.halo)), order, plan.threads):
            if labels.any():
                writer.write(block, labels)


@dataclass(frozen=True)
class _Regularisation:
    """The result for blocks of a raster, computed by any thread."""

    reader: RasterReader
    unit: MappingUnit
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Only one thread reads at a time."""

    def block(self, block: Block, halo: int) -> np.ndarray:
        """The labels of a block, which do not depend on the halo: if it is not enough, it is doubled.

        Only if a dependency extends as far as the block is large, more memory is used than planned.
        """
        grid = self.reader.geobox
        around = padded(block, halo, grid)
        with self.lock:
            labels = self.reader.read(around.geobox)
        if not around.cut(labels, block).any():
            return around.cut(labels, block)
        corner = around.rows[0], around.cols[0]
        sides = around.rows[0] > 0, around.rows[1] < grid.shape.y, around.cols[0] > 0, around.cols[1] < grid.shape.x
        found = regularised_block(labels, self.unit.pixels, corner=corner, sides=sides, groups=self.unit.groups)
        if not around.cut(found.open, block).any():
            return around.cut(found.labels, block).copy()
        del labels, found
        return self._from_parts(block, 2 * halo)

    def _from_parts(self, block: Block, halo: int) -> np.ndarray:
        """The labels of a block, computed from quarters if these need less memory with the halo."""
        shape = [max(_MIN_SIDE, math.ceil(side / 2)) if side > 2 * halo else side for side in block.shape]
        out = np.zeros(block.shape, self.reader.dtype)
        for part in blocks("", self.reader.geobox, (shape[0], shape[1]), block.rows, block.cols):
            block.cut(out, part)[...] = self.block(part, halo)
        return out


def in_order(compute: Callable[[_Item], _Result], items: Iterable[_Item], threads: int) -> Iterator[_Result]:
    """The results of a function in the order of the items, computed by several threads.

    At most as many results as threads are in memory.
    """
    if threads == 1:
        yield from map(compute, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[_Result]] = deque()
        for item in items:
            waiting.append(pool.submit(compute, item))
            if len(waiting) == threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def block_plan(shape: tuple[int, int], unit: MappingUnit, use: Resources) -> BlockPlan:
    """Blocks and threads that fit the memory of the job and are fastest; ConfigError if not even the smallest block
    fits.

    ``shape``: rows and columns of the map. The result does not depend on them.
    """
    halo = math.ceil(_HALO_FACTOR * math.sqrt(unit.pixels))
    if use.block_shape is not None:
        return BlockPlan(use.block_shape, halo, use.threads)
    each = [_fitting(shape, halo, use.memory // threads, threads) for threads in range(1, use.threads + 1)]
    if fitting := [plan for plan in each if plan is not None]:
        return min(fitting, key=lambda plan: plan.seconds(shape))
    needed = _smallest_bytes(shape, halo)
    raise ConfigError(
        [
            f"{unit.option}: {unit.pixels} pixels need {needed >> 20} MB for a block of the map, "
            f"but a job has {use.memory >> 20} MB. Increase the memory (iota2 run --memory), or give a smaller unit"
        ]
    )


def _fitting(shape: tuple[int, int], halo: int, memory: int, threads: int) -> BlockPlan | None:
    """The largest blocks that fit the memory of a thread; None if not even the smallest does."""
    (height, width), pixels = shape, memory // _BYTES_PER_PIXEL
    if threads == 1 and height * width <= pixels:
        return BlockPlan(shape, halo)
    side = math.isqrt(pixels) - 2 * halo
    if side >= _MIN_SIDE:
        return BlockPlan(_equal_blocks(shape, side, threads), halo, threads)
    return BlockPlan((_MIN_SIDE, _MIN_SIDE), halo, threads) if _smallest_bytes(shape, halo) <= memory else None


def _equal_blocks(shape: tuple[int, int], side: int, threads: int) -> tuple[int, int]:
    """Rows and columns of blocks of about the same size, up to a side, whose number is a multiple of the threads."""
    down, across = (max(1, math.ceil(length / side)) for length in shape)
    while down * across % threads:
        down += 1
    return max(1, math.ceil(shape[0] / down)), max(1, math.ceil(shape[1] / across))


def _smallest_bytes(shape: tuple[int, int], halo: int) -> int:
    """Memory of the smallest block with its halo."""
    around = _MIN_SIDE + 2 * halo
    return min(around, shape[0]) * min(around, shape[1]) * _BYTES_PER_PIXEL
