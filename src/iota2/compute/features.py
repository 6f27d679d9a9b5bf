"""Named features of pixels: shared by sample extraction, classification and feature maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from iota2.compute.expressions import compile_expression, expression_problems
from iota2.compute.indices import (
    INDICES,
    Spectra,
    dates_without_data,
    make_relative,
    to_decibel,
)
from iota2.compute.speckle import multitemporal_filter
from iota2.compute.stack import evaluate
from iota2.compute.temporal import gapfill
from iota2.compute.temporal_features import temporal_features
from iota2.core.cube import Cube, FeatureBlock, observations
from iota2.core.recipe import DIFFERENCES, MISSING, STATISTIC_NAMES, STATISTICS, FeatureRecipe, SensorRecipe
from iota2.core.words import some
from iota2.errors import FeatureMismatch


def feature_block(
    cubes: Mapping[str, Cube], recipe: FeatureRecipe, user_values: np.ndarray | None = None
) -> FeatureBlock:
    """The features of one block, as defined by ``recipe``; ``cubes`` by sensor name, all on the block's grid.

    ``user_values`` (feature, y, x) float32: the features of functions of the user, if the recipe has any.

    A cube extends beyond the block by the halo of its sensor's recipe, or to the edge of the tile; features are
    computed for the block only. Without a halo, every value depends on its own pixel only.

    With gap filling, invalid values are never used. With raw dates, values are as stored, except that values without
    data become ``MISSING``; indices, expressions and relative reflectances are ``MISSING`` on a date if any band has no
    data. An expression without a finite value is ``MISSING``. Temporal features are computed from these values, but
    never from ``MISSING``; with raw dates, only from valid dates on which all bands have data.

    ``clear`` has the clear observations of each sensor, 0 for a sensor without a cube, and ``n_valid`` their sum
    (``observations``). It is 0 where any sensor has no observation or any layer has no data; predictions exclude these
    pixels, because series without observations are set to 0. A layer is ``MISSING`` where it has no data. With
    ``allow_missing``, series without observations and features of a sensor without a cube are ``MISSING`` too; in a
    ``partial`` recipe, those of sensors with dates are NaN.

    Raises FeatureMismatch with all reasons if the features cannot be computed from the cubes; ValueError if a series is
    not sorted by day.
    """
    if problems := [*_mismatches(cubes, recipe)]:
        raise FeatureMismatch("\n".join(problems))
    space = next(cubes[sensor.sensor].block_shape for sensor in recipe.sensors if sensor.sensor in cubes)
    names = recipe.names
    values = np.empty((len(names), *space), np.float32)
    if recipe.user:
        _require_user_values(user_values, (len(recipe.user.names), *space))
        values[len(names) - len(recipe.user.names) :] = user_values
    clear = np.zeros((len(recipe.sensors), *space), np.uint16)
    absent = np.float32(np.nan) if recipe.partial else MISSING
    start = 0
    for number, sensor in enumerate(recipe.sensors):
        features = values[start : start + len(sensor.names)]
        start += len(sensor.names)
        if sensor.sensor not in cubes:
            features[:] = absent
            continue
        clear[number] = _write_features(cubes[sensor.sensor], sensor, features)
        if not sensor.static and (recipe.allow_missing or recipe.partial):
            features[:, clear[number] == 0] = absent
    sensors = tuple(sensor.sensor for sensor in recipe.sensors)
    return FeatureBlock(values, names, observations(clear, recipe), sensors, clear)


def _require_user_values(found: np.ndarray | None, shape: tuple[int, ...]) -> None:
    """FeatureMismatch if the features of functions of the user are absent or have another shape."""
    if found is None or found.shape != shape:
        given = "none" if found is None else f"an array of shape {found.shape}"
        raise FeatureMismatch(f"the features of functions of the user have the shape {shape}; given: {given}")


def filtered_block(cube: Cube, recipe: SensorRecipe, padding: tuple[int, int] = (0, 0)) -> Cube:
    """The cube after the speckle filter, with margins of at most ``padding`` rows and columns.

    With the recipe's ``pointwise`` form, the result gives the same features for any selection of pixels.
    """
    if recipe.speckle_radius:
        cube = replace(cube, values=multitemporal_filter(cube.values, cube.valid, recipe.speckle_radius))
    return cube.with_margins(padding)


def _write_features(cube: Cube, recipe: SensorRecipe, out: np.ndarray) -> np.ndarray:
    """Write the features of one sensor to ``out`` (feature, y, x); returns the numbers of clear observations (y, x)."""
    cube = filtered_block(cube, recipe)
    if recipe.static:
        if recipe.copy_input:
            out[:] = _layers(cube, recipe)
    else:
        _sensor_features(cube, recipe, out)
    return cube.n_valid


def _layers(cube: Cube, recipe: SensorRecipe) -> np.ndarray:
    """(band, y, x): layers without dates, ``MISSING`` where they have no data."""
    layers = _of_bands(cube, recipe)[0]
    return np.where(np.isnan(layers), np.float32(MISSING), layers)


def _sensor_features(cube: Cube, recipe: SensorRecipe, out: np.ndarray) -> None:
    """Write the features of one sensor with dates to ``out`` (feature, y, x).

    With ``copy_input``, the series is computed directly in ``out``, otherwise in a temporary array. Indices and
    expressions are computed before the series is replaced by relative reflectances or decibels.
    """
    if not len(out):
        return
    shape = (len(recipe.dates), len(recipe.bands), *out.shape[1:])
    copied = shape[0] * shape[1] if recipe.copy_input else 0
    series = out[:copied].reshape(shape) if recipe.copy_input else np.empty(shape, np.float32)
    _write_series(cube, recipe, series)
    pixels = shape[2] * shape[3]
    roles = {role: recipe.bands.index(band) for role, band in recipe.roles.items() if band in recipe.bands}
    spectra = Spectra(series.reshape(*shape[:2], pixels), roles, recipe.atmospheric_correction)
    missing = None if recipe.gapfilling else dates_without_data(spectra.values, _nodata_value(cube))
    indices = recipe.effective_indices
    n_derived = len(indices) + len(recipe.expressions)
    derived = out[copied : copied + n_derived * shape[0]].reshape(n_derived, shape[0], pixels)
    for index, target in zip(indices, derived, strict=False):
        INDICES[index].function(spectra, target)
    for expression, target in zip(recipe.expressions, derived[len(indices) :], strict=True):
        evaluate(compile_expression(expression, recipe.bands), spectra.values, target)
    if missing is not None:
        derived[:, missing] = MISSING
        if (nodata := _nodata_value(cube)) is not None:
            series[series == np.float32(nodata)] = MISSING
    if recipe.copy_input and recipe.relative_reflectance:
        _replace_by_relative(spectra, roles[recipe.reference_role], missing)
    if recipe.copy_input and recipe.decibel:
        to_decibel(series)
    if missing is not None:
        np.nan_to_num(series, copy=False, nan=MISSING, posinf=np.inf, neginf=-np.inf)
    if recipe.temporal:
        usable = None if missing is None else cube.valid.reshape(missing.shape) & ~missing
        _write_temporal(recipe, out.reshape(len(out), pixels), usable)


def _write_temporal(recipe: SensorRecipe, out: np.ndarray, usable: np.ndarray | None) -> None:
    """Write the temporal features of one sensor to ``out`` (feature, pixel), which contains its series.

    ``usable`` (date, pixel): whether a date counts; None if all do.
    """
    n_dates, n_series = len(recipe.dates), len(recipe.series)
    first = n_dates * n_series
    copied = len(recipe.bands) if recipe.copy_input else 0
    rows = np.arange(first).reshape(n_series, n_dates)
    rows[:copied] = rows[:copied].reshape(n_dates, copied).T  # bands date by date
    parts = []
    for kind, size in ((DIFFERENCES, max(n_dates - 1, 0)), (STATISTICS, len(STATISTIC_NAMES))):
        count = n_series if kind in recipe.temporal else 0
        parts.append(out[first : first + count * size].reshape(count, size, out.shape[1]))
        first += count * size
    temporal_features(out, rows, *parts, usable=usable)


def _nodata_value(cube: Cube) -> float | None:
    """Nodata value of a cube of integers; None for floats, whose missing values are NaN."""
    return cube.nodata if cube.values.dtype.kind in "iu" else None


def _write_series(cube: Cube, recipe: SensorRecipe, out: np.ndarray) -> None:
    """Write the recipe's bands at the recipe's dates into ``out`` (date, band, y, x)."""
    values = _of_bands(cube, recipe)
    if recipe.gapfilling:
        days, out_days = ([day.toordinal() for day in series] for series in (cube.days, recipe.days))
        gapfill(values, cube.valid, np.array(days, np.int64), np.array(out_days, np.int64), out=out)
    else:
        out[:] = values


def _of_bands(cube: Cube, recipe: SensorRecipe) -> np.ndarray:
    """(time, band, y, x): the recipe's bands of a cube."""
    if recipe.bands == cube.bands:
        return cube.values
    return cube.values[:, [cube.bands.index(band) for band in recipe.bands]]


def _replace_by_relative(spectra: Spectra, reference: int, missing: np.ndarray | None) -> None:
    make_relative(spectra, reference)
    if missing is not None:
        for band in range(spectra.values.shape[1]):
            if band != reference:
                spectra.values[:, band][missing] = MISSING


def _mismatches(cubes: Mapping[str, Cube], recipe: FeatureRecipe) -> Iterator[str]:
    """Messages: reasons why the features of the recipe cannot be computed from the cubes."""
    if not recipe.sensors:
        yield "the recipe contains no sensor, so there are no features"
    for sensor in recipe.sensors:
        yield from recipe_problems(sensor)
        yield from (f"{sensor.sensor}: {problem}" for problem in expression_problems(sensor.expressions, sensor.bands))
        if sensor.sensor in cubes:
            yield from _cube_problems(cubes[sensor.sensor], sensor)
        elif not (recipe.allow_missing or (recipe.partial and not sensor.static)) or not cubes:
            given = _listed(cubes) or "no sensor"
            yield f"{sensor.sensor}: the features need images of this sensor; the given images are of {given}"
    shapes = {s.sensor: cubes[s.sensor].block_shape for s in recipe.sensors if s.sensor in cubes}
    if len(set(shapes.values())) > 1:
        yield f"the images of the sensors differ in shape (rows, columns): {shapes}"


def recipe_problems(recipe: SensorRecipe) -> Iterator[str]:
    """Messages: unknown indices of a recipe, and roles without a band among its bands."""
    unknown = [index for index in recipe.effective_indices if index not in INDICES]
    if unknown:
        yield f"{recipe.sensor}: unknown index {_listed(unknown)}; expected {_listed(INDICES)}"
    needed = {role: index for index in recipe.effective_indices for role in _roles(index)}
    if recipe.relative_reflectance and recipe.copy_input:
        needed[recipe.reference_role] = "relative reflectance"
    for role, use in needed.items():
        if recipe.roles.get(role) not in recipe.bands:
            used = f"the bands used are {_listed(recipe.bands)}"
            yield (
                f"{recipe.sensor}: {use} needs the {role} band ({recipe.roles[role]}); {used}"
                if role in recipe.roles
                else f"no band of {recipe.sensor} has the role {role}, which {use} needs"
            )


def _roles(index: str) -> tuple[str, ...]:
    """Roles that an index needs; empty for an unknown index."""
    return INDICES[index].roles if index in INDICES else ()


def missing_bands(recipe: SensorRecipe, bands: Sequence[str]) -> Iterator[str]:
    """A message if images with ``bands`` lack bands of the recipe."""
    absent = [band for band in recipe.bands if band not in bands]
    if absent:
        yield f"{recipe.sensor}: the features need bands {_listed(absent)}; the images have {_listed(bands)}"


def _cube_problems(cube: Cube, recipe: SensorRecipe) -> Iterator[str]:
    """Messages: bands missing in the cube, and raw dates that differ from those of the recipe."""
    yield from missing_bands(recipe, cube.bands)
    if not recipe.gapfilling and not recipe.static and recipe.dates != cube.keys:
        missing = [key for key in recipe.dates if key not in cube.keys]
        excess = [key for key in cube.keys if key not in recipe.dates]
        yield (
            f"{recipe.sensor}: without gap filling, all tiles need the same dates in the same order "
            f"({len(recipe.dates)} expected, {len(cube.keys)} found; missing: {_listed(missing)}; "
            f"unexpected: {_listed(excess)}). Provide the same dates for all tiles, or use gap filling"
        )


def _listed(names: Iterable[str]) -> str:
    """The first names as text; ``none`` for an empty list."""
    return some(list(names), 12) or "none"
