"""Compiled sums over features for blocks of pixels: weighted sums, and distances to points.

The pixels of a block are the inner loop, so that the loop is vectorised and the terms of each pixel are always added in
the same order: results depend neither on the division into blocks nor on threads, unlike those of matrix products of a
library. Four features of two outputs are added per pass to save loads and stores; a stripe of features of a block stays
in the first-level cache while all outputs use it.

All kernels add to ``out`` (output, pixel) and read ``x`` (feature, pixel), both contiguous float64. They release the
global interpreter lock.
"""

from __future__ import annotations

import numpy as np
from numba import njit

STRIPE = 32
"""Features of a stripe."""


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_products(x: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
    """Add ``weights`` (output, feature) times ``x``."""
    n_features, n_outputs = x.shape[0], weights.shape[0]
    for start in range(0, n_features, STRIPE):
        stripe = x[start : start + STRIPE]
        for j in range(0, n_outputs - 1, 2):
            _add_two_products(stripe, weights[j : j + 2, start:], out[j], out[j + 1])
        if n_outputs % 2:
            _add_one_product(stripe, weights[n_outputs - 1, start:], out[n_outputs - 1])


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add_two_products(x: np.ndarray, weights: np.ndarray, row: np.ndarray, other: np.ndarray) -> None:
    """Add to two outputs, whose ``weights`` are (output, feature) and maybe of further features."""
    w, v = weights[0], weights[1]
    fours = x.shape[0] - x.shape[0] % 4
    for f in range(0, fours, 4):
        w0, w1, w2, w3 = w[f], w[f + 1], w[f + 2], w[f + 3]
        v0, v1, v2, v3 = v[f], v[f + 1], v[f + 2], v[f + 3]
        x0, x1, x2, x3 = x[f], x[f + 1], x[f + 2], x[f + 3]
        for k in range(row.size):
            a0, a1, a2, a3 = x0[k], x1[k], x2[k], x3[k]
            row[k] = row[k] + w0 * a0 + w1 * a1 + w2 * a2 + w3 * a3
            other[k] = other[k] + v0 * a0 + v1 * a1 + v2 * a2 + v3 * a3
    for f in range(fours, x.shape[0]):
        _add_one_product(x[f : f + 1], w[f:], row)
        _add_one_product(x[f : f + 1], v[f:], other)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add_one_product(x: np.ndarray, weights: np.ndarray, row: np.ndarray) -> None:
    """Add to one output, whose ``weights`` are (feature,) and maybe of further features."""
    for f in range(x.shape[0]):
        w, values = weights[f], x[f]
        for k in range(row.size):
            row[k] += w * values[k]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_squares(x: np.ndarray, points: np.ndarray, out: np.ndarray) -> None:
    """Add squared Euclidean distances to ``points`` (output, feature)."""
    n_features, n_outputs = x.shape[0], points.shape[0]
    for start in range(0, n_features, STRIPE):
        stripe = x[start : start + STRIPE]
        for j in range(0, n_outputs - 1, 2):
            _add_two_distances(stripe, points[j : j + 2, start:], out[j], out[j + 1])
        if n_outputs % 2:
            _add_one_distance(stripe, points[n_outputs - 1, start:], out[n_outputs - 1])


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add_two_distances(x: np.ndarray, points: np.ndarray, row: np.ndarray, other: np.ndarray) -> None:
    """Add to two outputs, whose ``points`` are (output, feature) and maybe of further features."""
    p, q = points[0], points[1]
    fours = x.shape[0] - x.shape[0] % 4
    for f in range(0, fours, 4):
        p0, p1, p2, p3 = p[f], p[f + 1], p[f + 2], p[f + 3]
        q0, q1, q2, q3 = q[f], q[f + 1], q[f + 2], q[f + 3]
        x0, x1, x2, x3 = x[f], x[f + 1], x[f + 2], x[f + 3]
        for k in range(row.size):
            a0, a1, a2, a3 = x0[k], x1[k], x2[k], x3[k]
            d0, d1, d2, d3 = a0 - p0, a1 - p1, a2 - p2, a3 - p3
            e0, e1, e2, e3 = a0 - q0, a1 - q1, a2 - q2, a3 - q3
            row[k] = row[k] + d0 * d0 + d1 * d1 + d2 * d2 + d3 * d3
            other[k] = other[k] + e0 * e0 + e1 * e1 + e2 * e2 + e3 * e3
    for f in range(fours, x.shape[0]):
        _add_one_distance(x[f : f + 1], p[f:], row)
        _add_one_distance(x[f : f + 1], q[f:], other)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add_one_distance(x: np.ndarray, point: np.ndarray, row: np.ndarray) -> None:
    """Add to one output, whose ``point`` is (feature,) and maybe of further features."""
    for f in range(x.shape[0]):
        p, values = point[f], x[f]
        for k in range(row.size):
            row[k] += (values[k] - p) * (values[k] - p)


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
