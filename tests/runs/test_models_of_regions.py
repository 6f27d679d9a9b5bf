"""Models of regions that are split, before a run."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from iota2.chains.load import load_config
from iota2.core.remarks import texts_of
from iota2.runs.survey.reference import _square_metres, _submodel_numbers, _submodel_remarks
from iota2.runs.survey.survey import survey
from iota2.testing.world import DATES, WorldOptions
from tests.chain.helpers import made


def test_the_number_of_models_is_said_also_if_nothing_is_split() -> None:
    assert _submodel_numbers({"1": 3, "2": 1}, {"1": 0.61, "2": 0.1}, 0.25) == (
        "Number of models, and area of the learning polygons: region 1: 3 (0.61 km²), region 2: 1 (0.1 km²)."
    )
    text = _submodel_numbers({"1": 1}, {"1": 0.61}, 100.0)
    assert "'fusion' has no effect: no region has more than 100 km² of learning polygons" in text
    assert "several of a class" not in text
    text = _submodel_numbers({"1": 1, "2": 1}, {"1": 0.61, "2": 200}, 100.0)
    assert (
        "no region has more than 100 km² of learning polygons (arg_train.mode_outside_regionsplit), and several" in text
    )


def test_a_fusion_without_effect_is_reported_with_its_line(tmp_path: Path) -> None:
    world = made(WorldOptions(size=64, overlap=16, classes=3, dates=DATES[2:5:2]), tmp_path / "world")
    regions = {"region_path": str(world.files.regions), "region_field": "region"}
    source = world.configured(chain=regions, arg_classification={"classif_mode": "fusion"})
    line = 1 + next(k for k, text in enumerate(source.read_text().splitlines()) if "classif_mode" in text)
    (text,) = (text for text in texts_of(survey(load_config(source)).remarks) if "no effect" in text)
    assert text.startswith(f"line {line}: arg_classification.classif_mode: 'fusion' has no effect: no region has more")


def test_many_models_and_classes_with_few_polygons_are_remarked() -> None:
    many, few = _submodel_remarks("1", 4.0, 40, {"wheat": 50, "water": 3})
    assert "Region 1 has 40 models" in many
    assert "raise arg_train.mode_outside_regionsplit" in many
    assert "water (3)" in few
    assert "wheat" not in few
    assert _submodel_remarks("1", 0.3, 3, {"wheat": 50}) == []


def test_the_learning_area_is_in_square_metres_at_the_latitude_of_each_polygon() -> None:
    degrees = [shapely.box(3, y, 3.01, y + 0.01) for y in (-0.005, 59.995)]
    side = 0.01 * 111_195
    assert _square_metres(gpd.GeoSeries(degrees, crs="EPSG:4326")) == pytest.approx([side**2, side**2 / 2], rel=1e-3)
    feet = gpd.GeoSeries([shapely.box(0, 0, 3937 / 1200, 3937 / 1200)], crs="EPSG:2263")
    assert _square_metres(feet) == pytest.approx([1.0])
