"""Step: the features map as one Zarr store in ``proj``."""

from __future__ import annotations

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.map_axes import MapAxes
from iota2.io.files.atomic import replacing_folder
from iota2.io.rasters.zarr_store import assemble_store
from iota2.steps.map_layers import read_grid, read_map


def run(job: JobContext) -> None:
    """Join the strips: their files become files of the store, as hard links."""
    with replacing_folder(job.out.store) as folder:
        strips = (path for _, path in job.inp.each("strips"))
        assemble_store(folder, MapAxes(read_map(job.inp.bands)), read_grid(job.inp.grid), strips)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of the job: files are linked, which takes no disk space."""
    return Cost(facts.allowed, SECONDS_PER_JOB)


STEP = Step(
    name="featuresMapZarr",
    group="mosaic",
    about="Assemble the strips of the map as one Zarr store.",
    task="features_zarr",
    run=run,
    over=(),
    needs={"bands": layout.MAP_BANDS, "grid": layout.MAP_GRID, "strips": layout.MAP_STRIP},
    makes={"store": layout.FEATURES_STORE},
    when=layout.with_zarr,
    cost=cost,
)
