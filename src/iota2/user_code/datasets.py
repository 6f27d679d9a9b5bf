"""The data of a block as an ``xarray.Dataset``, for functions that take one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

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
    and x. A series is computed when the function reads its values; only such series count as read.
    """
    dated = [name for name, one in data.series.items() if not one.recipe.static]
    variables: dict[str, xr.Variable] = {}
    for sensor, series in data.series.items():
        size = series.shape
        if series.recipe.static:
            for band in series.recipe.bands:
                variables[f"{sensor}_{band}"] = _lazy(partial(_layer, data, sensor, band), ("y", "x"), size)
            continue
        suffix = f"_{sensor}" if len(dated) > 1 else ""
        if access != "raw":
            dim = f"time{suffix}"
            variables[dim] = _days(dim, series.recipe.dates)
            for name in series_names(series.recipe):
                read = partial(data.interpolated, sensor, name)
                variables[f"{sensor}_{name}"] = _lazy(read, ("y", "x", dim), (*size, len(series.recipe.dates)))
        if access != "gapfilled":
            ending, dim = ("_raw", f"time_raw{suffix}") if access == "both" else ("", f"time{suffix}")
            variables[dim] = _days(dim, series.raw_dates)
            for band in series.recipe.bands:
                read = partial(_clear_values, data, sensor, band)
                variables[f"{sensor}_{band}{ending}"] = _lazy(read, ("y", "x", dim), (*size, len(series.raw_dates)))
    return xr.Dataset(variables)


@dataclass(eq=False)
class _Series(BackendArray):
    """A series that is computed when a function reads it."""

    read: Callable[[], np.ndarray]
    shape: tuple[int, ...]
    dtype = np.dtype(np.float32)

    @cached_property
    def _values(self) -> np.ndarray:
        return self.read()

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """The values at some indices, as xarray asks for them."""
        basic = indexing.IndexingSupport.BASIC
        return indexing.explicit_indexing_adapter(key, self.shape, basic, lambda index: self._values[index])


def _lazy(read: Callable[[], np.ndarray], dims: tuple[str, ...], shape: tuple[int, ...]) -> xr.Variable:
    return xr.Variable(dims, indexing.LazilyIndexedArray(_Series(read, shape)))


def _layer(data: UserData, sensor: str, band: str) -> np.ndarray:
    return data.interpolated(sensor, band)[:, :, 0]


def _clear_values(data: UserData, sensor: str, band: str) -> np.ndarray:
    """A raw series, NaN where it is masked or has no data."""
    return np.where(data.masks(sensor) == CLEAR, data.raw(sensor, band), np.float32(np.nan))


def _days(dim: str, dates: Sequence[str]) -> xr.Variable:
    """Dates as a coordinate. Images of one day have the same one."""
    return xr.Variable((dim,), np.array([np.datetime64(parse_day(key), "ns") for key in dates], "datetime64[ns]"))
