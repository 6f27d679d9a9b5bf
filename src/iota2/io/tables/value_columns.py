"""Values of a quantity from a column of a vector file."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from iota2.compute.isolated_values import isolated_values
from iota2.core.words import counted
from iota2.io.tables.label_columns import LabelColumn, is_missing, kind_of, some_values

NO_DATA = (-999.0, -9999.0, -99999.0, -32767.0, -32768.0, 9999.0, 1e20)
"""Numbers that usually mean no data, if they are far from all other values."""
LARGEST_VALUE = 1e30
"""Largest absolute value: greater ones mean no data, such as the smallest float32 in any number of digits."""


def read_values(values: pd.Series, column: str) -> LabelColumn:
    """The numbers in the ``values`` of a column, as float; None for a row without value (null, NaN, or empty text).

    Text that consists of numbers only is accepted. Problems are other text and other types, infinite numbers, numbers
    that mean no data, no value at all, and values that are all equal.
    """
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return _of_numbers(values.astype(float), column)
    given = [None if is_missing(value) else value for value in values]
    texts = [isinstance(value, str) for value in given]
    wrong = [k for k, value in enumerate(given) if value is not None and not texts[k]]
    if wrong:
        return _refused(
            values, f"field {column!r} contains no numbers but {kind_of(given[wrong[0]])}. Use a numeric field"
        )
    found = [_number(value) if isinstance(value, str) and value.strip() else None for value in given]
    words = [k for k, value in enumerate(found) if value is not None and math.isnan(value)]
    if words:
        return _refused(
            values,
            f"field {column!r} contains text in {counted(len(words), 'polygon')} of {len(given)}: "
            f"{some_values(dict.fromkeys(repr(given[k]) for k in words))} (row {some_values(words)}). A regression "
            f"needs numbers: use a numeric field, or correct these rows{_comma_hint([str(given[k]) for k in words])}",
        )
    column_read = _of_numbers(pd.Series(found, dtype=float), column)
    column_read.notes.append(f"text field {column!r} contains numbers only, which are the values")
    return column_read


def _refused(values: pd.Series, problem: str) -> LabelColumn:
    return LabelColumn(pd.Series([None] * len(values), dtype=object), "number", [problem])


def _comma_hint(texts: Iterable[str]) -> str:
    """A hint at the first text that is a number with a decimal comma; empty without one."""
    for text in texts:
        if not math.isnan(_number(point := text.strip().replace(",", "."))):
            return f". Decimals need a point: write {point} instead of {text.strip()}"
    return ""


def _number(text: str) -> float:
    """The number in a text; NaN if it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _of_numbers(values: pd.Series, column: str) -> LabelColumn:
    found = values.to_numpy(float)
    labels = pd.Series([None if math.isnan(value) else value for value in found.tolist()], dtype=object)
    problems = _problems(found, column)
    return LabelColumn(labels, "number", problems, [] if problems else _doubts(found, column))


def _doubts(values: np.ndarray, column: str) -> list[str]:
    """Notes on values (row,) that look like no data; NaN means no value."""
    isolated = isolated_values(values[np.isfinite(values)])
    others = values[np.isfinite(values) & ~np.isin(values, isolated)]
    return [
        f"{counted(len(rows), 'polygon')} with the value {number:.12g} in field {column!r}, far from all others "
        f"({others.min():.6g} to {others.max():.6g}): if it means no data, leave the field of these rows empty, or "
        f"remove them (row {some_values(rows)})"
        for number in isolated
        for rows in [np.flatnonzero(values == number)]
    ]


def _problems(values: np.ndarray, column: str) -> list[str]:
    """Problems of values (row,); NaN means no value."""
    infinite, known = np.isinf(values), np.isfinite(values)
    problems = []
    if infinite.any():
        are = "is" if infinite.sum() == 1 else "are"
        problems.append(
            f"{counted(int(infinite.sum()), 'value')} of field {column!r} {are} infinite "
            f"(row {some_values(np.flatnonzero(infinite))}). Correct these rows, or leave their field empty"
        )
    if not known.any():
        if not infinite.any() and len(values):
            rows = "the only polygon" if len(values) == 1 else f"any of its {len(values)} polygons"
            problems.append(f"field {column!r} has no value in {rows}. Fill the field, or use another one")
        return problems
    huge = known & (np.abs(np.where(known, values, 0)) > LARGEST_VALUE)
    if huge.any():
        problems.append(
            f"{counted(int(huge.sum()), 'value')} of field {column!r} beyond {LARGEST_VALUE:g}: {values[huge][0]:.6g}, "
            f"which means no data (row {some_values(np.flatnonzero(huge))}). Leave the field of these rows empty, or "
            "remove them"
        )
        return problems
    marked = _marked(values[known])
    if marked is not None:
        where = values == marked
        problems.append(
            f"{counted(int(where.sum()), 'value')} of field {column!r}: {marked:.12g}, which usually means no data, "
            f"and is far from all others (row {some_values(np.flatnonzero(where))}). Leave the field of these rows "
            "empty, or remove them"
        )
    if known.sum() == 1:
        problems.append(f"field {column!r} has a value in one polygon only: there is nothing to learn. Add polygons")
    elif np.ptp(values[known]) == 0:
        problems.append(
            f"all {known.sum()} polygons have the value {values[known][0]:.12g} in field {column!r}: there is nothing "
            "to learn. Use another field"
        )
    return problems


def _marked(values: np.ndarray) -> float | None:
    """A number that means no data, and is farther from all other values than these are from each other."""
    for number in (values.min(), values.max()):
        others = values[values != number]
        # a column of float32 has 1.00000002e20 for 1e20
        if (
            len(others)
            and np.isclose(number, NO_DATA, rtol=1e-6, atol=0).any()
            and np.abs(others - number).min() > np.ptp(others)
        ):
            return float(number)
    return None
