"""Measures of accuracy and their intervals as text."""

from __future__ import annotations

import math

from iota2.compute.accuracy import Estimate

UNDEFINED = "–"
"""Text of an undefined measure."""


def measure(value: float, digits: int = 3) -> str:
    """A measure as text, ``–`` when it is undefined (NaN)."""
    return UNDEFINED if math.isnan(value) else f"{value:.{digits}f}"


def interval(value: Estimate) -> str:
    """``0.903 +- 0.037`` for a Student interval, ``0.950 [0.870, 1.000]`` where it ends at a limit of the measure and
    for an interval over polygons, ``0.889 (0.778 - 1.000)`` for the range of a few runs; else the mean alone."""
    spread = spread_text(value)
    return f"{measure(value.mean)} {spread}" if spread else measure(value.mean)


def spread_text(value: Estimate, scale: float = 1.0, digits: int = 3) -> str:
    """The part of ``interval`` after the mean, multiplied by ``scale``; empty when no interval is known."""
    if value.bounds is None:
        return ""
    if value.half_width is not None:
        return f"+- {scale * value.half_width:.{digits}f}"
    low, high = (f"{scale * bound:.{digits}f}" for bound in value.bounds)
    return f"({low} - {high})" if value.kind == "range" else f"[{low}, {high}]"
