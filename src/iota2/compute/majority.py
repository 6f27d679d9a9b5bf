"""Resampling of labels to larger pixels: the most frequent label."""

from __future__ import annotations

import numpy as np
from numba import njit


def first_pixels(count: int, size: float, larger_count: int, larger_size: float) -> np.ndarray:
    """(larger + 1,) int64: first of ``count`` pixels of ``size`` with its centre in each larger pixel, and the end.

    Both rows of pixels begin at the same coordinate. A centre on the limit of two larger pixels is in the second.
    """
    centres = (np.arange(count) + 0.5) * (size / larger_size)
    within = np.floor(centres + 1e-9).astype(np.int64)
    return np.searchsorted(within, np.arange(larger_count + 1))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def most_frequent(labels: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """(y, x) most frequent label, not 0, of the pixels in each larger pixel; the smallest of several.

    ``labels`` (row, col): unsigned integers, 0 without label. ``rows`` (y + 1,) and ``cols`` (x + 1,): first row and
    column of each larger pixel, and the end. The result is 0 where more than half of the pixels have no label, and in
    larger pixels without pixels.
    """
    height, width = len(rows) - 1, len(cols) - 1
    out = np.zeros((height, width), labels.dtype)
    counts = np.zeros(65536, np.int64)
    for y in range(height):
        for x in range(width):
            best, labelled = 0, 0
            for row in range(rows[y], rows[y + 1]):
                for col in range(cols[x], cols[x + 1]):
                    label = labels[row, col]
                    if label == 0:
                        continue
                    labelled += 1
                    counts[label] += 1
                    more = counts[label] - counts[best]
                    if best == 0 or more > 0 or (more == 0 and label < best):
                        best = label
            for row in range(rows[y], rows[y + 1]):
                for col in range(cols[x], cols[x + 1]):
                    counts[labels[row, col]] = 0
            if 2 * labelled >= (rows[y + 1] - rows[y]) * (cols[x + 1] - cols[x]):
                out[y, x] = best
    return out
