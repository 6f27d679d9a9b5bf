"""Reliability: diagrams, calibration errors and Brier scores against slow versions and known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import brier_score_loss

from iota2.compute.intervals import wilson
from iota2.compute.reliability import (
    brier_scores,
    classwise_errors,
    confidence_of,
    diagram,
    expected_calibration_error,
    grouped_mean,
    mass_bins,
    reliability,
)
from iota2.core.random import generator

cases = st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.integers(0, 4), st.integers(0, 6)), max_size=60)


def columns_of(rows):
    probability, correct, mass, polygon = (np.array(values) for values in zip(*rows, strict=True))
    return probability / 20, correct, mass.astype(float), polygon


def slow_bins(values, mass, bins):
    """The bin of each value: that of the middle of the mass of equal values, in units of the mass of a bin."""
    found = []
    for value in values:
        below, equal = sum(mass[values < value]), sum(mass[values == value])
        found.append(min(bins - 1, int(bins * (below + equal / 2) / sum(mass))))
    return found


@given(cases, st.integers(1, 20))
def test_bins_equal_a_slow_version(rows, bins):
    if not rows or not sum(row[2] for row in rows):
        return
    probability, _, mass, _ = columns_of(rows)
    np.testing.assert_array_equal(mass_bins(probability, mass, bins), slow_bins(probability, mass, bins))


def test_different_values_fill_bins_of_equal_mass():
    rng = np.random.default_rng(0)
    assert np.bincount(mass_bins(rng.random(1500), np.ones(1500))).tolist() == [100] * 15


@given(cases)
def test_error_brier_score_and_excess_equal_slow_versions(rows):
    if not rows or not sum(row[2] for row in rows):
        return
    probability, correct, mass, polygon = columns_of(rows)
    found, total = reliability(probability, correct, polygon, mass), mass.sum()
    of, error = np.array(slow_bins(probability, mass, 15)), 0.0
    for k in range(15):
        part = (of == k) & (mass > 0)
        if part.any():
            share = np.average(correct[part], weights=mass[part])
            error += mass[part].sum() / total * abs(share - np.average(probability[part], weights=mass[part]))
    assert found.error == pytest.approx(error, abs=1e-12)
    assert found.excess == pytest.approx((mass * (probability - correct)).sum() / total, abs=1e-12)
    assert found.brier == pytest.approx(brier_score_loss(correct, probability, sample_weight=mass, pos_label=True))
    assert found.diagram.mass.sum() == pytest.approx(1)
    assert (np.diff(found.diagram.probability) > -1e-12).all()


def test_mass_is_the_number_of_repetitions():
    probability, correct, mass, _ = columns_of([(5, True, 3, 0), (5, False, 1, 0), (11, True, 2, 0), (19, True, 4, 0)])
    often = mass.astype(int)
    one, other = diagram(probability, correct, mass), diagram(np.repeat(probability, often), np.repeat(correct, often))
    np.testing.assert_allclose(one.correct, other.correct)
    assert one.error == pytest.approx(other.error)


def test_a_diagram_of_honest_probabilities_is_close_to_the_diagonal_and_a_power_of_them_is_not():
    rng = np.random.default_rng(1)
    probability = rng.random(40_000)
    correct = rng.random(40_000) < probability
    assert diagram(probability, correct).error < 0.01
    assert diagram(probability**2, correct).error == pytest.approx(1 / 2 - 1 / 3, abs=0.01)
    assert diagram(probability**2, correct).excess == pytest.approx(1 / 3 - 1 / 2, abs=0.01)


def test_without_cases_everything_is_undefined():
    found = reliability(np.zeros(0), np.zeros(0, bool), np.zeros(0, int), rng=generator(0, "test"))
    assert np.isnan([found.error, found.excess, found.brier]).all()
    assert (found.polygons, found.error_bounds) == (0, None)


def test_intervals_contain_the_values_and_need_polygons():
    rng = np.random.default_rng(2)
    polygon = np.repeat(np.arange(30), 20)
    probability = rng.random(600)
    correct = rng.random(600) < probability
    found = reliability(probability, correct, polygon, rng=generator(0, "test"))
    for value, bounds in (
        (found.error, found.error_bounds),
        (found.excess, found.excess_bounds),
        (found.brier, found.brier_bounds),
    ):
        assert bounds[0] <= value <= bounds[1]
        assert bounds[1] > bounds[0]
    few = reliability(probability, correct, polygon % 4, rng=generator(0, "test"))
    assert few.error_bounds is None
    again = reliability(probability, correct, polygon, rng=generator(0, "test"))
    assert again.error_bounds == found.error_bounds


def test_intervals_of_the_excess_have_the_width_of_a_mean_over_polygons():
    """Polygons are all right or all wrong, so the standard error is that of a share of 50 polygons, not of pixels."""
    rng = np.random.default_rng(3)
    right = rng.random(50) < 0.7
    polygon = np.repeat(np.arange(50), 40)
    found = reliability(np.full(2000, 0.7), right[polygon], polygon, rng=generator(0, "test"), replicates=4000)
    width = found.excess_bounds[1] - found.excess_bounds[0]
    assert width == pytest.approx(2 * 1.96 * right.std() / np.sqrt(50), rel=0.06)


def test_a_polygon_without_mass_does_not_count():
    mass = np.repeat([0.0, 1.0], [8, 1])
    found = reliability(np.full(9, 0.5), np.ones(9, bool), np.arange(9), mass, rng=generator(0, "test"), replicates=200)
    assert (found.error, found.polygons, found.error_bounds) == (0.5, 1, None)


def test_few_polygons_with_errors_do_not_narrow_intervals():
    """Polygons without errors do not show that others have none, whatever the number of their pixels."""
    unseen = 1 - wilson(1.0, 11)[0]
    for wrong in (0, 1, 2):
        polygon = np.repeat(np.arange(11), 60)
        correct = (np.arange(660) % 60 > 0) | (polygon >= wrong)
        found = reliability(np.full(660, 0.9), correct, polygon, rng=generator(0, "test"))
        low, high = found.excess_bounds
        assert low == pytest.approx(-0.1, abs=0.01)
        assert high == pytest.approx(-0.1 + (1 - wrong / 10) * unseen, abs=0.01)
        assert found.error_bounds[0] == 0
        assert found.error_bounds[1] == pytest.approx(0.1 + (1 - wrong / 10) * unseen, abs=0.01)
        assert found.brier_bounds[1] == pytest.approx(0.01 + (1 - wrong / 10) * unseen * 0.8, abs=0.01)
    correct = np.arange(660) % 60 > 3
    assert np.ptp(reliability(np.full(660, 0.9), correct, polygon, rng=generator(0, "test")).excess_bounds) < 0.001


@given(arrays.arrays(float, (6, 3), elements=st.floats(0.01, 1)), st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_brier_scores_equal_the_definition(raw, columns):
    probabilities, columns = raw / raw.sum(axis=1, keepdims=True), np.array(columns)
    expected = ((probabilities - np.eye(3)[columns]) ** 2).sum(axis=1)
    np.testing.assert_allclose(brier_scores(probabilities, columns), expected, atol=1e-12)


def test_a_grouped_mean_has_the_error_of_groups():
    rng = np.random.default_rng(0)
    levels = rng.normal(size=400)
    for size in (1, 25):
        mean, error = grouped_mean(np.repeat(levels, size), np.repeat(np.arange(400), size))
        assert mean == pytest.approx(levels.mean())
        assert error == pytest.approx(levels.std() / 20)
    assert np.isnan(grouped_mean(np.zeros(0), np.zeros(0, int))).all()


def test_confidence_is_that_of_the_first_of_equal_classes():
    confidence, correct = confidence_of(np.array([[0.4, 0.4, 0.2], [0.1, 0.2, 0.7]]), np.array([1, 2]))
    assert confidence.tolist() == [0.4, 0.7]
    assert correct.tolist() == [False, True]


def test_errors_by_class_use_the_probability_of_that_class():
    probabilities, columns = np.array([[0.5, 0.5, 0.0]] * 4), np.array([0, 0, 0, 1])
    np.testing.assert_allclose(classwise_errors(probabilities, columns), [0.25, 0.25, 0])
    assert expected_calibration_error(probabilities, columns) == pytest.approx(0.25)
