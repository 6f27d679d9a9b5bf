"""Combinations of sensors in the report: table, remarks, text and JSON."""

from __future__ import annotations

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


def model(sensors: tuple[str, ...], samples: int, region: str = "1", *, own: bool = False) -> CombinationModel:
    return CombinationModel(region, 0, sensors, samples, own)


FOUND = (
    SensorCombination(BOTH, 9000, 0.9, (model(BOTH, 1234, own=True), model(ONE, 900, "2"))),
    SensorCombination(ONE, 999, 0.0999, (model(ONE, 1500, own=True), model(ONE, 900, "2", own=True))),
    SensorCombination(("Landsat8",), 1, 0.00001, (model((), 0), model((), 0, "2"))),
)


def test_combinations_without_a_model_of_their_own_are_reported() -> None:
    assert [*combination_remarks(FOUND, 0.001)] == [
        "9000 pixels (90.00 %) seen only by Landsat8 + Sentinel2 are predicted by the model of Sentinel2: the samples "
        "that all of them see are too few, or lack classes (region 2, seed 0).",
        "1 pixel (< 0.01 %) seen only by Landsat8 have no label: no sample is seen by any of these sensors (region 1, "
        "seed 0; region 2, seed 0).",
    ]
    (rare,) = combination_remarks(FOUND[:1], 0.95)
    assert "the model of Sentinel2: they are rare (region 2, seed 0)." in rare
    assert [*combination_remarks(FOUND[1:2], 0.001)] == []


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
