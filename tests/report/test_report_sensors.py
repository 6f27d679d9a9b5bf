"""Combinations of sensors in the report: table, remarks, text and JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from iota2.core.nomenclature import Nomenclature
from iota2.report.results.page import ReportData, render_report
from iota2.report.results.sensors import (
    CombinationModel,
    SensorCombination,
    combination_remarks,
    combinations_json,
    combinations_text,
)

CLASSES = Nomenclature((1,), ("a",), ((1, 2, 3),), (1,))
BOTH, ONE = ("Landsat8", "Sentinel2"), ("Sentinel2",)


def model(sensors: tuple[str, ...], samples: int, region: str = "1", **more: Any) -> CombinationModel:
    given = {"own": False, "seen": BOTH, "pixels": 0, "share": 0.0, "rare": False, **more}
    return CombinationModel(region, 0, sensors, samples, **given)


LOST = {"seen": ("Landsat8",), "pixels": 1, "share": 0.00001}
FOUND = (
    SensorCombination(BOTH, 9000, 0.9, (model(BOTH, 1234, own=True), model(ONE, 900, "2", pixels=4500, share=0.45))),
    SensorCombination(ONE, 999, 0.0999, (model(ONE, 1500, own=True), model(ONE, 900, "2", own=True))),
    SensorCombination(("Landsat8",), 1, 0.00001, (model((), 0, **LOST), model((), 0, "2", **LOST))),
)


def test_combinations_without_a_model_of_their_own_are_reported() -> None:
    assert [*combination_remarks(FOUND, 0.001)] == [
        "Region 2, seed 0: the model of Sentinel2 predicts 4500 pixels on its tiles (45.00 %) seen only by Landsat8 + "
        "Sentinel2, because the samples that all of these sensors see are too few, or lack classes. Add reference "
        "polygons there, for a model of their own.",
        "Region 1, seed 0; region 2, seed 0: no model predicts 1 pixel on its tiles (< 0.01 %) seen only by Landsat8, "
        "because no sample is seen by any of these sensors. Add reference polygons there.",
    ]
    assert [*combination_remarks(FOUND[1:2], 0.001)] == []


def test_remarks_name_regions_as_they_are() -> None:
    alps = SensorCombination(ONE, 9, 1.0, (model((), 0, "Alps_SAR", **LOST),))
    (remark,) = combination_remarks([alps], 0.001)
    assert remark.startswith("Region Alps_SAR, seed 0: no model predicts")


def test_a_combination_with_a_small_share_is_reported_with_the_share_that_is_required() -> None:
    below = replace(FOUND[0], models=(model(ONE, 900, "2", pixels=4500, share=0.45, rare=True),))
    (remark,) = combination_remarks((below,), 0.5)
    assert "(45.00 %)" in remark
    assert "because their share is less than arg_classification.missing_sensors_share (50 %). A smaller value" in remark
    absent = replace(below, models=(model(ONE, 900, "2", rare=True),))
    assert [*combination_remarks((absent,), 0.5)] == [], "no such pixel on the tiles of the region"


def test_the_page_has_a_table_of_combinations() -> None:
    page = render_report(ReportData("x", CLASSES, combinations=FOUND))
    assert "Sensors that see a pixel, and the model that predicts it" in page
    assert "<b>model of Sentinel2</b>" in page
    assert "own model" in page
    assert "Sensors that see" not in render_report(ReportData("x", CLASSES))


def test_text_and_json_have_pixels_and_samples() -> None:
    lines = combinations_text(FOUND).splitlines()
    assert lines[3].split() == ["Landsat8", "+", "Sentinel2", "9,000", "pixels", "90.00", "%"]
    assert "    region 2, seed 0: model of Sentinel2, 900 samples" in lines
    assert combinations_text(()) == ""
    (first, *_) = combinations_json(FOUND)
    assert first["sensors"] == ["Landsat8", "Sentinel2"]
    assert first["models"][1] == {"region": "2", "seed": 0, "sensors": ["Sentinel2"], "samples": 900}
