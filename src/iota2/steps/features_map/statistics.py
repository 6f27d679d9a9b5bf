"""Step: statistics of the bands of the features map."""

from __future__ import annotations

from functools import reduce

from iota2 import layout
from iota2.core.graph import JobContext, Step, first
from iota2.io.files.atomic import write_json
from iota2.steps.map_layers import MapSums, read_map, statistics_json


def run(job: JobContext) -> None:
    """Combine the sums of the map, or of its strips from top to bottom."""
    sums = reduce(MapSums.merged, (MapSums.read(path) for _, path in job.inp.each("sums")))
    write_json(job.out.statistics, statistics_json(read_map(job.inp.bands), sums))


STEP = Step(
    name="featuresMapStatistics",
    group="mosaic",
    about="Compute the statistics of the bands.",
    task="features_statistics",
    run=run,
    over=(),
    needs={"bands": layout.MAP_BANDS, "sums": first(layout.MOSAIC_SUMS, layout.STRIP_SUMS)},
    makes={"statistics": layout.MAP_STATISTICS},
    version=2,
)
