"""What the outside world holds at the start of a run: products by tile, regions, reference data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.config.schema import Config
from iota2.config.sensors import enabled_sensors, expression_notes
from iota2.core.grid import part_count
from iota2.core.losses import SMALL_SHARE
from iota2.core.nomenclature import Nomenclature
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.core.sensor import SensorOptions
from iota2.core.tables import REGION
from iota2.core.words import counted, did_you_mean
from iota2.errors import InputError, UserError, message_of
from iota2.io.burn import to_crs
from iota2.io.classes import read_nomenclature
from iota2.io.point_areas import PointRule, footprint
from iota2.io.reference import FieldValues, ReferenceData, read_field, read_reference, read_regions
from iota2.run.plan import rows_of
from iota2.run.scan import read_stac, scan, scenes_of, with_images
from iota2.steps import recipe as recipe_step
from iota2.steps.coregistration import alignment_notes, reference_problems
from iota2.steps.regions import SINGLE_REGION
from iota2.steps.selection import read_class_counts

T = TypeVar("T")


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

    Raises UserError with the problems of all of them at once.
    """
    problems: list[str] = []

    def attempt(read: Callable[[], T]) -> T | None:
        try:
            return read()
        except (UserError, OSError) as err:
            problems.append(message_of(err))
            return None

    enabled = attempt(lambda: enabled_sensors(config))
    sensors, left_out = (attempt(lambda: with_images(config, enabled)) if enabled else None) or ((), ())
    items = attempt(lambda: read_stac(config, sensors)) if sensors else None
    scanned = {
        tile: attempt(lambda tile=tile: scan(config, sensors, tile, items)) if sensors and items else None  # type: ignore[misc]
        for tile in config.chain.list_tile
    }
    regions = attempt(lambda: _read_regions(config))
    series = {tile: found[0] for tile, found in scanned.items() if found}
    scenes, notes = attempt(lambda: scenes_of(config, series)) or ({}, {})
    complete = len(scenes) == len(scanned)
    reference = attempt(lambda: _read_reference(config, scenes)) if config.chain.check_inputs else None
    classes = attempt(lambda: _classes(config, reference)) if reference else None
    together = attempt(lambda: _split_field(config)) if reference else None
    uncounted = attempt(lambda: _uncounted(config, classes)) if classes else None
    recipe = attempt(lambda: recipe_step.build_recipe(scenes, recipe_step.params(config))) if complete else None
    footprints = {tile: footprint(scene.geobox, config.chain.proj) for tile, scene in scenes.items()}
    by_tile, remarks = _regions_by_tile(regions, footprints)
    if complete:
        problems += _ground_problems(regions, footprints, reference, config) if reference is not None else ()
        problems += _threshold_problems(scenes, config.chain.cloud_threshold)
        problems += [
            f"Tile {tile} meets no region of {config.chain.region_path}." for tile in scenes if not by_tile[tile]
        ]
    problems += [*_unknown_models(config, regions), *reference_problems(config, scenes)]
    if problems or recipe is None:
        raise InputError("\n".join(dict.fromkeys(problems)))
    remarks = [
        *remarks,
        *(items.notes if items else ()),
        *((*reference.warnings, *reference.notes) if reference else ()),
        *(classes.warnings if classes else ()),
        *(together.notes if together else ()),
    ]
    return Survey(
        scenes,
        {tile: (*found[1], *notes[tile]) for tile, found in scanned.items() if found},
        by_tile,
        recipe,
        (
            *remarks,
            *_off_tiles(reference, footprints, classes),
            *(uncounted or ()),
            *left_out,
            *expression_notes(sensors),
            *alignment_notes(config, scenes),
        ),
        classes,
        _labelled(reference, footprints, scenes) if reference is not None else 0.0,
        config.coregistration.vhr_path,
        sensors,
    )


def _read_regions(config: Config) -> gpd.GeoDataFrame | None:
    chain = config.chain
    return read_regions(chain.region_path, chain.region_field, chain.proj) if chain.region_path else None


def _read_reference(config: Config, scenes: Mapping[str, Scene]) -> ReferenceData:
    chain = config.chain
    grids = {tile: scene.geobox for tile, scene in scenes.items()}
    rule = None
    if chain.points is not None:
        # without any tile there is no grid, and no run: the file is still read, to report what is wrong with it
        owned = {tile: footprint(grid, chain.proj) for tile, grid in grids.items()}
        rule = PointRule(chain.points, grids or {"": _anywhere(chain.proj)}, owned)
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
    told = ", ".join(f"{tile} has {counted(count, 'date')}" for tile, count in days.items())
    return [
        f"chain.cloud_threshold is {threshold}, but {told}: no pixel is clear on so many dates, so there would be "
        f"nothing to learn from. Give at most {max(days.values())}."
    ]


def _split_field(config: Config) -> FieldValues | None:
    field = config.arg_train.split_field
    return read_field(config.chain.ground_truth, field) if field else None


def _classes(config: Config, reference: ReferenceData) -> Nomenclature:
    return read_nomenclature(config.chain.nomenclature_path, config.chain.color_table, reference.frame["label"])


def _uncounted(config: Config, classes: Nomenclature) -> list[str]:
    """A remark on each table of counts by class that lacks classes; InputError for a table that cannot be used."""
    selection = config.arg_train.sample_selection
    tables = dict.fromkeys(given.byclass for given in (selection, *selection.per_model) if given.byclass)
    missing = {path: read_class_counts(path, classes)[1] for path in tables}
    return [
        f"{path}: no count for label {', '.join(labels)}: none of their pixels is selected where it is used."
        for path, labels in missing.items()
        if labels
    ]


def _unknown_models(config: Config, regions: gpd.GeoDataFrame | None) -> list[str]:
    """Entries of ``per_model`` about a region that does not exist."""
    if regions is None and config.chain.region_path:
        return []  # they cannot be read, which is told already
    names = sorted(regions[REGION]) if regions is not None else [SINGLE_REGION]
    source = config.chain.region_path or "this run, which has a single one"
    return [
        f"arg_train.sample_selection.per_model: target_model '{entry.target_model}' is no region of {source}"
        + (did_you_mean(entry.target_model, names) or f"; expected one of {', '.join(names)}")
        for entry in config.arg_train.sample_selection.per_model
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
