"""Plausibility checks of a time series: wrong scale, swapped bands, constant or outlying dates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

MIN_CODE_PIXELS = 10
"""Minimum number of pixels with the same value to count as a code."""
MIN_BAND_PIXELS = 50
"""Minimum number of pixels to check a band of a date."""
MAX_IMPLAUSIBLE_SHARE = 0.05
"""Maximum share of pixels with negative values or with indices beyond -1 to 1; higher shares are reported."""
MAX_UNSCALED_VALUE = 2.0
"""Maximum value, in product units (reflectance x 10000), of a band that looks like unscaled reflectances."""
MIN_SCALED_MEDIAN = 100.0
"""Minimum median of a band, in product units, that proves the described scale."""
MAX_MEDIAN_RATIO = 30.0
"""Maximum ratio of the median of a date to that of the other dates, or its inverse; larger ratios are reported."""
MAX_SURFACE_VALUE = 20000.0
"""Maximum plausible value in product units: twice a reflectance of 1."""
MIN_ABSURD_MEDIAN = 1e6
"""Minimum of an impossible median in product units: a hundred times a reflectance of 1."""
MAX_BAND_RATIO = 6.0
"""Maximum factor by which the median of one band changes relative to other bands, or by which all medians change."""
MAX_JOINT_RATIO = 2.0
"""Maximum ratio of the changes of two bands that count as changing together."""
MAX_SWAP_RATIO = 1.3
"""Maximum ratio of the median of a swapped band to the usual median of the other band."""


@dataclass(frozen=True)
class BandValues:
    """Statistics of sampled pixels of one band on one date, in product units."""

    pixels: int
    median: float
    high: float
    """98th percentile of the absolute values."""
    negative: float
    """Share of negative pixels."""
    huge: float
    """Share of pixels beyond twice a reflectance of 1."""
    same: bool
    """Whether all pixels have the same value."""
    clear: bool = True
    """Whether masks show all pixels as clear; if not, some may be bright clouds."""


@dataclass(frozen=True)
class ImplausibleValues:
    """An implausible band, or index, of a date."""

    date: int
    """Position in the series."""
    name: str
    text: str


def band_values(values: np.ndarray, *, clear: bool = True) -> BandValues | None:
    """Statistics of the finite ``values`` (pixel,); None with fewer than ``MIN_BAND_PIXELS``.

    ``clear``: no mask applies to the pixels.
    """
    known = values[np.isfinite(values)].astype(np.float64)
    if len(known) < MIN_BAND_PIXELS:
        return None
    return BandValues(
        len(known),
        float(np.median(known)),
        float(np.percentile(np.abs(known), 98)),
        float(np.mean(known < 0)),
        float(np.mean(np.abs(known) > MAX_SURFACE_VALUE)),
        bool(known.min() == known.max()),
        clear,
    )


Table = Mapping[str, Sequence[BandValues | None]]
"""Statistics of each date, by band."""


def impossible(table: Table) -> Iterator[ImplausibleValues]:
    """Bands with values from 0 to 1 or an impossible median on one date, while other dates have the described scale."""
    for name, dates in table.items():
        for date, one in enumerate(dates):
            others = _others(dates, date)
            if one is None or others is None:
                continue
            if one.high <= MAX_UNSCALED_VALUE:
                # if most dates are wrong, a single date with the described scale is sufficient
                usual = others if abs(others) >= MIN_SCALED_MEDIAN else _largest(dates, date)
                if usual >= MIN_SCALED_MEDIAN:
                    text = (
                        f"98 % of the values are within {one.high:.3g} of 0, the median of other dates is {usual:.0f}"
                    )
                    yield ImplausibleValues(date, name, text)
            elif abs(one.median) >= MIN_ABSURD_MEDIAN and abs(others) <= MAX_SURFACE_VALUE:
                yield ImplausibleValues(date, name, f"the median is {one.median:.3g}, that of other dates {others:.0f}")


def unlike_others(table: Table) -> Iterator[ImplausibleValues]:
    """Bands that on one date are constant or have a median far above or below that of the other dates."""
    for name, dates in table.items():
        for date, one in enumerate(dates):
            others = _others(dates, date)
            if one is None or others is None or others == 0:
                continue
            ratio = abs(one.median / others)
            if ratio < 1 / MAX_MEDIAN_RATIO or (
                ratio > MAX_MEDIAN_RATIO and (one.clear or one.median > MAX_SURFACE_VALUE)
            ):
                yield ImplausibleValues(date, name, f"median {one.median:.3g}, {others:.3g} on other dates")
            elif one.same and not all(other is None or other.same for other in dates):
                yield ImplausibleValues(date, name, f"all sampled pixels are {one.median:.6g}")


def out_of_scale(table: Table) -> Iterator[ImplausibleValues]:
    """Bands that seem swapped on one date, and bands whose median changes by more than ``MAX_BAND_RATIO``.

    The change is reported if the band changes alone, or if all bands change by similar factors. Land cover, snow and
    clouds change neighbouring bands by similar and distant bands by different factors.
    """
    for date in range(max(map(len, table.values()), default=0)):
        changes = _changes(table, date)
        yield from _swapped(table, date, changes)
        if len(changes) < 3:
            continue
        logs = {name: math.log(now / usual) for name, (now, usual) in changes.items()}
        for name, (now, usual) in changes.items():
            rest = [one for other, one in logs.items() if other != name]
            alone = abs(logs[name] - float(np.median(rest))) > math.log(MAX_BAND_RATIO) and _close(rest)
            together = abs(float(np.median([*logs.values()]))) > math.log(MAX_BAND_RATIO) and _close([*logs.values()])
            if (
                alone or together
            ) and 1 / MAX_MEDIAN_RATIO <= now / usual <= MAX_MEDIAN_RATIO:  # larger ratios: see unlike_others
                yield ImplausibleValues(date, name, f"median {now:.4g}, {usual:.4g} on other dates")


def _close(logs: Sequence[float]) -> bool:
    """Whether factors, given as logarithms, have ratios of at most ``MAX_JOINT_RATIO``."""
    return max(logs) - min(logs) <= math.log(MAX_JOINT_RATIO)


def _changes(table: Table, date: int) -> dict[str, tuple[float, float]]:
    """Median of each band on a date and on the other dates; only bands for which both are positive."""
    found = {}
    for name, dates in table.items():
        one, usual = dates[date], _others(dates, date)
        if one is not None and usual is not None and one.median > 0 and usual > 0:
            found[name] = one.median, usual
    return found


def _swapped(table: Table, date: int, changes: Mapping[str, tuple[float, float]]) -> Iterator[ImplausibleValues]:
    """Pairs of bands that seem swapped on a date.

    Each has the usual median of the other, their order is the same on all other dates, and the remaining bands are as
    usual.
    """
    for low, high in permutations(changes, 2):
        (now_low, usual_low), (now_high, usual_high) = changes[low], changes[high]
        crossed = max(abs(math.log(now_low / usual_high)), abs(math.log(now_high / usual_low))) < math.log(
            MAX_SWAP_RATIO
        )
        if not crossed or usual_high < MAX_SWAP_RATIO**1.5 * usual_low:
            continue
        rest = [now / usual for name, (now, usual) in changes.items() if name not in (low, high)]
        pairs = zip(table[low], table[high], strict=True)
        usually = all(
            a.median * MAX_SWAP_RATIO < b.median
            for t, (a, b) in enumerate(pairs)
            if t != date and a is not None and b is not None
        )
        if usually and all(1 / MAX_JOINT_RATIO < one < MAX_JOINT_RATIO for one in rest):
            yield ImplausibleValues(date, high, f"median {now_high:.4g}, which is usual for {low}: they may be swapped")
            yield ImplausibleValues(date, low, f"median {now_low:.4g}, which is usual for {high}: they may be swapped")


def negative(table: Table) -> Iterator[ImplausibleValues]:
    """Bands with many negative values on a date."""
    return _shares(table, lambda one: one.negative)


def huge(table: Table) -> Iterator[ImplausibleValues]:
    """Bands with many values beyond twice a reflectance of 1 on a date."""
    return _shares(table, lambda one: one.huge)


def unscaled(table: Table) -> list[str]:
    """Bands with values from 0 to 1 on all dates."""
    found = {name: [one for one in dates if one is not None] for name, dates in table.items()}
    return [name for name, dates in found.items() if dates and all(0 < one.high <= MAX_UNSCALED_VALUE for one in dates)]


def beyond_one(first: np.ndarray, second: np.ndarray) -> float:
    """Share of pixels with a normalised difference outside -1 to 1; NaN with fewer than ``MIN_BAND_PIXELS`` pixels."""
    with np.errstate(divide="ignore", invalid="ignore"):
        index = (first.astype(np.float64) - second) / (first.astype(np.float64) + second)
    known = np.isfinite(first) & np.isfinite(second) & ((first != 0) | (second != 0))
    if np.count_nonzero(known) < MIN_BAND_PIXELS:
        return float("nan")
    return float(np.mean(~(np.abs(index[known]) <= 1)))


def _shares(table: Table, share: Callable[[BandValues], float]) -> Iterator[ImplausibleValues]:
    for name, dates in table.items():
        for date, one in enumerate(dates):
            if one is not None and share(one) > MAX_IMPLAUSIBLE_SHARE:
                yield ImplausibleValues(date, name, f"{100 * share(one):.0f} %")


def _largest(dates: Sequence[BandValues | None], date: int) -> float:
    """The largest absolute median of all dates except one."""
    return max((abs(one.median) for number, one in enumerate(dates) if number != date and one is not None), default=0.0)


def _others(dates: Sequence[BandValues | None], date: int) -> float | None:
    """The median of the medians of all dates except one."""
    found = [one.median for number, one in enumerate(dates) if number != date and one is not None]
    return float(np.median(found)) if found else None
