"""Enabled sensors of a configuration, with their options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from iota2.compute.expressions import bands_by_position, expression_problems, split_expressions
from iota2.config.options.chain import UserSensor
from iota2.config.options.schema import SECTIONS, Config
from iota2.config.options.sensors import PATHS, PLACES, RADAR, Sensor, Sentinel1
from iota2.config.s1_ini import read_s1_ini
from iota2.core.remarks import Remark
from iota2.core.sensor import SensorOptions, SensorSpec
from iota2.errors import ConfigError, UserError
from iota2.io.archive.layers import layers_wanted
from iota2.io.archive.radar_names import named_like
from iota2.io.archive.s1tiling import DIRECTIONS, of_direction
from iota2.io.archive.specs import builtin_specs, load_spec

Problem = tuple[tuple[str, ...], str]
"""An option (empty when the message begins with it), and its problem."""


def enabled_sensors(config: Config) -> tuple[SensorOptions, ...]:
    """The enabled sensors: built-in sensors in their fixed order, user-defined sensors by name, then layers without
    dates.

    Raises ConfigError, with all the reasons, for unusable descriptions, unknown bands to keep, an unknown reference
    sensor, and invalid expressions.
    """
    sensors, problems = sensors_and_problems(config)
    if problems:
        sentences = [f"{'.'.join(option)}: {text}" if option else text for option, text in problems]
        raise ConfigError(sentences, source=str(config.source))
    return sensors


def sensors_and_problems(config: Config) -> tuple[tuple[SensorOptions, ...], tuple[Problem, ...]]:
    """The enabled sensors with usable descriptions, in order, and problems of sensor options."""
    given = config.sensors_data_interpolation.use_additional_features, config.iota2_feature_extraction.extract_bands
    stac, enabled, problems = config.chain.stac_items, list[SensorOptions](), list[Problem]()
    items = dict.fromkeys(stac.collections.values(), stac.source) if stac else {}
    for section, key in PATHS.items():
        folder, options = getattr(config.chain, key), config.section(section)
        if folder is not None or section in items:
            assert isinstance(options, Sensor)
            spec, source = builtin_specs()[section], folder or items[section]
            enabled.append(_options(spec, source, options, *given, stac=folder is None))
    enabled += _radar(config)
    enabled.sort(key=lambda one: [*PLACES].index(one.spec.section))
    for name, sensor in sorted(config.chain.user_sensors.items()):
        try:
            spec = _described(name, sensor.description)
        except UserError as err:
            problems.append((("chain", "user_sensors", name, "description"), str(err)))
        else:
            enabled.append(_options(spec, sensor.path or items[name], sensor, *given, stac=sensor.path is None))
    layers, folder = config.user_feat, config.chain.user_feat_path
    if folder is not None:
        enabled.append(layers_wanted(folder, layers.arbo, layers.patterns, layers.resampling, layers.nodata))
    found = [p for options in enabled for p in (*_band_problems(options), *_expression_problems(options))]
    if not problems:  # a sensor without description may be the one that is asked for
        found += _reference_problems(config.chain.reference_sensor, [options.spec for options in enabled])
    return tuple(enabled), tuple(dict.fromkeys([*problems, *(((), text) for text in found)]))


def _described(name: str, description: Path) -> SensorSpec:
    """The description of a user-defined sensor, under its name."""
    spec = load_spec(description)
    if spec.name != name:
        raise ConfigError([f"{name!r} is described as {spec.name!r}; use one name."], source=str(description))
    return spec


def _radar(config: Config) -> list[SensorOptions]:
    """Sentinel-1, when enabled: one series per direction.

    Its expressions are always computed: the key of the INI file is also their switch.
    """
    if config.chain.s1_path is None:
        return []
    options, settings = config.section(RADAR), read_s1_ini(config.chain.s1_path, config.chain.paths_from)
    assert isinstance(options, Sentinel1)
    spec = named_like(builtin_specs()[RADAR], settings.pattern)
    return [
        SensorOptions(
            spec=of_direction(spec, direction),
            source=settings.output,
            temporal_resolution=settings.temporal_resolution,
            start_date=options.start_date,
            end_date=options.end_date,
            expressions=split_expressions(settings.expressions),
            speckle_radius=settings.speckle_radius,
            decibel=options.decibel,
        )
        for direction in DIRECTIONS
    ]


def expression_remarks(sensors: Sequence[SensorOptions]) -> list[Remark]:
    """A remark for each sensor whose expressions name bands by position, with the names of these bands."""
    remarks = []
    for options in sensors:
        named = ", ".join(f"{k} = {band}" for k, band in bands_by_position(options.expressions, options.bands).items())
        if named:
            text = f"{_expressions_place(options.spec)}: in the expressions of {options.spec.name}, {named}."
            remarks.append(Remark(text, "options", sensor=options.spec.name))
    return remarks


def _options(
    spec: SensorSpec,
    source: Path | str,
    options: Sensor | UserSensor,
    expressions: bool,
    extract: bool,
    *,
    stac: bool,
) -> SensorOptions:
    """Options of one sensor with a product folder or STAC source; the same for user-defined and built-in sensors."""
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


def images_option(options: SensorOptions) -> tuple[str, ...]:
    """The option with the location of a sensor's images."""
    if options.stac:
        return "chain", "stac_items", "source"
    section = options.spec.section
    return ("chain", PLACES[section]) if section in PLACES else ("chain", "user_sensors", options.spec.name, "path")


def place_of(spec: SensorSpec) -> str:
    """Section and key of a sensor's options in the configuration."""
    return spec.section if spec.section in SECTIONS else f"chain.user_sensors.{spec.name}"


def _expressions_place(spec: SensorSpec) -> str:
    """Section and key of a sensor's expressions."""
    if spec.section == RADAR:
        return "chain.s1_path: [Features] expression"
    return f"{place_of(spec)}.additional_features"


def _expression_problems(options: SensorOptions) -> list[str]:
    """Problems of the expressions of a sensor."""
    place = _expressions_place(options.spec)
    return [f"{place}: {problem}." for problem in expression_problems(options.expressions, options.bands)]


def _reference_problems(asked: str | None, specs: Sequence[SensorSpec]) -> list[str]:
    """Problem of a reference sensor that is not among the sensors with dates."""
    names = [name for spec in specs if not spec.static for name in dict.fromkeys((spec.section, spec.name))]
    if asked is None or asked in names:
        return []
    return [f"chain.reference_sensor: {asked!r} is none of the sensors in use; expected one of {', '.join(names)}."]


def _band_problems(options: SensorOptions) -> list[str]:
    """Unknown bands to keep."""
    spec = options.spec
    unknown = [band for band in options.keep_bands if band not in spec.band_names]
    names = ", ".join(spec.band_names)
    return [f"{place_of(spec)}.keep_bands: {', '.join(unknown)} unknown; expected some of {names}."] if unknown else []


def path_key(spec: SensorSpec) -> str:
    """The key of ``chain`` with the sensor's folder, or with the file that names the folder; empty for a user-defined
    sensor."""
    return PLACES.get(spec.section, "")
