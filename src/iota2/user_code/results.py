"""Results of the user's functions: arrays, labels and their checks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from iota2.core.grid import Margins
from iota2.core.words import counted
from iota2.learning.utils import I2Label, I2TemporalLabel
from iota2.user_code.loading import UserCodeError

_LABEL = re.compile(r"[A-Za-z_][\w.+-]*")
_NUMBERS = "biuf"
"""Kinds of data types that results may have."""


@dataclass(frozen=True, eq=False)
class Result:
    """Features of one function on a block."""

    values: np.ndarray
    """(feature, y, x) float32, without margins."""
    labels: tuple[str, ...]
    dates: tuple[str, ...]
    """Date of each feature, ``YYYYMMDD``; empty without date."""


def result_of(returned: Any, number: int, shape: tuple[int, int], margins: Margins) -> Result:
    """The features that a function returned, checked.

    Accepted are an array (row, column) or (row, column, feature) alone or with a list of labels, and an xarray object
    with the dimensions y and x. Rows and columns are those of the block, with or without ``margins``. ``number``: of
    the function, from 1, for default labels. ``shape``: rows and columns of the block with its margins. UserCodeError
    for anything else; the message does not name the function.
    """
    values, labels, dates = (
        _of_xarray(returned) if isinstance(returned, xr.DataArray | xr.Dataset) else _plain(returned)
    )
    if values.ndim == 2:
        values = values[:, :, None]
    if values.ndim != 3 or values.dtype.kind not in _NUMBERS or not values.shape[2]:
        raise UserCodeError(
            f"returned an array of shape {values.shape} and type {values.dtype}; expected numbers in (row, column) or "
            "(row, column, feature)"
        )
    if len(labels) != values.shape[2]:
        labels, dates = [f"custFeat_{number}_b{k + 1}" for k in range(values.shape[2])], [""] * values.shape[2]
    _require_names(labels)
    return Result(_without_margins(values, shape, margins), tuple(labels), tuple(dates))


def _plain(returned: Any) -> tuple[np.ndarray, list[str], list[str]]:
    """Array (row, column, …), labels and dates of a function in the form of the original iota2."""
    pair = returned if isinstance(returned, tuple | list) and len(returned) == 2 else (returned, [])
    values, given = pair
    if not isinstance(values, np.ndarray):
        raise UserCodeError(
            f"returned {type(values).__name__}; expected an array and a list of labels, or an xarray.DataArray"
        )
    if isinstance(values, np.ma.MaskedArray) and values.dtype.kind in _NUMBERS:
        values = np.ma.filled(values.astype(np.float32), np.nan)
    if isinstance(given, str | I2Label | I2TemporalLabel):
        given = [given]
    listed = list(given) if isinstance(given, Sequence | np.ndarray) else []
    dates = [str(one.date) if isinstance(one, I2TemporalLabel) else "" for one in listed]
    return values, [str(one) for one in listed], dates


def _of_xarray(returned: xr.DataArray | xr.Dataset) -> tuple[np.ndarray, list[str], list[str]]:
    """Array (row, column, feature), labels and dates of an xarray object with the dimensions y and x."""
    arrays = [returned] if isinstance(returned, xr.DataArray) else list(returned.data_vars.values())
    values: list[np.ndarray] = []
    labels: list[str] = []
    dates: list[str] = []
    for array in arrays:
        others = [str(dim) for dim in array.dims if dim not in ("y", "x")]
        if not {"y", "x"} <= set(map(str, array.dims)) or len(others) > 1:
            raise UserCodeError(f"returned dimensions {array.dims}; expected y, x and at most one more")
        name = str(array.name or "")
        if not others:
            values.append(array.transpose("y", "x").values[:, :, None])
            labels.append(name)
            dates.append("")
            continue
        (other,) = others
        values.append(array.transpose("y", "x", other).values)
        found = [_label(name, other, array, k) for k in range(array.sizes[other])]
        labels += [label for label, _ in found]
        dates += [date for _, date in found]
    return np.concatenate(values, axis=2), labels if all(labels) else [], dates


def _label(name: str, dim: str, array: xr.DataArray, k: int) -> tuple[str, str]:
    """Label and date of one feature, from the name of the array and the coordinate of its further dimension."""
    if dim not in array.coords:
        return (f"{name}_{k + 1}" if name else ""), ""
    value = array[dim].values[k]
    if np.issubdtype(array[dim].dtype, np.datetime64):
        day = np.datetime_as_string(value, "D").replace("-", "")
        return f"{name}_{day}" if name else "", day
    return (f"{name}_{value}" if name and not isinstance(value, str) else str(value)), ""


def _require_names(labels: Sequence[str]) -> None:
    wrong = [label for label in labels if not _LABEL.fullmatch(label)]
    if wrong:
        raise UserCodeError(f"returned the label {wrong[0]!r}; expected letters, digits and . + - _, a letter first")
    folded = [label.lower() for label in labels]
    twice = [label for label, low in zip(labels, folded, strict=True) if folded.count(low) > 1]
    if twice:
        raise UserCodeError(f"returned the label {twice[0]} twice; letter case does not distinguish labels")


def _without_margins(values: np.ndarray, shape: tuple[int, int], margins: Margins) -> np.ndarray:
    """(feature, y, x) float32 of the block; ``values`` (row, column, feature) have its margins, or none."""
    top, bottom, left, right = margins
    inner = shape[0] - top - bottom, shape[1] - left - right
    if values.shape[:2] == shape:
        values = values[top : top + inner[0], left : left + inner[1]]
    elif values.shape[:2] != inner:
        raise UserCodeError(
            f"returned {counted(values.shape[0], 'row')} and {counted(values.shape[1], 'column')}; expected {shape[0]} "
            f"and {shape[1]}, those of its input{_axes_hint(values.shape, (shape, inner))}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(np.moveaxis(values, 2, 0), np.float32)


def _axes_hint(found: tuple[int, ...], expected: Sequence[tuple[int, int]]) -> str:
    """What is wrong with the order of the axes of a result; empty if its size is wrong."""
    swapped = any(found[:2] == (columns, rows) for rows, columns in expected)
    first = any(found[1:] == size for size in expected)
    if swapped and first:  # the number of features is that of the columns
        return (
            f". Its shape is {found}: the features must be the last axis, or rows and columns are swapped: return "
            "(row, column, feature)"
        )
    if swapped:
        return ". Rows and columns are swapped: return (row, column, feature)"
    if first:
        return ". The features must be the last axis: return (row, column, feature)"
    return ""
