"""Forests of the program: as accurate as scikit-learn's, and their options."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from iota2.classifiers import validate_options
from iota2.classifiers.forest import ForestClassifier, RandomForest, SharkForest

KINDS: dict[str, type[ForestClassifier]] = {"rf": RandomForest, "sharkrf": SharkForest}


def series(seed: int, samples: int, classes: int = 6, dates: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Seasonal curves of classes in two bands, with shifts in time, noise, rounding and missing dates."""
    rng, shape = np.random.default_rng(seed), np.random.default_rng(0)
    phase, height = shape.uniform(0, 12, classes), shape.uniform(1000, 3000, (classes, 2))
    y = rng.integers(0, classes, samples)
    time = np.arange(dates) - phase[y][:, None] + rng.normal(0, 1.2, (samples, 1))
    curve = np.exp(-((time / 3) ** 2))[:, :, None] * height[y][:, None] + rng.normal(500, 350, (samples, dates, 2))
    curve[rng.random((samples, dates)) < 0.1] = -10000
    return np.round(curve.reshape(samples, -1)).astype(np.float32), y + 11


def fitted(name: str, x: np.ndarray, y: np.ndarray, *, weight: np.ndarray | None = None, **options: Any) -> Any:
    parameters, _ = validate_options(name, {f"classifier.{name}.{key}": value for key, value in options.items()})
    classifier = KINDS[name](parameters)
    classifier.fit(x, y, weight=weight, groups=None, seed=0)
    return classifier


@pytest.mark.parametrize("name", ["rf", "sharkrf"])
def test_accuracy_equals_that_of_scikit_learn(name: str) -> None:
    differences, gains = [], []
    for seed in range(1, 6):
        x, y = series(seed, 600)
        tested, truth = series(100 + seed, 3000)
        ours = fitted(name, x, y, nbtrees=40)
        theirs = RandomForestClassifier(random_state=0, **ours.parameters).fit(x, y)
        right = [
            (np.unique(y)[shares.argmax(axis=1)] == truth).mean()
            for shares in (ours.predict_proba(tested), theirs.predict_proba(tested))
        ]
        differences.append(right[0] - right[1])
        gains.append(right[0] - 1 / 6)
        nodes = sum(tree.tree_.node_count for tree in theirs.estimators_)
        assert len(ours.forest.feature) == pytest.approx(nodes, rel=0.05)
    assert abs(np.mean(differences)) < 0.012
    assert min(gains) > 0.4


def test_importances_equal_those_of_scikit_learn() -> None:
    x, y = series(1, 1000)
    ours = fitted("rf", x, y, nbtrees=400, max=10)
    theirs = RandomForestClassifier(random_state=0, **ours.parameters).fit(x, y)
    np.testing.assert_allclose(ours.importances, theirs.feature_importances_, atol=0.012)
    assert ours.importances.sum() == pytest.approx(1)
    assert theirs.feature_importances_.max() > 0.06, "otherwise the comparison is meaningless"


def test_options_have_their_effect() -> None:
    x, y = series(1, 400)
    assert fitted("rf", x, y, max=3).forest.depth == 3
    assert len(fitted("rf", x, y, nbtrees=7).forest.roots) == 7
    assert fitted("rf", x, y, min=401).forest.depth == 0
    fine, coarse = (len(fitted("rf", x, y, min=size).forest.feature) for size in (2, 40))
    assert fine > 2 * coarse
    few, many = (len(fitted("sharkrf", x, y, oobr=share).forest.feature) for share in (0.2, 1.0))
    assert many > 2 * few
    one, every = (fitted("rf", x, y, var=number).forest for number in (1, 24))
    assert len(np.unique(every.feature[every.roots])) < 12 < len(np.unique(one.feature[one.roots]))


def test_heavier_classes_are_predicted_more_often() -> None:
    x, y = series(1, 500)
    tested, _ = series(2, 2000)
    plain, heavy = (
        (fitted("rf", x, y, min=30, weight=weight).predict_proba(tested).argmax(axis=1) == 3).mean()
        for weight in (None, np.where(y == 14, 8.0, 1.0))
    )
    assert heavy > 1.2 * plain


def test_predictions_of_the_samples_are_probabilities_of_their_codes() -> None:
    x, y = series(1, 300)
    y = np.where(y == 16, 65535, y)
    classifier = fitted("rf", x, y, min=2)
    shares = classifier.predict_proba(x)
    assert (np.unique(y)[shares.argmax(axis=1)] == y).mean() > 0.98
    np.testing.assert_allclose(shares.sum(axis=1), 1)
