"""The three forms of a forest give the same scores as a slow evaluation, whichever is possible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
)
from threadpoolctl import threadpool_limits

from iota2.classifiers.flatten import flatten
from iota2.compute import tree_evaluation as evaluation
from iota2.compute import tree_forms as forms
from iota2.compute.tree_forms import CodedTrees, ComparedTrees, SmallTrees
from iota2.compute.tree_growing import Growth, grow_forest
from iota2.compute.trees import Forest
from tests.compute.test_trees import STUMP, near_thresholds

FORMS = (SmallTrees, CodedTrees, ComparedTrees)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Limit histogram boosting to one thread: its threads wait actively, which is slow on a busy machine."""
    with threadpool_limits(1):
        yield


def slow_scores(forest: Forest, x: np.ndarray) -> np.ndarray:
    """(pixel, score), pixel by pixel and tree by tree."""
    scores = np.zeros((x.shape[1], forest.n_scores)) + (forest.initial if forest.initial.size else 0.0)
    for pixel, values in enumerate(x.T):
        for root in forest.roots.tolist():
            node = 0
            while (feature := forest.feature[root + node]) < forest.n_features:
                node = int(forest.child[root + node]) + bool(values[feature] > forest.threshold[root + node])
            row = int(forest.threshold[root + node])
            for entry in range(forest.starts[row], forest.starts[row + 1]):
                scores[pixel, forest.column[entry]] += forest.share[entry]
    return scores


def form_scores(form: type, forest: Forest, x: np.ndarray, at: np.ndarray | None = None) -> np.ndarray | None:
    """(pixel, score) by one form; None if the forest has no such form."""
    trees = form.of(forest._nodes, forest.n_features)
    if trees is None:
        return None
    at = np.arange(x.shape[1]) if at is None else at
    total = np.zeros((len(at), forest.n_scores)) + (forest.initial if forest.initial.size else 0.0)
    assert not trees.add(np.ascontiguousarray(x, np.float32), at, total)
    return total


def trained(seed: int, *, kind: str, samples: int, features: int, classes: int, trees: int) -> Forest:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, features)).astype(np.float32)
    y = rng.permutation(np.arange(samples) % classes)
    if kind == "own":
        return grow_forest(x, y, Growth(trees=trees), n_classes=classes, weight=None, seed=seed, threads=1).forest
    kinds = {
        "boosting on histograms": HistGradientBoostingClassifier(max_iter=trees, min_samples_leaf=1),
        "gradient boosting": GradientBoostingClassifier(n_estimators=trees),
        "extra trees": ExtraTreesClassifier(trees),
    }
    return flatten(kinds[kind].set_params(random_state=seed).fit(x, y))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    case=st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["own", "boosting on histograms", "gradient boosting", "extra trees"]),
            "samples": st.integers(8, 90),
            "features": st.integers(1, 9),
            "classes": st.integers(2, 5),
            "trees": st.integers(1, 5),
        }
    ),
)
def test_every_form_gives_the_scores_of_a_slow_evaluation(seed, case):
    forest = trained(seed, **case)
    rng = np.random.default_rng(seed)
    x = near_thresholds(forest, rng.normal(size=(forest.n_features, 40)), rng)
    x[0, :2] = -np.inf, np.inf
    expected = slow_scores(forest, x)
    at = rng.integers(0, x.shape[1], 33)
    for form in FORMS:
        found = form_scores(form, forest, x)
        if found is not None:
            np.testing.assert_array_equal(found, expected, err_msg=form.__name__)
            np.testing.assert_array_equal(form_scores(form, forest, x, at), expected[at], err_msg=form.__name__)


@pytest.mark.parametrize("form", FORMS)
def test_pixels_of_several_batches_are_complete(form, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(evaluation, "MAX_BATCH", 64)
    forest = trained(5, kind="gradient boosting", samples=200, features=3, classes=3, trees=4)
    rng = np.random.default_rng(6)
    x = near_thresholds(forest, rng.normal(size=(3, 100)), rng)
    expected, scattered = slow_scores(forest, x), rng.integers(0, x.shape[1], 150)
    np.testing.assert_array_equal(form_scores(form, forest, x), expected)
    np.testing.assert_array_equal(form_scores(form, forest, x, scattered), expected[scattered])


@pytest.mark.parametrize(
    ("kind", "samples", "form"),
    [
        ("boosting on histograms", 900, SmallTrees),
        ("gradient boosting", 900, SmallTrees),
        ("own", 3000, CodedTrees),
        ("extra trees", 3000, ComparedTrees),
    ],
)
def test_the_form_follows_the_trees(kind, samples, form):
    forest = trained(1, kind=kind, samples=samples, features=4, classes=3, trees=20)
    assert type(forest._form) is form
    x = np.random.default_rng(2).normal(size=(4, 500)).astype(np.float32)
    np.testing.assert_array_equal(forest.scores(x), slow_scores(forest, x))


def test_shares_of_several_classes_are_not_the_form_of_small_trees():
    forest = Forest(**STUMP)
    assert SmallTrees.of(forest._nodes, forest.n_features) is None


def test_trees_of_33_leaves_are_not_small():
    def comb(leaves: int) -> Forest:
        """A tree whose left children are leaves with the values 0, 1, 2 …"""
        own = np.arange(2 * leaves - 1)
        leaf = (own % 2 == 1) | (own == own[-1])
        return Forest(
            n_features=1, n_classes=2, link="sigmoid", initial=np.zeros(1), roots=np.zeros(1, np.uint32),
            feature=leaf.astype(np.uint32), threshold=np.where(leaf, own // 2, own // 2 + 1).astype(np.float32),
            child=np.where(leaf, own, own + 1).astype(np.uint32), starts=np.arange(leaves + 1, dtype=np.uint32),
            column=np.zeros(leaves, np.uint32), share=np.arange(leaves, dtype=float),
        )  # fmt: skip

    x = np.linspace(-1, 40, 200, dtype=np.float32)[None]
    for leaves, form in ((1, SmallTrees), (2, SmallTrees), (32, SmallTrees), (33, CodedTrees)):
        forest = comb(leaves)
        assert type(forest._form) is form
        np.testing.assert_array_equal(forest.scores(x)[:, 0], np.clip(np.ceil(x[0]) - 1, 0, leaves - 1))


def test_more_than_255_thresholds_of_a_feature_are_not_coded():
    def staircase(thresholds: int) -> Forest:
        """Stumps with the thresholds 1, 2 … of the only feature, each with one value more than its left side."""
        nodes = np.arange(3 * thresholds)
        return Forest(
            n_features=1, n_classes=2, roots=nodes[::3].astype(np.uint32),
            feature=np.where(nodes % 3 == 0, 0, 1).astype(np.uint32),
            threshold=np.where(nodes % 3 == 0, nodes // 3 + 1, nodes % 3 - 1).astype(np.float32),
            child=np.where(nodes % 3 == 0, 1, nodes % 3).astype(np.uint32),
            starts=np.array([0, 2, 4], np.uint32), column=np.array([0, 1, 0, 1], np.uint32),
            share=np.array([1.0, 0.0, 0.0, 1.0]),
        )  # fmt: skip

    x = np.linspace(-1, 300, 700, dtype=np.float32)[None]
    for thresholds, form in ((255, CodedTrees), (256, ComparedTrees)):
        forest = staircase(thresholds)
        assert type(forest._form) is form
        np.testing.assert_array_equal(forest.scores(x)[:, 1], np.clip(np.ceil(x[0]) - 1, 0, thresholds))


def test_a_leaf_without_values_adds_nothing():
    forest = Forest(**{**STUMP, "starts": np.array([0, 0, 3], np.uint32), "share": np.array([0.5, 0.25, 0.25])})
    np.testing.assert_array_equal(forest.scores(np.array([[0, 1]], np.float32)), [[0, 0], [0.75, 0.25]])


def test_a_node_with_two_parents_is_not_the_form_of_small_trees():
    """Accepted by a forest: children come after their parents, so that every path ends."""
    shared = Forest(
        n_features=1, n_classes=2, link="sigmoid", initial=np.zeros(1), roots=np.zeros(1, np.uint32),
        feature=np.array([0, 0, 0, 1, 1], np.uint32), threshold=np.array([5, 2, 8, 0, 1], np.float32),
        child=np.array([1, 3, 3, 3, 4], np.uint32), starts=np.array([0, 1, 2], np.uint32),
        column=np.zeros(2, np.uint32), share=np.array([1.0, 2.0]),
    )  # fmt: skip
    x = np.array([[1, 3, 6, 9]], np.float32)
    assert SmallTrees.of(shared._nodes, 1) is None
    np.testing.assert_array_equal(shared.scores(x), slow_scores(shared, x))


@pytest.mark.parametrize("form", [CodedTrees, ComparedTrees])
def test_many_features_and_nodes_use_wide_indices(form, monkeypatch: pytest.MonkeyPatch):
    forest = trained(3, kind="own", samples=60, features=4, classes=3, trees=3)
    x = np.random.default_rng(4).normal(size=(4, 300)).astype(np.float32)
    narrow = form.of(forest._nodes, forest.n_features)
    monkeypatch.setattr(forms, "_split_type", lambda _bits: np.dtype(np.uint64))
    wide = form.of(forest._nodes, forest.n_features)
    assert (narrow.nodes.dtype["split"], wide.nodes.dtype["split"]) == (np.uint32, np.uint64)
    np.testing.assert_array_equal(form_scores(form, forest, x), slow_scores(forest, x))


def test_the_number_of_bits_decides_the_type_of_indices():
    assert [forms._split_type(bits) for bits in (32, 33)] == [np.uint32, np.uint64]


def test_thresholds_of_many_features_are_not_coded():
    forest = trained(3, kind="own", samples=60, features=4, classes=3, trees=1)
    many = 2**27
    features = np.where(forest.feature == 4, many, forest.feature).astype(np.uint32)
    assert type(replace(forest, n_features=many, feature=features)._form) is ComparedTrees


@pytest.mark.parametrize("form", FORMS)
def test_missing_values_are_found_at_the_positions_only(form):
    forest = trained(0, kind="gradient boosting", samples=200, features=3, classes=2, trees=3)
    trees = form.of(forest._nodes, 3)
    x = np.zeros((3, 5000), np.float32)
    x[1, 4500] = np.nan
    assert trees.add(x, np.arange(5000), np.zeros((5000, 1)))
    assert trees.add(x, np.array([2, 4500]), np.zeros((2, 1)))
    assert not trees.add(x, np.arange(4500), np.zeros((4500, 1)))
