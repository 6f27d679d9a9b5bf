"""What the outside world holds at the start of a run: products by tile, regions, reference data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import geopandas as gpd

from iota2.chains import chain_of
from iota2.config.options.schema import Config
from iota2.config.sensors import expression_notes
from iota2.core.cost import Facts
from iota2.core.graph import AXES, Finding
from iota2.core.grid import part_count
from iota2.core.nomenclature import Nomenclature
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.core.sensor import SensorOptions
from iota2.core.words import counted
from iota2.errors import InputError, as_entry
from iota2.run.plan.jobs import rows_of
from iota2.run.records.output import require_usable
from iota2.run.survey.extent import RESOLUTION, Extent, extent_notes, extent_of, extent_problems, table_problems
from iota2.run.survey.images import Images, find_images
from iota2.run.survey.problems import Problems
from iota2.run.survey.reference import find_reference
from iota2.run.survey.regions import Regions, find_regions


@dataclass(frozen=True)
class Survey:
    """All that is known before anything runs."""

    scenes: Mapping[str, Scene]
    notes: Mapping[str, tuple[str, ...]]
    """What the scan of each tile passed over."""
    regions: Mapping[str, tuple[str, ...]]
    """Names of the regions that each tile meets."""
    recipe: FeatureRecipe
    remarks: tuple[str, ...] = ()
    """What the user should know about reference data and regions."""
    classes: Nomenclature | None = None
    labelled: float = 0.0
    """Area of the reference polygons on the tiles, in units of the first tile's lattice; 0 when they were not read."""
    alignment: Path | None = None
    """The reference image with which dates are aligned."""
    sensors: tuple[SensorOptions, ...] = ()
    """What the configuration says of the sensors of which some tile has images."""
    extent: Extent = field(default_factory=Extent)
    """How many pixels the tiles and the map have."""

    def rows(self, runs: int, axes: Sequence[str] = AXES) -> list[dict[str, str | int]]:
        """The run's table: the valid combinations of tile, part, sensor with dates, region and seed, for some axes."""
        tiles = {tile: (part_count(scene.geobox.shape[0]), self.regions[tile]) for tile, scene in self.scenes.items()}
        dated = {tile: [sensor.spec.name for sensor in scene.series] for tile, scene in self.scenes.items()}
        rows = rows_of(tiles, [sensor.sensor for sensor in self.recipe.sensors], runs)
        return [{axis: row[axis] for axis in axes} for row in rows if row["sensor"] in dated[str(row["tile"])]]


def survey(config: Config) -> Survey:
    """Scan the archive (headers only), read regions and, unless ``check_inputs`` is off, reference data and classes.

    Raises InputError with the problems of all of them at once, each with its option and line.
    """
    problems = Problems(config)
    found = _gathered(problems)
    if found is None:
        lines = problems.lines()
        head = f"{config.source}: {counted(len(lines), 'problem')} of inputs"
        raise InputError("\n".join([head, *(as_entry(text) for _, text in lines)]))
    return found


def input_problems(config: Config, broken: Set[str]) -> list[tuple[int, str]]:
    """Line and sentence of each problem of the inputs of a configuration that has problems itself. Inputs of ``broken``
    options are not looked at."""
    problems = Problems(config, broken)
    _gathered(problems)
    return problems.lines()


def _gathered(problems: Problems) -> Survey | None:
    """All that is known before anything runs; None when there are problems."""
    config = problems.config
    images = find_images(problems)
    if problems.usable("chain.output_path"):
        problems.attempt(lambda: require_usable(config.chain.output_path), "chain", "output_path")
    regions = find_regions(problems, images)
    extent = _extent(problems, images, regions) if images.complete else Extent()
    reference = find_reference(problems, images, regions)
    findings = _findings(config, Facts(images.scenes, regions.by_tile))
    for finding in findings:
        if finding.stops:
            problems.add(finding.option, finding.text)
    if problems.exist or images.recipe is None:
        return None
    remarks = (
        *extent_notes(config, images.scenes),
        *regions.remarks,
        *images.item_remarks,
        *reference.remarks,
        *images.sensor_remarks,
        *expression_notes(images.sensors),
        *(finding.text for finding in findings if not finding.stops),
    )
    return Survey(
        images.scenes,
        images.notes,
        regions.by_tile,
        images.recipe,
        remarks,
        reference.classes,
        reference.labelled,
        config.coregistration.vhr_path,
        images.sensors,
        extent,
    )


def _findings(config: Config, facts: Facts) -> list[Finding]:
    """What the active steps find about their options and inputs."""
    return [finding for step in chain_of(config).steps if step.when(config) for finding in step.check(config, facts)]


def _extent(problems: Problems, images: Images, regions: Regions) -> Extent:
    """The size of the map. A map that is too large, and too many jobs, are added as problems."""
    config = problems.config
    outlines = {tile: gpd.GeoSeries([outline]) for tile, outline in images.footprints.items()}
    extent = extent_of(config, images.scenes, outlines)
    for text in extent_problems(extent):
        problems.add(RESOLUTION if config.chain.spatial_resolution else ("chain", "list_tile"), text)
    runs = config.arg_train.runs
    rows = sum(
        part_count(scene.geobox.shape[0]) * len(scene.sensors) * len(regions.by_tile[tile]) * runs
        for tile, scene in images.scenes.items()
    )
    for text in table_problems(rows, runs):
        problems.add(("arg_train", "runs"), text)
    return extent
