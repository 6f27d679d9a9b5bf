"""Line chart of the mean and standard deviation of a series over its dates, as coordinates of an SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from iota2.report.features.scales import number_text

WIDTH, HEIGHT = 320.0, 104.0
"""Size of a chart in pixels."""
LEFT, RIGHT, TOP, BOTTOM = 52.0, 8.0, 8.0, 20.0
"""Margins for labels."""
_FENCE = 3.0
"""Interquartile ranges beyond the quartiles up to which values determine the axis: those beyond are "far out" in Tukey
(1977), Exploratory Data Analysis."""


@dataclass(frozen=True)
class Dot:
    """The mean of one date."""

    x: float
    y: float
    about: str


@dataclass(frozen=True)
class Chart:
    """A line chart; gaps are dates without data."""

    dots: tuple[Dot, ...]
    lines: tuple[str, ...]
    """SVG paths of the mean between dates without gap."""
    areas: tuple[str, ...]
    """SVG paths of the area from mean - std to mean + std."""
    labels: tuple[tuple[float, str], ...]
    """Height and text of the labels of values."""
    first: str
    """Day at the left end."""
    last: str
    outside: int
    """Number of dates with a mean or standard deviation beyond the axis; they are drawn at its edge."""


def chart(days: Sequence[str], means: Sequence[float | None], stds: Sequence[float | None]) -> Chart | None:
    """The chart of a series; None if fewer than two dates have data. ``days`` begin with ``YYYY-MM-DD``.

    The axis does not extend to values far from all others, which would flatten the curve.
    """
    known = [(mean, std or 0.0) for mean, std in zip(means, stds, strict=True) if mean is not None]
    if len(known) < 2:
        return None
    ordinals = [date.fromisoformat(day[:10]).toordinal() for day in days]
    low, high = _axis([value for mean, std in known for value in (mean - std, mean, mean + std)])
    outside = sum(mean - std < low or mean + std > high for mean, std in known)
    if high == low:
        low, high = low - 1, high + 1
    span = max(1, max(ordinals) - min(ordinals))

    def x_of(ordinal: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (ordinal - min(ordinals)) / span

    def y_of(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - min(max(value, low), high)) / (high - low)

    runs: list[list[tuple[float, float, float]]] = [[]]
    dots = []
    for day, ordinal, mean, std in zip(days, ordinals, means, stds, strict=True):
        if mean is None:
            runs.append([])
            continue
        runs[-1].append((x_of(ordinal), mean, std or 0.0))
        dots.append(
            Dot(x_of(ordinal), y_of(mean), f"{day}: mean {number_text(mean)}, standard deviation {number_text(std)}")
        )
    runs = [run for run in runs if len(run) > 1]
    return Chart(
        tuple(dots),
        tuple(_path([(x, y_of(mean)) for x, mean, _ in run]) for run in runs),
        tuple(
            _path(
                [(x, y_of(mean + std)) for x, mean, std in run] + [(x, y_of(mean - std)) for x, mean, std in run[::-1]]
            )
            + "Z"
            for run in runs
        ),
        tuple((y_of(value), number_text(value, 3)) for value in (high, (low + high) / 2, low)),
        days[0][:10],
        days[-1][:10],
        outside,
    )


def _axis(values: Sequence[float]) -> tuple[float, float]:
    """Smallest and largest value that are not far from the others; of all values if half of them are equal."""
    lower, upper = np.percentile(values, (25, 75))
    reach = _FENCE * (upper - lower) if upper > lower else np.inf
    kept = [value for value in values if lower - reach <= value <= upper + reach]
    return min(kept), max(kept)


def _path(points: Sequence[tuple[float, float]]) -> str:
    """SVG path through points."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
