"""All that turns cubes into features, and the only definition of feature names and their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any, get_args, get_origin, get_type_hints

DEFAULT_INDICES = ("NDVI", "NDWI", "Brightness")
"""Spectral indices of a recipe that is not told otherwise, in feature order."""

MISSING = -10000.0
"""Value of a feature where what it is made of is missing. For a forest it is a value like any other, below all
measures: a node can send the pixels without data one way."""


@dataclass(frozen=True)
class SensorRecipe:
    """How the series of one sensor becomes features.

    Order of the features: bands for each date (date by date, when ``copy_input``), then for each index all dates, then
    for each expression all dates.
    """

    sensor: str
    bands: tuple[str, ...]
    roles: Mapping[str, str]
    dates: tuple[str, ...]
    """``YYYYMMDD`` (interpolated) or acquisition keys (raw)."""
    gapfilling: bool = True
    indices: tuple[str, ...] = DEFAULT_INDICES
    copy_input: bool = True
    relative_reflectance: bool = False
    keep_duplicates: bool = True
    atmospheric_correction: bool = False
    """``acor_feat``: (a − b − 0.05) / (a + b + 0.05), whose constant assumes values as stored."""
    reference_role: str = "red"
    static: bool = False
    """Layers without dates: the bands are the features."""
    expressions: tuple[str, ...] = ()
    """Further features of each date: see ``iota2.compute.expressions``."""
    speckle_radius: int = 0
    """Half-width in pixels of the window of the multitemporal speckle filter; 0 filters nothing."""
    decibel: bool = False
    """The bands as features are 10 log10 of their values; indices and expressions are made of the values."""

    @property
    def halo(self) -> int:
        """How many pixels around a block its features depend on."""
        return self.speckle_radius

    @property
    def pointwise(self) -> SensorRecipe:
        """The same features, of a series whose pixels no longer depend on their neighbours."""
        return replace(self, speckle_radius=0)

    @property
    def effective_indices(self) -> tuple[str, ...]:
        """Indices without the one that relative reflectance makes twice (``keep_duplicates`` False drops NDVI)."""
        if self.relative_reflectance and not self.keep_duplicates and self.copy_input:
            return tuple(index for index in self.indices if index != "NDVI")
        return self.indices

    @property
    def days(self) -> tuple[date, ...]:
        """The dates as days."""
        return tuple(parse_day(key) for key in self.dates)

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names: ``<Sensor>_<band or index>_<date>``; of layers without dates, their bands' own names.

        Those of a sensor in lower case are in lower case.
        """
        if self.static:
            return self.bands
        copied = [f"{self.sensor}_{band}_{key}" for key in self.dates for band in self.bands if self.copy_input]
        word = "userfeature" if self.sensor.islower() else "userFeature"
        derived = [*self.effective_indices, *(f"{word}{k}" for k in range(1, len(self.expressions) + 1))]
        return tuple(copied + [f"{self.sensor}_{name}_{key}" for name in derived for key in self.dates])


@dataclass(frozen=True)
class FeatureRecipe:
    """The whole recipe: one for each sensor, in the fixed order of sensors."""

    sensors: tuple[SensorRecipe, ...]
    standard_labels: bool = False
    """``force_standard_labels``: features are named ``value_0`` …"""
    allow_missing: bool = False
    """A sensor that shows nothing of a pixel, or is not there on a tile, has ``MISSING`` for its features, and the
    others label the pixel; otherwise such a pixel has no label."""

    @property
    def names(self) -> tuple[str, ...]:
        """All feature names, in order: the only definition of it."""
        names = tuple(name for sensor in self.sensors for name in sensor.names)
        return tuple(f"value_{k}" for k in range(len(names))) if self.standard_labels else names

    @property
    def halos(self) -> dict[str, int]:
        """By sensor, how many pixels around a block its features depend on."""
        return {sensor.sensor: sensor.halo for sensor in self.sensors}

    @property
    def halo(self) -> int:
        """How many pixels around a block its features depend on, of any sensor."""
        return max(self.halos.values(), default=0)

    @property
    def pointwise(self) -> FeatureRecipe:
        """The same features, of series whose pixels no longer depend on their neighbours."""
        return replace(self, sensors=tuple(sensor.pointwise for sensor in self.sensors))

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``recipe.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> FeatureRecipe:
        """The recipe written by ``to_json``, also by versions that knew no missing values.

        Raises KeyError, TypeError or ValueError for what is no recipe, or has a date that is none.
        """
        sensors = []
        for sensor in content["sensors"]:
            fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in sensor.items()}
            sensors.append(_checked(SensorRecipe(**fields)))
        return _checked(cls(tuple(sensors), content["standard_labels"], content.get("allow_missing", False)))


def _checked(recipe: Any) -> Any:
    """The recipe; ValueError for a value of another type than its field, TypeError for a date that is none."""
    for name, hint in get_type_hints(type(recipe)).items():
        if not _fits(getattr(recipe, name), hint):
            raise ValueError(f"{name} is {getattr(recipe, name)!r}")
    if isinstance(recipe, SensorRecipe):
        recipe.days  # noqa: B018 - computed here to notice a date that is none
        if recipe.speckle_radius < 0:
            raise ValueError(f"speckle_radius is {recipe.speckle_radius}")
    return recipe


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the type that a field of a recipe names: a plain type, a tuple or a mapping of these."""
    parts = get_args(hint)
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(_fits(item, parts[0]) for item in value)
    if parts:
        return isinstance(value, Mapping) and all(_fits(k, parts[0]) and _fits(v, parts[1]) for k, v in value.items())
    return type(value) is hint


def parse_day(key: str) -> date:
    """The day of a date key (``20180511`` or ``20180511.1``)."""
    return date(int(key[:4]), int(key[4:6]), int(key[6:8]))


def interpolation_dates(first: date, last: date, step: int) -> tuple[str, ...]:
    """Days from ``first`` to ``last`` by ``step``, as ``YYYYMMDD``; the last only if it falls on the step."""
    count = (last - first).days // step + 1
    return tuple((first + timedelta(days=step * k)).strftime("%Y%m%d") for k in range(count))
