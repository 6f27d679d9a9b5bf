"""Step: parts of the segments of one tile inside reference polygons."""

from __future__ import annotations

import numpy as np

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.grid import blocks
from iota2.core.tables import ORIGIN
from iota2.io.files.crs import to_crs
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.rasters.rasterize import pixels_inside
from iota2.io.tables.segments import LabelledParts
from iota2.io.tables.vectors import read_vector
from iota2.steps.blocks import copy_shape


def run(job: JobContext) -> None:
    """Write the parts of segments by polygon: a table, and on request a raster with the row of each part from 1."""
    with RasterReader(job.inp.segments) as raster:
        geobox, width = raster.geobox, raster.geobox.shape[1]
        polygons = read_vector(job.inp.polygons)
        owner, rows, cols = pixels_inside(to_crs(polygons, geobox.crs), geobox)
        origins = polygons[ORIGIN].to_numpy().astype(np.int64)[owner]
        numbers = np.zeros(len(rows), np.int64)
        for block in blocks(job.key.tile, geobox, copy_shape(job.use, 8)):
            (top, bottom), (left, right) = block.rows, block.cols
            own = np.flatnonzero((rows >= top) & (rows < bottom) & (cols >= left) & (cols < right))
            if len(own):
                numbers[own] = raster.read(block.geobox)[rows[own] - top, cols[own] - left]
    inside = numbers > 0
    places, pairs = (rows * width + cols)[inside], np.stack([numbers[inside], origins[inside]], axis=1)
    found, first, part, count = np.unique(pairs, axis=0, return_index=True, return_inverse=True, return_counts=True)
    LabelledParts(found[:, 0], found[:, 1], count.astype(np.int64), places[first]).write(job.out.parts)
    if "raster" in job.out:
        with RasterWriter(job.out.raster, RasterProfile(geobox, "uint32", nodata=0)) as out:
            for block in blocks(job.key.tile, geobox, copy_shape(job.use, 8)):
                values = np.zeros(block.shape, np.uint32)
                row, col = places // width - block.rows[0], places % width - block.cols[0]
                own = (row >= 0) & (row < block.shape[0]) & (col >= 0) & (col < block.shape[1])
                values[row[own], col[own]] = part.ravel()[own] + 1
                out.write(block, values)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: a raster of numbers is read, and on request one of parts is written."""
    return facts.raster_cost(4 if layout.with_labelled_parts(config) else 0, READING_SECONDS)


STEP = Step(
    name="labelledSegments",
    group="sampling",
    about="Find the parts of segments inside reference polygons.",
    task="labelled_segments_{tile}",
    run=run,
    over=("tile",),
    needs={"segments": layout.SEGMENTS, "polygons": layout.FORMATTED},
    makes={"parts": layout.LABELLED_PARTS, "raster": layout.LABELLED_RASTER},
    cost=cost,
)
