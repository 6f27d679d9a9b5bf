"""Step: the samples of one model, of all tiles."""

from __future__ import annotations

from iota2 import layout
from iota2.core.graph import JobContext, Step
from iota2.io.tables.sample_tables import merge_tables


def run(job: JobContext) -> None:
    """Put the model's samples of all tiles together, in the order of tiles."""
    merge_tables(list(job.inp.all("samples").values()), job.out.merged)


STEP = Step(
    name="samplesByModels",
    group="sampling",
    about="Gather the samples of each model.",
    task="merge_model_{region}_seed_{seed}_usually",
    run=run,
    over=("region", "seed"),
    needs={"samples": layout.TILE_SAMPLES},
    makes={"merged": layout.MODEL_SAMPLES},
)
