"""Validation of segments: each segment with a class on the validation side counts once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from iota2.compute.validation import validation_accuracy
from iota2.core.graph import Key
from iota2.core.tables import CODE, LEARN, ORIGIN, VALIDATION, seed_column
from iota2.errors import InputError
from iota2.io.tables.segment_counts import read_segment_counts
from iota2.io.tables.segment_labels import BOTH_SIDES, COLUMNS, NO_MAJORITY, write_segment_labels
from iota2.io.tables.segments import SegmentClasses
from iota2.io.tables.vectors import write_shapefile
from iota2.steps.objects import validation
from tests.steps.helpers import area, frame, run, several, table

LABELS = pd.DataFrame(
    [
        ("A", 1, 0, LEARN, 1, 0, 9, 1.0, ""),
        ("A", 2, 0, LEARN, 1, 0, 9, 1.0, BOTH_SIDES),
        ("A", 2, 0, VALIDATION, 1, 1, 4, 1.0, ""),
        ("A", 3, 0, VALIDATION, 1, 1, 6, 0.75, ""),
        ("A", 4, 0, VALIDATION, 1, 1, 5, 0.4, NO_MAJORITY),
        ("B", 1, 0, VALIDATION, 1, 1, 30, 1.0, ""),
        ("B", 3, 0, VALIDATION, 2, 2, 7, 1.0, ""),
        ("B", 2, 0, VALIDATION, 2, 2, 8, 1.0, ""),
    ],
    columns=COLUMNS,
)
"""Segments of two tiles in polygon 1, of class 1, and polygon 2, of class 2; polygon 0 learns."""
PREDICTED = {"A": [2, 1, 2, 2], "B": [1, 2, 0]}


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    """The file of the step."""
    write_segment_labels(LABELS, tmp_path / "labels.csv")
    for tile, labels in PREDICTED.items():
        size = len(labels)
        SegmentClasses(np.array(labels, np.uint8), np.ones(size, np.float32), np.zeros((size, 0), np.float32)).write(
            tmp_path / f"{tile}.npz"
        )
    places = [area((0, 2), (0, 2)), area((0, 2), (4, 6)), area((4, 6), (4, 6))]
    sides = {seed_column(0): [LEARN, VALIDATION, VALIDATION]}
    write_shapefile(frame(places, **{ORIGIN: [0, 1, 2], CODE: [1, 1, 2], **sides}), tmp_path / "reference.shp")
    inp = {
        "labels": "labels.csv",
        "classes": several("tile seed", {("A", 0): "A.npz", ("B", 0): "B.npz"}),
        "reference": "reference.shp",
    }
    run(validation.STEP, tmp_path, inp, {"counts": "counts.csv"}, key=Key.of(seed=0))
    return tmp_path / "counts.csv"


def test_validation_segments_are_counted_by_polygon_and_predicted_class(counts: Path) -> None:
    assert [tuple(row.values()) for row in table(counts)] == [
        ("1", "1", "1", "2", "34", "20.000"),
        ("1", "1", "2", "1", "6", "20.000"),
        ("2", "2", "0", "1", "7", ""),
        ("2", "2", "2", "1", "8", ""),
    ]


def test_the_accuracy_of_segments_counts_each_once_and_excludes_those_without_class(counts: Path) -> None:
    found = validation_accuracy({0: read_segment_counts(counts)}, (1, 2))
    confusion = found.subsets["all"].confusions[0]
    assert confusion.counts.tolist() == [[2, 1], [0, 1]]
    assert confusion.unmapped.tolist() == [0, 1]
    assert found.subsets["all"].summary.overall_accuracy.mean == 3 / 4
    assert found.subsets["apart"].confusions[0].counts.tolist() == [[0, 0], [0, 1]], "polygon 1 is 20 m from polygon 0"
    assert found.intervals is not None
    assert found.intervals.overall_accuracy is not None


def test_no_validation_segments_give_an_empty_table(tmp_path: Path) -> None:
    write_segment_labels(LABELS[:2], tmp_path / "labels.csv")
    places = frame([area((0, 2), (0, 2))], **{ORIGIN: [0], CODE: [1], seed_column(0): [LEARN]})
    write_shapefile(places, tmp_path / "reference.shp")
    inp = {"labels": "labels.csv", "classes": several("tile seed", {}), "reference": "reference.shp"}
    run(validation.STEP, tmp_path, inp, {"counts": "counts.csv"}, key=Key.of(seed=0))
    assert len(read_segment_counts(tmp_path / "counts.csv")) == 0


def test_another_file_is_no_table_of_counts(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"other\.csv: cannot be read as counts of segments"):
        read_segment_counts(tmp_path / "other.csv")
