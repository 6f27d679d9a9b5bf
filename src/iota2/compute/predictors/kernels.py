"""Compiled sums over features for blocks of pixels: weighted sums, and distances to points.

The pixels of a block are the inner loop, so that the loop is vectorised and the terms of each pixel are always added in
the same order: results depend neither on the division into blocks nor on threads, unlike those of matrix products of a
library. Four features are added per pass to save loads and stores; a stripe of features of a block stays in the
first-level cache while all outputs use it.

All kernels add to ``out`` (output, pixel) and read ``x`` (feature, pixel), both contiguous float64. They release the
global interpreter lock.
"""

from __future__ import annotations

import numpy as np
from numba import njit

STRIPE = 32
"""Features of a stripe; a multiple of four."""


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_products(x: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
    """Add ``weights`` (output, feature) times ``x``."""
    n_features, n_pixels = x.shape
    for start in range(0, n_features, STRIPE):
        stop = min(n_features, start + STRIPE)
        for j in range(weights.shape[0]):
            row, w = out[j], weights[j]
            f = start
            while f + 4 <= stop:
                w0, w1, w2, w3 = w[f], w[f + 1], w[f + 2], w[f + 3]
                x0, x1, x2, x3 = x[f], x[f + 1], x[f + 2], x[f + 3]
                for k in range(n_pixels):
                    row[k] = row[k] + w0 * x0[k] + w1 * x1[k] + w2 * x2[k] + w3 * x3[k]
                f += 4
            while f < stop:
                w0, x0 = w[f], x[f]
                for k in range(n_pixels):
                    row[k] += w0 * x0[k]
                f += 1


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_squares(x: np.ndarray, points: np.ndarray, out: np.ndarray) -> None:
    """Add squared Euclidean distances to ``points`` (output, feature)."""
    n_features, n_pixels = x.shape
    for start in range(0, n_features, STRIPE):
        stop = min(n_features, start + STRIPE)
        for j in range(points.shape[0]):
            row, p = out[j], points[j]
            f = start
            while f + 4 <= stop:
                p0, p1, p2, p3 = p[f], p[f + 1], p[f + 2], p[f + 3]
                x0, x1, x2, x3 = x[f], x[f + 1], x[f + 2], x[f + 3]
                for k in range(n_pixels):
                    d0, d1, d2, d3 = x0[k] - p0, x1[k] - p1, x2[k] - p2, x3[k] - p3
                    row[k] = row[k] + d0 * d0 + d1 * d1 + d2 * d2 + d3 * d3
                f += 4
            while f < stop:
                p0, x0 = p[f], x[f]
                for k in range(n_pixels):
                    row[k] += (x0[k] - p0) * (x0[k] - p0)
                f += 1


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_weighted_squares(x: np.ndarray, points: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
    """Add sums of squared differences to ``points``, each times its weight; both are (output, feature)."""
    n_features, n_pixels = x.shape
    for start in range(0, n_features, STRIPE):
        stop = min(n_features, start + STRIPE)
        for j in range(points.shape[0]):
            row = out[j]
            for f in range(start, stop):
                p, w, values = points[j, f], weights[j, f], x[f]
                for k in range(n_pixels):
                    row[k] += w * ((values[k] - p) * (values[k] - p))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_absolutes(x: np.ndarray, points: np.ndarray, out: np.ndarray) -> None:
    """Add sums of absolute differences to ``points`` (output, feature)."""
    n_features, n_pixels = x.shape
    for start in range(0, n_features, STRIPE):
        stop = min(n_features, start + STRIPE)
        for j in range(points.shape[0]):
            row = out[j]
            for f in range(start, stop):
                p, values = points[j, f], x[f]
                for k in range(n_pixels):
                    row[k] += abs(values[k] - p)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def row_sum(values: np.ndarray, out: np.ndarray) -> None:
    """Add the rows of ``values`` (row, pixel), in order, to ``out`` (pixel,)."""
    for j in range(values.shape[0]):
        row = values[j]
        for k in range(out.size):
            out[k] += row[k]


def total(values: np.ndarray) -> np.ndarray:
    """(pixel,): sum of the rows of ``values`` (row, pixel), in order.

    ``numpy`` changes the order of the terms if there is only one pixel.
    """
    out = np.zeros(values.shape[1])
    row_sum(np.ascontiguousarray(values, np.float64), out)
    return out
