"""Step: comparison of the map with the reference polygons of one tile."""

from __future__ import annotations

import geopandas as gpd
import numpy as np

from iota2 import layout
from iota2.compute.accuracy import confusion_matrix
from iota2.compute.map_reliability import count_confidences, sum_confidences
from iota2.compute.validation import sum_counts
from iota2.config.options.schema import Config
from iota2.core.cost import Cost, JobFacts
from iota2.core.graph import JobContext, Step, optional
from iota2.core.grid import blocks, grid_covering
from iota2.core.tables import CODE, ConfidenceCounts, Confusion, PolygonCounts
from iota2.io.files.atomic import write_text
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.tables.classes import read_classes
from iota2.io.tables.confidence_counts import confidence_counts_csv
from iota2.io.tables.confusions import confusion_csv
from iota2.io.tables.polygon_counts import polygon_counts_csv
from iota2.io.tables.vectors import read_sqlite, read_vector
from iota2.steps.blocks import COPY_SHAPE, WRITING_THREADS
from iota2.steps.reference_pixels import (
    outlines_of,
    pixels_at,
    pixels_in,
    polygon_pixels,
    rasterize_positions,
    selected_points,
)

VALIDATION_WRONG, VALIDATION_RIGHT, LEARNING_WRONG, LEARNING_RIGHT = 1, 2, 3, 4
"""Values of the comparison raster: wrong and correct pixels in validation and learning polygons."""


def run(job: JobContext) -> None:
    """Count the map pixels in the tile's validation polygons, also by confidence; write the comparison."""
    codes = read_classes(job.inp.classes).codes
    validation, learning = read_sqlite(job.inp.validation), read_sqlite(job.inp.learning)
    outlines = outlines_of(validation, read_vector(job.inp.reference))
    points = selected_points(job.inp)
    counts: list[PolygonCounts] = []
    confidences: list[ConfidenceCounts] = []
    total = Confusion(codes, np.zeros((len(codes), len(codes)), np.int64), np.zeros(len(codes), np.int64))
    with RasterReader(job.inp.map) as reader, RasterReader(job.inp.confidence) as confidence:
        envelope = read_vector(job.inp.envelope)
        window = reader.geobox[:1, :1] if envelope.empty else grid_covering(reader.geobox, tuple(envelope.total_bounds))
        with RasterWriter(job.out.comparison, RasterProfile(window, "uint8", nodata=0)) as writer:
            for block in blocks(job.key.tile, window, COPY_SHAPE):
                produced = reader.read(block.geobox)
                position = rasterize_positions(validation, block)
                pixels = pixels_in(validation, position) if points is None else pixels_at(points, block)
                learning_codes = _codes(learning, rasterize_positions(learning, block))
                counts.append(polygon_pixels(pixels, outlines, produced, block))
                seen, sure = produced[pixels.rows, pixels.cols], confidence.read(block.geobox)[pixels.rows, pixels.cols]
                confidences.append(count_confidences(pixels.origins, pixels.codes, seen, sure))
                total += confusion_matrix(pixels.codes, seen, codes)
                writer.write(block, compare(produced, _codes(validation, position), learning_codes))
    write_text(job.out.confusion, confusion_csv(total))
    write_text(job.out.polygons, polygon_counts_csv(sum_counts(counts)))
    write_text(job.out.confidences, confidence_counts_csv(sum_confidences(confidences)))


def compare(produced: np.ndarray, validation: np.ndarray, learning: np.ndarray) -> np.ndarray:
    """Correct and wrong pixels (y, x) as uint8, from class codes (y, x) of the map and of the polygons of both sides.

    0 where there is no reference or no label; the sum of both values where validation and learning polygons overlap.
    """
    mapped = produced > 0
    result = np.zeros(produced.shape, np.uint8)
    for codes, wrong, right in (
        (validation, VALIDATION_WRONG, VALIDATION_RIGHT),
        (learning, LEARNING_WRONG, LEARNING_RIGHT),
    ):
        result += np.where(mapped & (codes > 0), np.where(codes == produced, right, wrong), 0).astype(np.uint8)
    return result


def _codes(polygons: gpd.GeoDataFrame, position: np.ndarray) -> np.ndarray:
    """Class code (y, x) of the polygon of each pixel; 0 elsewhere. ``position``: from ``rasterize_positions``."""
    return np.concatenate([[0], polygons[CODE].to_numpy()]).astype(np.uint16)[position]


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: it writes one byte per pixel."""
    return facts.raster_cost(1)


STEP = Step(
    name="confusionCmd",
    group="validation",
    about="Compare the map with the reference polygons of each tile.",
    task="confusion_{tile}_seed_{seed}",
    run=run,
    over=("tile", "seed"),
    needs={
        "map": layout.MAP,
        "confidence": layout.FINAL_CONFIDENCE,
        "classes": layout.CODES,
        "envelope": layout.ENVELOPE,
        "validation": layout.VALIDATION_POLYGONS,
        "learning": layout.LEARN_POLYGONS,
        "reference": layout.REFERENCE,
        "selection": optional(layout.VALIDATION_SELECTION),
    },
    makes={
        "confusion": layout.TILE_CONFUSION,
        "polygons": layout.TILE_VALIDATION,
        "confidences": layout.TILE_CONFIDENCES,
        "comparison": layout.TILE_COMPARISON,
    },
    version=3,
    cost=cost,
    max_threads=WRITING_THREADS,
)
