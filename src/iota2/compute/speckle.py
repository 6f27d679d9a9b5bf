"""Multitemporal speckle filter for series of radar images.

Quegan & Yu (2001), Filtering of multichannel SAR images, IEEE Trans. Geosci. Remote Sens. 39(11), 2373-2379, with the
weights for channels with independent speckle: the filtered value of a date is its local mean, multiplied by the mean
over all dates of the ratio value / local mean.
"""

from __future__ import annotations

import numba
import numpy as np

ZERO, ONE = np.float32(0.0), np.float32(1.0)


def multitemporal_filter(values: np.ndarray, valid: np.ndarray, radius: int) -> np.ndarray:
    """Filtered intensities (time, band, y, x) float32 from linear ``values`` (not dB); ``valid`` is (time, y, x).

    Local means are computed from the valid pixels in a square of ``2 * radius + 1`` pixels, clipped at the edges of the
    arrays. Bands are filtered separately. Invalid values, and values whose local mean is not positive, are excluded and
    unchanged. With a single date, values change only by rounding.

    Sums always have the same terms in the same order, so the result for a pixel does not depend on the block.
    """
    out = np.empty(values.shape, np.float32)
    _filter(np.ascontiguousarray(values, np.float32), np.ascontiguousarray(valid), radius, out)
    return out


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _filter(values: np.ndarray, valid: np.ndarray, radius: int, out: np.ndarray) -> None:
    """Filter in two passes.

    The first pass writes local means to ``out``, 0 for excluded pixels, and adds up the ratios and their number over
    all dates in ``sums`` (band, y, 2, x). The second pass replaces the means by filtered values.
    """
    times, bands, height, width = values.shape
    padded = np.zeros((height + 2 * radius, width + 2 * radius), np.float32)
    counts = np.empty((height, width), np.float32)
    sums = np.zeros((bands, height, 2, width), np.float32)
    for t in range(times):
        for y in range(height):
            _write_flags(valid[t, y], padded[y + radius, radius : radius + width])
        _window_sums(padded, radius, counts)
        for band in range(bands):
            for y in range(height):
                _write_valid(values[t, band, y], valid[t, y], padded[y + radius, radius : radius + width])
            _window_sums(padded, radius, out[t, band])
            for y in range(height):
                _compare(values[t, band, y], valid[t, y], counts[y], out[t, band, y], sums[band, y])
    for t in range(times):
        for band in range(bands):
            for y in range(height):
                _apply(values[t, band, y], sums[band, y], out[t, band, y])


@numba.njit(nogil=True, cache=True)
def _write_flags(valid: np.ndarray, out: np.ndarray) -> None:
    """Write 1 for valid pixels and 0 for others."""
    for x in range(len(out)):
        out[x] = ONE if valid[x] else ZERO


@numba.njit(nogil=True, cache=True)
def _write_valid(values: np.ndarray, valid: np.ndarray, out: np.ndarray) -> None:
    """Write the values of valid pixels and 0 for others."""
    for x in range(len(out)):
        value = values[x]  # loaded first, so that the choice needs no branch
        out[x] = value if valid[x] else ZERO


@numba.njit(nogil=True, cache=True)
def _window_sums(padded: np.ndarray, radius: int, out: np.ndarray) -> None:
    """Sum of the square around each pixel: first along columns from top to bottom, then from left to right."""
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
def _compare(values: np.ndarray, valid: np.ndarray, counts: np.ndarray, means: np.ndarray, sums: np.ndarray) -> None:
    """Convert sums in ``means`` to means, 0 for excluded pixels; add ratios and counts of the others to ``sums``."""
    ratios, dates = sums
    for x in range(len(means)):
        value, mean = values[x], means[x] / counts[x]
        included = valid[x] & (mean > ZERO)
        ratio = value / mean
        means[x] = mean if included else ZERO
        ratios[x] += ratio if included else ZERO
        dates[x] += ONE if included else ZERO


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _apply(values: np.ndarray, sums: np.ndarray, means: np.ndarray) -> None:
    """Convert ``means`` to filtered values; values of excluded pixels are copied."""
    ratios, dates = sums
    for x in range(len(means)):
        value, mean = values[x], means[x]
        filtered = mean * (ratios[x] / dates[x])
        means[x] = filtered if mean > ZERO else value
