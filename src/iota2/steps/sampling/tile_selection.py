"""Step: selected pixels of one tile, for all models and seeds."""

from __future__ import annotations

from iota2 import layout
from iota2.core.graph import JobContext, Step
from iota2.core.tables import LEARN, OTHER_SEED, seed_column
from iota2.io.tables.frames import concatenated
from iota2.io.tables.vectors import read_sqlite, write_sqlite


def run(job: JobContext) -> None:
    """Merge the selections of the tile; the seed columns of a row show the seed for which the pixel was selected."""
    seeds = sorted({key.seed for key, _ in job.inp.each("selections")})
    frames = [
        read_sqlite(path).assign(**{seed_column(s): LEARN if s == key.seed else OTHER_SEED for s in seeds})
        for key, path in job.inp.each("selections")
    ]
    write_sqlite(concatenated(frames), job.out.merged)


STEP = Step(
    name="samplesByTiles",
    group="sampling",
    about="Merge the selected pixels of each tile.",
    task="merge_samples_{tile}",
    run=run,
    over=("tile",),
    needs={"selections": layout.TILE_SELECTION},
    makes={"merged": layout.TILE_SELECTION_MERGE},
)
