"""Survey of the inputs at the start of a run: images by tile, regions, reference data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import geopandas as gpd

from iota2.chains import chain_of
from iota2.compute.submodels import submodel_names
from iota2.config.options.schema import Config
from iota2.config.sensors import expression_remarks
from iota2.config.sources import sources
from iota2.core.builder import AXES_OF, TILE_SOURCES
from iota2.core.cost import Facts
from iota2.core.graph import Artifact, Finding
from iota2.core.grid import part_count
from iota2.core.nomenclature import Nomenclature
from iota2.core.recipe import FeatureRecipe
from iota2.core.remarks import Remark
from iota2.core.scene import Scene
from iota2.core.sensor import SensorOptions
from iota2.core.user_raster import UserRaster
from iota2.core.words import counted
from iota2.errors import ConfigError, InputError, as_entry
from iota2.layout import with_zarr
from iota2.runs.plan.artifacts import made_artifacts
from iota2.runs.records.output import require_usable
from iota2.runs.survey.extent import (
    RESOLUTION_OPTION,
    Extent,
    extent_of,
    extent_of_grid,
    extent_problems,
    extent_remarks,
    table_problems,
)
from iota2.runs.survey.grid import find_grid
from iota2.runs.survey.images import Images, find_images
from iota2.runs.survey.map import MapInputs, find_map
from iota2.runs.survey.problems import Problems
from iota2.runs.survey.reference import Reference, find_reference
from iota2.runs.survey.region_names import region_name_problems
from iota2.runs.survey.regions import Regions, find_regions
from iota2.runs.survey.strips import MapStrips, map_strips
from iota2.runs.survey.user_functions import FunctionTrial

IMAGE_AXES = tuple(axis for ask, axes in AXES_OF.items() if ask not in ("grid", "map") for axis in axes)
"""Axes of a run on images."""


@dataclass(frozen=True)
class Survey:
    """The inputs of a run, as known before the first job."""

    scenes: Mapping[str, Scene]
    notes: Mapping[str, tuple[Remark, ...]]
    """Remarks of the scan of each tile, such as ignored files."""
    regions: Mapping[str, tuple[str, ...]]
    """Names of the regions whose models each tile uses; see ``Regions.by_tile``."""
    recipe: FeatureRecipe
    remarks: tuple[Remark, ...] = ()
    """Other remarks for the user."""
    classes: Nomenclature | None = None
    labelled: float = 0.0
    """Area of the reference polygons on the tiles, in units of the first tile's CRS; 0 if they were not read."""
    alignment: Path | None = None
    """The reference image of the coregistration."""
    sensors: tuple[SensorOptions, ...] = ()
    """Options of the sensors with images on any tile."""
    extent: Extent = field(default_factory=Extent)
    """Size of the tiles and the map."""
    submodels: Mapping[str, int] | None = None
    """Number of models of each region with `classif_mode` fusion, else None."""
    sources: tuple[str, ...] = ("",)
    """Values of the axis ``source``."""
    trials: tuple[FunctionTrial, ...] = ()
    """Functions of the user, called on a block of images."""
    rasters: tuple[UserRaster, ...] = ()
    """Rasters to be cut to tiles."""
    strips: MapStrips | None = None
    """The strips of the mosaic, if the run writes a Zarr store."""
    map: MapInputs | None = None
    """The map that becomes polygons."""

    def rows(self, runs: int, axes: Sequence[str] = IMAGE_AXES) -> list[dict[str, str | int]]:
        """Combinations of tile, part and sensor with dates, crossed with regions and seeds if ``axes`` names them, and
        combinations of strip, tile and part.

        With an axis ``raster``: combinations of tile and raster. With an axis ``square``: also combinations of square
        and area.
        """
        of_map = self.map.rows if self.map and "square" in axes else []
        if "raster" in axes:
            of_grid: list[dict[str, str | int]]
            of_grid = [{"tile": tile, "raster": raster.name} for tile in self.scenes for raster in self.rasters]
            return of_grid + of_map
        rows = self._image_rows()
        if "region" in axes:
            models = {
                tile: _models_of(regions, self.submodels or {}, self.sources) for tile, regions in self.regions.items()
            }
            rows = [{**row, **model} for row in rows for model in models[str(row["tile"])]]
        if "seed" in axes:
            rows = [{**row, "seed": seed} for row in rows for seed in range(runs)]
        return rows + (self.strips.rows if self.strips else []) + of_map

    def _image_rows(self) -> list[dict[str, str | int]]:
        """The combinations of tile, part, and sensor with dates, in the order of the recipe."""
        order = [sensor.sensor for sensor in self.recipe.sensors]
        return [
            {"tile": tile, "part": part, "sensor": sensor}
            for tile, scene in self.scenes.items()
            for part in range(part_count(scene.geobox.shape[0]))
            for sensor in order
            if any(one.spec.name == sensor for one in scene.series)
        ]


def _models_of(regions: Iterable[str], counts: Mapping[str, int], kinds: Sequence[str]) -> list[dict[str, str]]:
    """Region, sub-model and source of each model. ``counts``: sub-models by region; ``kinds``: values of ``source``."""
    return [
        {"region": region, "submodel": submodel, "source": source}
        for region in regions
        for submodel in submodel_names(counts.get(region, 1))
        for source in kinds
    ]


def survey(config: Config) -> Survey:
    """Scan the archives (headers only), read regions and, if ``check_inputs`` is on, reference data and classes.

    Raises InputError with all problems at once, each with its option and line.
    """
    problems = Problems(config)
    found = _collect(problems)
    if found is None:
        lines = problems.lines()
        head = f"{config.source}: {counted(len(lines), 'problem')} of inputs"
        raise InputError("\n".join([head, *(as_entry(text) for _, text in lines)]))
    return found


def input_problems(config: Config, broken: Set[str]) -> list[tuple[int, str]]:
    """Line and text of each problem of the inputs of an invalid configuration; ``broken`` options are skipped."""
    problems = Problems(config, broken)
    _collect(problems)
    return problems.lines()


def _collect(problems: Problems) -> Survey | None:
    """The survey; None if there are problems."""
    config = problems.config
    images = _images(problems)
    if problems.usable("chain.output_path"):
        problems.attempt(lambda: require_usable(config.chain.output_path), "chain", "output_path")
    regions = find_regions(problems, images)
    reference = find_reference(problems, images, regions)
    recipe = images.recipe or FeatureRecipe(())
    facts = Facts(
        images.scenes,
        regions.by_tile,
        recipe,
        reference.classes,
        submodels=reference.submodels or {},
        sources=len(sources(config)),
        rasters={raster.name: raster.pixel_bytes for raster in images.rasters},
    )
    extent = _extent(problems, images, facts) if images.complete else Extent()
    vectorised = find_map(problems, extent) if "map" in problems.asks else None
    facts = with_map(facts, vectorised)
    if problems.builders_known:
        models = _models_of(regions.names, reference.submodels or {}, sources(config))
        for text in region_name_problems(models, _artifacts(problems)):
            problems.add(("chain", "region_path"), text)
    findings = _findings(problems, facts) if problems.builders_known else []
    for finding in findings:
        if finding.remark is None:
            problems.add(finding.option, finding.text)
    if problems.exist or images.recipe is None:
        return None
    return Survey(
        images.scenes,
        images.notes,
        regions.by_tile,
        images.recipe,
        (*_remarks(config, images, regions, reference, findings), *(vectorised.remarks if vectorised else ())),
        reference.classes,
        reference.labelled,
        config.coregistration.vhr_path,
        images.sensors,
        extent,
        reference.submodels,
        sources(config),
        images.trials,
        images.rasters,
        map_strips(extent.grid, images.scenes) if extent.grid and _writes_strips(config) else None,
        vectorised,
    )


def _images(problems: Problems) -> Images:
    """The images, or the grid of tiles; nothing for builders without tiles."""
    if problems.asks.isdisjoint(TILE_SOURCES):
        return Images((), {}, {}, {}, complete=True, recipe=FeatureRecipe(()))
    return find_grid(problems) if "grid" in problems.asks else find_images(problems)


def with_map(facts: Facts, vectorised: MapInputs | None) -> Facts:
    """The facts with those of the map that becomes polygons."""
    if vectorised is None:
        return facts
    return replace(
        facts,
        map_pixels=math.prod(map(int, vectorised.grid.shape)),
        squares=vectorised.square_pixels,
        areas=len(vectorised.areas),
        map_codes=vectorised.codes,
    )


def _remarks(
    config: Config, images: Images, regions: Regions, reference: Reference, findings: Sequence[Finding]
) -> tuple[Remark, ...]:
    """All remarks for the user that do not belong to a tile."""
    return (
        *(extent_remarks(config, images.scenes) if images.footprints else ()),
        *images.raster_remarks,
        *regions.remarks,
        *images.item_remarks,
        *reference.remarks,
        *images.sensor_remarks,
        *expression_remarks(images.sensors),
        *(finding.remark for finding in findings if finding.remark is not None),
    )


def _writes_strips(config: Config) -> bool:
    """Whether the run writes a Zarr store, strip by strip."""
    return with_zarr(config) and any("strip" in step.over for step in chain_of(config).steps)


def _findings(problems: Problems, facts: Facts) -> list[Finding]:
    """Findings of the active steps on their options and inputs.

    Invalid options are already known: a step that needs one of them has no findings.
    """
    config, found = problems.config, []
    for step in chain_of(config).steps:
        with suppress(ConfigError) if problems.broken else nullcontext():
            found += step.findings(config, facts) if step.when(config) else []
    return found


def _artifacts(problems: Problems) -> frozenset[Artifact]:
    """The kinds of files of the run; none if they depend on an invalid option."""
    config = problems.config
    with suppress(ConfigError) if problems.broken else nullcontext():
        return made_artifacts([step for step in chain_of(config).steps if step.when(config)], config, ())
    return frozenset()


def _extent(problems: Problems, images: Images, facts: Facts) -> Extent:
    """The size of the map; a map that is too large and too many jobs are added as problems."""
    config = problems.config
    if not images.footprints:
        return extent_of_grid(images.scenes)
    outlines = {tile: gpd.GeoSeries([outline]) for tile, outline in images.footprints.items()}
    extent = extent_of(config, images.scenes, outlines)
    for text in extent_problems(extent):
        problems.add(RESOLUTION_OPTION if config.chain.spatial_resolution else ("chain", "list_tile"), text)
    runs = config.arg_train.runs
    rows = sum(
        part_count(scene.geobox.shape[0]) * len(scene.sensors) * facts.models_of(tile) * runs
        for tile, scene in images.scenes.items()
    )
    for text in table_problems(rows, runs):
        problems.add(("arg_train", "runs"), text)
    return extent
