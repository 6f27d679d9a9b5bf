"""Removal of small patches from a raster of labels of any size, in passes over its blocks."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from iota2.compute.regularise import Groups, halo_of, regularised_block
from iota2.core.graph import Resources
from iota2.core.grid import Block, blocks, padded
from iota2.errors import ConfigError
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter

_BYTES_PER_PIXEL = 20
"""Memory per pixel of a block and its halo: labels, patches, their sizes, and lists of small patches."""
_MAX_ROUNDS = 10
"""Maximum number of rounds in one pass over the map: most maps need no more, and the halo grows with it."""
_MIN_CORE_SHARE = 0.7
"""Minimum side of a block, as a share of the side with its halo, for several rounds in one pass."""
_MIN_SIDE = 64
"""Minimum side of a block in pixels."""
PASS_SECONDS = 0.2e-6
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


class _ReadBlock(NamedTuple):
    """A block of the map, and its labels with a halo."""

    block: Block
    around: Block
    labels: np.ndarray


class Passes(NamedTuple):
    """How the map is processed."""

    shape: tuple[int, int]
    """Rows and columns of a block, without halo."""
    rounds: int
    """Rounds in one pass over the map."""
    threads: int = 1
    """Number of blocks that are processed at the same time."""

    def seconds(self, shape: tuple[int, int], minimum: int) -> float:
        """Estimated time for a map of this shape, in units of the time of one pixel."""
        height, width = shape
        count = math.ceil(height / self.shape[0]) * math.ceil(width / self.shape[1])
        halo, passes = halo_of(minimum, self.rounds), math.ceil(_MAX_ROUNDS / self.rounds)
        pixels = min(height, self.shape[0] + 2 * halo) * min(width, self.shape[1] + 2 * halo)
        return passes * math.ceil(count / self.threads) * pixels


def regularise_raster(source: Path, target: Path, profile: RasterProfile, unit: MappingUnit, use: Resources) -> None:
    """Write a raster of labels without patches below the unit, in one or more passes.

    Each pass reads the result of the one before. ``target`` may be ``source``.
    """
    passes = passes_of((profile.geobox.shape.y, profile.geobox.shape.x), unit, use)
    left = set(blocks("", profile.geobox, passes.shape))
    while left:
        left = _one_pass(source, target, profile, unit, passes, left=left)
        source = target


def _one_pass(
    source: Path, target: Path, profile: RasterProfile, unit: MappingUnit, passes: Passes, *, left: set[Block]
) -> set[Block]:
    """Write the map after some rounds in the blocks that are ``left``; those in which patches below the minimum remain.

    ``target`` may be ``source``.
    """
    halo = halo_of(unit.pixels, passes.rounds)
    remaining = set()
    with RasterReader(source) as reader, RasterWriter(target, profile) as writer:
        read = (
            _read(reader, block, halo if block in left else 0) for block in blocks("", profile.geobox, passes.shape)
        )
        compute = partial(_regularised, unit=unit, rounds=passes.rounds, left=left)
        for block, labels, unfinished in in_order(compute, read, passes.threads):
            if labels.any():
                writer.write(block, labels)
            if unfinished:
                remaining.add(block)
    return remaining


def _read(reader: RasterReader, block: Block, halo: int) -> _ReadBlock:
    """The labels of a block and its halo."""
    around = padded(block, halo, reader.geobox)
    return _ReadBlock(block, around, reader.read(around.geobox))


def _regularised(read: _ReadBlock, unit: MappingUnit, rounds: int, left: set[Block]) -> tuple[Block, np.ndarray, bool]:
    """A block, its labels after some rounds, and whether patches below the minimum remain."""
    block, around, labels = read
    if block not in left or not around.cut(labels, block).any():
        return block, around.cut(labels, block), False
    corner = around.rows[0], around.cols[0]
    found = regularised_block(labels, unit.pixels, rounds=rounds, corner=corner, groups=unit.groups)
    return block, around.cut(found.labels, block), bool(around.cut(found.small, block).any())


def in_order(compute: Callable[[_Item], _Result], items: Iterable[_Item], threads: int) -> Iterator[_Result]:
    """The results of a function in the order of the items, computed by several threads.

    At most as many items and results as threads are in memory. The items are made by the calling thread.
    """
    if threads == 1:
        yield from map(compute, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[_Result]] = deque()
        for item in items:
            waiting.append(pool.submit(compute, item))
            del item
            if len(waiting) == threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def passes_of(shape: tuple[int, int], unit: MappingUnit, use: Resources) -> Passes:
    """Blocks, rounds and threads that fit the memory of the job and are fastest; ConfigError if not even the smallest
    block fits.

    ``shape``: rows and columns of the map. The result does not depend on them.
    """
    if use.block_shape is not None:
        return Passes(use.block_shape, 1, use.threads)
    minimum = unit.pixels
    fitting = [
        found
        for threads in range(1, use.threads + 1)
        if (found := _fitting(shape, minimum, use.memory // threads, threads)) is not None
    ]
    if fitting:
        return min(fitting, key=lambda passes: passes.seconds(shape, minimum))
    needed = _smallest_bytes(shape, minimum)
    raise ConfigError(
        [
            f"{unit.option}: {minimum} pixels need {needed >> 20} MB for a block of the map, "
            f"but a job has {use.memory >> 20} MB. Increase the memory (iota2 run --memory), or give a smaller unit"
        ]
    )


def _fitting(shape: tuple[int, int], minimum: int, memory: int, threads: int) -> Passes | None:
    """The most rounds, and their blocks, that fit the memory of a thread; None if not even the smallest block fits."""
    (height, width), pixels = shape, memory // _BYTES_PER_PIXEL
    if threads == 1 and height * width <= pixels:
        return Passes(shape, height * width + 1)
    side = math.isqrt(pixels)
    for rounds in range(_MAX_ROUNDS, 0, -1):
        core = side - 2 * halo_of(minimum, rounds)
        if core >= max(_MIN_SIDE, _MIN_CORE_SHARE * side if rounds > 1 else 0):
            return Passes(_equal_blocks(shape, core, threads), rounds, threads)
    if _smallest_bytes(shape, minimum) <= memory:
        return Passes((_MIN_SIDE, _MIN_SIDE), 1, threads)
    return None


def _equal_blocks(shape: tuple[int, int], side: int, threads: int) -> tuple[int, int]:
    """Rows and columns of blocks of about the same size, up to a side, whose number is a multiple of the threads."""
    down, across = (max(1, math.ceil(length / side)) for length in shape)
    while down * across % threads:
        down += 1
    return max(1, math.ceil(shape[0] / down)), max(1, math.ceil(shape[1] / across))


def _smallest_bytes(shape: tuple[int, int], minimum: int) -> int:
    """Memory of the smallest block with its halo."""
    around = _MIN_SIDE + 2 * halo_of(minimum, 1)
    return min(around, shape[0]) * min(around, shape[1]) * _BYTES_PER_PIXEL
