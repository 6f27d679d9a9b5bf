"""Importance of groups of features by permutation: the accuracy that a model loses without their information."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class PermutationLosses:
    """Overall accuracy of a model, and its loss for each group of features."""

    accuracy: float
    """Share of correct pixels, 0 to 1; NaN without pixels."""
    losses: np.ndarray
    """(group,) float64: accuracy minus the accuracy with the permuted group; NaN without pixels."""
    errors: np.ndarray
    """(group,) float64: standard error of the loss over polygons; NaN with fewer than two polygons."""


@dataclass(frozen=True, eq=False)
class ValidationSample:
    """Pixels of validation polygons that represent all of their pixels; arrays (pixel,)."""

    values: np.ndarray
    """(feature, pixel) float32."""
    codes: np.ndarray
    """Class codes of the reference."""
    polygons: np.ndarray
    """Numbers of the polygons."""
    weights: np.ndarray
    """Number of validation pixels for which each pixel stands, above 0."""


def permutation_losses(
    predict: Callable[[np.ndarray], np.ndarray],
    sample: ValidationSample,
    groups: Sequence[Sequence[int]],
    *,
    repeats: int,
    rng: np.random.Generator,
) -> PermutationLosses:
    """Loss in overall accuracy when the values of a group are exchanged between pixels (Breiman 2001, section 10).

    ``predict`` maps features (feature, pixel) to class codes (pixel,), ``groups`` are positions of features. All
    features of a group are exchanged together, so their relations to each other remain. Losses are means over
    ``repeats`` permutations, the same for all groups. Polygons are the sampling units of the standard error, by the
    linearised variance of a ratio (Cochran 1977, section 6.3), because pixels of a polygon are correlated.
    """
    count = len(sample.codes)
    if not count:
        undefined = np.full(len(groups), np.nan)
        return PermutationLosses(np.nan, undefined, undefined)
    correct = predict(sample.values) == sample.codes
    orders = [rng.permutation(count) for _ in range(repeats)]
    changed = sample.values.copy()
    losses, errors = np.empty(len(groups)), np.empty(len(groups))
    for number, group in enumerate(groups):
        features = list(group)
        lost = np.zeros(count)
        for order in orders:
            changed[features] = sample.values[features][:, order]
            lost += correct.astype(np.float64) - (predict(changed) == sample.codes)
        changed[features] = sample.values[features]
        losses[number], errors[number] = _mean_and_error(lost / repeats, sample)
    return PermutationLosses(float(np.average(correct, weights=sample.weights)), losses, errors)


def _mean_and_error(values: np.ndarray, sample: ValidationSample) -> tuple[float, float]:
    """Weighted mean of the values of pixels, and its standard error over polygons."""
    mean = float(np.average(values, weights=sample.weights))
    _, polygon = np.unique(sample.polygons, return_inverse=True)
    residuals = np.bincount(polygon, weights=sample.weights * (values - mean))
    count = len(residuals)
    if count < 2:
        return mean, float("nan")
    variance = count / (count - 1) * np.sum(residuals**2) / sample.weights.sum() ** 2
    return mean, float(np.sqrt(variance))


def even_quotas(counts: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers of pixels to draw from polygons with ``counts`` (polygon,) pixels: at most ``most`` in total.

    Each polygon gives the same number, or all its pixels if it has fewer; a remainder is drawn at random.
    """
    counts = np.asarray(counts, np.int64)
    if counts.sum() <= most:
        return counts
    low, high = 0, int(counts.max())
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if np.minimum(counts, middle).sum() <= most else (low, middle)
    quotas = np.minimum(counts, low)
    larger = np.flatnonzero(counts > low)
    quotas[rng.choice(larger, int(most - quotas.sum()), replace=False)] += 1
    return quotas


def draw_evenly(codes: np.ndarray, polygons: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Number of pixels for which each pixel (pixel,) stands, float64; 0 for pixels that are not drawn.

    At most ``most`` pixels of each class are drawn, evenly from its polygons. The pixels of a class together stand for
    all of its pixels.
    """
    weights = np.zeros(len(codes))
    for code in np.unique(codes):
        of_class = np.flatnonzero(codes == code)
        _, polygon, counts = np.unique(polygons[of_class], return_inverse=True, return_counts=True)
        quotas = even_quotas(counts, most, rng)
        for number in np.flatnonzero(quotas):
            members = of_class[polygon == number]
            weights[rng.choice(members, quotas[number], replace=False)] = counts[number] / quotas[number]
        weights[of_class] *= len(of_class) / weights[of_class].sum()
    return weights
