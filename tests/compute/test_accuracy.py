"""Confusion matrices and their measures, against scikit-learn, closed forms and worked examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn import metrics

from iota2.compute.accuracy import confusion_matrix, estimate, not_validated, scores, summarise
from iota2.core.tables import Confusion

LABELS = (3, 11, 12, 211)


def matrix(counts, unmapped=None) -> Confusion:
    counts = np.array(counts, dtype=np.int64)
    zeros = np.zeros(len(counts), dtype=np.int64)
    return Confusion(tuple(range(1, len(counts) + 1)), counts, zeros if unmapped is None else np.array(unmapped))


pairs = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from((0, *LABELS))), max_size=200)


@given(pairs)
def test_matrix_and_unmapped_equal_a_count_pixel_by_pixel(pixels):
    found = confusion_matrix(*np.array(pixels, dtype=np.uint8).reshape(-1, 2).T, LABELS)
    assert found.labels == LABELS
    for r, reference in enumerate(LABELS):
        assert found.unmapped[r] == pixels.count((reference, 0))
        for c, produced in enumerate(LABELS):
            assert found.counts[r, c] == pixels.count((reference, produced))


@pytest.mark.filterwarnings("ignore::UserWarning:sklearn", "ignore::RuntimeWarning:sklearn")
@given(pairs.filter(lambda pixels: any(p for _, p in pixels)))
def test_measures_equal_scikit_learn_where_they_are_defined(pixels):
    reference, produced = np.array([pixel for pixel in pixels if pixel[1]]).T
    found = scores(confusion_matrix(reference, produced, LABELS))
    precision, recall, f_score, support = metrics.precision_recall_fscore_support(
        reference, produced, labels=LABELS, zero_division=np.nan
    )
    validated = support > 0
    np.testing.assert_array_equal(found.support, support)
    np.testing.assert_allclose(found.recall, recall)
    np.testing.assert_allclose(found.precision[validated], precision[validated])
    np.testing.assert_allclose(found.f_score[validated], f_score[validated])
    assert np.isnan(found.f_score[~validated]).all()
    assert np.isnan(found.precision[~validated]).all()
    assert found.overall_accuracy == pytest.approx(metrics.accuracy_score(reference, produced))
    if len({*reference, *produced}) > 1:
        assert found.kappa == pytest.approx(metrics.cohen_kappa_score(reference, produced), abs=1e-12)
    else:
        assert math.isnan(found.kappa)


@given(
    hnp.arrays(np.int64, (4, 6), elements=st.sampled_from(LABELS)),
    hnp.arrays(np.int64, (4, 6), elements=st.sampled_from((0, *LABELS))),
    st.integers(0, 4),
)
def test_matrices_of_blocks_add_up_to_the_matrix_of_the_whole(reference, produced, cut):
    whole = confusion_matrix(reference, produced, LABELS)
    parts = confusion_matrix(reference[:cut], produced[:cut], LABELS) + confusion_matrix(
        reference[cut:], produced[cut:], LABELS
    )
    np.testing.assert_array_equal(parts.counts, whole.counts)
    np.testing.assert_array_equal(parts.unmapped, whole.unmapped)


def test_rows_are_the_reference_and_columns_the_map():
    found = confusion_matrix(np.array([1, 1, 2]), np.array([2, 2, 2]), [2, 1])
    np.testing.assert_array_equal(found.counts, [[0, 2], [0, 1]])


def test_unknown_labels_are_an_error():
    with pytest.raises(ValueError, match="map values 9 are not among the labels 1, 2"):
        confusion_matrix(np.array([1, 2]), np.array([1, 9]), [1, 2])
    with pytest.raises(ValueError, match="reference values 0"):
        confusion_matrix(np.array([0, 2]), np.array([1, 1]), [1, 2])
    with pytest.raises(ValueError, match="shape"):
        confusion_matrix(np.array([1, 2]), np.array([1]), [1, 2])


def test_a_class_without_reference_pixels_is_undefined_and_listed():
    found = matrix([[5, 0, 3], [0, 4, 0], [0, 0, 0]])
    measured = scores(found)
    assert not_validated(found) == (3,)
    for values in (measured.precision, measured.recall, measured.f_score):
        assert np.isnan(values[2])
        assert not np.isnan(values[:2]).any()


def test_a_class_never_mapped_has_recall_and_f_score_zero_and_no_precision():
    measured = scores(matrix([[5, 0], [3, 0]]))
    assert measured.recall[1] == measured.f_score[1] == 0
    assert np.isnan(measured.precision[1])


def test_a_class_mapped_in_wrong_places_only_has_f_score_zero():
    measured = scores(matrix([[5, 2], [3, 0]]))
    assert measured.precision[1] == measured.recall[1] == measured.f_score[1] == 0


def test_a_run_that_never_maps_a_class_lowers_its_mean_f_score():
    found = summarise({0: matrix([[5, 0], [0, 4]]), 1: matrix([[5, 0], [4, 0]])})
    assert (found.f_score[1].mean, found.f_score[1].runs) == (0.5, 2)
    assert (found.precision[1].mean, found.precision[1].runs) == (1, 1)


def test_unmapped_pixels_are_excluded_from_all_measures():
    with_holes, without = scores(matrix([[5, 1], [2, 8]], [100, 3])), scores(matrix([[5, 1], [2, 8]]))
    assert with_holes.overall_accuracy == without.overall_accuracy == 13 / 16
    np.testing.assert_array_equal(with_holes.support, [6, 10])


def test_without_pixels_all_measures_are_undefined():
    nothing = np.array([], dtype=np.uint8)
    found = scores(confusion_matrix(nothing, nothing, [1, 2]))
    assert math.isnan(found.overall_accuracy)
    assert math.isnan(found.kappa)
    assert np.isnan([found.precision, found.recall, found.f_score]).all()
    assert not_validated(matrix([[0, 0], [0, 0]])) == (1, 2)


def test_kappa_equals_the_worked_example_of_cohen_1960():
    proportions = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]  # Cohen (1960), table 1, 200 judgements: kappa .49
    assert scores(matrix(proportions)).kappa == pytest.approx(0.49, abs=0.005)


def test_kappa_of_large_counts_does_not_overflow():
    big = 10**10
    assert scores(matrix([[9 * big, big], [big, 9 * big]])).kappa == pytest.approx(0.8)


@given(st.lists(st.floats(0, 1), min_size=4, max_size=12))
def test_interval_is_a_clipped_student_interval(values):
    found = estimate([*values, math.nan])
    error = stats.sem(values)
    assert (found.runs, found.kind) == (len(values), "student")
    assert found.mean == pytest.approx(np.mean(values))
    if error > 1e-12:
        low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=error)
        assert found.bounds == pytest.approx((max(0, low), min(1, high)))
        whole = low >= 0 and high <= 1
        assert found.half_width == (pytest.approx((high - low) / 2) if whole else None)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=3))
def test_spread_of_two_or_three_runs_is_their_range(values):
    found = estimate([*values, math.nan])
    assert (found.kind, found.bounds, found.half_width) == ("range", (min(values), max(values)), None)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12))
def test_interval_of_kappa_is_clipped_at_minus_one(values):
    low, high = estimate(values, lowest=-1).bounds
    assert -1 <= low <= high <= 1


def test_an_interval_needs_two_defined_values_and_is_zero_without_spread():
    assert estimate([0.5, math.nan]) == estimate([0.5])
    assert estimate([0.5]).bounds is None
    assert estimate([0.5] * 4).half_width == 0
    assert math.isnan(estimate([math.nan]).mean)
    assert estimate([]).runs == 0


def test_summary_is_over_seeds_without_undefined_values():
    found = summarise({0: matrix([[8, 2], [1, 9]]), 1: matrix([[6, 4], [0, 0]])})
    assert found.runs == 2
    np.testing.assert_array_equal(found.mean_counts, [[7, 3], [0.5, 4.5]])
    assert found.recall[0].mean == pytest.approx(0.7)
    assert found.recall[1] == estimate([0.9])
    assert found.overall_accuracy == estimate([0.85, 0.6])


def test_summary_needs_matrices_with_the_same_labels():
    with pytest.raises(ValueError, match="all with the same labels"):
        summarise({})
    with pytest.raises(ValueError, match="all with the same labels"):
        summarise({0: matrix([[1]]), 1: matrix([[1, 0], [0, 1]])})
