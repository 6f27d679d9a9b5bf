"""Two regions whose models differ: the border is visible in the map, and blending makes it disappear."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from iota2.compute.model_fusion import Blend, most_probable
from iota2.compute.predict import Prediction
from iota2.compute.region_weights import WEIGHT_SCALE, Blending, scaled_weights
from iota2.compute.seams import Borders, Seam, count_seams, seam, sum_seams
from iota2.core.random import generator

SHAPE, PIXEL = (640, 640), (10.0, 10.0)
CODES = (1, 2, 3)
BIAS = 0.9
"""Difference between the scores of the two models for a class."""


def regions() -> np.ndarray:
    """Region 1 or 2 of each pixel; the border winds through the map."""
    rows, cols = np.indices(SHAPE)
    return np.where(cols < 320 + 60 * np.sin(rows / 70), 1, 2)


def models(seed: int) -> list[Prediction]:
    """The same landscape seen by two models: one prefers the first class, the other the last one."""
    rng = np.random.default_rng(seed)
    land = np.stack([gaussian_filter(rng.standard_normal(SHAPE), 6) for _ in CODES])
    land /= land.std()
    found = []
    for sign in (1, -1):
        scores = land + sign * BIAS / 2 * np.array([1.0, 0.0, -1.0])[:, None, None]
        shares = np.exp(2 * scores)
        found.append(most_probable((shares / shares.sum(axis=0)).astype(np.float32), CODES, np.ones(SHAPE, bool)))
    return found


def blended(predictions: list[Prediction], zones: np.ndarray, width: float) -> Prediction:
    blend = Blend(CODES, SHAPE)
    for number, one in enumerate(predictions, start=1):
        weights = scaled_weights(zones == number, PIXEL, Blending(width, width)) / np.float32(WEIGHT_SCALE)
        blend.add(one, weights)
    return blend.result()


def seam_of(labels: np.ndarray, zones: np.ndarray) -> Seam:
    borders = Borders.of(zones, np.ones(SHAPE, int), coinciding=True)
    counts = count_seams(labels, borders, (slice(None), slice(None)), (0, 0))
    return seam(sum_seams([counts]), generator(0, "seams"))


def test_blending_lowers_the_seam_score_to_that_of_the_interior() -> None:
    zones, scores = regions(), []
    for seed in range(8):
        predictions = models(seed)
        cut = np.where(zones == 1, predictions[0].labels, predictions[1].labels)
        whole = [
            seam_of(labels, zones)
            for labels in (cut, blended(predictions, zones, 500).labels, predictions[0].labels, predictions[1].labels)
        ]
        bounds = whole[0].score_bounds
        assert bounds is not None
        assert bounds[0] > 1.5, "the border is visible"
        scores.append([one.score for one in whole])
    before, after, *alone = np.array(scores, float).mean(axis=0)
    assert before > 5
    assert after == pytest.approx(np.mean(alone), abs=0.1), "as in the maps of one model, which have no border"


def test_far_from_the_border_each_region_keeps_its_labels() -> None:
    zones, predictions = regions(), models(0)
    found = blended(predictions, zones, 100).labels
    cut = np.where(zones == 1, predictions[0].labels, predictions[1].labels)
    changed = found != cut
    near = scaled_weights(zones == 1, PIXEL, Blending(100, 100))
    assert changed.any()
    assert not changed[(near == 0) | (near == WEIGHT_SCALE)].any()
