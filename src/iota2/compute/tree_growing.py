"""Growth of classification forests on binned features: random forests and extra trees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from iota2.compute.binning import bin_features
from iota2.compute.tree_kernel import Bins, Limits, grow_tree, in_bag, work_arrays
from iota2.compute.trees import MAX_ROWS, Forest
from iota2.core.random import generator
from iota2.errors import InputError

UNLIMITED = 2**31 - 1
"""Depth of trees without limit."""


@dataclass(frozen=True)
class Growth:
    """Properties of the trees to grow; the defaults are those of a random forest."""

    trees: int = 100
    max_depth: int = UNLIMITED
    """Maximum number of tests on a path."""
    min_samples_split: int = 2
    """Nodes with fewer distinct samples are not split."""
    max_features: int | None = None
    """Features drawn as candidates at each node; None is the square root of their number, rounded down."""
    bootstrap: bool = True
    """Whether each tree learns from samples drawn with replacement; otherwise from all."""
    max_samples: float = 1.0
    """Number of samples drawn for a tree, as a share of the samples with a weight above 0."""
    random_thresholds: bool = False
    """Whether thresholds are drawn at random (extra trees); otherwise the best one is chosen."""


class Grown(NamedTuple):
    """Result of ``grow_forest``."""

    forest: Forest
    importances: np.ndarray
    """(feature,) float64: mean decrease of impurity with sum 1; all 0 if no tree has a split."""


def grow_forest(
    x: np.ndarray,
    y: np.ndarray,
    growth: Growth,
    *,
    n_classes: int,
    seed: int,
    weight: np.ndarray | None = None,
    threads: int = 1,
) -> Grown:
    """Forest grown from ``x`` (sample, feature) float32 and classes ``y`` (sample,) 0..n_classes-1.

    Breiman (2001): each tree learns from samples drawn with replacement; at each node candidate features are drawn
    without replacement, until ``max_features`` were drawn and one of them is not constant; the split with the greatest
    decrease of Gini impurity is chosen, of equal ones the first. With ``random_thresholds`` each candidate feature has
    one threshold, drawn uniformly between its lowest and highest value in the node (Geurts et al., 2006).

    A node is a leaf if it has one class, fewer than ``min_samples_split`` distinct samples, the depth ``max_depth``, or
    constant features. Features are compared as codes of 256 bins (``compute.binning``). Thresholds are limits of bins,
    so the trees divide float32 features exactly as codes. ``weight`` (sample,) multiplies the counts of samples;
    samples with weight 0 are ignored.

    Needs about 1.3 times the memory of ``x``, and about 90 bytes per node at the end. The result does not depend on
    ``threads``. Raises ``ValueError`` for features that are not finite, for invalid classes, and for weights that are
    negative, not finite or all 0; ``InputError`` for more different leaves than a forest can store.
    """
    labels, weights = _checked(x, y, weight, n_classes)
    trees = _grown_trees(x, (labels, weights), growth, n_classes=n_classes, seed=seed, threads=threads)
    return Grown(_assembled(trees, x.shape[1], n_classes), _importances(trees))


class Tree(NamedTuple):
    """A grown tree; nodes and leaves are in the order of levels, with adjacent siblings."""

    feature: np.ndarray
    """(node,) uint32: tested feature; the number of features for a leaf."""
    threshold: np.ndarray
    """(node,) float32: values up to it go left; 0 for a leaf."""
    child: np.ndarray
    """(node,) uint32: left child; a leaf is its own child."""
    starts: np.ndarray
    """(leaf + 1,) uint32: first entry of each leaf."""
    column: np.ndarray
    """(entry,) uint16: class present in a leaf."""
    share: np.ndarray
    """(entry,) float64: its share of the weight of the leaf."""
    decrease: np.ndarray
    """(feature,) float64: sum of weight times decrease of impurity over the nodes that test the feature."""


def _checked(x: np.ndarray, y: np.ndarray, weight: np.ndarray | None, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes as uint16, and weights: int32 ones without weights, for which sums are exact, otherwise float64."""
    if y.shape != x.shape[:1] or not y.size or not 0 <= y.min() <= y.max() < n_classes <= 2**16:
        raise ValueError(f"features {x.shape} and classes {y.shape}: expected a class below {n_classes} per sample")
    if weight is None:
        return y.astype(np.uint16), np.ones(len(y), np.int32)
    weights = np.array(weight, np.float64)
    if weights.shape != y.shape or not np.isfinite(weights).all() or weights.min() < 0 or not weights.any():
        raise ValueError(f"weights {weights.shape}: expected a finite number of at least 0 per sample, not all 0")
    return y.astype(np.uint16), weights


def _grown_trees(
    x: np.ndarray,
    targets: tuple[np.ndarray, np.ndarray],
    growth: Growth,
    *,
    n_classes: int,
    seed: int,
    threads: int,
) -> list[Tree]:
    """The trees, each from its own stream of random numbers; ``targets`` are classes and weights."""
    binned = bin_features(x, threads=threads)
    bins, limits = Bins(binned.codes, binned.cuts, binned.centres), _limits(growth, x.shape[1])
    labels, weights = targets
    present = np.flatnonzero(weights).astype(np.uint32)
    size = max(1, round(growth.max_samples * len(present))) if growth.bootstrap else 0

    def grow(start: np.uint64) -> Tree:
        state = np.array([start], np.uint64)
        bag = in_bag(labels, weights, present, size, state)
        return Tree(*grow_tree(bins, bag, limits, work_arrays(bag, bins, n_classes, state)))

    drawn = generator(seed, "grow_forest").integers(2**64, size=growth.trees, dtype=np.uint64)
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(grow, drawn))


def _limits(growth: Growth, features: int) -> Limits:
    candidates = int(np.sqrt(features)) if growth.max_features is None else growth.max_features
    return Limits(
        max_depth=min(growth.max_depth, UNLIMITED),
        min_samples=max(2, growth.min_samples_split),
        candidates=min(max(1, candidates), features),
        at_random=growth.random_thresholds,
    )


def _importances(trees: list[Tree]) -> np.ndarray:
    """Mean over trees of the decreases of impurity, each tree and the result with sum 1; 0 without splits."""
    shares = [tree.decrease / total for tree in trees if (total := tree.decrease.sum()) > 0]
    mean = np.sum(shares, axis=0) if shares else np.zeros_like(trees[0].decrease)
    return mean / (mean.sum() or 1.0)


def _assembled(trees: list[Tree], n_features: int, n_classes: int) -> Forest:
    """The trees as one forest; leaves with equal shares have one row."""
    starts = np.concatenate([[0], *(np.diff(tree.starts) for tree in trees)])
    starts.cumsum(out=starts)
    column = np.concatenate([tree.column for tree in trees])
    share = np.concatenate([tree.share for tree in trees])
    row, first = _distinct_rows(starts, column, share)
    if len(first) > MAX_ROWS:
        raise InputError(
            f"The forest has {len(first)} different leaves, expected at most {MAX_ROWS}. Reduce its depth or its trees."
        )
    lengths, kept = np.diff(starts), np.zeros(len(row), bool)
    kept[first] = True
    entries = np.repeat(kept, lengths)
    feature = np.concatenate([tree.feature for tree in trees])
    threshold = np.concatenate([tree.threshold for tree in trees])
    threshold[feature == n_features] = row
    return Forest(
        n_features=n_features,
        n_classes=n_classes,
        roots=np.cumsum([0, *(len(tree.feature) for tree in trees[:-1])]).astype(np.uint32),
        feature=feature,
        threshold=threshold,
        child=np.concatenate([tree.child for tree in trees]),
        starts=np.concatenate([[0], lengths[first].cumsum()]).astype(np.uint32),
        column=column[entries].astype(np.uint32),
        share=share[entries],
    )


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _distinct_rows(starts: np.ndarray, column: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the row of each leaf, and the first leaf of each row; leaves with equal entries have the same row.

    A hash table with open addressing: the slot of a leaf is the first from its hash on that is free or has equal
    entries.
    """
    leaves = starts.size - 1
    slots = 16
    while slots < 2 * leaves:
        slots *= 2
    table = np.full(slots, -1, np.int32)
    row, first = np.empty(leaves, np.int32), np.empty(leaves, np.int64)
    bits, rows = share.view(np.uint64), 0
    for leaf in range(leaves):
        a, b = starts[leaf], starts[leaf + 1]
        state = np.uint64(b - a)
        for k in range(a, b):
            state = (state ^ bits[k] ^ np.uint64(column[k])) * np.uint64(0x9E3779B97F4A7C15)
            state ^= state >> np.uint64(32)
        slot = np.int64(state & np.uint64(slots - 1))
        while table[slot] >= 0:
            known = starts[first[table[slot]]]
            if starts[first[table[slot]] + 1] - known == b - a:
                equal = True
                for k in range(b - a):
                    equal &= column[known + k] == column[a + k] and bits[known + k] == bits[a + k]
                if equal:
                    break
            slot = (slot + 1) % slots
        if table[slot] < 0:
            table[slot], first[rows] = rows, leaf
            rows += 1
        row[leaf] = table[slot]
    return row, first[:rows].copy()
