"""What samples of a series' values say about kind and scale: which cannot be measures, and which are doubtful."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

ENOUGH = 50
"""Pixels below which nothing is said of a band of a date."""
SHARE = 0.05
"""Share of pixels above which negative values, and indices beyond -1 to 1, are reported."""
TINY = 2.0
"""Product units (reflectance x 10000) that no band exceeds whose values lie from 0 to 1."""
LEAST = 100.0
"""Median of a band in product units from which its scale is beyond doubt."""
RATIO = 30.0
"""How many times the median of a date may be that of the other dates, or less by, without a word."""
HUGE = 20000.0
"""Twice a reflectance of 1."""


@dataclass(frozen=True)
class BandValues:
    """A sample of one band of one date, in product units."""

    pixels: int
    median: float
    high: float
    """98 % of the values are nearer to 0."""
    negative: float
    """Share of the pixels; so are the next."""
    huge: float
    same: bool
    """All pixels hold one value."""
    clear: bool = True
    """A mask says that all pixels are clear; others may be clouds, which are bright."""


@dataclass(frozen=True)
class Doubt:
    """What is wrong with a band, or an index, of a date."""

    date: int
    """Position in the series."""
    name: str
    text: str


def band_values(values: np.ndarray, *, clear: bool = True) -> BandValues | None:
    """The sample ``values`` (pixel), without those that are not finite; None when too few are left. ``clear``: no mask
    applies to them."""
    known = values[np.isfinite(values)].astype(np.float64)
    if len(known) < ENOUGH:
        return None
    return BandValues(
        len(known),
        float(np.median(known)),
        float(np.percentile(np.abs(known), 98)),
        float(np.mean(known < 0)),
        float(np.mean(np.abs(known) > HUGE)),
        bool(known.min() == known.max()),
        clear,
    )


Table = Mapping[str, Sequence[BandValues | None]]
"""By band, the sample of each date."""


def impossible(table: Table) -> Iterator[Doubt]:
    """Bands of reflectances whose values lie from 0 to 1 on one date and are of the described scale on others."""
    for name, dates in table.items():
        for date, one in enumerate(dates):
            others = _others(dates, date)
            if one is not None and one.high <= TINY and others is not None and abs(others) >= LEAST:
                told = f"98 % of its values lie within {one.high:.3g} of 0, the median of other dates is {others:.0f}"
                yield Doubt(date, name, told)


def unlike_others(table: Table) -> Iterator[Doubt]:
    """Bands of dates whose median is many times that of the other dates, or many times less, or that are constant."""
    for name, dates in table.items():
        for date, one in enumerate(dates):
            others = _others(dates, date)
            if one is None or others is None or others == 0:
                continue
            ratio = abs(one.median / others)
            if ratio < 1 / RATIO or (ratio > RATIO and (one.clear or one.median > HUGE)):
                yield Doubt(date, name, f"median {one.median:.3g}, {others:.3g} on other dates")
            elif one.same and not all(other is None or other.same for other in dates):
                yield Doubt(date, name, f"all sampled pixels hold {one.median:.6g}")


def negative(table: Table) -> Iterator[Doubt]:
    """Bands of dates with many negative values."""
    return _shares(table, lambda one: one.negative)


def huge(table: Table) -> Iterator[Doubt]:
    """Bands of dates with many values beyond twice a reflectance of 1."""
    return _shares(table, lambda one: one.huge)


def unscaled(table: Table) -> list[str]:
    """Bands whose values lie from 0 to 1 on all dates."""
    found = {name: [one for one in dates if one is not None] for name, dates in table.items()}
    return [name for name, dates in found.items() if dates and all(0 < one.high <= TINY for one in dates)]


def beyond_one(first: np.ndarray, second: np.ndarray) -> float:
    """Share of pixels whose normalised difference is not within -1 to 1; NaN when too few have both bands."""
    with np.errstate(divide="ignore", invalid="ignore"):
        index = (first.astype(np.float64) - second) / (first.astype(np.float64) + second)
    known = np.isfinite(first) & np.isfinite(second) & ((first != 0) | (second != 0))
    if np.count_nonzero(known) < ENOUGH:
        return float("nan")
    return float(np.mean(~(np.abs(index[known]) <= 1)))


def _shares(table: Table, share: Callable[[BandValues], float]) -> Iterator[Doubt]:
    for name, dates in table.items():
        for date, one in enumerate(dates):
            if one is not None and share(one) > SHARE:
                yield Doubt(date, name, f"{100 * share(one):.0f} %")


def _others(dates: Sequence[BandValues | None], date: int) -> float | None:
    """The median of the medians of all dates but one."""
    found = [one.median for number, one in enumerate(dates) if number != date and one is not None]
    return float(np.median(found)) if found else None
