"""A forest of decision trees as flat arrays, and their checks; ``tree_forms`` evaluates them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np

from iota2.compute.tree_forms import (
    MAX_TREE_VALUES,
    SMALL_TREE_SECONDS,
    TREE_SECONDS,
    Nodes,
    SmallTrees,
    TreeForm,
    fastest_form,
)

MAX_ROWS = 2**24
"""Largest row number that a leaf can store exactly in float32."""
MAX_SHARE = 1e30
"""Maximum magnitude of a leaf value, so that no sum overflows."""
_CONVERSION = Lock()
"""Held during the conversion of a forest, so that concurrent threads do not convert it several times."""
_CHECKED_NODES = 2**20
"""Number of nodes that are checked together, except those of one larger tree."""
_DTYPES = {
    "roots": np.uint32,
    "feature": np.uint32,
    "threshold": np.float32,
    "child": np.uint32,
    "starts": np.uint32,
    "column": np.uint32,
    "share": np.float64,
    "initial": np.float64,
}


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees as arrays; a pixel moves to the right child if its feature is greater than the threshold.

    Each leaf that a pixel reaches adds to the scores of the pixel. The link converts scores to probabilities: ``mean``
    divides by the number of trees (random forests, extra trees: leaves contain class shares), ``softmax`` and, with
    one score for two classes, ``sigmoid`` are the links of boosting (leaves contain steps of one score). Trees of a
    quantity have the link ``sum``: the scores are the result, and ``n_classes`` is their number.

    The values of leaves are stored as sparse rows: row ``r`` adds ``share[starts[r]:starts[r + 1]]`` to the scores
    ``column[starts[r]:starts[r + 1]]``. Leaves with equal values may refer to the same row.

    Every instance is safe to evaluate: the constructor raises ``ValueError`` for an index out of range, a tree with a
    cycle, a share outside 0..1 with the link ``mean``, and values that are not finite.
    """

    n_features: int
    n_classes: int
    roots: np.ndarray
    """(tree,) uint32: first node of each tree; the nodes of a tree are contiguous."""
    feature: np.ndarray
    """(node,) uint32: tested feature; ``n_features`` for a leaf."""
    threshold: np.ndarray
    """(node,) float32: threshold; for a leaf the number of its row."""
    child: np.ndarray
    """(node,) uint32: left child, relative to the root; the right child is the next node. A leaf is its own child."""
    starts: np.ndarray
    """(row + 1,) uint32: first entry of each row."""
    column: np.ndarray
    """(entry,) uint32: score to which the entry is added."""
    share: np.ndarray
    """(entry,) float64: value that is added."""
    initial: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """(score,) float64: scores before the first tree; empty with the link ``mean``, which starts from 0."""
    link: str = "mean"
    """Conversion of scores to probabilities: ``mean``, ``softmax`` or ``sigmoid``; ``sum`` for a quantity."""

    def __post_init__(self) -> None:
        _check_types(self)
        _check_link(self)
        _check_trees(self)
        _check_rows(self)
        if len(self.share) > MAX_TREE_VALUES:
            _ = self._form  # ValueError for a tree with too many values

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name: all arguments of the constructor except the two counts and the link."""
        return {name: getattr(self, name) for name in _DTYPES}

    @property
    def n_scores(self) -> int:
        """Number of scores of a pixel: one per class; a single score with the link ``sigmoid``."""
        return len(self.initial) or self.n_classes

    @property
    def depth(self) -> int:
        """Number of tests on the longest path of any tree."""
        level = np.zeros(len(self.feature), np.uint32)
        root = np.repeat(self.roots, self._nodes.sizes)
        inner = np.flatnonzero(self.feature < self.n_features)
        while True:
            below = level.copy()
            for side in (0, 1):
                below[root[inner] + self.child[inner] + side] = level[inner] + 1
            if np.array_equal(below, level):
                return int(level.max())
            level = below

    @cached_property
    def _form(self) -> TreeForm:
        """The form in which the trees are evaluated."""
        with _CONVERSION:
            return vars(self).get("_form") or fastest_form(self._nodes, self.n_features)

    @property
    def _nodes(self) -> Nodes:
        return Nodes(*(getattr(self, name) for name in Nodes._fields))

    @property
    def seconds_per_pixel(self) -> float:
        """Estimated seconds of the evaluation per pixel on one core."""
        small = isinstance(self._form, SmallTrees)
        return (SMALL_TREE_SECONDS if small else TREE_SECONDS) * len(self.roots)

    def probabilities(self, x: np.ndarray, at: np.ndarray | None = None) -> np.ndarray:
        """(pixel, class) float64: probabilities of the pixels at the positions ``at``, or of all pixels.

        ``x`` is (feature, pixel); contiguous float32 is not copied, and consecutive positions are fastest. Scores are
        summed in the order of the trees in double precision, so the result does not depend on the division into blocks.
        Without pixels the result is empty. Raises ``ValueError`` for another number of features, for positions outside
        ``x`` and for NaN in any of the pixels; infinite values are compared like other values.
        """
        return LINKS[self.link](self.scores(x, at), len(self.roots))

    def scores(self, x: np.ndarray, at: np.ndarray | None = None) -> np.ndarray:
        """(pixel, score) float64: sums before the link, with the arguments and errors of ``probabilities``."""
        if x.ndim != 2 or len(x) != self.n_features:
            raise ValueError(f"features have shape {x.shape}; the forest expects ({self.n_features}, pixels)")
        x = np.ascontiguousarray(x, dtype=np.float32)
        at = np.arange(x.shape[1]) if at is None else np.ascontiguousarray(at, dtype=np.int64)
        if at.size and not 0 <= at.min() <= at.max() < x.shape[1]:
            raise ValueError(f"positions {at.min()} to {at.max()} are outside the {x.shape[1]} pixels")
        scores = np.zeros((len(at), self.n_scores))
        scores += self.initial if self.initial.size else 0.0
        if self._form.add(x, at, scores):
            missing = [np.count_nonzero(np.isnan(values[at])) for values in x]
            first = int(np.flatnonzero(missing)[0])
            raise ValueError(f"feature {first} is NaN at {missing[first]} of {len(at)} pixels")
        return scores


def _mean(scores: np.ndarray, trees: int) -> np.ndarray:
    scores /= trees
    return scores


def _softmax(scores: np.ndarray, _trees: int) -> np.ndarray:
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


def _sigmoid(scores: np.ndarray, _trees: int) -> np.ndarray:
    small = np.exp(-np.abs(scores[:, 0]))  # of the absolute value: nothing overflows
    second = np.where(scores[:, 0] < 0, small, 1) / (1 + small)
    return np.stack([1 - second, second], axis=1)


def _sum(scores: np.ndarray, _trees: int) -> np.ndarray:
    return scores


LINKS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "mean": _mean,
    "softmax": _softmax,
    "sigmoid": _sigmoid,
    "sum": _sum,
}
"""Functions that convert scores (pixel, score), which may be overwritten, and the number of trees to probabilities."""


def _require(condition: Any, problem: str) -> None:
    if not condition:
        raise ValueError(f"not a forest: {problem}")


def _check_types(forest: Forest) -> None:
    for name, dtype in _DTYPES.items():
        array = getattr(forest, name)
        _require(array.dtype == dtype and array.ndim == 1, f"{name} is {array.dtype} {array.shape}")
    _require(0 < forest.n_features < 2**31 and 0 < forest.n_classes < 2**31, "no feature or no class, or too many")
    n = len(forest.feature)
    _require(n == len(forest.threshold) == len(forest.child), "feature, threshold and child differ in length")
    _require(n < 2**32, "too many nodes")


def _check_link(forest: Forest) -> None:
    _require(forest.link in LINKS, f"link {forest.link!r}, expected {', '.join(LINKS)}")
    expected = {"mean": 0, "softmax": forest.n_classes, "sigmoid": 1, "sum": forest.n_classes}[forest.link]
    _require(len(forest.initial) == expected, f"{len(forest.initial)} initial scores for the link {forest.link}")
    _require((np.abs(forest.initial) <= MAX_SHARE).all(), f"an initial score is NaN or beyond ±{MAX_SHARE:g}")
    _require(forest.link != "sigmoid" or forest.n_classes == 2, f"sigmoid of {forest.n_classes} classes")


def _check_trees(forest: Forest) -> None:
    """Check the roots, and the nodes of some trees at a time, as forests may be large."""
    roots, n = forest.roots.astype(np.int64), len(forest.feature)
    _require(len(roots) and n and roots[0] == 0 and roots[-1] < n, "roots are outside the nodes")
    ends = np.append(roots[1:], n)
    _require((ends > roots).all(), "roots do not ascend")
    first = 0
    while first < len(roots):
        last = max(first + 1, int(np.searchsorted(ends, roots[first] + _CHECKED_NODES, "right")))
        _check_nodes(forest, roots[first:last], int(ends[last - 1]))
        first = last


def _check_nodes(forest: Forest, roots: np.ndarray, end: int) -> None:
    """Check that children come after their parent and inside its tree, so that every path ends in a leaf."""
    nodes, size = slice(roots[0], end), np.diff(roots, append=end)
    own, last = np.arange(roots[0], end) - np.repeat(roots, size), np.repeat(size, size) - 1
    child, leaf = forest.child[nodes].astype(np.int64), forest.feature[nodes] == forest.n_features
    _require((forest.feature[nodes] <= forest.n_features).all(), "a feature number is out of range")
    _require((child[leaf] == own[leaf]).all(), "a leaf is not its own child")
    _require(((child > own) & (child < last))[~leaf].all(), "a child is outside its tree or before its parent")
    row = forest.threshold[nodes][leaf]
    with np.errstate(invalid="ignore"):
        whole = (row >= 0) & (row < len(forest.starts) - 1) & (row == np.floor(row))
    _require(whole.all(), "a leaf refers to no row")


def _check_rows(forest: Forest) -> None:
    starts, share = forest.starts.astype(np.int64), forest.share
    _require(1 < len(starts) <= MAX_ROWS + 1, "no row, or too many rows")
    _require(starts[0] == 0 and (np.diff(starts) >= 0).all() and starts[-1] == len(share), "starts of rows are invalid")
    _require(len(forest.column) == len(share), "column and share differ in length")
    _require((forest.column < forest.n_scores).all(), "a score number is out of range")
    low, high = (0, 1) if forest.link == "mean" else (-MAX_SHARE, MAX_SHARE)
    _require(((share >= low) & (share <= high)).all(), f"a share is outside {low}..{high}")
