"""Multitemporal speckle filter for series of radar images.

Quegan & Yu (2001), Filtering of multichannel SAR images, IEEE Trans. Geosci. Remote Sens. 39(11), 2373-2379, with the
weights of channels whose speckle is independent: each date is its own local mean, times the mean over all dates of
each one's ratio to its local mean.
"""

from __future__ import annotations

import numba
import numpy as np

ZERO, ONE = np.float32(0.0), np.float32(1.0)


def multitemporal_filter(values: np.ndarray, valid: np.ndarray, radius: int) -> np.ndarray:
    """Filtered ``values`` (time, band, y, x), float32, of intensities (linear, not dB) that are ``valid`` (time, y, x).

    Local means are those of the valid pixels of the square with ``2 * radius + 1`` pixels on a side, cut at the edges
    of the arrays. Bands are filtered separately. Invalid values are excluded and unchanged, like pixels
    whose local mean is not above 0. With one date alone, nothing changes but by rounding.

    Sums are always of the same terms in the same order, so a pixel does not depend on what is computed with it.
    """
    out = np.empty(values.shape, np.float32)
    _filter(np.ascontiguousarray(values, np.float32), np.ascontiguousarray(valid), radius, out)
    return out


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _filter(values: np.ndarray, valid: np.ndarray, radius: int, out: np.ndarray) -> None:
    """``out`` holds the local means, 0 where a pixel does not take part, until all dates are known; ``sums`` of each
    row the sum over dates of ratios to them, and how many these are."""
    times, bands, height, width = values.shape
    padded = np.zeros((height + 2 * radius, width + 2 * radius), np.float32)
    numbers = np.empty((height, width), np.float32)
    sums = np.zeros((bands, height, 2, width), np.float32)
    for t in range(times):
        for y in range(height):
            _write_flags(valid[t, y], padded[y + radius, radius : radius + width])
        _window_sums(padded, radius, numbers)
        for band in range(bands):
            for y in range(height):
                _write_shown(values[t, band, y], valid[t, y], padded[y + radius, radius : radius + width])
            _window_sums(padded, radius, out[t, band])
            for y in range(height):
                _compare(values[t, band, y], valid[t, y], numbers[y], out[t, band, y], sums[band, y])
    for t in range(times):
        for band in range(bands):
            for y in range(height):
                _apply(values[t, band, y], sums[band, y], out[t, band, y])


@numba.njit(nogil=True, cache=True)
def _write_flags(valid: np.ndarray, out: np.ndarray) -> None:
    """1 where valid, else 0."""
    for x in range(len(out)):
        out[x] = ONE if valid[x] else ZERO


@numba.njit(nogil=True, cache=True)
def _write_shown(values: np.ndarray, valid: np.ndarray, out: np.ndarray) -> None:
    """The values where valid, else 0."""
    for x in range(len(out)):
        value = values[x]  # loaded first, so that the choice needs no branch
        out[x] = value if valid[x] else ZERO


@numba.njit(nogil=True, cache=True)
def _window_sums(padded: np.ndarray, radius: int, out: np.ndarray) -> None:
    """Sum of the square around each pixel: of its columns from top to bottom, then of these from left to right."""
    height, width = out.shape
    columns = np.empty(width + 2 * radius, np.float32)
    for y in range(height):
        columns[:] = padded[y]
        for row in range(y + 1, y + 2 * radius + 1):
            _add(columns, padded[row])
        out[y] = columns[:width]
        for col in range(1, 2 * radius + 1):
            _add(out[y], columns[col : col + width])


@numba.njit(nogil=True, cache=True)
def _add(total: np.ndarray, values: np.ndarray) -> None:
    for x in range(len(total)):
        total[x] += values[x]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _compare(values: np.ndarray, valid: np.ndarray, numbers: np.ndarray, means: np.ndarray, sums: np.ndarray) -> None:
    """Turn sums in ``means`` into means; where they take part, add ratio of the values to them, and 1, to ``sums``."""
    ratios, dates = sums
    for x in range(len(means)):
        value, mean = values[x], means[x] / numbers[x]
        takes_part = valid[x] & (mean > ZERO)
        ratio = value / mean
        means[x] = mean if takes_part else ZERO
        ratios[x] += ratio if takes_part else ZERO
        dates[x] += ONE if takes_part else ZERO


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _apply(values: np.ndarray, sums: np.ndarray, means: np.ndarray) -> None:
    """Turn ``means`` into filtered values; values as they are where there is no mean."""
    ratios, dates = sums
    for x in range(len(means)):
        value, mean = values[x], means[x]
        filtered = mean * (ratios[x] / dates[x])
        means[x] = filtered if mean > ZERO else value
