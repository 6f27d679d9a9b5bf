"""Conformal intervals of a quantity, with polygons as units: the samples of a polygon are not independent."""

from __future__ import annotations

import math

import numpy as np

LEVEL = 0.9
"""Share of the pixels of a new polygon, on average over polygons, whose interval contains the true value."""
MIN_GROUPS = math.ceil(LEVEL / (1 - LEVEL) - 1e-9)
"""Minimum number of polygons for an interval: with fewer, none is wide enough to guarantee the level."""
FLOOR_SHARE = 0.1
"""Share of the mean spread that is added to all spreads, so that a spread of 0 does not mean certainty."""


def group_quantile(scores: np.ndarray, groups: np.ndarray, level: float = LEVEL) -> float:
    """The bound that scores of a new group do not exceed with probability ``level``; infinite with too few groups.

    ``scores`` (sample,) are finite, ``groups`` (sample,) integers. All groups weigh the same, whatever their number of
    samples, and a further group has an infinite score [hierarchical conformal prediction: Lee, Barber & Willett 2023,
    Distribution-free inference with hierarchical data].
    """
    names, member, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if not len(names):
        return math.inf
    order = np.argsort(scores, kind="stable")
    weights = 1.0 / counts[member.reshape(-1)[order]] / (len(names) + 1)
    reached = np.cumsum(weights) >= level - 1e-9
    return float(scores[order][reached.argmax()]) if reached.any() else math.inf


def floor_of(spreads: np.ndarray) -> float:
    """What is added to the spreads (sample,), at least one, before residuals are divided by them: above 0 [normalised
    scores: Papadopoulos et al. 2002, Inductive confidence machines for regression]."""
    return FLOOR_SHARE * float(spreads.mean()) or 1.0
