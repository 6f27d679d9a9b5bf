"""Layers that describe how certain the label of each pixel is, from its class probabilities."""

from __future__ import annotations

import numpy as np

PERCENT_NODATA = 255
"""Value of entropy and margin at pixels without label."""
MASK_BITS = 64
"""Maximum number of classes of a mask of likely classes."""


def entropy(probabilities: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """Normalised entropy (y, x) uint8 in %: 0 for a certain label, 100 if all classes are equally probable.

    ``probabilities``: (class, y, x) float, with sum 1 at ``labelled`` pixels (y, x) bool; the others get 255. The
    entropy −Σ p ln p (Shannon, 1948) is divided by the logarithm of the number of classes; with one class, it is 0.
    """
    total = np.zeros(labelled.shape)
    for layer in probabilities:
        shares = layer.astype(np.float64)
        total -= shares * np.log(shares, out=np.zeros_like(shares), where=labelled & (shares > 0))
    return _percent(total / np.log(max(2, len(probabilities))), labelled)


def margin(probabilities: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """Difference of the two highest probabilities (y, x) uint8 in %; 100 with one class, 255 without label."""
    highest, second = np.zeros((2, *labelled.shape), probabilities.dtype)
    for shares in probabilities:
        second = np.maximum(second, np.minimum(shares, highest))
        highest = np.maximum(shares, highest)
    return _percent(highest - second, labelled)


def likely_classes(probabilities: np.ndarray, labelled: np.ndarray, share: float) -> np.ndarray:
    """Smallest set of classes (y, x) whose probabilities add up to ``share``, as a bit mask; 0 without label.

    Bit k is set if class k is in the set, which always contains the most probable class. Of equally probable classes,
    the first ones are included. ``share`` is above 0, and at most 1. ValueError for more than 64 classes.
    """
    mask = np.zeros(labelled.shape, mask_dtype(len(probabilities)))
    order = np.argsort(-probabilities, axis=0, kind="stable")
    total = np.zeros(labelled.shape)
    for rank in order:
        # sums of rounded probabilities may miss the share by rounding errors
        missing = labelled & (total < share - 1e-6)
        mask |= np.where(missing, np.left_shift(1, rank.astype(mask.dtype), dtype=mask.dtype), 0).astype(mask.dtype)
        total += np.take_along_axis(probabilities, rank[None], axis=0)[0]
    return mask


def mask_problem(n_classes: int) -> str | None:
    """The reason why these classes have no bit mask, for the user; None if they have one."""
    if n_classes <= MASK_BITS:
        return None
    return f"likely_classes: the map has {n_classes} classes, and a set has at most {MASK_BITS}; remove likely_classes"


def mask_dtype(n_classes: int) -> str:
    """Type of a bit mask of classes: uint16, uint32 or uint64; ValueError for more than 64 classes."""
    if problem := mask_problem(n_classes):
        raise ValueError(problem)
    return "uint16" if n_classes <= 16 else "uint32" if n_classes <= 32 else "uint64"


def _percent(values: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """Values from 0 to 1 as uint8 in %; 255 without label."""
    rounded = np.clip(np.rint(values * 100), 0, 100)
    return np.where(labelled, rounded, PERCENT_NODATA).astype(np.uint8)
