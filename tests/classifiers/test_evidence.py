"""Confusion matrix of a model on polygons from which it has not learned."""

from __future__ import annotations

import numpy as np

from iota2.classifiers.evidence import out_of_fold_confusion
from iota2.compute.cross_fitting import Predict

CODES = (1, 2, 7)


def memory(x: np.ndarray, y: np.ndarray, groups: np.ndarray):
    """A method that predicts the class of the nearest learned group number, and no group that it has learned."""

    def fit(learned: np.ndarray) -> Predict:
        known = np.unique(y[learned])

        def predict(at: np.ndarray) -> np.ndarray:
            assert not set(groups[at]) & set(groups[learned]), "the polygon of a sample was learned"
            found = np.zeros((len(at), len(known)))
            found[np.arange(len(at)), np.searchsorted(known, np.where(np.isin(x[at], known), x[at], known[0]))] = 1
            return found

        return predict

    return fit


def test_no_sample_is_predicted_by_a_model_of_its_polygon_and_all_are_counted() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 4)
    y = np.array(CODES)[groups % 3]
    x = np.where(rng.random(len(y)) < 0.8, y, 1)
    found = out_of_fold_confusion(memory(x, y, groups), y, groups, CODES, seed=0, name="1")
    expected = np.zeros((3, 3), int)
    for truth, label in zip(y, x, strict=True):
        expected[CODES.index(truth), CODES.index(label)] += 1
    np.testing.assert_array_equal(found.counts, expected)
    assert found.labels == CODES


def test_samples_made_from_others_are_not_counted_and_unknown_classes_have_no_samples() -> None:
    groups, y = np.arange(12), np.array([1, 2] * 6)
    made = np.arange(12) >= 8
    found = out_of_fold_confusion(memory(y, y, groups), y, groups, CODES, seed=0, name="1", augmented=made)
    assert found.counts.sum() == 8
    assert not found.counts[2].any()
    alone = out_of_fold_confusion(memory(y, y, groups), y, np.zeros(12, int), CODES, seed=0, name="1")
    assert not alone.counts.any(), "a single polygon cannot be predicted"
