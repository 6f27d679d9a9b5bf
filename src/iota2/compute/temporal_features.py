"""Temporal features: differences between successive dates of a series, and statistics over its dates.

Series are computed in chunks of pixels. All loops, also the sorting network of the quantiles, run over adjacent pixels.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numba
import numpy as np

from iota2.core.recipe import MISSING, QUANTILES, STATISTIC_NAMES

CHUNK_PIXELS = 128
"""Pixels per chunk; a one-year series of these pixels and its sorted copy fit the cache of a core."""
_QUANTILE_COUNT = len(QUANTILES)
_MISSING = np.float32(MISSING)


def temporal_features(
    values: np.ndarray,
    rows: np.ndarray,
    differences: np.ndarray,
    statistics: np.ndarray,
    *,
    usable: np.ndarray | None = None,
) -> None:
    """Write differences (series, date - 1, pixel) and statistics (series, statistic, pixel), both float32.

    ``values`` (row, pixel) float32; ``rows`` (series, date): the row of each date of each series. An output without
    series is not computed. All arrays are contiguous; the outputs may be other rows of the array of ``values``.

    A value is missing if it is ``MISSING`` or not finite, or if ``usable`` (date, pixel) bool is False. A difference is
    a value minus the last one before it that is not missing, and belongs to the later date. It is ``MISSING`` if either
    value is. Statistics, in the order of ``STATISTIC_NAMES``, are those of the values that are not missing:

    - quantiles, interpolated linearly between the sorted values (type 7 of Hyndman & Fan, 1996), mean, and standard
      deviation (division by the number of values);
    - the number of the first date with the maximum, and with the minimum; dates are numbered from 1;
    - the maximum and the minimum of the differences; ``MISSING`` without a difference.

    A series without values has only ``MISSING`` features. A pixel does not depend on the others. Raises ValueError for
    inconsistent shapes.
    """
    (count, dates), pixels = rows.shape, values.shape[1]
    _check(differences, (count, max(dates - 1, 0), pixels), "differences")
    _check(statistics, (count, len(STATISTIC_NAMES), pixels), "statistics")
    if rows.size and (rows.min() < 0 or rows.max() >= len(values)):
        raise ValueError(f"rows {rows.min()} to {rows.max()} of {len(values)}")
    if not dates:
        statistics[:] = MISSING
        return
    if usable is None:
        usable = np.empty((0, pixels), np.bool_)
    elif usable.shape != (dates, pixels):
        raise ValueError(f"usable dates of shape {usable.shape}, expected {(dates, pixels)}")
    _compute((values, np.ascontiguousarray(rows), usable), _sorting(dates), (differences, statistics))


def _check(out: np.ndarray, shape: tuple[int, ...], name: str) -> None:
    """Raise ValueError for an output of another shape, apart from an output without series."""
    if out.shape != (shape if len(out) else (0, *shape[1:])):
        raise ValueError(f"{name} of shape {out.shape}, expected {shape}")


class _Sorting(NamedTuple):
    """Tables to sort series of one length, and to find their quantiles."""

    comparators: np.ndarray
    """(comparator, 2) int64: positions of two values, of which the lower one is stored at the first position."""
    lower: np.ndarray
    """(count, quantile) int64: position of the value below each quantile of ``count`` values."""
    weight: np.ndarray
    """(count, quantile) float64: weight of the value above."""


@cache
def _sorting(dates: int) -> _Sorting:
    """The tables for series with a number of dates."""
    counts = np.arange(dates + 1)
    position = np.maximum(counts - 1, 0)[:, None] * np.array([*QUANTILES.values()])
    lower = np.floor(position).astype(np.int64)
    pairs = np.array(_merge_exchange(dates), np.int64).reshape(-1, 2)
    return _Sorting(pairs, lower, position - lower)


def _merge_exchange(count: int) -> list[tuple[int, int]]:
    """Comparators of Batcher's sorting network (Knuth, The Art of Computer Programming 3, algorithm 5.2.2 M)."""
    pairs = []
    top = 1 << max(0, (count - 1).bit_length() - 1)
    p = top if count > 1 else 0
    while p:
        q, r, d = top, 0, p
        while True:
            pairs += [(i, i + d) for i in range(count - d) if i & p == r]
            if q == p:
                break
            q, r, d = q // 2, p, q - p
        p //= 2
    return pairs


_Inputs = tuple[np.ndarray, np.ndarray, np.ndarray]
_Outputs = tuple[np.ndarray, np.ndarray]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _compute(inputs: _Inputs, tables: _Sorting, outputs: _Outputs) -> None:
    """Compute chunk by chunk, series by series. In the buffers, missing values and differences are infinite."""
    values, rows, usable = inputs
    differences, statistics = outputs
    pixels, dates = values.shape[1], rows.shape[1]
    series = np.empty((dates, CHUNK_PIXELS), np.float32)
    steps = np.empty((dates - 1, CHUNK_PIXELS), np.float32)
    found = np.empty((len(STATISTIC_NAMES), CHUNK_PIXELS), np.float32)
    count = np.empty(CHUNK_PIXELS, np.int32)
    for start in range(0, pixels, CHUNK_PIXELS):
        n = min(CHUNK_PIXELS, pixels - start)
        for s in range(len(rows)):
            _load(values, rows[s], usable, start, (series, count))
            _subtract(series, steps)
            if len(differences):
                for d in range(dates - 1):
                    _replace_missing(steps[d], differences[s, d][start : start + n])
            if len(statistics):
                _moments(series, count, found[_QUANTILE_COUNT : _QUANTILE_COUNT + 2])
                _places(series, found[_QUANTILE_COUNT + 2 : _QUANTILE_COUNT + 4])
                _greatest_steps(steps, found[_QUANTILE_COUNT + 4 :])
                _sort(series, tables.comparators)
                _quantiles(series, count, tables, found[:_QUANTILE_COUNT])
                for k in range(len(found)):
                    out = statistics[s, k][start : start + n]
                    for p in range(n):
                        out[p] = found[k, p] if count[p] > 0 else _MISSING


@numba.njit(nogil=True, cache=True)
def _load(
    values: np.ndarray, rows: np.ndarray, usable: np.ndarray, start: int, work: tuple[np.ndarray, np.ndarray]
) -> None:
    """Copy a chunk of a series, and count its values; pixels after the last one have none."""
    series, count = work
    none = np.float32(np.inf)
    count[:] = 0
    for d in range(len(rows)):
        source = values[rows[d]][start : start + CHUNK_PIXELS]
        target = series[d]
        for p in range(len(source)):
            value = source[p]
            ok = (abs(value) < none) & (value != _MISSING)
            target[p] = value if ok else none
        target[len(source) :] = none
        if len(usable):
            clear = usable[d][start : start + CHUNK_PIXELS]
            for p in range(len(clear)):
                value = target[p]
                target[p] = value if clear[p] else none
        for p in range(CHUNK_PIXELS):
            count[p] += np.int32(target[p] < none)


@numba.njit(nogil=True, cache=True)
def _subtract(series: np.ndarray, steps: np.ndarray) -> None:
    """Write the differences between successive values; infinite where there is no value, or none before."""
    none = np.float32(np.inf)
    last = series[0].copy()
    for d in range(1, len(series)):
        now, out = series[d], steps[d - 1]
        for p in range(CHUNK_PIXELS):
            value, before = now[p], last[p]
            step = value - before
            out[p] = step if (value < none) & (before < none) else none
            last[p] = value if value < none else before


@numba.njit(nogil=True, cache=True)
def _replace_missing(values: np.ndarray, out: np.ndarray) -> None:
    none = np.float32(np.inf)
    for p in range(len(out)):
        out[p] = values[p] if values[p] < none else _MISSING


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _moments(series: np.ndarray, count: np.ndarray, out: np.ndarray) -> None:
    """Write mean and standard deviation, computed in double precision, in the order of the dates."""
    none = np.float32(np.inf)
    total, square = np.zeros(CHUNK_PIXELS), np.zeros(CHUNK_PIXELS)
    for d in range(len(series)):
        row = series[d]
        for p in range(CHUNK_PIXELS):
            value = np.float64(row[p])
            total[p] += value if row[p] < none else 0.0
    for p in range(CHUNK_PIXELS):
        total[p] /= count[p]
    for d in range(len(series)):
        row = series[d]
        for p in range(CHUNK_PIXELS):
            distance = np.float64(row[p]) - total[p]
            distance = distance if row[p] < none else 0.0
            square[p] += distance * distance
    for p in range(CHUNK_PIXELS):
        out[0, p] = total[p]
        out[1, p] = np.sqrt(square[p] / count[p])


@numba.njit(nogil=True, cache=True)
def _places(series: np.ndarray, out: np.ndarray) -> None:
    """Write the numbers of the first dates with the maximum and with the minimum."""
    none = np.float32(np.inf)
    high, low = np.full(CHUNK_PIXELS, -none, np.float32), np.full(CHUNK_PIXELS, none, np.float32)
    for d in range(len(series)):
        _note_maximum(series[d], np.float32(d + 1), high, out[0])
        _note_minimum(series[d], np.float32(d + 1), low, out[1])


@numba.njit(nogil=True, cache=True)
def _note_maximum(values: np.ndarray, number: np.float32, high: np.ndarray, out: np.ndarray) -> None:
    none = np.float32(np.inf)
    for p in range(CHUNK_PIXELS):
        value, best, place = values[p], high[p], out[p]
        higher = (value < none) & (value > best)
        high[p] = value if higher else best
        out[p] = number if higher else place


@numba.njit(nogil=True, cache=True)
def _note_minimum(values: np.ndarray, number: np.float32, low: np.ndarray, out: np.ndarray) -> None:
    for p in range(CHUNK_PIXELS):
        value, best, place = values[p], low[p], out[p]
        lower = value < best
        low[p] = value if lower else best
        out[p] = number if lower else place


@numba.njit(nogil=True, cache=True)
def _greatest_steps(steps: np.ndarray, out: np.ndarray) -> None:
    """Write the maximum and the minimum of the differences."""
    none = np.float32(np.inf)
    high, low = np.full(CHUNK_PIXELS, -none, np.float32), np.full(CHUNK_PIXELS, none, np.float32)
    for d in range(len(steps)):
        row = steps[d]
        for p in range(CHUNK_PIXELS):
            value = row[p]
            high[p] = value if (value < none) & (value > high[p]) else high[p]
            low[p] = value if value < low[p] else low[p]
    for p in range(CHUNK_PIXELS):
        out[0, p] = high[p] if high[p] > -none else _MISSING
        out[1, p] = low[p] if low[p] < none else _MISSING


@numba.njit(nogil=True, cache=True)
def _sort(series: np.ndarray, comparators: np.ndarray) -> None:
    """Sort the values of each pixel; missing values are last."""
    for k in range(len(comparators)):
        first, second = series[comparators[k, 0]], series[comparators[k, 1]]
        for p in range(CHUNK_PIXELS):
            a, b = first[p], second[p]
            first[p] = a if a < b else b
            second[p] = b if a < b else a


@numba.njit(nogil=True, cache=True)
def _quantiles(series: np.ndarray, count: np.ndarray, tables: _Sorting, out: np.ndarray) -> None:
    """Write the quantiles of sorted series."""
    last = len(series) - 1
    same = (count == count[0]).all()
    for k in range(_QUANTILE_COUNT):
        if same:
            at, weight = tables.lower[count[0], k], tables.weight[count[0], k]
            _interpolate(series[at], series[min(at + 1, last)], weight, out[k])
            continue
        for p in range(CHUNK_PIXELS):
            at, weight = tables.lower[count[p], k], tables.weight[count[p], k]
            low, high = np.float64(series[at, p]), np.float64(series[min(at + 1, last), p])
            out[k, p] = low + (high - low) * weight if weight > 0 else low


@numba.njit(nogil=True, cache=True)
def _interpolate(low: np.ndarray, high: np.ndarray, weight: float, out: np.ndarray) -> None:
    """Write values between ``low`` and ``high`` (pixel,), in double precision: values of opposite signs may cancel."""
    for p in range(CHUNK_PIXELS):
        first = np.float64(low[p])
        out[p] = first + (np.float64(high[p]) - first) * weight if weight > 0 else first
