"""Step: samples of one tile, for one model, from the features of its strips."""

from __future__ import annotations

import numpy as np

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import POINT_BYTES, SAMPLE_BYTES, SAMPLE_VALUE_BYTES, SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.tables import COLUMN, ROW, sample_columns
from iota2.io.tables.pixel_features import read_pixel_features
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.sample_tables import write_points
from iota2.io.tables.vectors import read_sqlite

_VALUE_SECONDS = 0.1e-6
"""Seconds to write one feature value of a sample."""


def run(job: JobContext) -> None:
    """Write the selected pixels that have a clear date, with their features, in the order of the selection."""
    names = sample_columns(read_recipe(job.inp.recipe))
    points = read_sqlite(job.inp.selection).drop(columns=[ROW, COLUMN])
    values, clear = read_pixel_features(list(job.inp.all("features").values()), len(points), len(names))
    write_points(points[clear], names, values, np.flatnonzero(clear), job.out.samples)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the samples of the model on the tile are in memory."""
    run, seeds = facts.run, config.arg_train.runs
    tiles = len(run.scenes)
    # With several tiles, twice the mean is assumed for the largest one.
    largest = run.samples / seeds * min(1.0, 2 / max(1, tiles))
    mean = run.samples / (seeds * tiles * facts.regions)
    return Cost(
        memory=max(facts.allowed, int(largest * (4 * run.features + POINT_BYTES))),
        seconds=SECONDS_PER_JOB + mean * run.features * _VALUE_SECONDS,
        disk=mean * (SAMPLE_BYTES + SAMPLE_VALUE_BYTES * run.features),
    )


STEP = Step(
    name="samplesExtractionMerge",
    group="sampling",
    about="Assemble the samples of each tile.",
    task="extraction_{tile}_region_{region}{submodel}_seed_{seed}",
    run=run,
    over=("tile", "region", "submodel", "seed"),
    needs={
        "recipe": layout.RECIPE,
        "selection": layout.TILE_SELECTION,
        "features": layout.PART_FEATURES,
    },
    makes={"samples": layout.TILE_SAMPLES},
    cost=cost,
)
