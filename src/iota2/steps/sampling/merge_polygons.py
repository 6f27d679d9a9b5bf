"""Step: learning polygons of one model, merged over all tiles."""

from __future__ import annotations

from iota2 import layout
from iota2.core.graph import JobContext, Step
from iota2.core.tables import REGION
from iota2.io.tables.frames import concatenated
from iota2.io.tables.vectors import read_sqlite, write_shapefile


def run(job: JobContext) -> None:
    """Merge the model's learning polygons of all tiles."""
    frames = [read_sqlite(path) for path in job.inp.all("polygons").values()]
    merged = concatenated([frame[frame[REGION] == job.key.model] for frame in frames])
    write_shapefile(merged, job.out.merged)


STEP = Step(
    name="samplesMerge",
    group="sampling",
    about="Merge the learning polygons of each model.",
    task="merge_model_{region}{submodel}_seed_{seed}",
    run=run,
    over=("region", "submodel", "seed"),
    needs={"polygons": layout.LEARN_POLYGONS},
    makes={"merged": layout.MODEL_POLYGONS},
)
