"""Step: comparison of the fusion of runs, and of the map of each run, with the same polygons of one tile."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import geopandas as gpd

from iota2 import layout
from iota2.compute.validation import sum_counts
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, JobFacts
from iota2.core.graph import JobContext, Step, first
from iota2.core.grid import blocks, grid_covering
from iota2.core.tables import PolygonCounts
from iota2.io.files.atomic import write_text
from iota2.io.rasters.files import RasterReader
from iota2.io.tables.polygon_counts import polygon_counts_csv
from iota2.io.tables.vectors import read_sqlite, read_vector
from iota2.steps.blocks import COPY_SHAPE
from iota2.steps.reference_pixels import outlines_of, pixels_in, polygon_pixels, rasterize_positions


@dataclass(frozen=True)
class MergeRunsConfusionParams:
    """Polygons that validate the fusion."""

    reserved: bool
    """Whether polygons were reserved for it; otherwise all polygons are used."""

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {"multi_run_fusion.fusion_of_classification_all_samples_validation": not self.reserved}


def params(config: Config) -> MergeRunsConfusionParams:
    """Whether polygons are reserved."""
    return MergeRunsConfusionParams(config.multi_run_fusion.reserved_share is not None)


def run(job: JobContext[MergeRunsConfusionParams]) -> None:
    """Count the pixels of the fusion and of each run in the polygons of the tile."""
    polygons = _polygons(job)
    outlines = outlines_of(polygons, read_vector(job.inp.reference))
    counts: dict[int | None, list[PolygonCounts]] = {}
    with ExitStack() as stack:
        maps: dict[int | None, RasterReader] = {None: stack.enter_context(RasterReader(job.inp.fusion))}
        maps |= {key.seed: stack.enter_context(RasterReader(path)) for key, path in job.inp.each("maps")}
        grid, envelope = maps[None].geobox, read_vector(job.inp.envelope)
        window = grid[:1, :1] if envelope.empty else grid_covering(grid, tuple(envelope.total_bounds))
        for block in blocks(job.key.tile, window, COPY_SHAPE):
            pixels = pixels_in(polygons, rasterize_positions(polygons, block))
            for seed, reader in maps.items():
                found = polygon_pixels(pixels, outlines, reader.read(block.geobox), block)
                counts.setdefault(seed, []).append(found)
    write_text(job.out.fusion, polygon_counts_csv(sum_counts(counts[None])))
    for key, path in job.out.each("runs"):
        write_text(path, polygon_counts_csv(sum_counts(counts[key.seed])))


def _polygons(job: JobContext[MergeRunsConfusionParams]) -> gpd.GeoDataFrame:
    """The reserved polygons of the tile, or all of its polygons."""
    return read_sqlite(job.inp.polygons) if job.params.reserved else read_vector(job.inp.polygons)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: it reads the maps of all runs and their fusion."""
    return facts.raster_cost(0, (config.arg_train.runs + 1) * READING_SECONDS)


STEP = Step(
    name="mergeRunsConfusion",
    group="validation",
    about="Compare the fusion of the runs with the reference polygons of each tile.",
    task="merge_runs_confusion_{tile}",
    run=run,
    over=("tile",),
    needs={
        "fusion": layout.MERGED_MAP,
        "maps": layout.MAP,
        "envelope": layout.ENVELOPE,
        "polygons": first(layout.RESERVED_POLYGONS, layout.FORMATTED),
        "reference": layout.REFERENCE,
    },
    makes={"fusion": layout.TILE_MERGED_VALIDATION, "runs": layout.TILE_RUN_VALIDATION},
    params=params,
    when=layout.with_merged_runs,
    cost=cost,
)
