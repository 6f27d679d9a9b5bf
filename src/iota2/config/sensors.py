"""The enabled sensors of a configuration, and their options."""

from __future__ import annotations

from collections.abc import Sequence

from iota2.compute.expressions import bands_by_position
from iota2.config.enabled import expressions_place
from iota2.config.options.schema import Config
from iota2.config.options.sensors import ENABLING_KEYS
from iota2.core.remarks import Remark
from iota2.core.sensor import SensorOptions, SensorSpec
from iota2.errors import ConfigError, option_name
from iota2.io.archive.layers import EXOGENOUS_DATA, EXOGENOUS_SECTION


def enabled_sensors(config: Config) -> tuple[SensorOptions, ...]:
    """The enabled sensors: built-in sensors in their fixed order, user-defined sensors by name, then layers without
    dates.

    Raises ConfigError with all problems: invalid descriptions, unknown bands in ``keep_bands``, an unknown reference
    sensor, invalid expressions.
    """
    enabled = config.enabled
    if enabled.problems:
        sentences = [f"{option_name(option)}: {text}" for option, text in enabled.problems]
        raise ConfigError(sentences, source=str(config.source))
    return enabled.sensors


def expression_remarks(sensors: Sequence[SensorOptions]) -> list[Remark]:
    """A remark with band names for each sensor whose expressions refer to bands by position (``b1``)."""
    remarks = []
    for options in sensors:
        named = ", ".join(f"{k} = {band}" for k, band in bands_by_position(options.expressions, options.bands).items())
        if named:
            option, key = expressions_place(options.spec)
            text = f"{option_name(option)}: {key}in the expressions of {options.spec.name}, {named}."
            remarks.append(Remark(text, "options", sensor=options.spec.name))
    return remarks


def images_option(options: SensorOptions) -> tuple[str, ...]:
    """Section and keys of the option with the location of a sensor's images."""
    if options.stac:
        return "chain", "stac_items", "source"
    section = options.spec.section
    if section == EXOGENOUS_SECTION:
        return section, EXOGENOUS_DATA
    return (
        ("chain", ENABLING_KEYS[section])
        if section in ENABLING_KEYS
        else ("chain", "user_sensors", options.spec.name, "path")
    )


def path_key(spec: SensorSpec) -> str:
    """The key of ``chain`` that enables a sensor; empty for a user-defined sensor."""
    return ENABLING_KEYS.get(spec.section, "")
