"""Effect of smoothing and of the minimum mapping unit in the accuracy report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from iota2.compute.map_stages import Change, MapStages, Stage, StageAccuracy
from iota2.compute.seams import Seam
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import Confusion
from iota2.report.results.borders import BordersData
from iota2.report.results.metrics import metrics
from iota2.report.results.page import ReportData, render_report
from iota2.report.results.smoothing import smoothing_remarks, smoothing_tables, smoothing_text

CLASSES = Nomenclature((1, 2, 3), ("wheat", "<b>hedge", "lake"), ((1, 1, 1),) * 3, (1, 2, 3))
SEAM = Seam(10, 4, 20, 7, 1.14, None, 0.05, None)
ACCURACY = StageAccuracy(12, 3456, 0.9, (0.85, 0.94), {1: 0.9, 2: 0.5, 3: None})
BEFORE = Stage("unsmoothed", "Before smoothing", SEAM, SEAM, ACCURACY, {1: 8000, 2: 1000, 3: 500})
FINAL = replace(BEFORE, name="final", about="Final map", pixels={1: 8200, 2: 800, 3: 500})
SMALL = replace(FINAL, name="regularised", about="Without small patches", pixels={1: 9000, 2: 500})
CHANGES = (
    Change("unsmoothed", "final", 9500, ((2, 1, 200),)),
    Change("final", "regularised", 9500, ((3, 1, 500), (2, 1, 300))),
)
FOUND = MapStages(1, 1, (BEFORE, FINAL, SMALL), CHANGES)


def with_f_score(stage: Stage, value: float) -> Stage:
    """The stage with another F-score of class 2."""
    return replace(stage, accuracy=replace(ACCURACY, f_scores={1: 0.9, 2: value, 3: None}))


def test_a_map_without_smoothing_shows_nothing() -> None:
    for maps in ({}, {0: MapStages(2, 2, (FINAL,))}):
        assert smoothing_tables(maps, CLASSES) is None
        assert smoothing_text(maps, CLASSES) == ""
        assert smoothing_remarks(maps, CLASSES) == ()
        assert "<h2>Smoothing</h2>" not in render_report(
            ReportData("map", CLASSES, borders=BordersData(maps, blended=False))
        )


def test_classes_have_pixels_and_f_scores_of_each_stage() -> None:
    text = smoothing_text({0: FOUND}, CLASSES)
    assert (
        "lake: Before smoothing: pixels 500; Before smoothing: F-score –; Final map: pixels 500; Final map: F-score –; "
        "Without small patches: pixels 0; Without small patches: F-score –"
    ) in text
    assert "Before smoothing: F-score 0.500; Final map: pixels 800" in text


def test_the_run_is_named_if_there_are_several() -> None:
    assert smoothing_text({0: FOUND}, CLASSES).startswith("Smoothing\n")
    assert smoothing_text({2: FOUND, 5: FOUND}, CLASSES).startswith("Smoothing, seed 2\n")


def test_losses_above_the_limits_are_remarks() -> None:
    assert smoothing_remarks({0: MapStages(1, 1, (BEFORE, FINAL))}, CLASSES) == (), "800 of 1000 pixels are left"
    lost = replace(FINAL, pixels={1: 8200, 2: 799, 3: 500})
    (remark,) = smoothing_remarks({0: MapStages(1, 1, (BEFORE, lost))}, CLASSES)
    assert remark.startswith("Smoothing reduces class <b>hedge (2): from 1,000 to 799 pixels (−20 %). A smaller smoo")
    assert "smoothness" not in remark
    (remark,) = smoothing_remarks({0: MapStages(1, 1, (BEFORE, lost))}, CLASSES, bayesian=True)
    assert remark.endswith("A smaller smoothing_window, or a smaller smoothness of this class, keeps more of it.")
    worse = with_f_score(lost, 0.479)
    (remark,) = smoothing_remarks({0: MapStages(1, 1, (BEFORE, worse))}, CLASSES)
    assert "799 pixels (−20 %), and its F-score from 0.500 to 0.479." in remark
    assert smoothing_remarks({0: MapStages(1, 1, (BEFORE, with_f_score(FINAL, 0.481)))}, CLASSES) == ()
    gone = smoothing_remarks({0: FOUND, 3: FOUND}, CLASSES)
    assert [text.partition(":")[0] for text in gone] == [
        f"The minimum mapping unit reduces class {name} (seed {seed})"
        for seed in (0, 3)
        for name in ("<b>hedge (2)", "lake (3)")
    ]


def test_the_page_and_the_measures_have_the_section() -> None:
    confusions = {0: Confusion((1, 2, 3), np.diag([5, 4, 3]), np.zeros(3, np.int64))}
    data = BordersData({0: FOUND}, blended=False)
    page = render_report(ReportData("map", CLASSES, confusions, borders=data))
    section = page.partition("<h2>Smoothing</h2>")[2].partition("</section>")[0]
    assert '<td class="left">&lt;b&gt;hedge</td><td>1,000</td><td>0.500</td><td>800</td>' in section
    values = metrics(confusions, CLASSES, borders=data)["borders"]["seeds"][0]["stages"]
    assert [(stage["name"], stage["pixels"][2]) for stage in values] == [
        ("unsmoothed", 1000),
        ("final", 800),
        ("regularised", 500),
    ]
