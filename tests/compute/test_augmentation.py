"""Additional samples: worked numbers, the definition of each method, and imbalanced-learn's SMOTE."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.over_sampling import SMOTE
from scipy.stats import kstest
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from iota2.compute import augmentation
from iota2.compute.augmentation import Augmentation, added, augmented, nearest, new_samples
from iota2.core.recipe import MISSING

COUNTS = {51: 147, 11: 76, 12: 37, 42: 19}
METHODS = [Augmentation("replicate"), Augmentation("jitter"), Augmentation("smote")]


def samples(n: int = 60, features: int = 7, seed: int = 0) -> np.ndarray:
    """Correlated features of very different units."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)) @ rng.normal(size=(3, features)) + 0.3 * rng.normal(size=(n, features))
    return (x * 10.0 ** (np.arange(features) % 7) + 50).astype(np.float32)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_number_to_add_of_the_worked_example():
    assert added("balance", COUNTS) == {42: 128, 11: 71, 12: 110}
    assert added("minNumber", COUNTS, smallest=120) == {42: 101, 11: 44, 12: 83}
    assert added("byClass", COUNTS, by_class={42: 100, 51: 100, 12: 37, 99: 5}) == {42: 81}


def test_classes_without_samples_get_none():
    assert added("balance", {1: 0, 2: 5}) == {}
    assert added("minNumber", {}, smallest=10) == added("balance", {}) == {}


@given(st.dictionaries(st.integers(1, 99), st.integers(0, 500), max_size=8), st.integers(0, 400))
def test_no_class_exceeds_its_goal(counts, smallest):
    for code, count in added("minNumber", counts, smallest=smallest).items():
        assert counts[code] + count == smallest
    largest = max(counts.values(), default=0)
    assert {counts[code] + count for code, count in added("balance", counts).items()} <= {largest}


@pytest.mark.parametrize("n", [2, 7, 60])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_neighbours_are_those_of_scikit_learn_on_standardised_features(n, k):
    x = samples(n)
    k = min(k, n - 1)
    standard = (x - x.mean(axis=0, dtype=np.float64)) / x.std(axis=0, dtype=np.float64)
    expected = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(standard).kneighbors(standard)[1][:, 1:]
    np.testing.assert_array_equal(nearest(x, np.arange(n), k), expected)
    np.testing.assert_array_equal(nearest(x, np.array([n - 1, 0]), k), expected[[n - 1, 0]])


@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(1, 29))
@settings(max_examples=60, deadline=None)
def test_neighbours_equal_a_search_of_all_pairs_with_ties_and_missing_values(seed, n, k):
    drawn, k = rng(seed), min(k, n - 1)
    x = drawn.integers(0, 3, (n, 3)).astype(np.float32)  # few values: many equal distances
    x[:, 1] = 7
    x[drawn.random(x.shape) < 0.2] = MISSING
    found = nearest(x, np.arange(n), k)
    values = np.where(x == MISSING, np.nan, x)
    standard = np.zeros(x.shape)
    for j in (0, 2):
        present = values[~np.isnan(values[:, j]), j].astype(np.float64)
        if len(present) and present.std() > 0:
            standard[:, j] = np.nan_to_num((values[:, j] - present.mean()) / present.std())
    for i in range(n):
        distance = [sum((standard[i, j] - standard[o, j]) ** 2 for j in range(3)) if o != i else np.inf
                    for o in range(n)]  # fmt: skip
        expected = np.sort(distance)[:k]
        np.testing.assert_allclose([distance[o] for o in found[i]], expected, atol=1e-12)
        assert len(set(found[i].tolist())) == k
        assert i not in found[i]


def test_equal_distances_give_the_first_positions(monkeypatch):
    monkeypatch.setattr(augmentation, "DISTANCES_PER_STEP", 20)
    assert nearest(np.ones((9, 4), np.float32), np.array([0, 4, 8]), 3).tolist() == [[1, 2, 3], [0, 1, 2], [0, 1, 2]]


def test_neighbours_do_not_depend_on_the_threads_of_the_matrix_product():
    x = np.concatenate([samples(300, 40), samples(300, 40)])  # each sample twice: equal distances
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(nearest(x, np.arange(600), 5))
    np.testing.assert_array_equal(*found)


def shares(new: np.ndarray, parents: np.ndarray, x: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Position of each new sample between its parent and the nearest fitting one of its neighbours; NaN off all."""
    scale = x.std(axis=0, dtype=np.float64)
    found = np.full(len(new), np.nan)
    for k, (value, parent) in enumerate(zip(new.astype(np.float64), parents, strict=True)):
        way = (x[near[parent]].astype(np.float64) - x[parent]) / scale
        gone = (value - x[parent]) / scale
        u = (way * gone).sum(axis=1) / (way**2).sum(axis=1)
        off = np.abs(way * u[:, np.newaxis] - gone).max(axis=1)
        fits = (off < 1e-4) & (u > -1e-6) & (u < 1 + 1e-6)
        if fits.any():
            found[k] = u[np.where(fits, off, np.inf).argmin()]
    return found


def test_smote_lies_between_a_sample_and_one_of_its_neighbours_evenly():
    x = samples()
    new = new_samples(x, 4000, Augmentation("smote", neighbours=4), rng())
    u = shares(new.values, new.parents, x, nearest(x, np.arange(len(x)), 4))
    assert not np.isnan(u).any()
    assert kstest(u, "uniform").pvalue > 0.01
    times = Counter(new.parents.tolist())
    assert set(times.values()) <= {66, 67}
    assert len(times) == 60


def test_imbalanced_learn_draws_from_the_same_segments():
    x, k = samples(), 4
    standard = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
    crowd = np.concatenate([standard, np.full((3060, x.shape[1]), 100, np.float32)])
    y = np.repeat([1, 2], [60, 3060])
    made, _ = SMOTE(k_neighbors=k, random_state=0).fit_resample(crowd, y)
    theirs = made[len(crowd) :]
    near = nearest(x, np.arange(60), k)
    everyone = np.arange(60)
    u = np.array([shares(np.tile(one, (60, 1)), everyone, standard, near) for one in theirs[:600]])
    assert not np.isnan(u).all(axis=1).any()  # every sample of theirs lies on a segment of ours
    ours = new_samples(standard, 3000, Augmentation("smote", neighbours=k), rng()).values
    for j in range(x.shape[1]):  # the same distribution of each feature
        assert abs(np.mean(ours[:, j]) - np.mean(theirs[:, j])) < 0.05
        assert abs(np.std(ours[:, j]) - np.std(theirs[:, j])) < 0.05


def test_at_most_all_other_samples_are_neighbours():
    x = samples(3)
    new = new_samples(x, 600, Augmentation("smote", neighbours=5), rng())
    assert not np.isnan(shares(new.values, new.parents, x, nearest(x, np.arange(3), 2))).any()


def test_noise_has_the_spread_of_the_feature_divided_by_the_factor():
    x = samples(200, 5)
    new = new_samples(x, 20_000, Augmentation("jitter", factor=4.0), rng())
    noise = (new.values.astype(np.float64) - x[new.parents]) / x.std(axis=0, dtype=np.float64)
    np.testing.assert_allclose(noise.std(axis=0), 0.25, rtol=0.03)
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=0.01)
    assert np.abs(np.corrcoef(noise.T) - np.eye(5)).max() < 0.05
    times = np.bincount(new.parents, minlength=200)
    assert 8 < times.std() < 12  # drawn with replacement: binomial, 100 each, standard deviation 10


def test_copies_take_every_sample_equally_often():
    x = samples(7)
    new = new_samples(x, 17, Augmentation("replicate"), rng())
    np.testing.assert_array_equal(new.values, x[new.parents])
    assert sorted(Counter(new.parents.tolist()).values()) == [2, 2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize("how", METHODS, ids=lambda how: how.method)
def test_missing_values_are_never_interpolated(how):
    x = samples(50)
    x[rng().random(x.shape) < 0.3] = MISSING
    x[:, 2] = MISSING
    x[3, 4], x[5, 6] = np.nan, np.inf
    new = new_samples(x, 300, how, rng())
    own = x[new.parents]
    np.testing.assert_array_equal(new.values == MISSING, own == MISSING)
    np.testing.assert_array_equal(np.isfinite(new.values), np.isfinite(own))
    present = np.where((x == MISSING) | np.isinf(x), np.nan, x)
    spread = np.nanmax(np.delete(present, 2, axis=1)) - np.nanmin(np.delete(present, 2, axis=1))
    values = new.values[(own != MISSING) & np.isfinite(own)]
    assert values.min() > np.nanmin(present) - spread / 2


@pytest.mark.parametrize("how", METHODS, ids=lambda how: how.method)
def test_a_single_sample_is_copied_and_none_is_an_error(how):
    x = samples(1)
    new = new_samples(x, 3, how, rng())
    np.testing.assert_array_equal(new.values, np.repeat(x, 3, axis=0))
    assert new.parents.tolist() == [0, 0, 0]
    empty = new_samples(x[:0], 0, how, rng())
    assert empty.values.shape == (0, 7)
    assert len(empty.parents) == 0
    with pytest.raises(ValueError, match="no sample"):
        new_samples(x[:0], 2, how, rng())


@pytest.mark.parametrize("how", METHODS, ids=lambda how: how.method)
def test_classes_are_augmented_separately_and_reproducibly(how, monkeypatch):
    x, codes = samples(90), np.tile([3, 1, 2], 30)
    found = augmented(x, codes, {1: 40, 3: 5}, how, seed=4, region="1")
    assert codes[found.parents].tolist() == [1] * 40 + [3] * 5
    assert found.values.dtype == np.float32
    alone = augmented(x[codes == 1], codes[codes == 1], {1: 40}, how, seed=4, region="1")
    np.testing.assert_array_equal(alone.values, found.values[:40])
    np.testing.assert_array_equal(np.flatnonzero(codes == 1)[alone.parents], found.parents[:40])
    other = augmented(x, codes, {1: 40, 3: 5}, how, seed=4, region="2")
    assert (other.values != found.values).any()
    monkeypatch.setattr(augmentation, "SAMPLES_PER_STEP", 7)
    monkeypatch.setattr(augmentation, "DISTANCES_PER_STEP", 100)
    again = augmented(x, codes, {1: 40, 3: 5}, how, seed=4, region="1")
    np.testing.assert_array_equal(again.values, found.values)
    assert augmented(x, codes, {}, how, seed=4, region="1").values.shape == (0, 7)
