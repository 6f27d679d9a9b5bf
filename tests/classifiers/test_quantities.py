"""Models of a quantity: trained, kept and applied like those of classes, with numbers instead of labels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.api.features import Features
from iota2.api.models import LoadedModel
from iota2.classifiers import ModelError, load_model, save_model, train_model
from iota2.classifiers.base import Model
from iota2.classifiers.models import FILE
from iota2.classifiers.options import Params
from iota2.classifiers.registry import KINDS, register
from iota2.classifiers.transforms import Standardisation
from iota2.compute.predict import SLICE_BYTES, estimate_slices
from iota2.core.cube import FeatureBlock
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.target import Quantity
from iota2.errors import FeatureMismatch, InputError

RECIPE = FeatureRecipe((SensorRecipe("S", ("A", "B"), {}, ("20200101",), indices=()),))
HEIGHT = Quantity("canopy height", "m")


class NoOptions(Params):
    """The method has no options."""


class LeastSquares:
    """Linear regression."""

    Params = NoOptions
    missing = "Missing values count as numbers."
    needs_series = False
    loaded_share = 1.0
    transforms = ()
    importances = None

    def __init__(self, parameters: Mapping[str, Any], *, threads: int = 1) -> None:
        self.weights = np.zeros(1)

    @property
    def n_features(self) -> int:
        return len(self.weights) - 1

    def training_memory(self, samples: float, features: int, classes: int) -> int:
        return 0

    def pixel_seconds(self, samples: float, features: int, classes: int) -> float:
        return 0.0

    def fit(
        self, x: np.ndarray, y: np.ndarray, *, weight: np.ndarray | None, groups: np.ndarray | None, seed: int
    ) -> None:
        self.weights = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)[0]

    def predict(self, x: np.ndarray) -> np.ndarray:
        if np.isnan(x).any():
            raise ValueError("NaN")
        return x @ self.weights[:-1] + self.weights[-1]

    def summary(self) -> Mapping[str, int | float | str]:
        return {"weights": self.n_features}

    def save(self, folder: Path) -> None:
        np.save(folder / "weights.npy", self.weights)

    @classmethod
    def load(cls, folder: Path) -> Self:
        made = cls({})
        made.weights = np.load(folder / "weights.npy")
        return made


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    register("leastsquares", "Linear regression.", f"{__name__}:LeastSquares")
    yield
    del KINDS["leastsquares"]


def samples() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    return x, 2 * x[:, 0] - x[:, 1] + 5


def trained(y: np.ndarray | None = None) -> Model:
    x, values = samples()
    y = values if y is None else y
    return train_model("leastsquares", {}, x, y, recipe=RECIPE, seed=0, region="1", threads=1, quantity=HEIGHT)


def block(x: np.ndarray, n_valid: np.ndarray | None = None) -> FeatureBlock:
    valid = np.ones((6, 10), np.uint16) if n_valid is None else n_valid
    return FeatureBlock(x.T.reshape(2, 6, 10), RECIPE.names, valid)


@pytest.mark.parametrize("transforms", [(), (Standardisation.fitted,)])
def test_a_model_of_a_quantity_is_kept_and_estimates_values(
    transforms: tuple[Any, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LeastSquares, "transforms", transforms)
    x, y = samples()
    save_model(trained(), tmp_path / "model", tmp_path / "card.txt")
    model = load_model(tmp_path / "model")
    assert (model.target, model.classes, model.meta.samples) == (HEIGHT, (), {0: 60})
    where, n_valid = np.ones((6, 10), bool), np.ones((6, 10), np.uint16)
    where[0, 0], n_valid[0, 1] = False, 0
    found = model.estimate(block(x, n_valid), where).values
    assert found.dtype == np.float32
    assert np.isnan(found[0, :2]).all()
    np.testing.assert_allclose(found.ravel()[2:], y[2:], rtol=1e-4)
    card = (tmp_path / "card.txt").read_text(encoding="utf-8")
    assert "canopy height" in card
    assert "Samples   60" in card


def test_slices_and_threads_do_not_change_estimates() -> None:
    rng = np.random.default_rng(1)
    side = int(np.sqrt(SLICE_BYTES // 8)) + 60
    values, selected = rng.normal(size=(2, side, side)).astype(np.float32), rng.random((side, side)) < 0.5
    expected = np.where(selected, values[0] * 3 - values[1], np.nan).astype(np.float32)
    for threads in (1, 3):
        found = estimate_slices(
            lambda x: np.stack([x[:, 0] * 3 - x[:, 1], x[:, 0]], axis=1), values, selected, threads=threads
        )
        np.testing.assert_allclose(found.values, expected, rtol=1e-6)
        np.testing.assert_array_equal(found.widths, np.where(selected, values[0], np.nan))
    assert np.isnan(estimate_slices(None, values, np.zeros_like(selected)).values).all()  # type: ignore[arg-type]


def test_predictions_of_the_other_kind_are_refused() -> None:
    x, _ = samples()
    model = trained()
    with pytest.raises(ModelError, match=r"estimates canopy height, not classes\. Use estimate"):
        model.predict(block(x), np.ones((6, 10), bool))
    forest = train_model(
        "rf",
        {"n_estimators": 2},
        x,
        np.arange(60) % 2 + 1,
        recipe=RECIPE,
        seed=0,
        region="1",
        threads=1,
    )
    with pytest.raises(ModelError, match=r"predicts classes, not a quantity\. Use predict"):
        forest.estimate(block(x), np.ones((6, 10), bool))


def test_wrong_values_and_features_are_errors() -> None:
    x, y = samples()
    with pytest.raises(InputError, match="values of canopy height must be finite numbers"):
        trained(np.where(y > 5, np.nan, y))
    model = trained()
    x[3, 1] = np.nan
    with pytest.raises(InputError, match="feature S_B_20200101 has no value at 1 of 60 pixels"):
        model.estimate(block(x), np.ones((6, 10), bool))
    other = FeatureBlock(x.T.reshape(2, 6, 10), ("S_A_20200101", "S_C_20200101"), np.ones((6, 10), np.uint16))
    with pytest.raises(FeatureMismatch, match="feature 2 is 'S_C_20200101'"):
        model.estimate(other, np.ones((6, 10), bool))


@pytest.mark.parametrize("content", [{"name": "", "unit": "m"}, {"name": "height"}, {"name": 5, "unit": "m"}, "height"])
def test_a_damaged_quantity_is_an_error_of_the_model(content: object, tmp_path: Path) -> None:
    save_model(trained(), tmp_path / "model", tmp_path / "card.txt")
    path = tmp_path / "model" / FILE
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert stored["version"] == 3
    path.write_text(json.dumps({**stored, "quantity": content}), encoding="utf-8")
    with pytest.raises(ModelError, match="damaged"):
        load_model(tmp_path / "model")


def test_estimates_are_xarray_with_name_and_unit() -> None:
    x, y = samples()
    geobox = GeoBox((6, 10), Affine(10, 0, 300000, 0, -10, 4900000), "EPSG:32631")
    found = LoadedModel(trained(), ()).predict(Features(block(x), geobox))["estimate"]
    assert found.attrs == {"long_name": "canopy height", "units": "m"}
    np.testing.assert_allclose(found.values.ravel(), y, rtol=1e-4)
