"""Training of a forest against scikit-learn: same samples, same options, one thread each, alternating."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from benchmarks.figures import Figures
from benchmarks.training_data import mixture
from iota2.classifiers.forest import RandomForest
from iota2.compute.tree_growing import Growth, grow_forest
from iota2.io.files.gdal import limit_threads

CLASSES = 17
PREDICTED_PIXELS = 10_000
REFERENCE = "scikit-learn, fit"


@pytest.mark.parametrize(
    ("samples", "features", "trees"), [(15_000, 450, 50), (500_000, 481, 6)], ids=["15000x450", "500000x481"]
)
def bench_training(*, figures: Figures, rounds: int, samples: int, features: int, trees: int) -> None:
    """Fit and prediction; the time of a fit includes the bins of all features, whatever the number of trees."""
    x, y = mixture(samples, features, CLASSES, seed=0)
    pixels = np.ascontiguousarray(mixture(PREDICTED_PIXELS, features, CLASSES, seed=1)[0].T)
    grow_forest(x[:300], y[:300], Growth(trees=1), n_classes=CLASSES, seed=0)  # compiles
    clock = time.process_time if figures.processor_time else time.perf_counter
    seconds: dict[str, list[float]] = {}
    with limit_threads(1):
        for _ in range(rounds if samples < 100_000 else 1):
            for name, work in _pair(x, y, pixels, trees).items():
                started = clock()
                work()
                seconds.setdefault(name, []).append(clock() - started)
    group = f"training, {samples} samples x {features} features"
    note = f"{trees} trees"
    figures.add(group, REFERENCE, seconds[REFERENCE], note=note)
    figures.add(group, "iota2, fit", seconds["iota2, fit"], note=note, reference=REFERENCE)
    for name, reference in (("scikit-learn, prediction", None), ("iota2, prediction", "scikit-learn, prediction")):
        figures.add(group, name, seconds[name], pixels=PREDICTED_PIXELS, note=note, reference=reference)


def _pair(x: np.ndarray, y: np.ndarray, pixels: np.ndarray, trees: int) -> dict[str, Callable[[], Any]]:
    """What is measured, in this order: both fits, then both predictions."""
    options = {"n_estimators": trees, "max_depth": 25, "min_samples_split": 5, "max_features": "sqrt"}
    theirs, ours = RandomForestClassifier(**options, random_state=0, n_jobs=1), RandomForest(options)
    return {
        REFERENCE: lambda: theirs.fit(x, y),
        "iota2, fit": lambda: ours.fit(x, y, weight=None, groups=None, seed=0),
        "scikit-learn, prediction": lambda: theirs.predict_proba(pixels.T),
        "iota2, prediction": lambda: ours.forest.probabilities(pixels),
    }
