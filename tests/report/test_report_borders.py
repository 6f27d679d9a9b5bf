"""Borders of regions and tiles in the accuracy report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from iota2.compute.map_stages import BorderAccuracy, Change, MapStages, Stage, StageAccuracy
from iota2.compute.seams import Seam
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import Confusion
from iota2.report.results.borders import BordersData, border_remarks, border_tables, borders_json, borders_text
from iota2.report.results.page import ReportData, render_report

CLASSES = Nomenclature((1, 2), ("wheat", "<b>maize"), ((255, 0, 0), (0, 255, 0)), (1, 2))
VISIBLE = Seam(1000, 400, 20_000, 4000, 2.0, (1.3, 2.8), 0.2, (0.1, 0.3))
HARDLY = replace(VISIBLE, score_bounds=(1.2, 2.8))
NONE = Seam(0, 0, 0, 0, None, None, None, None, "no two adjacent pixels lie on different sides of a border")
ACCURACY = StageAccuracy(12, 3456, 0.9, (0.85, 0.94), {1: 0.9, 2: None})
FINAL = Stage("final", "Final map", VISIBLE, NONE, ACCURACY)
BEFORE = replace(FINAL, name="before", about="Without boundary fusion")
FOUND = MapStages(2, 1, (FINAL,))
COMPARED = MapStages(
    2,
    2,
    (BEFORE, FINAL),
    (Change("before", "final", 2000, ((1, 2, 30), (2, 1, 10))),),
    (BorderAccuracy(250.0, {"before": ACCURACY, "final": replace(ACCURACY, overall=None, overall_bounds=None)}),),
)


def test_a_map_with_one_region_and_one_tile_shows_nothing() -> None:
    for maps in ({}, {0: MapStages(1, 1, (FINAL,))}):
        data = BordersData(maps, blended=False)
        assert border_tables(data, CLASSES) is None
        assert borders_text(data, CLASSES) == ""
        assert border_remarks(data) == ()
        page = render_report(ReportData("map", CLASSES, borders=data))
        assert "<h2>Borders</h2>" not in page
        assert "Stages of the map" not in page


def test_only_kinds_of_borders_that_the_map_has_are_shown() -> None:
    for regions, tiles, names in ((2, 1, ["Borders of regions"]), (1, 2, ["Limits of tiles"])):
        tables = border_tables(BordersData({0: replace(FOUND, regions=regions, tiles=tiles)}, blended=False), CLASSES)
        assert tables is not None
        assert [row["name"] for row in tables["seams"]] == names
    both = border_tables(BordersData({0: COMPARED}, blended=True), CLASSES)
    assert both is not None
    assert [row["name"] for row in both["seams"]] == [
        "Without boundary fusion, borders of regions",
        "Without boundary fusion, limits of tiles",
        "Final map, borders of regions",
        "Final map, limits of tiles",
    ]


def test_shares_scores_and_reasons_are_written_out() -> None:
    text = borders_text(BordersData({3: COMPARED}, blended=True), CLASSES)
    assert (
        "Final map, borders of regions: pairs across 1,000; different across 40.0 %; different beside 20.0 %; "
        "seam score 2.00 [1.30, 2.80]; difference 20.0 points [10.0, 30.0]"
    ) in text
    assert "No seam score, because no two adjacent pixels lie on different sides" in text
    assert ": Without boundary fusion, limits of tiles; Final map, limits of tiles." in text
    assert "Without boundary fusion to final map: 2.00 % of 2,000 pixels have another class" in text
    assert "wheat to <b>maize 1.50 %, <b>maize to wheat 0.50 %" in text
    assert "Without boundary fusion: overall accuracy 0.900 [0.850, 0.940] (3,456 pixels of 12 polygons)" in text
    assert "Within 250 m of borders of regions, Final map: overall accuracy – (3,456 pixels" in text


def test_negative_differences_have_a_minus_sign() -> None:
    fewer = replace(VISIBLE, difference=-0.004, difference_bounds=(-0.012, 0.003))
    text = borders_text(
        BordersData({0: replace(FOUND, stages=(replace(FINAL, regions=fewer),))}, blended=True), CLASSES
    )
    assert "difference −0.4 points [−1.2, 0.3]" in text


def test_the_run_is_named_if_there_are_several() -> None:
    data = BordersData({3: COMPARED, 4: COMPARED}, blended=False)
    assert borders_text(data, CLASSES).startswith("Stages of the map, and borders, seed 3\n")
    confusions = {0: Confusion((1, 2), np.array([[5, 1], [0, 4]]), np.zeros(2, np.int64))}
    page = render_report(ReportData("map", CLASSES, confusions, borders=data))
    assert "<h2>Stages of the map, and borders, seed 3</h2>" in page
    (remark,) = border_remarks(BordersData({3: FOUND, 4: FOUND}, blended=False))
    assert ": the borders are visible in the map, seed 3. " in remark


def test_a_visible_border_without_boundary_fusion_is_a_remark_that_names_the_option() -> None:
    (remark,) = border_remarks(BordersData({0: FOUND}, blended=False))
    assert remark.startswith("Classes change 2.0 times as often across borders of regions as beside them (95 %")
    assert "arg_classification.enable_boundary_fusion" in remark
    assert border_remarks(BordersData({0: FOUND}, blended=True)) == ()
    for seam in (HARDLY, NONE, replace(VISIBLE, score_bounds=None)):
        hidden = replace(FOUND, stages=(replace(FINAL, regions=seam),))
        assert border_remarks(BordersData({0: hidden}, blended=False)) == ()


def test_the_page_has_the_section_and_escapes_names() -> None:
    confusions = {0: Confusion((1, 2), np.array([[5, 1], [0, 4]]), np.zeros(2, np.int64))}
    page = render_report(ReportData("map", CLASSES, confusions, borders=BordersData({0: COMPARED}, blended=True)))
    section = page.partition("<h2>Stages of the map, and borders</h2>")[2].partition("</section>")[0]
    assert "<td>2.00 [1.30, 2.80]</td>" in section
    assert "Final map, within 250 m of borders of regions" in section
    assert "wheat to &lt;b&gt;maize 1.50 %" in section


def test_all_seeds_are_in_the_json_values() -> None:
    values = borders_json(BordersData({0: COMPARED, 1: COMPARED}, blended=True))
    assert [one["seed"] for one in values["seeds"]] == [0, 1]
    assert values["seeds"][0]["stages"][1]["regions"]["score"] == 2.0
