"""The recipe of a run, from the configuration and the available images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from iota2.compute.features import recipe_problems
from iota2.config.enabled import place_of
from iota2.config.options.others import ExternalFeatures, PythonDataManaging, UserCall
from iota2.config.options.schema import Config
from iota2.config.options.sensors import RADAR, FeatureExtraction, Interpolation
from iota2.config.options.train import ArgTrain
from iota2.config.sensors import enabled_sensors, images_option
from iota2.core.files import read_text
from iota2.core.recipe import FeatureRecipe, SensorRecipe, interpolation_dates, ordered_temporal
from iota2.core.scene import Scene, SensorScene
from iota2.core.sensor import SensorOptions
from iota2.core.user_features import EXOGENOUS, Access, UserFeatures, UserFunction
from iota2.core.words import counted
from iota2.errors import ConfigError, InputError, InputProblems, option_name
from iota2.user_code.loading import UserCodeError
from iota2.user_code.trial import with_labels


@dataclass(frozen=True)
class UserParams:
    """Options of functions of the user that compute features."""

    module: Path
    calls: tuple[UserCall, ...]
    only: bool
    """Whether their features are the only ones."""
    padding: tuple[int, int]
    """Rows and columns."""
    access: Access
    no_data: float
    fill_missing_dates: bool
    whole_tiles: tuple[str, ...] = ()
    """Names of the functions that need the whole tile."""


@dataclass(frozen=True)
class RecipeParams:
    """Options of the configuration that define features."""

    sensors: tuple[SensorOptions, ...]
    auto_date: bool
    gapfilling: bool
    indices: tuple[str, ...]
    copy_input: bool
    relative_reflectance: bool
    keep_duplicates: bool
    atmospheric_correction: bool
    standard_labels: bool
    allow_missing: bool
    partial: bool
    temporal_features: tuple[str, ...]
    user: UserParams | None = None
    """Functions of the user; None without them."""


def recipe_params(config: Config) -> RecipeParams:
    """The options that define features."""
    return params_of(
        enabled_sensors(config),
        config.sensors_data_interpolation,
        config.iota2_feature_extraction,
        config.arg_train,
        allow_missing=config.chain.allow_missing_sensor,
        partial=config.sensor_models,
        user=_user_params(config.external_features, config.python_data_managing),
    )


def _user_params(given: ExternalFeatures, data: PythonDataManaging) -> UserParams | None:
    """Options of functions of the user; None without them."""
    if not given.enabled or given.module is None:
        return None
    return UserParams(
        module=given.module,
        calls=given.functions,
        only=not given.concat_mode,
        padding=(data.padding_size_y, data.padding_size_x),
        access=data.data_mode_access,
        no_data=given.no_data_value,
        fill_missing_dates=given.fill_missing_dates,
        whole_tiles=given.whole_tile_functions,
    )


def params_of(
    sensors: tuple[SensorOptions, ...],
    series: Interpolation,
    extraction: FeatureExtraction,
    train: ArgTrain,
    *,
    allow_missing: bool = False,
    partial: bool = False,
    user: UserParams | None = None,
) -> RecipeParams:
    """The options that define features, from the sections of a configuration."""
    only_user = user is not None and user.only
    if only_user:
        sensors = tuple(replace(one, expressions=()) for one in sensors)
    return RecipeParams(
        sensors=sensors,
        auto_date=series.auto_date,
        gapfilling=series.use_gapfilling,
        indices=() if only_user else tuple(train.indices),
        copy_input=extraction.copy_input and not only_user,
        relative_reflectance=extraction.rel_refl,
        keep_duplicates=extraction.keep_duplicates,
        atmospheric_correction=extraction.acor_feat,
        standard_labels=train.force_standard_labels,
        allow_missing=allow_missing,
        partial=partial,
        temporal_features=() if only_user else ordered_temporal(train.temporal_features),
        user=user,
    )


def build_recipe(scenes: Mapping[str, Scene], params: RecipeParams, *, own_process: bool = False) -> FeatureRecipe:
    """The recipe for these scenes. The interpolation dates of a sensor are the same on all tiles.

    It is ``partial`` only if every sensor has features of its own, and not only those of functions of the user that
    also read other sensors.

    ``own_process``: of calls of functions of the user, see ``outcomes``.

    A series of Sentinel-1 without images is excluded if the other one has images. Raw series have the dates of all
    tiles. Raises InputError if a sensor has no images on any tile, if there are no features, or if temporal features
    are requested and no sensor has two dates; ConfigError if a feature requires a missing band.
    """
    series = {options.spec.name: series_by_tile(scenes, options.spec.name) for options in params.sensors}
    radar = any(series[options.spec.name] for options in params.sensors if options.spec.section == RADAR)
    used = [one for one in params.sensors if series[one.spec.name] or not (radar and one.spec.section == RADAR)]
    sensors = tuple(_sensor_recipe(options, series[options.spec.name], params) for options in used)
    recipe = FeatureRecipe(sensors, params.standard_labels, params.allow_missing)
    if params.user:
        recipe = _with_functions(recipe, series, params.user, own_process=own_process)
    own = all(recipe.features_of[sensor] for sensor in recipe.dated)
    recipe = replace(recipe, partial=params.partial and own and len(recipe.dated) > 1)
    if not recipe.names:
        raise InputError(
            "There are no features: copy_input is False, and there are no indices and no expressions. Set "
            "iota2_feature_extraction.copy_input to True, or list indices in arg_train.features."
        )
    problems = [
        f"{problem}. Keep the band ({option_name(place_of(options.spec))}.keep_bands), describe its role, or do "
        "without: arg_train.features: [], iota2_feature_extraction.rel_refl: False."
        for options, sensor in zip(used, sensors, strict=True)
        for problem in recipe_problems(sensor)
    ]
    if problems:
        raise ConfigError(problems)
    if params.temporal_features and not any(sensor.temporal for sensor in sensors):
        text = (
            "the series of all sensors have fewer than two dates. Remove the option, or provide images of more dates."
        )
        raise InputProblems([(("arg_train", "temporal_features"), text)])
    return recipe


def _with_functions(
    recipe: FeatureRecipe, series: Mapping[str, Mapping[str, SensorScene]], params: UserParams, *, own_process: bool
) -> FeatureRecipe:
    """The recipe with the features of functions of the user.

    InputProblems for a function that cannot be called, and if one reads raw series whose dates differ between tiles.
    """
    try:
        source = read_text(params.module)
        functions = tuple(
            UserFunction(name, given, k, whole_tile=name in params.whole_tiles)
            for k, (name, given) in enumerate(params.calls, start=1)
        )
        dated = [one.sensor for one in recipe.sensors if not one.static]
        dates = {name: union_of_dates(series[name]) for name in dated}
        user = UserFeatures(params.module.name, source, functions, params.padding, params.no_data, params.access, dates)
        found = with_labels(replace(recipe, user=user), own_process=own_process)
    except UnicodeDecodeError as err:
        text = f"{params.module} is not a Python file in UTF-8 ({err})"
        raise InputProblems([(("external_features", "module"), text)]) from err
    except UserCodeError as err:
        raise InputProblems([(("external_features", "functions"), str(err))]) from err
    if not params.fill_missing_dates:
        for function in found.functions:
            for sensor in function.raw:
                _require_same_dates(function.name, sensor, series[sensor])
    return found


def union_of_dates(series: Mapping[str, SensorScene]) -> tuple[str, ...]:
    """The date keys of all tiles, ascending."""
    return tuple(sorted({key for scene in series.values() for key in scene.keys}))


def _require_same_dates(function: str, sensor: str, series: Mapping[str, SensorScene]) -> None:
    """InputProblems if a function reads the raw series of a sensor whose dates differ between tiles."""
    if found := _differing_dates(series):
        first, tile, dates = found
        text = (
            f"{function} reads the raw series of {sensor}, whose dates differ between {first} and {tile} in "
            f"{counted(len(dates), 'date')} (first: {', '.join(dates[:3])}). Set external_features.fill_missing_dates "
            "to True: absent dates then have the value no_data_value and the mask 2"
        )
        raise InputProblems([(("external_features", "fill_missing_dates"), text)])


def series_by_tile(scenes: Mapping[str, Scene], name: str) -> dict[str, SensorScene]:
    """The series of a sensor by tile, without tiles that lack the sensor."""
    return {tile: one for tile, scene in scenes.items() for one in scene.sensors if one.spec.name == name}


def _differing_dates(series: Mapping[str, SensorScene]) -> tuple[str, str, list[str]] | None:
    """The first two tiles whose dates differ, with the dates that one of them lacks; None if all are the same."""
    keys = {tile: one.keys for tile, one in series.items()}
    (first, expected), *others = keys.items()
    different = (tile for tile, found in others if found != expected)
    tile = next(different, None)
    return None if tile is None else (first, tile, sorted(set(keys[tile]) ^ set(expected)))


def _sensor_recipe(options: SensorOptions, series: Mapping[str, SensorScene], params: RecipeParams) -> SensorRecipe:
    spec = options.spec
    if not series:
        text = f"{spec.section}: no tile has images. Correct their path ({options.source}), or disable the sensor."
        raise InputProblems([(images_option(options), text)])
    if spec.static:
        layers = _same_layers(options, series)
        used = spec.name != EXOGENOUS and (params.user is None or not params.user.only)
        return SensorRecipe(spec.name, layers, roles={}, dates=(), indices=(), copy_input=used, static=True)
    dates = _interpolated(options, series, params) if params.gapfilling else _raw(series)
    return SensorRecipe(
        sensor=spec.name,
        bands=options.bands,
        roles=dict(spec.roles),
        dates=dates,
        gapfilling=params.gapfilling,
        indices=params.indices if spec.spectral else (),
        copy_input=params.copy_input,
        relative_reflectance=params.relative_reflectance and spec.spectral,
        keep_duplicates=params.keep_duplicates,
        atmospheric_correction=params.atmospheric_correction,
        expressions=options.expressions,
        speckle_radius=options.speckle_radius,
        decibel=options.decibel,
        temporal=params.temporal_features if len(dates) > 1 else (),
    )


def _same_layers(options: SensorOptions, series: Mapping[str, SensorScene]) -> tuple[str, ...]:
    """The layer names. InputProblems if they differ between tiles."""
    (first, expected), *others = ((tile, scene.spec.band_names) for tile, scene in series.items())
    for tile, found in others:
        if found != expected:
            text = (
                f"{options.spec.section}: the layers of {tile} ({', '.join(found)}) differ from those of {first} "
                f"({', '.join(expected)}). Give rasters of one pattern the same number of bands on every tile."
            )
            raise InputProblems([(images_option(options), text)])
    return expected


def _interpolated(options: SensorOptions, series: Mapping[str, SensorScene], params: RecipeParams) -> tuple[str, ...]:
    first, last = _period(options, series, params.auto_date)
    return interpolation_dates(first, last, options.temporal_resolution)


def _period(options: SensorOptions, series: Mapping[str, SensorScene], auto_date: bool) -> tuple[date, date]:
    """First and last day of the season: from the options, or of the images of all tiles."""
    if auto_date:
        return min(s.days[0] for s in series.values()), max(s.days[-1] for s in series.values())
    assert options.start_date is not None, "mandatory without auto_date"
    assert options.end_date is not None, "mandatory without auto_date"
    return options.start_date, options.end_date


def season_notes(options: SensorOptions, series: SensorScene, tile: str) -> list[str]:
    """A note if the season in the options contains no image of the tile, so that all its dates are interpolated.

    Raises InputError if the season is before or after all images: every date would be a copy of one image, and a model
    trained on other tiles would not apply. Without start and end date there is nothing to check.
    """
    start, end, (first, *_, last) = options.start_date, options.end_date, (series.days[0], *series.days)
    if start is None or end is None or any(start <= day <= end for day in series.days):
        return []
    where = f"{options.spec.section}, tile {tile}"
    if end < first or start > last:
        raise InputError(
            f"{where}: the season {start} to {end} is {'before' if end < first else 'after'} all images "
            f"({first} to {last}), so every date of it would be a copy of one image. Correct start_date and end_date, "
            "add products of the season, or set sensors_data_interpolation.auto_date to True."
        )
    before, after = max(day for day in series.days if day < start), min(day for day in series.days if day > end)
    return [f"{where}: no image between {start} and {end}; the season is interpolated between {before} and {after}"]


def _raw(series: Mapping[str, SensorScene]) -> tuple[str, ...]:
    """The dates of the images of all tiles; a tile may lack some of them."""
    return union_of_dates(series) if _differing_dates(series) else next(iter(series.values())).keys


def require_same_dates(recipe: FeatureRecipe, scenes: Mapping[str, Scene], reason: str) -> None:
    """InputError if a tile lacks dates of a series without gap filling; ``reason``: why all tiles need them."""
    for sensor in recipe.sensors:
        if sensor.static or sensor.gapfilling:
            continue
        if found := _differing_dates(series_by_tile(scenes, sensor.sensor)):
            first, tile, dates = found
            raise InputError(
                f"{reason} the same dates on every tile, but {sensor.sensor} on {tile} and {first} differ in "
                f"{len(dates)} (first: {', '.join(dates[:3])}). Set sensors_data_interpolation.use_gapfilling to True "
                "or give all tiles the same products."
            )
