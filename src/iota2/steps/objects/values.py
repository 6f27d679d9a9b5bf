"""Step: features of the segments in one part of a tile, computed from those of its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from iota2 import layout
from iota2.compute.open_segments import OpenSegments
from iota2.compute.segment_statistics import CELL, block_pieces, piece_bytes, segment_values
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, JobFacts
from iota2.core.graph import JobContext, Resources, Step, optional
from iota2.core.grid import Block, blocks, part_rows
from iota2.core.recipe import COUNT, FeatureRecipe
from iota2.io.rasters.files import RasterReader
from iota2.io.series.scene_file import read_feature_scene
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.segment_pieces import write_segment_pieces
from iota2.io.tables.segment_values import SegmentValues, SegmentValuesWriter, segment_values_writer
from iota2.io.tables.segments import LabelledParts, Segments, SharedSegments
from iota2.steps.blocks import IMAGE_THREADS, feature_shapes, fitting_threads
from iota2.steps.located_segments import expected_segments
from iota2.steps.pixels import feature_blocks
from iota2.steps.segment_features import missing_value, value_names

VALUE_SECONDS, STATISTIC_SECONDS = 2.1e-9, 0.6e-9
"""Seconds to add one value of a pixel to a segment, and additional seconds for each statistic; see ``make bench``."""
_NEVER = np.int64(2) ** 62
"""Number of pixels of a segment that stays open."""


@dataclass(frozen=True)
class ValuesParams:
    """Whether segments are computed tile by tile."""

    computed: bool

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by the name for the user."""
        return {"computed segments": self.computed}


def params(config: Config) -> ValuesParams:
    """Whether segments are computed."""
    return ValuesParams(config.obia.computed)


def run(job: JobContext[ValuesParams]) -> None:
    """Compute the statistics of segments over the pixels with a clear date, block by block.

    Segments inside the part are complete. Of those that continue in another part or tile, the statistics of their
    pixels in cells of the grid are written, which are merged later.
    """
    scene, recipe = read_feature_scene(job.inp), read_recipe(job.inp.recipe)
    names = value_names(recipe)
    rows, of_pixels = part_rows(job.key.part, scene.geobox.shape[0]), recipe.of_pixels
    use = fitting_threads(whole_cells(job.use), partial(feature_shapes, scene, of_pixels))
    shapes = feature_shapes(scene, of_pixels, use)
    with ExitStack() as stack:
        rasters = _Rasters.opened(job, stack)

        def target(raster: RasterReader, pixels: np.ndarray, path: Path) -> _Target:
            return _Target.of(raster, pixels, recipe, stack.enter_context(segment_values_writer(path, names)))

        targets = {job.out.open: target(rasters.segments, _pixels_of_segments(job), job.out.values)}
        if rasters.labelled is not None:
            pixels = LabelledParts.read(job.inp.parts).pixels
            targets[job.out.open_labelled] = target(rasters.labelled, pixels, job.out.labelled)

        def wanted(whole: Block) -> list[tuple[Block, np.ndarray]]:
            area = rasters.area(whole)
            found = blocks(whole.tile, scene.geobox, shapes.computed, whole.rows, whole.cols)
            inside = ((block, whole.cut(area, block)) for block in found)
            return [(block, own) for block, own in inside if own.any()]

        order = shapes.in_order(scene.tile, scene.geobox, rows)
        for block, features, own in feature_blocks(scene, of_pixels, order, wanted, threads=use.threads):
            for one in targets.values():
                one.add(block, features.values, own, features.n_valid > 0, scene.geobox.shape[1])
            del features  # so that only one block of features is in memory
    for path, one in targets.items():
        write_segment_pieces(one.open.rest(), path)


def whole_cells(use: Resources) -> Resources:
    """Resources whose forced block shape, if any, consists of whole cells."""
    if use.block_shape is None:
        return use
    rows, cols = (-(-size // cell) * cell for size, cell in zip(use.block_shape, CELL, strict=True))
    return replace(use, block_shape=(rows, cols))


def _pixels_of_segments(job: JobContext[ValuesParams]) -> np.ndarray:
    """(segment,) int64: pixels of each segment in the tile; more than it can have for those in several tiles."""
    pixels = Segments.read(job.inp.table).pixels.copy()
    pixels[SharedSegments.read(job.inp.shared).numbers_in(job.key.tile) - 1] = _NEVER
    return pixels


@dataclass(frozen=True)
class _Rasters:
    """Segments, their labelled parts, and the area in which their pixels count."""

    segments: RasterReader
    labelled: RasterReader | None
    masks: tuple[RasterReader, ...]

    @classmethod
    def opened(cls, job: JobContext[ValuesParams], stack: ExitStack) -> _Rasters:
        """The rasters of the job, which ``stack`` closes."""

        def reader(path: Path) -> RasterReader:
            return stack.enter_context(RasterReader(path))

        paths = job.inp.all("masks" if job.params.computed else "regions_of_tile")
        labelled = reader(job.inp.labelled) if "labelled" in job.inp else None
        return cls(reader(job.inp.segments), labelled, tuple(map(reader, paths.values())))

    def area(self, block: Block) -> np.ndarray:
        """(y, x) bool: pixels of segments that count."""
        inside = np.zeros(block.shape, bool)
        for mask in self.masks:
            inside |= mask.read(block.geobox) > 0
        return inside & (self.segments.read(block.geobox) > 0)


@dataclass(frozen=True, eq=False)
class _Target:
    """A raster of segments, or of their labelled parts, and the file of the complete ones."""

    raster: RasterReader
    recipe: FeatureRecipe
    open: OpenSegments
    writer: SegmentValuesWriter

    @classmethod
    def of(
        cls, raster: RasterReader, pixels: np.ndarray, recipe: FeatureRecipe, writer: SegmentValuesWriter
    ) -> _Target:
        """``pixels``: (segment,) number of pixels of each segment."""
        features = len(recipe.of_pixels.names)
        return cls(raster, recipe, OpenSegments(pixels, features, recipe.pixel_statistics), writer)

    def add(self, block: Block, values: np.ndarray, own: np.ndarray, seen: np.ndarray, width: int) -> None:
        """Add a block of features (feature, y, x): pixels ``own`` of the area, ``seen`` with a clear date."""
        statistics = self.recipe.pixel_statistics
        numbers = np.where(own, self.raster.read(block.geobox), 0).astype(np.uint32)
        origin = block.rows[0], block.cols[0]
        pieces = block_pieces(values, numbers, seen, origin=origin, width=width, statistics=statistics)
        complete = self.open.add(pieces)
        found = segment_values(complete, statistics, missing_value(self.recipe))
        self.writer.add(SegmentValues(complete.segment, complete.pixels, complete.seen, found))


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: features of all pixels, and statistics of the segments that are not complete."""
    run, statistics = facts.run, [name for name in config.obia.stats_used if name != COUNT]
    seconds = READING_SECONDS * facts.layers + run.feature_seconds
    added = run.features * (VALUE_SECONDS + STATISTIC_SECONDS * len(statistics))
    usual = facts.raster_cost(0, seconds + added)
    values = expected_segments(config, facts.pixels) * run.features * len(statistics) * 4
    piece = piece_bytes(run.features, statistics)
    width = facts.run.scenes[str(facts.tile)].geobox.shape[1]
    open_segments = 4 * width / config.obia.segment_size
    return replace(usual, memory=usual.memory + int(open_segments * piece), disk=values, uncompressed=values)


STEP = Step(
    name="segmentValues",
    group="sampling",
    about="Compute the features of segments from those of their pixels.",
    task="segment_values_{tile}_part_{part}",
    run=run,
    over=("tile", "part"),
    needs={
        **layout.FEATURE_IMAGES,
        "recipe": layout.SEGMENT_RECIPE,
        "segments": layout.SEGMENTS,
        "table": layout.SEGMENT_TABLE,
        "shared": layout.SHARED_SEGMENTS,
        "regions_of_tile": layout.REGION_RASTER,
        "masks": layout.REGION_MASK,
        "parts": layout.LABELLED_PARTS,
        "labelled": optional(layout.LABELLED_RASTER),
    },
    makes={
        "values": layout.PART_SEGMENTS,
        "open": layout.PART_OPEN_SEGMENTS,
        "labelled": layout.PART_LABELLED,
        "open_labelled": layout.PART_OPEN_LABELLED,
    },
    params=params,
    cost=cost,
    max_threads=IMAGE_THREADS,
)
