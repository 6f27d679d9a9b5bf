"""Removal of small patches from a raster of labels of any size, in passes over its blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from iota2.compute.regularise import Groups, halo_of, regularised_block
from iota2.core.graph import Resources
from iota2.core.grid import blocks, padded
from iota2.errors import ConfigError
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter

_BYTES_PER_PIXEL = 26
"""Memory per pixel of a block and its halo: labels, patches and their sizes."""
_MAX_ROUNDS = 16
"""Maximum number of rounds in one pass over the map; most maps need about 10."""
_MIN_CORE_SHARE = 0.7
"""Minimum side of a block, as a share of the side with its halo, for several rounds in one pass."""
_MIN_SIDE = 64
"""Minimum side of a block in pixels."""
PASS_SECONDS = 0.6e-6
"""Seconds per pixel, measured by ``make bench``."""


@dataclass(frozen=True)
class MappingUnit:
    """Minimum size of patches."""

    pixels: int
    option: str
    """Name of the option that defines it, for messages."""
    groups: Groups | None = None
    """Groups of labels, if they matter for the new label of a patch."""


class Passes(NamedTuple):
    """How the map is processed."""

    shape: tuple[int, int]
    """Rows and columns of a block, without halo."""
    rounds: int
    """Rounds in one pass over the map."""


def regularise_raster(source: Path, target: Path, profile: RasterProfile, unit: MappingUnit, use: Resources) -> None:
    """Write a raster of labels without patches below the unit, in one or more passes.

    Each pass reads the result of the one before. ``target`` may be ``source``.
    """
    passes = passes_of((profile.geobox.shape.y, profile.geobox.shape.x), unit, use)
    unfinished = True
    while unfinished:
        unfinished = _one_pass(source, target, profile, unit, passes)
        source = target


def _one_pass(source: Path, target: Path, profile: RasterProfile, unit: MappingUnit, passes: Passes) -> bool:
    """Write the map after some rounds; whether patches below the minimum remain. ``target`` may be ``source``."""
    unfinished, minimum = False, unit.pixels
    halo = halo_of(minimum, passes.rounds)
    with RasterReader(source) as reader, RasterWriter(target, profile) as writer:
        for block in blocks("", profile.geobox, passes.shape):
            around = padded(block, halo, profile.geobox)
            labels = reader.read(around.geobox)
            if around.cut(labels, block).any():
                corner = around.rows[0], around.cols[0]
                found = regularised_block(labels, minimum, rounds=passes.rounds, corner=corner, groups=unit.groups)
                writer.write(block, around.cut(found.labels, block))
                unfinished |= bool(around.cut(found.small, block).any())
    return unfinished


def passes_of(shape: tuple[int, int], unit: MappingUnit, use: Resources) -> Passes:
    """Blocks and rounds that fit the memory of the job; ConfigError if not even the smallest block does.

    ``shape``: rows and columns of the map. The result does not depend on them.
    """
    if use.block_shape is not None:
        return Passes(use.block_shape, 1)
    (height, width), minimum = shape, unit.pixels
    pixels = use.memory // _BYTES_PER_PIXEL
    if height * width <= pixels:
        return Passes(shape, height * width + 1)
    side = math.isqrt(pixels)
    for rounds in range(_MAX_ROUNDS, 0, -1):
        core = side - 2 * halo_of(minimum, rounds)
        if core >= max(_MIN_SIDE, _MIN_CORE_SHARE * side if rounds > 1 else 0):
            return Passes((core, core), rounds)
    around = _MIN_SIDE + 2 * halo_of(minimum, 1)
    needed = min(around, height) * min(around, width) * _BYTES_PER_PIXEL
    if needed <= use.memory:
        return Passes((_MIN_SIDE, _MIN_SIDE), 1)
    raise ConfigError(
        [
            f"{unit.option}: {minimum} pixels need {needed >> 20} MB for a block of the map, "
            f"but a job has {use.memory >> 20} MB. Increase the memory (iota2 run --memory), or give a smaller unit"
        ]
    )
