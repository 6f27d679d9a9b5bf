"""Conversion of fitted scikit-learn tree ensembles to flat arrays: random forests, extra trees, gradient boosting.

Trees of a quantity become a forest with the link ``sum``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from iota2.classifiers.base import ModelError
from iota2.compute.trees import MAX_ROWS, Forest

VARIANCE_CRITERIA = ("squared_error", "friedman_mse")
"""Criteria of regression trees whose impurity is the variance of the samples of a node."""


class Tree(NamedTuple):
    """A tree as stored by scikit-learn; nodes are numbered from 0, the root."""

    left: np.ndarray
    """(node,) number of the left child; below 1 for a leaf."""
    right: np.ndarray
    feature: np.ndarray
    """(node,) number of the tested feature; arbitrary for a leaf."""
    threshold: np.ndarray
    """(node,) float64 threshold; values up to it go left."""


class Trees(NamedTuple):
    """Concatenated trees as arrays of ``Forest``: the nodes of each tree by level, with adjacent siblings."""

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    child: np.ndarray
    leaves: list[np.ndarray]
    """Leaves of each tree in the order of the arrays, as scikit-learn's node numbers."""


class Rows(NamedTuple):
    """Values that leaves add to the scores, as arrays of ``Forest``."""

    of_leaf: np.ndarray
    """(leaf,) row of each leaf."""
    starts: np.ndarray
    column: np.ndarray
    share: np.ndarray


def flatten(trainer: Any) -> Forest:
    """The trees of a fitted scikit-learn forest, with the same predictions.

    Accepts ``RandomForestClassifier``, ``ExtraTreesClassifier``, ``GradientBoostingClassifier`` and
    ``HistGradientBoostingClassifier``. Labels differ only where two probabilities are exactly equal. Raises
    ``ModelError`` for other objects, and for forests that the arrays cannot represent: several outputs, categorical
    features, a user-defined initial estimator, boosting of a single class, too many different leaves.
    """
    # A caller with a fitted forest has already imported scikit-learn; others should not pay for the import.
    from sklearn.ensemble import (  # noqa: PLC0415
        ExtraTreesClassifier,
        GradientBoostingClassifier,
        HistGradientBoostingClassifier,
        RandomForestClassifier,
    )

    if isinstance(trainer, RandomForestClassifier | ExtraTreesClassifier):
        return _flatten_mean(trainer)
    if isinstance(trainer, GradientBoostingClassifier):
        return _flatten_gradients(trainer)
    if isinstance(trainer, HistGradientBoostingClassifier):
        return _flatten_histograms(trainer)
    raise ModelError(
        f"{type(trainer).__name__} is not a forest that can be converted; expected one of scikit-learn's forests or "
        "gradient boosting classifiers."
    )


def flatten_members(
    members: Sequence[Any],
    selected: Sequence[np.ndarray | None],
    n_classes: int,
    n_features: int,
    *,
    leaves: Callable[[int, np.ndarray], np.ndarray] | None = None,
    link: str = "mean",
) -> Forest:
    """The trees of fitted scikit-learn decision trees as one forest.

    ``selected`` are the features to which each tree was fitted; None means all. The classes of a tree with fewer than
    ``n_classes`` classes are their numbers. ``leaves`` returns the values that the leaves of a tree add to the scores,
    from the number of the tree and its class shares (leaf, class); default: the shares.
    """
    kept = [member.tree_ for member in members]
    plain = [_with_features(_plain(tree), features) for tree, features in zip(kept, selected, strict=True)]
    trees = _concatenated(plain, n_features)
    values = []
    for number, (member, tree, nodes) in enumerate(zip(members, kept, trees.leaves, strict=True)):
        shares = np.zeros((len(nodes), n_classes))
        known = slice(None) if len(member.classes_) == n_classes else np.asarray(member.classes_, np.int64)
        shares[:, known] = tree.value[nodes, 0]
        values.append(shares if leaves is None else leaves(number, shares))
    initial = np.zeros(0 if link == "mean" else n_classes)
    return _forest((n_features, n_classes), trees, _shared_rows(np.concatenate(values)), initial, link)


def flatten_mean(
    members: Sequence[Any], selected: Sequence[np.ndarray | None], n_features: int, *, moments: bool = False
) -> Forest:
    """The mean of fitted regression trees of scikit-learn, as one score.

    ``selected`` are the features to which each tree was fitted; None means all. With ``moments``, a second score is the
    mean of squares: of the value of a leaf, plus the variance of its samples where the tree minimises it.
    """
    kept = [member.tree_ for member in members]
    plain = [_with_features(_plain(tree), features) for tree, features in zip(kept, selected, strict=True)]
    trees = _concatenated(plain, n_features)
    scores = []
    for member, tree, nodes in zip(members, kept, trees.leaves, strict=True):
        value = tree.value[nodes, 0, 0]
        columns = [value]
        if moments:
            spread = tree.impurity[nodes] if member.criterion in VARIANCE_CRITERIA else 0.0
            columns.append(value**2 + spread)
        scores.append(np.stack(columns, axis=1) / len(kept))
    count = 1 + moments
    return _forest((n_features, count), trees, _shared_rows(np.concatenate(scores)), np.zeros(count), "sum")


def flatten_sum(trainer: Any) -> Forest:
    """Gradient boosting of a quantity, as one score; ``ModelError`` for what arrays cannot represent."""
    # A caller with a fitted forest has already imported scikit-learn; others should not pay for the import.
    from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor  # noqa: PLC0415

    if isinstance(trainer, GradientBoostingRegressor):
        return _flatten_gradients(trainer)
    if isinstance(trainer, HistGradientBoostingRegressor):
        return _flatten_histograms(trainer)
    raise ModelError(f"{type(trainer).__name__} is not a gradient boosting of a quantity.")


def _with_features(tree: Tree, features: np.ndarray | None) -> Tree:
    """The tree with feature numbers replaced by those of the ``features`` to which it was fitted."""
    if features is None:
        return tree
    return tree._replace(feature=np.where(tree.left > 0, np.asarray(features)[np.maximum(tree.feature, 0)], 0))


def _flatten_mean(trainer: Any) -> Forest:
    """Forest whose leaves contain class shares."""
    if trainer.n_outputs_ != 1:
        raise ModelError(f"the forest has {trainer.n_outputs_} outputs, expected one label for each sample.")
    kept = [estimator.tree_ for estimator in trainer.estimators_]
    trees = _concatenated([_plain(tree) for tree in kept], trainer.n_features_in_)
    shares = [tree.value[leaves, 0] for tree, leaves in zip(kept, trees.leaves, strict=True)]
    rows = _shared_rows(np.concatenate(shares))
    return _forest(_sizes(trainer), trees, rows, np.zeros(0), "mean")


def _flatten_gradients(trainer: Any) -> Forest:
    """Gradient boosting: one tree per step and score; leaves contain steps, which are scaled by the learning rate."""
    if trainer.init not in (None, "zero"):
        raise ModelError(f"the boosting starts from {trainer.init!r}, expected the class shares or 'zero'.")
    trees = [estimator.tree_ for estimator in trainer.estimators_.ravel()]
    initial = trainer._raw_predict_init(np.zeros((1, trainer.n_features_in_), np.float32))[0]
    # The exponential loss means sigmoid(2 x score); doubling is exact.
    scale = 2.0 if trainer.loss == "exponential" else 1.0
    steps = [scale * (trainer.learning_rate * tree.value[:, 0, 0]) for tree in trees]
    return flatten_boosted(_sizes(trainer), [_plain(tree) for tree in trees], steps, scale * initial, _link(trainer))


def _flatten_histograms(trainer: Any) -> Forest:
    """Histogram gradient boosting: trees grown on binned features, with thresholds between the bins."""
    if trainer.is_categorical_ is not None:
        raise ModelError("the boosting has categorical features, expected numbers only.")
    trees = [predictor.nodes for step in trainer._predictors for predictor in step]
    steps = [nodes["value"] for nodes in trees]
    initial = trainer._baseline_prediction.ravel()
    return flatten_boosted(_sizes(trainer), [_binned(nodes) for nodes in trees], steps, initial, _link(trainer))


def flatten_boosted(
    sizes: tuple[int, int], kept: list[Tree], steps: list[np.ndarray], initial: np.ndarray, link: str = ""
) -> Forest:
    """Boosted forest whose trees add to the scores in turn; ``steps`` (node,) are the leaf values of each tree.

    ``sizes`` are the numbers of features and classes, ``initial`` (score,) the scores before the first tree. ``link``:
    by default that of the classes; ``sum`` for a quantity, as one class.
    """
    n_scores = len(initial)
    if n_scores == 1 and sizes[1] != 2 and link != "sum":
        raise ModelError(f"boosting of {sizes[1]} class, expected two or more.")
    trees = _concatenated(kept, sizes[0])
    share = np.concatenate([step[leaves] for step, leaves in zip(steps, trees.leaves, strict=True)])
    column = np.repeat(np.arange(len(kept)) % n_scores, [len(leaves) for leaves in trees.leaves])
    rows = Rows(np.arange(len(share)), np.arange(len(share) + 1), column, share)
    link = link or ("sigmoid" if n_scores == 1 else "softmax")
    return _forest(sizes, trees, rows, initial.astype(np.float64), link)


def _sizes(trainer: Any) -> tuple[int, int]:
    """Numbers of features and classes; 1 for a quantity."""
    return trainer.n_features_in_, len(getattr(trainer, "classes_", (0,)))


def _link(trainer: Any) -> str:
    """Link of the boosting of a quantity; empty for the usual one of classes."""
    return "" if hasattr(trainer, "classes_") else "sum"


def _plain(tree: Any) -> Tree:
    return Tree(tree.children_left, tree.children_right, tree.feature, tree.threshold)


def _binned(nodes: np.ndarray) -> Tree:
    left, right = (np.where(nodes["is_leaf"], 0, nodes[side]).astype(np.intp) for side in ("left", "right"))
    return Tree(left, right, nodes["feature_idx"], nodes["num_threshold"])


def _forest(sizes: tuple[int, int], trees: Trees, rows: Rows, initial: np.ndarray, link: str) -> Forest:
    """Forest for ``sizes``, the numbers of features and classes."""
    n_features, n_classes = sizes
    count = len(rows.starts) - 1
    if count > MAX_ROWS:
        raise ModelError(
            f"the forest has {count} different leaves; expected at most {MAX_ROWS}. Reduce depth or number of trees."
        )
    trees.threshold[trees.feature == n_features] = rows.of_leaf
    return Forest(
        n_features=n_features,
        n_classes=n_classes,
        roots=trees.roots,
        feature=trees.feature,
        threshold=trees.threshold,
        child=trees.child,
        starts=rows.starts.astype(np.uint32),
        column=rows.column.astype(np.uint32),
        share=rows.share,
        initial=initial,
        link=link,
    )


def _concatenated(kept: list[Tree], n_features: int) -> Trees:
    orders = [_level_order(tree) for tree in kept]
    parts = [_in_order(tree, order, n_features) for tree, order in zip(kept, orders, strict=True)]
    feature, threshold, child = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Trees(
        roots=np.cumsum([0, *(len(order) for order in orders[:-1])]).astype(np.uint32),
        feature=feature,
        threshold=threshold,
        child=child,
        leaves=[order[tree.left[order] <= 0] for tree, order in zip(kept, orders, strict=True)],
    )


def _in_order(tree: Tree, order: np.ndarray, n_features: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Feature, threshold and left child of the nodes in ``order``."""
    place = np.empty(len(order), np.uint32)
    place[order] = np.arange(len(order), dtype=np.uint32)
    left = tree.left[order]
    leaf = left <= 0
    feature = np.where(leaf, n_features, tree.feature[order]).astype(np.uint32)
    child = np.where(leaf, np.arange(len(order)), place[left]).astype(np.uint32)
    return feature, round_down(tree.threshold[order]), child


def _level_order(tree: Tree) -> np.ndarray:
    """Node numbers from the root down, each level from left to right."""
    level = np.zeros(1, np.intp)
    levels = []
    while level.size:
        levels.append(level)
        inner = level[tree.left[level] > 0]
        level = np.stack([tree.left[inner], tree.right[inner]], axis=1).ravel()
    return np.concatenate(levels)


def _shared_rows(shares: np.ndarray) -> Rows:
    """Class shares (leaf, class) as unique rows."""
    rows, of_leaf = np.unique(shares, axis=0, return_inverse=True)
    row, column = np.nonzero(rows)
    return Rows(of_leaf.reshape(-1), np.searchsorted(row, np.arange(len(rows) + 1)), column, rows[row, column])


def round_down(threshold: np.ndarray) -> np.ndarray:
    """Largest float32 not above each float64; for float32 values x, ``x <= t`` gives the same result."""
    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
    return np.where(nearest > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest)
