"""Folds of samples: groups stay together, classes are spread, and the order of samples has no effect."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iota2.compute.cross_fitting import out_of_fold_probabilities
from iota2.compute.folds import grouped_folds
from iota2.core.random import generator

samples = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 12)), max_size=60)


def folds_of(classes: np.ndarray, groups: np.ndarray, folds: int, seed: int = 0) -> np.ndarray:
    return grouped_folds(classes, groups, folds, generator(seed, "test"))


@given(samples, st.integers(1, 6))
def test_a_group_is_in_one_fold(rows, folds):
    classes, groups = np.array(rows, int).reshape(-1, 2).T
    found = folds_of(classes, groups, folds)
    assert found.shape == classes.shape
    assert ((found >= 0) & (found < folds)).all()
    for group in np.unique(groups):
        assert len(np.unique(found[groups == group])) == 1


@given(samples, st.integers(2, 5), st.randoms(use_true_random=False))
def test_the_order_of_samples_has_no_effect(rows, folds, shuffle):
    order = list(range(len(rows)))
    shuffle.shuffle(order)
    classes, groups = np.array(rows, int).reshape(-1, 2).T
    np.testing.assert_array_equal(
        folds_of(classes[order], groups[order], folds), folds_of(classes, groups, folds)[order]
    )


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 9)), min_size=1, max_size=30), st.integers(2, 5))
def test_groups_of_one_class_are_in_as_many_folds_as_possible_and_balanced(polygons, folds):
    classes = np.repeat([label for label, _ in polygons], [size for _, size in polygons])
    groups = np.repeat(np.arange(len(polygons)), [size for _, size in polygons])
    found = folds_of(classes, groups, folds)
    for label in np.unique(classes):
        own, largest = classes == label, max(size for other, size in polygons if other == label)
        expected = min(folds, sum(other == label for other, _ in polygons))
        counts = np.bincount(found[own], minlength=folds)
        assert (counts > 0).sum() == expected
        if expected == folds:
            assert counts.max() - counts.min() <= largest


def test_another_seed_gives_other_folds():
    classes, groups = np.repeat([1, 2], 40), np.arange(80)
    assert (folds_of(classes, groups, 4) != folds_of(classes, groups, 4, seed=1)).any()


def test_no_fold_is_an_error():
    with pytest.raises(ValueError, match="0 folds; expected at least 1"):
        folds_of(np.array([1]), np.array([1]), 0)


def shares_of(classes: np.ndarray):
    """A method that predicts the share of each class among its samples, and records what it learned from."""
    learned_from = []

    def fit(learned):
        learned_from.append(learned)
        _, counts = np.unique(classes[learned], return_counts=True)
        return lambda at: np.tile(counts / counts.sum(), (len(at), 1))

    return fit, learned_from


def test_each_sample_is_predicted_by_a_model_that_has_not_learned_from_its_fold():
    classes, folds = np.array([1, 1, 1, 2, 2, 5]), np.array([0, 1, 2, 0, 1, 2])
    fit, learned_from = shares_of(classes)
    found = out_of_fold_probabilities(fit, classes, folds)
    for fold, learned in enumerate(learned_from):
        assert learned.tolist() == np.flatnonzero(folds != fold).tolist()
    np.testing.assert_allclose(found[0], [2 / 4, 1 / 4, 1 / 4])
    np.testing.assert_allclose(found[2], [1 / 2, 1 / 2, 0])


def test_samples_of_a_class_that_is_unknown_outside_their_fold_have_no_probability():
    classes, folds = np.array([1, 1, 7, 7]), np.array([0, 1, 1, 1])
    found = out_of_fold_probabilities(shares_of(classes)[0], classes, folds)
    np.testing.assert_array_equal(np.isnan(found[:, 0]), [False, False, True, True])
    np.testing.assert_allclose(found[0], [1 / 3, 2 / 3])
    np.testing.assert_allclose(found[1], [1, 0])


@pytest.mark.parametrize("count", [0, 3])
def test_without_other_folds_there_are_no_probabilities(count):
    classes = np.ones(count, int)
    found = out_of_fold_probabilities(shares_of(classes)[0], classes, np.zeros(count, int))
    assert found.shape == (count, min(count, 1))
    assert np.isnan(found).all()
