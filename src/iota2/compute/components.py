"""Principal components of groups of features: fitted to samples, and computed for pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from threadpoolctl import threadpool_limits

from iota2.core.recipe import MISSING

SAMPLES_PER_BATCH = 1024
"""Samples that are converted to double precision at once."""
CHUNK_PIXELS = 256
"""Pixels whose components are accumulated at once, so that they stay in the processor's cache."""
NEGLIGIBLE = 1e-10
"""Share of the variance of a group below which a component is rounding noise of single precision."""
_EQUAL_LOADINGS = 1e-6
"""Relative difference up to which two loadings count as equal when the sign of a component is fixed."""


@dataclass(frozen=True, eq=False)
class GroupComponents:
    """Standardisation of features, and principal axes of each group of them."""

    group: np.ndarray
    """(feature,) int64: number of the group of each feature; every group has a feature."""
    mean: np.ndarray
    """(feature,) float64."""
    scale: np.ndarray
    """(feature,) float64, above 0: standard deviation; 1 for constant features."""
    axes: np.ndarray
    """(feature, component) float64: axes of the group of each feature; 0 beyond its number of components."""
    explained: np.ndarray
    """(group, component) float64: share of the variance of the standardised group, descending; 0 beyond."""
    counts: np.ndarray
    """(group,) int64: number of components, from 1."""

    @property
    def n_outputs(self) -> int:
        """Number of components of all groups."""
        return int(self.counts.sum())

    def project(self, x: np.ndarray) -> np.ndarray:
        """Components (sample, output) float32 of ``x`` (sample, feature) float32: group by group, by variance.

        A missing value counts as the mean of its feature; without any value of its features, a group is ``MISSING``.
        Components that depend on NaN are NaN. The result of a sample depends on its own values only. The result is the
        transpose of a contiguous array.
        """
        out = np.empty((self.n_outputs, len(x)), np.float32)
        step = len(x) if x.T.flags.c_contiguous else SAMPLES_PER_BATCH
        for first in range(0, len(x), max(1, step)):
            values = np.ascontiguousarray(x[first : first + step].T, np.float32)
            part = np.empty((len(out), values.shape[1]), np.float32)
            _project(values, self._arrays, part)
            out[:, first : first + step] = part
        return out.T

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        """Means, weights (feature, component), features by group, and first feature and output of each group."""
        order = np.argsort(self.group, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(self.group, minlength=len(self.counts)))])
        outputs = np.concatenate([[0], np.cumsum(self.counts)])
        weights = np.ascontiguousarray(self.axes / self.scale[:, None])
        return self.mean, weights, order.astype(np.int64), starts.astype(np.int64), outputs.astype(np.int64)


def fit_components(x: np.ndarray, group: Sequence[int] | np.ndarray, target: int) -> GroupComponents:
    """Principal components of the standardised features of each group (Pearson 1901; Hotelling 1933).

    ``x`` is (sample, feature) float32 without NaN, ``group`` the number of the group of each feature, from 0 without
    gaps. A group has ``target`` components, or as many as it has features or directions with variance, but at least
    one, which is 0 everywhere if its features are constant or there are no samples. Missing values are excluded from
    means and deviations, and count as the mean in the components. The largest loading of a component is positive; of
    equal ones, the first. Results do not depend on the number of threads.
    """
    group = np.asarray(group, np.int64)
    if group.shape != x.shape[1:] or not np.array_equal(np.unique(group), np.arange(group.max(initial=-1) + 1)):
        raise ValueError(f"groups {group.tolist()} of {x.shape[1]} features; expected numbers from 0 without gaps")
    members = [np.flatnonzero(group == g) for g in range(int(group.max(initial=-1)) + 1)]
    mean, present = _means(x)
    scale, found = np.ones(len(mean)), []
    # the number of threads of the linear algebra library can change the last digits
    with threadpool_limits(limits=1, user_api="blas"):
        for features, products in zip(members, _products(x, mean, members), strict=True):
            deviation = np.sqrt(products.diagonal() / np.maximum(present[features], 1))
            scale[features] = np.where(_varies(deviation, mean[features]), deviation, 1.0)
            found.append(_principal(products, scale[features], _varies(deviation, mean[features]), target))
    axes = np.zeros((len(mean), max(one.shape[1] for one, _ in found)))
    explained = np.zeros((len(members), axes.shape[1]))
    for g, (features, (directions, shares)) in enumerate(zip(members, found, strict=True)):
        axes[features, : directions.shape[1]] = directions
        explained[g, : len(shares)] = shares
    counts = np.array([directions.shape[1] for directions, _ in found], np.int64)
    return GroupComponents(group, mean, scale, axes, explained, counts)


def _batches(x: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Samples in double precision, and whether each value is present."""
    for first in range(0, len(x), SAMPLES_PER_BATCH):
        batch = x[first : first + SAMPLES_PER_BATCH]
        yield batch.astype(np.float64), batch != np.float32(MISSING)


def _means(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and number of the present values of each feature; the mean is 0 if there is none."""
    total, present = np.zeros(x.shape[1]), np.zeros(x.shape[1], np.int64)
    for values, known in _batches(x):
        total += np.where(known, values, 0.0).sum(axis=0)
        present += known.sum(axis=0)
    return total / np.maximum(present, 1), present


def _products(x: np.ndarray, mean: np.ndarray, members: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Sums of products of the deviations from the mean, (feature, feature) for each group; missing values count 0."""
    sums = [np.zeros((len(features), len(features))) for features in members]
    for values, known in _batches(x):
        deviations = np.where(known, values - mean, 0.0)
        for k, features in enumerate(members):
            some = deviations[:, features]
            sums[k] += some.T @ some
    return sums


def _varies(deviation: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Whether features vary by more than rounding errors."""
    return deviation > 1e-12 * np.abs(mean)


def _principal(
    products: np.ndarray, scale: np.ndarray, varies: np.ndarray, target: int
) -> tuple[np.ndarray, np.ndarray]:
    """Axes (feature, component) of one group and their shares of its variance, in descending order of variance."""
    correlation = np.where(varies[:, None] & varies, products / np.outer(scale, scale), 0.0)
    total = float(np.trace(correlation))
    if total == 0:
        return np.zeros((len(scale), 1)), np.zeros(1)
    variances, axes = np.linalg.eigh(correlation)
    order = np.argsort(-variances, kind="stable")[:target]
    order = order[variances[order] > NEGLIGIBLE * total]
    axes = np.where(varies[:, None], axes[:, order], 0.0)
    size = np.abs(axes)
    largest = (size >= (1 - _EQUAL_LOADINGS) * size.max(axis=0)).argmax(axis=0)
    return axes * np.sign(axes[largest, np.arange(len(order))]), variances[order] / total


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _project(values: np.ndarray, arrays: tuple[np.ndarray, ...], out: np.ndarray) -> None:
    """Write the components (output, pixel) of ``values`` (feature, pixel), in chunks of pixels.

    The terms of a component are added feature by feature, so the sum does not depend on the position of the pixel.
    """
    mean, weights, order, starts, outputs = arrays
    missing = np.float32(MISSING)
    sums = np.empty((weights.shape[1], CHUNK_PIXELS), np.float64)
    deviation = np.empty(CHUNK_PIXELS, np.float64)
    known = np.empty(CHUNK_PIXELS, np.bool_)
    for first in range(0, values.shape[1], CHUNK_PIXELS):
        count = min(CHUNK_PIXELS, values.shape[1] - first)
        for g in range(len(outputs) - 1):
            components = outputs[g + 1] - outputs[g]
            sums[:components] = 0.0
            known[:] = False
            for k in range(starts[g], starts[g + 1]):
                feature = order[k]
                row, centre = values[feature, first : first + count], mean[feature]
                for p in range(count):
                    present = row[p] != missing
                    known[p] |= present
                    deviation[p] = np.float64(row[p]) - centre if present else 0.0
                for c in range(components):
                    weight, total = weights[feature, c], sums[c]
                    for p in range(count):
                        total[p] += weight * deviation[p]
            for c in range(components):
                for p in range(count):
                    out[outputs[g] + c, first + p] = np.float32(sums[c, p]) if known[p] else missing
