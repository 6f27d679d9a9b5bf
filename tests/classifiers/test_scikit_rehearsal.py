"""Rehearsal of a training before the run: problems that only ``fit`` of scikit-learn reports."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import iota2
from iota2.classifiers.base import Misfit, ModelError
from iota2.classifiers.registry import SCIKIT, selectable_names, validate_options
from iota2.classifiers.scikit import rehearsal
from iota2.classifiers.scikit.build import estimator_of, names_of
from iota2.classifiers.scikit.classifier import ScikitClassifier
from iota2.classifiers.scikit.rehearsal import _reduced
from iota2.config.learner import Learner, misfits
from iota2.config.options.train import ScikitModels
from iota2.config.syntax.cfg import read_cfg

PAIR = {"estimators": {"a": "GaussianNB", "b": "DecisionTreeClassifier"}}
NEEDED: Mapping[str, Mapping[str, Any]] = {
    "OneVsOneClassifier": {"estimator": "LogisticRegression"},
    "OneVsRestClassifier": {"estimator": "LogisticRegression"},
    "SelfTrainingClassifier": {"estimator": "LogisticRegression"},
    "VotingClassifier": PAIR,
    "StackingClassifier": PAIR,
    "Pipeline": {"steps": {"scale": "StandardScaler", "svc": "SVC"}},
}
"""Arguments of classifiers that have no default for them."""
CANNOT_BE_STORED = "OutputCodeClassifier"
HOWTO = Path(iota2.__file__).parents[2] / "docs" / "howto" / "scikit-learn.md"
EXAMPLES = re.findall(r"```\n(scikit_models_parameters.*?)```", HOWTO.read_text("utf-8"), re.DOTALL)


def classifier(model_type: str, arguments: Mapping[str, Any] | None = None, **options: Any) -> ScikitClassifier:
    given = {"model_type": model_type, "keyword_arguments": dict(arguments or {}), **options}
    return ScikitClassifier(validate_options(SCIKIT, given)[0])


def found(one: ScikitClassifier, *, features: int = 200, classes: int = 14, weighted: bool = False) -> list[Misfit]:
    return [*one.rehearse(features=features, classes=classes, weighted=weighted)]


def columns(*chosen: int | str) -> dict[str, Any]:
    transformer = {"model_type": "ColumnTransformer", "transformers": [["a", {"model_type": "PCA"}, [*chosen]]]}
    return {"steps": {"columns": transformer, "forest": "ExtraTreesClassifier"}}


@pytest.mark.parametrize("name", [name for name in names_of("classifier") if name != CANNOT_BE_STORED])
def test_every_classifier_with_its_defaults_is_accepted_quickly_and_silently(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    one = classifier(name, NEEDED.get(name))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found(one)  # imports and compilation
        begin = time.process_time()
        assert found(one) == found(one, features=3, classes=2, weighted=one.weights) == []
        assert time.process_time() - begin < 3
        assert found(one, features=0, classes=0) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", selectable_names())
def test_classifiers_of_the_option_classifier_are_accepted(name: str) -> None:
    learner = Learner(name, validate_options(name, {})[0])
    assert [*misfits(learner, features=40, classes=5, weighted=False)] == []


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_of_the_documentation_are_accepted(text: str) -> None:
    (section,) = read_cfg(text, HOWTO).sections
    options = ScikitModels.model_validate({key: node.plain() for key, node in section.options.items()})
    assert found(ScikitClassifier(validate_options(SCIKIT, options.model_dump())[0])) == []


@pytest.mark.parametrize(
    ("model_type", "arguments", "path", "words"),
    [
        ("VotingClassifier", {"estimators": {}}, (), "non-empty list.*Correct estimators"),
        ("StackingClassifier", {"estimators": {}}, (), "non-empty list.*Correct estimators"),
        ("VotingClassifier", {**PAIR, "weights": [1, 2, 3]}, (), "got 3 weights, 2 est.*Correct estimators, weights"),
        ("Pipeline", columns("B2"), ("steps", "columns"), "ColumnTransformer cannot be used.*Correct transformers"),
        ("Pipeline", columns(200), ("steps", "columns"), r"\[0, 199\].*Correct transformers"),
        (
            "StackingClassifier",
            {"estimators": {"a": "SVC"}, "stack_method": "predict_proba"},
            (),
            "a does not implement the method predict_proba. Correct estimators, .*stack_method",
        ),
        ("AdaBoostClassifier", {"estimator": "KNeighborsClassifier"}, (), "KNeighborsClassifier.*Correct estimator"),
        (
            "BaggingClassifier",
            {"estimator": {"model_type": "LinearDiscriminantAnalysis", "shrinkage": "auto"}},
            ("estimator",),
            "LinearDiscriminantAnalysis cannot be used: shrinkage not supported.*Correct shrinkage, solver",
        ),
        (
            "VotingClassifier",
            {"estimators": {"a": "GaussianNB", "b": {"model_type": "LinearSVC", "penalty": "l1", "loss": "hinge"}}},
            ("estimators", "b"),
            "LinearSVC cannot be used: .*Correct .*penalty",
        ),
        ("GradientBoostingClassifier", {"loss": "exponential"}, (), "n_classes=14.*Correct loss"),
        ("Pipeline", {"steps": {"p": {"model_type": "PCA", "n_components": 201}, "s": "SVC"}}, ("steps", "p"), "n_c"),
    ],
)
def test_arguments_that_do_not_fit_together_are_problems_of_their_place(
    model_type: str, arguments: Mapping[str, Any], path: tuple[str, ...], words: str
) -> None:
    (problem,) = found(classifier(model_type, arguments))
    assert problem.option == ("keyword_arguments", *path)
    assert re.search(words, problem.text), problem.text


@pytest.mark.parametrize(
    ("model_type", "arguments", "numbers"),
    [
        ("Pipeline", columns(199), {}),
        ("Pipeline", {"steps": {"p": {"model_type": "PCA", "n_components": 200}, "s": "SVC"}}, {}),
        ("LinearDiscriminantAnalysis", {"n_components": 13}, {}),
        ("LinearDiscriminantAnalysis", {"n_components": 13}, {"classes": 0}),
        ("GradientBoostingClassifier", {"loss": "exponential"}, {"classes": 2}),
        ("GradientBoostingClassifier", {"loss": "exponential"}, {"classes": 0}),
        ("QuadraticDiscriminantAnalysis", {}, {"features": 600}),
        ("BaggingClassifier", {"n_estimators": 1000, "max_samples": 100_000}, {}),
        ("StackingClassifier", {**PAIR, "cv": 50}, {}),
        ("KNeighborsClassifier", {"n_neighbors": 5000}, {}),
    ],
)
def test_what_depends_on_numbers_of_the_run_is_tried_with_them(
    model_type: str, arguments: Mapping[str, Any], numbers: Mapping[str, int]
) -> None:
    assert found(classifier(model_type, arguments), **numbers) == []


def test_each_value_of_a_grid_is_tried() -> None:
    grid = {"weights": [[1, 2], [1, 2, 3]], "b__max_depth": [2, 3]}
    (problem,) = found(classifier("VotingClassifier", PAIR, cross_validation_parameters=grid))
    assert problem.option == ("cross_validation_parameters",)
    assert "with weights = (1, 2, 3), b__max_depth = 2 cannot be used: Number of `estimators`" in problem.text


def test_a_value_of_the_grid_replaces_an_argument() -> None:
    grid = {"weights": [[1, 2]]}
    assert found(classifier("VotingClassifier", {**PAIR, "weights": [1]}, cross_validation_parameters=grid)) == []


def test_standardised_features_are_negative() -> None:
    assert found(classifier("MultinomialNB")) == []
    (problem,) = found(classifier("MultinomialNB", standardization=True))
    assert "Negative values" in problem.text
    assert problem.text.endswith("Choose another estimator, or change standardization")


def test_a_problem_is_that_of_the_training() -> None:
    one = classifier("VotingClassifier", {**PAIR, "weights": [1, 2, 3]})
    (problem,) = found(one)
    x, y = np.random.default_rng(0).normal(size=(60, 200)).astype(np.float32), np.arange(60) % 14
    with pytest.raises(ModelError, match="got 3 weights, 2 estimators"):
        one.fit(x, y, weight=None, groups=None, seed=0)
    assert "got 3 weights, 2 estimators" in problem.text


def test_slow_estimators_are_not_tried_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = classifier("VotingClassifier", {**PAIR, "weights": [1, 2, 3]})
    assert len(found(wrong)) == 1
    monkeypatch.setattr(rehearsal, "MAX_SECONDS", -1.0)
    assert found(wrong) == []


def test_a_selection_of_features_selects_few_of_them() -> None:
    selection = {"model_type": "SequentialFeatureSelector", "n_features_to_select": 400, "estimator": "GaussianNB"}
    steps = {"steps": {"few": selection, "method": "GaussianNB"}}
    assert _reduced(estimator_of("Pipeline", steps)).named_steps["few"].n_features_to_select == 5


def test_an_estimator_that_needs_too_much_memory_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def allocate(*_: object) -> None:
        raise MemoryError("Unable to allocate 74.5 GiB for an array")

    monkeypatch.setattr(rehearsal, "_train_and_store", allocate)
    (problem,) = found(classifier("MLPClassifier", {"hidden_layer_sizes": [100_000, 100_000]}))
    assert "Unable to allocate 74.5 GiB" in problem.text
    assert "hidden_layer_sizes" in problem.text


def test_problems_are_those_of_the_section() -> None:
    given = {"model_type": "VotingClassifier", "keyword_arguments": {"estimators": {}}}
    learner = Learner(SCIKIT, validate_options(SCIKIT, given)[0])
    ((option, _),) = misfits(learner, features=5, classes=3, weighted=False)
    assert option == ("scikit_models_parameters", "keyword_arguments")
