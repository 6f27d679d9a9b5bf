"""Regressors of scikit-learn: equal to the library, kept without pickle, searched on folds of whole polygons."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor, RandomForestRegressor

from iota2.classifiers import load_model, save_model, train_model
from iota2.classifiers.base import Model, ModelError
from iota2.classifiers.registry import SCIKIT, regressor_of, validate_options
from iota2.classifiers.scikit import predictor_of_values
from iota2.classifiers.scikit.build import Method, estimator_of, names_of
from iota2.classifiers.scikit.cost import Size, pixel_seconds, training_memory, training_seconds
from iota2.classifiers.scikit.regressor import ScikitRegressor
from iota2.classifiers.scikit.specification import Specification
from iota2.compute.quantiles import quantile_edges, quantile_groups
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.target import Quantity
from iota2.errors import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore")
N_FEATURES = 6
BANDS = tuple("ABCDEF")
RECIPE = FeatureRecipe((SensorRecipe("S", BANDS, {}, ("20200101",), indices=()),))
NESTED: Mapping[str, Mapping[str, Any]] = {
    "VotingRegressor": {"estimators": {"a": "Ridge", "b": "DecisionTreeRegressor"}},
    "StackingRegressor": {"estimators": {"a": "Ridge", "b": "DecisionTreeRegressor"}, "passthrough": True},
    "Pipeline": {"steps": {"s": "StandardScaler", "r": "SVR"}},
    "KNeighborsRegressor": {"weights": "distance", "p": 1},
    "KernelRidge": {"kernel": "polynomial", "degree": 2},
    "MLPRegressor": {"hidden_layer_sizes": [8, 5], "max_iter": 30},
    "BaggingRegressor": {"estimator": {"model_type": "SVR", "C": 2}, "max_features": 0.5},
    "GaussianProcessRegressor": {"alpha": 0.1},
}
CANNOT_BE_STORED = "AdaBoostRegressor"


def samples(count: int = 240, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, values from about 50 to 100, and polygons of six samples each."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, N_FEATURES)).astype(np.float32)
    y = 75 + 8 * x[:, 0] + 3 * x[:, 1] ** 2 + rng.normal(size=count)
    return x, y, np.arange(count) // 6


def trained(kind: str, parameters: Mapping[str, Any], **more: Any) -> Model:
    x, y, groups = samples()
    given = {"recipe": RECIPE, "seed": 0, "region": "1", "threads": 1, "quantity": Quantity("height", "m")}
    return train_model(kind, parameters, x, y, groups=groups, **(given | more))


@pytest.mark.parametrize("name", [name for name in names_of("regressor") if name != CANNOT_BE_STORED])
def test_every_regressor_predicts_as_the_library_after_it_was_kept(name: str, tmp_path: Path) -> None:
    parameters, _ = validate_options(
        regressor_of(SCIKIT), {"model_type": name, "keyword_arguments": NESTED.get(name, {})}
    )
    model = trained(regressor_of(SCIKIT), parameters)
    save_model(model, tmp_path / "model", tmp_path / "card.txt")
    assert not [path for path in (tmp_path / "model").rglob("*") if path.suffix in (".pkl", ".joblib")]
    kept = load_model(tmp_path / "model").classifier
    assert isinstance(kept, ScikitRegressor)
    x, y, _ = samples()
    fresh, _, _ = samples(count=700, seed=1)
    library = Specification(name, parameters["keyword_arguments"], method="regressor").made()
    # the same training, by the library alone
    settings = library.get_params(deep=True)
    seeds = {key: _seed() for key in settings if key.rpartition("__")[2] == "random_state" and settings[key] is None}
    library.set_params(**seeds).fit(x.astype(np.float64), (y - y.mean()) / y.std())
    expected = np.ravel(library.predict(fresh.astype(np.float64))) * y.std() + y.mean()
    np.testing.assert_allclose(kept.predict(fresh), expected, rtol=0, atol=1e-6 * y.std())


def _seed() -> int:
    from iota2.classifiers.fitting import fit_seed  # noqa: PLC0415

    return fit_seed(0, "1")


@pytest.mark.parametrize(
    "forest", [RandomForestRegressor(9, min_samples_leaf=4), ExtraTreesRegressor(9, min_samples_leaf=4)]
)
def test_the_spread_of_a_forest_is_that_of_the_samples_in_its_leaves(forest: Any) -> None:
    x, y, _ = samples()
    fresh, _, _ = samples(count=50, seed=2)
    forest.set_params(bootstrap=False, random_state=3).fit(x, y)
    found = predictor_of_values(forest).outputs(fresh)
    of_samples, of_pixels = forest.apply(x), forest.apply(fresh)
    for pixel, leaves in enumerate(of_pixels):
        members = [y[of_samples[:, tree] == leaf] for tree, leaf in enumerate(leaves)]
        mean = np.mean([some.mean() for some in members])
        square = np.mean([(some**2).mean() for some in members])
        np.testing.assert_allclose(found[pixel], [mean, np.sqrt(square - mean**2)], rtol=1e-6)


def test_other_regressors_know_no_spread() -> None:
    x, y, _ = samples()
    assert predictor_of_values(HistGradientBoostingRegressor(max_iter=3).fit(x, y)).outputs(x).shape == (240, 1)


def test_own_forest_and_trees_have_the_options_of_the_classifiers() -> None:
    forest = trained(regressor_of("rf"), validate_options(regressor_of("rf"), {"classifier.rf.nbtrees": 7})[0])
    assert forest.classifier.summary()["estimator"].startswith("RandomForestRegressor(max_depth=25")  # type: ignore[union-attr]
    given, _ = validate_options(regressor_of("trees"), {"classifier.trees.extra": 5, "classifier.trees.rounds": 4})
    trees = trained(regressor_of("trees"), given)
    x, y, _ = samples()
    for model in (forest, trees):
        found = model.classifier.predict(x)  # type: ignore[union-attr]
        assert np.corrcoef(found, y)[0, 1] > 0.7
        assert model.classifier.summary()["largest value"] == y.max()


def test_constant_values_are_predicted() -> None:
    x, _, groups = samples()
    for name in ("RandomForestRegressor", "SVR", "KNeighborsRegressor", "Ridge"):
        parameters, _ = validate_options(regressor_of(SCIKIT), {"model_type": name})
        method = ScikitRegressor(parameters)
        method.fit(x, np.full(len(x), 7.5), weight=None, groups=groups, seed=0)
        np.testing.assert_allclose(method.predict(x), 7.5, atol=1e-6)


def test_grid_search_keeps_polygons_together_and_reports_r2() -> None:
    x, y, groups = samples()
    given = {
        "model_type": "KNeighborsRegressor",
        "cross_validation_parameters": {"n_neighbors": [1, 2]},
        "cross_validation_grouped": True,
        "cross_validation_folds": 4,
    }
    polygons = np.random.default_rng(5).normal(size=(40, N_FEATURES))
    x = (polygons[groups] + 0.01 * np.random.default_rng(6).normal(size=x.shape)).astype(np.float32)
    y = np.random.default_rng(7).normal(size=40)[groups]  # nothing but the polygon tells the value
    method = ScikitRegressor(validate_options(regressor_of(SCIKIT), given)[0])
    method.fit(x, y, weight=None, groups=groups, seed=0)
    report = method.search_report
    assert report is not None
    assert report.measure == "r2"
    assert report.best.mean < 0.3  # of other polygons
    assert float(np.mean(report.other)) > 0.9  # of the same polygons
    assert "R² with polygons kept together" in report.text()
    assert "has an R² of" in report.remark


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("RandomForestClassifier", {}, "scikit-learn has no regressor 'RandomForestClassifier'; did you mean"),
        ("PoissonRegressor", {}, "needs positive values"),
        ("MultiTaskLasso", {}, "predicts several values for a pixel"),
        ("SVR", {"kernel": "precomputed"}, "kernel 'precomputed' cannot be stored"),
        ("HistGradientBoostingRegressor", {"loss": "gamma"}, "loss 'gamma' needs positive values"),
        ("Pipeline", {"steps": {"a": "StandardScaler"}}, "the last one must be a regressor"),
        (CANNOT_BE_STORED, {}, "cannot be stored without pickle"),
    ],
)
def test_regressors_that_cannot_be_used_are_refused(name: str, arguments: Mapping[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        validate_options(regressor_of(SCIKIT), {"model_type": name, "keyword_arguments": arguments})


@pytest.mark.parametrize(("method", "name"), [("classifier", "Ridge"), ("regressor", "RidgeClassifier")])
def test_classifiers_and_regressors_are_not_mixed(method: Method, name: str) -> None:
    with pytest.raises(ValueError, match=f"has no {method} '{name}'"):
        estimator_of(name, {}, method)


def test_a_classifier_of_the_toolbox_has_no_regressor() -> None:
    with pytest.raises(ConfigError, match=r"'libsvm' predicts classes, not a quantity; expected one of rf, trees"):
        regressor_of("libsvm")


def test_arguments_that_do_not_fit_together_are_found_by_a_rehearsal() -> None:
    given = {"model_type": "RandomForestRegressor", "keyword_arguments": {"oob_score": True, "bootstrap": False}}
    method = ScikitRegressor(validate_options(regressor_of(SCIKIT), given)[0])
    (misfit,) = method.rehearse(features=5, classes=0, weighted=False)
    assert "Out of bag estimation only available if bootstrap=True" in misfit.text
    fine = ScikitRegressor(validate_options(regressor_of(SCIKIT), {"model_type": "LGBMRegressor"})[0])
    assert fine.rehearse(features=5, classes=0, weighted=False) == []


def test_samples_that_do_not_suit_a_method_are_an_error_of_the_model() -> None:
    x, y, _ = samples()
    method = ScikitRegressor(validate_options(regressor_of(SCIKIT), {"model_type": "RANSACRegressor"})[0])
    with pytest.raises(ModelError, match="RANSACRegressor cannot learn from 1 samples"):
        method.fit(x[:1], y[:1], weight=None, groups=None, seed=0)


def test_groups_of_values_have_nearly_equal_sizes() -> None:
    values = np.random.default_rng(0).exponential(size=1000)
    assert np.bincount(quantile_groups(values))[1:].tolist() == [200] * 5
    assert quantile_groups(values[::-1]).tolist() == quantile_groups(values).tolist()[::-1]


@pytest.mark.parametrize(
    ("values", "groups"), [([], []), ([3.0], [1]), ([2, 2, 2], [1, 1, 1]), ([0, 0, 0, 0, 5], [1, 1, 1, 1, 2])]
)
def test_few_and_equal_values_make_fewer_groups(values: list[float], groups: list[int]) -> None:
    given = np.array(values, float)
    assert quantile_groups(given).tolist() == groups
    assert (np.diff(quantile_edges(given)) > 0).all()


@pytest.mark.parametrize(
    ("regressor", "classifier"),
    [("RandomForestRegressor", "RandomForestClassifier"), ("SVR", "SVC"), ("MLPRegressor", "MLPClassifier")],
)
def test_estimates_are_those_of_the_classifier_of_the_same_method(regressor: str, classifier: str) -> None:
    size = Size(2000, 100, 1)
    values, classes = estimator_of(regressor, {}, "regressor"), estimator_of(classifier, {})
    if regressor == "RandomForestRegressor":
        assert training_seconds(values, size) == training_seconds(classes, size) > 1
    assert pixel_seconds(values, size) == pixel_seconds(classes, size)
    assert training_memory(values, size) == training_memory(classes, size)
