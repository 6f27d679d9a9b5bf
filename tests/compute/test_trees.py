"""The forest kernel against scikit-learn's own prediction and a slow walk; unsound arrays are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier

from iota2.classifiers.forest import flatten, round_down
from iota2.compute.trees import LANES, Forest, _tile_pixels

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
"""At most 0.5: surely class 0; more: class 1 with 0.75."""


def trained(seed: int = 0, *, samples: int, features: int, classes: int, grid: int = 0, **options):
    """A scikit-learn forest, and pixels (feature, pixel) to ask it about."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, features)).astype(np.float32)
    pixels = rng.normal(size=(features, 203)).astype(np.float32)
    if grid:  # few distinct values: pixels fall exactly on thresholds' neighbours
        x, pixels = np.round(x * grid) / grid, np.round(pixels * 2 * grid) / (2 * grid)
    y = rng.integers(0, classes, samples)
    options = {"n_estimators": 5, **options}
    return RandomForestClassifier(random_state=seed, **options).fit(x, y), pixels.astype(np.float32)


def assert_equal_to_trainer(trainer: RandomForestClassifier, pixels: np.ndarray) -> None:
    found = flatten(trainer).probabilities(pixels)
    expected = trainer.predict_proba(pixels.T)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(trainer.classes_[found.argmax(axis=1)], trainer.predict(pixels.T))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    case=st.fixed_dictionaries(
        {
            "samples": st.integers(1, 120),
            "features": st.integers(1, 9),
            "classes": st.integers(1, 7),
            "grid": st.sampled_from([0, 1, 4]),
            "n_estimators": st.integers(1, 6),
            "max_depth": st.sampled_from([1, 3, None]),
        }
    ),
)
def test_forests_say_what_their_trainer_says(seed, case):
    assert_equal_to_trainer(*trained(seed, **case))


@pytest.mark.parametrize(
    "case",
    [
        {"samples": 300, "features": 4, "classes": 3, "n_estimators": 1},
        {"samples": 50, "features": 3, "classes": 1},
        {"samples": 1, "features": 3, "classes": 4},
        {"samples": 900, "features": 2, "classes": 300},
        {"samples": 40, "features": 700, "classes": 3},
        {"samples": 200, "features": 3, "classes": 3, "max_leaf_nodes": 2},
    ],
    ids=["one tree", "one class", "one sample", "300 classes", "700 features", "stumps"],
)
def test_extreme_forests_say_what_their_trainer_says(case):
    assert_equal_to_trainer(*trained(**case))


def test_a_deep_tree_is_walked_to_its_end():
    chain = chain_forest(depth=1000)
    assert chain.depth == 1000
    pixels = np.linspace(-1, 1001, 2500, dtype=np.float32)[None, :]
    found = chain.probabilities(pixels)[:, 1]
    np.testing.assert_array_equal(found, np.clip(np.ceil(pixels[0]), 0, 1000) % 2)


def test_a_trained_forest_of_depth_40_says_what_its_trainer_says():
    values = np.arange(120)
    x = (values[:, None] * 10.0).astype(np.float32)
    y = np.minimum(values, 45)  # a class for each small value: the best split takes one value off the end
    trainer = RandomForestClassifier(3, random_state=0, bootstrap=False).fit(x, y)
    assert flatten(trainer).depth >= 40
    assert_equal_to_trainer(trainer, np.linspace(-5, 1300, 777, dtype=np.float32)[None, :])


def chain_forest(depth: int) -> Forest:
    """One tree whose left child is always a leaf: value v ends at test ceil(v), and class is its parity."""
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


def test_depth_is_the_trainers():
    trainer, _ = trained(samples=500, features=5, classes=4)
    assert flatten(trainer).depth == max(tree.get_depth() for tree in trainer.estimators_)


@given(st.lists(st.floats(-1e30, 1e30), min_size=1), st.integers(0, 2**32 - 1))
def test_a_rounded_threshold_sorts_every_float32_alike(thresholds, bits):
    exact = np.array(thresholds)
    rounded = round_down(exact)
    near = [np.nextafter(rounded, np.float32(side)) for side in (-np.inf, np.inf)]
    for value in (rounded, *near, np.uint32(bits).view(np.float32)):
        np.testing.assert_array_equal(value <= rounded, value.astype(np.float64) <= exact)


def test_a_value_on_the_threshold_goes_left_and_infinities_go_to_their_sides():
    pixels = np.array([[0.5, np.nextafter(np.float32(0.5), np.float32(1)), -np.inf, np.inf]], np.float32)
    np.testing.assert_array_equal(Forest(**STUMP).probabilities(pixels)[:, 1], [0, 0.75, 0, 0.75])


def test_the_result_of_a_pixel_does_not_depend_on_its_neighbours():
    trainer, pixels = trained(samples=200, features=6, classes=3)
    forest = flatten(trainer)
    whole = forest.probabilities(pixels)
    for count in (1, LANES - 1, LANES, LANES + 1):
        np.testing.assert_array_equal(forest.probabilities(pixels[:, 7 : 7 + count]), whole[7 : 7 + count])


def test_more_pixels_than_a_tile_holds():
    pixels = np.random.default_rng(0).random((1, 3 * _tile_pixels(1) + 5), np.float32)
    found = Forest(**STUMP).probabilities(pixels)
    np.testing.assert_array_equal(found[:, 1], np.where(pixels[0] > 0.5, 0.75, 0))


def test_many_features_and_nodes_use_wide_indices():
    trainer, _ = trained(samples=60, features=4, classes=3, n_estimators=1)
    narrow = flatten(trainer)
    many = 2**27
    wide = replace(
        narrow, n_features=many, feature=np.where(narrow.feature == 4, many, narrow.feature).astype(np.uint32)
    )
    nodes, bits = wide._packed
    assert nodes.dtype["split"] == np.uint64
    assert narrow._packed[0].dtype.itemsize == 8
    np.testing.assert_array_equal(nodes["split"] >> np.uint64(bits), narrow.child)
    np.testing.assert_array_equal(nodes["split"] & np.uint64(2**bits - 1), wide.feature)


def test_wide_nodes_say_what_narrow_ones_say():
    trainer, pixels = trained(samples=60, features=4, classes=3)
    forest, wide = flatten(trainer), flatten(trainer)
    nodes, bits = wide._packed
    as_wide = np.dtype([("threshold", np.float32), ("split", np.uint64)], align=True)
    vars(wide)["_packed"] = (nodes.astype(as_wide), bits)
    np.testing.assert_array_equal(wide.probabilities(pixels), forest.probabilities(pixels))


def test_no_pixels_give_an_empty_array():
    assert Forest(**STUMP).probabilities(np.empty((1, 0), np.float32)).shape == (0, 2)


def test_missing_values_are_refused_and_located():
    trainer, pixels = trained(samples=30, features=5, classes=2)
    pixels[3, [2, 202]] = np.nan
    with pytest.raises(ValueError, match="feature 3 is NaN at 2 of 203 pixels"):
        flatten(trainer).probabilities(pixels)


def test_another_number_of_features_is_refused():
    with pytest.raises(ValueError, match="forest of 1 features"):
        Forest(**STUMP).probabilities(np.zeros((2, 4), np.float32))


@pytest.mark.parametrize(
    ("field", "values", "problem"),
    [
        ("roots", [3], "roots"),
        ("roots", [], "roots"),
        ("roots", [1], "roots"),
        ("roots", [0, 0], "ascend"),
        ("feature", [2, 1, 1], "feature outside"),
        ("feature", [0, 0, 1], "child outside"),
        ("child", [0, 1, 2], "child outside"),
        ("child", [2, 1, 2], "child outside"),
        ("child", [2**32 - 1, 1, 2], "child outside"),
        ("child", [1, 0, 2], "leads elsewhere"),
        ("threshold", [0.5, 0, 2], "without a row"),
        ("threshold", [0.5, 0, -1], "without a row"),
        ("threshold", [0.5, 0, 0.5], "without a row"),
        ("threshold", [0.5, 0, np.nan], "without a row"),
        ("threshold", [0.5, 0, np.inf], "without a row"),
        ("threshold", [0.5, 0], "differ in length"),
        ("starts", [0, 1, 4], "starts"),
        ("starts", [0, 3, 1], "starts"),
        ("starts", [], "without a row"),
        ("column", [0, 0, 2], "class outside"),
        ("column", [0, 0], "differ in length"),
        ("share", [1, 0.5, np.nan], "share outside"),
        ("share", [1, 0.5, 1.5], "share outside"),
    ],
)
def test_unsound_arrays_are_refused(field, values, problem):
    with pytest.raises(ValueError, match=problem):
        Forest(**{**STUMP, field: np.array(values, STUMP[field].dtype)})


@pytest.mark.parametrize("field", ["roots", "feature", "threshold", "child", "starts", "column", "share"])
def test_arrays_of_another_type_are_refused(field):
    with pytest.raises(ValueError, match=field):
        Forest(**{**STUMP, field: STUMP[field].astype(np.int64)})


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_is_accepted_ends_in_a_leaf(data):
    """Random arrays either are refused or are walked by a slow, checking walk without leaving the arrays."""
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
