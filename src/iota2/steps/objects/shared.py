"""Step: segments in several tiles, and the recipe of the features of segments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from iota2 import layout
from iota2.compute.segments import shared_rows
from iota2.config.options.schema import Config
from iota2.core.cost import SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.io.files.atomic import write_json
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.segments import Segments, SharedSegments
from iota2.steps.located_segments import expected_segments

_ROW_BYTES = 50
"""Bytes of memory of a segment in a tile."""


@dataclass(frozen=True)
class SharedParams:
    """Whether segments can be in several tiles, and their statistics."""

    computed: bool
    """Whether segments are computed tile by tile."""
    statistics: tuple[str, ...]

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {"computed segments": self.computed, "obia.stats_used": self.statistics}


def params(config: Config) -> SharedParams:
    """Parameters of the step from the configuration."""
    return SharedParams(config.obia.computed, config.obia.stats_used)


def run(job: JobContext[SharedParams]) -> None:
    """Write the segments with pixels in several tiles, and the recipe of segments."""
    write_json(job.out.recipe, replace(read_recipe(job.inp.recipe), statistics=job.params.statistics).to_json())
    paths = {} if job.params.computed else {key.tile: path for key, path in job.inp.each("tables")}
    shared_segments({tile: Segments.read(path) for tile, path in paths.items()}).write(job.out.shared)


def shared_segments(tables: Mapping[str, Segments]) -> SharedSegments:
    """The segments with pixels in the classified areas of several tiles; ``tables`` in the order of tiles."""
    ids, times = np.unique(
        np.concatenate([*(table.identifier[table.present] for table in tables.values()), np.zeros(0, np.int64)]),
        return_counts=True,
    )
    several = ids[times > 1]
    numbers = [np.flatnonzero(table.present & np.isin(table.identifier, several)) + 1 for table in tables.values()]
    rows = Segments.concatenated([table.take(at - 1) for table, at in zip(tables.values(), numbers, strict=True)])
    tile = np.repeat(np.arange(len(tables)), [len(at) for at in numbers])
    found = shared_rows(rows.identifier, tile, rows.pixels, rows.region)
    names = np.array([*tables, ""])[tile[found.row]]
    number = np.concatenate([*numbers, np.zeros(0, np.int64)])[found.row]
    return SharedSegments(rows.identifier[found.row], names, number, found.pixels, found.region, found.home)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the tables of all tiles are in memory, and their identifiers once more."""
    segments = 0.0 if config.obia.computed else expected_segments(config, facts.pixels)
    return Cost(facts.allowed + int(segments * _ROW_BYTES), SECONDS_PER_JOB + segments * 1e-6)


STEP = Step(
    name="sharedSegments",
    group="sampling",
    about="Find the segments in several tiles.",
    task="shared_segments",
    run=run,
    over=(),
    needs={"tables": layout.SEGMENT_TABLE, "recipe": layout.RECIPE},
    makes={"shared": layout.SHARED_SEGMENTS, "recipe": layout.SEGMENT_RECIPE},
    params=params,
    cost=cost,
)
