"""Estimates of memory and time of scikit-learn's estimators before the training."""

from __future__ import annotations

import pytest

from iota2.classifiers.scikit.build import estimator_of
from iota2.classifiers.scikit.cost import Size, pixel_seconds, training_memory

SIZE = Size(10_000, 100, 10)


def seconds(model_type: str, size: Size = SIZE, **arguments: object) -> float:
    return pixel_seconds(estimator_of(model_type, arguments), size)


def test_machines_and_neighbours_take_time_in_proportion_to_the_samples() -> None:
    more = Size(10 * SIZE.samples, SIZE.features, SIZE.classes)
    for name in ("SVC", "NuSVC", "KNeighborsClassifier"):
        assert seconds(name, more) == pytest.approx(10 * seconds(name))
    for name in ("LinearSVC", "RandomForestClassifier", "MLPClassifier", "LogisticRegression"):
        assert seconds(name, more) == seconds(name)
    assert seconds("LinearSVC") < seconds("SVC") / 100


def test_nested_estimators_are_added() -> None:
    svc, forest = {"model_type": "SVC"}, {"model_type": "RandomForestClassifier", "n_estimators": 30}
    vote = seconds("VotingClassifier", estimators={"a": svc, "b": forest})
    assert vote == pytest.approx(seconds("SVC") + seconds("RandomForestClassifier", n_estimators=30))
    assert seconds("BaggingClassifier", estimator=svc, n_estimators=7) == pytest.approx(7 * seconds("SVC"))
    fast = seconds("Pipeline", steps={"kernel": {"model_type": "Nystroem", "n_components": 100}, "svm": "LinearSVC"})
    assert fast < seconds("SVC") / 20


def test_memory_grows_with_samples_and_quadratically_for_kernels_of_all_pairs() -> None:
    twice = Size(2 * SIZE.samples, SIZE.features, SIZE.classes)
    for name, factor in (("HistGradientBoostingClassifier", 2), ("GaussianProcessClassifier", 4)):
        estimator = estimator_of(name, {})
        assert training_memory(estimator, twice) == pytest.approx(factor * training_memory(estimator, SIZE), rel=0.1)


def test_small_trees_take_less_time_than_large_ones() -> None:
    for name, large in (
        ("HistGradientBoostingClassifier", {"max_leaf_nodes": None}),
        ("GradientBoostingClassifier", {"max_depth": 8}),
        ("LGBMClassifier", {"num_leaves": 63}),
    ):
        assert seconds(name) < seconds(name, **large) / 5
