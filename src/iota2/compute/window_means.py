"""Means over square windows around pixels, of the pixels that count."""

from __future__ import annotations

import numba
import numpy as np


def window_means(values: np.ndarray, valid: np.ndarray, radius: int) -> np.ndarray:
    """(band, y, x) float32: mean of ``values`` (band, y, x) float32 over the valid pixels of a window.

    The window has ``2 * radius + 1`` rows and columns and is clipped at the edges of the arrays. ``valid`` is (y, x)
    bool; values of other pixels, also NaN, have no effect. The mean is 0 in a window without valid pixels. Sums always
    have the same terms in the same order, so the result for a pixel depends only on its window.
    """
    if values.shape[1:] != valid.shape:
        raise ValueError(f"values {values.shape} and valid pixels {valid.shape} differ in shape")
    counts = np.zeros(valid.shape, np.float64)
    _window_sums(valid.astype(np.float64), radius, counts)
    out = np.empty(values.shape, np.float32)
    sums = np.empty(valid.shape, np.float64)
    for band, means in zip(values, out, strict=True):
        _window_sums(np.where(valid, band, 0.0), radius, sums)
        means[...] = sums / np.maximum(counts, 1)
    return out


def near(pixels: np.ndarray, radius: int) -> np.ndarray:
    """(y, x) bool: whether the window of a pixel contains one of ``pixels`` (y, x) bool."""
    counts = np.empty(pixels.shape, np.float64)
    _window_sums(pixels.astype(np.float64), radius, counts)
    return counts > 0


def window_positions(rows: np.ndarray, cols: np.ndarray, radius: int, shape: tuple[int, int]) -> np.ndarray:
    """(pixel, n) int64: positions of the n = (2 * radius + 1)² pixels of the window around each pixel, in scan order.

    ``rows`` and ``cols`` are (pixel,); a position is row * columns + column on a grid of ``shape``, -1 outside. The
    pixel itself is in the middle.
    """
    down, across = (offset.ravel() for offset in np.indices((2 * radius + 1,) * 2) - radius)
    y, x = rows[:, None] + down, cols[:, None] + across
    inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
    return np.where(inside, y * shape[1] + x, -1)


@numba.njit(nogil=True, cache=True)
def _window_sums(values: np.ndarray, radius: int, out: np.ndarray) -> None:
    """Sums of windows: first of each row from left to right, then of these sums from top to bottom."""
    height, width = values.shape
    rows = np.zeros((height, width), np.float64)
    for y in range(height):
        for x in range(width):
            total = 0.0
            for k in range(max(0, x - radius), min(width, x + radius + 1)):
                total += values[y, k]
            rows[y, x] = total
    out[:] = 0.0
    for y in range(height):
        for k in range(max(0, y - radius), min(height, y + radius + 1)):
            for x in range(width):
                out[y, x] += rows[k, x]
