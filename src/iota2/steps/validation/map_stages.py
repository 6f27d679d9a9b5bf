"""Step: change of class across borders, accuracy and changed pixels of the stages of the map."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from iota2 import layout
from iota2.compute.map_stages import (
    FINAL_STAGE,
    REGULARISED_STAGE,
    SINGLE_SOURCES,
    UNSMOOTHED_STAGE,
    BorderAccuracy,
    ChangeCounts,
    MapStages,
    Stage,
    StageAccuracy,
    change,
    count_changes,
    count_labels,
    stage_accuracy,
    sum_pixels,
)
from iota2.compute.seams import HALO, Borders, Seam, SeamCounts, count_seams, seam, sum_seams
from iota2.compute.validation import count_pixels, sum_counts
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, JobFacts
from iota2.core.graph import Artifact, JobContext, Need, Step, optional
from iota2.core.grid import Block, blocks, padded, pixel_centres
from iota2.core.random import generator
from iota2.core.tables import PolygonCounts
from iota2.io.files.atomic import write_json
from iota2.io.files.crs import isotropic
from iota2.io.rasters.files import RasterReader
from iota2.io.rasters.ownership import POSITION_BYTES_PER_PIXEL, TileOwnership
from iota2.io.rasters.zones import MapZones
from iota2.io.tables.classes import read_classes
from iota2.io.tables.frames import concatenated
from iota2.io.tables.vectors import read_sqlite, read_vector
from iota2.steps.blocks import WRITING_THREADS, copy_shape
from iota2.steps.reference_pixels import ValidationPixels, pixels_at, pixels_in, rasterize_positions, selected_points

_BYTES_PER_PIXEL = 64
"""Memory per pixel of a block for zones, borders and pairs of pixels."""
_SECONDS = 0.1e-6
"""Seconds per pixel and stage, measured by ``make bench``."""


@dataclass(frozen=True)
class StageMap:
    """A map in the projection of the products, before or after a part of the processing."""

    name: str
    """Name in files, and of the input of the step that compares the stages."""
    about: str
    """Name for the reader of the report."""
    artifacts: tuple[Artifact, ...]
    """The files that may contain it; the run makes at most one."""

    @property
    def need(self) -> Need:
        """The map as the input of a step; only the map of the run always exists."""
        return Need(self.artifacts, may_be_absent=self.name != FINAL_STAGE)

    def made(self, config: Config) -> bool:
        """Whether a run with these options makes it."""
        return any(artifact.when(config) for artifact in self.artifacts)


STAGES = (
    StageMap("optical", "Optical images alone", (layout.OPTICAL_MAP,)),
    StageMap("radar", "Radar images alone", (layout.RADAR_MAP,)),
    StageMap("no_boundary_fusion", "Without boundary fusion", (layout.UNBLENDED_MAP, layout.TMP_UNBLENDED_MAP)),
    StageMap(UNSMOOTHED_STAGE, "Before smoothing", (layout.UNSMOOTHED_MAP,)),
    StageMap(FINAL_STAGE, "Final map", (layout.MAP,)),
    StageMap(REGULARISED_STAGE, "Without small patches", (layout.REGULARISED_MAP,)),
)
"""All stages, in the order of the processing, first the maps of single sources."""


@dataclass(frozen=True)
class StageParams:
    """Distances from borders of regions within which the accuracy is computed, in metres."""

    widths: tuple[float, ...] = ()

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {"arg_classification.boundary_buffer": self.widths}


def params(config: Config) -> StageParams:
    """The distances of the comparison; none without it."""
    given = config.arg_classification.boundary_buffer
    return StageParams(tuple(sorted(set(given or ()))) if layout.with_unblended_map(config) else ())


@dataclass(frozen=True)
class _Totals:
    """Counts of the blocks of the map."""

    seams: dict[tuple[str, str], list[SeamCounts]] = field(default_factory=lambda: defaultdict(list))
    """By stage and kind of border."""
    changes: dict[tuple[str, str], list[ChangeCounts]] = field(default_factory=lambda: defaultdict(list))
    """By names of the earlier and the later stage."""
    pixels: dict[str, list[dict[int, int]]] = field(default_factory=lambda: defaultdict(list))
    """Pixels by class, by stage."""
    polygons: dict[tuple[str, float], list[PolygonCounts]] = field(default_factory=lambda: defaultdict(list))
    """By stage and distance from borders in metres; infinite for all pixels."""


def run(job: JobContext[StageParams]) -> None:
    """Read all stages block by block, and write what differs between them."""
    stages = [stage for stage in STAGES if stage.name in job.inp]
    with ExitStack() as stack:
        paths = {stage.name: path for stage in stages for _, path in job.inp.each(stage.name)}
        maps = {name: stack.enter_context(RasterReader(path)) for name, path in paths.items()}
        grid = next(iter(maps.values())).geobox
        zones = _zones(job, maps[FINAL_STAGE])
        reference = _Reference.of(job)
        totals = _Totals()
        size = POSITION_BYTES_PER_PIXEL + _BYTES_PER_PIXEL
        for block in blocks("", grid, job.use.block_shape or copy_shape(job.use, size, (HALO, HALO))):
            around = padded(block, HALO, grid)
            labels = {name: reader.read(around.geobox) for name, reader in maps.items()}
            _add_seams(totals, labels, zones, block, around)
            own = {name: around.cut(values, block) for name, values in labels.items()}
            for before, after in _compared([*own]):
                totals.changes[before, after].append(count_changes(own[before], own[after]))
            for name, values in own.items():
                totals.pixels[name].append(count_labels(values))
            _add_pixels(totals, own, reference, block)
    write_json(job.out.stages, _result(job, stages, zones, totals).to_json())


def _zones(job: JobContext[StageParams], final: RasterReader) -> MapZones:
    """Regions and tiles of the pixels of the map."""
    envelopes = {key.tile: read_vector(path).geometry for key, path in job.inp.each("envelopes")}
    masks: dict[str, dict[str, Path]] = {tile: {} for tile in envelopes}
    for key, path in job.inp.each("masks"):
        masks[key.tile][key.region] = path
    return MapZones(TileOwnership(envelopes, final.geobox), masks)


def _add_seams(totals: _Totals, labels: Mapping[str, np.ndarray], zones: MapZones, block: Block, around: Block) -> None:
    """Count the pairs of pixels of a block across and near the borders, for each stage."""
    region, tile = zones.of(around)
    core = tuple(slice(a - b, c - b) for (a, c), (b, _) in ((block.rows, around.rows), (block.cols, around.cols)))
    for kind, own, other in (("regions", region, tile), ("tiles", tile, region)):
        if len(np.unique(own[own > 0])) < 2:
            continue
        borders = Borders.of(own, other, coinciding=kind == "regions")
        for name, values in labels.items():
            counts = count_seams(values, borders, (core[0], core[1]), (around.rows[0], around.cols[0]))
            totals.seams[name, kind].append(counts)


@dataclass(frozen=True)
class _Reference:
    """The validation data of all tiles, and the regions near which the accuracy is computed."""

    polygons: gpd.GeoDataFrame
    points: gpd.GeoDataFrame | None
    """Selected validation pixels; None if all pixels of the polygons count."""
    regions: tuple[shapely.Geometry, ...]
    """Outlines in coordinates of ``isotropic``, prepared; empty without distances."""
    widths: tuple[float, ...]
    """Distances in metres."""

    @classmethod
    def of(cls, job: JobContext[StageParams]) -> _Reference:
        """Read the validation data of the job's seed."""
        polygons = concatenated([read_sqlite(path) for path in job.inp.all("validation").values()])
        if not job.params.widths:
            return cls(polygons, selected_points(job.inp), (), ())
        regions = read_vector(job.inp.regions)
        outlines, _ = isotropic(regions.geometry.to_numpy(), regions.crs)
        shapely.prepare(outlines)
        return cls(polygons, selected_points(job.inp), tuple(outlines), job.params.widths)

    def pixels(self, block: Block) -> ValidationPixels:
        """The validation pixels of a block of the map."""
        if self.points is not None:
            return pixels_at(self.points, block)
        return pixels_in(self.polygons, rasterize_positions(self.polygons, block))

    def near(self, pixels: ValidationPixels, block: Block) -> dict[float, np.ndarray]:
        """By distance, (pixel,) bool: at least two regions are within this distance of the centre of the pixel."""
        if not self.widths:
            return {}
        centres, units = isotropic(
            shapely.points(*pixel_centres(block.geobox, pixels.rows, pixels.cols)), block.geobox.crs
        )
        return {
            width: np.sum([shapely.dwithin(outline, centres, width * units) for outline in self.regions], axis=0) > 1
            for width in self.widths
        }


def _compared(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of stages that are compared: each with the next one, and maps of single sources with their fusion."""
    fused = [name for name in names if name not in SINGLE_SOURCES]
    return [(name, fused[0]) for name in names if name in SINGLE_SOURCES] + [*pairwise(fused)]


def _add_pixels(totals: _Totals, labels: Mapping[str, np.ndarray], reference: _Reference, block: Block) -> None:
    """Count the validation pixels of a block by polygon and class in the map, for each stage and distance.

    Only pixels that all stages classify count, so that their accuracies can be compared.
    """
    pixels = reference.pixels(block)
    everywhere = np.all([values[pixels.rows, pixels.cols] > 0 for values in labels.values()], axis=0)
    chosen = {math.inf: everywhere}
    chosen |= {width: everywhere & near for width, near in reference.near(pixels, block).items()}
    for name, values in labels.items():
        for width, where in chosen.items():
            found = values[pixels.rows[where], pixels.cols[where]]
            counts = count_pixels(pixels.origins[where], pixels.codes[where], found, np.zeros(len(found)))
            totals.polygons[name, width].append(counts)


def _result(job: JobContext[StageParams], stages: Sequence[StageMap], zones: MapZones, totals: _Totals) -> MapStages:
    """The values of the map from the counts of its blocks."""
    codes, seed = read_classes(job.inp.classes).codes, job.key.seed

    def accuracy(stage: str, width: float = math.inf) -> StageAccuracy:
        counts = sum_counts(totals.polygons[stage, width])
        return stage_accuracy(counts, codes, generator(seed, "polygon intervals"))

    def border(stage: str, kind: str) -> Seam:
        return seam(sum_seams(totals.seams[stage, kind]), generator(seed, "seams", kind))

    return MapStages(
        len(zones.regions),
        len(zones.tiles),
        tuple(
            Stage(
                one.name,
                one.about,
                border(one.name, "regions"),
                border(one.name, "tiles"),
                accuracy(one.name),
                sum_pixels(totals.pixels[one.name]),
            )
            for one in stages
        ),
        tuple(change(*pair, totals.changes[pair]) for pair in _compared([stage.name for stage in stages])),
        tuple(
            BorderAccuracy(width, {one.name: accuracy(one.name, width) for one in stages})
            for width in job.params.widths
        ),
    )


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: all stages of the map are read."""
    stages = sum(stage.made(config) for stage in STAGES)
    return facts.raster_cost(0, stages * (READING_SECONDS + _SECONDS))


STEP = Step(
    name="mapStages",
    group="validation",
    about="Compare the stages of the map, and its classes across borders.",
    task="map_stages_seed_{seed}",
    run=run,
    over=("seed",),
    needs={
        **{stage.name: stage.need for stage in STAGES},
        "classes": layout.CODES,
        "envelopes": layout.ENVELOPE,
        "masks": layout.REGION_MASK,
        "regions": layout.REGIONS,
        "validation": layout.VALIDATION_POLYGONS,
        "selection": optional(layout.VALIDATION_SELECTION),
    },
    makes={"stages": layout.MAP_STAGES},
    params=params,
    when=layout.with_map_stages,
    version=3,
    cost=cost,
    max_threads=WRITING_THREADS,
)
