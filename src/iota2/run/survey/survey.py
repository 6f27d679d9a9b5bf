"""What the outside world holds at the start of a run: products by tile, regions, reference data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.chains.classification import CLASSIFICATION
from iota2.config.options.schema import Config
from iota2.config.options.sensors import PLACES
from iota2.config.recipes import build_recipe, recipe_params
from iota2.config.sensors import expression_notes, sensors_and_problems
from iota2.core.cost import Facts
from iota2.core.graph import Finding
from iota2.core.grid import part_count
from iota2.core.losses import SMALL_SHARE
from iota2.core.nomenclature import Listing, Nomenclature, Value, build_nomenclature
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.core.sensor import SensorOptions
from iota2.core.tables import REGION, SINGLE_REGION
from iota2.core.words import counted, did_you_mean
from iota2.errors import InputError, InputProblems, MissingField, as_entry
from iota2.io.files.crs import to_crs
from iota2.io.tables.class_counts import read_class_counts, read_counts
from iota2.io.tables.classes import read_colors, read_names
from iota2.io.tables.point_areas import PointRule, footprint
from iota2.io.tables.reference import FieldValues, ReferenceData, read_field, read_reference, read_regions
from iota2.run.plan.jobs import rows_of
from iota2.run.records.output import require_usable
from iota2.run.survey.extent import RESOLUTION, Extent, extent_notes, extent_of, extent_problems, table_problems
from iota2.run.survey.problems import Option, Problems
from iota2.run.survey.scan import Items, Series, read_stac, scan, scenes_of, with_images

BYCLASS = "strategy.byclass.in"
_IMAGES = tuple(f"chain.{key}" for key in (*PLACES.values(), "user_sensors", "stac_items"))
"""The options that enable sensors."""


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

    def rows(self, runs: int) -> list[dict[str, str | int]]:
        """The run's table: the valid combinations of tile, part, sensor with dates, region and seed."""
        tiles = {tile: (part_count(scene.geobox.shape[0]), self.regions[tile]) for tile, scene in self.scenes.items()}
        dated = {
            tile: [sensor.spec.name for sensor in scene.sensors if not sensor.spec.static]
            for tile, scene in self.scenes.items()
        }
        rows = rows_of(tiles, [sensor.sensor for sensor in self.recipe.sensors], runs)
        return [row for row in rows if row["sensor"] in dated[str(row["tile"])]]


def survey(config: Config) -> Survey:
    """Scan the archive (headers only), read regions and, unless ``check_inputs`` is off, reference data and classes.

    Raises InputError with the problems of all of them at once, each with its option and line.
    """
    look = _Look(config)
    found = look.found()
    if found is None:
        lines = look.lines()
        head = f"{config.source}: {counted(len(lines), 'problem')} of inputs"
        raise InputError("\n".join([head, *(as_entry(text) for _, text in lines)]))
    return found


def input_problems(config: Config, broken: Set[str]) -> list[tuple[int, str]]:
    """Line and sentence of each problem of the inputs of a configuration that has problems itself. Inputs of ``broken``
    options are not looked at."""
    look = _Look(config, broken)
    look.found()
    return look.lines()


class _Look(Problems):
    """One look at all inputs, with the problems that are found."""

    def __init__(self, config: Config, broken: Set[str] = frozenset()) -> None:
        super().__init__(config, broken)
        self._partial = False
        """Whether a sensor is left out, or described wrongly."""

    def found(self) -> Survey | None:
        """All that is known before anything runs; None when there are problems."""
        config, attempt = self.config, self.attempt
        sensors, left_out = self._sensors()
        items = attempt(lambda: read_stac(config, sensors), "chain", "stac_items", "source") if sensors else None
        scanned = self._scanned(sensors, items) if items else {}
        if self.usable("chain.output_path"):
            attempt(lambda: require_usable(config.chain.output_path), "chain", "output_path")
        regions = attempt(lambda: _read_regions(config), "chain", "region_path") if self._regions_usable() else None
        series = {tile: found[0] for tile, found in scanned.items()}
        scenes, notes = (attempt(lambda: scenes_of(config, series)) if self._grid_usable() else None) or ({}, {})
        complete = not self._partial and self.usable(*_IMAGES) and 0 < len(scenes) == len(config.chain.list_tile)
        footprints = {tile: footprint(scene.geobox, config.chain.proj) for tile, scene in scenes.items()}
        reference = self._reference(scenes, footprints) if config.chain.check_inputs else None
        classes = self._classes(reference)
        together = self._split_field() if reference is not None else None
        uncounted = attempt(lambda: _uncounted(config, classes)) if self._tables_usable() else None
        recipe = self._recipe(scenes) if complete else None
        by_tile, unmet = _regions_by_tile(regions, footprints)
        extent = self._extent(scenes, footprints, by_tile) if complete else Extent()
        if complete:
            self._compare(scenes, footprints, by_tile, regions, reference)
        findings = _findings(config, Facts(scenes, by_tile))
        self._check_options(findings, regions)
        if self.exist or recipe is None:
            return None
        remarks = (
            *extent_notes(config, scenes),
            *unmet,
            *(items.notes if items else ()),
            *((*reference.warnings, *reference.notes) if reference else ()),
            *(classes.warnings if classes else ()),
            *(together.notes if together else ()),
            *_off_tiles(reference, footprints, classes),
            *(uncounted or ()),
            *left_out,
            *expression_notes(sensors),
            *(finding.text for finding in findings if not finding.stops),
        )
        tile_notes = {tile: (*found[1], *notes[tile]) for tile, found in scanned.items()}
        labelled = _labelled(reference, footprints, scenes) if reference is not None else 0.0
        aligned_with = config.coregistration.vhr_path
        return Survey(scenes, tile_notes, by_tile, recipe, remarks, classes, labelled, aligned_with, sensors, extent)

    def _sensors(self) -> tuple[tuple[SensorOptions, ...], Sequence[str]]:
        """The enabled sensors of which there are images, and notes on those left out."""
        enabled = self._enabled()
        return (self.attempt(lambda: with_images(self.config, enabled)) if enabled else None) or ((), ())

    def _scanned(self, sensors: Sequence[SensorOptions], items: Items) -> dict[str, tuple[Series, tuple[str, ...]]]:
        """The series of each tile that can be scanned, with notes."""
        tiles = self.config.chain.list_tile if self.usable("chain.list_tile") else ()
        scanned = {tile: self.attempt(lambda tile=tile: scan(self.config, sensors, tile, items)) for tile in tiles}  # type: ignore[misc]
        return {tile: found for tile, found in scanned.items() if found}

    def _compare(
        self,
        scenes: Mapping[str, Scene],
        footprints: Mapping[str, shapely.Geometry],
        by_tile: Mapping[str, Sequence[str]],
        regions: gpd.GeoDataFrame | None,
        reference: ReferenceData | None,
    ) -> None:
        """Add what is wrong with images, regions and reference data together."""
        if reference is not None and self._regions_usable():
            for text in _ground_problems(regions, footprints, reference, self.config):
                self.add(("chain", "ground_truth"), text)
        for text in _threshold_problems(scenes, self.config.chain.cloud_threshold):
            self.add(("chain", "cloud_threshold"), text)
        for tile in scenes:
            if not by_tile[tile]:
                self.add(("chain", "region_path"), f"tile {tile} meets no region of {self.config.chain.region_path}.")

    def _check_options(self, findings: Iterable[Finding], regions: gpd.GeoDataFrame | None) -> None:
        """Add what is wrong with options that name regions or images."""
        for option, text in _unknown_models(self.config, regions) if self._regions_usable() else ():
            self.add(option, text)
        for finding in findings:
            if finding.stops:
                self.add(finding.option, finding.text)

    def _recipe(self, scenes: Mapping[str, Scene]) -> FeatureRecipe | None:
        """The recipe; None when there are problems, or when options of features or dates have some."""
        if any(option.partition(".")[0] not in ("chain", "arg_classification") for option in self.broken):
            return None
        return self.attempt(lambda: build_recipe(scenes, recipe_params(self.config)))

    def _extent(
        self,
        scenes: Mapping[str, Scene],
        footprints: Mapping[str, shapely.Geometry],
        regions: Mapping[str, Sequence[str]],
    ) -> Extent:
        """The size of the map. A map that is too large, and too many jobs, are added as problems."""
        runs = self.config.arg_train.runs
        extent = extent_of(
            self.config, scenes, {tile: gpd.GeoSeries([outline]) for tile, outline in footprints.items()}
        )
        for text in extent_problems(extent):
            self.add(RESOLUTION if self.config.chain.spatial_resolution else ("chain", "list_tile"), text)
        rows = sum(
            part_count(scene.geobox.shape[0]) * len(scene.sensors) * len(regions[tile]) * runs
            for tile, scene in scenes.items()
        )
        for text in table_problems(rows, runs):
            self.add(("arg_train", "runs"), text)
        return extent

    def _enabled(self) -> tuple[SensorOptions, ...]:
        """The enabled sensors that can be scanned. Problems of the options of sensors are added."""
        if not self._sensors_usable():
            return ()
        found = self.attempt(lambda: sensors_and_problems(self.config))
        for option, text in found[1] if found else ():
            self.add(option, text)
        self._partial = found is None or bool(found[1])
        return found[0] if found else ()

    def _sensors_usable(self) -> bool:
        """Whether it is known which sensor is the reference."""
        return self.config.chain.reference_sensor is None or self.usable(*_IMAGES)

    def _grid_usable(self) -> bool:
        grid = ("list_tile", "spatial_resolution", "proj", "working_grid", "reference_sensor")
        return self._sensors_usable() and self.usable(*(f"chain.{key}" for key in grid))

    def _tables_usable(self) -> bool:
        return self.config.chain.check_inputs and self.usable("arg_train.sample_selection")

    def _regions_usable(self) -> bool:
        return self.usable("chain.region_path", "chain.region_field", "chain.proj")

    def _reference(
        self, scenes: Mapping[str, Scene], footprints: Mapping[str, shapely.Geometry]
    ) -> ReferenceData | None:
        if not self.usable("chain.ground_truth", "chain.data_field", "chain.points", "chain.proj"):
            return None
        return self.attempt(lambda: _read_reference(self.config, scenes, footprints), "chain", "ground_truth")

    def _split_field(self) -> FieldValues | None:
        """The values that keep polygons on one side of the split; None when no field is asked for."""
        option, field = ("arg_train", "split_field"), self.config.arg_train.split_field
        if field is None or not self.usable(".".join(option)):
            return None
        return self.attempt(lambda: read_field(self.config.chain.ground_truth, field), *option)

    def _classes(self, reference: ReferenceData | None) -> Nomenclature | None:
        """The classes. Problems of nomenclature and colour file are added even without reference data."""
        names, colors = self._listing("nomenclature_path", read_names), self._listing("color_table", read_colors)
        if reference is not None and names and colors:
            return self.attempt(lambda: build_nomenclature(names, colors, reference.frame["label"]), "chain")
        for key, listing in (("nomenclature_path", names), ("color_table", colors)):
            for text in listing.problems if listing else ():
                self.add(("chain", key), text)
        return None

    def _listing(self, key: str, read: Callable[[Path], Listing[Value]]) -> Listing[Value] | None:
        if not (self.config.chain.check_inputs and self.usable(f"chain.{key}")):
            return None
        return self.attempt(lambda: read(getattr(self.config.chain, key)), "chain", key)


def _findings(config: Config, facts: Facts) -> list[Finding]:
    """What the active steps find about their options and inputs."""
    return [finding for step in CLASSIFICATION if step.when(config) for finding in step.check(config, facts)]


def _read_regions(config: Config) -> gpd.GeoDataFrame | None:
    chain = config.chain
    if chain.region_path is None:
        return None
    with _about_field("region_field"):
        return read_regions(chain.region_path, chain.region_field, chain.proj)


def _read_reference(
    config: Config, scenes: Mapping[str, Scene], footprints: Mapping[str, shapely.Geometry]
) -> ReferenceData:
    chain = config.chain
    rule = None
    if chain.points is not None:
        # without any tile there is no grid, and no run: the file is still read, to report what is wrong with it
        grids = {tile: scene.geobox for tile, scene in scenes.items()}
        rule = PointRule(chain.points, grids or {"": _anywhere(chain.proj)}, footprints)
    with _about_field("data_field"):
        return read_reference(chain.ground_truth, chain.data_field, chain.proj, rule)


def _anywhere(proj: str) -> GeoBox:
    return GeoBox((1, 1), Affine.scale(1.0, -1.0), proj)


def _threshold_problems(scenes: Mapping[str, Scene], threshold: int) -> list[str]:
    """That no tile has as many dates as a sample must be clear on."""
    days = {
        tile: sum(len(set(one.days)) for one in scene.sensors if not one.spec.static) for tile, scene in scenes.items()
    }
    if not days or max(days.values()) >= threshold:
        return []
    listed = ", ".join(f"{tile} has {counted(count, 'date')}" for tile, count in days.items())
    return [
        f"the threshold is {threshold}, but {listed}: no pixel is clear on so many dates, so there would be nothing to "
        f"learn from. Give at most {max(days.values())}."
    ]


@contextmanager
def _about_field(key: str) -> Iterator[None]:
    """A field that a file lacks is a problem of the option that names the field, not the file."""
    try:
        yield
    except MissingField as err:
        raise InputProblems([(("chain", key), str(err))]) from err


def _uncounted(config: Config, classes: Nomenclature | None) -> list[str]:
    """A remark on each table of counts by class that lacks classes; InputProblems for tables that cannot be used.

    Where the classes are not known, only the form of the tables is looked at.
    """
    selection, root = config.arg_train.sample_selection, ("arg_train", "sample_selection")
    given = [(root, selection), *(((*root, "per_model", k), one) for k, one in enumerate(selection.per_model))]
    tables = {one.byclass: (*option, BYCLASS) for option, one in reversed(given) if one.byclass}
    missing, problems = dict[Path, list[str]](), []
    for path, option in reversed(tables.items()):
        try:
            if classes is None:
                read_counts(path)
            else:
                missing[path] = read_class_counts(path, classes)[1]
        except InputError as err:
            problems.append((option, str(err)))
    if problems:
        raise InputProblems(problems)
    return [
        f"{path}: no count for label {', '.join(labels)}: none of their pixels is selected where it is used."
        for path, labels in missing.items()
        if labels
    ]


def _unknown_models(config: Config, regions: gpd.GeoDataFrame | None) -> list[tuple[Option, str]]:
    """Entries of ``per_model`` about a region that does not exist."""
    if regions is None and config.chain.region_path:
        return []  # they cannot be read, which is told already
    names = sorted(regions[REGION]) if regions is not None else [SINGLE_REGION]
    source = config.chain.region_path or "this run, which has a single one"
    return [
        (
            ("arg_train", "sample_selection", "per_model", k),
            f"target_model '{entry.target_model}' is no region of {source}"
            + (did_you_mean(entry.target_model, names) or f"; expected one of {', '.join(names)}"),
        )
        for k, entry in enumerate(config.arg_train.sample_selection.per_model)
        if entry.target_model not in names
    ]


def _labelled(
    reference: ReferenceData, footprints: Mapping[str, shapely.Geometry], scenes: Mapping[str, Scene]
) -> float:
    """Area of the polygons that meet a tile, in map units of the first tile's lattice."""
    polygons = reference.frame.geometry
    on_tiles = polygons[polygons.intersects(shapely.union_all(list(footprints.values())))]
    lattice = next(iter(scenes.values())).geobox
    return float(shapely.area(to_crs(on_tiles, str(lattice.crs)).to_numpy()).sum())


def _regions_by_tile(
    regions: gpd.GeoDataFrame | None, footprints: Mapping[str, shapely.Geometry]
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Regions that each tile meets, and a remark on those that no tile meets."""
    if regions is None:
        return dict.fromkeys(footprints, (SINGLE_REGION,)), []
    met = {
        tile: tuple(sorted(regions[REGION][regions.intersects(footprint)])) for tile, footprint in footprints.items()
    }
    outside = sorted(set(regions[REGION]) - {region for names in met.values() for region in names})
    remark = f"Regions that meet no tile of the list are left out: {', '.join(outside)}."
    return met, [remark] if outside else []


def _ground_problems(
    regions: gpd.GeoDataFrame | None,
    footprints: Mapping[str, shapely.Geometry],
    reference: ReferenceData,
    config: Config,
) -> Sequence[str]:
    """Regions or tiles without any reference polygon to learn from."""
    tiles = shapely.union_all(list(footprints.values()))
    polygons = reference.frame.geometry
    on_tiles = polygons[polygons.intersects(tiles)]
    where = config.chain.ground_truth
    if on_tiles.empty:
        return [
            f"{where}: none of its {len(polygons)} polygons lies on the tiles {', '.join(footprints)} "
            f"(polygons: {_bounds(polygons.total_bounds)}; tiles: {_bounds(tiles.bounds)}, in {config.chain.proj}). "
            "Check the list of tiles and the projection of the file." + _exchanged(polygons, tiles)
        ]
    if regions is None:
        return []
    empty = [
        str(row.region)
        for row in regions.itertuples()
        if row.geometry.intersects(tiles) and not on_tiles.intersects(row.geometry).any()
    ]
    remedy = "Draw polygons there, merge it with another region, or take it out of the region file."
    return [f"{where}: region {region} has no reference polygon on the tiles. {remedy}" for region in empty]


def _off_tiles(
    reference: ReferenceData | None, footprints: Mapping[str, shapely.Geometry], classes: Nomenclature | None
) -> list[str]:
    """A remark on each class of which no polygon, or hardly any area, lies on the tiles."""
    if reference is None or classes is None:
        return []
    polygons, labels = reference.frame.geometry.to_numpy(), reference.frame["label"].to_numpy()
    tiles = shapely.union_all(list(footprints.values()))
    shapely.prepare(tiles)
    area = shapely.area(polygons)
    inside = np.where(shapely.covers(tiles, polygons), area, 0.0)
    edge = (inside == 0) & shapely.intersects(tiles, polygons)
    inside[edge] = shapely.area(shapely.intersection(polygons[edge], tiles))
    return [
        f"Class {classes.name(code)} ({code}) is nearly lost: of its {counted((labels == label).sum(), 'polygon')}, "
        f"{counted((inside[labels == label] > 0).sum(), 'polygon')} with {100 * share:.1f} % of the area of the class "
        f"{'lies' if (inside[labels == label] > 0).sum() == 1 else 'lie'} on the tiles."
        for code, label in zip(classes.codes, classes.labels, strict=True)
        if (share := inside[labels == label].sum() / area[labels == label].sum()) < SMALL_SHARE
    ]


def _exchanged(polygons: gpd.GeoSeries, tiles: shapely.Geometry) -> str:
    """That polygons would lie on the tiles if x and y were exchanged, in the projection or in degrees."""
    for crs in (polygons.crs, "EPSG:4326"):
        swapped = to_crs(polygons, crs).map(lambda one: shapely.transform(one, lambda xy: xy[:, ::-1]))
        if to_crs(gpd.GeoSeries(swapped.to_numpy(), crs=crs), polygons.crs).intersects(tiles).any():
            return " With x and y exchanged they would lie there: the file has its coordinates in the wrong order."
    return ""


def _bounds(bounds: Sequence[float]) -> str:
    return f"x {bounds[0]:.0f} to {bounds[2]:.0f}, y {bounds[1]:.0f} to {bounds[3]:.0f}"
