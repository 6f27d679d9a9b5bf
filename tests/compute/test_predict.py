"""Prediction in slices: independent of their size, with bounded memory."""

from __future__ import annotations

import tracemalloc
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iota2.compute import predict
from iota2.compute.predict import balanced_slices, from_predict_proba, predict_slices

CLASSES = (3, 11, 500)


def softmax(x: np.ndarray) -> np.ndarray:
    """Probabilities (pixel, class) from features (pixel, feature), with one feature per class."""
    weights = np.exp(x[:, : len(CLASSES)].astype(np.float64))
    return weights / weights.sum(axis=1, keepdims=True)


def test_slices_do_not_change_the_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, 40, 50)).astype(np.float32)
    selected = rng.random((40, 50)) < 0.7
    whole = predict_slices(from_predict_proba(softmax), values, selected, CLASSES)
    monkeypatch.setattr(predict, "SLICE_BYTES", 1)
    apart = predict_slices(from_predict_proba(softmax), values, selected, CLASSES)
    expected = softmax(values.reshape(5, -1).T).reshape(40, 50, 3)
    np.testing.assert_array_equal(whole.labels, np.where(selected, np.array(CLASSES)[expected.argmax(axis=2)], 0))
    np.testing.assert_array_equal(whole.confidence, np.where(selected, expected.max(axis=2), 0).astype(np.float32))
    shared = predict_slices(from_predict_proba(softmax), values, selected, CLASSES, threads=3)
    for name in ("labels", "confidence", "probabilities"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(apart, name))
        np.testing.assert_array_equal(getattr(whole, name), getattr(shared, name))
    assert not whole.probabilities[:, ~selected].any()


def test_without_selected_pixels_the_classifier_is_not_called() -> None:
    def never(x: np.ndarray, at: np.ndarray) -> np.ndarray:
        raise AssertionError

    found = predict_slices(never, np.zeros((5, 4, 6), np.float32), np.zeros((4, 6), bool), CLASSES)
    assert found.probabilities.shape == (3, 4, 6)
    assert not found.labels.any()
    assert predict_slices(never, np.zeros((5, 0, 6), np.float32), np.zeros((0, 6), bool), CLASSES).labels.size == 0


def test_temporary_memory_is_bounded() -> None:
    values = np.zeros((100, 300, 400), np.float32)
    tracemalloc.start()
    predict_slices(from_predict_proba(softmax), values, np.ones((300, 400), bool), CLASSES)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    answer = 300 * 400 * predict.prediction_bytes(len(CLASSES))
    assert peak < answer + 2 * predict.SLICE_BYTES


def test_features_are_passed_without_a_copy() -> None:
    values = np.zeros((5, 30, 40), np.float32)
    selected = np.random.default_rng(0).random((30, 40)) < 0.5
    asked: list[np.ndarray] = []

    def seen(x: np.ndarray, at: np.ndarray) -> np.ndarray:
        assert x.shape == (5, 1200)
        assert np.shares_memory(x, values)
        asked.append(at)
        return softmax(x[:, at].T)

    predict_slices(seen, values, selected, CLASSES)
    np.testing.assert_array_equal(np.concatenate(asked), np.flatnonzero(selected))


def test_predict_proba_gets_the_transpose_of_a_contiguous_array() -> None:
    def checked(x: np.ndarray) -> np.ndarray:
        assert x.shape == (3, 5)
        assert x.T.flags.c_contiguous
        return softmax(x)

    values = np.arange(20, dtype=np.float32).reshape(5, 4)
    np.testing.assert_array_equal(
        from_predict_proba(checked)(values, np.array([0, 1, 3])), softmax(values[:, [0, 1, 3]].T)
    )


def test_threads_share_the_slices_and_raise_their_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "SLICE_BYTES", 1)  # 64 pixels
    values, selected = np.zeros((5, 8, 64), np.float32), np.ones((8, 64), bool)
    together = Barrier(2, timeout=60)  # passed only if two threads run concurrently

    def both(x: np.ndarray, at: np.ndarray) -> np.ndarray:
        together.wait()
        return softmax(x[:, at].T)

    def fails(x: np.ndarray, at: np.ndarray) -> np.ndarray:
        raise ValueError(f"at {at[0]}")

    assert predict_slices(both, values, selected, CLASSES, threads=2).labels.all()
    with pytest.raises(ValueError, match="at 0"):
        predict_slices(fails, values, selected, CLASSES, threads=2)


@given(st.integers(1, 5000), st.integers(0, 100_000), st.integers(1, 9))
def test_the_threads_share_the_pixels_equally(step: int, pixels: int, threads: int) -> None:
    found = balanced_slices(step, pixels, threads)
    slices = -(-pixels // found)
    assert 1 <= found <= step
    rounds = -(-slices // threads)
    assert rounds * found <= pixels / threads + rounds, "no thread gets more than its share, but for rounding"
    assert rounds == -(-pixels // (step * threads)), "and there are no more rounds than with full slices"
