"""Smoothing of probabilities and labels against slow versions, block by block, and at special values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iota2.compute.smoothing import (
    MIN_PROBABILITY,
    BayesianSmoothing,
    mean_confidence,
    smoothed_labels,
    smoothed_probabilities,
    smoothness_of,
)

SIDES, WINDOWS = st.integers(1, 12), st.sampled_from([1, 3, 5, 9])


def shares(seed: int, classes: int, shape: tuple[int, int], share: float) -> tuple[np.ndarray, np.ndarray]:
    """Random probabilities in thousandths, and labelled pixels; the others have the nodata value."""
    rng = np.random.default_rng(seed)
    values = np.rint(rng.dirichlet(np.full(classes, 0.4), shape).transpose(2, 0, 1) * 1000).astype(np.uint16)
    labelled = rng.random(shape) < share
    values[:, ~labelled] = 65535
    return values, labelled


def slow(values: np.ndarray, labelled: np.ndarray, options: BayesianSmoothing) -> np.ndarray:
    """The formula of the paper, pixel by pixel."""
    p = np.clip(values / 1000, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    logit, out, r = np.log(p / (1 - p)), np.zeros(values.shape), options.window // 2
    for y, x in np.argwhere(labelled):
        window = np.s_[max(0, y - r) : y + r + 1, max(0, x - r) : x + r + 1]
        for c, smoothness in enumerate(options.smoothness):
            near = np.sort(logit[c][window][labelled[window]])[::-1]
            used = near[: math.ceil(round(options.fraction * len(near), 6))]
            mean, variance, own = used.mean(), used.var(), logit[c, y, x]
            if variance < 1e-12:
                posterior = mean if smoothness > 0 else own
            else:
                posterior = (variance * own + smoothness * mean) / (variance + smoothness)
            out[c, y, x] = 1 / (1 + math.exp(-posterior))
        out[:, y, x] /= out[:, y, x].sum()
    return out


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 99), st.tuples(SIDES, SIDES), st.tuples(WINDOWS, st.sampled_from([0.1, 0.5, 0.7, 1.0])),
    st.sampled_from([0.0, 0.3, 1.0]), st.lists(st.sampled_from([0.0, 0.5, 20.0, 1e3]), min_size=1, max_size=4),
)  # fmt: skip
def test_bayesian_smoothing_equals_the_slow_formula(
    seed: int, shape: tuple[int, int], window: tuple[int, float], share: float, smoothness: list[float]
) -> None:
    values, labelled = shares(seed, len(smoothness), shape, share)
    options = BayesianSmoothing(*window, tuple(smoothness))
    np.testing.assert_allclose(
        smoothed_probabilities(values, labelled, options), slow(values, labelled, options), atol=2e-4
    )


def labels_of(seed: int, shape: tuple[int, int], classes: int = 4) -> np.ndarray:
    """Random labels in patches, some of them 0."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, classes + 1, (shape[0] // 3 + 1, shape[1] // 3 + 1))
    whole = np.kron(coarse, np.ones((3, 3), int))[: shape[0], : shape[1]]
    noisy = rng.random(shape) < 0.3
    return np.where(noisy, rng.integers(0, classes + 1, shape), whole).astype(np.uint8) * 11


def slow_majority(labels: np.ndarray, window: int) -> np.ndarray:
    out, r = np.zeros_like(labels), window // 2
    for y, x in np.argwhere(labels > 0):
        near = labels[max(0, y - r) : y + r + 1, max(0, x - r) : x + r + 1]
        codes, counts = np.unique(near[near > 0], return_counts=True)
        best = codes[counts == counts.max()]
        out[y, x] = labels[y, x] if labels[y, x] in best else best.min()
    return out


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 99), SIDES, SIDES, st.sampled_from([1, 3, 5, 7]))
def test_majority_equals_the_slow_filter(seed: int, height: int, width: int, window: int) -> None:
    labels = labels_of(seed, (height, width))
    np.testing.assert_array_equal(smoothed_labels(labels, window), slow_majority(labels, window))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 99), st.sampled_from([3, 5, 9]), st.integers(1, 40), st.integers(1, 40))
def test_blocks_with_a_halo_equal_the_whole(seed: int, window: int, rows: int, cols: int) -> None:
    values, labelled = shares(seed, 3, (29, 37), 0.8)
    labels, confidence = labels_of(seed, labelled.shape), np.random.default_rng(seed).random(labelled.shape)
    options = BayesianSmoothing(window, 0.5, (20.0, 1.0, 0.0))

    def all_of(place: tuple[slice, slice]) -> list[np.ndarray]:
        new = smoothed_labels(labels[place], window)
        share = mean_confidence(confidence[place], labels[place], new, window)
        return [*smoothed_probabilities(values[:, *place], labelled[place], options), new, share]

    whole = all_of(np.s_[:, :])
    halo = options.halo
    for top in range(0, 29, rows):
        for left in range(0, 37, cols):
            place = np.s_[max(0, top - halo) : top + rows + halo, max(0, left - halo) : left + cols + halo]
            cut = np.s_[min(top, halo) :, min(left, halo) :]
            own = np.s_[top : top + rows, left : left + cols]
            for part, full in zip(all_of(place), whole, strict=True):
                np.testing.assert_array_equal(part[cut][:rows, :cols], full[own])


def test_the_share_is_the_mean_confidence_of_pixels_with_the_new_label() -> None:
    labels = np.array([[1, 1, 2]], np.uint8)
    confidence = np.array([[0.5, 0.25, 0.9]], np.float32)
    new = np.array([[1, 1, 1]], np.uint8)
    np.testing.assert_allclose(mean_confidence(confidence, labels, new, 5), [[0.375, 0.375, 0.375]])
    np.testing.assert_allclose(mean_confidence(confidence, labels, new, 3), [[0.375, 0.375, 0.25]])
    assert mean_confidence(confidence, labels, np.zeros_like(new), 5).max() == 0


def test_equal_probabilities_everywhere_keep_the_order_of_classes() -> None:
    values = np.broadcast_to(np.array([600, 100, 300], np.uint16)[:, None, None], (3, 8, 9))
    found = smoothed_probabilities(values, np.ones((8, 9), bool), BayesianSmoothing(5, 0.5, (20.0,) * 3))
    np.testing.assert_allclose(found, values / 1000, atol=1e-4)


def test_an_isolated_pixel_gets_the_class_of_its_surroundings() -> None:
    values = np.full((2, 9, 9), 100, np.uint16)
    values[0] = 900
    values[:, 4, 4] = 400, 600
    found = smoothed_probabilities(values, np.ones((9, 9), bool), BayesianSmoothing(5, 0.5, (20.0, 20.0)))
    assert (found.argmax(axis=0) == 0).all()
    kept = smoothed_probabilities(values, np.ones((9, 9), bool), BayesianSmoothing(5, 0.5, (0.0, 0.0)))
    assert kept.argmax(axis=0)[4, 4] == 1


def test_one_class_has_the_probability_1() -> None:
    found = smoothed_probabilities(
        np.full((1, 3, 4), 1000, np.uint16), np.ones((3, 4), bool), BayesianSmoothing(3, 0.5, (20.0,))
    )
    np.testing.assert_array_equal(found, np.ones((1, 3, 4)))


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_empty_rasters_give_empty_results(shape: tuple[int, int]) -> None:
    nothing = np.zeros((2, *shape), np.uint16)
    options = BayesianSmoothing(3, 0.5, (20.0, 20.0))
    assert smoothed_probabilities(nothing, np.zeros(shape, bool), options).shape == (2, *shape)
    assert smoothed_labels(nothing[0], 3).shape == shape


def test_pixels_without_label_contribute_nothing() -> None:
    values, labelled = shares(3, 3, (15, 15), 0.6)
    options = BayesianSmoothing(5, 0.5, (20.0,) * 3)
    expected = smoothed_probabilities(values, labelled, options)
    assert not expected[:, ~labelled].any()
    values[:, ~labelled] = 1000
    np.testing.assert_array_equal(smoothed_probabilities(values, labelled, options), expected)


def test_threads_do_not_change_the_result() -> None:
    values, labelled = shares(5, 7, (40, 50), 0.9)
    options = BayesianSmoothing(5, 0.5, (20.0, 1.0, 0.0, 5.0, 20.0, 20.0, 3.0))
    alone = smoothed_probabilities(values, labelled, options)
    np.testing.assert_array_equal(smoothed_probabilities(values, labelled, options, threads=3), alone)


def test_even_windows_and_missing_smoothness_are_rejected() -> None:
    values, labelled = shares(1, 2, (3, 3), 1.0)
    with pytest.raises(ValueError, match="window 4"):
        smoothed_probabilities(values, labelled, BayesianSmoothing(4, 0.5, (1.0, 1.0)))
    with pytest.raises(ValueError, match="1 values"):
        smoothed_probabilities(values, labelled, BayesianSmoothing(3, 0.5, (1.0,)))
    with pytest.raises(ValueError, match="window 2"):
        smoothed_labels(values[0], 2)


def test_smoothness_by_class_has_a_default() -> None:
    assert smoothness_of({11: 5.0}, (11, 12)) == (5.0, 20.0)
    assert smoothness_of(7.0, (11, 12)) == (7.0, 7.0)
