"""Features of a function of the user on a window, to try it before a run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import xarray as xr

from iota2.api.arrays import features_array
from iota2.api.scenes import OpenedScene, SceneCube
from iota2.core.arguments import require_kind
from iota2.core.cube import FeatureBlock
from iota2.core.recipe import FeatureRecipe
from iota2.core.user_features import MAX_PADDING, Access, UserFeatures, UserFunction
from iota2.io.series.reader import series_reader
from iota2.user_code.data import user_data
from iota2.user_code.functions import called


def user_features(
    source: OpenedScene | SceneCube,
    function: Callable[..., Any],
    arguments: Mapping[str, Any] | None = None,
    *,
    padding: tuple[int, int] = (0, 0),
    access: Access = "gapfilled",
    no_data: float = -10000.0,
) -> xr.DataArray:
    """(feature, y, x) float32: the result of a function as in a run with ``external_features``.

    ``function``: takes the series as ``self``, or as an ``xarray.Dataset`` if its argument is annotated so; see
    docs/howto/external-features.md. ``arguments``: its keyword arguments. ``padding``: rows and columns around the
    window that it also gets. ``access``: series of the Dataset. ``no_data``: value of missing data in raw series.

    NaN in pixels without a clear date of any sensor; elsewhere values are those that the function returned. Raw series
    have the dates of this tile. ValueError for a padding or access that a run would not accept; UserCodeError, with the
    line, for a function that fails, or whose result is not valid.
    """
    require_kind(source, (OpenedScene, SceneCube), "user_features: source", "a scene of open_scene, or scene.cube(…)")
    if not inspect.isfunction(function):
        raise TypeError(f"user_features: function is {function!r}; expected a Python function")
    sizes = list(padding) if isinstance(padding, tuple | list) else []
    if len(sizes) != 2 or not all(type(size) is int and 0 <= size <= MAX_PADDING for size in sizes):
        text = f"expected rows and columns from 0 to {MAX_PADDING}, such as (2, 2)"
        raise ValueError(f"user_features: padding is {padding!r}; {text}")
    if access not in get_args(Access):
        raise ValueError(f"user_features: access is {access!r}; expected one of {', '.join(get_args(Access))}")
    cube = source if isinstance(source, SceneCube) else source.cube()
    scene, given = cube.opened.scene, UserFunction(function.__name__, dict(arguments or {}))
    user = UserFeatures(
        function.__code__.co_filename,
        _source(function),
        (given,),
        padding,
        no_data,
        access,
        {sensor.spec.name: sensor.keys for sensor in scene.sensors if not sensor.spec.static},
    )
    recipe = FeatureRecipe(tuple(replace(one, temporal=()) for one in cube.opened.recipe.sensors), user=user)
    with series_reader(scene, recipe) as reader:
        cubes = reader.read(cube.block, recipe.halos)
    found = called(function, given, user_data(cubes, recipe), user)
    clear = np.stack([one.without_margins().n_valid for one in cubes.values()]).sum(axis=0, dtype=np.uint16)
    return features_array(FeatureBlock(found.values, found.labels, clear), cube.geobox)


def _source(function: Callable[..., Any]) -> str:
    """Content of the file of a function; empty if it has none, as in a notebook."""
    path = Path(function.__code__.co_filename)
    return path.read_text(encoding="utf-8") if path.is_file() else ""
