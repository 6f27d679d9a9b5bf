"""Forms of the trees of a forest that can be evaluated quickly.

A forest has one of three forms. ``SmallTrees``: every tree adds to one score and has at most 32 leaves, as in
boosting. ``CodedTrees``: no feature has more than 255 thresholds, as after training on histograms; features of pixels
are replaced by codes of one byte. ``ComparedTrees``: all others. Every form adds the same values in the same order. The
values of leaves are stored tree by tree, because those of all trees exceed the second-level cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numba import njit

from iota2.compute.tree_evaluation import DE_BRUIJN, LAST, add_coded, add_compared, add_small, batch_pixels

TREE_SECONDS, SMALL_TREE_SECONDS = 0.05e-6, 0.004e-6
"""Estimated seconds to evaluate a tree for one pixel; small trees are ``SmallTrees``, with the link to probabilities.

``bench_forest`` and ``bench_predictors`` measure them.
"""
MAX_CODES = 255
"""Maximum number of thresholds of a feature in ``CodedTrees``."""
MAX_CODED_FEATURES = 8192
"""Maximum number of features in ``CodedTrees``, whose thresholds take 1 KiB for each feature."""
MAX_LEAVES = 32
"""Maximum number of leaves of a tree in ``SmallTrees``: bits of a mask."""
MAX_TREE_VALUES = 2**24
"""Largest position of a value among those of its tree in ``ComparedTrees``, which stores it as float32."""


class Nodes(NamedTuple):
    """The arrays of a ``Forest``; see there."""

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    child: np.ndarray
    starts: np.ndarray
    column: np.ndarray
    share: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """(tree,) number of nodes."""
        return np.diff(self.roots, append=np.uint32(len(self.feature)))


class TreeForm(Protocol):
    """A form of the trees that can be evaluated."""

    def add(self, x: np.ndarray, at: np.ndarray, total: np.ndarray) -> bool:
        """Add the values of the reached leaves to ``total`` (pixel, score).

        Returns True if a feature is NaN; ``total`` is then incomplete.
        ``at`` (pixel,) int64 are positions in ``x`` (feature, pixel) float32.
        """


def fastest_form(nodes: Nodes, n_features: int) -> TreeForm:
    """The fastest form of a forest whose arrays are consistent. ``ValueError`` if a tree has too many values."""
    return SmallTrees.of(nodes, n_features) or CodedTrees.of(nodes, n_features) or ComparedTrees.of(nodes, n_features)


@dataclass(frozen=True, eq=False)
class SmallTrees:
    """Trees of few leaves, evaluated without following paths.

    Each test clears, in a mask of the pixel, the leaves of its left side if the pixel goes to the right; the lowest
    remaining bit is the leaf (QuickScorer: Lucchese et al., 2015, SIGIR). The tests of a tree have no order, so that
    many pixels are compared with one threshold by vector instructions.
    """

    tests: np.ndarray
    """(test,) feature uint32, threshold float32, mask uint32."""
    ends: np.ndarray
    """(tree,) uint32: end of the tests of each tree."""
    column: np.ndarray
    """(tree,) uint32: score of the tree."""
    values: np.ndarray
    """(tree, 32) float64: values of the leaves in the order of ``DE_BRUIJN``."""

    @classmethod
    def of(cls, nodes: Nodes, n_features: int) -> SmallTrees | None:
        """The form of a forest; None if it is not possible."""
        leaf = nodes.feature == n_features
        tree = np.repeat(np.arange(len(nodes.roots)), nodes.sizes)
        row = nodes.threshold[leaf].astype(np.int64)
        leaves = np.bincount(tree[leaf], minlength=len(nodes.roots))
        inner = np.flatnonzero(~leaf)
        children = (nodes.roots[tree[inner]] + nodes.child[inner]).astype(np.int64)
        parents = np.bincount(np.concatenate([children, children + 1, nodes.roots]), minlength=len(leaf))
        if leaves.max() > MAX_LEAVES or (np.diff(nodes.starts)[row] != 1).any() or (parents != 1).any():
            return None
        column = nodes.column[nodes.starts[row]]
        of_tree = column[np.cumsum(leaves) - 1]
        if (column != np.repeat(of_tree, leaves)).any():
            return None
        number, mask = np.zeros(len(leaf), np.uint32), np.zeros(len(leaf), np.uint32)
        _number_leaves(nodes, nodes.sizes, leaf, number, mask)
        kind = np.dtype([("feature", np.uint32), ("threshold", np.float32), ("mask", np.uint32)], align=True)
        tests = np.zeros(len(inner), kind)
        tests["feature"], tests["threshold"], tests["mask"] = nodes.feature[inner], nodes.threshold[inner], mask[inner]
        values = np.zeros((len(nodes.roots), MAX_LEAVES))
        place = (np.left_shift(np.uint32(1), number[leaf]) * DE_BRUIJN) >> np.uint32(27)
        values[tree[leaf], place] = nodes.share[nodes.starts[row]]
        ends = np.cumsum(np.bincount(tree[inner], minlength=len(nodes.roots)))
        return cls(tests, ends.astype(np.uint32), of_tree.astype(np.uint32), values)

    def add(self, x: np.ndarray, at: np.ndarray, total: np.ndarray) -> bool:
        """As ``TreeForm.add``."""
        step = batch_pixels(4 * (len(x) + 1) + 8 * total.shape[1])
        return bool(add_small(x, at, (self.tests, self.ends, self.column, self.values), step, total))


@dataclass(frozen=True, eq=False)
class LeafValues:
    """Values of the leaves of all trees, tree by tree; equal leaves of a tree share their values."""

    first: np.ndarray
    """(tree,) uint32: first value of the tree."""
    column: np.ndarray
    """(value,) uint32: score, with the flag ``LAST`` at the last value of a leaf."""
    share: np.ndarray
    """(value,) float64."""

    @classmethod
    def of(cls, nodes: Nodes, leaf: np.ndarray) -> tuple[LeafValues, np.ndarray]:
        """The values, and the position (node,) uint32 of the first value of a leaf among those of its tree."""
        first, place = np.zeros(len(nodes.roots), np.uint32), np.zeros(len(leaf), np.uint32)
        nothing = (np.zeros(0, np.uint32), np.zeros(0))
        count = _order_values(nodes, leaf, first, place, nothing)
        column, share = np.zeros(count, np.uint32), np.zeros(count)
        _order_values(nodes, leaf, first, place, (column, share))
        return cls(first, column, share), place

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All arrays."""
        return self.first, self.column, self.share


@dataclass(frozen=True, eq=False)
class CodedTrees:
    """Trees whose tests compare codes: the number of thresholds of the feature that are below its value."""

    cuts: np.ndarray
    """(feature, 256) float32: ascending thresholds of each feature, then infinity."""
    nodes: np.ndarray
    """(node,) with ``split``, from the highest bits: left child, code, feature; and ``value``, the first of a leaf."""
    roots: np.ndarray
    bits: int
    """Number of bits of the feature in ``split``."""
    leaves: LeafValues

    @classmethod
    def of(cls, nodes: Nodes, n_features: int) -> CodedTrees | None:
        """The form of a forest; None if a feature has more than ``MAX_CODES`` thresholds, or with many features."""
        if n_features > MAX_CODED_FEATURES:
            return None
        cuts = np.full((n_features, MAX_CODES + 1), np.inf, np.float32)
        code = np.zeros(len(nodes.feature), np.uint8)
        if not _encode_thresholds(nodes.feature, nodes.threshold, cuts, code):
            return None
        leaf = nodes.feature == n_features
        leaves, first = LeafValues.of(nodes, leaf)
        bits = n_features.bit_length()
        kind = _split_type(bits + 8 + int(nodes.child.max()).bit_length())
        packed = np.zeros(len(leaf), np.dtype([("split", kind), ("value", np.uint32)], align=True))
        packed["split"] = np.left_shift(np.left_shift(nodes.child.astype(kind), kind.type(8)) | code, kind.type(bits))
        packed["split"] |= nodes.feature
        packed["value"] = first
        return cls(cuts, packed, nodes.roots, bits, leaves)

    def add(self, x: np.ndarray, at: np.ndarray, total: np.ndarray) -> bool:
        """As ``TreeForm.add``."""
        step = batch_pixels(len(x) + 1 + 8 * total.shape[1])
        trees = (self.nodes, self.roots, self.cuts, *self.leaves.arrays)
        return bool(add_coded(x, at, trees, (self.bits, step), total))


@dataclass(frozen=True, eq=False)
class ComparedTrees:
    """Trees whose tests compare values with thresholds."""

    nodes: np.ndarray
    """(node,) with ``split``, from the highest bits: left child, feature; and ``threshold``, for a leaf its first
    value."""
    roots: np.ndarray
    bits: int
    """Number of bits of the feature in ``split``."""
    leaves: LeafValues

    @classmethod
    def of(cls, nodes: Nodes, n_features: int) -> ComparedTrees:
        """The form of a forest. ``ValueError`` if a tree has more than ``MAX_TREE_VALUES`` values."""
        leaf = nodes.feature == n_features
        leaves, first = LeafValues.of(nodes, leaf)
        if first.max() > MAX_TREE_VALUES:
            raise ValueError(f"not a forest: the leaves of a tree have more than {MAX_TREE_VALUES} values")
        bits = n_features.bit_length()
        kind = _split_type(bits + int(nodes.child.max()).bit_length())
        packed = np.empty(len(leaf), np.dtype([("threshold", np.float32), ("split", kind)], align=True))
        packed["threshold"] = np.where(leaf, first, nodes.threshold)
        packed["split"] = np.left_shift(nodes.child.astype(kind), kind.type(bits)) | nodes.feature
        return cls(packed, nodes.roots, bits, leaves)

    def add(self, x: np.ndarray, at: np.ndarray, total: np.ndarray) -> bool:
        """As ``TreeForm.add``."""
        step = batch_pixels(4 * (len(x) + 1) + 8 * total.shape[1])
        trees = (self.nodes, self.roots, *self.leaves.arrays)
        return bool(add_compared(x, at, trees, (self.bits, step), total))


def _split_type(bits: int) -> np.dtype:
    """Type for the given number of bits."""
    return np.dtype(np.uint64 if bits > 32 else np.uint32)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _number_leaves(nodes: Nodes, sizes: np.ndarray, leaf: np.ndarray, number: np.ndarray, mask: np.ndarray) -> None:
    """Number the leaves of each tree from left to right; ``mask`` (node,): all but the leaves on the left of a test."""
    below = np.ones(leaf.size, np.uint32)
    for t in range(sizes.size):
        root, end = nodes.roots[t], nodes.roots[t] + sizes[t]
        for back in range(sizes[t]):  # children before their parents
            node = end - np.uint32(1) - np.uint32(back)
            if not leaf[node]:
                left = root + nodes.child[node]
                below[node] = below[left] + below[left + np.uint32(1)]
        number[root] = np.uint32(0)
        for node in range(root, end):
            if not leaf[node]:
                left = root + nodes.child[node]
                number[left], number[left + np.uint32(1)] = number[node], number[node] + below[left]
                bits = (np.uint32(1) << below[left]) - np.uint32(1)
                mask[node] = ~np.uint32(bits << number[node])


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _order_values(
    nodes: Nodes, leaf: np.ndarray, first: np.ndarray, place: np.ndarray, values: tuple[np.ndarray, np.ndarray]
) -> int:
    """Number of values of all trees, where equal leaves of a tree share their values.

    ``first`` (tree,) is the first value of each tree, ``place`` (node,) the first value of each leaf, counted from the
    first one of the tree. ``values`` are the columns and shares, written unless they are empty.
    """
    column, share = values
    last_tree = np.full(nodes.starts.size - 1, -1, np.int64)
    last_place = np.zeros(nodes.starts.size - 1, np.uint32)
    count, node = 0, 0
    for t in range(nodes.roots.size):
        first[t] = count
        end = nodes.roots[t + 1] if t + 1 < nodes.roots.size else leaf.size
        while node < end:
            if leaf[node]:
                row = np.int64(nodes.threshold[node])
                if last_tree[row] != t:
                    last_tree[row], last_place[row] = t, count - first[t]
                    begin, stop = nodes.starts[row], nodes.starts[row + 1]
                    for k in range(begin, stop):
                        if column.size:
                            column[count], share[count] = nodes.column[k], nodes.share[k]
                        count += 1
                    if begin == stop:  # a leaf without values adds 0
                        count += 1
                    if column.size:
                        column[count - 1] |= LAST
                place[node] = last_place[row]
            node += 1
    return count


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _encode_thresholds(feature: np.ndarray, threshold: np.ndarray, cuts: np.ndarray, code: np.ndarray) -> bool:
    """Fill ``cuts`` with the thresholds of each feature and ``code`` with their positions; False if they do not fit.

    A threshold NaN, which no value exceeds, does not fit.
    """
    n_features, most = cuts.shape[0], cuts.shape[1] - 1
    counts = np.zeros(n_features, np.int64)
    for node in range(feature.size):
        f = feature[node]
        if f < n_features:
            value, own = threshold[node], cuts[f]
            at = np.searchsorted(own[: counts[f]], value)
            if at == counts[f] or own[at] != value:
                if counts[f] == most:
                    return False
                for k in range(counts[f], at, -1):
                    own[k] = own[k - 1]
                own[at] = value
                counts[f] += 1
    for node in range(feature.size):
        f = feature[node]
        if f < n_features:
            code[node] = np.searchsorted(cuts[f, : counts[f]], threshold[node])
    return True
