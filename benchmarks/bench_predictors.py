"""Predictors from plain arrays against scikit-learn: same classifier, same pixels, one thread each, alternating."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    VotingClassifier,
)
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from threadpoolctl import threadpool_limits

from benchmarks.figures import Figures
from iota2.classifiers.scikit import predictor_of

FEATURES, CLASSES, SAMPLES, PIXELS = 120, 12, 3000, 4000
KINDS: dict[str, Callable[[], Any]] = {
    "logistic regression": lambda: LogisticRegression(max_iter=50),
    "linear SVC, calibrated": lambda: CalibratedClassifierCV(LinearSVC(), cv=2, ensemble=False),
    "SVC, calibrated": lambda: CalibratedClassifierCV(SVC(), cv=2, ensemble=False),
    "Nyström, 300 components": lambda: make_pipeline(
        StandardScaler(), Nystroem(n_components=300, random_state=0), LogisticRegression()
    ),
    "PCA, 30 components": lambda: make_pipeline(StandardScaler(), PCA(30), LogisticRegression()),
    "network, 100 units": lambda: MLPClassifier((100,), max_iter=20, random_state=0),
    "naive Bayes": GaussianNB,
    "linear discriminants": LinearDiscriminantAnalysis,
    "quadratic discriminants": QuadraticDiscriminantAnalysis,
    "5 neighbours": KNeighborsClassifier,
    "AdaBoost, 50 trees": lambda: AdaBoostClassifier(n_estimators=50, random_state=0),
    "gradient boosting, 30 steps": lambda: GradientBoostingClassifier(n_estimators=30, max_features="sqrt"),
    "histogram boosting, 30 steps": lambda: HistGradientBoostingClassifier(max_iter=30),
    "extra trees and histogram boosting": lambda: VotingClassifier(
        [("a", ExtraTreesClassifier(50, random_state=0)), ("b", HistGradientBoostingClassifier(max_iter=30))],
        voting="soft",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def bench_predictors(*, figures: Figures, rounds: int, kind: str) -> None:
    """Probabilities of pixels; the features of scikit-learn are contiguous by pixel, those of predictors by feature."""
    rng = np.random.default_rng(0)
    y = np.arange(SAMPLES) % CLASSES
    centres = rng.normal(size=(CLASSES, FEATURES))
    x = (rng.normal(scale=2, size=(SAMPLES, FEATURES)) + centres[y]).astype(np.float32)
    columns = rng.normal(scale=2, size=(FEATURES, PIXELS)).astype(np.float32)
    rows = np.ascontiguousarray(columns.T)
    clock = time.process_time if figures.processor_time else time.perf_counter
    seconds: dict[str, list[float]] = {"scikit-learn": [], "predictor": []}
    with threadpool_limits(1):
        estimator = KINDS[kind]().fit(x, y + 1)
        predictor = predictor_of(estimator)
        work = {
            "scikit-learn": lambda: estimator.predict_proba(rows),
            "predictor": lambda: predictor.probabilities(columns.T),
        }
        work["predictor"]()  # compiles
        for _ in range(rounds):
            for name, function in work.items():
                started = clock()
                function()
                seconds[name].append(clock() - started)
    note = f"{FEATURES} features, {CLASSES} classes, {SAMPLES} samples"
    figures.add("predictors", f"{kind}, scikit-learn", seconds["scikit-learn"], pixels=PIXELS, note=note)
    reference = f"{kind}, scikit-learn"
    figures.add("predictors", kind, seconds["predictor"], pixels=PIXELS, note=note, reference=reference)
