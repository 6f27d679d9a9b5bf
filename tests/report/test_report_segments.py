"""Segments in the accuracy report."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import numpy as np
import pytest

from iota2.compute.segment_sizes import SegmentSizes
from iota2.compute.validation import ValidationAccuracy, validation_accuracy
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import PolygonCounts
from iota2.report.results.page import ReportData, render_report
from iota2.report.results.segments import (
    LabelledSegments,
    SegmentsReport,
    segment_remarks,
    segment_sentences,
    segments_json,
    segments_text,
)

CLASSES = Nomenclature((1, 2), ("wheat", "maize"), ((255, 0, 0), (0, 255, 0)), (1, 2))
LABELLED = LabelledSegments(60, {1: 20, 2: 10}, {1: 5}, 2, {1: 8, 2: 6}, 1)


def counts(*rows: tuple[int, int, int, int, float]) -> PolygonCounts:
    """Polygon, reference, produced, number and distance."""
    polygon, reference, produced, number, distance = (np.array(column) for column in zip(*rows, strict=True))
    return PolygonCounts(polygon, reference, produced, np.zeros(len(rows), bool), number, distance.astype(float))


SEGMENTS = counts((0, 1, 1, 6, 50), (0, 1, 2, 2, 50), (1, 2, 2, 4, 500), (1, 2, 1, 1, 500), (1, 2, 0, 1, 500))
PIXELS = validation_accuracy({0: counts((0, 1, 1, 900, 50), (1, 2, 2, 90, 500), (1, 2, 1, 10, 500))}, (1, 2))


def report(seeds: int = 1) -> SegmentsReport:
    validated = validation_accuracy(dict.fromkeys(range(seeds), SEGMENTS), (1, 2))
    sizes, labelled = SegmentSizes({"A": 1200, "B": 34}, 24.5), dict.fromkeys(range(seeds), LABELLED)
    return SegmentsReport(sizes, labelled, validated, whole=True)


def test_sentences_give_the_numbers_of_segments() -> None:
    assert segment_sentences(report()) == (
        "The map has 1,234 segments, with a median size of 24.5 pixels.",
        "Segments with labelled pixels (seed 0): 60.",
        "Models learn from whole segments (obia.full_learn_segment).",
        "For learning: 30 segments. Left out: 5 segments with pixels of both learning and validation polygons; 2 "
        "segments without a class of at least half of the labelled pixels.",
        "For validation: 14 segments. Left out: 1 segment without a class of at least half of the labelled pixels.",
    )


def test_the_report_says_if_models_learn_from_labelled_parts() -> None:
    found = replace(report(), whole=False)
    assert "Models learn from the parts of segments inside learning polygons of their class." in segment_sentences(
        found
    )
    assert [segments_json(one)["learned"] for one in (report(), found)] == ["whole segments", "labelled parts"]


def test_nothing_is_left_out_without_such_segments() -> None:
    one = LabelledSegments(3, {1: 2}, {}, 0, {1: 1}, 0)
    found = segment_sentences(replace(report(), labelled={0: one}))
    assert found[3:] == ("For learning: 2 segments. Left out: none.", "For validation: 1 segment. Left out: none.")


def test_many_segments_on_both_sides_cause_a_remark() -> None:
    one = LabelledSegments(9, {1: 5}, {1: 2, 2: 1}, 1, {1: 1}, 0)
    (remark,) = segment_remarks(replace(report(), labelled={0: LABELLED, 3: one}))
    assert remark.startswith("Seed 3: 3 of 9 segments with learning pixels are not used for learning (33 %), because")
    assert not [*segment_remarks(None)]


def rows(text: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


def test_the_text_has_the_accuracy_by_pixel_and_by_segment() -> None:
    found = rows(segments_text(report(), PIXELS, CLASSES))
    (head,) = [k for k, row in enumerate(found) if row[:2] == ["Polygons", "Number"]]
    pixels, segments, far_pixels, far_segments = found[head + 1 : head + 5]
    assert (pixels[:2], pixels[-2:]) == (["2", "1,000"], ["0", "pixels of the map"])
    assert pixels[2].startswith("0.990 [")
    assert (segments[:2], segments[-2:]) == (["2", "14"], ["1", "segments"])
    assert segments[2].startswith("0.769 ["), "10 of 13 classified segments"
    assert (far_pixels[:3], far_segments[:3]) == (["1", "100", "0.900"], ["1", "6", "0.800"])
    wheat, maize = found[-2:]
    assert (wheat[:3], wheat[-1]) == (["20", "5", "8"], "wheat")
    assert [cell.split(" ")[0] for cell in wheat[3:6]] == ["0.857", "0.750", "0.800"]
    assert (maize[:3], maize[-1]) == (["10", "0", "6"], "maize")


def test_runs_on_pixels_have_no_section() -> None:
    assert segments_text(None, PIXELS, CLASSES) == ""
    assert ">Segments<" not in page(None)


def page(segments: SegmentsReport | None, pixels: ValidationAccuracy = PIXELS) -> str:
    confusions = pixels.subsets["all"].confusions
    return render_report(ReportData("Fields", CLASSES, confusions=confusions, validated=pixels, segments=segments))


def test_the_page_has_a_section_with_both_tables() -> None:
    text = html.unescape(" ".join(page(report()).split()))
    section = text[text.index("<h2>Segments</h2>") :]
    section = section[: section.index("</section>")]
    assert "The map has 1,234 segments" in section
    cells = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", section)
    assert cells[:4] == ["Counted", "Polygons", "Number", "Overall accuracy"]
    assert "segments" in cells
    assert cells[cells.index("Class, by segment") :][7:11] == ["wheat", "20", "5", "8"]


def test_the_json_has_counts_and_measures_of_segments() -> None:
    found = segments_json(report())
    assert (found["segments"], found["median_pixels"], found["tiles"]) == (1234, 24.5, {"A": 1200, "B": 34})
    (seed,) = found["seeds"]
    assert (seed["labelled"], seed["learning"], seed["both_sides"], seed["no_majority"]) == (60, [20, 10], [5, 0], 2)
    accuracy = found["validation"]
    assert accuracy["segments"] == [8, 6]
    assert accuracy["overall_accuracy"]["mean"] == pytest.approx(10 / 13)
    assert accuracy["overall_accuracy"]["interval"] == "polygons"
    assert accuracy["seeds"][0]["unmapped"] == [0, 1]


def test_several_seeds_give_the_range_of_the_measures() -> None:
    assert segments_json(report(2))["validation"]["overall_accuracy"]["interval"] == "range"
    assert "(0.769 - 0.769)" in segments_text(report(2), PIXELS, CLASSES)
