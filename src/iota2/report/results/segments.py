"""Segments in the accuracy report: their number and size, those that learn, and the accuracy by segment."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from iota2.compute.accuracy import Estimate, Summary, summarise
from iota2.compute.segment_sizes import SegmentSizes
from iota2.compute.validation import NEIGHBOUR_METRES, Subset, ValidationAccuracy
from iota2.core.nomenclature import Nomenclature
from iota2.report.results.measures import interval
from iota2.report.results.metrics import defined, estimate_json, seed_json
from iota2.report.results.validation import aligned, count_text

TITLE = "Segments"
MAX_BOTH_SIDES = 0.25
"""Share of the segments with learning pixels that are on both sides of the split, above which a remark is given."""
_BY_SEGMENT = (
    "By segment: each segment with the class of most of its validation pixels counts once, whatever its size, and its "
    "class is the one that the model predicts. By pixel: the pixels of the map count, so large segments count "
    "more, and in a segment with validation pixels of several classes only those of one class are correct."
)
_LEARNED = {
    True: "Models learn from whole segments (obia.full_learn_segment).",
    False: "Models learn from the parts of segments inside learning polygons of their class.",
}
_REASONS = {
    "both_sides": "with pixels of both learning and validation polygons",
    "no_majority": "without a class of at least half of the labelled pixels",
}
"""Descriptions of segments that are not used; pixels lost in them are described in ``core.losses``."""
_ROWS: Mapping[Subset, str] = {
    "all": "",
    "apart": f", only polygons more than {NEIGHBOUR_METRES:g} m from all learning polygons of their class",
}
"""Subsets of the validation polygons in the table, with the end of their description."""


@dataclass(frozen=True)
class LabelledSegments:
    """Segments with labelled pixels on both sides of the split of one seed."""

    labelled: int
    """Segments with labelled pixels, on any side."""
    learning: Mapping[int, int]
    """By class code: segments from which models may learn."""
    both_sides: Mapping[int, int]
    """By class code: segments that do not learn, because they also contain pixels of validation polygons."""
    no_majority: int
    """Segments that do not learn, because no class has half of their learning pixels."""
    validation: Mapping[int, int]
    """By class code: segments that validate."""
    no_majority_validation: int
    """Segments that do not validate, because no class has half of their validation pixels."""


@dataclass(frozen=True)
class SegmentsReport:
    """Segments of a run."""

    sizes: SegmentSizes
    labelled: Mapping[int, LabelledSegments]
    """By seed."""
    validated: ValidationAccuracy
    """Accuracy by segment; its numbers of pixels are numbers of segments."""
    whole: bool
    """Whether models learn from whole segments, not from their parts inside learning polygons."""


def segment_sentences(found: SegmentsReport) -> tuple[str, ...]:
    """Numbers of segments; those of labelled segments are of the first seed."""
    seed = min(found.labelled)
    one, sizes = found.labelled[seed], found.sizes
    learning, both = sum(one.learning.values()), sum(one.both_sides.values())
    validation = sum(one.validation.values())
    return (
        f"The map has {_segments(sizes.count)}{_median(sizes)}.",
        f"Segments with labelled pixels (seed {seed}): {one.labelled:,}.",
        _LEARNED[found.whole],
        f"For learning: {_segments(learning)}. Left out: {_left_out(both, one.no_majority)}.",
        f"For validation: {_segments(validation)}. Left out: {_left_out(0, one.no_majority_validation)}.",
    )


def segment_remarks(found: SegmentsReport | None) -> Iterator[str]:
    """A remark for each seed of which many segments do not learn because they are on both sides of the split."""
    for seed, one in found.labelled.items() if found else ():
        both = sum(one.both_sides.values())
        whole = sum(one.learning.values()) + both + one.no_majority
        if both > MAX_BOTH_SIDES * whole:
            yield (
                f"Seed {seed}: {both:,} of {_segments(whole)} with learning pixels are not used for learning "
                f"({100 * both / whole:.0f} %), because they also contain pixels of validation polygons. Choose "
                "smaller segments, or set arg_train.split_field or arg_train.split_distance to keep neighbouring "
                "polygons on one side of the split."
            )


def _left_out(both_sides: int, no_majority: int) -> str:
    """Segments that are not used, by reason."""
    reasons = {"both_sides": both_sides, "no_majority": no_majority}
    return "; ".join(f"{_segments(count)} {_REASONS[name]}" for name, count in reasons.items() if count) or "none"


def _segments(count: int) -> str:
    return f"{count:,} segment{'' if count == 1 else 's'}"


def _median(sizes: SegmentSizes) -> str:
    return "" if math.isnan(sizes.median) else f", with a median size of {count_text(sizes.median)} pixels"


def picture_caption(sizes: SegmentSizes, sensor: str, day: date, tile: str, shape: tuple[int, int]) -> str:
    """Caption of the picture of an excerpt of a tile, of ``shape`` rows and columns."""
    return (
        f"Borders of segments over the image of {sensor} of {day}: {shape[0]} × {shape[1]} pixels of tile {tile}. The "
        f"map has {_segments(sizes.count)}{_median(sizes)}."
    )


def accuracy_rows(found: SegmentsReport, pixels: ValidationAccuracy) -> Iterator[tuple[str, ...]]:
    """Polygons, counted cases, overall accuracy, kappa, cases not classified, and description, by pixel and segment."""
    for subset, end in _ROWS.items():
        for thing, accuracy in (("pixels of the map", pixels), ("segments", found.validated)):
            part = accuracy.subsets[subset]
            summary = _summary(accuracy) if subset == "all" else part.summary
            unmapped = part.pixels.sum() - part.summary.mean_counts.sum()
            yield (
                count_text(part.polygons.sum()),
                count_text(part.pixels.sum()),
                interval(summary.overall_accuracy),
                interval(summary.kappa),
                count_text(unmapped),
                thing + end,
            )


def class_rows(found: SegmentsReport, classes: Nomenclature) -> Iterator[tuple[str, ...]]:
    """Learning segments, those left out on both sides, validation segments, measures and name of each class."""
    one, summary = found.labelled[min(found.labelled)], _summary(found.validated)
    for k, code in enumerate(summary.labels):
        yield (
            f"{one.learning.get(code, 0):,}",
            f"{one.both_sides.get(code, 0):,}",
            f"{one.validation.get(code, 0):,}",
            interval(summary.precision[k]),
            interval(summary.recall[k]),
            interval(summary.f_score[k]),
            classes.name(code),
        )


ACCURACY_HEADS = ("Polygons", "Number", "Overall accuracy", "Kappa", "Not classified", "Counted")
CLASS_HEADS = ("Learning", "Left out, both sides", "Validation", "Precision", "Recall", "F-score", "Class, by segment")
"""Heads of the tables; the last column is the first one of the page."""


def _summary(found: ValidationAccuracy) -> Summary:
    """The measures with intervals over polygons, if there is one seed."""
    return summarise(found.subsets["all"].confusions, found.intervals)


def segments_text(found: SegmentsReport | None, pixels: ValidationAccuracy, classes: Nomenclature) -> str:
    """Section of ``RESULTS.txt``, after an empty line; empty in runs on pixels."""
    if found is None:
        return ""
    lines = ["", TITLE, *segment_sentences(found), _BY_SEGMENT, ""]
    lines += [*aligned([ACCURACY_HEADS, *accuracy_rows(found, pixels)]), ""]
    lines += aligned([CLASS_HEADS, *class_rows(found, classes)])
    return "\n".join(lines) + "\n"


def segment_tables(found: SegmentsReport, pixels: ValidationAccuracy, classes: Nomenclature) -> dict[str, Any]:
    """Values of the section of the page."""
    return {
        "title": TITLE,
        "sentences": segment_sentences(found),
        "about": _BY_SEGMENT.replace("+-", "±"),
        "accuracy": _name_first(ACCURACY_HEADS, accuracy_rows(found, pixels)),
        "classes": _name_first(CLASS_HEADS, class_rows(found, classes)),
    }


def _name_first(heads: Sequence[str], rows: Iterator[tuple[str, ...]]) -> list[list[str]]:
    return [[row[-1], *(cell.replace("+-", "±") for cell in row[:-1])] for row in (heads, *rows)]


def segments_json(found: SegmentsReport) -> dict[str, Any]:
    """The values of ``metrics.json``, with lists in the order of the labels::

    segments, median_pixels   number and median size; tiles: number by tile
    learned                   what models learn from: whole segments, or labelled parts
    seeds                     [{seed, labelled, learning, both_sides, no_majority, validation,
                              no_majority_validation}]: segments with labelled pixels, of them for learning by
                              class, left out because they also have pixels of validation polygons by class, left
                              out without a class of half of their learning pixels; the same for validation
    validation                {polygons, segments, overall_accuracy, kappa, precision, recall, f_score, seeds}, as
                              ``summary`` and ``seeds`` of the pixels, with segments instead of pixels
    """
    labels, whole, summary = found.validated.labels, found.validated.subsets["all"], _summary(found.validated)

    def by_class(counts: Mapping[int, int]) -> list[int]:
        return [counts.get(code, 0) for code in labels]

    def estimates(values: Sequence[Estimate]) -> list[dict[str, Any]]:
        return [estimate_json(value) for value in values]

    return {
        "segments": found.sizes.count,
        "median_pixels": defined(found.sizes.median),
        "tiles": dict(found.sizes.tiles),
        "learned": "whole segments" if found.whole else "labelled parts",
        "seeds": [
            {
                "seed": seed,
                "labelled": one.labelled,
                "learning": by_class(one.learning),
                "both_sides": by_class(one.both_sides),
                "no_majority": one.no_majority,
                "validation": by_class(one.validation),
                "no_majority_validation": one.no_majority_validation,
            }
            for seed, one in found.labelled.items()
        ],
        "validation": {
            "polygons": whole.polygons.tolist(),
            "segments": whole.pixels.tolist(),
            "overall_accuracy": estimate_json(summary.overall_accuracy),
            "kappa": estimate_json(summary.kappa),
            "precision": estimates(summary.precision),
            "recall": estimates(summary.recall),
            "f_score": estimates(summary.f_score),
            "seeds": [seed_json(seed, confusion) for seed, confusion in whole.confusions.items()],
        },
    }
