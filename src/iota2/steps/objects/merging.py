"""Step: features of the segments in several parts of one tile."""

from __future__ import annotations

import numpy as np

from iota2 import layout
from iota2.compute.segment_statistics import merged_pieces
from iota2.core.graph import JobContext, Step, optional
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.segment_pieces import write_segment_pieces
from iota2.io.tables.segments import SharedSegments
from iota2.steps.segment_features import read_pieces_of, write_values


def run(job: JobContext) -> None:
    """Merge the statistics of the parts; those of segments in several tiles are left for all tiles together."""
    recipe = read_recipe(job.inp.recipe)
    found = merged_pieces(read_pieces_of(recipe, path) for path in job.inp.all("open").values())
    shared = np.isin(found.segment, SharedSegments.read(job.inp.shared).numbers_in(job.key.tile))
    write_values(found.take(~shared), recipe, job.out.values)
    write_segment_pieces(found.take(shared), job.out.open)
    if "labelled" in job.out:
        parts = merged_pieces(read_pieces_of(recipe, path) for path in job.inp.all("open_labelled").values())
        write_values(parts, recipe, job.out.labelled)


STEP = Step(
    name="mergeSegments",
    group="sampling",
    about="Compute the features of segments in several parts of a tile.",
    task="merge_segments_{tile}",
    run=run,
    over=("tile",),
    needs={
        "recipe": layout.SEGMENT_RECIPE,
        "shared": layout.SHARED_SEGMENTS,
        "open": layout.PART_OPEN_SEGMENTS,
        "open_labelled": optional(layout.PART_OPEN_LABELLED),
    },
    makes={
        "values": layout.TILE_SEGMENTS,
        "open": layout.TILE_OPEN_SEGMENTS,
        "labelled": layout.TILE_LABELLED,
    },
)
