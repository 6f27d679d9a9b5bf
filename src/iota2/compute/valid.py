"""Nodata values and masks of pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from iota2.core.sensor import MaskRule

_KEPT = ("int8", "uint8", "int16", "uint16", "float32")
"""Types that are resampled without conversion."""


def kept_type(*found: np.dtype[Any]) -> np.dtype[Any]:
    """Array type for pixels of files of these types: their common type if it can be resampled, otherwise float32."""
    common = np.result_type(*found)
    return common if common.name in _KEPT else np.dtype(np.float32)


def has_data(values: np.ndarray, nodata: float | None) -> np.ndarray:
    """Where values of a band are neither ``nodata`` nor NaN; ``nodata`` NaN or None means that none is defined."""
    plain = nodata is None or np.isnan(nodata)
    known: np.ndarray = np.ones(values.shape, bool) if plain else values != nodata
    return known & ~np.isnan(values) if values.dtype.kind == "f" else known


def mask_applies(rule: MaskRule, values: np.ndarray) -> np.ndarray:
    """Where a mask marks invalid pixels, as bool.

    A pixel is invalid if any of the rule's bits is set or its value is one of the rule's values; with a rule that has
    neither, if it is not 0.
    """
    if not rule.bits and not rule.values:
        return values != 0
    applies = np.zeros(values.shape, bool)
    if rule.bits:
        bits = sum(1 << bit for bit in rule.bits)
        # bits beyond an unsigned type are never set; other types are converted to int64
        plain = values.dtype.kind == "u"
        within = bits & int(np.iinfo(values.dtype).max) if plain else bits
        applies |= (values & values.dtype.type(within) if plain else values.astype(np.int64) & within) != 0
    if rule.values:
        applies |= np.isin(values, rule.values)
    return applies


def absent_value(rule: MaskRule | None, dtype: np.dtype[Any], nodata: float | None) -> float:
    """The value of a band (``rule`` None) or mask outside its image: nodata, or a value to which the rule applies."""
    if rule is None:
        marker = nodata_of(dtype, nodata)
        return 0.0 if marker is None else marker
    all_bits = [-1] if rule.bits else []  # for the highest bit of a signed type
    values = [*rule.values, *(1 << bit for bit in rule.bits), *all_bits, 1]
    return next((value for value in values if nodata_of(dtype, value) is not None), 1)


def nodata_of(dtype: np.dtype[Any], nodata: float | None) -> float | None:
    """The nodata value of a band with a pixel type: None if an integer type cannot represent it.

    For float types, NaN if the sensor defines no nodata value.
    """
    if dtype.kind == "f":
        return np.nan if nodata is None else nodata
    limits = np.iinfo(dtype)
    fits = nodata is not None and limits.min <= nodata <= limits.max and nodata == int(nodata)
    return nodata if fits else None
