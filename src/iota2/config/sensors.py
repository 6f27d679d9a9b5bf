"""Which sensors a configuration enables, and what it says about each."""

from __future__ import annotations

from pathlib import Path

from iota2.compute.expressions import split_expressions
from iota2.config.options_chain import UserSensor
from iota2.config.options_sensors import PATHS, Sensor
from iota2.config.schema import Config
from iota2.core.sensor import SensorOptions, SensorSpec
from iota2.errors import ConfigError
from iota2.io.specs import builtin_specs, load_spec


def enabled_sensors(config: Config) -> tuple[SensorOptions, ...]:
    """The enabled sensors: those that come with the program in their fixed order, then the user's by name.

    Raises ConfigError when a band to keep does not exist.
    """
    given = config.sensors_data_interpolation.use_additional_features, config.iota2_feature_extraction.extract_bands
    enabled = []
    for section, key in PATHS.items():
        folder, options = getattr(config.chain, key), config.section(section)
        if folder is not None:
            assert isinstance(options, Sensor)
            enabled.append(_options(builtin_specs()[section], folder, options, *given))
    for name, sensor in sorted(config.chain.user_sensors.items()):
        spec = load_spec(sensor.description)
        if spec.name != name:
            raise ConfigError(
                [f"chain.user_sensors: {name!r} is described as {spec.name!r} in {sensor.description}; use one name."]
            )
        enabled.append(_options(spec, sensor.path, sensor, *given))
    problems = [p for options in enabled for p in _band_problems(options)]
    if problems:
        raise ConfigError(problems, source=str(config.source))
    return tuple(enabled)


def _options(
    spec: SensorSpec, folder: Path, options: Sensor | UserSensor, expressions: bool, extract: bool
) -> SensorOptions:
    """Options of one sensor; the user's sensors and the built-in ones have the same keys."""
    return SensorOptions(
        spec=spec,
        path=folder,
        temporal_resolution=options.temporal_resolution or spec.temporal_resolution,
        start_date=options.start_date,
        end_date=options.end_date,
        keep_bands=tuple(options.keep_bands) if extract else (),
        expressions=split_expressions(options.additional_features) if expressions else (),
    )


def place_of(spec: SensorSpec) -> str:
    """Where a configuration has the options of a sensor."""
    return spec.section if spec.section in PATHS else f"chain.user_sensors.{spec.name}"


def _band_problems(options: SensorOptions) -> list[str]:
    """Bands to keep that do not exist."""
    spec = options.spec
    unknown = [band for band in options.keep_bands if band not in spec.band_names]
    names = ", ".join(spec.band_names)
    return [f"{place_of(spec)}.keep_bands: {', '.join(unknown)} unknown; expected some of {names}."] if unknown else []
