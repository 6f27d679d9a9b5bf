"""Estimates of memory and time of scikit-learn's estimators before the training."""

from __future__ import annotations

import time

import numpy as np
import pytest

from iota2.classifiers.base import TimedTraining
from iota2.classifiers.registry import untrained, validate_options
from iota2.classifiers.scikit.build import estimator_of
from iota2.classifiers.scikit.cost import Size, pixel_seconds, training_memory, training_seconds

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


def training(model_type: str, size: Size = SIZE, **arguments: object) -> float:
    return training_seconds(estimator_of(model_type, arguments), size)


def test_the_training_of_machines_grows_with_the_square_of_the_samples_and_others_in_proportion() -> None:
    more = Size(10 * SIZE.samples, SIZE.features, SIZE.classes)
    assert training("SVC", more) == pytest.approx(100 * training("SVC"))
    for name in ("LinearSVC", "MLPClassifier", "GradientBoostingClassifier"):
        assert training(name, more) == pytest.approx(10 * training(name))
    rounds = training("HistGradientBoostingClassifier", max_iter=200) / training("HistGradientBoostingClassifier")
    assert rounds == pytest.approx(2)
    assert training("KNeighborsClassifier") == 0


def test_the_training_of_nested_estimators_is_added() -> None:
    svc = {"model_type": "SVC"}
    assert training("BaggingClassifier", estimator=svc, n_estimators=7) == pytest.approx(7 * training("SVC"))
    assert training("StackingClassifier", estimators={"a": svc}) == pytest.approx(6 * training("SVC"), rel=0.1)
    assert training("Pipeline", steps={"scale": "StandardScaler", "svc": "SVC"}) == training("SVC")


def seconds_of(kind: str, **options: object) -> float:
    method = untrained(kind, validate_options(kind, options)[0])
    assert isinstance(method, TimedTraining)
    return method.training_seconds(1000, 50, 5)


def test_a_grid_search_counts_each_combination_and_fold() -> None:
    once = seconds_of("scikit", model_type="LinearSVC")
    grid = {"cross_validation_parameters": {"C": [1, 2, 3], "tol": [0.1, 0.2]}, "cross_validation_folds": 4}
    searched = seconds_of("scikit", model_type="LinearSVC", **grid)
    assert searched == pytest.approx(once * (1 + (6 + 1) * 4 * 0.75))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("scikit", {"model_type": "HistGradientBoostingClassifier", "keyword_arguments": {"max_iter": 20}}),
        ("rf", {}),
        ("trees", {}),
    ],
    ids=["boosting", "rf", "trees"],
)
def test_estimates_of_the_training_are_of_the_right_order(kind: str, options: dict[str, object]) -> None:
    method = untrained(kind, validate_options(kind, options)[0])
    rng = np.random.default_rng(0)
    y = rng.integers(1, 6, 2000)
    x = (rng.normal(size=(2000, 50)) + y[:, None]).astype(np.float32)
    untrained(kind, validate_options(kind, options)[0]).fit(x, y, weight=None, groups=None, seed=0)
    started = time.process_time()
    method.fit(x, y, weight=None, groups=np.arange(2000) // 10, seed=0)
    taken = time.process_time() - started
    assert isinstance(method, TimedTraining)
    assert taken / 10 < method.training_seconds(2000, 50, 5) < 10 * taken
