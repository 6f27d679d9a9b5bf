"""Compiled growth of one tree on binned features.

Trees are grown level by level. The samples of a node are contiguous in arrays that are partitioned in place. Candidate
features are evaluated from the class weights of bins in large nodes, and from the samples sorted by code in small ones.
All compiled functions are in one module: the cache of numba does not notice changes of functions in other modules.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from iota2.compute.binning import BINS

_SORTED_PER_CLASS = 64
"""Nodes with at most this number of samples per class are sorted; counting all bins would take longer."""
_INSERTED = 16
"""Nodes with at most this number of samples are sorted by insertion, others by counting."""


class Limits(NamedTuple):
    """Numbers of ``Growth``, within their limits for the samples."""

    max_depth: int
    min_samples: int
    candidates: int
    at_random: bool


class Bins(NamedTuple):
    """The arrays of ``BinnedFeatures``."""

    codes: np.ndarray
    cuts: np.ndarray
    centres: np.ndarray


class Samples(NamedTuple):
    """Samples of a tree, or of a node."""

    at: np.ndarray
    """(n,) uint32: position among all samples."""
    label: np.ndarray
    """(n,) uint16: class."""
    weight: np.ndarray
    """(n,) int32 or float64: how often the sample was drawn, times its weight."""


class Work(NamedTuple):
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


def work_arrays(bag: Samples, bins: Bins, n_classes: int, state: np.ndarray) -> Work:
    """Work arrays; sums of whole numbers are exact in int64."""
    kind = np.int64 if bag.weight.dtype == np.int32 else np.float64
    size = len(bag.at)
    return Work(
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
def random_bits(state: np.ndarray) -> np.uint64:
    """The next 64 random bits (splitmix64: Steele, Lea and Flood, 2014)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    bits = state[0]
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _random_below(state: np.ndarray, count: int) -> np.uint64:
    """A random whole number below ``count``, which is below 2³²; the bias is below 2⁻³²."""
    return ((random_bits(state) >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def in_bag(labels: np.ndarray, weights: np.ndarray, present: np.ndarray, size: int, state: np.ndarray) -> Samples:
    """Samples of a tree, in ascending order of their positions.

    ``size`` samples are drawn with replacement from those ``present``; 0 means each of them once.
    """
    counts = np.zeros(present.size, np.int32)
    for _ in range(size):
        counts[_random_below(state, present.size)] += 1
    if size == 0:
        counts[:] = 1
    positions = present[counts > 0]
    return Samples(positions, labels[positions], weights[positions] * counts[counts > 0])


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def grow_tree(bins: Bins, bag: Samples, limits: Limits, work: Work) -> tuple[np.ndarray, ...]:
    """The arrays of ``Tree``; ``bag`` is put in the order of the leaves."""
    n_features, size = bins.codes.shape[0], bag.at.size
    feature, threshold = np.empty(2 * size, np.uint32), np.zeros(2 * size, np.float32)
    child, decrease = np.empty(2 * size, np.uint32), np.zeros(n_features)
    begin, end = np.empty(2 * size, np.uint32), np.empty(2 * size, np.uint32)
    starts, column, share = np.empty(size + 1, np.uint32), np.empty(size, np.uint16), np.empty(size)
    other = Samples(bag.at.copy(), bag.label.copy(), bag.weight.copy())
    begin[0], end[0], starts[0] = 0, size, 0
    node, nodes, leaves, depth, level_end = 0, 1, 0, 0, 1
    while node < nodes:
        if node == level_end:
            depth, level_end = depth + 1, nodes
        first, last = begin[node], end[node]
        part = Samples(bag.at[first:last], bag.label[first:last], bag.weight[first:last])
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
def _count_classes(part: Samples, totals: np.ndarray) -> tuple[int, float, float]:
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
def _best_split(bins: Bins, part: Samples, limits: Limits, work: Work) -> tuple[int, int, float]:
    """Feature, code and score of the best split among the candidates; the number of features if all are constant.

    The score is the sum over both sides of the squared class totals divided by the total: the greater, the lower the
    impurity. Codes up to the returned one go left.
    """
    n_features, features = bins.codes.shape[0], work.features
    codes, order = work.codes[: part.at.size], work.order[: part.at.size]
    best, best_cut, best_score = n_features, 0, -1.0
    remaining, drawn = n_features, 0
    while remaining > 0 and (drawn < limits.candidates or best == n_features):
        k = _random_below(work.state, remaining)
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
def _best_cut_of_sorted(codes: np.ndarray, order: np.ndarray, part: Samples, work: Work) -> tuple[Any, float]:
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
def _best_cut_of_bins(codes: np.ndarray, extent: tuple[int, int], part: Samples, work: Work) -> tuple[int, float]:
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
    share = np.float64(random_bits(state) >> np.uint64(11)) / 2**53
    value = centres[low] + share * (np.float64(centres[high]) - centres[low])
    cut = low
    while cut < high - 1 and cuts[cut] < value:
        cut += 1
    return cut


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _score_at(cut: int, codes: np.ndarray, part: Samples, work: Work) -> float:
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
def _partition(codes: np.ndarray, cut: int, part: Samples, other: Samples) -> int:
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
