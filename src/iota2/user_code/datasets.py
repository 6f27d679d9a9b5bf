"""The data of a block as an ``xarray.Dataset``, for functions that take one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from iota2.core.recipe import parse_day
from iota2.core.user_features import Access
from iota2.user_code.data import CLEAR, UserData, series_names


def takes_dataset(function: Callable[..., Any]) -> bool:
    """Whether the first parameter of a function is annotated as a Dataset."""
    parameters = [*inspect.signature(function).parameters.values()]
    annotation = parameters[0].annotation if parameters else None
    return annotation is xr.Dataset or (isinstance(annotation, str) and annotation.split(".")[-1] == "Dataset")


def dataset_of(data: UserData, access: Access) -> xr.Dataset:
    """The bands and indices of all sensors as variables ``<Sensor>_<name>`` (time, y, x) float32.

    ``access``: ``gapfilled`` gives the interpolation dates; ``raw`` the dates of the images, NaN where a pixel is
    masked or has no data; ``both`` gives both, the raw ones as ``<Sensor>_<band>_raw`` with the dimension ``time_raw``.
    With several sensors, the dimensions are ``time_<Sensor>`` and ``time_raw_<Sensor>``. Layers have the dimensions y
    and x.
    """
    dated = [name for name, one in data.series.items() if not one.recipe.static]
    variables: dict[str, xr.DataArray] = {}
    for sensor, series in data.series.items():
        if series.recipe.static:
            variables |= {f"{sensor}_{band}": _layer(data, sensor, band) for band in series.recipe.bands}
            continue
        suffix = f"_{sensor}" if len(dated) > 1 else ""
        if access != "raw":
            for name in series_names(series.recipe):
                values = data.interpolated(sensor, name)
                variables[f"{sensor}_{name}"] = _dated(values, f"time{suffix}", series.recipe.dates)
        if access != "gapfilled":
            ending, dim = ("_raw", f"time_raw{suffix}") if access == "both" else ("", f"time{suffix}")
            clear = data.masks(sensor) == CLEAR
            for band in series.recipe.bands:
                values = np.where(clear, data.raw(sensor, band), np.float32(np.nan))
                variables[f"{sensor}_{band}{ending}"] = _dated(values, dim, series.raw_dates)
    return xr.Dataset(variables)


def _layer(data: UserData, sensor: str, band: str) -> xr.DataArray:
    return xr.DataArray(data.interpolated(sensor, band)[:, :, 0], dims=("y", "x"))


def _dated(values: np.ndarray, dim: str, dates: Sequence[str]) -> xr.DataArray:
    """An array (row, column, date) with its dates as coordinate. Images of one day have the same one."""
    days = np.array([np.datetime64(parse_day(key), "ns") for key in dates], "datetime64[ns]")
    return xr.DataArray(values, dims=("y", "x", dim), coords={dim: days})
