"""Prediction by each kind of classifier against scikit-learn: the same fitted estimator, one thread each."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from benchmarks.figures import Figures
from benchmarks.training_data import mixture
from iota2.classifiers.scikit import predictor_of
from iota2.classifiers.scikit.build import estimator_of
from iota2.io.files.gdal import limit_threads

SAMPLES, FEATURES, CLASSES, PIXELS = 4000, 150, 12, 4000
SCALED: Mapping[str, Any] = {"model_type": "StandardScaler"}
ESTIMATORS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "random forest": ("RandomForestClassifier", {"n_estimators": 100, "max_depth": 25}),
    "extra trees": ("ExtraTreesClassifier", {"n_estimators": 100, "max_depth": 25}),
    "histogram boosting": ("HistGradientBoostingClassifier", {"max_iter": 50, "early_stopping": False}),
    "gradient boosting": ("GradientBoostingClassifier", {"n_estimators": 10, "max_features": "sqrt"}),
    "AdaBoost": (
        "AdaBoostClassifier",
        {"n_estimators": 50, "estimator": {"model_type": "DecisionTreeClassifier", "max_depth": 5}},
    ),
    "decision tree": ("DecisionTreeClassifier", {"max_depth": 25}),
    "support vectors": (
        "CalibratedClassifierCV",
        {"ensemble": False, "estimator": {"model_type": "Pipeline", "steps": {"scale": SCALED, "svc": "SVC"}}},
    ),
    "linear machine": (
        "CalibratedClassifierCV",
        {"ensemble": False, "estimator": {"model_type": "Pipeline", "steps": {"scale": SCALED, "svc": "LinearSVC"}}},
    ),
    "Nyström and linear machine": (
        "CalibratedClassifierCV",
        {
            "ensemble": False,
            "estimator": {
                "model_type": "Pipeline",
                "steps": {
                    "scale": SCALED,
                    "kernel": {"model_type": "Nystroem", "n_components": 300, "gamma": 0.005},
                    "svc": "LinearSVC",
                },
            },
        },
    ),
    "logistic regression": ("Pipeline", {"steps": {"scale": SCALED, "linear": "LogisticRegression"}}),
    "neural network": (
        "Pipeline",
        {"steps": {"scale": SCALED, "network": {"model_type": "MLPClassifier", "max_iter": 30}}},
    ),
    "naive Bayes": ("GaussianNB", {}),
    "normal distributions": ("QuadraticDiscriminantAnalysis", {"solver": "eigen", "shrinkage": 0.01}),
    "nearest neighbours": ("KNeighborsClassifier", {"n_neighbors": 10}),
}
"""Name and arguments of one estimator of each kind."""


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # the network need not converge
@pytest.mark.parametrize("kind", ESTIMATORS)
def bench_prediction(*, figures: Figures, rounds: int, kind: str) -> None:
    """Probabilities of pixels whose features are contiguous by feature, as in a block of the map."""
    x, y = mixture(SAMPLES, FEATURES, CLASSES, seed=0)
    pixels = np.ascontiguousarray(mixture(PIXELS, FEATURES, CLASSES, seed=1)[0].T)
    clock = time.process_time if figures.processor_time else time.perf_counter
    theirs, ours = f"{kind}: scikit-learn", f"{kind}: iota2"
    seconds: dict[str, list[float]] = {theirs: [], ours: []}
    with limit_threads(1):
        fitted = estimator_of(*ESTIMATORS[kind]).fit(x, y)
        predictor = predictor_of(fitted)
        expected, found = fitted.predict_proba(pixels.T), predictor.probabilities(pixels.T)
        assert np.abs(found - expected).max() < 1e-4  # the library computes some of them in single precision
        for _ in range(rounds):
            for name, work in ((theirs, fitted.predict_proba), (ours, predictor.probabilities)):
                started = clock()
                work(pixels.T)
                seconds[name].append(clock() - started)
    figures.add("prediction", theirs, seconds[theirs], pixels=PIXELS)
    figures.add("prediction", ours, seconds[ours], pixels=PIXELS, reference=theirs)
