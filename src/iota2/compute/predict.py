"""From class probabilities of the selected pixels of a block to labels and confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says about a block; 0 everywhere in pixels that were not classified."""

    labels: np.ndarray
    """(y, x) uint16: class codes, 0 for none."""
    confidence: np.ndarray
    """(y, x) float32 in 0..1: probability of the label."""
    probabilities: np.ndarray
    """(class, y, x) float32 in 0..1, in the order of the model's classes."""


def spread(probabilities: np.ndarray, selected: np.ndarray, classes: Sequence[int]) -> Prediction:
    """The prediction of a block from the probabilities (pixel, class) of its selected pixels, in row order.

    ``selected`` is (y, x) bool, ``classes`` are ascending codes. The label is the class of greatest
    probability, of equals the smallest code. No selected pixel gives zeros.
    """
    best = probabilities.argmax(axis=1) if len(probabilities) else np.empty(0, np.intp)
    labels = np.zeros(selected.shape, np.uint16)
    labels[selected] = np.asarray(classes, np.uint16)[best]
    shares = np.zeros((len(classes), *selected.shape), np.float32)
    # Sums of shares can pass 1 by rounding.
    shares[:, selected] = np.minimum(probabilities, 1.0).T
    confidence = np.zeros(selected.shape, np.float32)
    confidence[selected] = np.minimum(probabilities.max(axis=1, initial=0.0), 1.0)
    return Prediction(labels, confidence, shares)
