"""Segments of a run, read for the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from iota2.compute.validation import validation_accuracy
from iota2.core.graph import Paths
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import LEARN, VALIDATION
from iota2.io.tables.segment_counts import read_segment_counts
from iota2.io.tables.segment_labels import (
    BOTH_SIDES,
    CODE,
    NO_MAJORITY,
    NUMBER,
    REASON,
    SIDE,
    TILE,
    read_segment_labels,
)
from iota2.io.tables.segment_sizes import read_segment_sizes
from iota2.report.results.segments import LabelledSegments, SegmentsReport


def read_segments_report(inp: Paths, classes: Nomenclature, *, whole: bool) -> SegmentsReport | None:
    """From the inputs of the report; None in runs on pixels. ``whole``: whether models learn from whole segments."""
    if "segment_sizes" not in inp:
        return None
    counts = {key.seed: read_segment_counts(path) for key, path in inp.each("segment_validation")}
    return SegmentsReport(
        read_segment_sizes(inp.segment_sizes),
        {key.seed: _labelled(path) for key, path in inp.each("segment_labels")},
        validation_accuracy(counts, classes.codes),
        whole,
    )


def _labelled(path: Path) -> LabelledSegments:
    """The segments with labelled pixels of one seed."""
    labels = read_segment_labels(path)

    def by_class(side: str, reason: str) -> dict[int, int]:
        codes = labels[CODE][(labels[SIDE] == side) & (labels[REASON] == reason)]
        return dict(zip(*(found.tolist() for found in np.unique(codes, return_counts=True)), strict=True))

    return LabelledSegments(
        labelled=len(labels[[TILE, NUMBER]].drop_duplicates()),
        learning=by_class(LEARN, ""),
        both_sides=by_class(LEARN, BOTH_SIDES),
        no_majority=sum(by_class(LEARN, NO_MAJORITY).values()),
        validation=by_class(VALIDATION, ""),
        no_majority_validation=sum(by_class(VALIDATION, NO_MAJORITY).values()),
    )
