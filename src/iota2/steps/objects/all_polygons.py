"""Step: one table of the polygons of the segments of all tiles."""

from __future__ import annotations

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.io.tables.polygon_tables import join_polygons, polygon_bytes
from iota2.steps.located_segments import expected_segments

SEGMENT_SECONDS, VALUE_SECONDS = 3e-6, 0.07e-6
"""Seconds to copy a segment and each of its features, measured by ``make bench``."""


def run(job: JobContext) -> None:
    """Write the polygons of all tiles, in the order of tiles, to one GeoParquet file."""
    join_polygons([*job.inp.all("polygons").values()], job.out.polygons)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: a row group at a time."""
    segments = expected_segments(config, facts.pixels)
    features = facts.run.features * len(config.obia.stats_used)
    seconds = SECONDS_PER_JOB + segments * (SEGMENT_SECONDS + VALUE_SECONDS * features)
    return Cost(facts.allowed, seconds, segments * polygon_bytes(features))


STEP = Step(
    name="mergeSegmentPolygons",
    group="mosaic",
    about="Assemble the polygons of the segments of all tiles.",
    task="merge_segment_polygons",
    run=run,
    over=(),
    needs={"polygons": layout.SEGMENT_POLYGONS},
    makes={"polygons": layout.ALL_SEGMENTS},
    cost=cost,
    version=2,
)
