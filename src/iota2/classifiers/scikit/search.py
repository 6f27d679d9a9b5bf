"""Grid search: the mean accuracy, or R² of a quantity, over folds of every combination of parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from iota2.classifiers.samples import Samples
from iota2.classifiers.scikit.build import check_parameters
from iota2.classifiers.scikit.training import sample_folds, weight_argument
from iota2.core.words import assignments, did_you_mean

Measure = Literal["accuracy", "r2"]
"""Measure of a search: overall accuracy, or the coefficient of determination of a quantity."""
NAMES: Mapping[Measure, str] = {"accuracy": "accuracy", "r2": "R²"}
KEPT, MIXED = "polygons kept together", "pixels of a polygon in several folds"


@dataclass(frozen=True)
class Candidate:
    """A combination of parameters with its accuracy in each fold."""

    parameters: Mapping[str, Any]
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean accuracy over the folds."""
        return float(np.mean(self.scores))


@dataclass(frozen=True)
class GridSearch:
    """All combinations, and the best one evaluated on folds of the other kind."""

    grouped: bool
    """Whether the samples of a polygon are in one fold."""
    candidates: tuple[Candidate, ...]
    other: tuple[float, ...]
    """Accuracy of the best combination in each fold of the other kind."""
    measure: Measure = "accuracy"

    @property
    def best(self) -> Candidate:
        """The combination with the highest mean; of equal ones the first."""
        return max(self.candidates, key=lambda one: one.mean)

    @property
    def kinds(self) -> tuple[str, str]:
        """Description of the folds of the search, and of the other kind."""
        return (KEPT, MIXED) if self.grouped else (MIXED, KEPT)

    def to_json(self) -> dict[str, Any]:
        """All scores by fold as plain values."""
        listed = [
            {"parameters": dict(one.parameters), "mean": one.mean, "scores": list(one.scores)}
            for one in self.candidates
        ]
        return {
            "measure": self.measure,
            "folds": self.kinds[0],
            "polygons_kept_together": self.grouped,
            "best": dict(self.best.parameters),
            "candidates": listed,
            "best_with_other_folds": {
                "folds": self.kinds[1],
                "mean": float(np.mean(self.other)),
                "scores": list(self.other),
            },
        }

    def text(self) -> str:
        """The report: the best parameters, then all combinations, best first."""
        kind, other = self.kinds
        name = NAMES[self.measure]
        title = name[0].upper() + name[1:]
        lines = [
            f"Best parameters: {assignments(self.best.parameters)}",
            f"{title} with {kind}: {self.best.mean:.4f}",
            f"{title} with {other}: {np.mean(self.other):.4f}",
            "",
            f"Mean {name} over {len(self.best.scores)} folds, its standard deviation, and the parameters:",
        ]
        ranked = sorted(self.candidates, key=lambda one: -one.mean)
        lines += [f"{one.mean:.4f} (±{np.std(one.scores):.4f}) for {assignments(one.parameters)}" for one in ranked]
        return "\n".join(lines) + "\n"

    @property
    def remark(self) -> str:
        """Both scores in one sentence."""
        kind, other = self.kinds
        best, of_others = (self._shown(score) for score in (self.best.mean, float(np.mean(self.other))))
        return (
            f"{assignments(self.best.parameters)} has an {NAMES[self.measure]} of {best} with {kind}, and {of_others} "
            f"with {other}. Scores with pixels of a polygon in several folds are too high."
        )

    def _shown(self, score: float) -> str:
        return f"{100 * score:.1f} %" if self.measure == "accuracy" else f"{score:.3f}"


def grid_problems(estimator: Any, grid: Mapping[str, Any]) -> list[str]:
    """Problems of a grid of ``grid_of``: unknown parameters, and values that the estimator refuses."""
    from sklearn.base import clone  # noqa: PLC0415

    known, problems = estimator.get_params(deep=True), []
    if grid and type(estimator).__name__ == "VotingClassifier":
        scored = [name for name, member in estimator.estimators if not hasattr(member, "predict_proba")]
        problems += [f"the member {name} of the vote has no probabilities and cannot be searched" for name in scored]
    for name, values in grid.items():
        if name not in known:
            hint = did_you_mean(name, known) or f"; expected one of {', '.join(sorted(known))}"
            problems.append(f"{name}: {type(estimator).__name__} has no such parameter{hint}")
        else:
            problems += [problem for value in values if (problem := _refused(clone(estimator), name, value))]
    return problems


def _refused(estimator: Any, name: str, value: Any) -> str:
    """The message of the library on a value of a parameter; empty if it accepts the value."""
    owner = name.rpartition("__")[0]
    try:
        changed = estimator.set_params(**{name: value})
        check_parameters(changed.get_params(deep=True)[owner] if owner else changed)
    except (TypeError, ValueError) as err:
        return f"{name}: {err}".replace("\n", " ")
    return ""


def grid_search(
    estimator: Any,
    grid: Mapping[str, Sequence[Any]],
    samples: Samples,
    *,
    folds: int,
    grouped: bool,
    threads: int,
    rng: np.random.Generator,
    measure: Measure = "accuracy",
    strata: np.ndarray | None = None,
) -> GridSearch:
    """The accuracy of every combination of ``grid``, on folds that keep polygons together if ``grouped``.

    ``strata`` (sample,): groups of values of a quantity that are spread over the folds, in place of its classes.

    The result does not depend on ``threads``.
    """
    # Only training needs these imports.
    from joblib import parallel_config  # noqa: PLC0415
    from sklearn.base import clone  # noqa: PLC0415
    from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: PLC0415

    spread = samples if strata is None else replace(samples, y=strata)
    pairs = {kept: sample_folds(spread, folds, rng, grouped=kept) for kept in (grouped, not grouped)}
    given = {} if samples.weight is None else {weight_argument(estimator): samples.weight}
    search = GridSearchCV(
        estimator, dict(grid), scoring=measure, cv=pairs[grouped], refit=False, n_jobs=threads, error_score="raise"
    )
    with parallel_config("threading"):
        search.fit(samples.x, samples.y, **given)
        results = search.cv_results_
        table = np.stack([results[f"split{k}_test_score"] for k in range(len(pairs[grouped]))], axis=1)
        candidates = tuple(
            Candidate(dict(parameters), tuple(row.tolist()))
            for parameters, row in zip(results["params"], table, strict=True)
        )
        found = GridSearch(grouped, candidates, (), measure)
        best = clone(estimator).set_params(**found.best.parameters)
        other = cross_val_score(
            best,
            samples.x,
            samples.y,
            scoring=measure,
            cv=pairs[not grouped],
            n_jobs=threads,
            params=given,
            error_score="raise",
        )
    return GridSearch(grouped, candidates, tuple(other.tolist()), measure)
