"""Training of scikit-learn's estimators: folds of polygons, probabilities, grid search."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from iota2.classifiers.samples import Samples
from iota2.classifiers.scikit.build import estimator_of
from iota2.classifiers.scikit.search import KEPT, MIXED, grid_problems, grid_search
from iota2.classifiers.scikit.training import (
    fitted,
    many_polygons,
    prepared,
    sample_folds,
    weight_argument,
    with_pairs,
)


def samples(polygons: int = 24, pixels: int = 6) -> Samples:
    """Samples of three classes; the polygons of a class differ, so that mixed folds are too optimistic."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(polygons), pixels)
    y = np.array([11, 2, 65535])[groups % 3]
    centre = rng.normal(size=(polygons, 4)) * 1.5 + (np.arange(polygons) % 3)[:, None]
    return Samples((centre[groups] + 0.2 * rng.normal(size=(len(y), 4))).astype(np.float32), y, None, groups)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=60), st.integers(1, 4), st.integers(2, 5))
def test_folds_predict_each_sample_once_and_learn_every_class(polygons: list[int], classes: int, folds: int) -> None:
    groups = np.array(polygons * 2)  # at least two samples of each class
    y = groups % classes
    pairs = sample_folds(Samples(np.zeros((len(y), 1)), y, None, groups), folds, np.random.default_rng(0))
    assert sorted(np.concatenate([test for _, test in pairs])) == list(range(len(y)))
    single = [code for code in np.unique(y) if len(np.unique(groups[y == code])) == 1]
    for learned, test in pairs:
        assert set(learned).isdisjoint(test)
        assert set(y[learned]) == set(y)
        assert set(groups[learned]) & set(groups[test]) <= set(groups[np.isin(y, single)])


def test_a_class_with_one_polygon_is_learned_in_every_fold() -> None:
    given = samples()
    given.y[given.groups == 0] = 7
    for learned, _ in sample_folds(given, 3, np.random.default_rng(0)):
        assert 7 in given.y[learned]


def test_the_only_sample_of_a_class_is_repeated_with_half_its_weight() -> None:
    x, y = np.arange(5, dtype=np.float32)[:, None], np.array([1, 1, 2, 3, 3])
    found = with_pairs(Samples(x, y, np.array([1, 1, 4, 1, 1.0]), np.arange(5)))
    assert found.y.tolist() == [1, 1, 2, 3, 3, 2]
    assert found.weight is not None
    assert (found.x[-1], found.weight[2], found.weight[-1], found.groups[-1]) == (2, 2, 2, 2)


@pytest.mark.parametrize("estimator", [SVC(), LinearSVC(), make_pipeline(StandardScaler(), SVC())])
def test_a_classifier_without_probabilities_gets_them(estimator: object) -> None:
    given = samples()
    found = fitted(estimator, given, np.random.default_rng(0))
    probabilities = found.predict_proba(given.x)
    assert found.classes_.tolist() == [2, 11, 65535]
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert (found.classes_[probabilities.argmax(axis=1)] == given.y).mean() > 0.7


def test_probabilities_agree_with_the_labels_where_polygons_are_few() -> None:
    """With polygons kept together, the functions of classes with one or two polygons would fall with the score."""
    given = samples()
    few = np.isin(given.groups, [0, 1, 3, 4, 2])
    given = Samples(given.x[few], given.y[few], None, given.groups[few])
    assert not many_polygons(given)
    found = fitted(SVC(), given, np.random.default_rng(0))
    assert (found.classes_[found.predict_proba(given.x).argmax(axis=1)] == given.y).mean() > 0.95


@pytest.mark.parametrize("kind", ["SVC", "LinearSVC"])
def test_weights_reach_the_last_step_of_a_pipeline(kind: str) -> None:
    given = samples()
    found = []
    for weight in (None, np.where(given.y == 11, 1000.0, 1.0)):
        pipeline = estimator_of("Pipeline", {"steps": {"scale": "StandardScaler", "last": kind}})
        weighted = Samples(given.x, given.y, weight, given.groups)
        fitted_pipeline = fitted(pipeline, weighted, np.random.default_rng(0))
        (calibrated,) = fitted_pipeline.steps[-1][1].calibrated_classifiers_
        found.append(calibrated.estimator.decision_function(fitted_pipeline[:-1].transform(given.x)))
    assert np.abs(found[0] - found[1]).max() > 0.05


@pytest.mark.parametrize(
    "member",
    [
        {"model_type": "Pipeline", "steps": ["StandardScaler", "SVC"]},
        {"model_type": "BaggingClassifier", "estimator": "SVC", "n_estimators": 2},
        {"model_type": "StackingClassifier", "estimators": ["GaussianNB"], "final_estimator": "SVC"},
        {"model_type": "OneVsRestClassifier", "estimator": "SVC"},
    ],
    ids=lambda member: member["model_type"],
)
def test_every_kind_of_member_of_a_vote_gets_probabilities(member: dict[str, object]) -> None:
    given = samples()
    vote = estimator_of("VotingClassifier", {"estimators": {"a": member, "b": "GaussianNB"}})
    assert fitted(vote, given, np.random.default_rng(0)).predict_proba(given.x).shape == (len(given.y), 3)


def test_members_of_a_vote_get_probabilities() -> None:
    given = samples()
    vote = estimator_of("VotingClassifier", {"estimators": ["SVC", "GaussianNB"]})
    found = fitted(vote, given, np.random.default_rng(0))
    assert found.predict_proba(given.x).shape == (len(given.y), 3)


def test_seed_and_threads_are_set_at_every_level() -> None:
    forest = {"model_type": "RandomForestClassifier", "random_state": 5}
    given = estimator_of("VotingClassifier", {"estimators": [forest, "ExtraTreesClassifier"]})
    found = prepared(given, 42, 3)
    assert [one.random_state for _, one in found.estimators] == [5, 42]
    assert (found.n_jobs, [one.n_jobs for _, one in found.estimators]) == (3, [1, 1])


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("SVC", {}, "sample_weight"),
        ("KNeighborsClassifier", {}, ""),
        ("Pipeline", {"steps": {"s": "StandardScaler", "svc": "SVC"}}, "svc__sample_weight"),
        ("Pipeline", {"steps": {"s": "StandardScaler", "knn": "KNeighborsClassifier"}}, ""),
        ("VotingClassifier", {"estimators": ["SVC", "GaussianNB"]}, "sample_weight"),
        ("VotingClassifier", {"estimators": ["SVC", "KNeighborsClassifier"]}, ""),
        ("BaggingClassifier", {"estimator": "KNeighborsClassifier"}, ""),
        ("BaggingClassifier", {"estimator": "SVC"}, "sample_weight"),
        ("VotingClassifier", {"estimators": [{"model_type": "Pipeline", "steps": ["StandardScaler", "SVC"]}]}, ""),
    ],
)
def test_estimators_know_whether_they_use_weights(name: str, arguments: dict[str, object], expected: str) -> None:
    assert weight_argument(estimator_of(name, arguments)) == expected


def test_a_grid_search_equals_that_of_the_library_on_the_same_folds() -> None:
    given = samples()
    grid = {"C": [0.1, 10.0], "kernel": ["linear", "rbf"]}
    found = grid_search(SVC(), grid, given, folds=4, grouped=True, threads=2, rng=np.random.default_rng(3))
    pairs = sample_folds(given, 4, np.random.default_rng(3))
    oracle = GridSearchCV(SVC(), grid, cv=pairs, scoring="accuracy").fit(given.x, given.y)
    assert [one.parameters for one in found.candidates] == oracle.cv_results_["params"]
    assert [one.mean for one in found.candidates] == pytest.approx(oracle.cv_results_["mean_test_score"])
    assert found.best.parameters == oracle.best_params_
    assert len(found.candidates) == 4
    assert all(len(one.scores) == 4 for one in found.candidates)


def test_scores_with_mixed_polygons_are_too_high_and_both_are_reported() -> None:
    grid = {"C": [1.0, 100.0]}
    mixed, kept = (
        grid_search(SVC(), grid, samples(), folds=4, grouped=grouped, threads=1, rng=np.random.default_rng(0))
        for grouped in (False, True)
    )
    assert mixed.best.mean > np.mean(mixed.other) + 0.1
    assert kept.best.mean < np.mean(kept.other) - 0.1
    assert mixed.kinds == (MIXED, KEPT)
    text = mixed.text()
    assert f"Accuracy with {MIXED}: {mixed.best.mean:.4f}" in text
    assert f"Accuracy with {KEPT}: {np.mean(mixed.other):.4f}" in text
    content = json.loads(json.dumps(mixed.to_json()))
    names = ("measure", "folds", "polygons_kept_together", "best", "candidates", "best_with_other_folds")
    assert tuple(content) == names
    assert content["best_with_other_folds"]["scores"] == [*mixed.other]
    assert content["best"] == dict(mixed.best.parameters)
    assert [one["scores"] for one in content["candidates"]] == [list(one.scores) for one in mixed.candidates]


def test_the_number_of_threads_does_not_change_the_scores() -> None:
    grid, rng = {"C": [0.01, 1.0, 3.0]}, np.random.default_rng
    one, three = (
        grid_search(LogisticRegression(), grid, samples(), folds=3, grouped=True, threads=threads, rng=rng(0))
        for threads in (1, 3)
    )
    assert one == three


def test_problems_of_a_grid_name_the_parameter() -> None:
    estimator = estimator_of("BaggingClassifier", {"estimator": "SVC"})
    grid = {"estimator__C": [1, -1], "n_estimator": [3], "max_features": [0.5]}
    found = grid_problems(estimator, grid)
    assert len(found) == 2
    assert "The 'C' parameter of SVC" in found[0]
    assert found[1].startswith("n_estimator: BaggingClassifier has no such parameter; did you mean 'n_estimators'?")
    vote = estimator_of("VotingClassifier", {"estimators": {"s": "SVC", "n": "GaussianNB"}})
    assert grid_problems(vote, {"s__C": [1]}) == [
        "the member s of the vote has no probabilities and cannot be searched"
    ]
