"""Grid searches in the accuracy report: the chosen parameters, and values at the limit of those tried."""

from __future__ import annotations

from typing import Any

import pytest

from iota2.report.results.searches import SearchedModel, search_remarks


def searched(means: dict[Any, float]) -> SearchedModel:
    """A search for ``C`` with the mean accuracy of each value."""
    candidates = [{"parameters": {"C": value}, "mean": mean, "scores": [mean]} for value, mean in means.items()]
    scores = {
        "folds": "polygons kept together",
        "polygons_kept_together": True,
        "best": {"C": max(means, key=lambda value: means[value])},
        "candidates": candidates,
        "best_with_other_folds": {"folds": "pixels of a polygon in several folds", "mean": 0.99, "scores": [0.99]},
    }
    return SearchedModel("1", 0, scores)


@pytest.mark.parametrize(
    ("means", "said"),
    [
        ({1: 0.9, 10: 0.8, 100: 0.7}, "C = 1 is the lowest value tried; try values beyond it."),
        ({1: 0.7, 10: 0.8, 100: 0.9}, "C = 100 is the highest value tried; try values beyond it."),
        ({1: 0.7, 10: 0.9, 100: 0.8}, ""),
        ({1: 0.9, 10: 0.9, 100: 0.8}, ""),
        ({1: 0.9, 10: 0.8}, ""),
        ({"a": 0.9, "b": 0.8, "c": 0.7}, ""),
    ],
    ids=["lowest", "highest", "between", "equal", "two", "words"],
)
def test_a_best_value_at_the_limit_of_those_tried_is_remarked(means: dict[Any, float], said: str) -> None:
    (remark,) = search_remarks([searched(means)])
    assert remark.startswith("Region 1, seed 0: the grid search chose C = ")
    assert remark.endswith(said or "in several folds.")
