"""Plausibility of the values of a time series: wrong scale, swapped bands, constant or outlying dates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

FEW = 10
"""Pixels of one value from which it counts as a repeated code."""
ENOUGH = 50
"""Pixels of a band of a date from which it is checked."""
SHARE = 0.05
"""Share of pixels above which negative values, and indices beyond -1 to 1, are reported."""
TINY = 2.0
"""Product units (reflectance x 10000); the largest value of a band that was not scaled, with values from 0 to 1."""
LEAST = 100.0
"""Product units; the median of a band from which its scale is certain."""
RATIO = 30.0
"""Factor between the median of a date and that of the other dates from which it is reported."""
HUGE = 20000.0
"""Twice a reflectance of 1."""
ABSURD = 1e6
"""A hundred times a reflectance of 1, beyond any median of a band."""
ALONE = 6.0
"""Factor by which the median of one band may change against the others, or all medians together."""
ALIKE = 2.0
"""Factor within which the bands of a date change together."""
SWAPPED = 1.3
"""Factor between the median of a swapped band and the usual median of the other one."""


@dataclass(frozen=True)
class BandValues:
    """A sample of one band of one date, in product units."""

    pixels: int
    median: float
    high: float
    """98th percentile of the absolute values."""
    negative: float
    """Share of negative pixels."""
    huge: float
    """Share of pixels beyond twice a reflectance of 1."""
    same: bool
    """All pixels have one value."""
    clear: bool = True
    """All pixels are clear by a mask; otherwise some may be clouds, which are bright."""


@dataclass(frozen=True)
class Doubt:
    """An implausible band, or index, of a date."""

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
    """Bands whose values on one date lie from 0 to 1, or far above all reflectances, while other dates have the scale
    of the description."""
    for name, dates in table.items():
        for date, one in enumerate(dates):
            others = _others(dates, date)
            if one is None or others is None:
                continue
            if one.high <= TINY:
                # most dates may be as wrong as this one: any of the described scale shows it
                usual = others if abs(others) >= LEAST else _largest(dates, date)
                if usual >= LEAST:
                    figures = (
                        f"98 % of its values lie within {one.high:.3g} of 0, the median of other dates is {usual:.0f}"
                    )
                    yield Doubt(date, name, figures)
            elif abs(one.median) >= ABSURD and abs(others) <= HUGE:
                yield Doubt(date, name, f"their median is {one.median:.3g}, that of other dates {others:.0f}")


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


def out_of_scale(table: Table) -> Iterator[Doubt]:
    """Dates on which the median of one band, or of all bands alike, changes more than ``ALONE`` times, and dates on
    which two bands seem swapped.

    Land cover, snow and clouds change neighbouring bands together and other bands by other factors.
    """
    for date in range(max(map(len, table.values()), default=0)):
        changes = _changes(table, date)
        yield from _swapped(table, date, changes)
        if len(changes) < 3:
            continue
        logs = {name: math.log(now / usual) for name, (now, usual) in changes.items()}
        for name, (now, usual) in changes.items():
            rest = [one for other, one in logs.items() if other != name]
            alone = abs(logs[name] - float(np.median(rest))) > math.log(ALONE) and _close(rest)
            together = abs(float(np.median([*logs.values()]))) > math.log(ALONE) and _close([*logs.values()])
            if (alone or together) and 1 / RATIO <= now / usual <= RATIO:  # else it is reported already
                yield Doubt(date, name, f"median {now:.4g}, {usual:.4g} on other dates")


def _close(logs: Sequence[float]) -> bool:
    """Whether factors, given as logarithms, differ by at most ``ALIKE`` times."""
    return max(logs) - min(logs) <= math.log(ALIKE)


def _changes(table: Table, date: int) -> dict[str, tuple[float, float]]:
    """Median of each band on a date and on the other dates, of bands where both are above 0."""
    found = {}
    for name, dates in table.items():
        one, usual = dates[date], _others(dates, date)
        if one is not None and usual is not None and one.median > 0 and usual > 0:
            found[name] = one.median, usual
    return found


def _swapped(table: Table, date: int, changes: Mapping[str, tuple[float, float]]) -> Iterator[Doubt]:
    """Pairs of bands that seem swapped: each has the usual median of the other, on all other dates one of them is
    higher, and the other bands are as usual."""
    for low, high in permutations(changes, 2):
        (now_low, usual_low), (now_high, usual_high) = changes[low], changes[high]
        crossed = max(abs(math.log(now_low / usual_high)), abs(math.log(now_high / usual_low))) < math.log(SWAPPED)
        if not crossed or usual_high < SWAPPED**1.5 * usual_low:
            continue
        rest = [now / usual for name, (now, usual) in changes.items() if name not in (low, high)]
        pairs = zip(table[low], table[high], strict=True)
        usually = all(
            a.median * SWAPPED < b.median
            for t, (a, b) in enumerate(pairs)
            if t != date and a is not None and b is not None
        )
        if usually and all(1 / ALIKE < one < ALIKE for one in rest):
            yield Doubt(date, high, f"median {now_high:.4g}, which is usual for {low}, as if they were swapped")
            yield Doubt(date, low, f"median {now_low:.4g}, which is usual for {high}, as if they were swapped")


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


def _largest(dates: Sequence[BandValues | None], date: int) -> float:
    """The largest median of all dates but one."""
    return max((abs(one.median) for number, one in enumerate(dates) if number != date and one is not None), default=0.0)


def _others(dates: Sequence[BandValues | None], date: int) -> float | None:
    """The median of the medians of all dates but one."""
    found = [one.median for number, one in enumerate(dates) if number != date and one is not None]
    return float(np.median(found)) if found else None
