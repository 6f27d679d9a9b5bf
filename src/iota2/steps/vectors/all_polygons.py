"""Step: one table of the polygons of all areas."""

from __future__ import annotations

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.io.tables.polygon_tables import join_polygons, polygon_bytes
from iota2.steps.polygon_attributes import FIXED_COLUMNS, expected_polygons

_SECONDS = 5e-6
"""Seconds to copy a polygon."""


def run(job: JobContext) -> None:
    """Write the polygons of all areas, in the order of areas, to one GeoParquet file."""
    join_polygons([*job.inp.all("polygons").values()], job.out.polygons)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: a row group at a time."""
    polygons = expected_polygons(facts)
    columns = facts.run.class_count + FIXED_COLUMNS
    return Cost(facts.allowed, SECONDS_PER_JOB + polygons * _SECONDS, polygons * polygon_bytes(columns))


STEP = Step(
    name="allPolygons",
    group="lcstatistics",
    about="Assemble the polygons of all areas.",
    task="all_polygons",
    run=run,
    over=(),
    needs={"polygons": layout.AREA_POLYGONS},
    makes={"polygons": layout.ALL_POLYGONS},
    cost=cost,
)
