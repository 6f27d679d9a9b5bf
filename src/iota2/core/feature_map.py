"""The bands of a features map, and the recipes from which they are computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

from iota2.core.feature import VALUE, Feature
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.words import counted, some

RAW = "raw_"
"""Prefix of the names of raw features in a map that also has those of interpolated series."""
COLOURS = ("red", "green", "blue")
"""Roles of the bands of a picture in natural colours."""
MapType = Literal["float32", "int16"]
"""Data types of features maps."""


def without_data_text(names: Sequence[str], bands: int) -> str:
    """A sentence on the bands of a map that have no data in any pixel, with the possible reasons.

    ``bands``: number of all bands.
    """
    have = "has" if len(names) == 1 else "have"
    return (
        f"{len(names)} of {counted(bands, 'band')} of the features map {have} no data in any pixel: {some(names)}. "
        "Possible reasons: a raster of the user lies outside the tiles, or its no-data value is wrong; a function of "
        "the user returns NaN or the no-data value everywhere; no tile has a clear pixel of the date or sensor."
    )


class MapBand(NamedTuple):
    """One band of a features map."""

    name: str
    sensor: str
    """Sensor, or those that a function of the user reads."""
    feature: Feature

    @property
    def day(self) -> str:
        """Its date as ``YYYY-MM-DD``; empty without date."""
        key = self.feature.date
        return f"{key[:4]}-{key[4:6]}-{key[6:8]}" if key else ""


@dataclass(frozen=True)
class FeatureMap:
    """Bands and data type of a features map."""

    recipes: tuple[FeatureRecipe, ...]
    """One recipe, or that of interpolated series and the one of raw series."""
    dtype: MapType = "float32"
    nodata: float = -10000.0
    """Value of pixels without data, and of dates that a tile lacks."""

    @staticmethod
    def prefix(number: int) -> str:
        """Prefix of the names of the features of a recipe: ``RAW`` for raw series beside interpolated ones."""
        return RAW if number else ""

    @cached_property
    def bands(self) -> tuple[MapBand, ...]:
        """All bands, in the order of the features."""
        return tuple(band for number in range(len(self.recipes)) for band in self.bands_of(number))

    def bands_of(self, number: int) -> tuple[MapBand, ...]:
        """The bands of one of the recipes."""
        recipe, prefix = self.recipes[number], self.prefix(number)
        pairs = zip(recipe.names, recipe.features, strict=True)
        return tuple(MapBand(f"{prefix}{name}", sensor, feature) for name, (sensor, feature) in pairs)

    @cached_property
    def colours(self) -> Mapping[tuple[str, str], tuple[int, int, int]]:
        """Positions of the red, green and blue band, by sensor (with prefix) and date, of sensors that have all three
        as stored."""
        places = {band.name: k for k, band in enumerate(self.bands)}
        found: dict[tuple[str, str], dict[str, int]] = {}
        for number, recipe in enumerate(self.recipes):
            wanted = {
                (sensor.sensor, sensor.roles[role]): role
                for sensor in recipe.sensors
                for role in COLOURS
                if role in sensor.roles and not sensor.relative_reflectance
            }
            for band in self.bands_of(number):
                role = wanted.get((band.sensor, band.feature.series))
                if role and band.feature.kind == VALUE:
                    key = f"{self.prefix(number)}{band.sensor}", band.feature.date
                    found.setdefault(key, {})[role] = places[band.name]
        return {key: (r["red"], r["green"], r["blue"]) for key, r in found.items() if len(r) == len(COLOURS)}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all bands."""
        return tuple(band.name for band in self.bands)

    def to_json(self) -> dict[str, Any]:
        """The map as values for JSON: recipes, data type, nodata value and, for readers, its bands."""
        bands = [{"name": b.name, "sensor": b.sensor, "series": b.feature.series, "date": b.day} for b in self.bands]
        recipes = [recipe.to_json() for recipe in self.recipes]
        return {"dtype": self.dtype, "nodata": self.nodata, "bands": bands, "recipes": recipes}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> FeatureMap:
        """The map written by ``to_json``; KeyError, TypeError or ValueError for other content."""
        recipes = tuple(FeatureRecipe.from_json(one) for one in content["recipes"])
        return cls(recipes, content["dtype"], float(content["nodata"]))


def raw_recipe(recipe: FeatureRecipe, dates: Mapping[str, Sequence[str]]) -> FeatureRecipe | None:
    """The recipe of the same bands, indices and expressions at the dates of the images; None if there are none.

    ``dates``: date keys by sensor. Layers, temporal features and functions of the user are left out.
    """
    sensors = tuple(
        replace(one, gapfilling=False, dates=tuple(dates[one.sensor]), temporal=())
        for one in recipe.sensors
        if not one.static
    )
    raw = FeatureRecipe(tuple(one for one in sensors if one.names), allow_missing=recipe.allow_missing)
    return raw if raw.sensors else None


def recipe_of_tile(recipe: FeatureRecipe, dates: Mapping[str, Sequence[str]]) -> FeatureRecipe:
    """The recipe of a tile that lacks some sensors, or some dates of raw series.

    ``dates``: date keys of the tile's images, by sensor; layers also have an entry. Functions of the user that read
    other sensors are left out. The names of the features are those without ``standard_labels``.
    """
    sensors = tuple(_at_dates(one, dates[one.sensor]) for one in recipe.sensors if one.sensor in dates)
    user = recipe.user.of_sensors(frozenset(dates)) if recipe.user else None
    return replace(recipe, sensors=sensors, user=user, standard_labels=False, numbers=())


def _at_dates(sensor: SensorRecipe, dates: Collection[str]) -> SensorRecipe:
    """The recipe of a sensor without the raw dates that are not in ``dates``."""
    if sensor.static or sensor.gapfilling:
        return sensor
    return replace(sensor, dates=tuple(key for key in sensor.dates if key in dates))


def rows_in_map(whole: FeatureRecipe, of_tile: FeatureRecipe) -> tuple[int, ...]:
    """Positions of the features of a tile's recipe among those of the whole recipe."""
    position = {(sensor, feature): k for k, (sensor, feature) in enumerate(whole.features)}
    return tuple(position[one] for one in of_tile.features)
