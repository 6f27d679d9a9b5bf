"""Step: number and size of the segments of all tiles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from iota2 import layout
from iota2.compute.segment_sizes import segment_sizes
from iota2.core.graph import JobContext, Step
from iota2.io.tables.segment_sizes import write_segment_sizes
from iota2.io.tables.segments import Segments, SharedSegments
from iota2.steps.located_segments import mapped_in_all_tiles


def run(job: JobContext) -> None:
    """Count the segments, and their pixels; a segment in several tiles counts once, at its home."""
    write_segment_sizes(segment_sizes(_pixels_by_tile(job)), job.out.sizes)


def _pixels_by_tile(job: JobContext) -> Iterator[tuple[str, np.ndarray]]:
    """Tiles with the pixels of their segments in the map; 0 for segments whose home is another tile."""
    shared = SharedSegments.read(job.inp.shared)
    for key, path in job.inp.each("tables"):
        pixels, own = mapped_in_all_tiles(Segments.read(path), shared, key.tile), shared.of_tile(key.tile)
        pixels[own.number[~own.home] - 1] = 0
        yield key.tile, pixels


STEP = Step(
    name="segmentSizes",
    group="sampling",
    about="Count the segments and their pixels.",
    task="segment_sizes",
    run=run,
    over=(),
    needs={"tables": layout.SEGMENT_TABLE, "shared": layout.SHARED_SEGMENTS},
    makes={"sizes": layout.SEGMENT_SIZES},
)
