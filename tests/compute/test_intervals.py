"""Intervals over validation polygons: range, width, coverage and reproducibility."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iota2.compute.accuracy import scores, summarise
from iota2.compute.intervals import Intervals, polygon_intervals, unresolved_range, wilson
from iota2.compute.validation import confusion_of, count_pixels
from iota2.core.random import generator
from iota2.core.tables import PolygonCounts

LABELS = (1, 2, 3)


def counted(pixels: list[tuple[int, int, int]]) -> PolygonCounts:
    """Counts of pixels given as (polygon, reference, produced)."""
    rows = np.array(pixels, dtype=np.int64).reshape(-1, 3)
    return count_pixels(*rows.T, np.zeros(len(rows), bool))


def intervals(counts: PolygonCounts, replicates: int = 1000) -> Intervals:
    return polygon_intervals(counts, LABELS, generator(0, "test"), replicates)


@st.composite
def validation(draw: st.DrawFn) -> PolygonCounts:
    polygons = draw(st.lists(st.tuples(st.sampled_from(LABELS), st.lists(st.sampled_from((0, *LABELS)), max_size=6))))
    return counted([(k, label, pixel) for k, (label, found) in enumerate(polygons) for pixel in found])


@settings(max_examples=60, deadline=None)
@given(validation())
def test_intervals_include_the_measure_and_stay_within_its_range(counts):
    found, truth = intervals(counts, 50), scores(confusion_of(counts, LABELS))
    each = [(found.overall_accuracy, truth.overall_accuracy, 0), (found.kappa, truth.kappa, -1)]
    for bounds, values in (
        (found.precision, truth.precision),
        (found.recall, truth.recall),
        (found.f_score, truth.f_score),
    ):
        each += [(bound, value, 0) for bound, value in zip(bounds, values, strict=True)]
    for bounds, value, lowest in each:
        assert (bounds is None) == np.isnan(value)
        if bounds is not None:
            assert lowest <= bounds[0] <= value + 1e-12
            assert value - 1e-12 <= bounds[1] <= 1


@st.composite
def precise(draw: st.DrawFn) -> PolygonCounts:
    """Polygons with few wrong pixels, all mapped as the same class."""
    errors = draw(st.lists(st.integers(0, 9), min_size=5, max_size=15))
    others = draw(st.integers(1, 12))
    own = [(k, 1, 2 if pixel < wrong else 1) for k, wrong in enumerate(errors) for pixel in range(40)]
    return counted([*own, *((100 + k, 2, 2) for k in range(others) for _ in range(40))])


@settings(max_examples=60, deadline=None)
@given(st.one_of(precise(), validation()))
def test_f_score_interval_is_at_least_as_wide_as_wilson_intervals_imply(counts):
    found, truth = intervals(counts, 50), scores(confusion_of(counts, LABELS))
    for precision, recall, f_score, value in zip(
        found.precision, found.recall, found.f_score, truth.f_score, strict=True
    ):
        if precision is None or recall is None:
            continue
        assert 0 <= f_score[0] <= value + 1e-12
        assert value - 1e-12 <= f_score[1] <= 1
        if 1 in (precision[1], recall[1]) and value in (0, 1):
            assert f_score[0] <= max(precision[0], recall[0]) + 1e-12


def test_wilson_interval_of_precision_widens_that_of_the_f_score():
    own = [(k, 1, 2 if pixel < 1 + k % 3 else 1) for k in range(12) for pixel in range(60)]
    found = intervals(counted([*own, *((100 + k, 2, 2) for k in range(9) for _ in range(60))]))
    low_precision, recall = found.precision[0][0], 1 - 2 / 60
    assert low_precision == pytest.approx(wilson(1.0, 12)[0])
    assert found.recall[0][0] > 0.95
    assert found.f_score[0][0] == pytest.approx(2 * low_precision * recall / (low_precision + recall))
    assert found.f_score[0][0] < 0.87


def test_few_polygons_with_errors_do_not_narrow_an_interval():
    """One wrong pixel in one of 11 polygons says as little about other polygons as none; each further one says more."""
    lows = []
    for wrong in range(12):
        own = [(k, 1, 2 if k < wrong and pixel == 0 else 1) for k in range(11) for pixel in range(60)]
        found = intervals(counted([*own, *((100 + k, 2, 2) for k in range(11) for _ in range(60))]))
        lows.append([found.recall[0][0], found.precision[1][0], found.f_score[0][0], found.overall_accuracy[0]])
        if wrong == 1:
            assert lows[1][0] == pytest.approx(0.1 + 0.9 * wilson(1.0, 11)[0], abs=0.01)
            assert found.kappa[0] < 0.8
    steps = np.diff(lows, axis=0)
    assert (steps > -0.01).all()
    assert steps.max() < 0.05
    assert np.delete(lows[-1], 2).min() > 0.97, "each of the 11 polygons has a wrong pixel"
    assert lows[-1][2] < 0.87, "the precision of class 1 is still 1 in few polygons"


def test_few_polygons_with_right_pixels_do_not_narrow_an_interval():
    """An error in 10 of 11 polygons and a right pixel in one of them: the mirror image of the test above."""
    pixels = [(k, 1, 1 if k == 0 and pixel == 0 else 2) for k in range(11) for pixel in range(60)]
    low, high = intervals(counted(pixels)).recall[0]
    assert low == 0
    assert high == pytest.approx(0.9 * wilson(0.0, 11)[1], abs=0.01)


@pytest.mark.parametrize(("polygons", "mean", "spread"), [(11, 0.97, 0.1), (20, 0.97, 0.5), (50, 0.99, 0.5)])
def test_coverage_with_errors_in_few_polygons_is_not_below_the_confidence_level(polygons, mean, spread):
    """``spread``: correlation of the pixels of a polygon. Percentiles of resamples alone cover 80 to 85 %."""
    rng, covered = np.random.default_rng(1), 0
    for _ in range(100):
        shares = rng.beta(mean * (1 / spread - 1), (1 - mean) * (1 / spread - 1), polygons)
        rights = rng.binomial(30, shares)
        pixels = [(k, 1, 1 if j < right else 2) for k, right in enumerate(rights) for j in range(30)]
        low, high = intervals(counted(pixels), 200).recall[0]
        covered += low <= mean <= high
    assert covered >= 95


@pytest.mark.parametrize("units", [0, 1, 4, 11, 200])
@given(st.floats(0, 1), st.integers(0, 20))
def test_the_unresolved_range_contains_the_value_and_shrinks_to_it(units, value, few):
    low, high = unresolved_range(value, units, few)
    assert 0 <= low <= value <= high <= 1
    if units >= 5:
        narrower = unresolved_range(value, units, few + 1)
        assert low <= narrower[0]
        assert narrower[1] <= high
        assert few < 10 or (low, high) == (value, value)
    else:
        assert low <= wilson(value, units)[0] + 1e-12


def test_equal_polygons_give_a_wilson_interval():
    found = intervals(counted([(k, 1 + k % 2, 1 + k % 2) for k in range(40) for _ in range(100)]))
    assert found.recall[0] == pytest.approx(wilson(1.0, 20))
    assert found.overall_accuracy == pytest.approx(wilson(1.0, 40))
    assert 0.7 < found.kappa[0] < 0.9
    assert found.kappa[1] == 1


def test_a_single_polygon_gives_a_wide_interval_for_any_number_of_pixels():
    pixels = [(k, 1, 1) for k in range(1, 30)] + [(0, 2, 2)] * 900 + [(0, 2, 1)] * 100
    low, high = intervals(counted(pixels)).recall[1]
    assert (low, high) == pytest.approx(wilson(0.9, 1))
    assert high - low > 0.7


def test_pixels_of_a_polygon_are_not_independent():
    rng = np.random.default_rng(3)
    right = rng.random(60) < 0.8  # all pixels of a polygon are right or wrong
    once = counted([(k, 1, 1 if ok else 2) for k, ok in enumerate(right)])
    often = counted([(k, 1, 1 if ok else 2) for k, ok in enumerate(right) for _ in range(200)])
    assert intervals(often) == intervals(once)
    low, high = intervals(often).overall_accuracy
    deviation = np.sqrt(right.mean() * (1 - right.mean()) / 60)
    assert high - low == pytest.approx(2 * 1.96 * deviation, rel=0.15)


def test_coverage_of_the_interval_is_near_its_confidence_level():
    rng, covered = np.random.default_rng(1), 0
    for _ in range(100):
        shares = rng.beta(8, 2, 60)  # of correct pixels in each polygon, with a mean of 0.8
        rights = rng.binomial(20, shares)
        pixels = [(k, 1, 1 if j < right else 2) for k, right in enumerate(rights) for j in range(20)]
        low, high = intervals(counted(pixels), 200).overall_accuracy
        covered += low <= 0.8 <= high
    assert 85 <= covered <= 100


def test_intervals_do_not_depend_on_the_order_of_the_counts():
    counts = counted([(k, 1 + k % 3, 1 + (k * k) % 3) for k in range(30) for _ in range(1 + k % 4)])
    shuffled = counts.where(np.random.default_rng(0).permutation(len(counts)))
    assert intervals(counts) == intervals(counts) == intervals(shuffled)


def test_without_mapped_pixels_all_intervals_are_undefined():
    for counts in (counted([]), counted([(1, 1, 0), (2, 2, 0)])):
        found = intervals(counts)
        assert found.overall_accuracy is found.kappa is None
        assert {*found.precision, *found.recall, *found.f_score} == {None}


def test_only_the_summary_of_a_single_run_has_polygon_intervals():
    counts = counted([(k, 1 + k % 2, 1 + (k // 7) % 2) for k in range(30)])
    one, found = confusion_of(counts, LABELS), intervals(counts)
    summary = summarise({0: one}, found)
    assert (summary.overall_accuracy.kind, summary.overall_accuracy.bounds) == ("polygons", found.overall_accuracy)
    assert (summary.f_score[0].kind, summary.f_score[0].bounds) == ("polygons", found.f_score[0])
    assert summary.f_score[2].bounds is None
    assert summarise({0: one, 1: one}, found).overall_accuracy.kind == "range"


@pytest.mark.parametrize(("share", "trials", "expected"), [(0.5, 10, (0.2366, 0.7634)), (1.0, 10, (0.7225, 1.0))])
def test_wilson_interval_equals_worked_values(share, trials, expected):
    assert wilson(share, trials) == pytest.approx(expected, abs=5e-5)
