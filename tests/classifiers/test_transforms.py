"""Transforms of a model: fitted with it, stored in its folder and applied by its prediction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from iota2.classifiers import ModelError, load_model, save_model, train_model, validate_options
from iota2.classifiers.base import Model
from iota2.classifiers.forest import RandomForest
from iota2.classifiers.models import FILE
from iota2.classifiers.options import Params
from iota2.classifiers.registry import KINDS, register
from iota2.classifiers.transforms import Components, Projection, Standardisation
from iota2.core.cube import FeatureBlock
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.reduction import FeatureGroup
from iota2.core.target import Classes
from iota2.errors import ConfigError, InputError
from iota2.options import option

RECIPE = FeatureRecipe((SensorRecipe("S", ("A", "B", "C"), {}, ("20200101",), indices=()),))
FIT = (Standardisation.fitted, lambda x: Projection.principal(x, 2))


def samples(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(count) % 2 + 1
    x = rng.normal(size=(count, 3)) * (1, 100, 10_000) + y[:, None] * (5, 0, 0)
    return x.astype(np.float32), y


def trained(*, kind: str = "rf", options: Mapping[str, object] | None = None) -> Model:
    parameters, _ = validate_options(kind, options or {})
    x, y = samples()
    return train_model(kind, parameters, x, y, recipe=RECIPE, seed=0, region="1", threads=1)


@pytest.fixture
def transforming(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RandomForest, "transforms", FIT)


def answers(model: Model) -> np.ndarray:
    block = FeatureBlock(samples()[0].T.reshape(3, 6, 10), RECIPE.names, np.ones((6, 10), np.uint16))
    return model.predict(block, np.ones((6, 10), bool)).probabilities


def test_standardised_features_have_mean_0_and_deviation_1_and_constant_ones_are_0() -> None:
    x = np.column_stack([samples()[0], np.full(60, 7, np.float32)])
    found = Standardisation.fitted(x).apply(x)
    assert found.dtype == np.float32
    assert found.mean(axis=0) == pytest.approx([0, 0, 0, 0], abs=1e-5)
    assert found.std(axis=0) == pytest.approx([1, 1, 1, 0], abs=1e-5)


def test_principal_components_are_uncorrelated_and_descend_in_variance() -> None:
    x = samples()[0]
    found = np.cov(Projection.principal(x, 2).apply(x), rowvar=False)
    assert found.shape == (2, 2)
    assert found[0, 0] > found[1, 1] > 0
    assert abs(found[0, 1]) < 1e-4 * found[0, 0]


@pytest.mark.usefixtures("transforming")
def test_a_model_transforms_the_features_of_its_recipe(tmp_path: Path) -> None:
    model = trained()
    assert model.classifier.n_features == 2
    y = samples()[1].reshape(6, 10)
    assert (answers(model).argmax(axis=0) + 1 == y).mean() > 0.9
    save_model(model, tmp_path / "model", tmp_path / "card.txt")
    assert "projection: 3 features to 2" in (tmp_path / "card.txt").read_text(encoding="utf-8")
    np.testing.assert_array_equal(answers(load_model(tmp_path / "model")), answers(model))


def test_a_model_without_transforms_keeps_the_first_format(tmp_path: Path) -> None:
    save_model(trained(), tmp_path / "model", tmp_path / "card.txt")
    content = json.loads((tmp_path / "model" / FILE).read_text(encoding="utf-8"))
    assert content["version"] == 1
    assert "transforms" not in content


@pytest.mark.usefixtures("transforming")
@pytest.mark.parametrize("damage", ["gone", "cut", "other shape", "unknown"])
def test_damaged_transforms_are_rejected(damage: str, tmp_path: Path) -> None:
    save_model(trained(), tmp_path / "model", tmp_path / "card.txt")
    path = tmp_path / "model/0_standardisation/mean.npy"
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:20])
    elif damage == "other shape":
        np.save(path, np.zeros(7))
    else:
        file = tmp_path / "model" / FILE
        file.write_text(file.read_text(encoding="utf-8").replace('"projection"', '"rotation"'), encoding="utf-8")
    with pytest.raises(ModelError):
        load_model(tmp_path / "model")


GROUPS = (FeatureGroup("first", (0, 2)), FeatureGroup("second", (1,)))


def reduced(recipe: FeatureRecipe = RECIPE) -> Model:
    """A model of the components of two groups."""
    x, y = samples()
    components = Components.fitted(x, GROUPS, 1)
    parameters, _ = validate_options("rf", {})
    return train_model(
        "rf", parameters, components.apply(x), y, recipe=recipe, seed=0, region="1", threads=1, reduction=components
    )


def test_a_model_of_components_predicts_from_the_features_of_its_recipe(tmp_path: Path) -> None:
    model = reduced()
    assert (model.transforms[0].n_inputs, model.classifier.n_features) == (3, 2)
    save_model(model, tmp_path / "model", tmp_path / "card.txt")
    save_model(reduced(), tmp_path / "again", tmp_path / "again.txt")
    for path in (tmp_path / "model").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(tmp_path / "model")).read_bytes()
    loaded = load_model(tmp_path / "model")
    np.testing.assert_array_equal(answers(loaded), answers(model))
    assert (answers(loaded).argmax(axis=0) + 1 == samples()[1].reshape(6, 10)).mean() > 0.9
    (found,) = loaded.transforms
    assert isinstance(found, Components)
    assert found.groups == ("first", "second")
    assert found.explained[1] == 1


def test_samples_with_another_number_of_components_are_rejected() -> None:
    x, y = samples()
    components = Components.fitted(x, GROUPS, 1)
    parameters, _ = validate_options("rf", {})
    with pytest.raises(InputError, match=r"samples \(60, 3\), labels \(60,\), expected 2 features"):
        train_model("rf", parameters, x, y, recipe=RECIPE, seed=0, region="1", threads=1, reduction=components)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("group", np.array([0, 1])),
        ("group", np.array([0, 2, 1])),
        ("group", np.array([0, 0, 0])),
        ("group", np.array([0, -1, 1])),
        ("group", np.array([0.0, 1.0, 0.0])),
        ("counts", np.array([1, 9])),
        ("counts", np.array([1, 0])),
        ("counts", np.array([1])),
        ("axes", np.ones((3, 1, 1))),
        ("axes", np.ones((2, 1))),
        ("axes", np.full((3, 1), np.nan)),
        ("scale", np.zeros(3)),
        ("mean", np.full(3, np.inf)),
        ("mean", np.ones(4)),
        ("explained", np.ones((1, 1))),
        ("groups", np.array(["first"])),
        ("groups", np.array([["first", "second"]])),
        ("groups", np.ones(2)),
        ("groups", np.array([None, None])),
    ],
)
def test_tampered_components_are_rejected(tmp_path: Path, name: str, array: np.ndarray) -> None:
    save_model(reduced(), tmp_path / "model", tmp_path / "card.txt")
    np.save(tmp_path / f"model/0_components/{name}.npy", array)
    with pytest.raises(ModelError):
        load_model(tmp_path / "model")


@pytest.mark.parametrize("codes", [(0,), (2, 1), (1, 1), (70_000,), (True,)])
def test_classes_are_ascending_codes(codes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="not ascending codes"):
        Classes(codes)


class ConstantParams(Params):
    column: int = option(0, "Class that is always the answer.", alias="classifier.constant.column", ge=0, le=9)


class Constant:
    """A classifier that always predicts the same class."""

    Params = ConstantParams
    missing = "It does not look at values."
    needs_series = False
    loaded_share = 1.0
    transforms = ()
    importances = None

    def __init__(self, parameters: Mapping[str, Any], *, threads: int = 1) -> None:
        self.column, self.n_features, self.n_classes = int(parameters["column"]), 0, 0

    def training_memory(self, samples: float, features: int, classes: int) -> int:
        return 0

    def pixel_seconds(self, samples: float, features: int, classes: int) -> float:
        return 0.0

    def fit(
        self, x: np.ndarray, y: np.ndarray, *, weight: np.ndarray | None, groups: np.ndarray | None, seed: int
    ) -> None:
        self.n_features, self.n_classes = x.shape[1], len(np.unique(y))

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        return np.tile(np.eye(self.n_classes)[self.column], (len(x), 1))

    def summary(self) -> Mapping[str, int | float | str]:
        return {}

    def save(self, folder: Path) -> None:
        np.save(folder / "constant.npy", np.array([self.column, self.n_features, self.n_classes]))

    @classmethod
    def load(cls, folder: Path) -> Self:
        made = cls({"column": 0})
        made.column, made.n_features, made.n_classes = map(int, np.load(folder / "constant.npy"))
        return made


def test_another_package_adds_a_classifier_with_one_call_of_register(tmp_path: Path) -> None:
    register("constant", "One class.", f"{__name__}:Constant")
    try:
        with pytest.raises(ConfigError, match="column: expected a whole number ≥ 0 and ≤ 9, got 10"):
            validate_options("constant", {"classifier.constant.column": 10})
        model = trained(kind="constant", options={"classifier.constant.column": "1"})
        save_model(model, tmp_path / "model", tmp_path / "card.txt")
        assert (answers(load_model(tmp_path / "model")).argmax(axis=0) == 1).all()
        for name in ("constant", "CONSTANT"):
            with pytest.raises(ValueError, match="already registered"):
                register(name, "Another.", "other:Constant")
        with pytest.raises(ValueError, match="expected a name of letters, digits and _"):
            register("a b", "Another.", "other:Constant")
    finally:
        del KINDS["constant"]


def test_a_registration_that_cannot_be_imported_is_a_problem_of_the_configuration() -> None:
    register("absent", "Absent.", "no_such_module:Absent")
    try:
        with pytest.raises(ConfigError, match=r"'absent': cannot import 'no_such_module:Absent' \(No module named"):
            validate_options("absent", {})
    finally:
        del KINDS["absent"]


class Slope(Constant):
    """Class 1 where the first band rises from the first date to the last, else class 0."""

    needs_series = True

    def pixel_seconds(self, samples: float, features: int, classes: int) -> float:
        return 0.0

    def fit(
        self, x: np.ndarray, y: np.ndarray, *, weight: np.ndarray | None, groups: np.ndarray | None, seed: int
    ) -> None:
        assert x.ndim == 3
        self.n_features, self.n_classes = x.shape[1] * x.shape[2], len(np.unique(y))

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        rises = x[:, -1, 0] > x[:, 0, 0]
        return np.stack([~rises, rises], axis=1).astype(np.float64)


def series_recipe(**changes: Any) -> FeatureRecipe:
    sensor = SensorRecipe("Own", ("RED", "NIR"), {}, ("20200101", "20200201", "20200301"), indices=())
    return FeatureRecipe((replace(sensor, **changes),))


def test_a_classifier_of_series_gets_dates_and_bands() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 6)).astype(np.float32)
    y = np.arange(40) % 2 + 1
    register("slope", "Rises.", f"{__name__}:Slope")
    try:
        model = train_model("slope", {"column": 0}, x, y, recipe=series_recipe(), seed=0, region="1", threads=1)
        block = FeatureBlock(x.T.reshape(6, 5, 8), series_recipe().names, np.ones((5, 8), np.uint8))
        labels = model.predict(block, np.ones((5, 8), bool)).labels
        np.testing.assert_array_equal(labels.ravel(), np.where(x[:, 4] > x[:, 0], 2, 1))
        for other in (series_recipe(static=True), series_recipe(indices=("Brightness",))):
            assert other.series_shape is None
            wide = np.resize(x, (40, len(other.names)))
            with pytest.raises(ModelError, match="needs series: the bands of one sensor"):
                train_model("slope", {"column": 0}, wide, y, recipe=other, seed=0, region="1", threads=1)
    finally:
        del KINDS["slope"]
