"""Groups of features for dimension reduction and for the importance of dates, bands and sensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from iota2.core.recipe import FeatureRecipe

ReductionMode = Literal["global", "sensor_band", "sensor_date", "date", "band", "sensor"]
"""Grouping of features: all together; the dates of a band of a sensor; the bands of a sensor on a date; all bands on a
date; a band on all dates, over sensors; all features of a sensor."""
NO_DATE = "(no date)"
"""Name of the group of features without a date, such as layers."""
EVERYTHING = "all features"
"""Name of the only group of the mode ``global``."""


@dataclass(frozen=True)
class FeatureOrigin:
    """What a feature is computed from."""

    sensor: str
    band: str
    """Band, index, expression, layer, or function of the user."""
    day: str
    """``YYYYMMDD``; empty for a feature without date."""


@dataclass(frozen=True)
class FeatureGroup:
    """Features that are reduced, or left out, together."""

    name: str
    features: tuple[int, ...]
    """Positions in the recipe, ascending."""


def feature_origins(recipe: FeatureRecipe) -> tuple[FeatureOrigin, ...]:
    """The origin of each feature, in the order of the recipe.

    Temporal features belong to the band or index of their series, features of a function of the user to the function. A
    difference has its later date, a statistic none.
    """
    return tuple(FeatureOrigin(sensor, feature.series, feature.date[:8]) for sensor, feature in recipe.features)


def feature_groups(recipe: FeatureRecipe, mode: ReductionMode) -> tuple[FeatureGroup, ...]:
    """The groups of a mode in the order of their first features; each feature belongs to exactly one of them.

    In the modes by date, features without a date form a group of their own, for ``sensor_date`` one for each sensor.
    Raises ``ValueError`` for another mode.
    """
    if mode not in _NAMES:
        raise ValueError(f"reduction mode {mode!r}; expected one of {', '.join(_NAMES)}")
    groups: dict[str, list[int]] = {}
    for position, origin in enumerate(feature_origins(recipe)):
        groups.setdefault(_NAMES[mode](origin), []).append(position)
    return tuple(FeatureGroup(name, tuple(features)) for name, features in groups.items())


def max_components(recipe: FeatureRecipe, mode: ReductionMode, target: int) -> int:
    """Number of components of all groups, if each has ``target`` of them, or as many as it has features if fewer."""
    return sum(min(target, len(group.features)) for group in feature_groups(recipe, mode))


def _date_name(origin: FeatureOrigin) -> str:
    return origin.day or NO_DATE


_NAMES: Mapping[str, Callable[[FeatureOrigin], str]] = {
    "global": lambda origin: EVERYTHING,
    "sensor_band": lambda origin: f"{origin.sensor} {origin.band}",
    "sensor_date": lambda origin: f"{origin.sensor} {_date_name(origin)}",
    "date": _date_name,
    "band": lambda origin: origin.band,
    "sensor": lambda origin: origin.sensor,
}
"""Name of the group of a feature, by mode."""
