"""Synthetic samples for the training of classifiers."""

from __future__ import annotations

import numpy as np

HIDDEN = 20
"""Independent properties of a sample, on which all its features depend."""
_BATCH = 10_000


def mixture(samples: int, features: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples (sample, feature) float32 and classes: overlapping normal distributions, whole numbers like reflectances.

    The classes are the same for every ``seed``.
    """
    rng, world = np.random.default_rng(seed), np.random.default_rng(99)
    centres, mixing = world.normal(size=(classes, HIDDEN)), world.normal(size=(HIDDEN, features)) * 100
    y = rng.integers(0, classes, samples)
    x = np.empty((samples, features), np.float32)
    for first in range(0, samples, _BATCH):
        part = y[first : first + _BATCH]
        hidden = centres[part] + rng.normal(size=(len(part), HIDDEN))
        x[first : first + _BATCH] = hidden @ mixing + rng.normal(2000, 200, (len(part), features))
    return np.round(x), y


def seasons(samples: int, dates: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples of two bands on each date: seasonal curves of unequally frequent classes, with shifts in time, noise, and
    a tenth of the dates without observation. The classes are the same for every ``seed``."""
    rng, world = np.random.default_rng(seed), np.random.default_rng(7)
    phase, height = world.uniform(0, dates, classes), world.uniform(1000, 3000, (classes, 2))
    share = np.geomspace(1, 8, classes)
    y = rng.choice(classes, samples, p=share / share.sum())
    time = np.arange(dates) - phase[y][:, None] + rng.normal(0, dates / 10, (samples, 1))
    curve = np.exp(-((4 * time / dates) ** 2))[:, :, None] * height[y][:, None]
    curve += rng.normal(500, 350, (samples, dates, 2))
    curve[rng.random((samples, dates)) < 0.1] = -10000
    return np.round(curve.reshape(samples, -1)).astype(np.float32), y
