"""Scales of the pictures of a features map."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

LOWER_PERCENT, UPPER_PERCENT = 2.0, 98.0
"""Percentiles at the ends of a scale."""


@dataclass(frozen=True)
class Limits:
    """The ends of a scale."""

    low: float
    high: float


def valid_values(values: np.ndarray, nodata: float) -> np.ndarray:
    """(y, x) bool: whether pixels have data."""
    return np.isfinite(values) & (values != nodata)


def limits(samples: Iterable[np.ndarray], nodata: float, *, symmetric: bool = False) -> Limits | None:
    """Percentiles of the values of all samples with data; None if no pixel has data.

    ``symmetric``: the limits have the same distance from 0. The ends differ also if all values are equal.
    """
    found = np.concatenate([one[valid_values(one, nodata)].astype(np.float32) for one in samples] or [np.empty(0)])
    if not len(found):
        return None
    low, high = (float(value) for value in np.percentile(found, (LOWER_PERCENT, UPPER_PERCENT)))
    if symmetric:
        low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
    return Limits(low, high) if high > low else Limits(low - _half_range(low), low + _half_range(low))


def _half_range(value: float) -> float:
    """Half the range of a scale of equal values."""
    return max(1e-6, abs(value) / 100)


def number_text(value: float | None, digits: int = 4) -> str:
    """A value with significant digits, without exponent if it has few; a dash if there is none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if 10 ** (digits - 1) <= abs(value) < 1e9 else f"{value:.{digits}g}"
