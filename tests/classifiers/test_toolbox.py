"""Classifiers with the names of the toolbox: what each option becomes, and a model of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iota2.classifiers import load_model, save_model, train_model, validate_options
from iota2.classifiers.base import CONVERGENCE, Model, ModelError
from iota2.classifiers.registry import KINDS, as_options, untrained
from iota2.classifiers.scikit.classifier import ScikitClassifier
from iota2.classifiers.scikit.toolbox import ToolboxClassifier
from iota2.core.cube import FeatureBlock
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.errors import ConfigError
from iota2.options import about

NAMES = ("libsvm", "svm", "boost", "gbt", "dt", "ann", "normalbayes", "knn")
RECIPE = FeatureRecipe((SensorRecipe("S", ("A", "B", "C", "D"), {}, ("20200101",), indices=()),))
FAST = {"gbt": {"classifier.gbt.w": 20}, "boost": {"classifier.boost.w": 20}, "ann": {"classifier.ann.iter": 60}}


def samples(count: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three separable classes with features of different units, and four polygons of each."""
    rng = np.random.default_rng(0)
    y = np.array([11, 2, 700])[np.arange(count) % 3]
    x = (rng.normal(size=(count, 4)) + 3 * (np.arange(count) % 3)[:, None]) * (1, 1000, 10, 0.1)
    return x.astype(np.float32), y, np.arange(count) % 12


def trained(name: str, x: np.ndarray, y: np.ndarray, groups: np.ndarray | None, threads: int = 1) -> Model:
    parameters, _ = validate_options(name, FAST.get(name, {}))
    return train_model(name, parameters, x, y, recipe=RECIPE, seed=3, region="1", threads=threads, groups=groups)


def probabilities(model: Model, x: np.ndarray) -> np.ndarray:
    block = FeatureBlock(x.T[:, None], RECIPE.names, np.ones((1, len(x)), np.uint16))
    return model.predict(block, np.ones((1, len(x)), bool)).probabilities[:, 0].T


def specification(name: str, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    classifier = untrained(name, validate_options(name, options)[0])
    assert isinstance(classifier, ScikitClassifier)
    return classifier.specification.model_type, dict(classifier.specification.arguments)


@pytest.mark.parametrize("name", NAMES)
def test_each_classifier_learns_and_is_stored(name: str, tmp_path: Path) -> None:
    x, y, groups = samples()
    model = trained(name, x, y, groups)
    found = probabilities(model, x)
    assert model.classes == (2, 11, 700)
    assert (np.array(model.classes)[found.argmax(axis=1)] == y).mean() > 0.9
    save_model(model, tmp_path / "model", tmp_path / "card.txt")
    np.testing.assert_array_equal(probabilities(load_model(tmp_path / "model"), x), found)
    again = trained(name, x, y, groups, threads=2)
    save_model(again, tmp_path / "again", tmp_path / "again.txt")
    files = sorted(file.relative_to(tmp_path / "model") for file in (tmp_path / "model").rglob("*") if file.is_file())
    assert files
    for file in files:
        assert (tmp_path / "model" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_one_class_one_sample_and_few_samples_are_enough(name: str) -> None:
    x, y, groups = samples()
    for rows in ([0], [0, 3, 6], [0, 1], [0, 1, 2, 3, 4]):
        if name == "normalbayes" and len(np.unique(y[rows])) > 1:
            with pytest.raises(ModelError, match="leave out classes with few samples"):
                trained(name, x[rows], y[rows], groups[rows])  # one sample has no covariance
            continue
        model = trained(name, x[rows], y[rows], groups[rows])
        found = probabilities(model, x[:7])
        assert found.shape == (7, len(np.unique(y[rows])))
        assert found.sum(axis=1) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("model_type", "arguments"),
    [
        ("HistGradientBoostingClassifier", {"max_iter": 5}),
        ("LGBMClassifier", {"n_estimators": 5}),
        ("RandomForestClassifier", {"n_estimators": 5}),
        ("VotingClassifier", {"estimators": ["SVC", "ExtraTreesClassifier"]}),
    ],
)
def test_the_number_of_threads_does_not_change_a_model_of_scikit_learn(
    model_type: str, arguments: dict[str, Any], tmp_path: Path
) -> None:
    if model_type == "LGBMClassifier":
        pytest.importorskip("lightgbm")
    x, y, groups = samples(600)
    stored = []
    for threads in (1, 3):
        parameters, _ = validate_options("scikit", {"model_type": model_type, "keyword_arguments": arguments})
        classifier = untrained("scikit", parameters, threads=threads)
        classifier.fit(x, y, weight=None, groups=groups, seed=0)
        (tmp_path / str(threads)).mkdir()
        classifier.save(tmp_path / str(threads))
        stored.append({file.name: file.read_bytes() for file in (tmp_path / str(threads)).iterdir()})
    assert stored[0] == stored[1]
    assert "predictor.npz" in stored[0]


def test_samples_that_do_not_suit_a_method_are_an_error_with_the_message_of_the_library() -> None:
    pytest.importorskip("lightgbm")
    x, y, groups = samples()
    parameters, _ = validate_options(
        "scikit", {"model_type": "LGBMClassifier", "keyword_arguments": {"boosting_type": "zzz"}}
    )
    with pytest.raises(ModelError, match="LGBMClassifier cannot learn from 120 samples of 3 classes: "):
        untrained("scikit", parameters).fit(x, y, weight=None, groups=groups, seed=0)


def test_svm_and_networks_standardise() -> None:
    for name in NAMES:
        assert bool(untrained(name, validate_options(name, {})[0]).transforms) == (
            name in ("libsvm", "svm", "ann", "normalbayes")
        )


@pytest.mark.parametrize(
    ("name", "options", "estimator", "arguments"),
    [
        (
            "libsvm",
            {"classifier.libsvm.k": "linear", "classifier.libsvm.c": "10"},
            "SVC",
            {"kernel": "linear", "C": 10},
        ),
        ("libsvm", {"classifier.libsvm.m": "nusvc", "classifier.libsvm.nu": 0.2}, "NuSVC", {"nu": 0.2}),
        ("svm", {"classifier.svm.gamma": 0.5, "classifier.svm.degree": 2}, "SVC", {"gamma": 0.5, "degree": 2}),
        (
            "gbt",
            {"classifier.gbt.w": 7, "classifier.gbt.max": 2},
            "GradientBoostingClassifier",
            {"n_estimators": 7, "max_depth": 2},
        ),
        (
            "dt",
            {"classifier.dt.max": 4, "classifier.dt.min": 0},
            "DecisionTreeClassifier",
            {"max_depth": 4, "min_samples_split": 2},
        ),
        (
            "ann",
            {"classifier.ann.sizes": "30 20", "classifier.ann.f": "ident"},
            "MLPClassifier",
            {"hidden_layer_sizes": (30, 20), "activation": "identity"},
        ),
        (
            "ann",
            {"classifier.ann.sizes": 12, "classifier.ann.term": "iter"},
            "MLPClassifier",
            {"hidden_layer_sizes": (12,), "tol": 0},
        ),
        ("knn", {"classifier.knn.k": 5}, "KNeighborsClassifier", {"n_neighbors": 5}),
    ],
)
def test_options_become_arguments(
    name: str, options: dict[str, Any], estimator: str, arguments: dict[str, Any]
) -> None:
    found, given = specification(name, options)
    assert found == estimator
    assert {key: given[key] for key in arguments} == arguments


def test_boost_is_made_of_trees() -> None:
    _, arguments = specification("boost", {"classifier.boost.m": 2})
    assert arguments["estimator"] == {"model_type": "DecisionTreeClassifier", "max_depth": 2}


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_an_effect_or_a_reason(name: str) -> None:
    implementation = KINDS[name].implementation
    assert issubclass(implementation, ToolboxClassifier)
    effective = {key for key, field in implementation.Params.model_fields.items() if about(field).status == "now"}
    assert set(implementation.becomes) >= effective
    for key, field in implementation.Params.model_fields.items():
        assert field.alias == f"classifier.{name}.{key}"


def test_a_text_with_several_values_is_parsed() -> None:
    parameters, _ = validate_options("ann", "-classifier.ann.sizes 100 50 -classifier.ann.iter 10")
    assert (parameters["sizes"], parameters["iter"]) == ((100, 50), 10)


def test_opt_searches_with_polygons_kept_together() -> None:
    x, y, groups = samples(60)
    parameters, _ = validate_options("libsvm", {"classifier.libsvm.opt": True})
    model = train_model("libsvm", parameters, x, y, recipe=RECIPE, seed=0, region="1", threads=1, groups=groups)
    assert isinstance(model.classifier, ScikitClassifier)
    found = model.classifier.search_report
    assert found is not None
    assert (found.grouped, len(found.candidates)) == (True, 4)
    assert model.meta.summary["estimator"].endswith(f", C={found.best.parameters['C']})")
    assert model.meta.summary["grid search"].startswith("C = ")


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("libsvm", "classifier.libsvm.k", "cubic"),
        ("libsvm", "classifier.libsvm.c", 0),
        ("ann", "classifier.ann.sizes", "many"),
        ("ann", "classifier.ann.f", "gau"),
        ("knn", "classifier.knn.k", 0),
        ("dt", "classifier.dt.depth", 3),
    ],
)
def test_values_out_of_range_are_refused(name: str, option: str, value: object) -> None:
    with pytest.raises(ConfigError, match=option.replace(".", r"\.")):
        validate_options(name, {option: value})


def test_parameters_have_their_names_of_the_configuration() -> None:
    parameters, _ = validate_options("knn", {})
    assert as_options("knn", parameters) == {"classifier.knn.k": 32}


@pytest.mark.parametrize(("iterations", "stopped"), [(1, True), (10_000, False)])
def test_a_training_that_stops_before_it_converges_is_reported(iterations: int, stopped: bool) -> None:
    x, y, groups = samples()
    given = {"model_type": "LinearSVC", "standardization": True, "keyword_arguments": {"max_iter": iterations}}
    parameters, _ = validate_options("scikit", given)
    model = train_model("scikit", parameters, x, y, recipe=RECIPE, seed=0, region="1", threads=1, groups=groups)
    assert (CONVERGENCE in model.meta.summary) == stopped
    assert not str(model.meta.summary.get(CONVERGENCE, "")).endswith("with standardised features")
