"""Step: samples of one model, merged over all tiles."""

from __future__ import annotations

from dataclasses import replace

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import SAMPLE_BYTES, SAMPLE_VALUE_BYTES, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.io.tables.sample_tables import merge_tables


def run(job: JobContext) -> None:
    """Merge the model's samples of all tiles, in the order of tiles."""
    merge_tables(list(job.inp.all("samples").values()), job.out.merged)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: its disk space is a second copy of the samples of the tiles."""
    run = facts.run
    models = run.model_count * config.arg_train.runs
    disk = run.samples * (SAMPLE_BYTES + SAMPLE_VALUE_BYTES * run.features) / models
    return replace(facts.raster_cost(), disk=disk)


STEP = Step(
    name="samplesByModels",
    group="sampling",
    about="Merge the samples of each model.",
    task="merge_model_{region}{submodel}_seed_{seed}_usually",
    run=run,
    over=("region", "submodel", "seed"),
    needs={"samples": layout.TILE_SAMPLES},
    makes={"merged": layout.MODEL_SAMPLES},
    cost=cost,
)
