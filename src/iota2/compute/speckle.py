"""Less speckle in a series of radar images without blurring what does not change.

Quegan & Yu (2001), Filtering of multichannel SAR images, IEEE Trans. Geosci. Remote Sens. 39(11), eq. 8: each date is
its own local mean, times the mean over all dates of each one's ratio to its local mean.
"""

from __future__ import annotations

import numba
import numpy as np


def multitemporal_filter(values: np.ndarray, valid: np.ndarray, radius: int) -> np.ndarray:
    """Filtered ``values`` (time, band, y, x), float32, of intensities (linear, not dB) that are ``valid`` (time, y, x).

    Local means are those of the valid pixels of the square with ``2 * radius + 1`` pixels on a side, cut at the edges
    of the arrays. Every band by itself. Values that are not valid neither take part nor change; neither does a pixel
    whose local mean is 0.
    """
    out = np.empty(values.shape, np.float32)
    for band in range(values.shape[1]):
        _filter(np.ascontiguousarray(values[:, band], np.float32), valid, radius, out[:, band])
    return out


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _filter(values: np.ndarray, valid: np.ndarray, radius: int, out: np.ndarray) -> None:
    times, height, width = values.shape
    mean = np.empty((times, height, width), np.float32)
    total = np.zeros((height, width), np.float64)
    count = np.zeros((height, width), np.int64)
    sums = np.empty((height, width), np.float64)
    numbers = np.empty((height, width), np.int64)
    for t in range(times):
        _row_sums(values[t], valid[t], radius, sums, numbers)
        for y in range(height):
            for x in range(width):
                whole, n = 0.0, 0
                for row in range(max(0, y - radius), min(height, y + radius + 1)):
                    whole += sums[row, x]
                    n += numbers[row, x]
                mean[t, y, x] = whole / n if n else 0.0
                if valid[t, y, x] and mean[t, y, x] > 0.0:
                    total[y, x] += values[t, y, x] / mean[t, y, x]
                    count[y, x] += 1
    for t in range(times):
        for y in range(height):
            for x in range(width):
                if valid[t, y, x] and mean[t, y, x] > 0.0:
                    out[t, y, x] = mean[t, y, x] * (total[y, x] / count[y, x])
                else:
                    out[t, y, x] = values[t, y, x]


@numba.njit(nogil=True, cache=True)
def _row_sums(values: np.ndarray, valid: np.ndarray, radius: int, sums: np.ndarray, numbers: np.ndarray) -> None:
    """Sum and number of the valid values around each pixel in its row; always the same terms in the same order."""
    height, width = values.shape
    for y in range(height):
        for x in range(width):
            whole, n = 0.0, 0
            for col in range(max(0, x - radius), min(width, x + radius + 1)):
                if valid[y, col]:
                    whole += values[y, col]
                    n += 1
            sums[y, x] = whole
            numbers[y, x] = n
