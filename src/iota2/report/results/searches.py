"""Grid searches in the accuracy report: the accuracy of each combination of parameters, by model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from iota2.core.words import assignments
from iota2.report.results.names import model_title

MAX_ROWS = 20
"""Number of combinations of each model that the page shows, best first."""

MIN_VALUES = 3
"""Minimum number of tried values of a parameter for a remark on its limit."""
LEAK = (
    " The first is too high, since neighbouring pixels are on both sides of the folds; to search with polygons kept "
    "together, set scikit_models_parameters.cross_validation_grouped to True."
)


@dataclass(frozen=True)
class SearchedModel:
    """The grid search of one model."""

    region: str
    seed: int
    scores: Mapping[str, Any]
    """Content of the JSON file of the search."""

    images: str = ""
    """``optical`` or ``radar`` if both have models of their own; otherwise empty."""

    @property
    def title(self) -> str:
        """Name of the model in texts."""
        return model_title(self.region, self.seed, self.images)

    @property
    def found(self) -> bool:
        """Whether parameters were compared; samples of one class need no search."""
        return bool(self.scores["candidates"])


def search_remarks(models: Sequence[SearchedModel]) -> Iterator[str]:
    """One remark for each model: the best parameters, and their accuracy with both kinds of folds."""
    for model in models:
        if model.found:
            scores, other = model.scores, model.scores["best_with_other_folds"]
            best = max(one["mean"] for one in scores["candidates"])
            yield (
                f"{model.title}: the grid search chose {assignments(scores['best'])}, with an accuracy of "
                f"{100 * best:.1f} % with {scores['folds']}, and {100 * other['mean']:.1f} % with {other['folds']}."
                + ("" if scores["polygons_kept_together"] else LEAK)
                + "".join(f" {sentence}" for sentence in _at_limits(scores))
            )


def _at_limits(scores: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each number that is the lowest or highest of at least ``MIN_VALUES`` tried ones.

    None for a parameter of which another value is as good.
    """
    candidates = scores["candidates"]
    best = max(one["mean"] for one in candidates)
    for name, chosen in scores["best"].items():
        tried = {one["parameters"][name] for one in candidates}
        if len(tried) < MIN_VALUES or not all(type(value) in (int, float) for value in tried):
            continue
        as_good = {one["parameters"][name] for one in candidates if one["mean"] == best}
        if as_good == {chosen} and chosen in (min(tried), max(tried)):
            limit = "lowest" if chosen == min(tried) else "highest"
            yield f"{name} = {chosen} is the {limit} value tried; try values beyond it."


def search_tables(models: Sequence[SearchedModel]) -> list[dict[str, Any]]:
    """Values of the section of the page: for each model, its best combinations with the accuracy of each fold."""
    return [_table(model) for model in models if model.found]


def _table(model: SearchedModel) -> dict[str, Any]:
    ranked = sorted(model.scores["candidates"], key=lambda one: -one["mean"])
    other = model.scores["best_with_other_folds"]
    return {
        "title": model.title,
        "folds": model.scores["folds"],
        "count": len(model.scores["candidates"][0]["scores"]),
        "rows": [
            {
                "parameters": assignments(one["parameters"]),
                "mean": f"{100 * one['mean']:.2f}",
                "spread": f"{100 * float(np.std(one['scores'])):.2f}",
                "scores": [f"{100 * score:.2f}" for score in one["scores"]],
            }
            for one in ranked[:MAX_ROWS]
        ],
        "left": max(0, len(ranked) - MAX_ROWS),
        "other": f"{100 * other['mean']:.2f} % with {other['folds']}",
    }
