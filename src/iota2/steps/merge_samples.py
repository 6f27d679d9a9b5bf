"""Step: the samples of one model, of all tiles."""

from __future__ import annotations

from iota2 import layout
from iota2.core.graph import JobContext, Step
from iota2.io.frames import concatenated
from iota2.io.vectors import read_samples, write_samples


def run(job: JobContext) -> None:
    """Put the model's samples of all tiles together, in the order of tiles."""
    frames = [read_samples(path) for path in job.inp.all("samples").values()]
    write_samples(concatenated(frames), job.out.merged)


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
