"""Smoothing, uncertainty layers and removal of small patches, per pixel and core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from benchmarks.figures import Figures
from iota2.compute.regularise import regularised
from iota2.compute.smoothing import BayesianSmoothing, mean_confidence, smoothed_labels, smoothed_probabilities
from iota2.compute.uncertainty import entropy, likely_classes, margin

GROUP = "smoothing"
SIDE, CLASSES = 1000, 17
NOISE = 0.7
"""Standard deviation of the noise of a logit of a pixel; that of the smooth part is 1."""


def shares(side: int = SIDE, classes: int = CLASSES) -> np.ndarray:
    """Probabilities (class, y, x) float32 of smooth fields with noise."""
    rng = np.random.default_rng(0)
    logits = np.stack(
        [2 * gaussian_filter(rng.normal(size=(side, side)), 6) * 20 + NOISE * rng.normal(size=(side, side))
         for _ in range(classes)]
    ).astype(np.float32)  # fmt: skip
    values = np.exp(logits)
    return values / values.sum(axis=0)


@pytest.mark.parametrize("window", [5, 9, 31])
def bench_bayesian(benchmark: Any, figures: Figures, rounds: int, window: int) -> None:
    """Smoothing of the probabilities of 17 classes."""
    values = np.rint(shares() * 1000).astype(np.uint16)
    given = BayesianSmoothing(window, 0.5, (20.0,) * CLASSES)
    labelled = np.ones(values.shape[1:], bool)
    work = {"rounds": rounds, "iterations": 1, "warmup_rounds": 1}
    benchmark.pedantic(lambda: smoothed_probabilities(values, labelled, given), **work)
    figures.add(GROUP, f"bayesian, {CLASSES} classes, window {window}", benchmark.stats.stats.data, pixels=SIDE**2)


@pytest.mark.parametrize("name", ["majority", "confidence of the majority", "entropy", "margin", "likely classes"])
def bench_layers(benchmark: Any, figures: Figures, rounds: int, name: str) -> None:
    """Labels by majority (window 9), and layers from the probabilities of 17 classes."""
    values = shares()
    labelled = np.ones(values.shape[1:], bool)
    labels = (values.argmax(axis=0) + 1).astype(np.uint8)
    new = smoothed_labels(labels, 9)
    work: dict[str, Callable[[], np.ndarray]] = {
        "majority": lambda: smoothed_labels(labels, 9),
        "confidence of the majority": lambda: mean_confidence(values.max(axis=0), labels, new, 9),
        "entropy": lambda: entropy(values, labelled),
        "margin": lambda: margin(values, labelled),
        "likely classes": lambda: likely_classes(values, labelled, 0.9),
    }
    benchmark.pedantic(work[name], rounds=rounds, iterations=1, warmup_rounds=1)
    figures.add(GROUP, name, benchmark.stats.stats.data, pixels=SIDE**2)


@pytest.mark.parametrize("unit", [5, 25, 100])
def bench_regularised(benchmark: Any, figures: Figures, rounds: int, unit: int) -> None:
    """Removal of the patches of a noisy map of 17 classes, until none is below the unit."""
    labels = (shares().argmax(axis=0) + 1).astype(np.uint8)
    benchmark.pedantic(lambda: regularised(labels, unit), rounds=rounds, iterations=1, warmup_rounds=1)
    figures.add(GROUP, f"minimum mapping unit {unit}", benchmark.stats.stats.data, pixels=SIDE**2)
