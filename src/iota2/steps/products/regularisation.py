"""Steps: the map of a run, and the fusion of the runs, without patches below the minimum mapping unit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, Facts, JobFacts
from iota2.core.graph import JobContext, Resources, Step
from iota2.io.files.atomic import write_text
from iota2.io.rasters.files import RasterProfile, RasterReader
from iota2.io.tables.classes import read_classes
from iota2.steps.fused_runs import undecided_by_user_name
from iota2.steps.map_colours import colour_table, map_style
from iota2.steps.regular_blocks import PASS_SECONDS, REGULARISATION_THREADS, MappingUnit, block_plan, regularise_raster


@dataclass(frozen=True)
class RegularisationParams:
    """The minimum mapping unit in pixels, and the label of undecided pixels, None without."""

    minimum_mapping_unit: int
    undecided: int | None = None

    @property
    def unit(self) -> MappingUnit:
        """The unit with its option."""
        return MappingUnit(self.minimum_mapping_unit, "arg_classification.minimum_mapping_unit")

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


def run(job: JobContext[RegularisationParams]) -> None:
    """Write the regularised map; undecided pixels are patches like those of a class."""
    classes, given = read_classes(job.inp.classes), job.params
    with RasterReader(job.inp.map) as reader:
        geobox, dtype = reader.geobox, reader.dtype.name
    colours = colour_table(classes, given.undecided)
    profile = RasterProfile(geobox, dtype, nodata=0, overviews="mode", colours=colours)
    regularise_raster(job.inp.map, job.out.map, profile, given.unit, job.use)
    write_text(job.out.style, map_style(classes, given.undecided))


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: one map is written, and labels are compared in some rounds."""
    return facts.raster_cost(facts.run.label_bytes, READING_SECONDS + PASS_SECONDS)


def block_shape(config: Config, facts: Facts, tile: str, use: Resources) -> tuple[int, int]:
    """Rows and columns of the blocks of a square map of all tiles."""
    side = math.isqrt(facts.all_pixels)
    return block_plan((side, side), params(config).unit, use).shape


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
    max_threads=REGULARISATION_THREADS,
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
    max_threads=REGULARISATION_THREADS,
)
