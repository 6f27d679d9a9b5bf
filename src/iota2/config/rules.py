"""Rules for combinations of options, and the list of all rules."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pyproj import CRS

from iota2.classifiers.registry import SCIKIT, regressor_of, validate_options
from iota2.config.findings import Finding, changed, is_enabled
from iota2.config.map_rules import (
    boundary_options_used,
    context_possible,
    fused_labels_kept,
    maps_of_runs_processed,
    missing_sensors_used,
    models_of_regions_split,
    probability_map_enabled,
    radar_and_optical,
    run_fusion_options_used,
    runs_can_be_fused,
    smoothing_options_used,
)
from iota2.config.options.chain import DEFAULT_LAST_STEP, Chain, UserSensor
from iota2.config.options.fields import Section
from iota2.config.options.others import Coregistration, ExternalFeatures, PythonDataManaging, Simplification
from iota2.config.options.sensors import (
    ENABLING_KEYS,
    FOLDER_KEYS,
    LAYERS,
    RADAR,
    FeatureExtraction,
    Interpolation,
    Sensor,
    Sentinel1,
    UserFeat,
)
from iota2.config.options.train import ArgTrain, DimRed, ScikitModels
from iota2.core.builder import GROUPS, Ask
from iota2.core.recipe import DEFAULT_INDICES
from iota2.core.user_features import EXOGENOUS
from iota2.core.words import counted, did_you_mean
from iota2.errors import ConfigError
from iota2.io.archive.layers import NAME as LAYERS_NAME
from iota2.io.archive.specs import builtin_specs
from iota2.io.files.addresses import is_remote
from iota2.io.files.crs import units_per_metre
from iota2.options import shown

_VECTORISED = ("classification", "confidence", "validity", "inland", "nomenclature", "clipfile")
"""Options with files of the vectorisation."""
MIN_PIXEL_METRES, MAX_PIXEL_METRES, MAX_PIXEL_DEGREES = 0.1, 4e7, 1.0
"""Bounds of a pixel size. Values outside indicate units other than those of the projection."""


@dataclass(frozen=True)
class _Series:
    """Dates, bands and expressions of one enabled sensor, and section and path of its options."""

    section: str
    path: tuple[str, ...]
    start: date | None
    end: date | None
    keep_bands: tuple[str, ...] = ()
    expressions: str = ""


def sensors_enabled(chain: Chain) -> Iterator[Finding]:
    dated = [key for section, key in ENABLING_KEYS.items() if section != LAYERS]
    if not any(getattr(chain, key) for key in (*dated, "user_sensors", "stac_items")):
        text = "no sensor is enabled; give s2_path, the path of another sensor, user_sensors or stac_items"
        layers = "; the layers of user_feat_path have no dates, and require a sensor with dates"
        yield Finding("chain", (), text + (layers if chain.user_feat_path else ""))
    for section, key in FOLDER_KEYS.items():
        name = builtin_specs()[section].name
        if is_enabled(chain, section) and name in chain.user_sensors:
            text = f"the sensor of {key} has the same name; choose another name"
            yield Finding("chain", ("user_sensors", name), text)
    if EXOGENOUS in chain.user_sensors:
        text = "the name is that of the rasters of external_features.exogeneous_data; choose another name"
        yield Finding("chain", ("user_sensors", EXOGENOUS), text)
    if chain.user_feat_path and LAYERS_NAME in chain.user_sensors:
        text = "the layers of user_feat_path have the same name; choose another name"
        yield Finding("chain", ("user_sensors", LAYERS_NAME), text)


def stac_items_complete(chain: Chain) -> Iterator[Finding]:
    """Each sensor of STAC items is known and has no folder, and each user-defined sensor has a folder or STAC items."""
    stac = chain.stac_items
    paths = {section: getattr(chain, key) for section, key in FOLDER_KEYS.items()}
    paths |= {name: given.path for name, given in chain.user_sensors.items()}
    for collection, sensor in stac.collections.items() if stac else ():
        where = ("stac_items", "collections", collection)
        if sensor not in paths:
            known = did_you_mean(sensor, paths) or f"; expected one of {', '.join(paths)}"
            yield Finding(
                "chain",
                where,
                f"{sensor!r} is neither a section of a sensor with product folders nor in user_sensors{known}",
            )
        elif paths[sensor] is not None:
            yield Finding("chain", where, f"{sensor} also has the folder {paths[sensor]}; remove one of the two")
    for name, given in chain.user_sensors.items():
        if given.path is None and (stac is None or name not in stac.collections.values()):
            text = "is missing; give the folder of its products, or add the sensor to stac_items.collections"
            yield Finding("chain", ("user_sensors", name, "path"), text)
    if stac and is_remote(stac.source) and not stac.remote:
        text = "is a web address; set stac_items.remote to True to read from web servers, or download items and images"
        yield Finding("chain", ("stac_items", "source"), text)
    if stac and stac.start_date and stac.end_date and stac.start_date > stac.end_date:
        text = f"{stac.start_date:%Y%m%d} is after end_date {stac.end_date:%Y%m%d}; exchange or correct them"
        yield Finding("chain", ("stac_items", "start_date"), text)


def tile_grid_given(chain: Chain) -> Iterator[Finding]:
    """The tiles are defined by a vector file with its options, or by a folder of rasters."""
    of_polygons = ("tile_field", "spatial_resolution", "proj")
    if chain.grid and chain.rasters_grid_path:
        text = "chain.grid also defines the tiles; remove one of the two"
        yield Finding("chain", ("rasters_grid_path",), text)
    elif chain.rasters_grid_path:
        for name in of_polygons:
            if changed(chain, name):
                text = "has no effect: the rasters of chain.rasters_grid_path define the tiles"
                yield Finding("chain", (name,), text, fatal=False)
    elif chain.grid:
        for name in of_polygons:
            if not changed(chain, name):
                what = Chain.model_fields[name].description
                yield Finding("chain", (name,), f"is missing; it is mandatory with chain.grid: {what}")
    else:
        text = "no grid of tiles; give grid with tile_field, spatial_resolution and proj, or give rasters_grid_path"
        yield Finding("chain", (), text)


def steps_in_order(chain: Chain) -> Iterator[Finding]:
    """The first step is not after the last one; the default of the last one is no limit."""
    if chain.last_step != DEFAULT_LAST_STEP and GROUPS.index(chain.first_step) > GROUPS.index(chain.last_step):
        order = ", ".join(GROUPS[: GROUPS.index(chain.first_step) + 1])
        text = f"'{chain.first_step}' comes after last_step '{chain.last_step}'; the order is {order}"
        yield Finding("chain", ("first_step",), text)


def pixel_size_fits(chain: Chain) -> Iterator[Finding]:
    """The pixel size is in the units of the projection."""
    if chain.spatial_resolution is None or not chain.proj:
        return
    geographic, units = CRS(chain.proj).is_geographic, units_per_metre(chain.proj)
    shown_size = shown(
        chain.spatial_resolution if len(set(chain.spatial_resolution)) > 1 else chain.spatial_resolution[0]
    )
    least, most = min(chain.spatial_resolution) / units, max(chain.spatial_resolution) / units
    text = ""
    if geographic and max(chain.spatial_resolution) > MAX_PIXEL_DEGREES:
        text = f"looks like metres, and {chain.proj} is in degrees; expected such as 0.0001, which is about 11 m"
    elif least < MIN_PIXEL_METRES:
        text = f"is finer than {MIN_PIXEL_METRES} m; expected such as 10"
        if not geographic:
            text = f"looks like degrees, and {chain.proj} is in metres or feet; expected such as 10"
    elif most > MAX_PIXEL_METRES:
        text = "is larger than the Earth; expected such as 10"
    if text:
        yield Finding("chain", ("spatial_resolution",), f"{shown_size} {text}")


def classes_in_two_files(chain: Chain) -> Iterator[Finding]:
    if not (chain.color_table and chain.nomenclature_path):  # no selected builder needs classes
        return
    if _real(chain.color_table) == _real(chain.nomenclature_path):
        text = "is the same file as nomenclature_path; expected another file, with lines 'label R G B'"
        yield Finding("chain", ("color_table",), text)


def outputs_outside_inputs(chain: Chain, simplification: Simplification) -> Iterator[Finding]:
    """The output folder is not in a product folder, and an output folder to be deleted contains no inputs."""
    output = _real(chain.output_path)
    products = [getattr(chain, key) for key in (*FOLDER_KEYS.values(), ENABLING_KEYS[LAYERS])]
    products += [
        *(sensor.path for sensor in chain.user_sensors.values()),
        *chain.features_path,
        chain.rasters_grid_path,
    ]
    if chain.stac_items and not is_remote(chain.stac_items.source):
        products.append(Path(chain.stac_items.source))
    for folder in filter(None, products):
        if output.is_relative_to(_real(folder)):
            yield Finding("chain", ("output_path",), f"is in the folder of products {folder}; choose another folder")
    if chain.remove_output_path:
        given = [*products, chain.ground_truth, chain.nomenclature_path, chain.color_table, chain.region_path]
        given += [chain.grid, *(getattr(simplification, name) for name in _VECTORISED)]
        for path in filter(None, given):
            if _real(path).is_relative_to(output):
                text = f"would delete {path}, which is in output_path; choose another output_path"
                yield Finding("chain", ("remove_output_path",), text)


def _real(path: Path) -> Path:
    """The path without symbolic links. Circular links are kept; opening the path reports them."""
    return Path(os.path.realpath(path))


def radar_settings_read(chain: Chain) -> Iterator[Finding]:
    """The INI file of Sentinel-1 is valid, and its folder of images does not overlap the output folder."""
    ini, path = chain.s1_path, ("s1_path",)
    if ini is None or not ini.is_file():
        return
    try:
        settings = chain.radar
    except ConfigError as err:
        for problem in err.problems:
            yield Finding("chain", path, f"{ini}: {problem}")
        return
    assert settings is not None, "the file is given"
    for warning in settings.warnings:
        yield Finding("chain", path, f"{ini}: {warning}", fatal=False)
    output, images = _real(chain.output_path), _real(settings.output)
    if output.is_relative_to(images) or (chain.remove_output_path and images.is_relative_to(output)):
        text = f"overlaps the folder of the images of Sentinel-1, {images}; choose another folder"
        yield Finding("chain", ("output_path",), text)


def several_runs_split(arg_train: ArgTrain) -> Iterator[Finding]:
    if not arg_train.split_ground_truth and arg_train.runs > 1:
        text = f"False makes all {arg_train.runs} runs identical; set runs to 1, or split_ground_truth to True"
        yield Finding("arg_train", ("split_ground_truth",), text)


def validation_independent(arg_train: ArgTrain) -> Iterator[Finding]:
    if not arg_train.split_ground_truth:
        text = "False validates the map with its learning polygons: the accuracy will be too optimistic"
        yield Finding("arg_train", ("split_ground_truth",), text, fatal=False)


def split_options_used(arg_train: ArgTrain) -> Iterator[Finding]:
    for name in ("split_field", "split_distance"):
        if getattr(arg_train, name) is not None and not arg_train.split_ground_truth:
            yield Finding("arg_train", (name,), "has no effect: split_ground_truth is False", fatal=False)


def default_indices_included(arg_train: ArgTrain) -> Iterator[Finding]:
    missing = [name for name in DEFAULT_INDICES if name not in arg_train.features]
    if arg_train.features and missing:
        text = f"{', '.join(missing)} also computed: any list except [] includes {', '.join(DEFAULT_INDICES)}"
        yield Finding("arg_train", ("features",), text, fatal=False)


def augmentation_options_used(arg_train: ArgTrain) -> Iterator[Finding]:
    given = arg_train.sample_augmentation
    if not given.activate and given.model_fields_set - {"activate"}:
        text = "has no effect: activate is False"
        yield Finding("arg_train", ("sample_augmentation",), text, fatal=False)
    for key in given.unused if given.activate else ():
        choices = f"strategy '{given.strategy}' and samples.strategy '{given.samples}'"
        yield Finding("arg_train", ("sample_augmentation", key), f"has no effect with {choices}", fatal=False)


def samples_copied_between_regions(chain: Chain, arg_train: ArgTrain) -> Iterator[Finding]:
    if arg_train.sample_management is not None and chain.region_path is None:
        text = "has no effect: without chain.region_path there is a single model"
        yield Finding("arg_train", ("sample_management",), text, fatal=False)


def classifier_options_known(arg_train: ArgTrain, scikit: ScikitModels) -> Iterator[Finding]:
    if scikit.model_type is None:
        yield from _classifier_findings(arg_train.classifier, arg_train)


def regressor_options_known(arg_train: ArgTrain, scikit: ScikitModels) -> Iterator[Finding]:
    """Options of the regressor that takes the place of the classifier; groups of values have no labels for a table."""
    for selection in (arg_train.sample_selection, *arg_train.sample_selection.per_model):
        if selection.strategy == "byclass":
            text = "'byclass' needs classes; choose another strategy, which selects from groups of values"
            yield Finding("arg_train", ("sample_selection",), text)
            break
    if scikit.model_type is not None:
        yield from _scikit_findings(regressor_of(SCIKIT), arg_train, scikit)
        return
    try:
        name = regressor_of(arg_train.classifier)
    except ConfigError as err:
        yield Finding("arg_train", ("classifier",), err.problems[0].removeprefix("classifier: "))
        return
    yield from _classifier_findings(name, arg_train)


def _classifier_findings(name: str, arg_train: ArgTrain) -> Iterator[Finding]:
    """Findings on the options of a registered method."""
    path = ("otb_classifier_options",)
    try:
        _, warnings = validate_options(name, arg_train.otb_classifier_options)
    except ConfigError as err:
        for problem in err.problems:
            yield Finding("arg_train", path, problem.removeprefix("otb_classifier_options: "))
        return
    for warning in warnings:
        about_option = warning.startswith("classifier.")
        yield Finding("arg_train", path if about_option else ("classifier",), warning, fatal=False)


def scikit_options_known(arg_train: ArgTrain, scikit: ScikitModels) -> Iterator[Finding]:
    if scikit.model_type is not None:
        yield from _scikit_findings(SCIKIT, arg_train, scikit)


def scikit_options_used(scikit: ScikitModels) -> Iterator[Finding]:
    if scikit.model_type is None:
        for name in sorted(scikit.model_fields_set - {"model_type"}):
            if changed(scikit, name):
                yield Finding(scikit.section_name, (name,), "has no effect: model_type is None", fatal=False)


def _scikit_findings(kind: str, arg_train: ArgTrain, scikit: ScikitModels) -> Iterator[Finding]:
    """Findings on the options of an estimator of scikit-learn, registered as ``kind``."""
    section = ScikitModels.section_name
    try:
        _, warnings = validate_options(kind, scikit.model_dump(exclude_unset=True))
    except ConfigError as err:
        for problem in err.problems:
            text = problem.removeprefix(f"{section}: ")
            key = next((name for name in ("model_type", "cross_validation_parameters") if text.startswith(name)), None)
            yield Finding(section, (key or "keyword_arguments",), text.removeprefix(f"{key}: "))
        return
    for warning in warnings:
        yield Finding(section, ("model_type",), warning, fatal=False)
    for name in sorted({"classifier", "otb_classifier_options"} & arg_train.model_fields_set):
        text = f"has no effect: scikit_models_parameters.model_type selects {scikit.model_type}"
        yield Finding("arg_train", (name,), text, fatal=False)


def reduction_options_used(dim_red: DimRed) -> Iterator[Finding]:
    for name in ("target_dimension", "reduction_mode"):
        if name in dim_red.model_fields_set and not dim_red.dim_red and changed(dim_red, name):
            yield Finding("dim_red", (name,), "has no effect: dim_red.dim_red is False", fatal=False)


def season_given(
    chain: Chain, interpolation: Interpolation, sentinel_1: Sentinel1, *sensors: Sensor
) -> Iterator[Finding]:
    for series in _series(chain, sentinel_1, *sensors):
        for key, day in (("start_date", series.start), ("end_date", series.end)):
            if day and interpolation.auto_date:
                text = "has no effect: sensors_data_interpolation.auto_date is True"
                yield Finding(series.section, (*series.path, key), text, fatal=False)
            if not day and not interpolation.auto_date:
                text = "is needed because sensors_data_interpolation.auto_date is False; give YYYYMMDD"
                yield Finding(series.section, (*series.path, key), text)
        if series.start and series.end and series.start > series.end:
            text = f"{series.start:%Y%m%d} is after end_date {series.end:%Y%m%d}; exchange or correct them"
            yield Finding(series.section, (*series.path, "start_date"), text)


def keep_bands_used(
    chain: Chain, extraction: FeatureExtraction, sentinel_1: Sentinel1, *sensors: Sensor
) -> Iterator[Finding]:
    for series in _series(chain, sentinel_1, *sensors):
        if series.keep_bands and not extraction.extract_bands:
            text = "has no effect: iota2_feature_extraction.extract_bands is False, so all bands are used"
            yield Finding(series.section, (*series.path, "keep_bands"), text, fatal=False)


def features_left(
    chain: Chain,
    arg_train: ArgTrain,
    interpolation: Interpolation,
    extraction: FeatureExtraction,
    external: ExternalFeatures,
) -> Iterator[Finding]:
    others = interpolation.use_additional_features or chain.s1_path or chain.user_feat_path or external.enabled
    if not extraction.copy_input and not arg_train.indices and not others:
        text = "False leaves no feature because arg_train.features is []; keep the bands or the indices"
        yield Finding("iota2_feature_extraction", ("copy_input",), text)


def user_functions_given(external: ExternalFeatures, data: PythonDataManaging) -> Iterator[Finding]:
    if external.enabled:
        if not external.functions:
            text = (
                f"is empty; give the functions of {external.module} that compute features. One with the name none is "
                "written as ['none'], because 'none' means that an option has no value"
            )
            yield Finding("external_features", ("functions",), text)
        known = [call.name for call in external.functions]
        asked = () if isinstance(external.whole_tiles, bool) else external.whole_tiles
        for name in (name for name in asked if name not in known):
            hint = did_you_mean(name, known) or f"; expected some of {', '.join(known)}"
            yield Finding("external_features", ("whole_tiles",), f"{name!r} is not one of the functions{hint}")
        return
    reason = "external_features.module is not given" if external.module is None else "external_features_flag is False"
    used = (
        (external, ("functions", "concat_mode", "no_data_value", "whole_tiles", "fill_missing_dates")),
        (external, ("exogeneous_data", "exogeneous_resampling")),
        (data, ("data_mode_access", "padding_size_x", "padding_size_y")),
    )
    for section, names in used:
        for name in names:
            if changed(section, name):
                yield Finding(section.section_name, (name,), f"has no effect: {reason}", fatal=False)


def expressions_used(
    chain: Chain, interpolation: Interpolation, sentinel_1: Sentinel1, *sensors: Sensor
) -> Iterator[Finding]:
    for series in _series(chain, sentinel_1, *sensors):
        if series.expressions and not interpolation.use_additional_features:
            text = "has no effect: sensors_data_interpolation.use_additional_features is False"
            yield Finding(series.section, (*series.path, "additional_features"), text, fatal=False)


def sensor_sections_used(
    chain: Chain, user_feat: UserFeat, sentinel_1: Sentinel1, *sensors: Sensor
) -> Iterator[Finding]:
    given = {LAYERS: user_feat, RADAR: sentinel_1, **{one.section_name: one for one in sensors}}
    for section, key in ENABLING_KEYS.items():
        options = given[section]
        if getattr(chain, key) is None and not is_enabled(chain, section) and options.model_fields_set:
            yield Finding(section, (), f"has no effect: chain.{key} is not set", fatal=False)


def coregistration_options_used(coregistration: Coregistration) -> Iterator[Finding]:
    given = [name for name in coregistration.model_fields_set if name != "vhr_path" and changed(coregistration, name)]
    for name in sorted(given):
        text = ""
        if coregistration.vhr_path is None:
            text = "has no effect: coregistration.vhr_path is not set"
        elif name in ("date_src", "date_vhr") and coregistration.mode == 1:
            text = "has no effect with mode 1: each date is compared with the reference image; use mode 2 or 3"
        elif name == "date_vhr" and coregistration.date_src and all(coregistration.date_src):
            text = "has no effect: date_src is set"
        if text:
            yield Finding("coregistration", (name,), text, fatal=False)


def coregistration_dates_match_tiles(chain: Chain, coregistration: Coregistration) -> Iterator[Finding]:
    days, tiles = coregistration.date_src, chain.list_tile
    if coregistration.vhr_path is not None and len(days) > 1 and len(days) != len(tiles):
        words = f"has {len(days)} dates for {counted(len(tiles), 'tile')}"
        text = f"{words}; give one date, or a date or None for each tile"
        yield Finding("coregistration", ("date_src",), text)


def vectorised_run_known(arg_train: ArgTrain, simplification: Simplification) -> Iterator[Finding]:
    seed, runs = simplification.seed, arg_train.runs
    if seed is None:
        return
    if simplification.classification is not None:
        text = "has no effect: simplification.classification is given"
        yield Finding("simplification", ("seed",), text, fatal=False)
    elif seed >= runs:
        yield Finding("simplification", ("seed",), f"is {seed}; expected a run from 0 to {runs - 1}, by arg_train.runs")


def clip_options_complete(simplification: Simplification) -> Iterator[Finding]:
    if simplification.clipfile is not None and simplification.clipfield is None:
        text = "is missing; it is mandatory with simplification.clipfile: the field that names the areas"
        yield Finding("simplification", ("clipfield",), text)
    for name in ("clipfield", "clipvalue") if simplification.clipfile is None else ():
        if changed(simplification, name):
            yield Finding("simplification", (name,), "has no effect: clipfile is not set", fatal=False)


def sea_options_complete(simplification: Simplification) -> Iterator[Finding]:
    given = simplification
    if given.inland is None:
        for name in ("water_class", "sea_class"):
            if changed(given, name):
                yield Finding("simplification", (name,), "has no effect: inland is not set", fatal=False)
    elif given.water_class is None:
        text = "is missing; it is mandatory with simplification.inland: the code of water in the map"
        yield Finding("simplification", ("water_class",), text)
    elif given.water_class == given.sea_class:
        text = f"is {given.sea_class}, as water_class; give the sea a code of its own"
        yield Finding("simplification", ("sea_class",), text)


def _series(chain: Chain, sentinel_1: Sentinel1, *sensors: Sensor) -> Iterator[_Series]:
    """The enabled sensors with dates."""
    if chain.s1_path:
        yield _Series(RADAR, (), sentinel_1.start_date, sentinel_1.end_date)
    for given in sensors:
        if is_enabled(chain, given.section_name):
            yield _series_of(given.section_name, (), given)
    for name, sensor in chain.user_sensors.items():
        yield _series_of("chain", ("user_sensors", name), sensor)


def _series_of(section: str, path: tuple[str, ...], given: Sensor | UserSensor) -> _Series:
    return _Series(section, path, given.start_date, given.end_date, given.keep_bands, given.additional_features)


_DATED = (RADAR, *FOLDER_KEYS)

RULES: tuple[tuple[Callable[..., Iterator[Finding]], tuple[str, ...]], ...] = (
    (sensors_enabled, ("chain",)),
    (tile_grid_given, ("chain",)),
    (stac_items_complete, ("chain",)),
    (steps_in_order, ("chain",)),
    (pixel_size_fits, ("chain",)),
    (classes_in_two_files, ("chain",)),
    (outputs_outside_inputs, ("chain", "simplification")),
    (radar_settings_read, ("chain",)),
    (several_runs_split, ("arg_train",)),
    (validation_independent, ("arg_train",)),
    (split_options_used, ("arg_train",)),
    (default_indices_included, ("arg_train",)),
    (augmentation_options_used, ("arg_train",)),
    (samples_copied_between_regions, ("chain", "arg_train")),
    (models_of_regions_split, ("chain", "arg_train", "arg_classification")),
    (radar_and_optical, ("chain", "arg_train", "arg_classification")),
    (classifier_options_known, ("arg_train", "scikit_models_parameters")),
    (scikit_options_known, ("arg_train", "scikit_models_parameters")),
    (regressor_options_known, ("arg_train", "scikit_models_parameters")),
    (scikit_options_used, ("scikit_models_parameters",)),
    (reduction_options_used, ("dim_red",)),
    (probability_map_enabled, ("arg_classification", "multi_run_fusion")),
    (smoothing_options_used, ("arg_classification",)),
    (runs_can_be_fused, ("arg_train", "multi_run_fusion")),
    (run_fusion_options_used, ("multi_run_fusion",)),
    (fused_labels_kept, ("arg_classification",)),
    (maps_of_runs_processed, ("arg_classification", "multi_run_fusion")),
    (missing_sensors_used, ("chain", "arg_train", "arg_classification")),
    (season_given, ("chain", "sensors_data_interpolation", *_DATED)),
    (keep_bands_used, ("chain", "iota2_feature_extraction", *_DATED)),
    (expressions_used, ("chain", "sensors_data_interpolation", *_DATED)),
    (
        features_left,
        ("chain", "arg_train", "sensors_data_interpolation", "iota2_feature_extraction", "external_features"),
    ),
    (user_functions_given, ("external_features", "python_data_managing")),
    (coregistration_options_used, ("coregistration",)),
    (coregistration_dates_match_tiles, ("chain", "coregistration")),
    (sensor_sections_used, ("chain", LAYERS, *_DATED)),
    (boundary_options_used, ("chain", "arg_classification")),
    (context_possible, ("arg_train", "scikit_models_parameters", "dim_red")),
    (vectorised_run_known, ("arg_train", "simplification")),
    (clip_options_complete, ("simplification",)),
    (sea_options_complete, ("simplification",)),
)
"""Every rule, with the sections that are its arguments."""


RULES_OF: Mapping[Callable[..., Iterator[Finding]], Ask] = {
    sensors_enabled: "images",
    tile_grid_given: "grid",
    vectorised_run_known: "map",
    clip_options_complete: "map",
    sea_options_complete: "map",
    regressor_options_known: "quantity",
}
"""Rules that apply only if a builder asks for some input data."""

RULES_OF_CLASSIFIERS = (classifier_options_known, scikit_options_known)
"""Rules that do not apply if a builder asks for a quantity: its models are regressors."""

READS: Mapping[Callable[..., Iterator[Finding]], tuple[str, ...]] = {
    tile_grid_given: (
        "chain.grid",
        "chain.rasters_grid_path",
        "chain.tile_field",
        "chain.spatial_resolution",
        "chain.proj",
    ),
    steps_in_order: ("chain.first_step", "chain.last_step"),
    pixel_size_fits: ("chain.spatial_resolution", "chain.proj"),
    classes_in_two_files: ("chain.color_table", "chain.nomenclature_path"),
    several_runs_split: ("arg_train.split_ground_truth", "arg_train.runs"),
    runs_can_be_fused: (
        "arg_train.split_ground_truth",
        "arg_train.runs",
        "multi_run_fusion.merge_run",
        "multi_run_fusion.merge_run_method",
    ),
    classifier_options_known: (
        "arg_train.classifier",
        "arg_train.otb_classifier_options",
        "scikit_models_parameters.model_type",
    ),
    regressor_options_known: (
        "arg_train.classifier",
        "arg_train.otb_classifier_options",
        "arg_train.sample_selection",
        "scikit_models_parameters.model_type",
    ),
    coregistration_dates_match_tiles: ("coregistration.vhr_path", "coregistration.date_src", "chain.list_tile"),
}
"""Options that a rule reads, for rules that are also applied if other options of their sections are invalid."""


def findings(sections: Mapping[str, Section], asks: Set[Ask]) -> Iterator[Finding]:
    """Findings of all rules for builders that ask for some input data.

    Rules with an invalid section, absent in ``sections``, are skipped.
    """
    for rule, names in _rules(asks):
        if all(name in sections for name in names):
            yield from rule(*(sections[name] for name in names))


def _rules(asks: Set[Ask]) -> Iterator[tuple[Callable[..., Iterator[Finding]], tuple[str, ...]]]:
    """The rules that apply to some input data, with their sections."""
    unused = RULES_OF_CLASSIFIERS if "quantity" in asks else ()
    rules = ((rule, names) for rule, names in RULES if rule not in unused)
    return ((rule, names) for rule, names in rules if rule not in RULES_OF or RULES_OF[rule] in asks)


def findings_beside_problems(
    valid: Set[str], sections: Mapping[str, Section], broken: Set[str], asks: Set[Ask]
) -> Iterator[Finding]:
    """Problems found by the rules that ``findings`` of the ``valid`` sections skips, as far as ``READS`` allows.

    ``sections``: all sections, with defaults in place of the ``broken`` options. No rule that reads one is applied.
    """
    for rule, names in _rules(asks):
        reads = READS.get(rule, ())
        usable = reads and broken.isdisjoint({*reads, *(option.partition(".")[0] for option in reads)})
        if usable and not valid >= {*names}:
            yield from (found for found in rule(*(sections[name] for name in names)) if found.fatal)
