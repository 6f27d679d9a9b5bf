"""Pixels with data, and nodata values."""

from __future__ import annotations

from typing import Any

import numpy as np

from iota2.core.sensor import MaskRule

_KEPT = ("int8", "uint8", "int16", "uint16", "float32")
"""Types that are resampled without conversion."""


def kept_type(*found: np.dtype[Any]) -> np.dtype[Any]:
    """The type of arrays with pixels of files of these types: the common one, or float32."""
    common = np.result_type(*found)
    return common if common.name in _KEPT else np.dtype(np.float32)


def has_data(values: np.ndarray, nodata: float | None) -> np.ndarray:
    """Where values of a band are neither ``nodata`` (NaN and None stand for no such value) nor NaN."""
    plain = nodata is None or np.isnan(nodata)
    known: np.ndarray = np.ones(values.shape, bool) if plain else values != nodata
    return known & ~np.isnan(values) if values.dtype.kind == "f" else known


def mask_applies(rule: MaskRule, values: np.ndarray) -> np.ndarray:
    """Where a mask says "not valid", as bool: one of the rule's bits is set, or its values met; without, any
    but 0."""
    if not rule.bits and not rule.values:
        return values != 0
    applies = np.zeros(values.shape, bool)
    if rule.bits:
        bits = sum(1 << bit for bit in rule.bits)
        # bits beyond an unsigned type are never set; other types are widened
        plain = values.dtype.kind == "u"
        within = bits & int(np.iinfo(values.dtype).max) if plain else bits
        applies |= (values & values.dtype.type(within) if plain else values.astype(np.int64) & within) != 0
    if rule.values:
        applies |= np.isin(values, rule.values)
    return applies


def absent_value(rule: MaskRule | None, dtype: np.dtype[Any], nodata: float | None) -> float:
    """The value of a band (without rule) or mask outside its image: nodata, or a value to which the rule applies."""
    if rule is None:
        marker = nodata_of(dtype, nodata)
        return 0.0 if marker is None else marker
    all_bits = [-1] if rule.bits else []  # the highest bit of a signed type is in no number above 0
    values = [*rule.values, *(1 << bit for bit in rule.bits), *all_bits, 1]
    return next((value for value in values if nodata_of(dtype, value) is not None), 1)


def nodata_of(dtype: np.dtype[Any], nodata: float | None) -> float | None:
    """The sensor's nodata value as pixels of a type can hold it: None if they cannot; NaN stands for none in
    floats."""
    if dtype.kind == "f":
        return np.nan if nodata is None else nodata
    limits = np.iinfo(dtype)
    fits = nodata is not None and limits.min <= nodata <= limits.max and nodata == int(nodata)
    return nodata if fits else None
