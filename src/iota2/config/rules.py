"""What options must be to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from iota2.classifiers.registry import validate_options
from iota2.config.fields import Section
from iota2.config.options_chain import GROUPS, Chain, UserSensor
from iota2.config.options_sensors import PATHS, FeatureExtraction, Interpolation, Sensor, Sentinel1
from iota2.config.options_train import ArgClassification, ArgTrain
from iota2.core.recipe import INDICES
from iota2.errors import ConfigError
from iota2.io.specs import builtin_specs


@dataclass(frozen=True)
class Finding:
    """Something about options that are valid one by one."""

    section: str
    path: tuple[str, ...]
    text: str
    fatal: bool = True


@dataclass(frozen=True)
class _Series:
    """Dates and bands of one enabled sensor, and where its options stand."""

    section: str
    path: tuple[str, ...]
    start: date | None
    end: date | None
    keep_bands: tuple[str, ...] = ()
    expressions: str = ""


def sensors_enabled(chain: Chain) -> Iterator[Finding]:
    if not any(getattr(chain, key) for key in (*PATHS.values(), "s1_path", "user_sensors")):
        text = "no sensor is enabled; give s2_path, the path of another sensor, or user_sensors"
        yield Finding("chain", (), text)
    for section, key in PATHS.items():
        name = builtin_specs()[section].name
        if getattr(chain, key) and name in chain.user_sensors:
            text = f"{key} already has this name; expected another name for the sensor"
            yield Finding("chain", ("user_sensors", name), text)


def steps_ordered(chain: Chain) -> Iterator[Finding]:
    if GROUPS.index(chain.first_step) > GROUPS.index(chain.last_step):
        order = ", ".join(GROUPS[: GROUPS.index(chain.first_step) + 1])
        text = f"'{chain.first_step}' comes after last_step '{chain.last_step}'; the order is {order}"
        yield Finding("chain", ("first_step",), text)


def outputs_apart(chain: Chain) -> Iterator[Finding]:
    """Results never among products; nothing the user gave below a folder that is to be deleted."""
    output = chain.output_path.resolve()
    products = [getattr(chain, key) for key in (*PATHS.values(), "user_feat_path")]
    products += [sensor.path for sensor in chain.user_sensors.values()]
    for folder in filter(None, products):
        if output.is_relative_to(folder.resolve()):
            yield Finding("chain", ("output_path",), f"lies in the folder of products {folder}; choose another folder")
    if chain.remove_output_path:
        given = [*products, chain.ground_truth, chain.nomenclature_path, chain.color_table, chain.region_path]
        for path in filter(None, given):
            if path.resolve().is_relative_to(output):
                text = f"would delete {path}, which lies in output_path; choose another output_path"
                yield Finding("chain", ("remove_output_path",), text)


def split_or_single_run(arg_train: ArgTrain) -> Iterator[Finding]:
    if not arg_train.split_ground_truth and arg_train.runs > 1:
        text = f"False makes all {arg_train.runs} runs alike; set runs to 1, or split_ground_truth to True"
        yield Finding("arg_train", ("split_ground_truth",), text)


def validation_apart(arg_train: ArgTrain) -> Iterator[Finding]:
    if not arg_train.split_ground_truth:
        text = "False validates the map on the ground it was learned from: its accuracy will be optimistic"
        yield Finding("arg_train", ("split_ground_truth",), text, fatal=False)


def features_whole(arg_train: ArgTrain) -> Iterator[Finding]:
    missing = [name for name in INDICES if name not in arg_train.features]
    if arg_train.features and missing:
        text = f"{', '.join(missing)} also computed: any list but [] stands for all of {', '.join(INDICES)}"
        yield Finding("arg_train", ("features",), text, fatal=False)


def classifier_options_known(arg_train: ArgTrain) -> Iterator[Finding]:
    path = ("otb_classifier_options",)
    try:
        _, warnings = validate_options(arg_train.classifier, arg_train.otb_classifier_options)
    except ConfigError as err:
        for problem in err.problems:
            yield Finding("arg_train", path, problem.removeprefix("otb_classifier_options: "))
        return
    for warning in warnings:
        yield Finding("arg_train", path, warning, fatal=False)


def probabilities_used(arg_classification: ArgClassification) -> Iterator[Finding]:
    given = "generate_final_probability_map" in arg_classification.model_fields_set
    if given and arg_classification.generate_final_probability_map and not arg_classification.enable_probability_map:
        text = "has no effect: enable_probability_map is False"
        yield Finding("arg_classification", ("generate_final_probability_map",), text, fatal=False)


def dates_given(
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


def bands_extracted(
    chain: Chain, extraction: FeatureExtraction, sentinel_1: Sentinel1, *sensors: Sensor
) -> Iterator[Finding]:
    for series in _series(chain, sentinel_1, *sensors):
        if series.keep_bands and not extraction.extract_bands:
            text = "has no effect: iota2_feature_extraction.extract_bands is False, all bands are used"
            yield Finding(series.section, (*series.path, "keep_bands"), text, fatal=False)


def something_used(arg_train: ArgTrain, extraction: FeatureExtraction) -> Iterator[Finding]:
    if not extraction.copy_input and not arg_train.indices:
        text = "False leaves no feature because arg_train.features is []; keep the bands or the indices"
        yield Finding("iota2_feature_extraction", ("copy_input",), text)


def expressions_used(
    chain: Chain, interpolation: Interpolation, sentinel_1: Sentinel1, *sensors: Sensor
) -> Iterator[Finding]:
    for series in _series(chain, sentinel_1, *sensors):
        if series.expressions and not interpolation.use_additional_features:
            text = "has no effect: sensors_data_interpolation.use_additional_features is False"
            yield Finding(series.section, (*series.path, "additional_features"), text, fatal=False)


def sensors_used(chain: Chain, sentinel_1: Sentinel1, *sensors: Sensor) -> Iterator[Finding]:
    pairs = zip((*PATHS, "Sentinel_1"), (*PATHS.values(), "s1_path"), (*sensors, sentinel_1), strict=True)
    for section, key, options in pairs:
        if getattr(chain, key) is None and options.model_fields_set:
            yield Finding(section, (), f"has no effect: chain.{key} is not given", fatal=False)


def _series(chain: Chain, sentinel_1: Sentinel1, *sensors: Sensor) -> Iterator[_Series]:
    """The enabled sensors with dates."""
    if chain.s1_path:
        yield _Series("Sentinel_1", (), sentinel_1.start_date, sentinel_1.end_date)
    for (section, key), given in zip(PATHS.items(), sensors, strict=True):
        if getattr(chain, key):
            yield _series_of(section, (), given)
    for name, sensor in chain.user_sensors.items():
        yield _series_of("chain", ("user_sensors", name), sensor)


def _series_of(section: str, path: tuple[str, ...], given: Sensor | UserSensor) -> _Series:
    return _Series(section, path, given.start_date, given.end_date, given.keep_bands, given.additional_features)


_DATED = ("Sentinel_1", *PATHS)

RULES: tuple[tuple[Callable[..., Iterator[Finding]], tuple[str, ...]], ...] = (
    (sensors_enabled, ("chain",)),
    (steps_ordered, ("chain",)),
    (outputs_apart, ("chain",)),
    (split_or_single_run, ("arg_train",)),
    (validation_apart, ("arg_train",)),
    (features_whole, ("arg_train",)),
    (classifier_options_known, ("arg_train",)),
    (probabilities_used, ("arg_classification",)),
    (dates_given, ("chain", "sensors_data_interpolation", *_DATED)),
    (bands_extracted, ("chain", "iota2_feature_extraction", *_DATED)),
    (expressions_used, ("chain", "sensors_data_interpolation", *_DATED)),
    (something_used, ("arg_train", "iota2_feature_extraction")),
    (sensors_used, ("chain", *_DATED)),
)
"""Every rule, with the sections it looks at."""


def findings(sections: dict[str, Section]) -> Iterator[Finding]:
    """What the rules find; a rule about a section that is absent (because it is not valid) is left out."""
    for rule, names in RULES:
        if all(name in sections for name in names):
            yield from rule(*(sections[name] for name in names))
