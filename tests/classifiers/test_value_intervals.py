"""Intervals of a quantity contain the true values of new polygons as often as stated, and are kept with the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.api.features import Features
from iota2.api.models import LoadedModel
from iota2.classifiers import ModelError, load_model, save_model, train_model
from iota2.classifiers.base import Model, values_of
from iota2.classifiers.interval import ModelInterval
from iota2.classifiers.models import FILE, INTERVAL_VERSION, read_interval
from iota2.classifiers.registry import SCIKIT, regressor_of, validate_options
from iota2.compute.conformal import LEVEL, MIN_GROUPS, group_quantile
from iota2.core.cube import FeatureBlock
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.target import Quantity

RECIPE = FeatureRecipe((SensorRecipe("S", ("A", "B"), {}, ("20200101",), indices=()),))
HEIGHT = Quantity("height", "m")


def world(rng: np.random.Generator, polygons: int, *, pixels: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, values and polygons: pixels of a polygon share its value and an error; errors grow with the value."""
    groups = np.repeat(np.arange(polygons), pixels)
    value = rng.uniform(5, 30, polygons)
    shared = rng.normal(size=polygons) * value / 15
    x = np.stack([(value + shared)[groups], rng.normal(size=len(groups))], axis=1)
    x[:, 0] += 0.3 * rng.normal(size=len(groups))
    return x.astype(np.float32), value[groups], groups


def trained(x: np.ndarray, y: np.ndarray, groups: np.ndarray, name: str = "", seed: int = 0) -> Model:
    kind = regressor_of(SCIKIT if name else "rf")
    given = {"model_type": name} if name else {"classifier.rf.nbtrees": 40, "classifier.rf.var": 2}
    parameters, _ = validate_options(kind, given)
    return train_model(
        kind, parameters, x, y, recipe=RECIPE, seed=seed, region="1", threads=1,
        groups=groups, quantity=HEIGHT, intervals=True,
    )  # fmt: skip


def covered(model: Model, x: np.ndarray, y: np.ndarray) -> float:
    """Share of the samples whose interval contains the true value."""
    assert model.interval is not None
    found = values_of(model.classifier, x)  # type: ignore[arg-type]
    return float((2 * np.abs(found[:, 0] - y) <= model.interval.widths(found)).mean())


@pytest.mark.parametrize("name", ["", "Ridge"])
def test_intervals_contain_new_polygons_as_often_as_stated(name: str) -> None:
    shares = []
    for k in range(12):
        rng = np.random.default_rng(k)
        model = trained(*world(rng, 150), name, seed=k)
        x, y, _ = world(rng, 2000, pixels=1)
        shares.append(covered(model, x, y))
    assert abs(float(np.mean(shares)) - LEVEL) < 0.02


def test_intervals_of_samples_as_units_would_be_too_narrow() -> None:
    # residuals of the same polygons, which the model has learned, are much smaller than those of other polygons
    rng = np.random.default_rng(0)
    x, y, groups = world(rng, 100)
    apart, together = trained(x, y, groups), trained(x, y, np.arange(len(y)))
    fresh, truth, _ = world(rng, 2000, pixels=1)
    assert covered(together, fresh, truth) < 0.85 < covered(apart, fresh, truth)


def test_widths_of_a_forest_follow_the_errors() -> None:
    rng = np.random.default_rng(1)
    model = trained(*world(rng, 200))
    assert model.interval is not None
    assert model.interval.scaled
    x, y, _ = world(rng, 1000, pixels=1)
    widths = model.interval.widths(values_of(model.classifier, x))  # type: ignore[arg-type]
    assert widths[y > 25].mean() > 1.5 * widths[y < 10].mean()
    constant = trained(*world(rng, 200), "Ridge").interval
    assert constant is not None
    assert not constant.scaled
    assert len(set(constant.widths(np.zeros((4, 1))).tolist())) == 1


def test_all_polygons_weigh_the_same() -> None:
    scores = np.concatenate([np.full(1000, 50.0), np.arange(19.0)])
    groups = np.concatenate([np.zeros(1000, int), np.arange(1, 20)])
    # 20 polygons of weight 1/21: the 19th of 20 sorted ones reaches 0.9; the one with 1,000 samples is the last
    assert group_quantile(scores, groups) == 18.0
    assert group_quantile(scores, groups) == group_quantile(scores[::-1], groups[::-1])


@pytest.mark.parametrize(("polygons", "finite"), [(0, False), (MIN_GROUPS - 1, False), (MIN_GROUPS, True)])
def test_few_polygons_give_no_interval(polygons: int, *, finite: bool) -> None:
    scores = np.arange(polygons, dtype=float)
    assert np.isfinite(group_quantile(scores, np.arange(polygons))) == finite


def test_a_model_of_few_polygons_has_no_interval_and_says_so() -> None:
    model = trained(*world(np.random.default_rng(0), 6))
    assert model.interval is not None
    assert model.interval.factor is None
    assert "6 polygons; at least 9 polygons are needed" in model.interval.sentence
    assert np.isnan(estimates(model).widths).all()


def estimates(model: Model) -> Any:
    x = np.linspace(5, 30, 120).reshape(2, 6, 10).astype(np.float32)
    return model.estimate(FeatureBlock(x, RECIPE.names, np.ones((6, 10), np.uint16)), np.ones((6, 10), bool))


def test_the_interval_is_kept_with_the_model(tmp_path: Path) -> None:
    model = trained(*world(np.random.default_rng(0), 60))
    save_model(model, tmp_path / "model", tmp_path / "card.txt")
    assert json.loads((tmp_path / "model" / FILE).read_text())["version"] == INTERVAL_VERSION
    kept = load_model(tmp_path / "model")
    assert kept.interval == read_interval(tmp_path / "model") == model.interval
    np.testing.assert_array_equal(estimates(kept).widths, estimates(model).widths)
    assert (estimates(kept).widths > 0).all()
    assert "Interval of 90 %, scaled by the spread of each value" in (tmp_path / "card.txt").read_text()
    geobox = GeoBox((6, 10), Affine(10, 0, 300000, 0, -10, 4900000), "EPSG:32631")
    x = np.linspace(5, 30, 120).reshape(2, 6, 10).astype(np.float32)
    block = FeatureBlock(x, RECIPE.names, np.ones((6, 10), np.uint16))
    found = LoadedModel(kept, ()).predict(Features(block, geobox))["interval_width"]
    np.testing.assert_array_equal(found.values, estimates(model).widths)


@pytest.mark.parametrize(
    "damage",
    [
        lambda one: one | {"factor": -1.0},
        lambda one: one | {"factor": "2"},
        lambda one: one | {"level": 1.5},
        lambda one: {"level": 0.9},
        lambda one: [one],
    ],
)
def test_a_damaged_interval_is_an_error_of_the_model(damage: Callable[[Any], Any], tmp_path: Path) -> None:
    save_model(trained(*world(np.random.default_rng(0), 20)), tmp_path / "model", tmp_path / "card.txt")
    path = tmp_path / "model" / FILE
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"interval": damage(stored["interval"])}))
    with pytest.raises(ModelError, match="damaged"):
        load_model(tmp_path / "model")


def test_residuals_of_a_perfect_model_give_an_interval_of_width_0() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 2)).astype(np.float32)
    model = trained(x, np.full(100, 3.0), np.arange(100) // 2, "Ridge")
    assert model.interval == ModelInterval(LEVEL, 0.0, None, 50, 100, 0.0)
