"""Training of estimators of scikit-learn: seeds, threads, weights, folds, and probabilities where there are none."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from iota2.classifiers.samples import Samples
from iota2.compute.folds import grouped_folds

SCORE_FOLDS = 3
"""Number of folds on which probabilities are fitted to the scores of classifiers that have none."""
MIN_GROUPED_POLYGONS = 5
"""Minimum number of polygons of each class for folds that keep polygons together. With fewer, most of the variation of
a class may be absent from the other folds, and the fitted function can even fall with the score: the pixels of a
polygon are then divided between the folds."""


def with_pairs(samples: Samples) -> Samples:
    """The samples, with those repeated that are the only one of their class; their weight is divided.

    Every class can then be learned and predicted.
    """
    _, first, counts = np.unique(samples.y, return_index=True, return_counts=True)
    single = np.sort(first[counts == 1])
    if not len(single):
        return samples
    rows = np.concatenate([np.arange(len(samples.y)), single])
    found = replace(samples, groups=samples.polygons).at(rows)
    if found.weight is not None:
        found.weight[np.isin(rows, single)] /= 2
    return found


def many_polygons(samples: Samples) -> bool:
    """Whether each class has at least ``MIN_GROUPED_POLYGONS`` polygons."""
    pairs = np.unique(np.stack([samples.y, samples.polygons]), axis=1)
    return bool(np.unique(pairs[0], return_counts=True)[1].min() >= MIN_GROUPED_POLYGONS)


def sample_folds(
    samples: Samples, count: int, rng: np.random.Generator, *, grouped: bool = True
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of positions to learn from and to predict; each sample is predicted once.

    If ``grouped``, the samples of a polygon are in one fold. Exception: if all samples of a class would be
    predicted at once, the class has one polygon only, and its samples are divided between the folds.
    """
    y = samples.y
    of_sample = grouped_folds(y, samples.polygons if grouped else np.arange(len(y)), count, rng)
    for code in np.unique(y):
        at = np.flatnonzero(y == code)
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

    Platt's method gives probabilities to a classifier without them, and to such members of a vote, on folds that keep
    polygons together, or divide them if there are few. Each class then needs two samples; see ``with_pairs``.
    """
    folds = sample_folds(samples, SCORE_FOLDS, rng, grouped=many_polygons(samples))
    estimator = with_probabilities(estimator, folds)
    if samples.weight is None:
        return estimator.fit(samples.x, samples.y)
    return estimator.fit(samples.x, samples.y, **{weight_argument(estimator): samples.weight})


def fitted_values(estimator: Any, samples: Samples) -> Any:
    """The regressor, fitted to values and weights of samples."""
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
    if type(estimator).__name__ == "Pipeline":
        # Inside the pipeline, since a calibration around it does not pass weights of samples to its last step.
        (*transformers, (name, last)) = estimator.steps
        return estimator.set_params(steps=[*transformers, (name, with_probabilities(last, folds))])
    return CalibratedClassifierCV(estimator, method="sigmoid", cv=folds, ensemble=False)


def weight_argument(estimator: Any) -> str:
    """Name of the argument of ``fit`` for weights of samples; empty if the estimator does not support any."""
    # Only training needs these imports.
    from sklearn.utils.validation import has_fit_parameter  # noqa: PLC0415

    if type(estimator).__name__ == "Pipeline":
        name, last = estimator.steps[-1]
        inner = weight_argument(last)
        return f"{name}__{inner}" if inner else ""
    if type(estimator).__name__ in ("VotingClassifier", "VotingRegressor"):
        members = [member for _, member in estimator.estimators if member != "drop"]
        return "sample_weight" if all(map(_takes_weights, members)) else ""
    if (nested := getattr(estimator, "estimator", None)) is not None and not _takes_weights(nested):
        return ""
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else ""


def _takes_weights(nested: Any) -> bool:
    """Whether an estimator uses the weights that the estimator around it passes on: pipelines do not."""
    return weight_argument(nested) == "sample_weight"


@contextmanager
def watched_convergence() -> Iterator[list[warnings.WarningMessage]]:
    """The list of the warnings inside of methods that stopped before they converged; other warnings are suppressed."""
    # Only training needs these imports.
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", ConvergenceWarning)
        yield seen


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Threads of the libraries inside: one for linear algebra, whose sums depend on their number; others ``threads``.

    Warnings of scikit-learn, such as that on classes absent from a fold, are suppressed: nobody sees them in a job.
    """
    # Only training needs these imports.
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    with warnings.catch_warnings(), threadpool_limits(threads), threadpool_limits(1, user_api="blas"):
        warnings.simplefilter("ignore")
        yield
