"""Gap filling: linear interpolation in time between valid dates, constant extrapolation at both ends.

The acquisitions before and after an output date are the same for all pixels. Therefore the last valid value is carried
forward and the next valid value backward along the series. No pixel needs a search, and inner loops run over adjacent
pixels.
"""

from __future__ import annotations

import math

import numba
import numpy as np

CHUNK_PIXELS = 1024
"""Pixels per chunk; one band of a one-year series of these pixels fits the cache of a core."""


def gapfill(
    values: np.ndarray,
    valid: np.ndarray,
    days: np.ndarray,
    out_days: np.ndarray,
    *,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Values at ``out_days``, interpolated linearly between the valid dates of each pixel: (date, band, y, x) float32.

    ``values`` (time, band, y, x) int16 or float32 and ``valid`` (time, y, x) bool are given at ``days`` (time,),
    ascending day numbers. Invalid values, including NaN, are never used. Valid values of the same day are replaced by
    their mean, regardless of their order. The first valid value is used before its date, the last one after its date.
    A pixel without valid dates is 0. ``out``, if given, is written and returned; it may be a view of a larger array if
    y and x are contiguous.

    Raises ValueError for unsorted days or inconsistent shapes.
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
        raise ValueError(f"inconsistent: values {values.shape}, valid {valid.shape} {valid.dtype}, {len(days)} days")
    if (np.diff(days) < 0).any():
        raise ValueError("the days of a series must ascend; sort the acquisitions by day")


_Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
_Work = tuple[np.ndarray, np.ndarray]


@numba.njit(nogil=True, cache=True)
def _fill(series: _Arrays, calendar: _Arrays, out: np.ndarray) -> None:
    """Interpolate in chunks of pixels: first the weights of all bands, then each band.

    ``series``: values (time, band, pixel), valid (time, pixel), starts; the acquisitions of day g are ``starts[g]`` to
    ``starts[g + 1]``, exclusive. ``calendar``: days, output days, slots; ``slots[d]`` is the number of days not after
    output date d. ``before`` and ``after`` contain the last and next valid days first, then the last and next values.
    """
    values, valid, starts = series
    days, out_days, slots = calendar
    groups, pixels = len(days), values.shape[2]
    before = np.empty((groups + 1, CHUNK_PIXELS), np.float32)
    after = np.empty((groups + 1, CHUNK_PIXELS), np.float32)
    known = np.empty((groups, CHUNK_PIXELS), np.bool_)
    weight = np.empty((len(out_days), CHUNK_PIXELS), np.float32)
    for start in range(0, pixels, CHUNK_PIXELS):
        span = (start, min(start + CHUNK_PIXELS, pixels))
        _mark_known(valid, starts, span, known)
        _weigh(known, calendar, (before, after), weight)
        for band in range(values.shape[1]):
            _carry(series, band, span, (before, after), known)
            for d in range(len(out_days)):
                _mix(before[slots[d]], after[slots[d]], weight[d], out[d, band][span[0] : span[1]])


@numba.njit(nogil=True, cache=True)
def _mark_known(valid: np.ndarray, starts: np.ndarray, span: tuple[int, int], known: np.ndarray) -> None:
    """Mark the days on which a pixel has at least one valid acquisition."""
    n = span[1] - span[0]
    known[:, n:] = False
    for g in range(len(starts) - 1):
        known[g, :n] = valid[starts[g]][span[0] : span[1]]
        for t in range(starts[g] + 1, starts[g + 1]):
            for p in range(n):
                known[g, p] |= valid[t, span[0] + p]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _weigh(known: np.ndarray, calendar: _Arrays, work: _Work, weight: np.ndarray) -> None:
    """Write the weight of the next valid value at each output date.

    The weight is 1 without a valid date before and 0 without one after, so the missing value, stored as 0, has no
    effect. Without any valid date both values are 0.
    """
    days, out_days, slots = calendar
    before, after = work
    none = np.float32(np.inf)
    before[0] = -none
    after[len(days)] = none
    for g in range(len(days)):
        for p in range(CHUNK_PIXELS):
            day = before[g, p]
            before[g + 1, p] = days[g] if known[g, p] else day
    for g in range(len(days) - 1, -1, -1):
        for p in range(CHUNK_PIXELS):
            day = after[g + 1, p]
            after[g, p] = days[g] if known[g, p] else day
    for d in range(len(out_days)):
        last, following = before[slots[d]], after[slots[d]]
        for p in range(CHUNK_PIXELS):
            share = (out_days[d] - last[p]) / (following[p] - last[p])
            share = np.float32(1.0) if last[p] == -none else share
            weight[d, p] = np.float32(0.0) if following[p] == none else share


@numba.njit(nogil=True, cache=True)
def _carry(series: _Arrays, band: int, span: tuple[int, int], work: _Work, known: np.ndarray) -> None:
    """Write the last valid value of a band before day g to ``before[g]`` and the next to ``after[g]``; 0 if none."""
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
    """Write the value if it is valid, otherwise the carried value."""
    for p in range(len(values)):
        value, other = np.float32(values[p]), carried[p]  # both loaded, so that the choice needs no branch
        out[p] = value if known[p] else other


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _mean(series: _Arrays, g: int, band: int, start: int, out: np.ndarray) -> None:
    """Mean of the valid values of one day; 0 without valid values, which is never used."""
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
