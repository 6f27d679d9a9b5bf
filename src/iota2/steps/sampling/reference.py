"""Step: cleaned reference polygons, with their side of the split (learning, validation) for each seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.compute.area_losses import area_losses, usable_area
from iota2.compute.areas import home_regions, polygons_in_regions
from iota2.compute.few_polygons import few_polygons_texts, polygons_by_region
from iota2.compute.sampling import split_polygons, unvalidated
from iota2.config.options.schema import Config
from iota2.core.graph import JobContext, Step
from iota2.core.losses import ClassLosses
from iota2.core.nomenclature import Nomenclature
from iota2.core.remarks import remarks_about
from iota2.core.tables import CODE, FUSION, ORIGIN, REGION, label_column, seed_column
from iota2.core.words import counted
from iota2.errors import InputError
from iota2.io.files.atomic import write_text
from iota2.io.files.crs import sliver_area
from iota2.io.rasters.files import RasterReader
from iota2.io.tables.classes import read_nomenclature, write_classes
from iota2.io.tables.grouping import group_notes, polygon_groups
from iota2.io.tables.point_areas import PointArea, PointRule, outline
from iota2.io.tables.polygon_losses import class_losses, no_usable_polygons, pixel_area, write_class_losses
from iota2.io.tables.reference import FieldValues, ReferenceData, read_field, read_reference
from iota2.io.tables.remark_lists import write_remarks
from iota2.io.tables.split_groups import split_groups_csv
from iota2.io.tables.target_values import write_target_values
from iota2.io.tables.value_strata import Stratified, stratified
from iota2.io.tables.vector_source import vector_source, with_choice
from iota2.io.tables.vectors import read_vector, write_shapefile
from iota2.report.results.text import label_table_csv


@dataclass(frozen=True)
class ReferenceParams:
    """Sources of polygons and classes, and the options of the split."""

    ground_truth: Path
    layer: str
    """Layer of the file; see ``io.tables.vector_source``."""
    points: PointArea | None
    """How points are turned into areas; None if points are not accepted."""
    data_field: str
    nomenclature: Path | None
    """None for values of a quantity instead of classes."""
    colors: Path | None
    proj: str
    ratio: float
    runs: int
    random_seed: int
    split_ground_truth: bool
    split_field: str | None = None
    split_distance: float | None = None
    """Metres."""
    reserved_share: float | None = None
    """Share of the polygons that validate the fusion of runs; None without."""
    cloud_threshold: int = 0
    """Minimum number of clear dates of a usable area, which always has at least one."""

    @property
    def quantity(self) -> bool:
        """Whether polygons have values of a quantity instead of classes."""
        return self.nomenclature is None


def params(config: Config) -> ReferenceParams:
    """Parameters of the reference data and their split from the configuration."""
    chain, arg_train = config.chain, config.arg_train
    source = vector_source(chain.ground_truth)
    return ReferenceParams(
        ground_truth=source.file,
        layer=source.choice,
        points=chain.points,
        data_field=chain.data_field,
        nomenclature=None if config.quantity else chain.nomenclature_path,
        colors=None if config.quantity else chain.color_table,
        proj=chain.proj,
        ratio=arg_train.ratio,
        runs=arg_train.runs,
        random_seed=arg_train.seed,
        split_ground_truth=arg_train.split_ground_truth,
        split_field=arg_train.split_field if arg_train.split_ground_truth else None,
        split_distance=arg_train.split_distance if arg_train.split_ground_truth else None,
        reserved_share=config.multi_run_fusion.reserved_share,
        cloud_threshold=chain.cloud_threshold,
    )


def run(job: JobContext[ReferenceParams]) -> None:
    """Check the polygons, name the classes, and split the polygons between learning and validation."""
    given = job.params
    grids, tile_areas = _grids(job), _tile_areas(job)
    points = PointRule(given.points, grids, tile_areas) if given.points else None
    source = with_choice(given.ground_truth, given.layer)
    data = read_reference(source, given.data_field, given.proj, points, quantity=given.quantity)
    regions = read_vector(job.inp.regions)
    usable = _usable(data, job)
    outlines = dict(zip(regions[REGION], regions.geometry, strict=True))
    home = home_regions(usable, outlines)
    labelled = _labelled(data, home, given)
    data, classes, values = labelled.data, labelled.classes, labelled.values
    losses = _losses(labelled, usable, given, grids=grids, tile_areas=tile_areas, regions=regions)
    if not any(home):
        raise InputError(no_usable_polygons(source, losses))
    field = read_field(source, given.split_field) if given.split_field else None
    # neighbours resemble each other, whatever their values
    linked = replace(data, frame=data.frame.assign(label=0)) if given.quantity else data
    groups = polygon_groups(linked, home, field, given.split_distance)
    frame = split_frame(data, classes, home, given, groups, strata=labelled.strata, values=values)
    write_shapefile(frame, job.out.reference)
    write_classes(classes, job.out.classes)
    write_classes(classes.unnamed, job.out.codes)
    if "table" in job.out:
        write_text(job.out.table, label_table_csv(classes))
    if values is not None:
        write_target_values(data.frame[ORIGIN].to_numpy(), values, job.out.values)
    inside = polygons_in_regions(usable, outlines, sliver_area(given.proj)) if given.quantity else {}
    notes = (
        *_split_notes(labelled, home, given.split_ground_truth),
        *_few_polygons(frame, labelled, inside, groups, given),
    )
    texts = (*data.warnings, *data.notes, *notes, *_notes_on_groups(frame, labelled, groups, field, given))
    write_remarks(job.out.notes, remarks_about(texts, "reference"))
    write_class_losses(losses, job.out.losses)
    if groups is not None:
        write_text(job.out.groups, split_groups_csv(data.frame[ORIGIN].to_numpy(), groups))


def _losses(
    labelled: Stratified,
    usable: np.ndarray,
    given: ReferenceParams,
    *,
    grids: Mapping[str, GeoBox],
    tile_areas: Mapping[str, shapely.Geometry],
    regions: gpd.GeoDataFrame,
) -> tuple[ClassLosses, ...]:
    """Losses of the polygons of each class before the split; ``usable`` (polygon,): the part that can be used."""
    of_polygons = area_losses(
        labelled.data.frame.geometry.to_numpy(),
        usable,
        tiles=shapely.union_all([outline(grid, given.proj) for grid in grids.values()]),
        imaged=shapely.union_all(list(tile_areas.values())),
        regions=regions.union_all(),
        smallest=sliver_area(given.proj),
        unclear="cloud_threshold" if given.cloud_threshold > 1 else "never_clear",
    )
    return class_losses(labelled.data, labelled.classes, of_polygons, pixel_area(next(iter(grids.values()))))


def _few_polygons(
    frame: gpd.GeoDataFrame,
    labelled: Stratified,
    inside: Mapping[str, np.ndarray],
    groups: np.ndarray | None,
    given: ReferenceParams,
) -> list[str]:
    """Notes on regions with few polygons of a quantity; ``inside``: those of each region, (polygon,) bool."""
    if labelled.values is None:
        return []
    sides = [frame[seed_column(seed)].to_numpy() for seed in range(given.runs)]
    found = polygons_by_region(inside, sides, labelled.values, groups)
    return few_polygons_texts(found, given.ratio if given.split_ground_truth else 1.0)


def _notes_on_groups(
    frame: gpd.GeoDataFrame,
    labelled: Stratified,
    groups: np.ndarray | None,
    field: FieldValues | None,
    given: ReferenceParams,
) -> list[str]:
    """Notes on a split by groups of polygons, and on polygons reserved for the fusion of runs."""
    reserved = (frame[seed_column(0)] == FUSION).to_numpy()
    notes = []
    if groups is not None:
        split = frame.assign(**{CODE: labelled.strata})[~reserved]
        notes += group_notes(split, labelled.titles, given, groups[~reserved], field)
    return notes + (_fusion_notes(frame, labelled.classes, reserved) if given.reserved_share is not None else [])


def _labelled(data: ReferenceData, home: list[str | None], given: ReferenceParams) -> Stratified:
    """The data with their classes; or with groups of values in place of classes."""
    if given.nomenclature is None or given.colors is None:
        return stratified(data, home)
    classes = read_nomenclature(given.nomenclature, given.colors, data.frame["label"])
    codes = np.array([classes.code(label) for label in data.frame["label"]], np.int64)
    titles = {(region, code): classes.title(code) for region in {*home} if region for code in classes.codes}
    return Stratified(data, classes, None, codes, titles)


def _grids(job: JobContext) -> dict[str, GeoBox]:
    """Working grid of each tile."""
    grids: dict[str, GeoBox] = {}
    for key, path in job.inp.each("grids"):
        if key.tile not in grids:
            with RasterReader(path) as reader:
                grids[key.tile] = reader.geobox
    return grids


def _tile_areas(job: JobContext) -> dict[str, shapely.Geometry]:
    """Area of the envelope of each tile."""
    return {key.tile: read_vector(path).union_all() for key, path in job.inp.each("envelopes")}


def split_frame(
    data: ReferenceData,
    classes: Nomenclature,
    home: list[str | None],
    given: ReferenceParams,
    groups: np.ndarray | None = None,
    *,
    strata: np.ndarray | None = None,
    values: np.ndarray | None = None,
) -> gpd.GeoDataFrame:
    """Polygons with class code, home region and side of the split for each seed.

    ``groups``: group numbers (polygon,); polygons of one group are on the same side. ``strata`` (polygon,) are split
    separately in each region; the class codes if None. ``values`` (polygon,) of a quantity take the place of the labels
    in the table.
    """
    frame, label = data.frame, label_column(given.data_field)
    codes = [classes.code(value) for value in frame["label"]]
    sides = split_polygons(
        codes if strata is None else strata.tolist(),
        home,
        ratio=given.ratio,
        runs=given.runs,
        random_seed=given.random_seed,
        split_ground_truth=given.split_ground_truth,
        together=groups,
        reserved_share=given.reserved_share,
    )
    shown = frame["label"].to_numpy() if values is None else values
    columns = {ORIGIN: frame[ORIGIN].to_numpy(), label: shown, CODE: codes}
    columns[REGION] = [region or "" for region in home]
    columns |= {seed_column(k): side for k, side in enumerate(sides)}
    return gpd.GeoDataFrame(columns, geometry=frame.geometry.to_numpy(), crs=frame.crs)


def _usable(data: ReferenceData, job: JobContext) -> np.ndarray:
    """Part of each polygon in the area with enough clear dates of its tiles; empty for unusable polygons."""
    polygons = data.frame.geometry.to_numpy()
    pieces: list[list[shapely.Geometry]] = [[] for _ in polygons]
    tree = shapely.STRtree(polygons)
    for key, path in job.inp.each("clear"):
        envelope = read_vector(job.inp.at("envelopes", tile=key.tile))
        area = usable_area(envelope.union_all(), read_vector(path).union_all())
        for k in np.sort(tree.query(area, predicate="intersects")):
            pieces[k].append(shapely.intersection(polygons[k], area))
    merged = np.array([shapely.union_all(found) for found in pieces], dtype=object)
    merged[shapely.area(merged) <= sliver_area(data.frame.crs)] = shapely.Polygon()
    return merged


def _split_notes(labelled: Stratified, home: list[str | None], split: bool) -> list[str]:
    """Notes on the split: polygons outside the map, classes without validation or learning, or no split at all."""
    notes = []
    outside = [str(fid) for fid, region in zip(labelled.data.frame[ORIGIN], home, strict=True) if region is None]
    if outside:
        notes.append(
            f"{len(outside)} of {len(home)} polygons are outside the tiles, the regions or the area with enough "
            f"clear dates and are not used (first rows: {', '.join(outside[:5])})."
        )
    if not split:
        notes.append(
            "The map is validated with the polygons used for learning (arg_train.split_ground_truth is False): the "
            "accuracy is optimistic, and does not apply to other areas."
        )
    return [*notes, *(_class_notes(labelled, home, split) if labelled.values is None else [])]


def _class_notes(labelled: Stratified, home: list[str | None], split: bool) -> list[str]:
    """Notes on classes without validation or learning."""
    classes, codes, notes = labelled.classes, labelled.strata.tolist(), []
    for region, code in unvalidated(codes, home) if split else []:
        notes.append(
            f"{classes.title(int(code))} has a single polygon in region {region}: it is used for "
            "learning there, and the class is not validated."
        )
    lost = sorted(set(classes.codes) - {code for code, region in zip(codes, home, strict=True) if region})
    for code in lost:
        notes.append(f"{classes.title(code)} has no usable polygon: the map does not contain it.")
    return notes


def _fusion_notes(frame: gpd.GeoDataFrame, classes: Nomenclature, reserved: np.ndarray) -> list[str]:
    """Notes on the polygons reserved for the fusion of runs; ``reserved`` is (polygon,) bool."""
    used = (frame[REGION] != "").to_numpy()
    notes = [
        f"{counted(int(reserved.sum()), 'polygon')} of {int(used.sum())} validate the fusion of runs "
        "(multi_run_fusion.merge_run_ratio) and are not used by any run."
    ]
    codes = frame[CODE].to_numpy()
    for code in sorted(set(codes[used].tolist()) - set(codes[reserved].tolist())):
        notes.append(
            f"{classes.title(code)} has too few polygons, or groups of polygons, to reserve one: the "
            "fusion of runs is not validated for this class."
        )
    return notes


STEP = Step(
    name="referenceData",
    group="sampling",
    about="Check the reference polygons and split them between learning and validation.",
    task="reference_data",
    run=run,
    over=(),
    needs={
        "grids": layout.REFERENCE_IMAGE,
        "envelopes": layout.ENVELOPE,
        "clear": layout.CLOUD_THRESHOLD,
        "regions": layout.REGIONS,
    },
    makes={
        "reference": layout.REFERENCE,
        "classes": layout.CLASSES,
        "codes": layout.CODES,
        "table": layout.CLASS_TABLE,
        "notes": layout.REFERENCE_NOTES,
        "values": layout.TARGET_VALUES,
        "losses": layout.REFERENCE_LOSSES,
        "groups": layout.SPLIT_GROUPS,
    },
    params=params,
    version=6,
)
