"""Grown trees against slow evaluations of their definition: splits, leaves, draws, weights, importances."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from iota2.compute.binning import bin_features
from iota2.compute.tree_growing import Grown, Growth, _distinct_rows, grow_forest
from iota2.compute.tree_kernel import in_bag, random_bits
from iota2.compute.trees import Forest
from iota2.core.recipe import MISSING


class Node(NamedTuple):
    """A node of a tree with the training samples that reach it."""

    at: int
    depth: int
    samples: np.ndarray
    feature: int
    threshold: np.float32
    left: int


def nodes_of(forest: Forest, tree: int, x: np.ndarray) -> list[Node]:
    """Nodes of a tree; samples are divided by raw features, as in a prediction."""
    root = int(forest.roots[tree])
    found = [Node(root, 0, np.arange(len(x)), *_test(forest, root, root))]
    for node in found:
        if node.feature < forest.n_features:
            left = x[node.samples, node.feature] <= node.threshold
            for side, chosen in enumerate((left, ~left)):
                at = node.left + side
                found.append(Node(at, node.depth + 1, node.samples[chosen], *_test(forest, root, at)))
    return found


def _test(forest: Forest, root: int, at: int) -> tuple[int, np.float32, int]:
    return int(forest.feature[at]), forest.threshold[at], root + int(forest.child[at])


def row_of(forest: Forest, leaf: int) -> np.ndarray:
    """Class shares of a leaf."""
    row = int(forest.threshold[leaf])
    entries = slice(forest.starts[row], forest.starts[row + 1])
    shares = np.zeros(forest.n_classes)
    shares[forest.column[entries]] = forest.share[entries]
    return shares


def totals(y: np.ndarray, weight: np.ndarray, classes: int) -> np.ndarray:
    return np.bincount(y, weights=weight, minlength=classes)


def impurity(y: np.ndarray, weight: np.ndarray) -> float:
    """Weight times Gini impurity, as in its definition."""
    shares = np.bincount(y, weights=weight) / weight.sum()
    return float(weight.sum() * (1 - (shares**2).sum()))


def decrease(node: Node, y: np.ndarray, weight: np.ndarray, left: np.ndarray) -> float:
    """Decrease of impurity by a division of the samples of a node."""
    parts = [node.samples[left], node.samples[~left]]
    whole = impurity(y[node.samples], weight[node.samples])
    return whole - sum(impurity(y[part], weight[part]) for part in parts)


def best_decrease(node: Node, codes: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """Greatest decrease by any division of the samples of a node at a code of ``codes`` (feature, sample)."""
    own = codes[:, node.samples]
    divisions = [row <= cut for row in own for cut in np.unique(row)[:-1]]
    return max((decrease(node, y, weight, left) for left in divisions), default=-1.0)


def world(seed: int, samples: int, features: int, classes: int, levels: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Noisy features, the first of which depends on the class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, samples)
    x = rng.normal(size=(samples, features))
    x[:, 0] += y
    return np.round(x * levels / 4).astype(np.float32), y


def whole(**more: object) -> Growth:
    """Trees from all samples and all features."""
    return Growth(**{"trees": 1, "bootstrap": False, "max_features": 10**6, **more})  # type: ignore[arg-type]


def grown(x: np.ndarray, y: np.ndarray, growth: Growth, *, seed: int = 0, **more: object) -> Grown:
    return grow_forest(x, y, growth, n_classes=int(y.max()) + 1, seed=seed, **more)  # type: ignore[arg-type]


def assert_equal(one: Grown, other: Grown) -> None:
    for name, array in one.forest.arrays.items():
        np.testing.assert_array_equal(other.forest.arrays[name], array)
    np.testing.assert_array_equal(one.importances, other.importances)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    samples=st.sampled_from([2, 3, 15, 40, 250]),
    features=st.integers(1, 5),
    classes=st.integers(1, 4),
    levels=st.sampled_from([1, 5, 4000]),
    weighted=st.booleans(),
    candidates=st.sampled_from([1, 5]),
)
def test_every_split_is_the_best_one(
    *, seed: int, samples: int, features: int, classes: int, levels: int, weighted: bool, candidates: int
) -> None:
    """Of all features if all are candidates, otherwise of the feature that was chosen."""
    x, y = world(seed, samples, features, classes, levels)
    weight = np.random.default_rng(seed).random(samples) + 0.1 if weighted else np.ones(samples)
    forest, importances = grown(x, y, whole(max_features=candidates), weight=weight if weighted else None)
    codes = bin_features(x).codes
    decreases = np.zeros(features)
    for node in nodes_of(forest, 0, x):
        if node.feature == forest.n_features:
            same = (x[node.samples] == x[node.samples[0]]).all()
            assert same or len(np.unique(y[node.samples])) == 1
            shares = totals(y[node.samples], weight[node.samples], forest.n_classes)
            np.testing.assert_allclose(row_of(forest, node.at), shares / shares.sum(), rtol=1e-12)
            continue
        left = x[node.samples, node.feature] <= node.threshold
        compared = codes if candidates >= features else codes[node.feature : node.feature + 1]
        found = decrease(node, y, weight, left)
        assert found == pytest.approx(best_decrease(node, compared, y, weight), abs=1e-9)
        assert 0 < left.sum() < len(left)
        decreases[node.feature] += found
    if decreases.any():
        np.testing.assert_allclose(importances, decreases / decreases.sum(), atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_best_split_of_a_large_node_is_found(classes: int, weighted: bool) -> None:
    """Nodes whose bins are counted, unlike small ones, whose samples are sorted."""
    x, y = world(3, 3000, 3, classes, 300)
    x[::7, 1] = MISSING
    weight = np.random.default_rng(0).random(3000) if weighted else np.ones(3000)
    forest, _ = grown(x, y, whole(max_depth=2), weight=weight if weighted else None)
    codes = bin_features(x).codes
    for node in nodes_of(forest, 0, x):
        if node.feature < 3:
            left = x[node.samples, node.feature] <= node.threshold
            best = best_decrease(node, codes, y, weight)
            assert decrease(node, y, weight, left) == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("samples", [4, 400, 4000])
def test_a_threshold_lies_in_the_middle_of_the_limits_between_both_sides(samples: int) -> None:
    """The limits of the bins 0.5, 1.5 … 9.5; no value of the second feature lies between 2 and 8 where it matters."""
    x = np.tile(np.arange(10, dtype=np.float32), 400)[:, None]
    bins = bin_features(x)
    assert bins.cuts[0, :9].tolist() == [k + 0.5 for k in range(9)]
    weight = np.zeros(4000)
    kept = np.flatnonzero((x[:, 0] <= 2) | (x[:, 0] >= 8))[:samples]
    weight[kept] = 1
    forest, _ = grown(x, (x[:, 0] > 4).astype(int), whole(), weight=weight)
    assert forest.threshold[forest.feature == 0].tolist() == [4.5]


def test_predictions_are_the_mean_shares_of_the_reached_leaves() -> None:
    x, y = world(4, 300, 3, 4)
    forest, _ = grown(x, y, Growth(trees=6))
    pixels = world(9, 100, 3, 4)[0] + np.float32(0.3)
    pixels[:20] = x[:20]
    expected = np.zeros((100, 4))
    for tree in range(6):
        for node in nodes_of(forest, tree, pixels):
            if node.feature == 3:
                expected[node.samples] += row_of(forest, node.at) / 6
    np.testing.assert_allclose(forest.probabilities(pixels.T), expected, atol=1e-12)


def test_nodes_end_at_the_limits() -> None:
    x, y = world(1, 500, 4, 3)
    forest, _ = grown(x, y, whole(max_depth=3, min_samples_split=60))
    found = nodes_of(forest, 0, x)
    assert max(node.depth for node in found) == 3 == forest.depth
    for node in found:
        if node.feature < 4:
            assert len(node.samples) >= 60
        elif node.depth < 3:
            assert len(node.samples) < 60 or len(np.unique(y[node.samples])) == 1
    assert any(len(node.samples) < 60 and len(np.unique(y[node.samples])) > 1 for node in found)
    stump = grown(x, y, whole(max_depth=1)).forest
    assert (stump.depth, len(stump.feature)) == (1, 3)
    root = grown(x, y, whole(min_samples_split=501)).forest
    np.testing.assert_allclose(row_of(root, 0), totals(y, np.ones(500), 3) / 500)


def test_candidates_are_drawn_uniformly_until_one_is_not_constant() -> None:
    x = np.zeros((40, 30), np.float32)
    y = np.arange(40) % 2
    x[:, [4, 17, 29]] = y[:, None]
    forest, importances = grown(x, y, Growth(trees=900, max_features=1))
    roots = forest.feature[forest.roots]
    assert set(roots.tolist()) == {4, 17, 29}, "no root is a leaf"
    assert chisquare(np.bincount(roots)[[4, 17, 29]]).pvalue > 0.001
    assert importances.sum() == pytest.approx(1)
    assert importances[[4, 17, 29]] == pytest.approx(1 / 3, abs=0.06)


def test_more_candidates_find_better_features() -> None:
    """The only useful of 20 features is the root's with the probability of being a candidate."""
    x, y = np.random.default_rng(0).normal(size=(60, 20)).astype(np.float32), np.arange(60) % 2
    x[:, 7] = 100 * y
    for candidates in (1, 5, 20):
        forest, _ = grown(x, y, Growth(trees=400, max_features=candidates))
        share = (forest.feature[forest.roots] == 7).mean()
        assert share == pytest.approx(candidates / 20, abs=0.08)


def test_the_random_numbers_are_those_of_splitmix64() -> None:
    state = np.zeros(1, np.uint64)
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [int(random_bits(state)) for _ in range(3)] == expected


def test_bags_are_drawn_with_replacement() -> None:
    labels, weights = np.arange(1000).astype(np.uint16), np.ones(1000, np.int32)
    state, present = np.zeros(1, np.uint64), np.arange(0, 1000, 2).astype(np.uint32)
    drawn = np.zeros(1000)
    distinct = []
    for _ in range(200):
        positions, label, count = in_bag(labels, weights, present, 500, state)
        np.testing.assert_array_equal(label, positions)
        assert (np.diff(positions.astype(int)) > 0).all()
        assert count.sum() == 500
        drawn[positions] += count
        distinct.append(len(positions))
    assert np.mean(distinct) / 500 == pytest.approx(1 - np.exp(-1), abs=0.01)
    assert not drawn[1::2].any()
    assert chisquare(drawn[::2]).pvalue > 0.001
    assert in_bag(labels, weights, present, 0, state)[2].tolist() == [1] * 500


def test_the_size_of_bags_is_a_share_of_the_samples() -> None:
    """Without splits, the shares of a leaf are multiples of one over the number of drawn samples."""
    x, y = world(2, 300, 2, 2)
    forest, _ = grown(x, y, Growth(trees=20, max_samples=0.1, min_samples_split=1000))
    drawn = forest.share * 30
    np.testing.assert_allclose(drawn, np.round(drawn), atol=1e-9)
    assert len(np.unique(drawn)) > 5


def test_random_thresholds_are_uniform_between_the_extreme_values() -> None:
    x = np.arange(256, dtype=np.float32)[:, None] ** 2
    y = np.arange(256) % 2
    forest, _ = grown(x, y, whole(trees=800, max_depth=1, random_thresholds=True))
    thresholds = forest.threshold[forest.roots]
    assert len(np.unique(thresholds)) > 150
    assert kstest(thresholds / 255**2, "uniform").pvalue > 0.001


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), samples=st.sampled_from([2, 30, 400]), weighted=st.booleans())
def test_trees_with_random_thresholds_divide_their_samples(seed: int, samples: int, weighted: bool) -> None:
    x, y = world(seed, samples, 3, 3)
    weight = np.random.default_rng(seed).random(samples) + 0.1 if weighted else None
    forest, importances = grown(x, y, whole(random_thresholds=True, max_features=1), weight=weight)
    known = np.ones(samples) if weight is None else weight
    decreases = np.zeros(3)
    for node in nodes_of(forest, 0, x):
        if node.feature < 3:
            left = x[node.samples, node.feature] <= node.threshold
            assert 0 < left.sum() < len(left)
            decreases[node.feature] += decrease(node, y, known, left)
        else:
            shares = totals(y[node.samples], known[node.samples], forest.n_classes)
            np.testing.assert_allclose(row_of(forest, node.at), shares / shares.sum(), rtol=1e-12)
    if decreases.sum() > 1e-9:
        np.testing.assert_allclose(importances, decreases / decreases.sum(), atol=1e-9)


def test_the_better_of_several_random_thresholds_is_chosen() -> None:
    x, y = np.random.default_rng(0).normal(size=(60, 20)).astype(np.float32), np.arange(60) % 2
    x[:, 7] = 100 * y + x[:, 7]
    forest, _ = grown(x, y, whole(trees=30, random_thresholds=True))
    assert (forest.feature[forest.roots] == 7).mean() > 0.9


@pytest.mark.parametrize("random_thresholds", [False, True])
def test_weights_are_repetitions(random_thresholds: bool) -> None:
    x, y = world(5, 120, 4, 3, levels=6)
    count = np.random.default_rng(1).integers(0, 4, 120)
    growth = whole(trees=5, max_features=2, random_thresholds=random_thresholds)
    repeated = grow_forest(x.repeat(count, axis=0), y.repeat(count), growth, n_classes=3, seed=0)
    distinct = count > 0  # few values of each feature: bins are those of the repeated samples
    weighted = grow_forest(x[distinct], y[distinct], growth, n_classes=3, seed=0, weight=count[distinct])
    assert_equal(repeated, weighted)


@pytest.mark.parametrize("bootstrap", [False, True])
def test_samples_of_weight_0_are_ignored(bootstrap: bool) -> None:
    x, y = world(6, 200, 4, 3)
    weight = np.ones(200)
    weight[::3] = 0
    other = np.where(weight > 0, y, 0)
    growth = Growth(trees=5, bootstrap=bootstrap)
    one, two = (grow_forest(x, classes, growth, n_classes=3, seed=0, weight=weight) for classes in (y, other))
    assert_equal(one, two)
    ones = grow_forest(x, y, growth, n_classes=3, seed=0, weight=np.ones(200))
    assert_equal(ones, grow_forest(x, y, growth, n_classes=3, seed=0))


@pytest.mark.parametrize("growth", [Growth(trees=7), Growth(trees=7, random_thresholds=True, bootstrap=False)])
def test_threads_do_not_change_the_trees(growth: Growth) -> None:
    x, y = world(7, 2500, 20, 3)
    one, two, three = (grown(x, y, growth, threads=threads) for threads in (1, 2, 3))
    assert_equal(one, two)
    assert_equal(one, three)
    other = grown(x, y, growth, seed=1)
    assert len(other.forest.feature) != len(one.forest.feature)


@pytest.mark.parametrize("growth", [Growth(trees=4), Growth(trees=4, random_thresholds=True, bootstrap=False)])
@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.ones((1, 3)), [2]),
        (np.arange(12).reshape(6, 2), [1] * 6),
        (np.full((9, 2), MISSING), [0, 1, 2] * 3),
        (np.repeat(np.eye(2), 5, axis=0), [0] * 5 + [1] * 5),
    ],
    ids=["one sample", "one class", "all missing", "duplicates"],
)
def test_few_or_constant_samples_give_trees(growth: Growth, x: np.ndarray, y: list[int]) -> None:
    classes = np.array(y)
    forest, importances = grown(x.astype(np.float32), classes, growth)
    shares = forest.probabilities(x.T.astype(np.float32))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    if (x == MISSING).all():
        np.testing.assert_array_equal(forest.feature, forest.n_features)
        assert not importances.any()
    elif len(x) != 10:
        assert (shares.argmax(axis=1) == classes).all()
        assert (shares.max(axis=1) == 1).all()


def test_the_largest_class_number_is_learned() -> None:
    x = np.arange(10, dtype=np.float32)[:, None]
    y = np.where(x[:, 0] < 5, 0, 65_535)
    forest = grow_forest(x, y, whole(), n_classes=65_536, seed=0).forest
    assert forest.probabilities(x.T)[:, 65_535].tolist() == [0.0] * 5 + [1.0] * 5


def test_equal_leaves_have_one_row() -> None:
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 3, rng.integers(1, 4)) for _ in range(500)]
    starts = np.cumsum([0, *map(len, rows)])
    column = np.concatenate(rows).astype(np.uint16)
    row, first = _distinct_rows(starts, column, column / 7)
    known: dict[tuple[int, ...], int] = {}
    expected = [known.setdefault(tuple(entries.tolist()), len(known)) for entries in rows]
    assert row.tolist() == expected
    assert [tuple(rows[k].tolist()) for k in first] == list(known)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"y": np.array([0, 1, 2])}, "a class below 2"),
        ({"y": np.array([0, -1, 1])}, "a class below 2"),
        ({"y": np.array([0, 1])}, "a class below 2"),
        ({"x": np.zeros((0, 2), np.float32), "y": np.zeros(0, int)}, "a class below 2"),
        ({"x": np.array([[0, np.nan]] * 3, np.float32)}, "not finite"),
        ({"weight": np.zeros(3)}, "not all 0"),
        ({"weight": np.array([1, 1, -1])}, "at least 0"),
        ({"weight": np.array([1, 1, np.inf])}, "finite number"),
        ({"weight": np.ones(2)}, "per sample"),
    ],
)
def test_invalid_samples_are_rejected(change: dict[str, np.ndarray], said: str) -> None:
    given = {"x": np.zeros((3, 2), np.float32), "y": np.array([0, 1, 1]), **change}
    with pytest.raises(ValueError, match=said):
        grow_forest(given.pop("x"), given.pop("y"), Growth(trees=1), n_classes=2, seed=0, **given)  # type: ignore[arg-type]
