"""Weights of classes against scikit-learn, and labels as users write them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from iota2.compute.class_weights import class_weights, counts_by_code, sample_weights, weights_by_code
from iota2.errors import InputError


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60))
def test_balanced_weights_are_those_of_scikit_learn(codes):
    y = np.array(codes)
    classes, counts = np.unique(y, return_counts=True)
    found = class_weights("balanced", dict(zip(classes.tolist(), counts.tolist(), strict=True)))
    np.testing.assert_allclose(list(found.values()), compute_class_weight("balanced", classes=classes, y=y))
    weight = sample_weights(y, found)
    np.testing.assert_allclose(weight, compute_sample_weight("balanced", y))
    assert weight.mean() == pytest.approx(1)


def test_classes_without_a_weight_weigh_one_and_those_without_samples_nothing():
    assert class_weights({3: 2.5, 9: 7.0}, {1: 4, 3: 5, 9: 0}) == {1: 1.0, 3: 2.5}
    assert sample_weights(np.array([3, 1, 3]), {1: 1.0, 3: 2.5}).tolist() == [2.5, 1.0, 2.5]
    assert sample_weights(np.zeros(0, int), {}).shape == (0,)
    assert class_weights("balanced", {}) == {}


def test_weights_are_given_by_label_or_code():
    assert weights_by_code({"012": 2.0, "11": 1.0}, {11: 11, 12: 12}) == {11: 1.0, 12: 2.0}
    assert weights_by_code({"maize": 2.0, "1": 3.0}, {"Forêt": 1, "maize": 2}) == {1: 3.0, 2: 2.0}


def test_unknown_and_repeated_labels_are_reported():
    with pytest.raises(InputError) as error:
        weights_by_code({"maise": 1.0, "maize": 2.0, "2": 1.0, "7": 1.0}, {"Forêt": 1, "maize": 2})
    message = str(error.value)
    assert "label 'maise' is not in the reference data; did you mean 'maize'?" in message
    assert "'maize' and '2' are the same class; keep one of them" in message
    assert "label '7' is not in the reference data; the labels are Forêt, maize" in message


def test_counts_have_all_codes_in_ascending_order() -> None:
    assert [*counts_by_code(np.array([9, 2, 9, 300])).items()] == [(2, 1), (9, 2), (300, 1)]
    assert counts_by_code(np.zeros(0, np.int64)) == {}
