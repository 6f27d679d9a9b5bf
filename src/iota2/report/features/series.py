"""Series of a features map: bands of the same sensor and origin at several dates, and bands without date."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from iota2.core.feature import DIFFERENCE, Feature
from iota2.core.feature_map import FeatureMap
from iota2.core.recipe import SensorRecipe

Origin = Literal["band", "index", "expression", "function", "layer"]
"""``layer``: of a sensor without dates."""


@dataclass(frozen=True)
class Series:
    """Bands of a features map that show the same quantity at different dates, or one band without date."""

    sensor: str
    """Sensor, or sensors that a function of the user reads; with the prefix of raw series."""
    name: str
    """``source`` with the statistic if it is one; of a function the label of its features, without date."""
    origin: Origin
    source: str
    """Band, index, expression, layer or function."""
    kind: str
    """Kind of the features: values of dates, differences, or a statistic of the dates."""
    positions: tuple[int, ...]
    """Positions of the bands in the map, from 0."""
    days: tuple[str, ...] = ()
    """``2018-05-11`` for each band, with a number if there are several bands of the day; empty without dates."""

    @property
    def difference(self) -> bool:
        """Whether the values are differences between successive dates."""
        return self.kind == DIFFERENCE

    @property
    def title(self) -> str:
        """Sensor and name."""
        return f"{self.sensor}: {self.name}"


class _Place(NamedTuple):
    """What the bands of a series have in common."""

    sensor: str
    name: str
    origin: Origin
    source: str
    kind: str
    alone: int | None
    """Number of the band among those of its recipe if it has no date: it is a series of its own."""


def series_of(layers: FeatureMap) -> tuple[Series, ...]:
    """All series of a map; each band belongs to exactly one.

    Order of the series: that of their first bands; of their bands: by date.
    """
    members: dict[_Place, list[tuple[int, str]]] = {}
    position = 0
    for number in range(len(layers.recipes)):
        for place, day in _places(layers, number):
            members.setdefault(place, []).append((position, day))
            position += 1
    return tuple(_series(place, bands) for place, bands in members.items())


def _places(layers: FeatureMap, number: int) -> Iterator[tuple[_Place, str]]:
    """Series and day of each band of one of the recipes."""
    recipe, prefix = layers.recipes[number], layers.prefix(number)
    sensors = [sensor for sensor in recipe.sensors for _ in sensor.features]
    for k, band in enumerate(layers.bands_of(number)):
        feature, alone = band.feature, None if band.day else k
        origin: Origin = _origin(sensors[k], feature.series) if k < len(sensors) else "function"
        name = _name(feature, origin)
        yield _Place(prefix + band.sensor, name, origin, feature.series, feature.kind, alone), band.day


def _origin(sensor: SensorRecipe, series: str) -> Origin:
    if sensor.static:
        return "layer"
    if series in sensor.indices:
        return "index"
    return "band" if series in sensor.bands else "expression"


def _name(feature: Feature, origin: Origin) -> str:
    """Name of the series: of a function, the label of the feature without its date."""
    if origin == "function":
        return feature.undated
    if feature.kind == DIFFERENCE:
        return f"{feature.series} difference"
    return feature.series if feature.date or origin == "layer" else f"{feature.series} {feature.kind}"


def _series(place: _Place, bands: list[tuple[int, str]]) -> Series:
    bands = sorted(bands, key=lambda band: band[1])
    positions = tuple(position for position, _ in bands)
    days = numbered([day for _, day in bands]) if place.alone is None else ()
    return Series(place.sensor, place.name, place.origin, place.source, place.kind, positions, days)


def numbered(days: list[str]) -> tuple[str, ...]:
    """Days with a number from the second occurrence on: ``2018-05-11 (2)``."""
    seen: Counter[str] = Counter()
    found = []
    for day in days:
        seen[day] += 1
        found.append(day if seen[day] == 1 else f"{day} ({seen[day]})")
    return tuple(found)
