"""Enabled sensors of a configuration, and problems of their options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from iota2.compute.expressions import expression_problems, split_expressions
from iota2.config.options.chain import Chain, UserSensor
from iota2.config.options.fields import Section
from iota2.config.options.others import ExternalFeatures
from iota2.config.options.sensors import (
    ENABLING_KEYS,
    FOLDER_KEYS,
    RADAR,
    FeatureExtraction,
    Interpolation,
    Sensor,
    Sentinel1,
    UserFeat,
)
from iota2.core.sensor import SensorOptions, SensorSpec
from iota2.errors import ConfigError, OptionPath, UserError
from iota2.io.archive.layers import EXOGENOUS_SECTION, exogenous_options, layer_options
from iota2.io.archive.radar_names import named_like
from iota2.io.archive.specs import builtin_specs, load_spec

Problem = tuple[OptionPath, str]
"""An option and a message about it."""


@dataclass(frozen=True)
class EnabledSensors:
    """The enabled sensors of a configuration."""

    sensors: tuple[SensorOptions, ...]
    """Sensors with a valid description, in the order of features."""
    problems: tuple[Problem, ...] = ()
    """Problems of the options of sensors."""


def resolve(
    chain: Chain,
    sections: Mapping[str, Section],
    layers: UserFeat,
    interpolation: Interpolation,
    extraction: FeatureExtraction,
    *,
    external: ExternalFeatures,
) -> EnabledSensors:
    """The enabled sensors: built-in sensors in their fixed order, user-defined sensors by name, then layers without
    dates, those that only functions of the user read last.

    ``sections``: the sections of built-in sensors, by name. The function reads the descriptions of user-defined sensors
    and the INI file of Sentinel-1. Raises ConfigError for an invalid INI file.
    """
    given = interpolation.use_additional_features, extraction.extract_bands
    enabled = [*_of_folders(chain, sections, *given), *_radar(chain, sections)]
    enabled.sort(key=lambda one: [*ENABLING_KEYS].index(one.spec.section))
    users, problems = _of_users(chain, *given)
    enabled += users
    if chain.user_feat_path is not None:
        wanted = layers.arbo, layers.patterns, layers.resampling, layers.nodata
        enabled.append(layer_options(chain.user_feat_path, *wanted))
    if external.exogenous:
        enabled.append(exogenous_options(external.exogenous, external.exogeneous_resampling))
    found = [p for options in enabled for p in (*_band_problems(options), *_expression_problems(options))]
    if not problems:  # a sensor with an invalid description may be the reference sensor
        found += _reference_problems(chain.reference_sensor, [options.spec for options in enabled])
    return EnabledSensors(tuple(enabled), tuple(dict.fromkeys([*problems, *found])))


def _items(chain: Chain) -> dict[str, str]:
    """Source of the STAC items by section or name of the sensor."""
    return dict.fromkeys(chain.stac_items.collections.values(), chain.stac_items.source) if chain.stac_items else {}


def _of_folders(chain: Chain, sections: Mapping[str, Section], expressions: bool, extract: bool) -> list[SensorOptions]:
    """The built-in sensors with a product folder or STAC items."""
    enabled, items = [], _items(chain)
    for section, key in FOLDER_KEYS.items():
        folder, options = getattr(chain, key), sections[section]
        if folder is not None or section in items:
            assert isinstance(options, Sensor)
            spec, source = builtin_specs()[section], folder or items[section]
            enabled.append(_options(spec, source, options, expressions, extract, stac=folder is None))
    return enabled


def _of_users(chain: Chain, expressions: bool, extract: bool) -> tuple[list[SensorOptions], list[Problem]]:
    """The user-defined sensors by name, and problems of their descriptions."""
    enabled, problems, items = list[SensorOptions](), list[Problem](), _items(chain)
    for name, sensor in sorted(chain.user_sensors.items()):
        try:
            spec = _described(name, sensor.description)
        except UserError as err:
            problems.append((("chain", "user_sensors", name, "description"), str(err)))
        else:
            source, stac = sensor.path or items[name], sensor.path is None
            enabled.append(_options(spec, source, sensor, expressions, extract, stac=stac))
    return enabled, problems


def _described(name: str, description: Path) -> SensorSpec:
    """The description of a user-defined sensor. ConfigError if its name is another one."""
    spec = load_spec(description)
    if spec.name != name:
        raise ConfigError([f"{name!r} is described as {spec.name!r}; use one name."], source=str(description))
    return spec


def _radar(chain: Chain, sections: Mapping[str, Section]) -> list[SensorOptions]:
    """The series of Sentinel-1, one for each orbit direction; empty if the sensor is not enabled.

    Expressions in the INI file are always computed; ``use_additional_features`` does not apply.
    """
    options, settings = sections[RADAR], chain.radar
    if settings is None:
        return []
    assert isinstance(options, Sentinel1)
    spec = named_like(builtin_specs()[RADAR], settings.pattern)
    return [
        SensorOptions(
            spec=series,
            source=settings.output,
            temporal_resolution=settings.temporal_resolution,
            start_date=options.start_date,
            end_date=options.end_date,
            expressions=split_expressions(settings.expressions),
            speckle_radius=settings.speckle_radius,
            decibel=options.decibel,
        )
        for series in spec.series
    ]


def _options(
    spec: SensorSpec,
    source: Path | str,
    options: Sensor | UserSensor,
    expressions: bool,
    extract: bool,
    *,
    stac: bool,
) -> SensorOptions:
    """The options of one built-in or user-defined sensor. ``source``: its product folder, or the source of STAC
    items."""
    return SensorOptions(
        spec=spec,
        source=source,
        stac=stac,
        temporal_resolution=options.temporal_resolution or spec.temporal_resolution,
        start_date=options.start_date,
        end_date=options.end_date,
        keep_bands=tuple(options.keep_bands) if extract else (),
        expressions=split_expressions(options.additional_features) if expressions else (),
    )


def place_of(spec: SensorSpec) -> OptionPath:
    """Section or dictionary with the options of a sensor."""
    own = spec.section in ENABLING_KEYS or spec.section == EXOGENOUS_SECTION
    return (spec.section,) if own else ("chain", "user_sensors", spec.name)


def expressions_place(spec: SensorSpec) -> tuple[OptionPath, str]:
    """The option with the expressions of a sensor, and the key in the file that it names, if they are in a file."""
    if spec.section == RADAR:
        return ("chain", "s1_path"), "[Features] expression: "
    return (*place_of(spec), "additional_features"), ""


def _expression_problems(options: SensorOptions) -> list[Problem]:
    """Invalid expressions of a sensor."""
    option, key = expressions_place(options.spec)
    return [(option, f"{key}{problem}.") for problem in expression_problems(options.expressions, options.bands)]


def _reference_problems(asked: str | None, specs: Sequence[SensorSpec]) -> list[Problem]:
    """A problem if the reference sensor is not an enabled sensor with dates."""
    names = [name for spec in specs if not spec.static for name in dict.fromkeys((spec.section, spec.name))]
    if asked is None or asked in names:
        return []
    text = f"{asked!r} is not an enabled sensor with dates; expected one of {', '.join(names)}."
    return [(("chain", "reference_sensor"), text)]


def _band_problems(options: SensorOptions) -> list[Problem]:
    """A problem if bands in ``keep_bands`` do not exist."""
    spec = options.spec
    unknown = [band for band in options.keep_bands if band not in spec.band_names]
    names = ", ".join(spec.band_names)
    text = f"unknown bands {', '.join(unknown)}; expected any of {names}."
    return [((*place_of(spec), "keep_bands"), text)] if unknown else []
