"""Reference data and classes of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.compute.areas import home_regions, polygons_in_regions
from iota2.compute.class_weights import weights_by_code
from iota2.compute.few_polygons import few_polygons_texts, polygons_by_region
from iota2.compute.label_fusion import undecided_problem
from iota2.compute.sample_copies import rules_of_unknown_regions
from iota2.compute.sampling import split_polygons
from iota2.compute.submodels import learning_polygons, model_names, models_by_name, submodel_count
from iota2.compute.uncertainty import mask_problem
from iota2.config.options.schema import Config
from iota2.core.labels import whole_number
from iota2.core.losses import MIN_USABLE_SHARE
from iota2.core.nomenclature import Listing, Nomenclature, Value, build_nomenclature
from iota2.core.remarks import Remark, remarks_about
from iota2.core.scene import Scene
from iota2.core.tables import REGION, SINGLE_REGION
from iota2.core.words import counted, some
from iota2.errors import InputError, InputProblems
from iota2.io.files.crs import square_metres, to_crs
from iota2.io.tables.class_counts import read_class_counts, read_counts
from iota2.io.tables.classes import read_colors, read_names
from iota2.io.tables.point_areas import PointRule
from iota2.io.tables.reference import FieldValues, ReferenceData, fields_with_labels, read_field, read_reference
from iota2.io.tables.sample_rules import read_copies, read_rules
from iota2.io.tables.value_strata import stratified
from iota2.layout import with_submodels
from iota2.runs.survey.images import Images
from iota2.runs.survey.problems import Problems, about_field
from iota2.runs.survey.regions import Regions

MANY_SUBMODELS = 10
"""Number of models of a region above which a remark is written."""
BYCLASS_KEY, AUGMENTATION_KEY = "strategy.byclass.in", "samples.strategy.byClass"


@dataclass(frozen=True)
class Reference:
    """Classes, labelled area and remarks from the reference data."""

    classes: Nomenclature | None
    """None if not checked, or with problems."""
    labelled: float
    """Area of the polygons on the tiles, in units of the first tile's CRS; 0 if they were not read."""
    remarks: tuple[Remark, ...]
    submodels: Mapping[str, int] | None = None
    """Number of models of each region with `classif_mode` fusion; None without."""


def find_reference(problems: Problems, images: Images, regions: Regions) -> Reference:
    """Read reference data and classes if ``chain.check_inputs`` is on.

    Problems of the data, and missing data for these images and regions, are added to ``problems``.
    """
    config = problems.config
    split = "reference" in problems.asks and problems.usable("arg_classification") and with_submodels(config)
    data = _polygons(problems, images) if problems.checks("reference") or split else None
    submodels, submodel_texts = _submodels(config, images, regions, data) if split else (None, ())
    classes = _classes(problems, data)
    split_values = _split_field(problems) if data is not None else None
    tables = problems.checks("reference") and problems.usable("arg_train.sample_selection")
    count_remarks = problems.attempt(lambda: _class_count_remarks(config, classes)) if tables else None
    if problems.checks("reference"):
        check_class_options(problems, classes)
        _check_undecided_label(problems, classes)
    copy_remarks = _copy_remarks(problems, regions, classes, submodels or {}) if "reference" in problems.asks else ()
    if images.complete and regions.usable and data is not None:
        for text in _coverage_problems(regions.frame, images.footprints, data, config):
            problems.add(("chain", "ground_truth"), text)
    if problems.exist:
        return Reference(classes, 0.0, (), submodels)
    texts = (
        *((*data.warnings, *data.notes) if data else ()),
        *(classes.warnings if classes else ()),
        *(split_values.notes if split_values else ()),
        *_class_coverage_remarks(data, images.footprints, classes),
        *(count_remarks or ()),
        *copy_remarks,
        *submodel_texts,
    )
    few = _few_polygons(problems, images, regions, data) if data is not None and config.quantity else ()
    labelled = _labelled_area(data, images.footprints, images.scenes) if data is not None else 0.0
    return Reference(classes, labelled, remarks_about((*texts, *few), "reference"), submodels)


def _submodels(
    config: Config, images: Images, regions: Regions, data: ReferenceData | None
) -> tuple[Mapping[str, int], tuple[str, ...]]:
    """Number of models of each region on the tiles, and remarks on regions with many models."""
    names = regions.names
    if data is None or regions.frame is None or not images.scenes:
        return dict.fromkeys(names, 1), ()
    given = config.arg_train
    outlines = dict(zip(regions.frame[REGION], regions.frame.geometry, strict=True))
    on_tiles = data.frame[data.frame.intersects(shapely.union_all(list(images.footprints.values())))]
    homes = home_regions(on_tiles.geometry.to_numpy(), {name: outlines[name] for name in names})
    grid = next(iter(images.scenes.values())).geobox
    hectares = _square_metres(to_crs(on_tiles.geometry, str(grid.crs))) / 1e4
    ratio = given.ratio if given.split_ground_truth else 1.0
    reserved = config.multi_run_fusion.reserved_share
    learners = learning_polygons(on_tiles["label"].tolist(), homes, ratio, reserved)
    learning_share = ratio * (1 - (reserved or 0.0))
    counts: dict[str, int] = {}
    areas: dict[str, float] = {}
    remarks: list[str] = []
    for name in names:
        total = sum(size for size, home in zip(hectares.tolist(), homes, strict=True) if home == name)
        area = learning_share * total / 100
        numbers = learners.get(name, {})
        counts[name] = submodel_count(area, given.mode_outside_regionsplit, [*numbers.values()])
        areas[name] = area
        remarks += _submodel_remarks(name, area, counts[name], numbers)
    numbers_text = _submodel_numbers(counts, areas, given.mode_outside_regionsplit)
    if max(counts.values(), default=1) == 1:
        _, numbers_text = config.places.with_line(("arg_classification", "classif_mode"), numbers_text)
    return counts, (numbers_text, *remarks)


def _few_polygons(problems: Problems, images: Images, regions: Regions, data: ReferenceData) -> list[str]:
    """Remarks on regions with few polygons with values, as the split of the first seed will divide them.

    Clouds, and groups that the split keeps together, are not taken into account.
    """
    if not (images.complete and regions.usable and problems.usable("arg_train")):
        return []
    given, tiles = problems.config.arg_train, shapely.union_all(list(images.footprints.values()))
    outlines = {SINGLE_REGION: tiles}
    if regions.frame is not None:
        outlines = dict(zip(regions.frame[REGION], regions.frame.geometry, strict=True))
    shapely.prepare(tiles)
    polygons = data.frame.geometry.to_numpy()
    on_tiles = np.where(shapely.intersects(tiles, polygons), polygons, shapely.Polygon())
    home = home_regions(on_tiles, outlines)
    found = stratified(data, home)
    sides = split_polygons(
        found.strata.tolist(),
        home,
        ratio=given.ratio,
        runs=1,
        random_seed=given.seed,
        split_ground_truth=given.split_ground_truth,
    )
    ratio = given.ratio if given.split_ground_truth else 1.0
    inside = polygons_in_regions(on_tiles, {name: outlines[name] for name in regions.names})
    return few_polygons_texts(polygons_by_region(inside, sides, data.frame["label"].to_numpy()), ratio)


def _square_metres(polygons: gpd.GeoSeries) -> np.ndarray:
    """(polygon,) area of polygons."""
    geometries = polygons.to_numpy()
    bounds = shapely.bounds(geometries)
    return square_metres(shapely.area(geometries), polygons.crs, (bounds[:, 1] + bounds[:, 3]) / 2)


def _submodel_numbers(counts: Mapping[str, int], areas: Mapping[str, float], threshold: float) -> str:
    """Number of models of each region, with the area of its learning polygons in km².

    If no region has several, the text is a message on ``classif_mode``.
    """
    listed = [f"region {name}: {count} ({areas[name]:.3g} km²)" for name, count in counts.items()]
    if max(counts.values(), default=1) == 1:
        large, reason = f"more than {threshold:g} km² of learning polygons (arg_train.mode_outside_regionsplit)", ""
        if any(area > threshold for area in areas.values()):
            reason = ", and several of a class"
        return f"'fusion' has no effect: no region has {large}{reason}; {some(listed)}."
    return f"Number of models, and area of the learning polygons: {some(listed, 10)}."


def _submodel_remarks(region: str, area: float, count: int, learners: Mapping[int | str, int]) -> list[str]:
    """Remarks on a region with many models, and on classes that some of its models do not know."""
    remarks = []
    if count > MANY_SUBMODELS:
        remarks.append(
            f"Region {region} has {count} models: about {area:.3g} km² of learning polygons. Fewer, larger models are "
            "faster and usually better: raise arg_train.mode_outside_regionsplit."
        )
    if rare := [f"{label} ({number})" for label, number in learners.items() if number < count]:
        remarks.append(
            f"Region {region} has {count} models, but some classes have fewer learning "
            f"polygons: {some(rare)}. Models without a polygon of a class cannot predict it."
        )
    return remarks


def _polygons(problems: Problems, images: Images) -> ReferenceData | None:
    if not problems.usable("chain.ground_truth", "chain.data_field", "chain.points", "chain.proj"):
        return None
    return problems.attempt(
        lambda: _read_reference(problems.config, images.scenes, images.footprints), "chain", "ground_truth"
    )


def _split_field(problems: Problems) -> FieldValues | None:
    """Values of ``arg_train.split_field``: polygons with equal values stay together in the split. None if not set."""
    option, field = ("arg_train", "split_field"), problems.config.arg_train.split_field
    if field is None or not problems.usable(".".join(option)):
        return None
    return problems.attempt(lambda: read_field(problems.config.chain.ground_truth, field), *option)


def _classes(problems: Problems, reference: ReferenceData | None) -> Nomenclature | None:
    """The classes. Problems of nomenclature and colour file are added even without reference data."""
    names = _listing(problems, "nomenclature_path", read_names)
    colors = _listing(problems, "color_table", read_colors)
    if reference is not None and names and (text := _other_field(problems.config, names, reference)):
        problems.add(("chain", "data_field"), text)
        return None
    if reference is not None and names and colors:
        return problems.attempt(lambda: build_nomenclature(names, colors, reference.frame["label"]), "chain")
    for key, listing in (("nomenclature_path", names), ("color_table", colors)):
        for text in listing.problems if listing else ():
            problems.add(("chain", key), text)
    return None


def _other_field(config: Config, names: Listing[str], reference: ReferenceData) -> str:
    """A problem if no label of the reference data is in the nomenclature, but all values of other fields are."""
    found, known = list(dict.fromkeys(reference.frame["label"])), _labels(names)
    if not known or known.intersection(found):
        return ""
    fields = fields_with_labels(config.chain.ground_truth, known)
    if not fields:
        return ""
    values = f"{counted(len(found), 'value')} of field '{config.chain.data_field}' ({some([*map(str, found)], 3)})"
    have = "field {} has" if len(fields) == 1 else "fields {} have"
    return (
        f"none of the {values} is in {Path(names.source).name}; {have.format(some([f'{one!r}' for one in fields]))} "
        f"its labels: did you mean {fields[0]!r}?"
    )


def _labels(names: Listing[str]) -> set[int | str]:
    """The labels of a nomenclature, as those of reference data: whole numbers, and as text."""
    numbers = {number for entry in names.entries if (number := whole_number(entry.label)) is not None}
    return {*numbers, *(entry.label for entry in names.entries)}


def _listing(problems: Problems, key: str, read: Callable[[Path], Listing[Value]]) -> Listing[Value] | None:
    if not (problems.checks("classes") and problems.usable(f"chain.{key}")):
        return None
    return problems.attempt(lambda: read(getattr(problems.config.chain, key)), "chain", key)


def _read_reference(
    config: Config, scenes: Mapping[str, Scene], footprints: Mapping[str, shapely.Geometry]
) -> ReferenceData:
    chain = config.chain
    rule = None
    if chain.points is not None:
        # without tiles no run starts, but the problems of the file are still reported
        grids = {tile: scene.geobox for tile, scene in scenes.items()}
        rule = PointRule(chain.points, grids or {"": _placeholder_grid(chain.proj)}, footprints)
    with about_field("data_field"):
        return read_reference(chain.ground_truth, chain.data_field, chain.proj, rule, quantity=config.quantity)


def _placeholder_grid(proj: str) -> GeoBox:
    return GeoBox((1, 1), Affine.scale(1.0, -1.0), proj)


def _class_count_remarks(config: Config, classes: Nomenclature | None) -> list[str]:
    """A remark on each table of counts by class without some classes; InputProblems for unusable tables.

    If the classes are not known, only the format of the tables is checked.
    """
    selection, root = config.arg_train.sample_selection, ("arg_train", "sample_selection")
    given = [(root, selection), *(((*root, "per_model", k), one) for k, one in enumerate(selection.per_model))]
    tables = {one.byclass: (*option, BYCLASS_KEY) for option, one in reversed(given) if one.byclass}
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
        f"{path}: no count for label {', '.join(labels)}: no pixels of these classes are selected with this table."
        for path, labels in missing.items()
        if labels
    ]


def check_class_options(problems: Problems, classes: Nomenclature | None) -> None:
    """Add problems of the table of additional samples, of weights and smoothness of classes, and of their number.

    If the classes are not known, only the format of the table is checked.
    """
    weights, table = problems.config.arg_train.class_weight, problems.config.arg_train.sample_augmentation.byclass
    if isinstance(weights, dict) and classes is not None and problems.usable("arg_train.class_weight"):
        problems.attempt(lambda: weights_by_code(weights, classes.code_by_label), "arg_train", "class_weight")
    smoothness = problems.config.arg_classification.smoothness
    if isinstance(smoothness, dict) and classes is not None and problems.usable("arg_classification.smoothness"):
        problems.attempt(lambda: weights_by_code(smoothness, classes.code_by_label), "arg_classification", "smoothness")
    layers = "arg_classification", "uncertainty_layers"
    wanted = problems.usable(".".join(layers)) and problems.config.arg_classification.uncertainty_layers
    if classes is not None and "likely_classes" in (wanted or ()) and (text := mask_problem(len(classes.codes))):
        problems.add(layers, f"{text}.")
    if table is not None and problems.usable("arg_train.sample_augmentation"):
        problems.attempt(
            lambda: read_counts(table) if classes is None else read_class_counts(table, classes),
            "arg_train",
            "sample_augmentation",
            AUGMENTATION_KEY,
        )


def _check_undecided_label(problems: Problems, classes: Nomenclature | None) -> None:
    """Add a problem if the label of undecided pixels in the fusion of runs is the code of a class."""
    fusion, option = problems.config.multi_run_fusion, ("multi_run_fusion", "merge_run_undecidedlabel")
    undecided = fusion.undecided_label if fusion.merge_run and problems.usable(".".join(option)) else None
    if undecided is not None and classes is not None and (text := undecided_problem(undecided, classes.codes)):
        problems.add(option, text)


def _copy_remarks(
    problems: Problems, regions: Regions, classes: Nomenclature | None, submodels: Mapping[str, int]
) -> list[str]:
    """Remarks on lines of ``sample_management`` that are ignored; problems of the file are added.

    If the classes are not known, also without ``chain.check_inputs``, labels are not checked; if the regions are not
    known, only the format.
    """
    copies, option = problems.config.arg_train.sample_management, ("arg_train", "sample_management")
    if copies is None or not problems.usable(".".join(option)):
        return []
    models = models_by_name({name: model_names(name, submodels) for name in regions.names})
    if not models or not regions.usable:
        problems.attempt(lambda: read_rules(copies), *option)
        return []
    if classes is None:
        rules = problems.attempt(lambda: read_rules(copies), *option)
        return rules_of_unknown_regions(rules or (), models, str(copies))
    found = problems.attempt(lambda: read_copies(copies, models, classes), *option)
    return found[1] if found else []


def _labelled_area(
    reference: ReferenceData, footprints: Mapping[str, shapely.Geometry], scenes: Mapping[str, Scene]
) -> float:
    """Area of the polygons that meet a tile, in map units of the first tile's CRS."""
    polygons = reference.frame.geometry
    on_tiles = polygons[polygons.intersects(shapely.union_all(list(footprints.values())))]
    grid = next(iter(scenes.values())).geobox
    return float(shapely.area(to_crs(on_tiles, str(grid.crs)).to_numpy()).sum())


def _coverage_problems(
    regions: gpd.GeoDataFrame | None,
    footprints: Mapping[str, shapely.Geometry],
    reference: ReferenceData,
    config: Config,
) -> Sequence[str]:
    """Problems of regions or tiles without reference polygons."""
    tiles = shapely.union_all(list(footprints.values()))
    polygons = reference.frame.geometry
    on_tiles = polygons[polygons.intersects(tiles)]
    where = config.chain.ground_truth
    if on_tiles.empty:
        return [
            f"{where}: none of its {len(polygons)} polygons lies on the tiles {', '.join(footprints)} "
            f"(polygons: {_bounds(polygons.total_bounds)}; tiles: {_bounds(tiles.bounds)}, in {config.chain.proj}). "
            "Check the list of tiles and the projection of the file." + _swapped_axes_hint(polygons, tiles)
        ]
    if regions is None:
        return []
    empty = [
        str(row.region)
        for row in regions.itertuples()
        if row.geometry.intersects(tiles) and not on_tiles.intersects(row.geometry).any()
    ]
    remedy = "Draw polygons there, merge it with another region, or remove it from the region file."
    return [f"{where}: region {region} has no reference polygon on the tiles. {remedy}" for region in empty]


def _class_coverage_remarks(
    reference: ReferenceData | None, footprints: Mapping[str, shapely.Geometry], classes: Nomenclature | None
) -> list[str]:
    """A remark on each class with no polygon or hardly any area on the tiles."""
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
        f"{classes.title(code)} is nearly lost: of its {counted((labels == label).sum(), 'polygon')}, "
        f"{counted((inside[labels == label] > 0).sum(), 'polygon')} with {100 * share:.1f} % of the area of the class "
        f"{'lies' if (inside[labels == label] > 0).sum() == 1 else 'lie'} on the tiles."
        for code, label in zip(classes.codes, classes.labels, strict=True)
        if (share := inside[labels == label].sum() / area[labels == label].sum()) < MIN_USABLE_SHARE
    ]


def _swapped_axes_hint(polygons: gpd.GeoSeries, tiles: shapely.Geometry) -> str:
    """A hint if polygons would be on the tiles with x and y swapped, in the projection or in degrees."""
    for crs in (polygons.crs, "EPSG:4326"):
        swapped = to_crs(polygons, crs).map(lambda one: shapely.transform(one, lambda xy: xy[:, ::-1]))
        if to_crs(gpd.GeoSeries(swapped.to_numpy(), crs=crs), polygons.crs).intersects(tiles).any():
            return " With x and y swapped they would be on the tiles: the file has its coordinates in the wrong order."
    return ""


def _bounds(bounds: Sequence[float]) -> str:
    return f"x {bounds[0]:.0f} to {bounds[2]:.0f}, y {bounds[1]:.0f} to {bounds[3]:.0f}"
