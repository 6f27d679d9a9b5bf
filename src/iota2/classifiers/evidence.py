"""Confusion matrix of a model on samples of polygons from which it has not learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iota2.compute.accuracy import confusion_matrix
from iota2.compute.cross_fitting import Fit, out_of_fold_probabilities
from iota2.compute.folds import grouped_folds
from iota2.core.random import generator
from iota2.core.tables import Confusion

FOLDS = 3
"""Number of folds."""


def out_of_fold_confusion(
    fit: Fit,
    classes: np.ndarray,
    groups: np.ndarray,
    codes: Sequence[int],
    *,
    seed: int,
    name: str,
    augmented: np.ndarray | None = None,
) -> Confusion:
    """Confusion matrix (``codes`` ascending, in samples) of predictions of samples by models of the other folds.

    ``fit`` fits the model's learning method to some of its samples. ``classes`` (sample,) are codes, ``groups``
    (sample,) int the polygons, or groups of polygons that stay together: no sample is predicted by a model that has
    learned from its group. The label of a sample is the class with the highest probability, of equal ones the smallest
    code. Samples made from others, ``augmented`` (sample,) bool, are learned from but not counted. Samples of a class
    that the other folds lack are not counted either, because no model can predict them. With fewer than two groups or
    two classes, the matrix is 0. ``name`` and ``seed`` determine the folds.
    """
    if len(np.unique(groups)) < 2 or len(np.unique(classes)) < 2:
        return confusion_matrix(classes[:0], classes[:0], codes)
    folds = grouped_folds(classes, groups, FOLDS, generator(seed, "folds of the confusion matrix", name))
    probabilities = out_of_fold_probabilities(fit, classes, folds)
    counted = ~np.isnan(probabilities[:, 0])
    if augmented is not None:
        counted &= ~augmented
    produced = np.unique(classes)[probabilities[counted].argmax(axis=1)]
    return confusion_matrix(classes[counted], produced, codes)
