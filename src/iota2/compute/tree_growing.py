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

UNLIMITED = 2**31 - 1
"""Depth of trees without limit."""
_SORTED_PER_CLASS = 64
"""Nodes with at most this number of samples per class are sorted; counting all bins would take longer."""
_INSERTED = 16
"""Nodes with at most this number of samples are sorted by insertion, others by counting."""

_Samples = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Samples of a tree or a node: positions (n,) uint32, classes (n,) uint16 and weights (n,) int32 or float64."""


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
    features that are not finite, for invalid classes, and for weights that are negative, not finite or all 0.
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
    limits = _limits(growth, x.shape[1])
    labels, weights = targets
    present = np.flatnonzero(weights).astype(np.uint32)
    size = max(1, round(growth.max_samples * len(present))) if growth.bootstrap else 0
    exact = weights.dtype == np.int32

    def grow(start: np.uint64) -> _Tree:
        state = np.array([start], np.uint64)
        bag = _in_bag(labels, weights, present, size, state)
        sums = np.zeros((2, n_classes), np.int64 if exact else np.float64)
        return _Tree(*_grow_tree((binned.codes, binned.cuts, binned.centres), bag, limits, (sums, state)))

    drawn = generator(seed, "grow_forest").integers(2**64, size=growth.trees, dtype=np.uint64)
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(grow, drawn))


def _limits(growth: Growth, features: int) -> tuple[int, int, int, bool]:
    """Maximum depth, minimum number of samples to split, number of candidate features, and kind of thresholds."""
    candidates = int(np.sqrt(features)) if growth.max_features is None else growth.max_features
    return (
        min(growth.max_depth, UNLIMITED),
        max(2, growth.min_samples_split),
        min(max(1, candidates), features),
        growth.random_thresholds,
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
    return positions, labels[positions], weights[positions] * counts[counts > 0]


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _grow_tree(
    binned: tuple[np.ndarray, ...],
    bag: _Samples,
    limits: tuple[int, int, int, bool],
    sums_and_state: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, ...]:
    """The arrays of ``_Tree``, from codes, limits and centres of bins, and the samples of the tree.

    ``sums`` (2, class) are class totals of a node and of its left side, int64 if weights are whole numbers.
    """
    n_features, size = binned[0].shape[0], bag[0].size
    feature, child = np.full(2 * size, n_features, np.uint32), np.arange(2 * size).astype(np.uint32)
    threshold, decrease = np.zeros(2 * size, np.float32), np.zeros(n_features)
    begin, end = np.zeros(2 * size, np.uint32), np.zeros(2 * size, np.uint32)
    leaves = np.zeros(size + 1, np.uint32), np.zeros(size, np.uint16), np.zeros(size)
    work, other = _work(n_features, bag, sums_and_state), (bag[0].copy(), bag[1].copy(), bag[2].copy())
    end[0], nodes, node, n_leaves, depth, level_end = size, 1, 0, 0, 0, 1
    while node < nodes:
        if node == level_end:
            depth, level_end = depth + 1, nodes
        first, last = begin[node], end[node]
        part = (bag[0][first:last], bag[1][first:last], bag[2][first:last])
        classes, squares, total = _count_classes(part, work[0][0])
        best, cut, score = n_features, 0, 0.0
        if classes > 1 and part[0].size >= limits[1] and depth < limits[0]:
            best, cut, score = _best_split(binned, part, limits, work)
        if best < n_features:
            feature[node], threshold[node], child[node] = best, binned[1][best, cut], nodes
            decrease[best] += score - squares / total
            middle = first + _partition(binned[0][best], cut, part, other)
            begin[nodes], end[nodes], begin[nodes + 1], end[nodes + 1] = first, middle, middle, last
            nodes += 2
        else:
            _add_leaf(leaves, n_leaves, work[0][0], total)
            n_leaves += 1
        node += 1
    starts, entries = leaves[0][: n_leaves + 1].copy(), leaves[0][n_leaves]
    kept = (feature[:nodes].copy(), threshold[:nodes].copy(), child[:nodes].copy())
    return (*kept, starts, leaves[1][:entries].copy(), leaves[2][:entries].copy(), decrease)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _work(n_features: int, bag: _Samples, sums_and_state: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Work arrays of a tree: class totals, random state, order of the features, codes of a node, positions sorted by
    code, counts of codes, and counts of classes in each bin."""
    sums, state = sums_and_state
    size, classes = bag[0].size, sums.shape[1]
    sorted_ = max(_INSERTED, min(size, _SORTED_PER_CLASS * classes))
    order, bins = np.empty(sorted_, np.uint32), np.empty(BINS * classes, bag[2].dtype)
    features, codes = np.arange(n_features).astype(np.uint32), np.empty(size, np.uint8)
    return sums, state, features, codes, order, np.empty(BINS, np.uint32), bins


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add_leaf(leaves: _Samples, number: int, totals: np.ndarray, total: float) -> None:
    """Write the class shares of a leaf to ``leaves`` (starts, column, share)."""
    starts, column, share = leaves
    entry = starts[number]
    for k in range(totals.size):
        if totals[k] > 0:
            column[entry], share[entry] = k, totals[k] / total
            entry += 1
    starts[number + 1] = entry


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _count_classes(part: _Samples, totals: np.ndarray) -> tuple[int, float, float]:
    """Set ``totals`` (class,) of a node; returns the number of classes, the sum of squared totals, and their sum."""
    _, label, weight = part
    totals[:] = 0
    for k in range(label.size):
        totals[label[k]] += weight[k]
    classes, squares, total = 0, totals[0] * 0, totals[0] * 0
    for k in range(totals.size):
        classes += totals[k] > 0
        squares += totals[k] * totals[k]
        total += totals[k]
    return classes, np.float64(squares), np.float64(total)


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _best_split(
    binned: tuple[np.ndarray, ...],
    part: _Samples,
    limits: tuple[int, int, int, bool],
    work: tuple[np.ndarray, ...],
) -> tuple[int, int, float]:
    """Feature, code and score of the best split among the candidates; the number of features if all are constant.

    The score is the sum over both sides of the squared class totals divided by the total: the greater, the lower the
    impurity. Codes up to the returned one go left.
    """
    codes, cuts, centres = binned
    sums, state, features, buffer, order, counts, bins = work
    index, label, weight = part
    size, node_codes = index.size, buffer[: index.size]
    best, best_cut, best_score = codes.shape[0], 0, -1.0
    remaining, drawn = features.size, 0
    while remaining > 0 and (drawn < limits[2] or best == codes.shape[0]):
        k = _below(state, remaining)
        remaining, drawn = remaining - 1, drawn + 1
        feature = features[k]
        features[k], features[remaining] = features[remaining], feature
        low, high = _gather(codes[feature], index, node_codes)
        if low == high:
            continue
        if limits[3]:
            cut = _random_cut(cuts[feature], centres[feature], low, high, state)
            score = _score_at(cut, node_codes, label, weight, sums)
        elif size <= order.size:
            _sort(node_codes, order[:size], counts)
            cut, score = _best_cut_of_sorted(node_codes, order[:size], label, weight, sums)
        else:
            cut, score = _best_cut_of_bins(node_codes, (low, high), label, weight, (bins, sums))
        if score > best_score:
            best, best_cut, best_score = feature, cut, score
    return best, best_cut, best_score


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _gather(codes: np.ndarray, index: np.ndarray, found: np.ndarray) -> tuple[Any, Any]:
    """Set ``found`` to the codes of the samples of a node; returns the lowest and the highest one."""
    for k in range(index.size):
        found[k] = codes[index[k]]
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
def _best_cut_of_sorted(
    codes: np.ndarray, order: np.ndarray, label: np.ndarray, weight: np.ndarray, sums: np.ndarray
) -> tuple[Any, float]:
    """Code and score of the best split of one feature, moving the samples one by one to the left."""
    totals, left = sums[0], sums[1]
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
        name, moved = label[at], weight[at] + zero
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
def _best_cut_of_bins(
    codes: np.ndarray,
    extent: tuple[int, int],
    label: np.ndarray,
    weight: np.ndarray,
    work: tuple[np.ndarray, np.ndarray],
) -> tuple[int, float]:
    """Code and score of the best split of one feature, moving bins to the left; ``extent`` are the extreme codes."""
    bins, sums = work
    totals, left = sums[0], sums[1]
    low, high = extent
    classes = totals.size
    bins[low * classes : (high + 1) * classes] = 0
    for k in range(codes.size):
        bins[np.uint64(codes[k]) * np.uint64(classes) + np.uint64(label[k])] += weight[k]
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
def _score_at(cut: int, codes: np.ndarray, label: np.ndarray, weight: np.ndarray, sums: np.ndarray) -> float:
    """Score of the split of one feature after the code ``cut``."""
    totals, left = sums[0], sums[1]
    left[:] = 0
    for k in range(codes.size):
        left[label[k]] += weight[k] * (codes[k] <= cut)
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
def _partition(
    codes: np.ndarray,
    cut: int,
    part: _Samples,
    other: _Samples,
) -> int:
    """Move the samples with codes up to ``cut`` to the front, in their order; returns their number."""
    index, label, weight = part
    right_index, right_label, right_weight = other
    left = right = 0
    for k in range(index.size):
        position, name, count = index[k], label[k], weight[k]
        index[left], label[left], weight[left] = position, name, count
        right_index[right], right_label[right], right_weight[right] = position, name, count
        goes_left = codes[position] <= cut
        left += goes_left
        right += not goes_left
    index[left:], label[left:], weight[left:] = right_index[:right], right_label[:right], right_weight[:right]
    return left


def _importances(trees: list[_Tree]) -> np.ndarray:
    """Mean over trees of the decreases of impurity, each tree and the result with sum 1; 0 without splits."""
    shares = [tree.decrease / total for tree in trees if (total := tree.decrease.sum()) > 0]
    mean = np.sum(shares, axis=0) if shares else np.zeros_like(trees[0].decrease)
    return mean / (mean.sum() or 1.0)


def _assembled(trees: list[_Tree], n_features: int, n_classes: int) -> Forest:
    """The trees as one forest; leaves with equal shares have one row."""
    starts = np.concatenate([[0], *(np.diff(tree.starts) for tree in trees)]).cumsum()
    column = np.concatenate([tree.column for tree in trees])
    share = np.concatenate([tree.share for tree in trees])
    row, first = _distinct_rows(starts, column, share)
    if len(first) > MAX_ROWS:
        raise ValueError(f"{len(first)} different leaves; expected at most {MAX_ROWS}. Reduce depth or number of trees")
    entries = np.concatenate([np.arange(starts[leaf], starts[leaf + 1]) for leaf in first])
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
        starts=np.concatenate([[0], (starts[first + 1] - starts[first]).cumsum()]).astype(np.uint32),
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
    table = np.full(slots, -1, np.int64)
    row, first = np.empty(leaves, np.int64), np.empty(leaves, np.int64)
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
