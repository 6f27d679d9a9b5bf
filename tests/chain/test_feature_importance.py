"""A run that measures the importance of dates, bands and sensors."""

from __future__ import annotations

import json

from iota2.classifiers import load_model
from iota2.core.recipe import FeatureRecipe
from tests.chain.helpers import EAST, WEST, Case, case, run, said, small

__all__ = ["case", "small"]
TILES = {"list_tile": f"{WEST} {EAST}"}


def test_the_importance_of_each_date_and_band_is_measured(case: Case) -> None:
    run(case.configured(chain=TILES, arg_train={"feature_importance": True}))
    content = json.loads((case.output / "final/feature_importance.json").read_text(encoding="utf-8"))
    (model,) = content["models"]
    recipe: FeatureRecipe = load_model(case.output / "model/model_1_seed_0").recipe
    (sensor,) = recipe.sensors
    assert [date["name"] for date in content["map"]["date"]] == list(sensor.dates)
    bands = [band["name"] for band in content["map"]["sensor_band"]]
    assert bands == [f"Sentinel2 {band}" for band in (*sensor.bands, *sensor.indices)]
    assert model["polygons"] > 3
    assert 0 < model["pixels"] <= model["represented"]
    assert content["map"]["sensor"][0]["loss"] > max(date["loss"] for date in content["map"]["date"])
    metrics = json.loads((case.output / "final/metrics.json").read_text(encoding="utf-8"))
    # the pixels represent the validation pixels on the grid of the images, and the map is on this grid
    counted = sum(map(sum, metrics["seeds"][0]["confusion"]))
    assert abs(model["represented"] - counted) < 0.1 * counted
    assert abs(model["overall_accuracy"] - metrics["summary"]["overall_accuracy"]["mean"]) < 0.1
    page = said(case.output)["report.html"]
    assert "Importance of dates, bands and sensors" in page
    assert 'href="feature_importance.json"' in page


def test_with_components_and_another_classifier_the_importance_is_that_of_dates_and_bands(case: Case) -> None:
    reduced = {"dim_red": True, "reduction_mode": "band", "target_dimension": 2}
    classifier = {"model_type": "KNeighborsClassifier", "standardization": True}
    run(case.configured(arg_train={"feature_importance": True}, dim_red=reduced, scikit_models_parameters=classifier))
    model = load_model(case.output / "model/model_1_seed_0")
    assert [transform.name for transform in model.transforms] == ["components", "standardisation"]
    content = json.loads((case.output / "final/feature_importance.json").read_text(encoding="utf-8"))
    assert content["models"][0]["overall_accuracy"] > 0.8
    assert [date["features"] for date in content["map"]["date"]] == [13] * len(model.recipe.sensors[0].dates)

    run(case.configured())
    assert "Importance of dates" not in said(case.output)["report.html"]
