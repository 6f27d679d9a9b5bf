"""Prediction of the labels and confidence of a block from its features, with any classifier."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

PROBABILITY_SCALE = 1000
"""Value of the probability 1 in rasters."""
SLICE_BYTES = 3 << 20
"""Bytes of the features and intermediate probabilities of one slice of pixels."""
_BYTES_OF_CLASS = 32
"""Bytes per pixel and class: four copies of a probability in double precision."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Result of a model for a block; all values are 0 for pixels that were not classified."""

    labels: np.ndarray
    """(y, x) uint16: class codes, 0 for none."""
    confidence: np.ndarray
    """(y, x) float32 in 0..1: probability of the label."""
    probabilities: np.ndarray
    """(class, y, x) float32 in 0..1, in the order of the model's classes."""


@dataclass(frozen=True, eq=False)
class Estimates:
    """Result of a model of a quantity for a block."""

    values: np.ndarray
    """(y, x) float32: the quantity in its unit; NaN in pixels without an estimate."""
    widths: np.ndarray
    """(y, x) float32: width of the interval of each value; NaN if unknown, and in pixels without an estimate."""


Probabilities = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Function that returns probabilities (n, class), from features (feature, pixel) and positions (n,) of pixels."""


def predict_slices(
    probabilities: Probabilities,
    values: np.ndarray,
    selected: np.ndarray,
    classes: Sequence[int],
    *,
    calibrate: Callable[[np.ndarray], np.ndarray] | None = None,
    threads: int = 1,
) -> Prediction:
    """Prediction of a block from its features (feature, y, x), in slices of pixels.

    ``selected`` is (y, x) bool, ``classes`` are ascending codes. ``probabilities`` is called for each slice with the
    features of the whole block, without a copy, and the ascending positions of the selected pixels. The label is the
    class with the highest probability; of equal probabilities, the smallest code. ``calibrate`` converts probabilities
    (n, class) in the order of classes; labels are chosen before, so that rounding does not change them. Without
    selected pixels, all values are 0 and ``probabilities`` is not called. In addition to the result and 8 bytes per
    selected pixel, each of the ``threads`` needs about ``SLICE_BYTES``.
    """
    labels = np.zeros(selected.size, np.uint16)
    confidence = np.zeros(selected.size, np.float32)
    shares = np.zeros((len(classes), selected.size), np.float32)
    x, codes = values.reshape(len(values), selected.size), np.asarray(classes, np.uint16)
    positions = np.flatnonzero(selected)
    step = balanced_slices(slice_pixels(len(values), len(classes)), len(positions), threads)

    def predict(first: int) -> None:
        at = positions[first : first + step]
        found = probabilities(x, at)
        labels[at] = codes[found.argmax(axis=1)]
        # Sums of class shares can exceed 1 by rounding.
        bounded = np.minimum(found if calibrate is None else calibrate(found), 1.0)
        confidence[at] = bounded.max(axis=1)
        shares[:, at] = bounded.T

    _for_each(predict, range(0, len(positions), step), threads)
    shape = selected.shape
    return Prediction(labels.reshape(shape), confidence.reshape(shape), shares.reshape(len(classes), *shape))


def estimate_slices(
    estimates: Callable[[np.ndarray], np.ndarray], values: np.ndarray, selected: np.ndarray, *, threads: int = 1
) -> Estimates:
    """Estimates of a quantity in a block from its features (feature, y, x), slice by slice of pixels.

    ``estimates`` maps features (pixel, feature) to values and widths of their intervals, (pixel, 2); it is not called
    without selected pixels. ``selected`` is (y, x) bool; the other pixels are NaN.
    """
    found = np.full((2, selected.size), np.nan, np.float32)
    x, positions = values.reshape(len(values), selected.size), np.flatnonzero(selected)
    step = balanced_slices(slice_pixels(len(values), 1), len(positions), threads)

    def estimate(first: int) -> None:
        at = positions[first : first + step]
        found[:, at] = estimates(np.take(x, at, axis=1).T).T

    _for_each(estimate, range(0, len(positions), step), threads)
    return Estimates(*found.reshape(2, *selected.shape))


def add_prediction(total: Prediction, part: Prediction, columns: np.ndarray) -> None:
    """Add the prediction of other pixels to ``total``, in place.

    ``columns`` (class,): positions of the classes of ``part`` among those of ``total``.
    """
    total.labels[...] += part.labels
    total.confidence[...] += part.confidence
    for column, probabilities in zip(columns.tolist(), part.probabilities, strict=True):
        total.probabilities[column] += probabilities


def no_prediction(classes: int, shape: tuple[int, ...]) -> Prediction:
    """The prediction of a block without classified pixels."""
    return Prediction(np.zeros(shape, np.uint16), np.zeros(shape, np.float32), np.zeros((classes, *shape), np.float32))


def of_rows(probabilities: Probabilities, rows: slice | np.ndarray) -> Probabilities:
    """Probabilities from some rows of the features: a view if they are contiguous, else a copy of the pixels."""
    if isinstance(rows, slice):
        return lambda x, at: probabilities(x[rows], at)
    return lambda x, at: probabilities(x[np.ix_(rows, at)], np.arange(len(at)))


def balanced_slices(step: int, pixels: int, threads: int) -> int:
    """Number of pixels of a slice, 1 to ``step``, so that all ``threads`` end nearly at the same time."""
    slices = threads * math.ceil(pixels / (step * threads))
    return math.ceil(pixels / max(slices, 1)) or 1


def _for_each(function: Callable[[int], None], starts: Sequence[int], threads: int) -> None:
    """Call a function for each start of a slice, on several threads if ``threads`` is larger than 1."""
    if threads == 1:
        deque(map(function, starts), maxlen=0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            deque(pool.map(function, starts), maxlen=0)


def from_predict_proba(predict_proba: Callable[[np.ndarray], np.ndarray]) -> Probabilities:
    """Probabilities from a function with the features of the pixels to predict, (pixel, feature), as its argument.

    The features of these pixels are copied; the argument is the transpose of a contiguous (feature, pixel) array.
    """
    return lambda x, at: predict_proba(np.take(x, at, axis=1).T)


def slice_pixels(features: int, classes: int) -> int:
    """Number of pixels whose features (float32) and probabilities need ``SLICE_BYTES``; at least 64."""
    return max(64, SLICE_BYTES // (4 * features + _BYTES_OF_CLASS * classes))


def prediction_bytes(classes: int) -> int:
    """Bytes per pixel of a ``Prediction``, including the positions of the selected pixels."""
    return 2 + 4 + 4 * classes + 8
