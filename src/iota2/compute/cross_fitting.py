"""Cross-fitting: every sample is predicted by a model that has not learned from its fold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SAMPLES_PER_PREDICTION = 16_384
"""Number of samples that are predicted at once."""

Predict = Callable[[np.ndarray], np.ndarray]
"""Function that returns the probabilities (n, class) of the samples at positions (n,); the columns follow the ascending
classes of the samples that the model learned from. A model of a quantity returns values, and spreads if known."""
Fit = Callable[[np.ndarray], Predict]
"""Function that fits a model to the samples at ascending positions (n,)."""


def out_of_fold_probabilities(fit: Fit, classes: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Probabilities (sample, class) float64 of samples, each predicted by a model fitted to all other folds.

    ``classes`` (sample,) are class codes, ``folds`` (sample,) fold numbers; the columns follow the ascending codes of
    all samples. Classes that a model has not learned have probability 0. Samples of such classes, and samples of a fold
    without others, are NaN: no probability of their class can be estimated.
    """
    codes = np.unique(classes)
    found = np.full((len(classes), len(codes)), np.nan)
    for fold in np.unique(folds):
        learned = np.flatnonzero(folds != fold)
        if not len(learned):
            continue
        known = np.unique(classes[learned])
        held_out = np.flatnonzero((folds == fold) & np.isin(classes, known))
        if not len(held_out):
            continue
        columns, predict = np.searchsorted(codes, known), fit(learned)
        for first in range(0, len(held_out), SAMPLES_PER_PREDICTION):
            at = held_out[first : first + SAMPLES_PER_PREDICTION]
            rows = np.zeros((len(at), len(codes)))
            rows[:, columns] = predict(at)
            found[at] = rows
    return found


def out_of_fold_values(fit: Fit, folds: np.ndarray) -> np.ndarray:
    """Results (sample, result) float64 of models of a quantity, each sample predicted by one fitted to all other folds.

    ``fit`` as for classes, with results instead of probabilities. Samples of a fold without others are NaN.
    """
    found = np.full((len(folds), 1), np.nan)
    for fold in np.unique(folds):
        learned, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if not len(learned):
            continue
        predict = fit(learned)
        for first in range(0, len(held_out), SAMPLES_PER_PREDICTION):
            at = held_out[first : first + SAMPLES_PER_PREDICTION]
            rows = predict(at)
            if rows.shape[1] > found.shape[1]:
                found = np.full((len(folds), rows.shape[1]), np.nan)
            found[at] = rows
    return found
