"""Step: features of the segments in several tiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from iota2 import layout
from iota2.compute.segment_statistics import SegmentPieces, merged_pieces
from iota2.core.graph import JobContext, Step
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.segments import SharedSegments
from iota2.steps.segment_features import read_pieces_of, write_values


def run(job: JobContext) -> None:
    """Merge the statistics of the tiles, in their order, and write the features of each tile's segments."""
    recipe, shared = read_recipe(job.inp.recipe), SharedSegments.read(job.inp.shared)
    groups, group = np.unique(shared.identifier, return_inverse=True)
    for key, path in job.out.each("values"):
        own = shared.tile == key.tile
        wanted = np.zeros(len(groups), bool)
        wanted[group[own]] = True
        parts = []
        for other, source in job.inp.each("open"):
            rows = (shared.tile == other.tile) & wanted[group]
            if rows.any():
                pieces = read_pieces_of(recipe, source)
                numbers, order = np.unique(shared.number[rows], return_index=True)
                inside = np.isin(pieces.segment, numbers)
                of_piece = group[rows][order][np.searchsorted(numbers, pieces.segment[inside])]
                parts.append(replace(pieces.take(inside), segment=(of_piece + 1).astype(np.uint32)))
        none = SegmentPieces.empty(len(recipe.of_pixels.names), recipe.pixel_statistics)
        found = merged_pieces([*parts, none])
        number_of = np.zeros(len(groups), np.uint32)
        number_of[group[own]] = shared.number[own]
        write_values(replace(found, segment=number_of[found.segment - 1]), recipe, path)


STEP = Step(
    name="mergeSharedSegments",
    group="sampling",
    about="Compute the features of segments in several tiles.",
    task="merge_shared_segments",
    run=run,
    over=(),
    needs={
        "recipe": layout.SEGMENT_RECIPE,
        "shared": layout.SHARED_SEGMENTS,
        "open": layout.TILE_OPEN_SEGMENTS,
    },
    makes={"values": layout.TILE_SHARED_SEGMENTS},
)
