"""Estimators of scikit-learn from configurations: names, nested estimators, arguments, and all problems at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import all_estimators

from iota2.classifiers.scikit import build
from iota2.classifiers.scikit.build import (
    UNSUITABLE,
    arguments_without_effect,
    estimator_of,
    grid_of,
    names_of,
)
from iota2.classifiers.scikit.specification import Specification


def problems(model_type: str, arguments: Mapping[str, Any] | None = None) -> list[str]:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the caller checks the text
        estimator_of(model_type, arguments or {})
    return str(caught.value).splitlines()


def test_every_classifier_of_the_library_with_one_label_is_found_by_name() -> None:
    listed = {name for name, _ in all_estimators(type_filter="classifier")}
    assert set(names_of("classifier")) - {"LGBMClassifier"} == (listed | {"Pipeline"}) - set(UNSUITABLE)
    needs_nested = {"estimator", "estimators"}
    for name, cls in all_estimators(type_filter="classifier"):
        required = needs_nested & set(cls.__init__.__code__.co_varnames)
        if name not in UNSUITABLE and not required:
            assert type(estimator_of(name, {})) is cls


def test_arguments_reach_the_estimator() -> None:
    found = estimator_of("SVC", {"C": 10, "kernel": "poly", "class_weight": "balanced"})
    assert (found.C, found.kernel, found.class_weight) == (10, "poly", "balanced")
    assert estimator_of("RandomForestClassifier", {"max_depth": "None"}).max_depth is None
    assert estimator_of("MLPClassifier", {"hidden_layer_sizes": [30, 20]}).hidden_layer_sizes == (30, 20)


def test_the_name_of_earlier_configurations_is_accepted() -> None:
    assert type(estimator_of("SupportVectorClassification", {})) is SVC


def test_estimators_are_nested_by_mappings_and_names() -> None:
    bagging = estimator_of("BaggingClassifier", {"estimator": {"model_type": "SVC", "C": 3}, "n_estimators": 5})
    assert isinstance(bagging, BaggingClassifier)
    assert (type(bagging.estimator), bagging.estimator.C) == (SVC, 3)
    vote = estimator_of(
        "VotingClassifier",
        {"estimators": {"a": {"model_type": "SVC", "keyword_arguments": {"C": 2}}, "b": "GaussianNB"}},
    )
    assert isinstance(vote, VotingClassifier)
    assert [(name, type(one).__name__) for name, one in vote.estimators] == [("a", "SVC"), ("b", "GaussianNB")]
    assert (vote.voting, vote.estimators[0][1].C) == ("soft", 2)
    stack = estimator_of("StackingClassifier", {"estimators": ["SVC", "SVC"], "final_estimator": "LogisticRegression"})
    assert isinstance(stack, StackingClassifier)
    assert [name for name, _ in stack.estimators] == ["svc1", "svc2"]
    pipeline = estimator_of("Pipeline", {"steps": {"scale": "StandardScaler", "svc": {"model_type": "SVC"}}})
    assert isinstance(pipeline, Pipeline)
    assert isinstance(pipeline.steps[0][1], StandardScaler)


@pytest.mark.parametrize(
    ("model_type", "arguments", "expected"),
    [
        ("SCV", {}, "model_type: scikit-learn has no classifier 'SCV'; did you mean 'SVC'?"),
        ("StandardScaler", {}, "model_type: scikit-learn has no classifier 'StandardScaler'"),
        ("sklearn.svm.SVC", {}, "model_type: scikit-learn has no classifier 'sklearn.svm.SVC'"),
        ("os.system", {}, "model_type: scikit-learn has no classifier 'os.system'"),
        ("MultiOutputClassifier", {}, "predicts several labels for a pixel"),
        ("FixedThresholdClassifier", {"estimator": "SVC"}, "moves the threshold between two classes"),
        ("RandomForestClassifier", {"n_estimator": 3}, "has no such argument; did you mean 'n_estimators'?"),
        ("SVC", {"C": -1}, "The 'C' parameter of SVC must be a float in the range (0.0, inf]"),
        ("SVC", {"kernel": "cubic"}, "The 'kernel' parameter of SVC"),
        ("BaggingClassifier", {"estimator": "SVX"}, "estimator.model_type: scikit-learn has no classifier 'SVX'"),
        ("BaggingClassifier", {"estimator": {"model_type": "SVC", "c": 1}}, "estimator.c: SVC has no such argument"),
        ("VotingClassifier", {"estimators": ["SVC"], "voting": "hard"}, "'hard' has no probabilities; expected 'soft'"),
        ("SVC", {"class_weight": {"11": 2}}, "class_weight: expected 'balanced' or None"),
        ("RadiusNeighborsClassifier", {"outlier_label": "None"}, "every pixel needs a class"),
        ("Pipeline", {"steps": ["SVC", "StandardScaler"]}, "steps: the last one must be a classifier"),
        ("Pipeline", {"steps": {}}, "steps: expected a dictionary of names and estimators"),
        ("Pipeline", {"steps": [{"model_type": "Pipeline", "steps": ["PCA"]}]}, "steps: the last one must be a class"),
        (
            "BaggingClassifier",
            {"estimator": {"model_type": "PCA"}},
            "estimator.model_type: scikit-learn has no classifier 'PCA'",
        ),
        ("Pipeline", {"steps": ["StandardScalr", "SVC"]}, "has no classifier or transformer 'StandardScalr'; did you"),
        ("VotingClassifier", {"estimators": 3}, "estimators: expected a dictionary of names and estimators"),
        ("VotingClassifier", {}, "missing 1 required positional argument: 'estimators'"),
    ],
)
def test_problems_name_the_place_and_the_nearest_name(
    model_type: str, arguments: Mapping[str, Any], expected: str
) -> None:
    assert expected in problems(model_type, arguments)[0]


def test_a_pipeline_of_transformers_is_a_transformer() -> None:
    inner = {"model_type": "Pipeline", "steps": ["StandardScaler", "PCA"]}
    found = estimator_of("Pipeline", {"steps": {"features": inner, "svc": "SVC"}})
    assert [name for name, _ in found.steps[0][1].steps] == ["standardscaler1", "pca2"]


def test_all_problems_are_reported_at_once() -> None:
    nested = {"a": {"model_type": "SVC", "CC": 1}, "b": {"model_type": "GausianNB"}}
    found = problems("VotingClassifier", {"estimators": nested, "vote": "soft"})
    assert [line.partition(":")[0] for line in found] == ["estimators.a.CC", "estimators.b.model_type", "vote"]


def test_classifiers_of_other_packages_are_named_by_a_closed_list(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lightgbm")
    assert estimator_of("LGBMClassifier", {"num_leaves": 7}).num_leaves == 7
    assert "has no such argument; did you mean 'num_leaves'?" in problems("LGBMClassifier", {"num_leafs": 7})[0]
    build._known.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(build, "find_spec", lambda _: None)
        (found,) = problems("LGBMClassifier")
    build._known.cache_clear()
    assert found == "model_type: LGBMClassifier is not installed; pip install 'iota2[boosting]'"


def test_values_of_a_grid_are_converted_as_arguments() -> None:
    assert grid_of({"max_depth": ["None", 3], "hidden_layer_sizes": [[30, 20], [10]]}) == {
        "max_depth": (None, 3),
        "hidden_layer_sizes": ((30, 20), (10,)),
    }
    grid = {"n_jobs": [1], "C": 3, "class_weight": [{"1": 2}], "svm": [{"model_type": "SVC"}]}
    with pytest.raises(ValueError, match="n_jobs: cannot be searched") as caught:
        grid_of(grid)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == list(grid)


def test_a_stack_without_final_estimator_has_that_of_the_library() -> None:
    found = estimator_of("StackingClassifier", {"estimators": ["SVC", "GaussianNB"]})
    assert type(found.final_estimator).__name__ == "LogisticRegression"


def test_arguments_that_the_run_sets_have_no_effect() -> None:
    arguments = {"n_jobs": 4, "estimator": {"model_type": "SVC", "probability": True}}
    assert estimator_of("BaggingClassifier", arguments).n_jobs is None
    found = [text.partition(" has no effect")[0] for text in arguments_without_effect(arguments)]
    assert found == ["keyword_arguments.n_jobs", "keyword_arguments.estimator.probability"]


def test_an_estimator_without_arguments_is_shown_as_such() -> None:
    nested = {"estimator": {"model_type": "DecisionTreeClassifier", "keyword_arguments": None}, "n_estimators": 3}
    assert Specification("BaggingClassifier", nested).text() == (
        "BaggingClassifier(estimator=DecisionTreeClassifier(), n_estimators=3)"
    )
