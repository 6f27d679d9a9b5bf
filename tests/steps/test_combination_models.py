"""Combinations of sensors, as the report reads them: pixels and models of each region."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from iota2.core.graph import Paths
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.io.tables.sensor_combinations import combinations_csv
from iota2.report.results.sensors import combination_remarks
from iota2.steps import sensor_models
from tests.steps.helpers import several

BOTH, OPTICAL, RADAR = ("S1", "S2"), ("S2",), ("S1",)


@pytest.fixture
def inp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Two regions on two tiles of their own, and a tile of both; only region 2 has a model of S2 alone."""
    for tile, pixels in (
        ("A", {BOTH: 60, OPTICAL: 40, (): 5}),
        ("B", {BOTH: 10, OPTICAL: 90, RADAR: 1}),
        ("C", {BOTH: 100}),
    ):
        (tmp_path / tile).write_text(combinations_csv(pixels))
    training = SimpleNamespace(samples={1: 30, 2: 20})
    found = {"model1": {BOTH: training, RADAR: training}, "model2": {BOTH: training, OPTICAL: training}}
    recipe = FeatureRecipe(tuple(SensorRecipe(name, ("a", "b"), {}, ("20180101",), indices=()) for name in BOTH))
    monkeypatch.setattr(sensor_models, "read_trainings", lambda path: found[path.name])
    monkeypatch.setattr(sensor_models, "read_recipe_of", lambda path: recipe)
    models = {("1", "", 0, ""): "model1", ("2", "", 0, ""): "model2"}
    masks = dict.fromkeys([("1", "A"), ("1", "C"), ("2", "B"), ("2", "C")], "mask.tif")
    return Paths(
        tmp_path,
        {
            "combinations": several("tile", {tile: tile for tile in "ABC"}),
            "models": several("region submodel seed source", models),
            "masks": several("region tile", masks),
        },
    )


def test_pixels_of_a_model_are_those_on_the_tiles_of_its_region(inp: Paths) -> None:
    both, optical, radar = sensor_models.read_sensor_combinations(inp, 0.001)
    assert [one.pixels for one in (both, optical, radar)] == [170, 130, 1], "all tiles"
    assert [(one.pixels, one.share) for one in optical.models] == [(40, 40 / 200), (90, 90 / 201)]
    assert [(one.pixels, one.rare) for one in radar.models] == [(0, True), (1, False)]
    assert [one.own for one in optical.models] == [False, True]


def test_only_regions_with_such_pixels_and_the_reason_of_the_training_are_reported(inp: Paths) -> None:
    lacking, lost = combination_remarks(sensor_models.read_sensor_combinations(inp, 0.001), 0.001)
    assert lacking.startswith("Region 1, seed 0: no model predicts 40 pixels on its tiles (20.00 %) seen only by S2, ")
    assert lost.startswith("Region 2, seed 0: no model predicts 1 pixel on its tiles (0.50 %) seen only by S1, ")
