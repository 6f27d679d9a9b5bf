"""Compiled evaluation of the trees of a forest.

A forest has one of three forms. ``SmallTrees``: every tree adds to one score and has at most 32 leaves, as in
boosting. ``CodedTrees``: no feature has more than 255 thresholds, as after training on histograms; features of pixels
are replaced by codes of one byte. ``ComparedTrees``: all others. Every form adds the same values in the same order.

All forms evaluate one tree for many pixels before the next tree. Features and sums of these pixels (a tile) and one
tree fit the second-level cache; what a tile does not reuse has to come from memory that is shared with other cores. For
the same reason the values of leaves are stored tree by tree. All compiled functions are in one module: the cache of
numba does not notice changes of functions in other modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numba import njit

TREE_SECONDS, SMALL_TREE_SECONDS = 0.05e-6, 0.004e-6
"""Estimated seconds to evaluate a tree for one pixel, measured by ``make bench``; small trees are ``SmallTrees``."""
LANES = 16
"""Pixels that move through a tree together."""
TILE_BYTES = 768 * 1024
"""Bytes of features and sums of the pixels of a tile, in a second-level cache of 1 MiB or more."""
MAX_TILE = 4096
"""Maximum number of pixels of a tile."""
MAX_CODES = 255
"""Maximum number of thresholds of a feature in ``CodedTrees``."""
MAX_CODED_FEATURES = 8192
"""Maximum number of features in ``CodedTrees``, whose thresholds take 1 KiB for each feature."""
MAX_LEAVES = 32
"""Maximum number of leaves of a tree in ``SmallTrees``: bits of a mask."""
MAX_TREE_VALUES = 2**24
"""Largest position of a value among those of its tree in ``ComparedTrees``, which stores it as float32."""
_LAST = np.uint32(2**31)
"""Flag of the last value of a leaf, in its column."""
_DE_BRUIJN = np.uint32(0x077CB531)
"""Multiplied by a power of two, the five highest bits identify the power (Leiserson, Prokop and Randall, 1998)."""


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


class TreeVotes(Protocol):
    """A form of the trees that can be evaluated."""

    def add(self, x: np.ndarray, at: np.ndarray, total: np.ndarray) -> bool:
        """Add the values of the reached leaves to ``total`` (pixel, score); True, without result, for NaN.

        ``at`` (pixel,) int64 are positions in ``x`` (feature, pixel) float32.
        """


def tree_votes(nodes: Nodes, n_features: int) -> TreeVotes:
    """The fastest form of a forest whose arrays are consistent. ``ValueError`` if a tree has too many values."""
    return SmallTrees.of(nodes, n_features) or CodedTrees.of(nodes, n_features) or ComparedTrees.of(nodes, n_features)


def tile_pixels(bytes_of_pixel: int) -> int:
    """Number of pixels of a tile: a multiple of ``LANES``."""
    return LANES * int(np.clip(TILE_BYTES // (LANES * bytes_of_pixel), 1, MAX_TILE // LANES))


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
    """(tree, 32) float64: values of the leaves in the order of ``_DE_BRUIJN``."""

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
        place = (np.left_shift(np.uint32(1), number[leaf]) * _DE_BRUIJN) >> np.uint32(27)
        values[tree[leaf], place] = nodes.share[nodes.starts[row]]
        ends = np.cumsum(np.bincount(tree[inner], minlength=len(nodes.roots)))
        return cls(tests, ends.astype(np.uint32), of_tree.astype(np.uint32), values)

    def add(self, x: np.ndarray, at: np.ndarray, total: np.ndarray) -> bool:
        """As ``TreeVotes.add``."""
        step = tile_pixels(4 * (len(x) + 1) + 8 * total.shape[1])
        return bool(_add_small(x, at, (self.tests, self.ends, self.column, self.values), step, total))


@dataclass(frozen=True, eq=False)
class LeafValues:
    """Values of the leaves of all trees, tree by tree; equal leaves of a tree share their values."""

    first: np.ndarray
    """(tree,) uint32: first value of the tree."""
    column: np.ndarray
    """(value,) uint32: score, with the flag ``_LAST`` at the last value of a leaf."""
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
        """As ``TreeVotes.add``."""
        step = tile_pixels(len(x) + 1 + 8 * total.shape[1])
        trees = (self.nodes, self.roots, self.cuts, *self.leaves.arrays)
        return bool(_add_coded(x, at, trees, (self.bits, step), total))


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
        """As ``TreeVotes.add``."""
        step = tile_pixels(4 * (len(x) + 1) + 8 * total.shape[1])
        trees = (self.nodes, self.roots, *self.leaves.arrays)
        return bool(_add_compared(x, at, trees, (self.bits, step), total))


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
                        column[count - 1] |= _LAST
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


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _row(x: np.ndarray, f: int, at: np.ndarray, together: bool, gathered: np.ndarray) -> np.ndarray:
    """Values (pixel,) of one feature at the positions ``at``; ``together``: they are consecutive."""
    if together:
        return x[f, at[0] : at[0] + at.size]
    for k in range(at.size):
        gathered[k] = x[f, at[k]]
    return gathered[: at.size]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _consecutive(at: np.ndarray) -> bool:
    together = True
    for k in range(at.size):
        together &= at[k] == at[0] + k
    return together


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _has_nan(values: np.ndarray) -> bool:
    missing = np.uint32(0)
    for k in range(values.size):
        missing |= np.uint32(np.isnan(values[k]))
    return missing != 0


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _clear_left(masks: np.ndarray, values: np.ndarray, threshold: float, mask: int) -> None:
    """Keep only the bits of ``mask`` in the masks (pixel,) of values (pixel,) above the threshold."""
    for k in range(masks.size):
        masks[k] &= mask | (np.uint32(0) - np.uint32(values[k] <= threshold))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add_leaves(sums: np.ndarray, masks: np.ndarray, values: np.ndarray) -> None:
    """Add to ``sums`` (pixel,) the value of the lowest leaf in each mask."""
    for k in range(masks.size):
        lowest = masks[k] & (np.uint32(0) - masks[k])
        sums[k] += values[np.uint32(lowest * _DE_BRUIJN) >> np.uint32(27)]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add_small(x: np.ndarray, at: np.ndarray, arrays: tuple[np.ndarray, ...], step: int, total: np.ndarray) -> bool:
    """``SmallTrees.add`` in tiles of ``step`` pixels."""
    tests, ends, column, leaves = arrays
    gathered, masks = np.empty(step, np.float32), np.empty(step, np.uint32)
    tile, sums = np.empty((x.shape[0], step), np.float32), np.empty((total.shape[1], step))
    for first in range(0, at.size, step):
        places = at[first : first + step]
        count, together = places.size, _consecutive(places)
        for f in range(x.shape[0]):
            tile[f, :count] = _row(x, f, places, together, gathered)
            if _has_nan(tile[f, :count]):
                return True
        for c in range(total.shape[1]):
            sums[c, :count] = total[first : first + count, c]
        test = 0
        for t in range(ends.size):
            masks[:count] = np.uint32(0xFFFFFFFF)
            while test < ends[t]:
                one = tests[test]
                _clear_left(masks[:count], tile[one.feature, :count], one.threshold, one.mask)
                test += 1
            _add_leaves(sums[column[t], :count], masks[:count], leaves[t])
        for c in range(total.shape[1]):
            total[first : first + count, c] = sums[c, :count]
    return False


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add_values(sums: np.ndarray, value: np.uint32, column: np.ndarray, share: np.ndarray) -> None:
    """Add the values of a leaf, of which ``value`` is the first, to the sums (score,) of a pixel."""
    flagged = column[value]
    sums[flagged & np.uint32(0x7FFFFFFF)] += share[value]
    while not flagged >> np.uint32(31):
        value += np.uint32(1)
        flagged = column[value]
        sums[flagged & np.uint32(0x7FFFFFFF)] += share[value]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _encode(values: np.ndarray, cuts: np.ndarray, codes: np.ndarray) -> bool:
    """Write the codes of the values (pixel,) of a feature to ``codes`` (group, lane); True for NaN."""
    missing = np.uint32(0)
    for k in range(values.size):
        value, code = values[k], np.uint32(0)
        missing |= np.uint32(np.isnan(value))
        for half in (128, 64, 32, 16, 8, 4, 2, 1):  # a binary search without branches
            code += np.uint32(half) * np.uint32(value > cuts[code + np.uint32(half - 1)])
        codes[k // LANES, k % LANES] = np.uint8(code)
    return missing != 0


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _find_coded(tree: np.ndarray, codes: np.ndarray, bits: int, at: np.ndarray) -> None:
    """Set ``at`` to the leaves of the pixels of one group; ``codes`` are (feature, lane), flattened."""
    to_code, to_child = np.uint32(bits), np.uint32(bits + 8)
    mask = np.uint32((1 << bits) - 1)
    for k in range(LANES):
        at[k] = np.uint32(0)
    moving = True
    while moving:
        changed = np.uint32(0)
        for k in range(LANES):
            split = tree[at[k]].split
            code = np.uint32(codes[np.uint32(split & mask) * np.uint32(LANES) + np.uint32(k)])
            to = np.uint32(split >> to_child) + np.uint32(code > (np.uint32(split >> to_code) & np.uint32(255)))
            changed |= np.uint32(to ^ at[k])
            at[k] = to
        moving = changed != 0


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add_coded(
    x: np.ndarray, at: np.ndarray, trees: tuple[np.ndarray, ...], sizes: tuple[int, int], total: np.ndarray
) -> bool:
    """``CodedTrees.add``; ``sizes``: number of bits of a feature in a node, and number of pixels of a tile."""
    nodes, roots, cuts, first_value, column, share = trees
    bits, step = sizes
    leaf, gathered = np.empty(LANES, np.uint32), np.empty(step, np.float32)
    # The last feature is that of leaves: its code 0 is never greater.
    tile = np.zeros((step // LANES, x.shape[0] + 1, LANES), np.uint8)
    for first in range(0, at.size, step):
        places = at[first : first + step]
        together = _consecutive(places)
        for f in range(x.shape[0]):
            if _encode(_row(x, f, places, together, gathered), cuts[f], tile[:, f]):
                return True
        for t in range(roots.size):
            tree, values = nodes[roots[t] :], first_value[t]
            for group in range((places.size + LANES - 1) // LANES):
                _find_coded(tree, tile[group].ravel(), bits, leaf)
                for k in range(min(LANES, places.size - group * LANES)):
                    value = values + tree[leaf[k]].value
                    _add_values(total[first + group * LANES + k], value, column, share)
    return False


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _find_compared(tree: np.ndarray, features: np.ndarray, bits: int, at: np.ndarray) -> None:
    """Set ``at`` to the leaves of the pixels of one group; ``features`` are (feature, lane), flattened."""
    shift = np.uint32(bits)
    mask = np.uint32((1 << bits) - 1)
    for k in range(LANES):
        at[k] = np.uint32(0)
    moving = True
    while moving:
        changed = np.uint32(0)
        for k in range(LANES):
            node = tree[at[k]]
            value = features[np.uint32(node.split & mask) * np.uint32(LANES) + np.uint32(k)]
            to = np.uint32(node.split >> shift) + np.uint32(value > node.threshold)
            changed |= np.uint32(to ^ at[k])
            at[k] = to
        moving = changed != 0


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add_compared(
    x: np.ndarray, at: np.ndarray, trees: tuple[np.ndarray, ...], sizes: tuple[int, int], total: np.ndarray
) -> bool:
    """``ComparedTrees.add``; ``sizes`` as in ``_add_coded``."""
    nodes, roots, first_value, column, share = trees
    bits, step = sizes
    leaf, gathered = np.empty(LANES, np.uint32), np.empty(step, np.float32)
    # The last feature is that of leaves: never greater than a position.
    tile = np.full((step // LANES, x.shape[0] + 1, LANES), -np.inf, np.float32)
    for first in range(0, at.size, step):
        places = at[first : first + step]
        together = _consecutive(places)
        for f in range(x.shape[0]):
            values = _row(x, f, places, together, gathered)
            if _has_nan(values):
                return True
            for k in range(places.size):
                tile[k // LANES, f, k % LANES] = values[k]
        for t in range(roots.size):
            tree, start = nodes[roots[t] :], first_value[t]
            for group in range((places.size + LANES - 1) // LANES):
                _find_compared(tree, tile[group].ravel(), bits, leaf)
                for k in range(min(LANES, places.size - group * LANES)):
                    value = start + np.uint32(tree[leaf[k]].threshold)
                    _add_values(total[first + group * LANES + k], value, column, share)
    return False
