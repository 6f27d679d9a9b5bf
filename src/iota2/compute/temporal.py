"""Filling the gaps of a time series: linear in time between valid dates, constant at the two ends.

The acquisitions before and after an output date are the same for all pixels. So the last
valid value before and the next valid value after are carried along the series with selections (no look-up per
pixel), and every loop runs over neighbouring pixels.
"""

from __future__ import annotations

import math

import numba
import numpy as np

CHUNK = 1024
"""Pixels per chunk; one band of a year of them fits the cache of a core."""


def gapfill(
    values: np.ndarray,
    valid: np.ndarray,
    days: np.ndarray,
    out_days: np.ndarray,
    *,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Values at ``out_days``, linear in time between a pixel's valid dates: (date, band, y, x) float32.

    ``values`` (time, band, y, x) int16 or float32 and ``valid`` (time, y, x) bool at ``days`` (time,),
    ascending day numbers. Values that are not valid are never used, NaN included. Valid values of one day
    count as one date with their mean, whatever their order. Before the first valid date its value is used,
    after the last one that one's. A pixel without any valid date is 0. ``out``, if given, is written and returned;
    it may be a part of a larger array whose y and x are contiguous.

    Raises ValueError for unsorted days or shapes that do not fit.
    """
    days, out_days = np.asarray(days, np.int64), np.asarray(out_days, np.int64)
    times, bands, *space = values.shape
    shape = (len(out_days), bands, *space)
    _check(values, valid, days)
    if out is None:
        out = np.empty(shape, np.float32)
    elif out.shape != shape or out.dtype != np.float32:
        raise ValueError(f"output of shape {out.shape} and type {out.dtype}, expected {shape} float32")
    pixels = math.prod(space)
    flat = out.reshape(*shape[:2], pixels)
    if out.size and not np.may_share_memory(flat, out):
        raise ValueError("y and x of the output are not contiguous")
    unique, starts = np.unique(days, return_index=True)
    base = unique[0] if times else 0
    values, valid = np.ascontiguousarray(values), np.ascontiguousarray(valid)
    series = (values.reshape(times, bands, pixels), valid.reshape(times, pixels), np.append(starts, times))
    since, out_since = (unique - base).astype(np.float32), (out_days - base).astype(np.float32)
    _fill(series, (since, out_since, np.searchsorted(unique, out_days, side="right")), flat)
    return out


def _check(values: np.ndarray, valid: np.ndarray, days: np.ndarray) -> None:
    if values.shape[:1] + values.shape[2:] != valid.shape or len(days) != len(values) or valid.dtype != np.bool_:
        raise ValueError(f"values {values.shape}, valid {valid.shape} {valid.dtype}, {len(days)} days do not fit")
    if (np.diff(days) < 0).any():
        raise ValueError("the days of a series must ascend; sort the acquisitions by day")


_Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
_Work = tuple[np.ndarray, np.ndarray]


@numba.njit(nogil=True, cache=True)
def _fill(series: _Arrays, calendar: _Arrays, out: np.ndarray) -> None:
    """Interpolate, chunk by chunk of pixels: the weights once, then each band.

    ``series``: values (time, band, pixel), valid (time, pixel), starts: acquisitions ``starts[g]`` to
    ``starts[g + 1]`` are of day g. ``calendar``: days, output days, slots: ``slots[d]`` days are not after
    output date d. The values before and after a day, and the last and next valid day, share the same work
    space.
    """
    values, valid, starts = series
    days, out_days, slots = calendar
    groups, pixels = len(days), values.shape[2]
    before = np.empty((groups + 1, CHUNK), np.float32)
    after = np.empty((groups + 1, CHUNK), np.float32)
    known = np.empty((groups, CHUNK), np.bool_)
    weight = np.empty((len(out_days), CHUNK), np.float32)
    for start in range(0, pixels, CHUNK):
        span = (start, min(start + CHUNK, pixels))
        _mark_known(valid, starts, span, known)
        _weigh(known, calendar, (before, after), weight)
        for band in range(values.shape[1]):
            _carry(series, band, span, (before, after), known)
            for d in range(len(out_days)):
                _mix(before[slots[d]], after[slots[d]], weight[d], out[d, band][span[0] : span[1]])


@numba.njit(nogil=True, cache=True)
def _mark_known(valid: np.ndarray, starts: np.ndarray, span: tuple[int, int], known: np.ndarray) -> None:
    """Days on which a pixel has at least one valid acquisition."""
    n = span[1] - span[0]
    known[:, n:] = False
    for g in range(len(starts) - 1):
        known[g, :n] = valid[starts[g]][span[0] : span[1]]
        for t in range(starts[g] + 1, starts[g + 1]):
            for p in range(n):
                known[g, p] |= valid[t, span[0] + p]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _weigh(known: np.ndarray, calendar: _Arrays, work: _Work, weight: np.ndarray) -> None:
    """Share of the next valid value at each output date.

    1 without a valid date before, 0 without one after: the missing value, carried as 0, gets no weight. Without
    any valid date both values are 0.
    """
    days, out_days, slots = calendar
    before, after = work
    none = np.float32(np.inf)
    before[0] = -none
    after[len(days)] = none
    for g in range(len(days)):
        for p in range(CHUNK):
            day = before[g, p]
            before[g + 1, p] = days[g] if known[g, p] else day
    for g in range(len(days) - 1, -1, -1):
        for p in range(CHUNK):
            day = after[g + 1, p]
            after[g, p] = days[g] if known[g, p] else day
    for d in range(len(out_days)):
        last, following = before[slots[d]], after[slots[d]]
        for p in range(CHUNK):
            share = (out_days[d] - last[p]) / (following[p] - last[p])
            share = np.float32(1.0) if last[p] == -none else share
            weight[d, p] = np.float32(0.0) if following[p] == none else share


@numba.njit(nogil=True, cache=True)
def _carry(series: _Arrays, band: int, span: tuple[int, int], work: _Work, known: np.ndarray) -> None:
    """One band: ``before[g]`` becomes the last known value before day g, ``after[g]`` the next; else 0."""
    values, _, starts = series
    before, after = work
    start, stop = span
    before[0] = np.float32(0.0)
    after[len(starts) - 1] = np.float32(0.0)
    for g in range(len(starts) - 1):
        if starts[g + 1] - starts[g] == 1:
            _carry_on(values[starts[g], band][start:stop], known[g], before[g], before[g + 1])
        else:
            mean = after[g][: stop - start]
            _mean(series, g, band, start, mean)
            _carry_on(mean, known[g], before[g], before[g + 1])
    for g in range(len(starts) - 2, -1, -1):
        if starts[g + 1] - starts[g] == 1:
            _carry_on(values[starts[g], band][start:stop], known[g], after[g + 1], after[g])
        else:
            _carry_on(after[g][: stop - start], known[g], after[g + 1], after[g])


@numba.njit(nogil=True, cache=True)
def _carry_on(values: np.ndarray, known: np.ndarray, carried: np.ndarray, out: np.ndarray) -> None:
    """The value where it is valid, else the carried one."""
    for p in range(len(values)):
        value, other = np.float32(values[p]), carried[p]  # both loaded, so that the choice needs no branch
        out[p] = value if known[p] else other


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _mean(series: _Arrays, g: int, band: int, start: int, out: np.ndarray) -> None:
    """Mean of the valid values of the acquisitions of one day; 0, which is never used, without any."""
    values, valid, starts = series
    for p in range(len(out)):
        total, count = 0.0, 0
        for t in range(starts[g], starts[g + 1]):
            if valid[t, start + p]:
                total += values[t, band, start + p]
                count += 1
        out[p] = total / max(count, 1)


@numba.njit(nogil=True, cache=True)
def _mix(before: np.ndarray, after: np.ndarray, weight: np.ndarray, out: np.ndarray) -> None:
    """Interpolate between the value before and the value after."""
    for p in range(len(out)):
        out[p] = before[p] + (after[p] - before[p]) * weight[p]
