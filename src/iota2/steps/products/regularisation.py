"""Steps: the map of a run, and the fusion of the runs, without patches below the minimum mapping unit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from iota2 import layout
from iota2.compute.regularise import halo_of, regularised_block
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, Facts, JobFacts
from iota2.core.graph import JobContext, Resources, Step
from iota2.core.grid import blocks, padded
from iota2.errors import ConfigError
from iota2.io.files.atomic import write_text
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.tables.classes import read_classes
from iota2.steps.blocks import WRITING_THREADS
from iota2.steps.fused_runs import undecided_by_user_name
from iota2.steps.map_colours import colour_table, map_style

_BYTES_PER_PIXEL = 26
"""Memory per pixel of a block and its halo: labels, patches and their sizes."""
_MAX_ROUNDS = 16
"""Maximum number of rounds in one pass over the map; most maps need about 10."""
_MIN_CORE_SHARE = 0.7
"""Minimum side of a block, as a share of the side with its halo, for several rounds in one pass."""
_MIN_SIDE = 64
"""Minimum side of a block in pixels."""
_SECONDS = 0.6e-6
"""Seconds per pixel, measured by ``make bench``."""


@dataclass(frozen=True)
class RegularisationParams:
    """The minimum mapping unit in pixels, and the label of undecided pixels, None without."""

    minimum_mapping_unit: int
    undecided: int | None = None

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        unit = {"arg_classification.minimum_mapping_unit": self.minimum_mapping_unit}
        return {**unit, **undecided_by_user_name(self.undecided)}


def params(config: Config) -> RegularisationParams:
    """The minimum mapping unit; 1, without effect, if it is not set."""
    return RegularisationParams(config.arg_classification.minimum_mapping_unit or 1)


def params_of_fusion(config: Config) -> RegularisationParams:
    """The minimum mapping unit for the fusion of runs."""
    return replace(params(config), undecided=config.multi_run_fusion.undecided_label)


class Passes(NamedTuple):
    """How the map is processed."""

    shape: tuple[int, int]
    """Rows and columns of a block, without halo."""
    rounds: int
    """Rounds in one pass over the map."""


def run(job: JobContext[RegularisationParams]) -> None:
    """Write the regularised map in one or more passes, each of which reads the result of the one before.

    Undecided pixels are patches like those of a class.
    """
    classes, given = read_classes(job.inp.classes), job.params
    with RasterReader(job.inp.map) as reader:
        geobox, dtype = reader.geobox, reader.dtype.name
    passes = passes_of((geobox.shape.y, geobox.shape.x), given.minimum_mapping_unit, job.use)
    colours = colour_table(classes, given.undecided)
    profile = RasterProfile(geobox, dtype, nodata=0, overviews="mode", colours=colours)
    source, unfinished = job.inp.map, True
    while unfinished:
        unfinished = _one_pass(source, job.out.map, profile, given.minimum_mapping_unit, passes)
        source = job.out.map
    write_text(job.out.style, map_style(classes, given.undecided))


def _one_pass(source: Path, target: Path, profile: RasterProfile, minimum: int, passes: Passes) -> bool:
    """Write the map after some rounds; whether patches below the minimum remain. ``target`` may be ``source``."""
    unfinished, halo = False, halo_of(minimum, passes.rounds)
    with RasterReader(source) as reader, RasterWriter(target, profile) as writer:
        for block in blocks("", profile.geobox, passes.shape):
            around = padded(block, halo, profile.geobox)
            labels = reader.read(around.geobox)
            if around.cut(labels, block).any():
                corner = around.rows[0], around.cols[0]
                found = regularised_block(labels, minimum, rounds=passes.rounds, corner=corner)
                writer.write(block, around.cut(found.labels, block))
                unfinished |= bool(around.cut(found.small, block).any())
    return unfinished


def passes_of(shape: tuple[int, int], minimum: int, use: Resources) -> Passes:
    """Blocks and rounds that fit the memory of the job; ConfigError if not even the smallest block does.

    ``shape``: rows and columns of the map. The result does not depend on them.
    """
    if use.block_shape is not None:
        return Passes(use.block_shape, 1)
    height, width = shape
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
            f"arg_classification.minimum_mapping_unit: {minimum} pixels need {needed >> 20} MB for a block of the map, "
            f"but a job has {use.memory >> 20} MB. Increase the memory (iota2 run --memory), or give a smaller unit"
        ]
    )


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: one map is written, and labels are compared in some rounds."""
    return facts.raster_cost(facts.run.label_bytes, READING_SECONDS + _SECONDS)


def block_shape(config: Config, facts: Facts, tile: str, use: Resources) -> tuple[int, int]:
    """Rows and columns of the blocks of a square map of all tiles."""
    side = math.isqrt(facts.all_pixels)
    return passes_of((side, side), params(config).minimum_mapping_unit, use).shape


STEP = Step(
    name="mapRegularisation",
    group="mosaic",
    about="Remove patches below the minimum mapping unit from the map.",
    task="regularisation_seed_{seed}",
    run=run,
    over=("seed",),
    needs={"map": layout.MAP, "classes": layout.CLASSES},
    makes={"map": layout.REGULARISED_MAP, "style": layout.REGULARISED_STYLE},
    params=params,
    when=layout.with_mapping_unit,
    cost=cost,
    block_shape=block_shape,
    max_threads=WRITING_THREADS,
)

FUSION_STEP = Step(
    name="mergeRunsRegularisation",
    group="validation",
    about="Remove patches below the minimum mapping unit from the fusion of the runs.",
    task="merge_runs_regularisation",
    run=run,
    over=(),
    needs={"map": layout.MERGED_MAP, "classes": layout.CLASSES},
    makes={"map": layout.REGULARISED_MERGED_MAP, "style": layout.REGULARISED_MERGED_STYLE},
    params=params_of_fusion,
    when=layout.with_merged_mapping_unit,
    cost=cost,
    block_shape=block_shape,
    max_threads=WRITING_THREADS,
)
