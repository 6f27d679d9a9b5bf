"""Training of estimators of scikit-learn: seeds, threads, weights, and probabilities for those that have none."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from iota2.compute.folds import grouped_folds

CALIBRATION_FOLDS = 3
"""Number of folds on which probabilities are fitted to the scores of classifiers that have none."""


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


def fold_pairs(
    codes: np.ndarray, groups: np.ndarray, folds: int, rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of positions to learn from and to predict; each sample is predicted once, and its group not learned from.

    Exception: if all samples of a class would be predicted at once, the class has one group only, and its samples are
    divided between the folds.
    """
    of_sample = grouped_folds(codes, groups, folds, rng)
    for code in np.unique(codes):
        at = np.flatnonzero(codes == code)
        if len(np.unique(of_sample[at])) == 1:
            of_sample[at] = np.arange(len(at)) % folds
    used = np.unique(of_sample)
    return [(np.flatnonzero(of_sample != fold), np.flatnonzero(of_sample == fold)) for fold in used]


def fitted(
    estimator: Any,
    x: np.ndarray,
    y: np.ndarray,
    *,
    weight: np.ndarray | None,
    groups: np.ndarray,
    rng: np.random.Generator,
) -> Any:
    """The fitted estimator, with probabilities.

    A classifier without probabilities gets them by Platt's method on folds that keep groups together, as do such
    members of a vote. Each class then needs two samples; see ``at_least_two``.
    """
    return _fit(with_probabilities(estimator, fold_pairs(y, groups, CALIBRATION_FOLDS, rng)), x, y, weight)


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


def at_least_two(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray | None, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]:
    """The samples, with those repeated that are the only one of their class; their weight is divided.

    Folds learn and predict each class.
    """
    codes, first, counts = np.unique(y, return_index=True, return_counts=True)
    single = np.sort(first[counts == 1])
    if not len(single):
        return x, y, weight, groups
    rows = np.concatenate([np.arange(len(y)), single])
    if weight is not None:
        weight = weight.copy()
        weight[single] /= 2
        weight = weight[rows]
    return x[rows], y[rows], weight, groups[rows]


def _fit(estimator: Any, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> Any:
    if weight is None:
        return estimator.fit(x, y)
    return estimator.fit(x, y, **{weight_argument(estimator): weight})


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
