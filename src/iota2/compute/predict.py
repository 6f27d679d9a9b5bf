"""Labels and confidence of a block from its features, for any classifier."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

SLICE_BYTES = 1 << 20
"""Bytes for one slice of pixels: features and intermediate probabilities."""
_BYTES_OF_CLASS = 24
"""Double precision in the classifier, and twice after it."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Result of a model for a block; all values are 0 in pixels that were not classified."""

    labels: np.ndarray
    """(y, x) uint16: class codes, 0 for none."""
    confidence: np.ndarray
    """(y, x) float32 in 0..1: probability of the label."""
    probabilities: np.ndarray
    """(class, y, x) float32 in 0..1, in the order of the model's classes."""


Probabilities = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From features (feature, pixel) and positions of some of the pixels (n,) to probabilities (n, class)."""


def predict_slices(
    probabilities: Probabilities, values: np.ndarray, selected: np.ndarray, classes: Sequence[int], *, threads: int = 1
) -> Prediction:
    """The prediction of a block from its features (feature, y, x), slice by slice of pixels.

    ``selected`` is (y, x) bool, ``classes`` are ascending codes. The features are handed on as they are, with the
    ascending positions of the selected pixels of a slice. The label is the class of greatest probability, of equals
    the smallest code. No selected pixel gives zeros, and ``probabilities`` is not called. Beside the result
    and one number for each selected pixel, no more than about ``SLICE_BYTES`` are in use by each of the ``threads``.
    """
    labels = np.zeros(selected.size, np.uint16)
    confidence = np.zeros(selected.size, np.float32)
    shares = np.zeros((len(classes), selected.size), np.float32)
    x, codes = values.reshape(len(values), selected.size), np.asarray(classes, np.uint16)
    positions = np.flatnonzero(selected)
    step = slice_pixels(len(values), len(classes))

    def predict(first: int) -> None:
        at = positions[first : first + step]
        found = probabilities(x, at)
        # Sums of shares can pass 1 by rounding.
        bounded = np.minimum(found, 1.0)
        labels[at] = codes[found.argmax(axis=1)]
        confidence[at] = bounded.max(axis=1)
        shares[:, at] = bounded.T

    starts = range(0, len(positions), step)
    if threads == 1:
        deque(map(predict, starts), maxlen=0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            deque(pool.map(predict, starts), maxlen=0)
    shape = selected.shape
    return Prediction(labels.reshape(shape), confidence.reshape(shape), shares.reshape(len(classes), *shape))


def of_rows(predict_proba: Callable[[np.ndarray], np.ndarray]) -> Probabilities:
    """Probabilities from a function that wants the features of its pixels alone, as (pixel, feature).

    They are copied; what the function gets is the transpose of a contiguous (feature, pixel) array.
    """
    return lambda x, at: predict_proba(np.take(x, at, axis=1).T)


def slice_pixels(features: int, classes: int) -> int:
    """Pixels whose features (float32) and probabilities take ``SLICE_BYTES``; at least 64."""
    return max(64, SLICE_BYTES // (4 * features + _BYTES_OF_CLASS * classes))


def prediction_bytes(classes: int) -> int:
    """Bytes of a prediction for each pixel of a block, with the positions of the selected pixels."""
    return 2 + 4 + 4 * classes + 8
