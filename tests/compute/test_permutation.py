"""Importance by permutation, compared with a slow evaluation and with known answers; even draws from polygons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import permutation_importance

from iota2.compute.permutation import ValidationSample, draw_evenly, even_quotas, permutation_losses


def sample(count: int = 400, features: int = 5, seed: int = 0) -> ValidationSample:
    """Pixels of 20 polygons; the class depends on features 0 and 1 only."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(features, count)).astype(np.float32)
    polygons = np.arange(count) % 20
    return ValidationSample(values, labels(values), polygons, rng.uniform(1, 5, count))


def labels(values: np.ndarray) -> np.ndarray:
    return np.where(values[0] > 0, 1, 2) + np.where(values[1] > 1, 10, 0)


def noisy(values: np.ndarray) -> np.ndarray:
    """A model that is wrong where feature 2 is large."""
    return np.where(values[2] > 1, 1, labels(values))


@pytest.mark.parametrize("repeats", [1, 3])
def test_losses_equal_a_slow_evaluation(repeats: int) -> None:
    given, groups = sample(), [[0], [1, 2], [3, 4], [0, 1, 2, 3, 4]]
    found = permutation_losses(noisy, given, groups, repeats=repeats, rng=np.random.default_rng(7))
    rng = np.random.default_rng(7)
    orders = [rng.permutation(400) for _ in range(repeats)]
    total = given.weights.sum()
    right = noisy(given.values) == given.codes
    assert found.accuracy == pytest.approx(sum(given.weights[right]) / total)
    for group, loss, error in zip(groups, found.losses, found.errors, strict=True):
        lost = np.zeros(400)
        for pixel in range(400):
            for order in orders:
                one = given.values[:, pixel].copy()
                for feature in group:
                    one[feature] = given.values[feature, order[pixel]]
                wrong_now = noisy(one[:, None])[0] != given.codes[pixel]
                lost[pixel] += (int(right[pixel]) - int(not wrong_now)) / repeats
        mean = sum(given.weights * lost) / total
        assert loss == pytest.approx(mean)
        sums = [sum((given.weights * (lost - mean))[given.polygons == polygon]) for polygon in range(20)]
        assert error == pytest.approx(np.sqrt(20 / 19 * sum(value**2 for value in sums)) / total)


def test_features_without_influence_lose_nothing_and_values_are_not_changed() -> None:
    given = sample()
    before = given.values.copy()
    found = permutation_losses(labels, given, [[2, 3], [4], [0]], repeats=2, rng=np.random.default_rng(0))
    assert found.accuracy == 1
    assert found.losses[:2].tolist() == [0, 0]
    assert found.errors[:2].tolist() == [0, 0]
    assert found.losses[2] > 0.3
    np.testing.assert_array_equal(given.values, before)


def test_losses_of_single_features_are_those_of_scikit_learn_within_noise() -> None:
    given = replace(sample(3000), weights=np.ones(3000))
    forest = RandomForestClassifier(20, random_state=0).fit(given.values.T, given.codes)
    found = permutation_losses(
        lambda values: forest.predict(values.T), given, [[f] for f in range(5)], repeats=5, rng=np.random.default_rng(0)
    )
    oracle = permutation_importance(forest, given.values.T, given.codes, n_repeats=5, random_state=1)
    np.testing.assert_allclose(found.losses, oracle.importances_mean, atol=0.02)


def test_the_standard_error_is_the_spread_of_losses_over_polygons() -> None:
    """Over many samples of polygons, whose pixels are equal, losses spread as their standard error says."""
    losses, errors = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        centres = rng.normal(size=(2, 30)).astype(np.float32)
        polygons = np.repeat(np.arange(30), 4)
        values = np.repeat(centres, 4, axis=1)
        given = ValidationSample(values, np.where(values[0] > 0, 1, 2), polygons, np.ones(120))
        model = lambda x: np.where(x[0] > 0, np.where(x[1] > 1, 2, 1), 2)  # noqa: E731
        found = permutation_losses(model, given, [[0]], repeats=20, rng=rng)
        losses.append(found.losses[0])
        errors.append(found.errors[0])
    assert np.std(losses) == pytest.approx(np.mean(errors), rel=0.35)


def test_without_pixels_and_with_one_polygon_undefined_values_are_nan() -> None:
    nothing = ValidationSample(np.zeros((3, 0), np.float32), *(np.zeros(0, int) for _ in range(2)), np.zeros(0))
    found = permutation_losses(labels, nothing, [[0], [1]], repeats=1, rng=np.random.default_rng(0))
    assert np.isnan([found.accuracy, *found.losses, *found.errors]).all()
    one = replace(sample(), polygons=np.zeros(400, int))
    found = permutation_losses(labels, one, [[0]], repeats=1, rng=np.random.default_rng(0))
    assert found.losses[0] > 0
    assert np.isnan(found.errors[0])


@given(counts=st.lists(st.integers(1, 60), min_size=1, max_size=30), most=st.integers(1, 300))
def test_quotas_are_even_and_use_all_that_is_allowed(counts: list[int], most: int) -> None:
    available = np.array(counts)
    found = even_quotas(available, most, np.random.default_rng(0))
    assert found.sum() == min(most, available.sum())
    assert (found <= available).all()
    limited = found[found < available]
    assert limited.size == 0 or found.max() <= limited.min() + 1


def test_drawn_pixels_stand_for_all_pixels_of_their_class() -> None:
    codes = np.repeat([1, 1, 2, 3], [500, 20, 40, 300])
    polygons = np.repeat([1, 2, 3], [500, 20, 340])
    found = draw_evenly(codes, polygons, 100, np.random.default_rng(0))
    for code, count in ((1, 520), (2, 40), (3, 300)):
        assert found[codes == code].sum() == pytest.approx(count)
        assert np.count_nonzero(found[codes == code]) == min(100, count)
    assert np.count_nonzero(found[polygons == 2]) == 20
    assert set(found[codes == 2]) == {1.0}


def test_of_more_polygons_than_pixels_some_are_drawn() -> None:
    found = draw_evenly(np.ones(300, int), np.arange(300), 10, np.random.default_rng(0))
    assert np.count_nonzero(found) == 10
    assert found.sum() == pytest.approx(300)
    assert draw_evenly(np.zeros(0, int), np.zeros(0, int), 10, np.random.default_rng(0)).size == 0
