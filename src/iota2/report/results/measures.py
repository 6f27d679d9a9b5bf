"""Measures of accuracy and their intervals as text."""

from __future__ import annotations

import math

from iota2.compute.accuracy import Estimate

UNDEFINED = "–"
"""Text of an undefined measure."""


def measure(value: float, digits: int = 3) -> str:
    """A measure as text, zero without a sign; ``–`` if it is undefined (NaN)."""
    return UNDEFINED if math.isnan(value) else f"{value:z.{digits}f}"


def interval(value: Estimate) -> str:
    """The mean with its interval or range as text; the mean alone if neither is known.

    ``0.903 +- 0.037``: Student interval. ``0.950 [0.870, 1.000]``: interval over polygons, or Student interval that
    ends at a limit of the measure. ``0.889 (0.778 - 1.000)``: range of two or three runs.
    """
    spread = spread_text(value)
    return f"{measure(value.mean)} {spread}" if spread else measure(value.mean)


def spread_text(value: Estimate, scale: float = 1.0, digits: int = 3) -> str:
    """The interval or range as text, without the mean, multiplied by ``scale``; empty if neither is known."""
    if value.bounds is None:
        return ""
    if value.half_width is not None:
        return f"+- {scale * value.half_width:.{digits}f}"
    low, high = (f"{scale * bound:.{digits}f}" for bound in value.bounds)
    return f"({low} - {high})" if value.kind == "range" else f"[{low}, {high}]"
