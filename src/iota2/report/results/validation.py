"""Accuracy of parts of the validation pixels: sentences, table rows and text lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from iota2.compute.accuracy import Estimate, Summary
from iota2.compute.validation import NEIGHBOUR_METRES, Subset, SubsetAccuracy, ValidationAccuracy
from iota2.core.nomenclature import Nomenclature
from iota2.report.results.measures import UNDEFINED, measure

NEIGHBOURS_TO_NOTE = 0.1
"""Share of neighbours among the validation polygons from which a note is given."""
PIXELS = (
    "Accuracy is counted on the pixels of the map grid whose centre lies in a validation polygon, pixels on the edge "
    "of a polygon included, as far as the ground is clear on chain.cloud_threshold dates or more. Pixels that are not "
    "classified (0 in the map) are in no measure."
)
PARTS: Mapping[Subset, str] = {
    "all": "all validation pixels",
    "inner": "without pixels that touch the edge of their polygon",
    "apart": f"of polygons more than {NEIGHBOUR_METRES:g} m from every learning polygon of their class",
}
_SPREADS = {
    "polygons": "Brackets: 95 % interval over the validation polygons (cluster bootstrap).",
    "range": "Parentheses: lowest and highest value of the runs; of fewer than four runs no interval is given.",
    "student": (
        "+-: half-width of the 95 % Student interval of the mean over the runs; brackets: the same interval where it "
        "ends at a limit of the measure."
    ),
}


@dataclass(frozen=True)
class PartRow:
    """Measures of one part of the validation pixels as text; means over the runs."""

    polygons: str
    pixels: str
    overall_accuracy: str
    kappa: str
    name: str


@dataclass(frozen=True)
class ClassRow:
    """One class, as text: counts, and the F-score of each part; means over the runs."""

    polygons: str
    near: str
    pixels: str
    f_scores: tuple[str, ...]
    """In the order of ``PARTS``."""
    name: str


def spread_sentences(summary: Summary) -> list[str]:
    """Explanations of the intervals, one sentence for each kind that occurs."""
    measures = (summary.overall_accuracy, summary.kappa, *summary.precision, *summary.recall, *summary.f_score)
    kinds = {value.kind for value in measures}
    return [sentence for kind, sentence in _SPREADS.items() if kind in kinds]


def near_sentence(found: ValidationAccuracy) -> str:
    """Sentence on the number of validation polygons that are neighbours of learning polygons."""
    near, polygons = found.near.sum(), found.subsets["all"].polygons.sum()
    if not polygons:
        return "There is no validation polygon: the accuracy is unknown."
    share = f" ({100 * near / polygons:.0f} %)"
    return (
        f"{count_text(near)} of {count_text(polygons)} validation polygons{share} lie within "
        f"{NEIGHBOUR_METRES:g} m of a learning polygon of their class."
    )


def neighbour_notes(found: ValidationAccuracy) -> Iterator[str]:
    """A warning when many validation polygons are neighbours of learning polygons."""
    whole, apart = found.subsets["all"], found.subsets["apart"]
    polygons = whole.polygons.sum()
    if polygons == 0 or found.near.sum() < NEIGHBOURS_TO_NOTE * polygons:
        return
    accuracy = apart.summary.overall_accuracy.mean
    others = (
        f"on the others the overall accuracy is {measure(accuracy)} instead of "
        f"{measure(whole.summary.overall_accuracy.mean)}"
        if apart.pixels.sum()
        else "there are no others, so the accuracy of places far from learning polygons is unknown"
    )
    yield (
        f"{near_sentence(found)} Neighbours are alike, so the accuracy may not hold elsewhere: {others}. Keep parcels "
        "on one side with arg_train.split_field, or neighbours with arg_train.split_distance."
    )


def part_rows(found: ValidationAccuracy) -> list[PartRow]:
    """One row for each part of the validation pixels."""
    return [_part_row(found.subsets[part], name) for part, name in PARTS.items()]


def _part_row(part: SubsetAccuracy, name: str) -> PartRow:
    return PartRow(
        count_text(part.polygons.sum()),
        count_text(part.pixels.sum()),
        measure(part.summary.overall_accuracy.mean),
        measure(part.summary.kappa.mean),
        name,
    )


def class_rows(found: ValidationAccuracy, nomenclature: Nomenclature) -> list[ClassRow]:
    """One row for each class."""
    whole, near = found.subsets["all"], found.near
    return [
        ClassRow(
            count_text(whole.polygons[k]),
            count_text(near[k]),
            count_text(whole.pixels[k]),
            tuple(measure(found.subsets[part].summary.f_score[k].mean) for part in PARTS),
            nomenclature.name(code),
        )
        for k, code in enumerate(found.labels)
    ]


def count_text(count: float) -> str:
    """A count with separators; means over runs that are no whole numbers have one decimal."""
    return f"{count:,.0f}" if float(count).is_integer() else f"{count:,.1f}"


def validation_lines(found: ValidationAccuracy, summary: Summary, nomenclature: Nomenclature) -> list[str]:
    """Lines of ``RESULTS.txt`` after the table of classes.

    Columns are separated by blanks and the name stands last, so that scripts which look for lines with ``|`` or for
    class names at the beginning of a line find only those that they know.
    """
    lines = ["", "Validation pixels", PIXELS, *spread_sentences(summary), near_sentence(found), ""]
    parts: list[tuple[str, ...]] = [("Polygons", "Pixels", "OA", "KAPPA", "Counted pixels")]
    parts += [(row.polygons, row.pixels, row.overall_accuracy, row.kappa, row.name) for row in part_rows(found)]
    lines += [*_aligned(parts), ""]
    heads = ("Polygons", f"Within {NEIGHBOUR_METRES:g} m", "Pixels", "F-score", "without edges", "apart", "Class")
    rows = class_rows(found, nomenclature)
    lines += _aligned([heads, *((row.polygons, row.near, row.pixels, *row.f_scores, row.name) for row in rows)])
    return lines + (_interval_lines(summary, nomenclature) if found.intervals else [])


def _interval_lines(summary: Summary, nomenclature: Nomenclature) -> list[str]:
    """The 95 % intervals of each class over the validation polygons of the only run."""
    rows: list[tuple[str, ...]] = [("Precision", "Recall", "F-score", "95 % intervals by class")]
    for k, code in enumerate(summary.labels):
        cells = (bounds_text(values[k]) for values in (summary.precision, summary.recall, summary.f_score))
        rows.append((*cells, nomenclature.name(code)))
    return ["", *_aligned(rows)]


def bounds_text(value: Estimate) -> str:
    """``[0.812, 0.950]``, or ``–``."""
    return UNDEFINED if value.bounds is None else "[{:.3f}, {:.3f}]".format(*value.bounds)


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as lines in columns: all cells but the last are right-aligned. A ``|`` becomes ``¦``."""
    widths = np.max([[len(cell) for cell in row[:-1]] for row in rows], axis=0)
    return [
        "  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), row[-1].replace("|", "¦")])
        for row in rows
    ]
