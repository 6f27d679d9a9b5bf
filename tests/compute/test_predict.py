"""From features to labels: the same whatever the slices, within bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from iota2.compute import predict
from iota2.compute.predict import predict_slices

CLASSES = (3, 11, 500)


def softmax(x: np.ndarray) -> np.ndarray:
    """(pixel, class) from features (feature, pixel): one feature of each class."""
    weights = np.exp(x[: len(CLASSES)].T.astype(np.float64))
    return weights / weights.sum(axis=1, keepdims=True)


def test_slices_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, 40, 50)).astype(np.float32)
    selected = rng.random((40, 50)) < 0.7
    whole = predict_slices(softmax, values, selected, CLASSES)
    monkeypatch.setattr(predict, "SLICE_BYTES", 1)
    apart = predict_slices(softmax, values, selected, CLASSES)
    expected = softmax(values.reshape(5, -1)).reshape(40, 50, 3)
    np.testing.assert_array_equal(whole.labels, np.where(selected, np.array(CLASSES)[expected.argmax(axis=2)], 0))
    np.testing.assert_array_equal(whole.confidence, np.where(selected, expected.max(axis=2), 0).astype(np.float32))
    for name in ("labels", "confidence", "probabilities"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(apart, name))
    assert not whole.probabilities[:, ~selected].any()


def test_without_selected_pixels_nothing_is_asked() -> None:
    def never(x: np.ndarray) -> np.ndarray:
        raise AssertionError

    found = predict_slices(never, np.zeros((5, 4, 6), np.float32), np.zeros((4, 6), bool), CLASSES)
    assert found.probabilities.shape == (3, 4, 6)
    assert not found.labels.any()
    assert predict_slices(never, np.zeros((5, 0, 6), np.float32), np.zeros((0, 6), bool), CLASSES).labels.size == 0


def test_work_beside_the_answer_is_bounded() -> None:
    values = np.zeros((100, 300, 400), np.float32)
    tracemalloc.start()
    predict_slices(softmax, values, np.ones((300, 400), bool), CLASSES)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    answer = 300 * 400 * predict.prediction_bytes(len(CLASSES))
    assert peak < answer + 2 * predict.SLICE_BYTES
