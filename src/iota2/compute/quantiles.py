"""Groups of values of a quantity by quantiles, which take the place of classes where samples are stratified."""

from __future__ import annotations

import numpy as np

GROUPS = 5
"""Maximum number of groups."""


def quantile_edges(values: np.ndarray, groups: int = GROUPS) -> np.ndarray:
    """(n,) ascending limits between groups of nearly equal size, n < ``groups``; fewer if values are often equal.

    ``values`` (value,) are finite. Each group contains a value; no limit for equal values or none.
    """
    if not len(values):
        return np.zeros(0)
    inner = np.quantile(values, np.arange(1, groups) / groups, method="higher")
    return np.unique(inner[inner > values.min()])


def group_of(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(value,) int64 from 1: the group of each value; a value that equals a limit is above it."""
    return np.searchsorted(edges, values, side="right") + 1


def joined_groups(groups: np.ndarray, minimum: int) -> np.ndarray:
    """(value,) int64: ``groups`` of values, small ones joined with neighbours; the number is that of the lowest group.

    As long as a group has fewer than ``minimum`` values, the smallest one (of equal ones the lowest) is joined with the
    smaller of its neighbours (of equal ones the lower). With fewer values in total, one group is left.
    """
    numbers, sizes = np.unique(groups, return_counts=True)
    firsts, counts = numbers.tolist(), sizes.tolist()
    while len(counts) > 1 and min(counts) < minimum:
        k = counts.index(min(counts))
        other = min((n for n in (k - 1, k + 1) if 0 <= n < len(counts)), key=lambda n: counts[n])
        upper = max(k, other)
        counts[upper - 1] += counts.pop(upper)
        firsts.pop(upper)
    return np.array(firsts, np.int64)[np.searchsorted(firsts, groups, side="right") - 1]


def quantile_groups(values: np.ndarray, groups: int = GROUPS) -> np.ndarray:
    """(value,) int64 from 1: the group of each value among ``values``."""
    return group_of(values, quantile_edges(values, groups))
