"""The text files of the report, parsed and compared with the values they were made from."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from iota2.compute.accuracy import scores, summarise
from iota2.compute.validation import ValidationAccuracy, confusion_of, count_pixels, validation_accuracy, with_distances
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import Confusion
from iota2.io.tables.confusions import confusion_csv, parse_confusion_csv
from iota2.report.results.metrics import metrics
from iota2.report.results.text import classification_results, label_table_csv, results_text
from iota2.report.results.validation import neighbour_notes

LABELS = (3, 11, 211)
NAMES = ("forêt de chênes", "eau | mer", "=prairie")


@pytest.fixture
def nomenclature() -> Nomenclature:
    return Nomenclature(LABELS, NAMES, ((0, 99, 0), (0, 0, 255), (200, 255, 0)), LABELS)


def matrix(counts, unmapped=(0, 0, 0)) -> Confusion:
    return Confusion(LABELS, np.array(counts, dtype=np.int64), np.array(unmapped, dtype=np.int64))


TWO_SEEDS = {
    0: matrix([[80, 5, 15], [2, 98, 0], [30, 0, 1500]], (0, 4, 0)),
    1: matrix([[70, 15, 5], [12, 88, 1], [0, 0, 0]], (0, 0, 7)),
}
FOUR_SEEDS = TWO_SEEDS | {2: TWO_SEEDS[0], 3: matrix([[75, 10, 10], [8, 90, 1], [20, 5, 1400]])}


def parse_results(text: str) -> dict:
    """The numbers of a RESULTS.txt, parsed like in a user's script."""
    lines = text.splitlines()
    start = lines.index("*********** Matrice de confusion ***********") + 2
    names = [name.strip() for name in lines[start].split("|")[1:]]
    rows = [lines[start + 1 + k].split("|") for k in range(len(names))]
    table = next(k for k, line in enumerate(lines) if line.strip().startswith("Classes")) + 2
    cells = [lines[table + k].split("|") for k in range(len(names))]

    def numbers(cell: str) -> tuple[float | None, float | None]:
        found = [float(x) for x in re.findall(r"\d+\.\d+", cell)]
        return (*found, None, None)[:2]

    return {
        "names": names,
        "row_names": [(row[0].strip(), row[-1].strip()) for row in rows],
        "matrix": [[float(cell) for cell in row[1:-1]] for row in rows],
        "kappa": numbers(next(line for line in lines if line.startswith("KAPPA : "))),
        "overall_accuracy": numbers(next(line for line in lines if line.startswith("OA : "))),
        "table_names": [row[0].strip() for row in cells],
        **{
            key: [numbers(row[column]) for row in cells]
            for column, key in enumerate(("precision", "recall", "f_score"), start=1)
        },
        "most": [row[4].strip() for row in cells],
        "notes": [line[2:] for line in lines if line.startswith("- ")],
    }


def assert_close(found, estimate: dict) -> None:
    spread = estimate["half_width"] if estimate["half_width"] is not None else estimate.get("low")
    for value, expected in zip(found, (estimate["mean"], spread), strict=True):
        assert value == (None if expected is None else pytest.approx(expected, abs=0.00051))


@pytest.mark.parametrize("seeds", [(0,), (1,), (0, 1), (0, 1, 2, 3)])
def test_results_have_the_numbers_of_metrics(nomenclature, seeds):
    confusions = {seed: FOUR_SEEDS[seed] for seed in seeds}
    found = parse_results(results_text(confusions, nomenclature, ["two polygons excluded"]))
    expected = json.loads(json.dumps(metrics(confusions, nomenclature, ["two polygons excluded"]), allow_nan=False))
    assert found["matrix"] == expected["summary"]["mean_confusion"]
    for key in ("kappa", "overall_accuracy"):
        assert_close(found[key], expected["summary"][key])
    for key in ("precision", "recall", "f_score"):
        for value, estimate in zip(found[key], expected["summary"][key], strict=True):
            assert_close(value, estimate)
    assert found["notes"] == expected["notes"]
    assert found["notes"][-1] == "two polygons excluded"


def test_results_have_the_documented_layout(nomenclature):
    text = results_text({0: TWO_SEEDS[0]}, nomenclature)
    assert text.startswith("#row = reference\n#col = production\n\n*********** Matrice de confusion ***********\n\n")
    assert "\n\nKAPPA : 0.862\nOA : 0.970\n\n" in text
    found = parse_results(text)
    shown = ["forêt de chênes", "eau ¦ mer", "=prairie"]
    assert found["names"] == found["table_names"] == shown
    assert found["row_names"] == [(name, name) for name in shown]
    header = next(line for line in text.splitlines() if "Classes" in line)
    columns = [part.strip() for part in header.split("|")]
    assert columns == ["Classes", "Precision mean", "Rappel mean", "F-score mean", "Confusion max"]
    assert "+-" not in text
    assert re.search(r"\nKAPPA : 0\.\d{3} \+- \d\.\d{3}\nOA", results_text(FOUR_SEEDS, nomenclature))


def test_two_runs_show_their_range_and_no_interval(nomenclature):
    text = results_text(TWO_SEEDS, nomenclature)
    assert "+-" not in text
    each = [scores(one).kappa for one in TWO_SEEDS.values()]
    assert f"\nKAPPA : {np.mean(each):.3f} ({min(each):.3f} - {max(each):.3f})\n" in text


def test_an_interval_that_ends_at_a_limit_shows_its_ends(nomenclature):
    good, bad = matrix([[9, 0, 0], [0, 9, 0], [0, 0, 9]]), matrix([[0, 9, 0], [0, 9, 0], [0, 0, 9]])
    text = results_text({0: good, 1: good, 2: good, 3: bad}, nomenclature)
    assert "\nOA : 0.917 [0.651, 1.000]\n" in text
    for line in re.findall(r"\d\.\d{3} \+- \d\.\d{3}", text):
        mean, half = map(float, line.split(" +- "))
        assert mean - half >= -0.001
        assert mean + half <= 1.001


def test_columns_of_results_are_aligned(nomenclature):
    lines = results_text(TWO_SEEDS, nomenclature).splitlines()
    bars = [[m.start() for m in re.finditer(r"\|", line)] for line in lines[5:9]]
    assert all(row[: len(bars[0])] == bars[0] for row in bars)


def test_most_mapped_classes_are_sorted_by_pixels_then_by_name_descending(nomenclature):
    found = parse_results(results_text({0: matrix([[1, 0, 0], [3, 3, 9], [0, 0, 0]])}, nomenclature))
    assert found["most"] == [
        "forêt de chênes",
        "=prairie, forêt de chênes, eau ¦ mer",
        "–",
    ]


def test_undefined_measures_are_dashes_and_explained(nomenclature):
    text = results_text({0: matrix([[5, 0, 0], [5, 0, 0], [0, 0, 0]], (0, 0, 6))}, nomenclature)
    found = parse_results(text)
    assert found["precision"][1:] == [(None, None)] * 2
    assert found["f_score"][1:] == [(0.0, None), (None, None)]
    assert found["recall"] == [(1.0, None), (0.0, None), (None, None)]
    assert "nan" not in text
    assert found["notes"] == [
        "Class =prairie (211) is not validated: none of its 6 validation pixels is classified (0 in the map).",
        "Class eau | mer (11) is mapped on no validation pixel (seed 0): "
        "its precision is undefined, and its F-score is 0.",
        "Seed 0: 6 validation pixels are not classified and are excluded from all measures (=prairie 6).",
    ]


def test_confusion_csv_has_the_documented_lines():
    text = "#Reference labels (rows):3,11,211\n#Produced labels (columns):3,11,211\n1,2,3\n4,5,6\n7,8,9\n"
    assert confusion_csv(matrix([[1, 2, 3], [4, 5, 6], [7, 8, 9]])) == text


@given(hnp.arrays(np.int64, (3, 3), elements=st.integers(0, 10**12)), st.tuples(*[st.integers(0, 9)] * 3))
def test_confusion_csv_is_read_back(counts, unmapped):
    written = matrix(counts, unmapped)
    found = parse_confusion_csv(confusion_csv(written), "a.csv")
    assert found.labels == LABELS
    np.testing.assert_array_equal(found.counts, written.counts)
    np.testing.assert_array_equal(found.unmapped, written.unmapped)


@pytest.mark.parametrize(
    "text", ["", "1,2\n3,4\n", "#Reference labels (rows):1,2\n#Produced labels (columns):1,2\n1,2\n"]
)
def test_a_text_that_is_not_a_confusion_matrix_is_an_error_with_the_file_name(text):
    with pytest.raises(ValueError, match=r"a\.csv is not a confusion matrix"):
        parse_confusion_csv(text, "a.csv")


def test_classification_results_have_the_scores():
    text = classification_results(TWO_SEEDS[1])
    expected = scores(TWO_SEEDS[1])
    assert text.startswith(
        "#Reference labels (rows):3,11,211\n#Produced labels (columns):3,11,211\n\nPrecision of class [3]"
    )
    for name, values in (
        ("Precision", expected.precision),
        ("Recall", expected.recall),
        ("F-score", expected.f_score),
    ):
        listed = re.search(rf"{name} of the different classes: \[(.*)\]", text)[1].split(", ")
        for label, value, item in zip(LABELS, values, listed, strict=True):
            listed_value = re.search(rf"{name} of class \[{label}\] vs all: (.*)", text)[1]
            assert listed_value == item
            assert listed_value == "–" if math.isnan(value) else float(listed_value) == pytest.approx(value, rel=1e-5)
    assert float(re.search("Kappa index: (.*)", text)[1]) == pytest.approx(expected.kappa, rel=1e-5)
    assert float(re.search("Overall accuracy index: (.*)", text)[1]) == pytest.approx(
        expected.overall_accuracy, rel=1e-5
    )


def test_the_table_of_classes_has_no_spreadsheet_formulas():
    labels = ('=HYPERLINK("http://x")', "a, b", "forêt")
    found = label_table_csv(Nomenclature((1, 2, 3), NAMES, ((1, 2, 3), (4, 5, 6), (7, 8, 9)), labels))
    head, *rows = csv.reader(found.splitlines())
    assert ",".join(head) == "#USER LABEL,IOTA2_LABEL,RED_VALUE,GREEN_VALUE,BLUE_VALUE"
    assert rows == [
        ["'" + labels[0], "1", "1", "2", "3"],
        ["a, b", "2", "4", "5", "6"],
        ["forêt", "3", "7", "8", "9"],
    ]


def test_metrics_are_plain_json_with_nulls(nomenclature):
    found = metrics(TWO_SEEDS, nomenclature, provenance={"version": "1"})
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert list(found) == [
        "version", "rows", "columns", "labels", "seeds", "summary", "not_validated", "notes", "provenance",
    ]  # fmt: skip
    assert (found["rows"], found["columns"]) == ("reference", "map")
    assert found["labels"][0] == {"code": 3, "label": 3, "name": NAMES[0]}
    assert found["seeds"][1]["confusion"] == TWO_SEEDS[1].counts.tolist()
    assert found["seeds"][1]["recall"][2] is None
    assert found["seeds"][1]["unmapped"] == [0, 0, 7]
    assert found["summary"]["recall"][2] == {
        "mean": pytest.approx(1500 / 1530),
        "half_width": None,
        "runs": 1,
    }
    assert found["summary"]["overall_accuracy"]["mean"] == summarise(TWO_SEEDS).overall_accuracy.mean
    assert [item["code"] for item in found["not_validated"]] == [211]
    assert "for seed 1" in found["not_validated"][0]["reason"]


# ---------------------------------------------------------------------------------------- validation pixels


def by_polygon(near: int = 30) -> tuple[dict[int, Confusion], ValidationAccuracy]:
    """Forty polygons of two classes, ``near`` of them near learning polygons; pixels on edges are wrong more often."""
    polygon = np.repeat(np.arange(40), 10)
    edge = np.tile([True] * 4 + [False] * 6, 40)
    reference = np.array(LABELS)[polygon % 2]
    wrong = (edge & (polygon % 3 == 0)) | (polygon % 10 == 9)
    produced = np.where(wrong, LABELS[2], reference)
    counts = with_distances(count_pixels(polygon, reference, produced, edge), dict.fromkeys(range(near), 50.0))
    return {0: confusion_of(counts, LABELS)}, validation_accuracy({0: counts}, LABELS)


def test_results_explain_the_counted_pixels_and_show_the_accuracy_of_parts(nomenclature):
    confusions, found = by_polygon()
    text = results_text(confusions, nomenclature, validated=found)
    assert "map pixels whose centre lies in a validation polygon" in text
    assert "areas with a clear date, and with at least chain.cloud_threshold of them" in text
    assert "30 of 40 validation polygons (75 %) lie within 100 m of a learning polygon of their class." in text
    rows = [line.split(maxsplit=4) for line in text.splitlines()]
    parts = {row[4]: row[:4] for row in rows if len(row) == 5}
    for part, about in (
        ("all", "all validation pixels"),
        ("inner", "without pixels on the edge of their polygon"),
    ):
        summary = found.subsets[part].summary
        measures = [f"{summary.overall_accuracy.mean:.3f}", f"{summary.kappa.mean:.3f}"]
        assert parts[about] == ["40", "400" if part == "all" else "240", *measures]
    assert parts["only polygons more than 100 m from all learning polygons of their class"][:2] == ["10", "100"]


def test_lines_on_validation_pixels_are_not_parsed_as_the_tables(nomenclature):
    confusions, found = by_polygon()
    text = results_text(confusions, nomenclature, ["a note"], found)
    read, before = parse_results(text), parse_results(results_text(confusions, nomenclature, ["a note"]))
    assert {key: read[key] for key in read if key not in ("notes", "kappa", "overall_accuracy")} == {
        key: before[key] for key in before if key not in ("notes", "kappa", "overall_accuracy")
    }
    assert (read["kappa"][0], read["overall_accuracy"][0]) == (before["kappa"][0], before["overall_accuracy"][0])
    added = text.partition("Validation pixels\n")[2].partition("Notes\n")[0]
    assert "|" not in added.replace("eau | mer", "")
    assert not any(line.strip().startswith(name) for line in added.splitlines() for name in NAMES)


def test_one_run_shows_its_interval_over_polygons_and_plain_numbers_in_the_table(nomenclature):
    confusions, found = by_polygon()
    text = results_text(confusions, nomenclature, validated=found)
    low, high = found.intervals.overall_accuracy
    assert f"\nOA : {found.subsets['all'].summary.overall_accuracy.mean:.3f} [{low:.3f}, {high:.3f}]\n" in text
    table = [line for line in text.splitlines() if line.count("|") == 4]
    assert not any("[" in line for line in table)
    low, high = found.intervals.f_score[0]
    assert any(f"[{low:.3f}, {high:.3f}]" in line and line.endswith(NAMES[0]) for line in text.splitlines())
    assert "95 % interval over the validation polygons" in text


@pytest.mark.parametrize(("near", "text"), [(36, "are too few to measure"), (35, "for the 5 other polygons")])
def test_the_accuracy_of_few_polygons_is_not_given(near: int, text: str) -> None:
    _, found = by_polygon(near)
    (note,) = neighbour_notes(found)
    assert text in note
    assert ("the overall accuracy is" in note) == (near == 35)


@pytest.mark.parametrize(("wrong", "lower"), [("near", False), ("far", True)])
def test_a_note_says_that_the_accuracy_is_lower_elsewhere_only_if_it_is(wrong: str, lower: bool) -> None:
    of_pixel = np.arange(200) // 10
    reference, near = np.where(of_pixel % 2, 1, 2), of_pixel < 10
    mapped = np.where((near if wrong == "near" else ~near) & (np.arange(200) % 10 == 0), 3 - reference, reference)
    counts = with_distances(count_pixels(of_pixel, reference, mapped, np.zeros(200)), dict.fromkeys(range(10), 5.0))
    (note,) = neighbour_notes(validation_accuracy({0: counts}, (1, 2)))
    expected = "lower elsewhere: for the 10 other polygons (100 pixels), the overall accuracy is"
    assert expected in note
    assert ("may be lower elsewhere" in note, "is not lower elsewhere" in note) == (lower, not lower)
    assert ("0.900 instead of 0.950" if lower else "1.000, that of all 0.950") in note


def test_counts_of_several_runs_are_called_means() -> None:
    counts = [
        with_distances(
            count_pixels(np.arange(20), np.ones(20), np.ones(20), np.zeros(20)), dict.fromkeys(range(n), 5.0)
        )
        for n in (10, 11)
    ]
    (note,) = neighbour_notes(validation_accuracy(dict(enumerate(counts)), (1,)))
    assert note.startswith("On average over the runs, 10.5 of 20 validation polygons (52 %) lie within 100 m")
    (alone,) = neighbour_notes(validation_accuracy({0: counts[0]}, (1,)))
    assert alone.startswith("10 of 20 validation polygons")


@pytest.mark.parametrize(("near", "noted"), [(30, True), (40, True), (4, True), (3, False), (0, False)])
def test_many_validation_polygons_near_learning_polygons_give_a_note(nomenclature, near, noted):
    confusions, found = by_polygon(near)
    notes = parse_results(results_text(confusions, nomenclature, validated=found))["notes"]
    assert metrics(confusions, nomenclature, validated=found)["notes"] == notes
    (note,) = [note for note in notes if "within 100 m" in note] or [""]
    assert bool(note) == noted
    assert ("split_distance" in note) == noted
    assert ("there are no other polygons" in note) == (near == 40)


def test_metrics_contain_parts_and_intervals(nomenclature):
    confusions, found = by_polygon()
    content = metrics(confusions, nomenclature, validated=found)
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    accuracy = content["summary"]["overall_accuracy"]
    assert (accuracy["interval"], (accuracy["low"], accuracy["high"])) == ("polygons", found.intervals.overall_accuracy)
    assert content["validation"]["near"] == [15, 15, 0]
    apart = content["validation"]["parts"]["apart"]
    assert (apart["polygons"], apart["pixels"]) == ([5, 5, 0], [50, 50, 0])
    assert apart["seeds"][0]["confusion"] == found.subsets["apart"].confusions[0].counts.tolist()
    assert content["validation"]["parts"]["all"]["overall_accuracy"] == accuracy["mean"]


def test_a_bar_in_a_class_name_is_replaced_after_the_table(nomenclature):
    confusions, found = by_polygon()
    barred = replace(nomenclature, names=tuple(f"{name} | x" for name in nomenclature.names))
    text = results_text(confusions, barred, validated=found)
    after = text[text.index("Validation pixels") : text.index("Notes")]
    assert "¦ x" in after
    assert "|" not in after


def test_without_validation_polygons_the_accuracy_is_reported_as_unknown(nomenclature):
    none = count_pixels(*(np.zeros(0, np.int64),) * 4)
    found = validation_accuracy({0: none}, LABELS)
    text = results_text({0: confusion_of(none, LABELS)}, nomenclature, validated=found)
    assert "There is no validation polygon: the accuracy is unknown." in text
    assert "0 of 0" not in text
