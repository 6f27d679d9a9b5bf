"""Step: segments in several tiles, and the recipe of the features of segments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from iota2 import layout
from iota2.compute.segments import shared_rows
from iota2.config.options.schema import Config
from iota2.core.graph import JobContext, Step
from iota2.io.files.atomic import write_json
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.segments import Segments, SharedSegments


@dataclass(frozen=True)
class SharedParams:
    """Whether segments can be in several tiles, and their statistics."""

    computed: bool
    """Whether segments are computed tile by tile."""
    statistics: tuple[str, ...]


def params(config: Config) -> SharedParams:
    """Parameters of the step from the configuration."""
    return SharedParams(config.obia.computed, config.obia.stats_used)


def run(job: JobContext[SharedParams]) -> None:
    """Write the segments with pixels in several tiles, and the recipe of segments."""
    write_json(job.out.recipe, replace(read_recipe(job.inp.recipe), statistics=job.params.statistics).to_json())
    tables = {key.tile: Segments.read(path) for key, path in job.inp.each("tables")}
    shared_segments({} if job.params.computed else tables).write(job.out.shared)


def shared_segments(tables: Mapping[str, Segments]) -> SharedSegments:
    """The segments with pixels in several tiles; ``tables`` in the order of tiles."""
    border = [table.identifier[table.present & table.continues] for table in tables.values()]
    found = np.unique(np.concatenate([*border, np.zeros(0, np.int64)]))
    numbers = [np.flatnonzero(table.present & np.isin(table.identifier, found)) + 1 for table in tables.values()]
    continuing = [table.take(at - 1) for table, at in zip(tables.values(), numbers, strict=True)]
    rows = Segments.concatenated(continuing)
    tile = np.repeat(np.arange(len(tables)), [len(at) for at in numbers])
    several = shared_rows(rows.identifier, tile, rows.pixels, rows.region)
    names = np.array([*tables, ""])[tile[several.row]]
    number = np.concatenate([*numbers, np.zeros(0, np.int64)])[several.row]
    return SharedSegments(rows.identifier[several.row], names, number, several.pixels, several.region, several.home)


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
)
