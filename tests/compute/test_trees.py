"""The forest kernel compared with scikit-learn and with a slow evaluation; invalid arrays are rejected."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from iota2.classifiers.base import ModelError
from iota2.classifiers.flatten import flatten, round_down
from iota2.compute import trees
from iota2.compute.tree_evaluation import LANES, MAX_BATCH
from iota2.compute.trees import Forest

STUMP = {
    "n_features": 1,
    "n_classes": 2,
    "roots": np.array([0], np.uint32),
    "feature": np.array([0, 1, 1], np.uint32),
    "threshold": np.array([0.5, 0, 1], np.float32),
    "child": np.array([1, 1, 2], np.uint32),
    "starts": np.array([0, 1, 3], np.uint32),
    "column": np.array([0, 0, 1], np.uint32),
    "share": np.array([1, 0.25, 0.75]),
}
"""Up to 0.5: class 0 with probability 1; above: class 1 with probability 0.75."""


KINDS = {
    "random forest": RandomForestClassifier,
    "extra trees": ExtraTreesClassifier,
    "gradient boosting": GradientBoostingClassifier,
    "boosting on histograms": HistGradientBoostingClassifier,
}
BOOSTED = [kind for kind in KINDS if "boosting" in kind]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Limit histogram boosting to one thread: its threads wait actively, which is slow on a busy machine."""
    with threadpool_limits(1):
        yield


every_kind = pytest.mark.parametrize("kind", KINDS)


def trained(seed=0, *, kind="random forest", samples, features, classes, trees=5, grid=0, weighted=False, **options):
    """A forest of scikit-learn, and pixels (feature, pixel), many of them equal to its thresholds."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, features)).astype(np.float32)
    if grid:  # few distinct values: many equal ones on each side of a threshold
        x = np.round(x * grid) / np.float32(grid)
    y = rng.integers(0, classes, samples)
    if kind in BOOSTED:  # needs at least two classes
        y = rng.permutation(np.arange(samples) % classes)
    options = {"max_iter" if kind == "boosting on histograms" else "n_estimators": trees, **options}
    if kind == "boosting on histograms":
        options = {"min_samples_leaf": 1, "early_stopping": False, **options}
    weight = rng.random(samples) + 0.1 if weighted else None
    trainer = KINDS[kind](random_state=seed, **options).fit(x, 3 * y + 1, sample_weight=weight)
    return trainer, near_thresholds(flatten(trainer), np.hstack([rng.normal(size=(features, 203)), x.T]), rng)


def near_thresholds(forest: Forest, pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The pixels, and copies with one feature equal to a threshold of the forest or to the next value above it."""
    pixels = pixels.astype(np.float32)
    tested = np.flatnonzero(forest.feature < forest.n_features)
    if not tested.size:
        return pixels
    node = rng.choice(tested, pixels.shape[1])
    value = forest.threshold[node]
    value = np.where(rng.random(len(node)) < 0.5, value, np.nextafter(value, np.float32(np.inf)))
    moved = pixels.copy()
    moved[forest.feature[node], np.arange(len(node))] = value
    return np.hstack([pixels, moved])


def assert_equal_to_trainer(trainer, pixels: np.ndarray) -> None:
    forest = flatten(trainer)
    found, expected = forest.probabilities(pixels), trainer.predict_proba(pixels.T)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    if forest.link == "mean":
        np.testing.assert_array_equal(found, expected)
    ours, theirs = found.argmax(axis=1), np.searchsorted(trainer.classes_, trainer.predict(pixels.T))
    pixel = np.arange(len(found))
    np.testing.assert_allclose(found[pixel, ours], found[pixel, theirs], rtol=0, atol=1e-15)  # equal except for ties


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    case=st.fixed_dictionaries(
        {
            "kind": st.sampled_from(list(KINDS)),
            "samples": st.integers(8, 120),
            "features": st.integers(1, 9),
            "classes": st.integers(2, 7),
            "grid": st.sampled_from([0, 1, 4]),
            "trees": st.integers(1, 6),
            "max_depth": st.sampled_from([1, 3, None]),
            "weighted": st.booleans(),
        }
    ),
)
def test_forests_predict_like_scikit_learn(seed, case):
    assert_equal_to_trainer(*trained(seed, **case))


@every_kind
@pytest.mark.parametrize(
    "case",
    [
        {"samples": 300, "features": 4, "classes": 3, "trees": 1},
        {"samples": 300, "features": 1, "classes": 2},
        {"samples": 900, "features": 2, "classes": 300, "trees": 2},
        {"samples": 40, "features": 700, "classes": 3},
        {"samples": 200, "features": 3, "classes": 3, "max_leaf_nodes": 2},
        {"samples": 500, "features": 3, "classes": 4, "grid": 2, "max_depth": None, "trees": 30},
    ],
    ids=["one tree", "one feature, two classes", "300 classes", "700 features", "stumps", "ties"],
)
def test_extreme_forests_predict_like_scikit_learn(kind, case):
    assert_equal_to_trainer(*trained(kind=kind, **case))


@every_kind
def test_trees_of_one_leaf_predict_like_scikit_learn(kind):
    y = np.arange(40) % 3
    trainer = KINDS[kind](random_state=0).fit(np.ones((40, 2), np.float32), y)
    assert flatten(trainer).depth == 0
    assert_equal_to_trainer(trainer, np.array([[0, 1, 2], [5, 1, np.inf]], np.float32)[:, :2])


@pytest.mark.parametrize("kind", ["random forest", "extra trees"])
@pytest.mark.parametrize(
    "case",
    [{"samples": 50, "features": 3, "classes": 1}, {"samples": 1, "features": 3, "classes": 4}],
    ids=["one class", "one sample"],
)
def test_a_single_class_is_sufficient_for_the_link_mean(kind, case):
    trainer, pixels = trained(kind=kind, **case)
    assert_equal_to_trainer(trainer, pixels)
    assert (flatten(trainer).probabilities(pixels) == 1).all()


@pytest.mark.parametrize("options", [{"loss": "exponential"}, {"init": "zero"}, {"subsample": 0.5}], ids=str)
def test_boosting_with_options_predicts_like_scikit_learn(options):
    assert_equal_to_trainer(*trained(kind="gradient boosting", samples=300, features=4, classes=2, **options))


def test_boosting_of_two_classes_has_one_score():
    for kind in BOOSTED:
        two, three = (flatten(trained(kind=kind, samples=90, features=4, classes=n, trees=4)[0]) for n in (2, 3))
        assert (two.n_classes, two.n_scores, two.link, len(two.roots)) == (2, 1, "sigmoid", 4)
        assert (three.n_classes, three.n_scores, three.link, len(three.roots)) == (3, 3, "softmax", 12)


def test_extreme_scores_give_probabilities():
    far = Forest(**{**STUMP, "link": "softmax", "initial": np.zeros(2), "share": np.array([1e30, -1e30, 1e30])})
    np.testing.assert_array_equal(far.probabilities(np.array([[0, 1]], np.float32)), [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        (DecisionTreeClassifier(), "DecisionTreeClassifier is not a forest"),
        (RandomForestRegressor(2), "RandomForestRegressor is not a forest"),
        (GradientBoostingClassifier(n_estimators=2, init=DummyClassifier()), "starts from DummyClassifier"),
        (HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]), "categorical features"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_forests_that_cannot_be_converted_are_rejected(trainer, said):
    x = np.arange(80.0).reshape(40, 2) % 7
    with pytest.raises(ModelError, match=said):
        flatten(trainer.fit(x, np.arange(40) % 2))


def test_several_outputs_and_boosting_of_one_class_are_rejected():
    x = np.arange(80.0).reshape(40, 2)
    with pytest.raises(ModelError, match="2 outputs"):
        flatten(RandomForestClassifier(2).fit(x, np.arange(80).reshape(40, 2) % 2))
    with pytest.raises(ModelError, match="1 class, expected two"):
        flatten(HistGradientBoostingClassifier(max_iter=2).fit(x, np.ones(40)))


def test_a_deep_tree_is_evaluated_completely():
    chain = chain_forest(depth=1000)
    assert chain.depth == 1000
    pixels = np.linspace(-1, 1001, 2500, dtype=np.float32)[None, :]
    found = chain.probabilities(pixels)[:, 1]
    np.testing.assert_array_equal(found, np.clip(np.ceil(pixels[0]), 0, 1000) % 2)


@every_kind
def test_trained_forests_of_depth_40_predict_like_scikit_learn(kind):
    """Data for which the best split always separates a single value."""
    values = np.arange(120)
    x = (values[:, None] * 10.0).astype(np.float32)
    if kind == "random forest":
        trainer = RandomForestClassifier(3, random_state=0, bootstrap=False).fit(x, np.minimum(values, 45))
    elif kind == "extra trees":
        trainer = ExtraTreesClassifier(3, random_state=0).fit(10.0 ** (x / 40), values % 2)
        x = 10.0 ** (x / 40)
    elif kind == "gradient boosting":
        trainer = GradientBoostingClassifier(n_estimators=3, max_depth=None, random_state=0).fit(x, values % 2)
    else:
        deep = {"max_depth": None, "max_leaf_nodes": None, "min_samples_leaf": 1, "early_stopping": False}
        trainer = HistGradientBoostingClassifier(max_iter=3, **deep).fit(x, values % 2)
    forest = flatten(trainer)
    assert forest.depth >= 40
    pixels = np.linspace(-5, 1300, 777, dtype=np.float32)[None, :]
    assert_equal_to_trainer(trainer, near_thresholds(forest, pixels, np.random.default_rng(0)))


def chain_forest(depth: int) -> Forest:
    """One tree whose left children are leaves: value v ends at test ceil(v), whose parity is the class."""
    n = 2 * depth + 1
    inner = np.arange(n) % 2 == 0
    inner[-1] = False
    own = np.arange(n)
    level = (own + 1) // 2  # node 2k tests k; node 2k + 1 is the left leaf of test k
    return Forest(
        n_features=1,
        n_classes=2,
        roots=np.array([0], np.uint32),
        feature=np.where(inner, 0, 1).astype(np.uint32),
        threshold=np.where(inner, level, np.where(own == n - 1, depth, own // 2) % 2).astype(np.float32),
        child=np.where(inner, own + 1, own).astype(np.uint32),
        starts=np.array([0, 1, 2], np.uint32),
        column=np.array([0, 1], np.uint32),
        share=np.ones(2),
    )


def test_depth_equals_that_of_scikit_learn():
    trainer, _ = trained(samples=500, features=5, classes=4)
    assert flatten(trainer).depth == max(tree.get_depth() for tree in trainer.estimators_)


@given(st.lists(st.floats(-1e30, 1e30), min_size=1), st.integers(0, 2**32 - 1))
def test_rounded_thresholds_split_every_float32_identically(thresholds, bits):
    exact = np.array(thresholds)
    rounded = round_down(exact)
    near = [np.nextafter(rounded, np.float32(side)) for side in (-np.inf, np.inf)]
    for value in (rounded, *near, np.uint32(bits).view(np.float32)):
        np.testing.assert_array_equal(value <= rounded, value.astype(np.float64) <= exact)


def test_a_value_equal_to_the_threshold_goes_left_and_infinities_are_compared():
    pixels = np.array([[0.5, np.nextafter(np.float32(0.5), np.float32(1)), -np.inf, np.inf]], np.float32)
    np.testing.assert_array_equal(Forest(**STUMP).probabilities(pixels)[:, 1], [0, 0.75, 0, 0.75])


def test_the_result_of_a_pixel_does_not_depend_on_its_neighbours():
    trainer, pixels = trained(samples=200, features=6, classes=3)
    forest = flatten(trainer)
    whole = forest.probabilities(pixels)
    for count in (1, LANES - 1, LANES, LANES + 1):
        np.testing.assert_array_equal(forest.probabilities(pixels[:, 7 : 7 + count]), whole[7 : 7 + count])


def test_pixels_of_several_tiles_are_complete():
    pixels = np.random.default_rng(0).random((1, 3 * MAX_BATCH + 5), np.float32)
    found = Forest(**STUMP).probabilities(pixels)
    np.testing.assert_array_equal(found[:, 1], np.where(pixels[0] > 0.5, 0.75, 0))


FOREST = flatten(trained(samples=100, features=6, classes=4)[0])
PIXELS = np.random.default_rng(1).normal(size=(6, 406)).astype(np.float32)


def test_without_pixels_the_result_is_empty():
    assert Forest(**STUMP).probabilities(np.empty((1, 0), np.float32)).shape == (0, 2)


@every_kind
def test_missing_values_are_rejected_with_their_feature(kind):
    trainer, pixels = trained(kind=kind, samples=30, features=5, classes=2)
    pixels = pixels[:, :203]
    pixels[3, [2, 202]] = np.nan
    with pytest.raises(ValueError, match="feature 3 is NaN at 2 of 203 pixels"):
        flatten(trainer).probabilities(pixels)
    with pytest.raises(ValueError, match="feature 3 is NaN at 1 of 2 pixels"):
        flatten(trainer).probabilities(pixels, np.array([0, 202]))
    assert np.isfinite(flatten(trainer).probabilities(pixels, np.arange(3, 202))).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 405), max_size=400), st.integers(0, 405), st.integers(0, 405))
def test_any_positions_give_the_same_as_all_pixels(positions, first, last):
    """For arbitrary and for consecutive positions, which the kernel reads differently."""
    at = np.array([*range(first, last), *positions], np.int64)
    np.testing.assert_array_equal(FOREST.probabilities(PIXELS, at), FOREST.probabilities(PIXELS[:, at]))


@pytest.mark.parametrize("at", [[0, 406], [-1, 3]])
def test_positions_out_of_range_are_rejected(at):
    with pytest.raises(ValueError, match=r"positions -?\d+ to \d+ are outside the 406 pixels"):
        FOREST.probabilities(PIXELS, np.array(at))


def test_the_features_of_a_block_are_not_copied():
    values = np.zeros((1, 4_000_000), np.float32)
    at = np.arange(0, 4_000_000, 40_000)
    tracemalloc.start()
    Forest(**STUMP).probabilities(values, at)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000


def test_a_wrong_number_of_features_is_rejected():
    with pytest.raises(ValueError, match=r"the forest expects \(1, pixels\)"):
        Forest(**STUMP).probabilities(np.zeros((2, 4), np.float32))


@pytest.mark.parametrize(
    ("field", "values", "problem"),
    [
        ("roots", [3], "roots"),
        ("roots", [], "roots"),
        ("roots", [1], "roots"),
        ("roots", [0, 0], "ascend"),
        ("feature", [2, 1, 1], "feature number is out of range"),
        ("feature", [0, 0, 1], "child is outside"),
        ("child", [0, 1, 2], "child is outside"),
        ("child", [2, 1, 2], "child is outside"),
        ("child", [2**32 - 1, 1, 2], "child is outside"),
        ("child", [1, 0, 2], "leaf is not its own child"),
        ("threshold", [0.5, 0, 2], "refers to no row"),
        ("threshold", [0.5, 0, -1], "refers to no row"),
        ("threshold", [0.5, 0, 0.5], "refers to no row"),
        ("threshold", [0.5, 0, np.nan], "refers to no row"),
        ("threshold", [0.5, 0, np.inf], "refers to no row"),
        ("threshold", [0.5, 0], "differ in length"),
        ("starts", [0, 1, 4], "starts"),
        ("starts", [0, 3, 1], "starts"),
        ("starts", [], "refers to no row"),
        ("column", [0, 0, 2], "score number is out of range"),
        ("column", [0, 0], "differ in length"),
        ("share", [1, 0.5, np.nan], "share is outside"),
        ("share", [1, 0.5, 1.5], "share is outside"),
        ("initial", [0, 0], "2 initial scores for the link mean"),
    ],
)
def test_invalid_arrays_are_rejected(field, values, problem):
    with pytest.raises(ValueError, match=problem):
        Forest(**{**STUMP, field: np.array(values, STUMP.get(field, np.zeros(0)).dtype)})


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"link": "square"}, "link 'square', expected mean, softmax, sigmoid"),
        ({"link": "softmax"}, "0 initial scores"),
        ({"link": "softmax", "initial": np.zeros(1)}, "1 initial scores"),
        ({"link": "softmax", "initial": np.array([0, np.nan])}, "initial score is NaN"),
        ({"link": "softmax", "initial": np.zeros(2), "share": np.array([1, 2, -np.inf])}, "share is outside"),
        ({"link": "softmax", "initial": np.zeros(2), "share": np.array([1, 2, np.nan])}, "share is outside"),
        ({"link": "sigmoid", "initial": np.zeros(1)}, "score number is out of range"),
        ({"link": "sigmoid", "initial": np.zeros(1), "n_classes": 3}, "sigmoid of 3 classes"),
    ],
)
def test_invalid_boosting_is_rejected(changes, problem):
    with pytest.raises(ValueError, match=problem):
        Forest(**{**STUMP, **changes})


@pytest.mark.parametrize("nodes", [1, 3, 4, 7, 100])
def test_every_tree_is_checked(monkeypatch: pytest.MonkeyPatch, nodes: int) -> None:
    """The nodes of some trees are checked at a time."""
    monkeypatch.setattr(trees, "_CHECKED_NODES", nodes)
    sound = {**STUMP, "roots": np.array([0, 3, 6], np.uint32)}
    sound |= {name: np.tile(STUMP[name], 3) for name in ("feature", "threshold", "child")}
    assert Forest(**sound).depth == 1
    for node in range(9):
        child = sound["child"].copy()
        child[node] = 2 if node % 3 != 2 else 1
        with pytest.raises(ValueError, match="child"):
            Forest(**{**sound, "child": child})


@pytest.mark.parametrize("field", ["roots", "feature", "threshold", "child", "starts", "column", "share"])
def test_arrays_of_a_wrong_type_are_rejected(field):
    with pytest.raises(ValueError, match=field):
        Forest(**{**STUMP, field: STUMP[field].astype(np.int64)})


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_accepted_arrays_always_end_in_a_leaf(data):
    """Random arrays are either rejected, or a slow evaluation with index checks ends in a leaf."""
    n = data.draw(st.integers(1, 7))
    small = st.integers(0, n)
    forest = {
        **STUMP,
        "feature": np.array(data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)), np.uint32),
        "threshold": np.array(data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)), np.float32),
        "child": np.array(data.draw(st.lists(small, min_size=n, max_size=n)), np.uint32),
    }
    try:
        accepted = Forest(**forest)
    except ValueError:
        return
    pixels = np.array([[-1, 0, 0.5, 1, 2]], np.float32)
    expected = [slow_walk(accepted, value) for value in pixels[0]]
    np.testing.assert_array_equal(accepted.probabilities(pixels), expected)


def slow_walk(forest: Forest, value: float) -> np.ndarray:
    """Shares (class,) for one value of the only feature of a forest of one tree."""
    at = 0
    for _ in range(len(forest.feature)):
        if forest.feature[at] == 1:
            break
        at = int(forest.child[at]) + bool(value > forest.threshold[at])
    row = int(forest.threshold[at])
    shares = np.zeros(forest.n_classes)
    for entry in range(forest.starts[row], forest.starts[row + 1]):
        shares[forest.column[entry]] += forest.share[entry]
    return shares
