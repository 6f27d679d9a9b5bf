"""Calls of the user's functions on synthetic values, which find the names of their features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from iota2.core.cube import Cube
from iota2.core.grid import Margins
from iota2.core.recipe import FeatureRecipe, SensorRecipe, parse_day
from iota2.core.user_features import UserFeatures, UserFunction
from iota2.user_code.calls import outcomes
from iota2.user_code.data import RAW, user_data
from iota2.user_code.functions import called
from iota2.user_code.loading import UserCodeError, UserFile

_SHAPE = 8, 11
"""Rows and columns of the block of synthetic values; they differ with any padding, so that swapped axes are found."""
_VALUES = 500, 3000
"""Smallest and largest synthetic value: reflectances of vegetation and soil, in units of 1/10,000."""


def with_labels(recipe: FeatureRecipe, *, own_process: bool = False) -> FeatureRecipe:
    """The recipe with the labels, dates and sensors of its functions, found by calling each of them once.

    The values are synthetic, the dates are the real ones, so that the result does not depend on any image.
    ``own_process``: see ``outcomes``.
    UserCodeError for a function that fails, that reads no sensor, or whose labels another feature has.
    """
    user = recipe.user
    assert user is not None, "the recipe has functions of the user"
    file = UserFile(user.file, user.source)
    cubes = _synthetic(recipe, user)
    calls = {one.name: partial(_described, one, file, cubes, recipe) for one in user.functions}
    found = tuple(outcome.value for outcome in outcomes(calls, file, own_process=own_process))
    whole = replace(recipe, user=replace(user, functions=found))
    _require_distinct(whole)
    return whole


def series_read(recipe: FeatureRecipe) -> tuple[tuple[str, str], ...]:
    """The series that the only function of a recipe reads: pairs of sensor and name, as in ``UserData.read``."""
    assert recipe.user is not None, "the recipe has functions of the user"
    (function,) = recipe.functions
    data = user_data(_synthetic(recipe, recipe.user), recipe)
    called(UserFile(recipe.user.file, recipe.user.source).function(function.name), function, data, recipe.user)
    return tuple(data.read)


def _described(given: UserFunction, file: UserFile, cubes: Mapping[str, Cube], recipe: FeatureRecipe) -> UserFunction:
    """The function with the labels of its result, and the sensors that it has read."""
    assert recipe.user is not None, "the recipe has functions of the user"
    data = user_data(cubes, recipe)
    result = called(file.function(given.name), given, data, recipe.user)
    read = {sensor for sensor, _ in data.read}
    if not read:
        raise UserCodeError(
            f"{given.name} in {recipe.user.file} reads no series of a sensor, so its features would be the same "
            f"everywhere. Read one of {', '.join(sorted(data.series))}"
        )
    raw = {sensor for sensor, name in data.read if name.startswith(f"{RAW} ")}
    order = [one.sensor for one in recipe.sensors]
    return replace(
        given,
        labels=result.labels,
        dates=result.dates,
        sensors=tuple(sorted(read, key=order.index)),
        raw=tuple(sorted(raw, key=order.index)),
        values_read=sum(data.read.values()),
    )


def _synthetic(recipe: FeatureRecipe, user: UserFeatures) -> Mapping[str, Cube]:
    """Cubes of all sensors, clear everywhere, with the margins of a block far from the edges of the tile."""
    rows, columns = user.reach
    margins = rows, rows, columns, columns
    return {one.sensor: _cube(one, user.raw_dates.get(one.sensor, one.dates), margins) for one in recipe.sensors}


def _cube(recipe: SensorRecipe, dates: tuple[str, ...], margins: Margins) -> Cube:
    keys = dates or ("20000101",)  # layers have no dates
    shape = _SHAPE[0] + margins[0] + margins[1], _SHAPE[1] + margins[2] + margins[3]
    rng = np.random.default_rng(0)
    values = rng.uniform(*_VALUES, (len(keys), len(recipe.bands), *shape)).astype(np.float32)
    days = tuple(parse_day(key) for key in keys)
    return Cube(values, np.ones((len(keys), *shape), bool), days, keys, recipe.bands, recipe.roles, None, margins)


def _require_distinct(recipe: FeatureRecipe) -> None:
    """UserCodeError if a label is that of another feature; letter case does not distinguish features."""
    assert recipe.user is not None, "the recipe has functions of the user"
    own = len(recipe.user.names)
    seen = {feature.name.lower(): sensor for sensor, feature in recipe.features[: len(recipe.features) - own]}
    for function in recipe.functions:
        for label in function.labels:
            if other := seen.get(label.lower()):
                raise UserCodeError(
                    f"{function.name} in {recipe.user.file}: returned the label {label}, which is the name of a "
                    f"feature of {other}; return another one"
                )
        seen |= dict.fromkeys((label.lower() for label in function.labels), function.name)
