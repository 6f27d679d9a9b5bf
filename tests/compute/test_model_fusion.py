"""Fusion of the predictions of several models for one block, against slow versions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iota2.compute.label_fusion import majority_vote, mean_probabilities, resolve_undecided, vote_confidence
from iota2.compute.model_fusion import Blend, ModelFusion, in_all_classes, inside, mean_of_sensors, most_probable
from iota2.compute.predict import Prediction

CODES = (1, 4, 9)
SHAPE = (5, 7)


def predicted(rng: np.random.Generator, unlabelled: float = 0.2, shape: tuple[int, int] = SHAPE) -> Prediction:
    """A random prediction; a share of the pixels has no label."""
    probabilities = rng.dirichlet(np.ones(len(CODES)), shape).transpose(2, 0, 1).astype(np.float32)
    seen = rng.random(shape) >= unlabelled
    found = most_probable(probabilities, CODES, seen)
    return Prediction(found.labels, found.confidence, np.where(seen, probabilities, 0).astype(np.float32))


def test_probabilities_of_a_model_that_lacks_a_class() -> None:
    rng = np.random.default_rng(0)
    shares = rng.random((2, *SHAPE)).astype(np.float32)
    few = Prediction(np.ones(SHAPE, np.uint16), np.ones(SHAPE, np.float32), shares)
    found = in_all_classes(few, np.array([0, 2]), 3)
    np.testing.assert_array_equal(found.probabilities[[0, 2]], shares)
    assert not found.probabilities[1].any()
    assert in_all_classes(found, np.arange(3), 3) is found


def test_a_prediction_inside_an_area_is_0_elsewhere() -> None:
    one, where = predicted(np.random.default_rng(1)), np.random.default_rng(2).random(SHAPE) < 0.5
    found = inside(one, where)
    for layer, whole in ((found.labels, one.labels), (found.confidence, one.confidence)):
        np.testing.assert_array_equal(layer[where], whole[where])
        assert not layer[~where].any()
        assert layer.dtype == whole.dtype
    assert not found.probabilities[:, ~where].any()


@pytest.mark.parametrize("rule", ["maxConfidence", "learningPriority"])
def test_votes_of_models(rule: str) -> None:
    rng = np.random.default_rng(3)
    models = [predicted(rng) for _ in range(4)]
    labels, confidence = np.stack([m.labels for m in models]), np.stack([m.confidence for m in models])
    found = ModelFusion(CODES, "majorityvoting", rule).fused(models)  # type: ignore[arg-type]
    expected = resolve_undecided(majority_vote(labels), labels, confidence, rule)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.labels, expected)
    np.testing.assert_array_equal(found.confidence, vote_confidence(expected, labels, confidence))
    shares = mean_probabilities(labels, np.stack([m.probabilities for m in models]))
    np.testing.assert_array_equal(found.probabilities, shares)
    assert ((found.labels > 0) == (labels > 0).any(axis=0)).all()


def test_the_mean_of_models_that_have_a_label() -> None:
    rng = np.random.default_rng(4)
    models = [predicted(rng, 0.5) for _ in range(3)]
    found = ModelFusion(CODES, "mean", "maxConfidence").fused(models)
    for y, x in np.ndindex(SHAPE):
        seen = [m.probabilities[:, y, x].astype(float) for m in models if m.labels[y, x]]
        if not seen:
            assert found.labels[y, x] == found.confidence[y, x] == 0
            continue
        mean = np.mean(seen, axis=0)
        assert found.labels[y, x] == CODES[int(mean.astype(np.float32).argmax())]
        assert found.confidence[y, x] == pytest.approx(mean.max(), abs=1e-6)


def test_the_mean_of_optical_and_radar_models() -> None:
    rng = np.random.default_rng(5)
    optical, sar = predicted(rng, 0.4), predicted(rng, 0.4)
    found = mean_of_sensors(optical, sar, CODES)
    whole = ModelFusion(CODES, "mean", "maxConfidence").fused([optical, sar])
    np.testing.assert_array_equal(found.prediction.labels, whole.labels)
    for y, x in np.ndindex(SHAPE):
        label, of_optical, of_sar = (one[y, x] for one in (whole.labels, optical.labels, sar.labels))
        if not label:
            expected = 0
        elif label == of_optical:
            expected = 1 if label == of_sar else 3
        else:
            expected = 2 if label == of_sar else 4
        assert found.choice[y, x] == expected
        if not of_optical:
            assert label == of_sar, "a source without a label does not count"
    assert {0, 1, 2, 3, 4} >= set(np.unique(found.choice)) >= {1, 2, 3}


def test_masses_decide_between_models_that_disagree() -> None:
    labels = np.array([[[1]], [[4]]], np.uint16)
    shares = [Prediction(one, np.full((1, 1), 0.5, np.float32), np.zeros((3, 1, 1), np.float32)) for one in labels]
    masses = np.array([[0.9, 0, 0], [0, 0.6, 0]])
    assert ModelFusion(CODES, "dempstershafer", "maxConfidence", masses).fused(shares).labels[0, 0] == 1
    masses = np.array([[0.5, 0, 0], [0, 0.6, 0]])
    assert ModelFusion(CODES, "dempstershafer", "maxConfidence", masses).fused(shares).labels[0, 0] == 4


@settings(max_examples=30)
@given(st.integers(1, 4), st.integers(0, 1000))
def test_blending_is_the_weighted_mean_of_the_regions(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    models = [predicted(rng) for _ in range(count)]
    weights = [np.where(rng.random(SHAPE) < 0.5, rng.random(SHAPE), 0).astype(np.float32) for _ in range(count)]
    blend = Blend(CODES, SHAPE)
    for model, weight in zip(models, weights, strict=True):
        blend.add(model, weight)
    found = blend.result()
    for y, x in np.ndindex(SHAPE):
        used = [(m, float(w[y, x])) for m, w in zip(models, weights, strict=True) if w[y, x] > 0 and m.labels[y, x]]
        if not used:
            assert found.labels[y, x] == found.confidence[y, x] == 0
            continue
        total = sum(w for _, w in used)
        mean = sum(w * m.probabilities[:, y, x].astype(float) for m, w in used) / total
        np.testing.assert_allclose(found.probabilities[:, y, x], mean, atol=1e-6)
        if len(used) == 1:
            assert found.labels[y, x] == used[0][0].labels[y, x]
            assert found.confidence[y, x] == used[0][0].confidence[y, x]
        elif np.sort(mean)[-1] - np.sort(mean)[-2] > 1e-5:
            assert found.labels[y, x] == CODES[int(mean.argmax())]
            assert found.confidence[y, x] == pytest.approx(mean.max(), abs=1e-6)


def test_a_pixel_may_be_blended_from_more_than_255_regions() -> None:
    blend = Blend((1, 2), (1, 1))
    for number in range(257):
        label = 2 if number == 256 else 1
        probabilities = np.array([[[0.9 if label == code else 0.1]] for code in (1, 2)], np.float32)
        one = Prediction(np.full((1, 1), label, np.uint16), np.full((1, 1), 0.9, np.float32), probabilities)
        blend.add(one, np.ones((1, 1), np.float32))
    assert blend.result().labels[0, 0] == 1


def test_blending_does_not_depend_on_blocks() -> None:
    rng = np.random.default_rng(7)
    models = [predicted(rng, shape=(12, 16)) for _ in range(3)]
    weights = [rng.random((12, 16)).astype(np.float32) for _ in range(3)]

    def blended(rows: slice, cols: slice) -> Prediction:
        part = (slice(None), rows, cols)
        blend = Blend(CODES, models[0].labels[rows, cols].shape)
        for m, w in zip(models, weights, strict=True):
            cut = Prediction(m.labels[rows, cols], m.confidence[rows, cols], m.probabilities[part])
            blend.add(cut, w[rows, cols])
        return blend.result()

    whole = blended(slice(None), slice(None))
    for rows in (slice(0, 5), slice(5, 12)):
        for cols in (slice(0, 3), slice(3, 16)):
            piece = blended(rows, cols)
            np.testing.assert_array_equal(piece.labels, whole.labels[rows, cols])
            np.testing.assert_array_equal(piece.confidence, whole.confidence[rows, cols])
