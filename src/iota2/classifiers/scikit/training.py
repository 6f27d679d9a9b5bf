"""Training of estimators of scikit-learn: seeds, threads, weights, and probabilities for those that have none."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from iota2.compute.folds import grouped_folds

CALIBRATION_FOLDS = 3
"""Number of folds on which probabilities are fitted to the scores of classifiers that have none."""
MIN_CLASS_POLYGONS = 5
"""Minimum number of polygons of each class for folds that keep polygons together. With fewer, a fold may lack most of
what a class looks like, and the fitted function can even fall with the score: pixels are then divided instead."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Training samples."""

    x: np.ndarray
    """(sample, feature) float32."""
    y: np.ndarray
    """(sample,) class codes."""
    weight: np.ndarray | None
    """(sample,) float64, or None for equal weights."""
    groups: np.ndarray
    """(sample,) polygons: samples of a polygon resemble each other."""

    def with_pairs(self) -> Samples:
        """The samples, with those repeated that are the only one of their class; their weight is divided.

        Every class can then be learned and predicted.
        """
        _, first, counts = np.unique(self.y, return_index=True, return_counts=True)
        single = np.sort(first[counts == 1])
        if not len(single):
            return self
        rows = np.concatenate([np.arange(len(self.y)), single])
        weight = None
        if self.weight is not None:
            weight = self.weight[rows]
            weight[np.isin(rows, single)] /= 2
        return Samples(self.x[rows], self.y[rows], weight, self.groups[rows])

    @property
    def many_polygons(self) -> bool:
        """Whether each class has at least ``MIN_CLASS_POLYGONS`` polygons."""
        pairs = np.unique(np.stack([self.y, self.groups]), axis=1)
        return bool(np.unique(pairs[0], return_counts=True)[1].min() >= MIN_CLASS_POLYGONS)

    def folds(
        self, count: int, rng: np.random.Generator, *, grouped: bool = True
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Pairs of positions to learn from and to predict; each sample is predicted once.

        If ``grouped``, the samples of a polygon are in one fold. Exception: if all samples of a class would be
        predicted at once, the class has one polygon only, and its samples are divided between the folds.
        """
        of_sample = grouped_folds(self.y, self.groups if grouped else np.arange(len(self.y)), count, rng)
        for code in np.unique(self.y):
            at = np.flatnonzero(self.y == code)
            if len(np.unique(of_sample[at])) == 1:
                of_sample[at] = np.arange(len(at)) % count
        return [(np.flatnonzero(of_sample != fold), np.flatnonzero(of_sample == fold)) for fold in np.unique(of_sample)]


def prepared(estimator: Any, seed: int, threads: int) -> Any:
    """The estimator with ``seed`` as random state where none is given, and ``threads`` for its outermost part."""
    settings = estimator.get_params(deep=True)
    changed = {name: seed for name, value in settings.items() if _is(name, "random_state") and value is None}
    changed |= {name: 1 for name in settings if _is(name, "n_jobs")}
    depth = min((name.count("__") for name in settings if _is(name, "n_jobs")), default=0)
    changed |= {name: threads for name in settings if _is(name, "n_jobs") and name.count("__") == depth}
    return estimator.set_params(**changed)


def _is(name: str, parameter: str) -> bool:
    return name.rpartition("__")[2] == parameter


def fitted(estimator: Any, samples: Samples, rng: np.random.Generator) -> Any:
    """The fitted estimator, with probabilities.

    A classifier without probabilities gets them by Platt's method on folds that keep polygons together, or divide them
    if there are few, as do such members of a vote. Each class then needs two samples; see ``Samples.with_pairs``.
    """
    folds = samples.folds(CALIBRATION_FOLDS, rng, grouped=samples.many_polygons)
    estimator = with_probabilities(estimator, folds)
    if samples.weight is None:
        return estimator.fit(samples.x, samples.y)
    return estimator.fit(samples.x, samples.y, **{weight_argument(estimator): samples.weight})


def with_probabilities(estimator: Any, folds: Any) -> Any:
    """The unfitted estimator, or one around it that fits probabilities to its scores on ``folds``."""
    # Only training needs these imports.
    from sklearn.calibration import CalibratedClassifierCV  # noqa: PLC0415

    if type(estimator).__name__ == "VotingClassifier":
        members = [
            (name, member if member == "drop" else with_probabilities(member, folds))
            for name, member in estimator.estimators
        ]
        return estimator.set_params(estimators=members)
    if hasattr(estimator, "predict_proba"):
        return estimator
    return CalibratedClassifierCV(estimator, method="sigmoid", cv=folds, ensemble=False)


def weight_argument(estimator: Any) -> str:
    """Name of the argument of ``fit`` for weights of samples; empty if the estimator does not support any."""
    # Only training needs these imports.
    from sklearn.utils.validation import has_fit_parameter  # noqa: PLC0415

    if type(estimator).__name__ == "Pipeline":
        name, last = estimator.steps[-1]
        inner = weight_argument(last)
        return f"{name}__{inner}" if inner else ""
    if type(estimator).__name__ == "VotingClassifier":
        return "sample_weight" if all(weight_argument(member) for _, member in estimator.estimators) else ""
    if (nested := getattr(estimator, "estimator", None)) is not None and not weight_argument(nested):
        return ""
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else ""


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Threads of the libraries inside: one for linear algebra, whose sums depend on their number; others ``threads``.

    Warnings of scikit-learn on convergence and on classes absent from a fold are suppressed: nobody sees them in a job.
    """
    # Only training needs these imports.
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    with warnings.catch_warnings(), threadpool_limits(threads), threadpool_limits(1, user_api="blas"):
        warnings.simplefilter("ignore")
        yield
