"""Recipes: names, order and computation of features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any, get_args, get_origin, get_type_hints

DEFAULT_INDICES = ("NDVI", "NDWI", "Brightness")
"""Default spectral indices of a recipe, in feature order."""

MISSING = -10000.0
"""Value of a feature whose input is missing. It is lower than all measurements, so a tree node can separate pixels
without data."""


@dataclass(frozen=True)
class SensorRecipe:
    """Computation of the features of one sensor.

    Order of the features: all bands of each date, date by date (with ``copy_input``); then all dates of each index;
    then all dates of each expression.
    """

    sensor: str
    bands: tuple[str, ...]
    roles: Mapping[str, str]
    dates: tuple[str, ...]
    """Interpolation dates ``YYYYMMDD``, or acquisition keys for raw dates."""
    gapfilling: bool = True
    indices: tuple[str, ...] = DEFAULT_INDICES
    copy_input: bool = True
    relative_reflectance: bool = False
    keep_duplicates: bool = True
    atmospheric_correction: bool = False
    """``acor_feat``: normalised differences are (a − b − 0.05) / (a + b + 0.05). The constant applies to values as
    stored."""
    reference_role: str = "red"
    static: bool = False
    """Whether the sensor consists of layers without dates: its bands are the features."""
    expressions: tuple[str, ...] = ()
    """Additional features of each date: see ``iota2.compute.expressions``."""
    speckle_radius: int = 0
    """Half-width in pixels of the window of the multitemporal speckle filter; 0 disables the filter."""
    decibel: bool = False
    """Band features are 10 log10 of their values; indices and expressions use the values themselves."""

    @property
    def halo(self) -> int:
        """Number of pixels around a block on which its features depend."""
        return self.speckle_radius

    @property
    def pointwise(self) -> SensorRecipe:
        """The same recipe for a filtered series, whose features no longer depend on neighbouring pixels."""
        return replace(self, speckle_radius=0)

    @property
    def effective_indices(self) -> tuple[str, ...]:
        """Indices without the one that duplicates a relative reflectance (``keep_duplicates`` False drops NDVI)."""
        if self.relative_reflectance and not self.keep_duplicates and self.copy_input:
            return tuple(index for index in self.indices if index != "NDVI")
        return self.indices

    @property
    def days(self) -> tuple[date, ...]:
        """The dates as ``datetime.date``."""
        return tuple(parse_day(key) for key in self.dates)

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names: ``<Sensor>_<band or index>_<date>``; for layers without dates, the band names.

        Expressions are named ``userFeature1`` …, or ``userfeature1`` … for a sensor name in lower case.
        """
        if self.static:
            return self.bands
        copied = [f"{self.sensor}_{band}_{key}" for key in self.dates for band in self.bands if self.copy_input]
        word = "userfeature" if self.sensor.islower() else "userFeature"
        derived = [*self.effective_indices, *(f"{word}{k}" for k in range(1, len(self.expressions) + 1))]
        return tuple(copied + [f"{self.sensor}_{name}_{key}" for name in derived for key in self.dates])


@dataclass(frozen=True)
class FeatureRecipe:
    """Features of all sensors: one recipe for each sensor, in the fixed order of sensors."""

    sensors: tuple[SensorRecipe, ...]
    standard_labels: bool = False
    """``force_standard_labels``: features are named ``value_0`` …"""
    allow_missing: bool = False
    """Whether pixels without observations of a sensor are classified: its features are ``MISSING``, and the other
    sensors determine the label. If False, such pixels have no label."""

    def __repr__(self) -> str:
        return f"FeatureRecipe({len(self.names)} features of {', '.join(sensor.sensor for sensor in self.sensors)})"

    @property
    def names(self) -> tuple[str, ...]:
        """All feature names, in order. Every other list of names is derived from this one."""
        names = tuple(name for sensor in self.sensors for name in sensor.names)
        return tuple(f"value_{k}" for k in range(len(names))) if self.standard_labels else names

    @property
    def series_shape(self) -> tuple[int, int] | None:
        """(dates, bands) if the features are the bands of one sensor, date by date; otherwise None."""
        if len(self.sensors) != 1 or self.sensors[0].static or not self.sensors[0].copy_input:
            return None
        (sensor,) = self.sensors
        shape = len(sensor.dates), len(sensor.bands)
        return shape if shape[0] * shape[1] == len(self.names) else None

    @property
    def halos(self) -> dict[str, int]:
        """Number of pixels around a block on which its features depend, by sensor."""
        return {sensor.sensor: sensor.halo for sensor in self.sensors}

    @property
    def halo(self) -> int:
        """Maximum of ``halos``."""
        return max(self.halos.values(), default=0)

    @property
    def pointwise(self) -> FeatureRecipe:
        """The same recipe for filtered series, whose features no longer depend on neighbouring pixels."""
        return replace(self, sensors=tuple(sensor.pointwise for sensor in self.sensors))

    def to_json(self) -> dict[str, Any]:
        """The recipe as values for ``recipe.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> FeatureRecipe:
        """The recipe written by ``to_json``. ``allow_missing`` may be absent, as in files of earlier versions.

        Raises KeyError, TypeError or ValueError for an invalid recipe or date.
        """
        sensors = []
        for sensor in content["sensors"]:
            fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in sensor.items()}
            sensors.append(_checked(SensorRecipe(**fields)))
        return _checked(cls(tuple(sensors), content["standard_labels"], content.get("allow_missing", False)))


def _checked(recipe: Any) -> Any:
    """The recipe, unchanged. ValueError for an invalid date, or a value whose type is not the type of its field."""
    for name, hint in get_type_hints(type(recipe)).items():
        if not _fits(getattr(recipe, name), hint):
            raise ValueError(f"{name} is {getattr(recipe, name)!r}")
    if isinstance(recipe, SensorRecipe):
        recipe.days  # noqa: B018 - raises an error for an invalid date
        if recipe.speckle_radius < 0:
            raise ValueError(f"speckle_radius is {recipe.speckle_radius}")
    return recipe


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value has the annotated type: a plain type, or a tuple or mapping of plain types."""
    parts = get_args(hint)
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(_fits(item, parts[0]) for item in value)
    if parts:
        return isinstance(value, Mapping) and all(_fits(k, parts[0]) and _fits(v, parts[1]) for k, v in value.items())
    return type(value) is hint


def parse_day(key: str) -> date:
    """Day of a date key (``20180511`` or ``20180511.1``)."""
    return date(int(key[:4]), int(key[4:6]), int(key[6:8]))


def interpolation_dates(first: date, last: date, step: int) -> tuple[str, ...]:
    """Dates ``YYYYMMDD`` every ``step`` days from ``first``, not after ``last``."""
    count = (last - first).days // step + 1
    return tuple((first + timedelta(days=step * k)).strftime("%Y%m%d") for k in range(count))
