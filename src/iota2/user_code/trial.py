"""Calls of the user's functions on synthetic values, which find the names of their features."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np

from iota2.core.cube import Cube
from iota2.core.grid import Margins
from iota2.core.recipe import FeatureRecipe, SensorRecipe, parse_day
from iota2.core.user_features import UserFeatures, UserFunction
from iota2.user_code.data import RAW, UserData, user_data
from iota2.user_code.functions import called
from iota2.user_code.loading import Function, UserCodeError, UserFile

T = TypeVar("T")
MAX_SECONDS = 60.0
"""Time after which a trial of a function ends."""
_SIDE = 8
"""Rows and columns of the block of synthetic values."""
_VALUES = 500, 3000
"""Smallest and largest synthetic value: reflectances of vegetation and soil, in units of 1/10,000."""


def with_labels(recipe: FeatureRecipe) -> FeatureRecipe:
    """The recipe with the labels, dates and sensors of its functions, found by calling each of them once.

    The values are synthetic, the dates are the real ones, so that the result does not depend on any image.
    UserCodeError for a function that fails, that reads no sensor, or whose labels another feature has.
    """
    user = recipe.user
    assert user is not None, "the recipe has functions of the user"
    file = UserFile(user.file, user.source)
    cubes = _synthetic(recipe, user)
    found: list[UserFunction] = []
    with redirect_stdout(sys.stderr):  # standard output may be read by programs
        for function in user.functions:
            data = user_data(cubes, recipe)
            call = partial(_described, function, file.function(function.name), data, recipe)
            found.append(within_time(call, function.name))
    whole = replace(recipe, user=replace(user, functions=tuple(found)))
    _require_distinct(whole)
    return whole


def series_read(recipe: FeatureRecipe) -> tuple[tuple[str, str], ...]:
    """The series that the only function of a recipe reads: pairs of sensor and name, as in ``UserData.read``."""
    assert recipe.user is not None, "the recipe has functions of the user"
    (function,) = recipe.functions
    data = user_data(_synthetic(recipe, recipe.user), recipe)
    called(UserFile(recipe.user.file, recipe.user.source).function(function.name), function, data, recipe.user)
    return tuple(data.read)


def within_time(call: Callable[[], T], name: str) -> T:
    """The result of a call; UserCodeError if it does not end within ``MAX_SECONDS``.

    The call runs in a thread, which a function without end keeps until the program ends.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name=f"trial of {name}", daemon=True)
    thread.start()
    thread.join(MAX_SECONDS)
    if thread.is_alive():
        raise UserCodeError(
            f"{name} has not ended after {MAX_SECONDS:g} seconds on a small block. Make it faster: a tile of "
            "Sentinel-2 has 120 million pixels"
        )
    if errors:
        raise errors[0]
    return results[0]


def _described(given: UserFunction, function: Function, data: UserData, recipe: FeatureRecipe) -> UserFunction:
    """The function with the labels of its result, and the sensors that it has read."""
    assert recipe.user is not None, "the recipe has functions of the user"
    result = called(function, given, data, recipe.user)
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
    shape = _SIDE + margins[0] + margins[1], _SIDE + margins[2] + margins[3]
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
