"""The HTML page of the report: its numbers, escaping of texts, and no external resources."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

import numpy as np
import pytest

from iota2.compute.validation import count_pixels, validation_accuracy, with_distances
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import Confusion
from iota2.report.results.page import ModelView, Picture, ReportData, Series, render_report

HOSTILE = "<script>alert('1')</script>\"onmouseover=\"x"
ATTACKS = (HOSTILE, "a'b&c", "forêt 森林")


class Page(HTMLParser):
    """Tags with attributes, text outside tags, and rows of tables, as a browser parses them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.rows: list[list[str]] = []
        self.cell = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.cell = True

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.cell = False

    def handle_data(self, data):
        self.text += data
        if self.cell:
            self.rows[-1][-1] += data.strip()


def matrix(counts, unmapped=(0, 0, 0)) -> Confusion:
    return Confusion((1, 2, 3), np.array(counts), np.array(unmapped))


def report(**changes) -> ReportData:
    values = {
        "title": f"Run {HOSTILE}",
        "nomenclature": Nomenclature((1, 2, 3), ATTACKS, ((1, 2, 3), (4, 5, 6), (7, 8, 9)), (1, 2, 3)),
        "confusions": {0: matrix([[80, 12, 8], [0, 1000, 0], [0, 0, 0]], (3, 0, 0))},
        "mapped": {0: 77, 1: 30000, 2: 10000},
        "pixel_area": 100.0,
        "tiles": ("T31TCJ",),
        "series": (Series("Sentinel2", "T31TCJ", 31, "2018-01-04", "2018-12-30"),),
        "map": Picture("Map", HOSTILE, b"png of the map"),
        "pictures": (Picture("Confidence", "c", b"png of the confidence"),),
        "notes": (f"polygon {HOSTILE} left out",),
        "files": ((f"Classif {HOSTILE}.tif", HOSTILE), ("javascript:alert(1)", "x")),
        "configuration": (("chain.output_path", HOSTILE),),
        "versions": (("iota2", "0.1.0"),),
    }
    return ReportData(**(values | changes))


def test_captions_have_no_backticks():
    picture = Picture("Map", "The map (with `merge_run`).", b"png")
    found = Page(render_report(report(map=picture, pictures=(picture,))))
    assert found.text.count("The map (with merge_run).") == 2


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render_report(report()))


def test_pixels_that_are_not_classified_are_reported_when_there_are_any(page):
    assert "77 pixels inside the tiles are not classified" in page.text
    assert "they have no clear date, or are outside all regions" in " ".join(page.text.split())
    assert "are not classified (0 in the map)" not in Page(render_report(report(mapped={1: 5}))).text


def test_hostile_texts_are_escaped(page):
    assert not {"script", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert page.text.count(HOSTILE) >= 6


def test_no_external_resource_is_loaded(page):
    sources = [attributes["src"] for _, attributes in page.tags if "src" in attributes]
    assert [base64.b64decode(s.removeprefix("data:image/png;base64,")) for s in sources] == [
        b"png of the map",
        b"png of the confidence",
    ]
    links = [attributes["href"] for _, attributes in page.tags if "href" in attributes]
    assert links[1] == "javascript%3Aalert%281%29"
    assert not [link for link in links if ":" in link]
    assert "http" not in render_report(report()).replace('http-equiv="Content-Security-Policy"', "")


def test_key_figures_are_shown(page):
    for shown in ("98.2 %", "0.884", "4.00 km²", "2018-01-04 to 2018-12-30", "77 pixels", "iota2 0.1.0"):
        assert shown in page.text


def test_the_classifier_is_named_below_the_title_and_with_the_models():
    models = [ModelView(region, 42, "scikit", {"model_type": "SVC"}, 600, "SVC") for region in "12"]
    found = Page(render_report(report(models=models)))
    assert "Land-cover map by SVC: products and accuracy" in found.text
    assert [row[:3] for row in found.rows if row[2:3] == ["SVC"]] == [["1", "42", "SVC"], ["2", "42", "SVC"]]
    assert "Land-cover map: products and accuracy" in Page(render_report(report())).text


def test_matrix_has_the_reference_in_rows(page):
    head = next(k for k, row in enumerate(page.rows) if row[-1] == "Map")
    assert page.rows[head + 1][2:] == list(ATTACKS)
    assert page.rows[head + 2] == ["Reference", ATTACKS[0], "80", "12", "8"]
    assert page.rows[head + 3] == [ATTACKS[1], "", "1,000", ""]
    assert page.rows[head + 4] == [ATTACKS[2], "", "", ""]


def test_scores_and_areas_of_each_class(page):
    assert [ATTACKS[0], "1.000", "0.800", "0.889", "100"] in page.rows
    assert [ATTACKS[2], "–", "–", "–", "0"] in page.rows
    assert [ATTACKS[0], "1", "3.00", "75.0", ""] in page.rows
    assert [ATTACKS[2], "3", "0.00", "0.0", ""] in page.rows


def test_excluded_classes_and_pixels_are_reported(page):
    assert "is not validated: no classified validation pixel." in page.text
    assert "3 validation pixels are not classified" in page.text


def test_several_runs_show_means_with_intervals():
    two = {0: matrix([[8, 2, 0], [0, 10, 0], [0, 0, 1]]), 1: matrix([[9, 0, 1], [0, 10, 0], [0, 0, 1]])}
    found = Page(render_report(report(confusions=two)))
    assert "over 2 runs" in found.text
    ranges = ["1.000 (1.000 - 1.000)", "0.850 (0.800 - 0.900)", "0.918 (0.889 - 0.947)"]
    assert [ATTACKS[0], *ranges, "10"] in found.rows
    assert "lowest and highest value of the runs" in found.text


def test_four_runs_show_student_intervals_within_the_limits_of_the_measure():
    first = [[9, 1, 0], [1, 9, 0], [0, 0, 1]], [[8, 2, 0], [2, 8, 0], [0, 0, 1]]
    found = Page(render_report(report(confusions={seed: matrix(first[seed % 2]) for seed in range(4)})))
    assert [ATTACKS[0], *["0.850 ± 0.092"] * 3, "10"] in found.rows
    assert "±: half-width of the 95 % Student interval" in found.text
    assert "+-" not in found.text
    wide = [[10, 0, 0], [0, 10, 0], [0, 0, 1]], [[7, 3, 0], [3, 7, 0], [0, 0, 1]]
    found = Page(render_report(report(confusions={seed: matrix(wide[seed % 2]) for seed in range(4)})))
    assert [ATTACKS[0], *["0.850 [0.574, 1.000]"] * 3, "10"] in found.rows


def test_validation_pixels_have_a_table_of_parts_and_of_classes():
    reference = np.repeat([1, 2], 6)
    counts = count_pixels(np.arange(12) // 2, reference, np.where(np.arange(12) % 3, reference, 1), np.arange(12) % 2)
    found = validation_accuracy({0: with_distances(counts, {0: 3.0})}, (1, 2, 3))
    page = Page(render_report(report(validated=found)))
    assert "1 of 6 validation polygons (17 %) lie within 100 m" in page.text
    assert "whose centre lies in a validation polygon" in page.text
    rows = {row[0]: row[1:] for row in page.rows if row}
    assert rows["all validation pixels"][:3] == ["6", "12", "0.833"]
    assert rows["without pixels on the edge of their polygon"][:2] == ["6", "6"]
    by_class = next(row for row in page.rows if row[:1] == [ATTACKS[1]] and len(row) == 7)
    assert by_class[1:4] == ["3", "0", "6"]
    assert "over validation polygons" in page.text


def test_a_report_without_validation_and_map_is_rendered():
    bare = ReportData("Bare", report().nomenclature)
    found = Page(render_report(bare))
    assert "Bare" in found.text
    assert "Confusion matrix" not in found.text
