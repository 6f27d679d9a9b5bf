"""The features map of a run, from the configuration and the available images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from iota2.config.options.schema import Config
from iota2.config.recipes import require_same_dates, series_by_tile, union_of_dates
from iota2.core.feature import VALUE
from iota2.core.feature_map import FeatureMap, MapType, raw_recipe
from iota2.core.recipe import MISSING, FeatureRecipe, SensorRecipe
from iota2.core.scene import Scene, SensorScene
from iota2.core.user_features import EXOGENOUS
from iota2.core.words import did_you_mean
from iota2.errors import InputProblems, OptionPath

INT16 = np.iinfo(np.int16)
"""Limits of the smaller data type of features maps."""
_SENSORS = ("features_map", "sensors")


@dataclass(frozen=True)
class MapParams:
    """Options of the configuration that define a features map, apart from those of the features."""

    sensors: tuple[str, ...]
    """Sensors to write; empty for all."""
    raw_series: bool
    """Whether raw series are written beside interpolated ones."""
    data_type: MapType | None
    """None for the smaller type that represents all values exactly."""
    nodata: float
    """A number that float32 represents exactly."""


def map_params(config: Config) -> MapParams:
    """The options that define the features map."""
    given, external = config.features_map, config.external_features
    return MapParams(
        sensors=_written_sensors(given.sensors, _written_names(config)) if given.sensors else (),
        raw_series=given.raw_series and config.sensors_data_interpolation.use_gapfilling,
        data_type=None if given.data_type == "auto" else given.data_type,
        nodata=float(np.float32(external.no_data_value)) if external.enabled else MISSING,
    )


def _written_names(config: Config) -> dict[str, tuple[str, ...]]:
    """The sensors whose features can be written, by the names that the option accepts: their own and their sections."""
    specs = [one.spec for one in config.enabled.sensors if one.spec.name != EXOGENOUS]
    names = {spec.name: (spec.name,) for spec in specs}
    sections = {spec.section: tuple(one.name for one in specs if one.section == spec.section) for spec in specs}
    return {**sections, **names}


def _written_sensors(wanted: tuple[str, ...], names: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Names of the sensors to write; an unknown name is kept."""
    return tuple(dict.fromkeys(sensor for name in wanted for sensor in names.get(name, (name,))))


def unknown_sensors(config: Config) -> list[tuple[OptionPath, str]]:
    """A problem for each name in `sensors` that is neither an enabled sensor nor its section.

    Only the configuration is read, so that these problems are reported together with those of the images.
    """
    names = _written_names(config)
    described = config.chain.user_sensors  # their descriptions may be invalid
    expected = f"expected some of {', '.join(names)}"
    return [
        (_SENSORS, f"{name!r} is not an enabled sensor{did_you_mean(name, names) or ''}; {expected}")
        for name in config.features_map.sensors
        if name not in names and name not in described
    ]


def map_of(whole: FeatureRecipe, scenes: Mapping[str, Scene], params: MapParams) -> FeatureMap:
    """The features map of the features of a recipe. Features of sensors without observations have no data.

    InputProblems for a sensor without images, a map without features, or a data type that cannot represent the
    features; InputError for features that need the same raw dates on all tiles.
    """
    recipe = _of_sensors(replace(whole, partial=False, allow_missing=False), params.sensors)
    if recipe.functions:
        require_same_dates(recipe, scenes, "external_features with use_gapfilling False require")
    if any(one.temporal for one in recipe.sensors):
        require_same_dates(recipe, scenes, "temporal_features with use_gapfilling False require")
    raw = raw_recipe(recipe, _dates(recipe, scenes)) if params.raw_series else None
    found = FeatureMap((recipe, raw) if raw else (recipe,), nodata=params.nodata)
    return replace(found, dtype=_data_type(found, scenes, params.data_type))


def band_count(recipe: FeatureRecipe, params: MapParams, dates: Mapping[str, int]) -> int:
    """Number of bands of the features map of a recipe; ``dates``: number of raw dates of all tiles, by sensor.

    Functions of the user count even if they read sensors that are not written.
    """
    return (
        len(recipe.names)
        - sum(len(one.names) for one in recipe.sensors if not _used(one, params))
        + raw_count(recipe, params, dates)
    )


def raw_count(recipe: FeatureRecipe, params: MapParams, dates: Mapping[str, int]) -> int:
    """Number of bands of raw series beside interpolated ones."""
    if not params.raw_series:
        return 0
    return sum(len(one.series) * dates.get(one.sensor, 0) for one in recipe.sensors if _used(one, params))


def band_bytes(recipe: FeatureRecipe, params: MapParams, scenes: Mapping[str, Scene]) -> int:
    """Bytes of a value of the features map; only the files of the first tile are considered."""
    found = FeatureMap((recipe,), nodata=params.nodata)
    if params.data_type == "float32" or (params.raw_series and not params.data_type) or _is_fractional(found):
        return 4
    first = dict(islice(scenes.items(), 1))
    return 2 if params.data_type == "int16" or _stored_as_int16(found, first) else 4


def _used(sensor: SensorRecipe, params: MapParams) -> bool:
    return not params.sensors or sensor.sensor in params.sensors


def _dates(recipe: FeatureRecipe, scenes: Mapping[str, Scene]) -> dict[str, tuple[str, ...]]:
    """Date keys of all tiles, by sensor with dates."""
    return {one.sensor: union_of_dates(series_by_tile(scenes, one.sensor)) for one in recipe.sensors if not one.static}


def _of_sensors(recipe: FeatureRecipe, names: tuple[str, ...]) -> FeatureRecipe:
    """The features of some sensors, of all without names; InputProblems without images or features."""
    known = [one.sensor for one in recipe.sensors]
    if wrong := [name for name in names if name not in known]:
        raise InputProblems([(_SENSORS, f"no tile has images of {name}; leave it out") for name in wrong])
    found = recipe
    if names:
        dated = recipe.of_sensors(names)
        kept = [one if one.sensor in names else replace(one, copy_input=False) for one in dated.sensors]
        found = replace(dated, sensors=tuple(kept), numbers=())
        if recipe.standard_labels:
            position = {one: k for k, one in enumerate(recipe.features)}
            found = replace(found, numbers=tuple(position[one] for one in found.features))
    if not found.features:
        text = f"{', '.join(names) or 'the sensors'}: no features; add a sensor, or set copy_input to True"
        raise InputProblems([(_SENSORS, text)])
    return found


def _data_type(found: FeatureMap, scenes: Mapping[str, Scene], wanted: MapType | None) -> MapType:
    """The data type of the map; InputProblems if int16 is requested for features that are not whole numbers."""
    if wanted == "float32":
        return "float32"
    fractional = next(_fractional(found), None)
    if wanted == "int16":
        if fractional or found.nodata not in range(INT16.min, INT16.max + 1):
            what = f"{fractional} is not a whole number" if fractional else f"no_data_value is {found.nodata:g}"
            text = f"{what}; set it to auto, or map raw bands only (use_gapfilling: False, arg_train.features: [])"
            raise InputProblems([(("features_map", "data_type"), text)])
        return "int16"
    return "float32" if _is_fractional(found) or not _stored_as_int16(found, scenes) else "int16"


def _is_fractional(found: FeatureMap) -> bool:
    """Whether a value of the map, or its no-data value, may not be a whole number of int16."""
    return next(_fractional(found), None) is not None or found.nodata not in range(INT16.min, INT16.max + 1)


def _fractional(found: FeatureMap) -> Iterator[str]:
    """Names of the features that may have other values than whole numbers, as far as the recipes show."""
    for number, recipe in enumerate(found.recipes):
        names = {feature: band.name for band, (_, feature) in zip(found.bands_of(number), recipe.features, strict=True)}
        for sensor in recipe.sensors:
            for feature in sensor.features:
                if not (_stored(sensor) and feature.series in sensor.bands and feature.kind == VALUE):
                    yield names[feature]
        yield from (names[feature] for function in recipe.functions for feature in function.features)


def _stored(sensor: SensorRecipe) -> bool:
    """Whether the bands of a sensor have the values of its files."""
    changed = sensor.relative_reflectance or sensor.decibel or sensor.speckle_radius
    return sensor.static or not (sensor.gapfilling or changed)


def _stored_as_int16(found: FeatureMap, scenes: Mapping[str, Scene]) -> bool:
    """Whether the files of all sensors have integers that int16 can represent, without scaling."""
    used = {sensor.sensor: sensor.bands for recipe in found.recipes for sensor in recipe.sensors if sensor.names}
    return all(
        _fits_int16(one, band)
        for scene in scenes.values()
        for one in scene.sensors
        for band in used.get(one.spec.name, ())
    )


def _fits_int16(sensor: SensorScene, band: str) -> bool:
    plain = all(sensor.scaling(t, band) == (1.0, 0.0) for t in range(len(sensor.acquisitions)))
    return plain and all(np.can_cast(file.dtype, np.int16) for file in sensor.formats(band))
