"""Which sensors the sections of a configuration enable, and what is wrong with their options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from iota2.compute.expressions import expression_problems, split_expressions
from iota2.config.options.chain import Chain, UserSensor
from iota2.config.options.fields import Section
from iota2.config.options.sensors import (
    PATHS,
    PLACES,
    RADAR,
    FeatureExtraction,
    Interpolation,
    Sensor,
    Sentinel1,
    UserFeat,
)
from iota2.core.sensor import SensorOptions, SensorSpec
from iota2.errors import ConfigError, UserError
from iota2.io.archive.layers import layer_options
from iota2.io.archive.radar_names import named_like
from iota2.io.archive.specs import builtin_specs, load_spec

Problem = tuple[tuple[str, ...], str]
"""An option, empty when the sentence begins with it, and what is wrong with it."""


@dataclass(frozen=True)
class EnabledSensors:
    """The sensors that a configuration enables."""

    sensors: tuple[SensorOptions, ...]
    """Those whose description can be used, in the order of features."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with the options of sensors."""


def resolve(
    chain: Chain,
    sections: Mapping[str, Section],
    layers: UserFeat,
    interpolation: Interpolation,
    extraction: FeatureExtraction,
) -> EnabledSensors:
    """The enabled sensors: those that come with the program in their fixed order, the user's by name, then the layers
    without dates. ``sections`` are those of the sensors that come with the program, by name.

    Descriptions of the user's sensors and the INI file of Sentinel-1 are read. Raises ConfigError when the latter
    cannot be used.
    """
    given = interpolation.use_additional_features, extraction.extract_bands
    enabled = [*_of_folders(chain, sections, *given), *_radar(chain, sections)]
    enabled.sort(key=lambda one: [*PLACES].index(one.spec.section))
    users, problems = _of_users(chain, *given)
    enabled += users
    if chain.user_feat_path is not None:
        wanted = layers.arbo, layers.patterns, layers.resampling, layers.nodata
        enabled.append(layer_options(chain.user_feat_path, *wanted))
    found = [p for options in enabled for p in (*_band_problems(options), *_expression_problems(options))]
    if not problems:  # a sensor without description may be the one that is asked for
        found += _reference_problems(chain.reference_sensor, [options.spec for options in enabled])
    return EnabledSensors(tuple(enabled), tuple(dict.fromkeys([*problems, *(((), text) for text in found)])))


def _items(chain: Chain) -> dict[str, str]:
    """Where the STAC items of each sensor are that is found by them."""
    return dict.fromkeys(chain.stac_items.collections.values(), chain.stac_items.source) if chain.stac_items else {}


def _of_folders(chain: Chain, sections: Mapping[str, Section], expressions: bool, extract: bool) -> list[SensorOptions]:
    """The sensors that come with the program and are found by a folder or by STAC items."""
    enabled, items = [], _items(chain)
    for section, key in PATHS.items():
        folder, options = getattr(chain, key), sections[section]
        if folder is not None or section in items:
            assert isinstance(options, Sensor)
            spec, source = builtin_specs()[section], folder or items[section]
            enabled.append(_options(spec, source, options, expressions, extract, stac=folder is None))
    return enabled


def _of_users(chain: Chain, expressions: bool, extract: bool) -> tuple[list[SensorOptions], list[Problem]]:
    """The sensors of the user's own by name, and what is wrong with their descriptions."""
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
    """The description of one of the user's sensors, which has its name."""
    spec = load_spec(description)
    if spec.name != name:
        raise ConfigError([f"{name!r} is described as {spec.name!r}; use one name."], source=str(description))
    return spec


def _radar(chain: Chain, sections: Mapping[str, Section]) -> list[SensorOptions]:
    """Sentinel-1, when it is enabled: a series for each direction.

    Its expressions are always computed: their switch is the key of the INI file that holds them.
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
    """Options of one sensor, from the folder of its products or the source of STAC items; the user's sensors and the
    built-in ones have the same keys."""
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


def place_of(spec: SensorSpec) -> str:
    """Where a configuration has the options of a sensor."""
    return spec.section if spec.section in PLACES else f"chain.user_sensors.{spec.name}"


def expressions_place(spec: SensorSpec) -> str:
    """Where the expressions of a sensor are written."""
    if spec.section == RADAR:
        return "chain.s1_path: [Features] expression"
    return f"{place_of(spec)}.additional_features"


def _expression_problems(options: SensorOptions) -> list[str]:
    """What is wrong with the expressions of a sensor."""
    place = expressions_place(options.spec)
    return [f"{place}: {problem}." for problem in expression_problems(options.expressions, options.bands)]


def _reference_problems(asked: str | None, specs: Sequence[SensorSpec]) -> list[str]:
    """A reference sensor that is none of those with dates."""
    names = [name for spec in specs if not spec.static for name in dict.fromkeys((spec.section, spec.name))]
    if asked is None or asked in names:
        return []
    return [f"chain.reference_sensor: {asked!r} is none of the sensors in use; expected one of {', '.join(names)}."]


def _band_problems(options: SensorOptions) -> list[str]:
    """Bands to keep that do not exist."""
    spec = options.spec
    unknown = [band for band in options.keep_bands if band not in spec.band_names]
    names = ", ".join(spec.band_names)
    return [f"{place_of(spec)}.keep_bands: {', '.join(unknown)} unknown; expected some of {names}."] if unknown else []
