"""Growth of classification trees on binned features: random forests and extra trees.

Trees are grown level by level. The samples of a node are contiguous in arrays that are partitioned in place. Candidate
features are evaluated from the class counts of bins in large nodes, and from the samples sorted by code in small ones.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from iota2.compute.binning import BINS, bin_features
from iota2.compute.trees import MAX_ROWS, Forest
from iota2.core.random import generator
from iota2.errors import InputError

UNLIMITED = 2**31 - 1
"""Depth of trees without limit."""
_SORTED_PER_CLASS = 64
"""Nodes with at most this number of samples per class are sorted; counting all bins would take longer."""
_INSERTED = 16
"""Nodes with at most this number of samples are sorted by insertion, others by counting."""


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

    Needs about 1.25 times the memory of ``x``. The result does not depend on ``threads``. Raises ``ValueError`` for
    features that are not finite, for invalid classes, and for weights that are negative, not finite or all 0;
    ``InputError`` for more different leaves than a forest can store.
    """
    labels, weights = _checked(x, y, weight, n_classes)
    trees = _grown_trees(x, (labels, weights), growth, n_classes=n_classes, seed=seed, threads=threads)
    return Grown(_assembled(trees, x.shape[1], n_classes), _importances(trees))


class _Tree(NamedTuple):
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


class _Limits(NamedTuple):
    """Numbers of ``Growth``, within their limits for the samples."""

    max_depth: int
    min_samples: int
    candidates: int
    at_random: bool


class _Bins(NamedTuple):
    """The arrays of ``BinnedFeatures``."""

    codes: np.ndarray
    cuts: np.ndarray
    centres: np.ndarray


class _Samples(NamedTuple):
    """Samples of a tree, or of a node."""

    at: np.ndarray
    """(n,) uint32: position among all samples."""
    label: np.ndarray
    """(n,) uint16: class."""
    weight: np.ndarray
    """(n,) int32 or float64: how often the sample was drawn, times its weight."""


class _Work(NamedTuple):
    """Work arrays of a tree."""

    totals: np.ndarray
    """(class,) int64 or float64: weights in the node."""
    left: np.ndarray
    """(class,) of the same type: weights on the left side of a split."""
    state: np.ndarray
    """(1,) uint64: state of the random numbers."""
    features: np.ndarray
    """(feature,) uint32: all features, in the order of the last draws."""
    codes: np.ndarray
    """(n,) uint8: codes of a feature in the node."""
    order: np.ndarray
    """(n,) uint32: positions in the node, sorted by code; as long as the largest node that is sorted."""
    counts: np.ndarray
    """(256,) uint32: samples of each code."""
    bins: np.ndarray
    """(256 * class,) of the type of the weights: weights of the classes of each code."""


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
) -> list[_Tree]:
    """The trees, each from its own stream of random numbers; ``targets`` are classes and weights."""
    binned = bin_features(x, threads=threads)
    bins, limits = _Bins(binned.codes, binned.cuts, binned.centres), _limits(growth, x.shape[1])
    labels, weights = targets
    present = np.flatnonzero(weights).astype(np.uint32)
    size = max(1, round(growth.max_samples * len(present))) if growth.bootstrap else 0

    def grow(start: np.uint64) -> _Tree:
        state = np.array([start], np.uint64)
        bag = _in_bag(labels, weights, present, size, state)
        return _Tree(*_grow_tree(bins, bag, limits, _work(bag, bins, n_classes, state)))

    drawn = generator(seed, "grow_forest").integers(2**64, size=growth.trees, dtype=np.uint64)
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(grow, drawn))


def _limits(growth: Growth, features: int) -> _Limits:
    candidates = int(np.sqrt(features)) if growth.max_features is None else growth.max_features
    return _Limits(
        max_depth=min(growth.max_depth, UNLIMITED),
        min_samples=max(2, growth.min_samples_split),
        candidates=min(max(1, candidates), features),
        at_random=growth.random_thresholds,
    )


def _work(bag: _Samples, bins: _Bins, n_classes: int, state: np.ndarray) -> _Work:
    """Work arrays; sums of whole numbers are exact in int64."""
    kind = np.int64 if bag.weight.dtype == np.int32 else np.float64
    size = len(bag.at)
    return _Work(
        totals=np.zeros(n_classes, kind),
        left=np.zeros(n_classes, kind),
        state=state,
        features=np.arange(len(bins.codes), dtype=np.uint32),
        codes=np.empty(size, np.uint8),
        order=np.empty(min(size, max(_INSERTED, _SORTED_PER_CLASS * n_classes)), np.uint32),
        counts=np.empty(BINS, np.uint32),
        bins=np.empty(BINS * n_classes, bag.weight.dtype),
    )


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _random(state: np.ndarray) -> np.uint64:
    """The next 64 random bits (splitmix64: Steele, Lea and Flood, 2014)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    bits = state[0]
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _below(state: np.ndarray, count: int) -> np.uint64:
    """A random whole number below ``count``, which is below 2³²; the bias is below 2⁻³²."""
    return ((_random(state) >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _in_bag(labels: np.ndarray, weights: np.ndarray, present: np.ndarray, size: int, state: np.ndarray) -> _Samples:
    """Samples of a tree, in ascending order of their positions.

    ``size`` samples are drawn with replacement from those ``present``; 0 means each of them once.
    """
    counts = np.zeros(present.size, np.int32)
    for _ in range(size):
        counts[_below(state, present.size)] += 1
    if size == 0:
        counts[:] = 1
    positions = present[counts > 0]
    return _Samples(positions, labels[positions], weights[positions] * counts[counts > 0])


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _grow_tree(bins: _Bins, bag: _Samples, limits: _Limits, work: _Work) -> tuple[np.ndarray, ...]:
    """The arrays of ``_Tree``; ``bag`` is put in the order of the leaves."""
    n_features, size = bins.codes.shape[0], bag.at.size
    feature, threshold = np.empty(2 * size, np.uint32), np.zeros(2 * size, np.float32)
    child, decrease = np.empty(2 * size, np.uint32), np.zeros(n_features)
    begin, end = np.empty(2 * size, np.uint32), np.empty(2 * size, np.uint32)
    starts, column, share = np.empty(size + 1, np.uint32), np.empty(size, np.uint16), np.empty(size)
    other = _Samples(bag.at.copy(), bag.label.copy(), bag.weight.copy())
    begin[0], end[0], starts[0] = 0, size, 0
    node, nodes, leaves, depth, level_end = 0, 1, 0, 0, 1
    while node < nodes:
        if node == level_end:
            depth, level_end = depth + 1, nodes
        first, last = begin[node], end[node]
        part = _Samples(bag.at[first:last], bag.label[first:last], bag.weight[first:last])
        classes, squares, total = _count_classes(part, work.totals)
        best, cut, score = n_features, 0, 0.0
        if classes > 1 and part.at.size >= limits.min_samples and depth < limits.max_depth:
            best, cut, score = _best_split(bins, part, limits, work)
        feature[node], child[node] = best, node
        if best < n_features:
            threshold[node], child[node] = bins.cuts[best, cut], nodes
            decrease[best] += score - squares / total
            middle = first + _partition(bins.codes[best], cut, part, other)
            begin[nodes], end[nodes], begin[nodes + 1], end[nodes + 1] = first, middle, middle, last
            nodes += 2
        else:
            entry = starts[leaves]
            count = _write_shares(work.totals, total, column[entry:], share[entry:])
            leaves += 1
            starts[leaves] = entry + count
        node += 1
    tests = (feature[:nodes].copy(), threshold[:nodes].copy(), child[:nodes].copy())
    entries = starts[leaves]
    return (*tests, starts[: leaves + 1].copy(), column[:entries].copy(), share[:entries].copy(), decrease)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _write_shares(totals: np.ndarray, total: float, column: np.ndarray, share: np.ndarray) -> int:
    """Write the classes with weight and their shares; returns their number."""
    entry = 0
    for k in range(totals.size):
        if totals[k] > 0:
            column[entry], share[entry] = k, totals[k] / total
            entry += 1
    return entry


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _count_classes(part: _Samples, totals: np.ndarray) -> tuple[int, float, float]:
    """Set ``totals`` (class,) of a node; returns the number of classes, the sum of squared totals, and their sum."""
    totals[:] = 0
    for k in range(part.label.size):
        totals[part.label[k]] += part.weight[k]
    classes, squares, total = 0, totals[0] * 0, totals[0] * 0
    for k in range(totals.size):
        classes += totals[k] > 0
        squares += totals[k] * totals[k]
        total += totals[k]
    return classes, np.float64(squares), np.float64(total)


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _best_split(bins: _Bins, part: _Samples, limits: _Limits, work: _Work) -> tuple[int, int, float]:
    """Feature, code and score of the best split among the candidates; the number of features if all are constant.

    The score is the sum over both sides of the squared class totals divided by the total: the greater, the lower the
    impurity. Codes up to the returned one go left.
    """
    n_features, features = bins.codes.shape[0], work.features
    codes, order = work.codes[: part.at.size], work.order[: part.at.size]
    best, best_cut, best_score = n_features, 0, -1.0
    remaining, drawn = n_features, 0
    while remaining > 0 and (drawn < limits.candidates or best == n_features):
        k = _below(work.state, remaining)
        remaining, drawn = remaining - 1, drawn + 1
        feature = features[k]
        features[k], features[remaining] = features[remaining], feature
        low, high = _gather(bins.codes[feature], part.at, codes)
        if low == high:
            continue
        if limits.at_random:
            cut = _random_cut(bins.cuts[feature], bins.centres[feature], low, high, work.state)
            score = _score_at(cut, codes, part, work)
        elif codes.size == order.size:
            _sort(codes, order, work.counts)
            cut, score = _best_cut_of_sorted(codes, order, part, work)
        else:
            cut, score = _best_cut_of_bins(codes, (low, high), part, work)
        if score > best_score:
            best, best_cut, best_score = feature, cut, score
    return best, best_cut, best_score


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _gather(codes: np.ndarray, at: np.ndarray, found: np.ndarray) -> tuple[Any, Any]:
    """Set ``found`` to the codes of the samples of a node; returns the lowest and the highest one."""
    for k in range(at.size):
        found[k] = codes[at[k]]
    low = high = found[0]
    for k in range(found.size):  # separate from the copy, so that it is vectorised
        low, high = min(low, found[k]), max(high, found[k])
    return np.int64(low), np.int64(high)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _sort(codes: np.ndarray, order: np.ndarray, counts: np.ndarray) -> None:
    """Set ``order`` to the positions of ``codes`` in ascending order of the codes; of equal codes, of the positions."""
    if codes.size <= _INSERTED:
        for k in range(codes.size):
            at = k
            while at > 0 and codes[order[at - 1]] > codes[k]:
                order[at] = order[at - 1]
                at -= 1
            order[at] = k
        return
    counts[:] = 0
    for k in range(codes.size):
        counts[codes[k]] += np.uint32(1)
    before = np.uint32(0)
    for code in range(BINS):
        count = counts[code]
        counts[code] = before
        before += count
    for k in range(codes.size):
        order[counts[codes[k]]] = k
        counts[codes[k]] += np.uint32(1)


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _best_cut_of_sorted(codes: np.ndarray, order: np.ndarray, part: _Samples, work: _Work) -> tuple[Any, float]:
    """Code and score of the best split of one feature, moving the samples one by one to the left."""
    totals, left = work.totals, work.left
    zero = totals[0] * 0
    left_total, left_squares, right_total, right_squares = zero, zero, zero, zero
    for k in range(totals.size):
        left[k] = zero
        right_total += totals[k]
        right_squares += totals[k] * totals[k]
    best_cut, best_score = np.int64(0), -1.0
    code = codes[order[0]]
    for k in range(order.size - 1):
        at = order[k]
        name, moved = part.label[at], part.weight[at] + zero
        left_squares += moved * (2 * left[name] + moved)
        right_squares -= moved * (2 * (totals[name] - left[name]) - moved)
        left[name] += moved
        left_total += moved
        right_total -= moved
        following = codes[order[k + 1]]
        if following != code:
            score = left_squares / left_total + right_squares / right_total
            if score > best_score and right_total > 0:
                best_score, best_cut = score, (np.int64(code) + np.int64(following) - 1) // 2
            code = following
    return best_cut, best_score


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _best_cut_of_bins(codes: np.ndarray, extent: tuple[int, int], part: _Samples, work: _Work) -> tuple[int, float]:
    """Code and score of the best split of one feature, moving bins to the left; ``extent`` are the extreme codes."""
    totals, left, bins = work.totals, work.left, work.bins
    low, high = extent
    classes = totals.size
    bins[low * classes : (high + 1) * classes] = 0
    for k in range(codes.size):
        bins[np.uint64(codes[k]) * np.uint64(classes) + np.uint64(part.label[k])] += part.weight[k]
    zero = totals[0] * 0
    total, left_total = zero, zero
    for k in range(classes):
        left[k] = zero
        total += totals[k]
    best_cut, best_next, best_score = low, low, -1.0
    for code in range(low, high):
        counts = bins[code * classes : (code + 1) * classes]
        left_squares, right_squares = zero, zero
        before = left_total
        for k in range(classes):
            left[k] += counts[k]
            left_total += counts[k]
            right = totals[k] - left[k]
            left_squares += left[k] * left[k]
            right_squares += right * right
        if left_total == before:
            continue  # an empty bin
        if best_next == best_cut:
            best_next = code  # the first bin with samples after the best split
        score = left_squares / left_total + right_squares / (total - left_total)
        if score > best_score and total > left_total:
            best_cut, best_next, best_score = code, code, score
    if best_next == best_cut:
        best_next = high
    return (best_cut + best_next - 1) // 2, best_score


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _random_cut(cuts: np.ndarray, centres: np.ndarray, low: int, high: int, state: np.ndarray) -> int:
    """The limit of a bin next above a value drawn uniformly between the middles of two bins."""
    share = np.float64(_random(state) >> np.uint64(11)) / 2**53
    value = centres[low] + share * (np.float64(centres[high]) - centres[low])
    cut = low
    while cut < high - 1 and cuts[cut] < value:
        cut += 1
    return cut


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _score_at(cut: int, codes: np.ndarray, part: _Samples, work: _Work) -> float:
    """Score of the split of one feature after the code ``cut``."""
    totals, left = work.totals, work.left
    left[:] = 0
    for k in range(codes.size):
        left[part.label[k]] += part.weight[k] * (codes[k] <= cut)
    zero = totals[0] * 0
    left_total, left_squares, right_total, right_squares = zero, zero, zero, zero
    for k in range(totals.size):
        right = totals[k] - left[k]
        left_total += left[k]
        right_total += right
        left_squares += left[k] * left[k]
        right_squares += right * right
    return left_squares / left_total + right_squares / right_total


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _partition(codes: np.ndarray, cut: int, part: _Samples, other: _Samples) -> int:
    """Move the samples with codes up to ``cut`` to the front, in their order; returns their number.

    ``other`` is a work array, at least as long.
    """
    at, label, weight = part
    right_at, right_label, right_weight = other
    left = right = 0
    for k in range(at.size):
        position, name, count = at[k], label[k], weight[k]
        at[left], label[left], weight[left] = position, name, count
        right_at[right], right_label[right], right_weight[right] = position, name, count
        goes_left = codes[position] <= cut
        left += goes_left
        right += not goes_left
    at[left:], label[left:], weight[left:] = right_at[:right], right_label[:right], right_weight[:right]
    return left


def _importances(trees: list[_Tree]) -> np.ndarray:
    """Mean over trees of the decreases of impurity, each tree and the result with sum 1; 0 without splits."""
    shares = [tree.decrease / total for tree in trees if (total := tree.decrease.sum()) > 0]
    mean = np.sum(shares, axis=0) if shares else np.zeros_like(trees[0].decrease)
    return mean / (mean.sum() or 1.0)


def _assembled(trees: list[_Tree], n_features: int, n_classes: int) -> Forest:
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
