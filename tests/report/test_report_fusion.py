"""Accuracy of the fusion of runs in the accuracy report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from iota2.compute.run_fusion import fusion_accuracy
from iota2.compute.validation import count_pixels, with_distances
from iota2.core.nomenclature import Nomenclature
from iota2.report.results.fusion import FusionReport, fusion_remarks, fusion_results

CLASSES = Nomenclature((1, 2), ("wheat", "maize"), ((255, 0, 0), (0, 255, 0)), (1, 2))
UNDECIDED = 255


def fused(produced: Sequence[int]) -> FusionReport:
    """A fusion of two runs with these labels in its validation pixels: one of maize, the others of wheat."""
    reference = np.array([2, *[1] * (len(produced) - 1)])
    polygon, edge = np.arange(len(produced)), np.zeros(len(produced), bool)
    counts = with_distances(count_pixels(polygon, reference, np.array(produced), edge), {})
    runs = {seed: with_distances(count_pixels(polygon, reference, reference, edge), {}) for seed in (0, 1)}
    accuracy = fusion_accuracy(counts, runs, CLASSES.codes, UNDECIDED)
    return FusionReport(accuracy, "majorityvoting", None, UNDECIDED, reserved=True, map_pixels=90, undecided_pixels=9)


@pytest.mark.parametrize(
    ("labels", "notes"),
    [
        (
            (2, 1, 1, UNDECIDED, UNDECIDED),
            ["2 validation pixels are undecided and are excluded from all measures (wheat 2)."],
        ),
        ((2, 1, 1, UNDECIDED), ["1 validation pixel is undecided and is excluded from all measures (wheat 1)."]),
        ((2, 1, 1, 0), ["1 validation pixel is not classified and is excluded from all measures (wheat 1)."]),
    ],
)
def test_excluded_pixels_are_either_undecided_or_not_classified(labels: Sequence[int], notes: list[str]) -> None:
    text = fusion_results(fused(labels), CLASSES)
    found = [line for line in text.splitlines() if line.startswith("- ") and "excluded" in line]
    assert found == [f"- Fusion of the runs: {note}" for note in notes]


def test_a_class_of_undecided_pixels_is_not_validated() -> None:
    text = fusion_results(fused((UNDECIDED, 1, 1)), CLASSES)
    assert "Class maize (2) is not validated: no classified validation pixel." in text
    assert fusion_remarks(fused((2, 1, 1)), CLASSES) == []


def test_polygons_from_which_runs_have_learned_make_the_accuracy_optimistic() -> None:
    found = replace(fused((2, 1, 1)), reserved=False)
    text = fusion_results(found, CLASSES)
    assert "runs have learned from most of them (multi_run_fusion" in text
    assert "runs have learned from most of them, so the accuracy" in text
    assert "interval or range over the runs" not in text, "the text has none"
