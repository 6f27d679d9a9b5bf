"""Step: values of one tile from its strips, and validity of its pixels with a value."""

from __future__ import annotations

import numpy as np

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.grid import blocks
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.steps.blocks import WRITING_THREADS, copy_shape
from iota2.steps.profiles import value_profile
from iota2.steps.strips import join_strips


def run(job: JobContext) -> None:
    """Assemble the strips of each seed; write the validity of pixels with a value."""
    with RasterReader(job.inp.validity) as validity:
        geobox, dtype = validity.geobox, validity.dtype.name
        values = job.out.all("values")
        for key, path in values.items():
            parts = [part for one, part in sorted(job.inp.each("values")) if one.seed == key.seed]
            join_strips(parts, path, value_profile(geobox), job.use)
        first = values[min(values)]
        with (
            RasterReader(first) as reader,
            RasterWriter(job.out.validity, RasterProfile(geobox, dtype, nodata=0)) as to,
        ):
            for block in blocks(job.key.tile, geobox, copy_shape(job.use, 16)):
                known = ~np.isnan(reader.read(block.geobox))
                to.write(block, np.where(known, validity.read(block.geobox), 0))


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: values and widths of each seed, and validity."""
    return facts.raster_cost(8 * config.arg_train.runs + 1)


STEP = Step(
    name="regressionShaping",
    group="mosaic",
    about="Assemble the values of each tile.",
    task="regression_shaping_{tile}",
    run=run,
    over=("tile",),
    needs={"values": layout.PART_VALUES, "validity": layout.VALIDITY},
    makes={"values": layout.TILE_VALUES, "validity": layout.TILE_VALIDITY},
    cost=cost,
    leaves_gap=True,
    max_threads=WRITING_THREADS,
)
