"""Files with functions of the user, and recipes that contain them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np

from iota2.core.cube import Cube
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.user_features import UserFeatures, UserFunction
from iota2.user_code.trial import with_labels

DAYS = tuple(date(2018, 1, 1) + timedelta(days=10 * k) for k in range(3))
KEYS = tuple(f"{day:%Y%m%d}" for day in DAYS)
SENSOR = SensorRecipe("Sentinel2", ("B4", "B8"), {"red": "B4", "nir": "B8"}, KEYS, indices=("NDVI",))


def recipe_with(source: str, *names: str, sensors: tuple[SensorRecipe, ...] = (SENSOR,), **given: Any) -> FeatureRecipe:
    """The recipe of some sensors and of functions of a file, with their labels."""
    return with_labels(unlabelled(source, *names, sensors=sensors, **given))


def unlabelled(source: str, *names: str, sensors: tuple[SensorRecipe, ...] = (SENSOR,), **given: Any) -> FeatureRecipe:
    """The recipe of some sensors and of functions of a file, before any call."""
    functions = tuple(UserFunction(name, number=k) for k, name in enumerate(names, start=1))
    dates = {one.sensor: one.dates for one in sensors if not one.static}
    options: dict[str, Any] = {"raw_dates": dates, **given}
    return FeatureRecipe(sensors, user=UserFeatures("mine.py", source, functions, **options))


def cube_of(seed: int, shape: tuple[int, int], recipe: SensorRecipe = SENSOR, *, clouds: float = 0.2) -> Cube:
    """Random reflectances at the dates of a recipe, some of them masked."""
    rng = np.random.default_rng(seed)
    keys = recipe.dates or ("20180101",)
    days = tuple(date(int(key[:4]), int(key[4:6]), int(key[6:8])) for key in keys)
    values = rng.integers(100, 4000, (len(keys), len(recipe.bands), *shape)).astype(np.int16)
    valid = rng.random((len(keys), *shape)) >= clouds
    return Cube(values, valid, days, keys, recipe.bands, recipe.roles, -10000)


def part_of(cube: Cube, rows: tuple[int, int], cols: tuple[int, int], padding: int) -> Cube:
    """The part of a cube with a margin, cropped at its edges, as the reader gives it."""
    height, width = cube.valid.shape[1:]
    top, bottom = max(0, rows[0] - padding), min(height, rows[1] + padding)
    left, right = max(0, cols[0] - padding), min(width, cols[1] + padding)
    margins = rows[0] - top, bottom - rows[1], cols[0] - left, right - cols[1]
    place = np.s_[..., top:bottom, left:right]
    return replace(cube, values=cube.values[place], valid=cube.valid[place], margins=margins)


def only(cube: Cube, sensor: str = "Sentinel2") -> Mapping[str, Cube]:
    return {sensor: cube}
