"""Calibrations: distributions, order of classes, fits against libraries and slow searches, and honest results."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from iota2.compute import calibration as calibration_module
from iota2.compute.calibration import (
    METHODS,
    MIN_TEMPERATURE,
    MIN_UNIFORM,
    SLOPE,
    Isotonic,
    Temperature,
    cross_fitted,
    cross_fitted_scores,
    fit_calibration,
    fit_isotonic,
    fit_temperature,
)
from iota2.compute.folds import grouped_folds
from iota2.compute.reliability import brier_scores, expected_calibration_error
from iota2.core.random import generator

rows = arrays.arrays(float, st.tuples(st.integers(1, 12), st.integers(2, 5)), elements=st.integers(0, 20).map(float))
calibrations = st.one_of(
    st.builds(Temperature, st.floats(0.1, 10), st.floats(0, 0.9)),
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=6).map(
        lambda points: Isotonic(
            tuple(sorted({a / 50 for a, _ in points}))[: len({b for _, b in points})],
            tuple(sorted({b / 50 for _, b in points}))[: len({a for a, _ in points})],
        )
    ),
)


def normalised(values):
    values[values.sum(axis=1) == 0] = 1
    return values / values.sum(axis=1, keepdims=True)


def drawn(count=3000, classes=4, power=1.0, seed=0):
    """Probabilities of a classifier whose honest probabilities are theirs to the given power, and true classes."""
    rng = np.random.default_rng(seed)
    honest = softmax(1.5 * rng.normal(size=(count, classes)), axis=1)
    truth = (honest.cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    given = honest ** (1 / power)
    return given / given.sum(axis=1, keepdims=True), truth


@given(rows, calibrations)
def test_calibrated_probabilities_are_a_distribution_in_the_same_order(values, calibration):
    given = normalised(values)
    found = calibration.apply(given)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found >= 0).all()
    for before, after in zip(given, found, strict=True):
        order = np.argsort(before, kind="stable")
        assert (np.diff(after[order]) >= -1e-12).all()
        for share in np.unique(before):
            assert len(np.unique(after[before == share])) == 1


@given(rows, calibrations)
def test_a_row_does_not_depend_on_other_rows_and_on_the_layout_in_memory(values, calibration):
    given = normalised(values)
    whole = calibration.apply(np.asfortranarray(given))
    np.testing.assert_array_equal(
        whole, np.concatenate([calibration.apply(given[k : k + 1]) for k in range(len(given))])
    )


@given(rows, st.floats(0.1, 10), st.floats(0, 0.9))
def test_temperature_equals_the_formula(values, temperature, uniform):
    given = normalised(values)
    powers = given ** (1 / temperature)
    expected = (1 - uniform) * powers / powers.sum(axis=1, keepdims=True) + uniform / given.shape[1]
    np.testing.assert_allclose(Temperature(temperature, uniform).apply(given), expected, atol=1e-12)


def test_isotonic_interpolates_and_normalises():
    found = Isotonic((0.1, 0.5, 0.9), (0.2, 0.4, 0.6)).apply(np.array([[0.05, 0.3, 0.95]]))
    values = np.array([[0.2 - 0.05 * SLOPE, 0.3, 0.6 + 0.05 * SLOPE]])
    np.testing.assert_allclose(found, values / values.sum())


@pytest.mark.parametrize("calibration", [Temperature(0.1, 0.0), Isotonic((0.0, 1.0), (0.0, 1.0))])
def test_tiny_missing_and_zero_probabilities(calibration):
    given = np.array([[1e-300, 0.0, 0.0], [0.0, 0.0, 0.0], [np.nan, 0.5, 0.5]])
    found = calibration.apply(given)
    np.testing.assert_allclose(found[0], [1, 0, 0])
    np.testing.assert_allclose(found[1], 1 / 3)
    assert np.isnan(found[2]).all()
    assert calibration.apply(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("power", [0.4, 2.5])
def test_fitted_temperature_equals_scikit_learn(power, monkeypatch):
    monkeypatch.setattr(calibration_module, "PRIOR_SPREAD", np.inf)  # scikit-learn has none
    given, truth = drawn(power=power, seed=2)  # the best uniform share of this draw is 0, as in scikit-learn
    logits = np.log(given)
    exact = LogisticRegression()
    exact.classes_, exact.coef_, exact.intercept_ = np.arange(4), np.eye(4), np.zeros(4)
    oracle = CalibratedClassifierCV(FrozenEstimator(exact), method="temperature").fit(logits, truth)
    found = fit_temperature(given, truth)
    assert found.uniform == MIN_UNIFORM
    assert found.temperature == pytest.approx(1 / power, rel=0.02)
    np.testing.assert_allclose(found.apply(given), oracle.predict_proba(logits), atol=1e-4)


def test_fitted_temperature_is_the_best_of_a_fine_grid():
    given, truth = drawn(count=400, power=1.7)
    given[:40] = np.eye(4)[(truth[:40] + np.arange(40) % 2) % 4]  # certain, and wrong in half of the cases
    weight = np.random.default_rng(0).integers(1, 4, len(truth)).astype(float)

    def loss(temperature, uniform):
        found = Temperature(temperature, uniform).apply(given)
        prior = np.log(temperature) ** 2 / 2 / 80
        return prior - (weight * np.log(found[np.arange(len(truth)), truth])).sum() / weight.sum()

    fitted = fit_temperature(given, truth, weight=weight, groups=np.arange(len(truth)) // 5)
    grid = min(loss(t, u) for t in np.geomspace(0.2, 5, 60) for u in np.linspace(0.001, 0.4, 60))
    assert loss(fitted.temperature, fitted.uniform) <= grid + 1e-6


def test_fitted_isotonic_equals_scikit_learn():
    given, truth = drawn(count=500, power=2)
    pairs = np.eye(4)[truth].ravel()
    oracle = IsotonicRegression(out_of_bounds="clip").fit(given.ravel(), pairs)
    expected = (1 - SLOPE) * oracle.predict(given.ravel()).reshape(given.shape) + SLOPE * given
    found = fit_isotonic(given, truth).apply(given)
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), atol=1e-9)


def test_a_weight_is_a_number_of_repetitions():
    given, truth = drawn(count=200)
    often = np.random.default_rng(0).integers(1, 4, len(truth))
    each = np.arange(len(truth))
    one = fit_temperature(given, truth, weight=often.astype(float), groups=each).apply(given)
    repeated = given.repeat(often, axis=0), truth.repeat(often)
    other = fit_temperature(*repeated, groups=each.repeat(often)).apply(given)
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_without_errors_the_temperature_depends_on_the_number_of_polygons():
    """All samples are correct: the lowest log-loss is that of the lowest temperature."""
    truth = np.arange(900) % 3
    given = np.full((900, 3), 0.1) + 0.7 * np.eye(3)[truth]
    found = [fit_temperature(given, truth, groups=np.arange(900) % count).temperature for count in (10, 100, 900)]
    assert found == sorted(found, reverse=True)
    assert 0.4 < found[0] < 0.6
    assert found[2] > 2 * MIN_TEMPERATURE
    assert fit_temperature(given, truth).temperature == found[2], "each sample is a polygon"


def test_nearly_equal_probabilities_are_calibrated():
    """As of AdaBoost with many classes: the most probable class has a probability slightly above the others."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 12, 3000)
    said = np.where(rng.random(3000) < 0.9, truth, rng.integers(0, 12, 3000))
    given = np.full((3000, 12), 1.0) + 0.1 * np.eye(12)[said] + 0.01 * rng.random((3000, 12))
    given /= given.sum(axis=1, keepdims=True)
    fitted = fit_temperature(given, truth, groups=np.arange(3000) // 20)
    assert MIN_TEMPERATURE < fitted.temperature < 0.05
    assert expected_calibration_error(given, truth) > 0.7
    assert expected_calibration_error(fitted.apply(given), truth) < 0.03


def test_isotonic_calibration_keeps_the_order_outside_its_points():
    function = Isotonic((0.2, 0.5), (0.1, 0.9))
    values = np.array([[0.0, 0.05, 0.2, 0.5, 0.7, 1.0]])
    assert (np.diff(function.apply(values)[0]) > 0).all()
    assert function.apply(np.array([[1.0, 0.0]])).max() <= 1


def test_more_samples_of_the_same_polygons_do_not_change_the_temperature():
    given, truth = drawn(count=100, power=2)
    polygons = np.arange(100) // 4
    often = (given.repeat(30, axis=0), truth.repeat(30))
    more = fit_temperature(*often, groups=polygons.repeat(30))
    assert more.temperature == pytest.approx(fit_temperature(given, truth, groups=polygons).temperature, rel=1e-3)
    assert fit_temperature(*often).temperature != pytest.approx(more.temperature, rel=1e-2)


@pytest.mark.parametrize("power", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("method", METHODS)
def test_calibrated_probabilities_are_honest(method, power):
    given, truth = drawn(power=power, count=6000)
    other, other_truth = drawn(power=power, count=6000, seed=1)
    found = fit_calibration(method, given, truth).apply(other)
    assert expected_calibration_error(found, other_truth) < (0.02 if method == "temperature" else 0.035)
    if power != 1:
        assert expected_calibration_error(found, other_truth) < expected_calibration_error(other, other_truth) / 2


@pytest.mark.parametrize("method", METHODS)
def test_without_samples_or_with_one_class_nothing_changes(method):
    given, _ = drawn(count=5)
    np.testing.assert_allclose(fit_calibration(method, given[:0], np.zeros(0, int)).apply(given), given)
    alone = np.ones((3, 1))
    np.testing.assert_array_equal(fit_calibration(method, alone, np.zeros(3, int)).apply(alone), alone)


@pytest.mark.parametrize("method", METHODS)
def test_parameters_describe_the_calibration(method):
    given, truth = drawn(count=300)
    fitted = fit_calibration(method, given, truth)
    again = METHODS[method](**fitted.parameters())
    np.testing.assert_array_equal(again.apply(given), fitted.apply(given))


@pytest.mark.parametrize("method", METHODS)
def test_cross_fitted_probabilities_do_not_depend_on_the_truth_of_their_own_fold(method):
    given, truth = drawn(count=300)
    folds = grouped_folds(truth, np.arange(300) // 5, 3, generator(0, "test"))
    changed = np.where(folds == 0, (truth + 1) % 4, truth)
    one, other = (cross_fitted(method, given, values, folds) for values in (truth, changed))
    np.testing.assert_array_equal(one[folds == 0], other[folds == 0])
    assert (one[folds == 1] != other[folds == 1]).any()


def test_cross_fitted_scores_are_brier_scores_of_samples():
    given, truth = drawn(count=900, power=3)
    folds = np.arange(900) % 3
    found = cross_fitted_scores(["temperature", "isotonic"], given, truth, folds)
    np.testing.assert_array_equal(found["none"], brier_scores(given, truth))
    expected = brier_scores(cross_fitted("isotonic", given, truth, folds), truth)
    np.testing.assert_array_equal(found["isotonic"], expected)
    assert max(found["temperature"].mean(), found["isotonic"].mean()) < found["none"].mean()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Temperature(0.0, 0.0), "temperature 0.0 is not a number"),
        (lambda: Temperature(float("nan"), 0.0), "temperature nan is not a number"),
        (lambda: Temperature(True, 0.0), "temperature True is not a number"),
        (lambda: Temperature(1.0, 1.0), "uniform share 1.0 is not a number"),
        (lambda: Isotonic((), ()), "0 given and 0 found points"),
        (lambda: Isotonic((0.1, 0.2), (0.1,)), "2 given and 1 found points"),
        (lambda: Isotonic((0.1, 1.2), (0.1, 0.2)), "given points .* not numbers from 0 to 1"),
        (lambda: Isotonic((0.2, 0.1), (0.1, 0.2)), "given points .* do not ascend"),
        (lambda: Isotonic((0.1, 0.2), (0.2, 0.2)), "found points .* do not ascend"),
    ],
)
def test_impossible_calibrations_are_errors(make, said):
    with pytest.raises(ValueError, match=said):
        make()
