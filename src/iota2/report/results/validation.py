"""Accuracy of parts of the validation pixels as text: sentences, table rows and lines of ``RESULTS.txt``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from iota2.compute.accuracy import Estimate, Summary
from iota2.compute.intervals import ENOUGH_POLYGONS, MIN_BOOTSTRAP_POLYGONS
from iota2.compute.validation import NEIGHBOUR_METRES, Subset, SubsetAccuracy, ValidationAccuracy
from iota2.core.nomenclature import Nomenclature
from iota2.report.results.measures import UNDEFINED, measure

MIN_NEAR_SHARE = 0.1
"""Share of validation polygons near learning polygons from which a note is given."""
_ALL_PIXELS = (
    "The accuracy is computed from the map pixels whose centre lies in a validation polygon, including pixels on the "
    "edge of a polygon."
)
_SAMPLED_PIXELS = (
    "The accuracy is computed from the map at pixels of the images that were selected in the validation polygons by "
    "arg_train.sample_selection (arg_train.sampling_validation is True), including pixels on the edge of a polygon. "
    "Classes therefore count by their selected pixels, not by their area."
)
_EXCLUDED_PIXELS = (
    "Only areas with a clear date, and with at least chain.cloud_threshold of them, are used. Pixels that are not "
    "classified (0 in the map) are excluded from all measures."
)
PARTS: Mapping[Subset, str] = {
    "all": "all validation pixels",
    "inner": "without pixels on the edge of their polygon",
    "apart": f"only polygons more than {NEIGHBOUR_METRES:g} m from all learning polygons of their class",
}
"""Description of each part of the validation pixels."""
_INTERVAL_SENTENCES = {
    "polygons": (
        "Brackets: 95 % interval over the validation polygons (cluster bootstrap). It is wide if few polygons contain "
        f"errors: with fewer than {ENOUGH_POLYGONS}, it allows for errors in polygons outside the sample."
    ),
    "range": "Parentheses: lowest and highest value of the runs; an interval needs at least four runs.",
    "student": (
        "+-: half-width of the 95 % Student interval of the mean over the runs; brackets: bounds of the same interval "
        "if it ends at a limit of the measure."
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
    """Counts of one class and its F-score in each part as text; means over the runs."""

    polygons: str
    near: str
    pixels: str
    f_scores: tuple[str, ...]
    """In the order of ``PARTS``."""
    name: str


def counted_pixels(found: ValidationAccuracy) -> str:
    """Explanation of the pixels that are counted."""
    return f"{_SAMPLED_PIXELS if found.sampled else _ALL_PIXELS} {_EXCLUDED_PIXELS}"


def spread_sentences(summary: Summary) -> list[str]:
    """Explanations of the intervals, one sentence for each kind that occurs."""
    measures = (summary.overall_accuracy, summary.kappa, *summary.precision, *summary.recall, *summary.f_score)
    kinds = {value.kind for value in measures}
    return [sentence for kind, sentence in _INTERVAL_SENTENCES.items() if kind in kinds]


def near_sentence(found: ValidationAccuracy) -> str:
    """Sentence on the number of validation polygons near learning polygons of their class."""
    near, polygons = found.near.sum(), found.subsets["all"].polygons.sum()
    if not polygons:
        return "There is no validation polygon: the accuracy is unknown."
    share = f" ({100 * near / polygons:.0f} %)"
    runs = "On average over the runs, " if len(found.subsets["all"].confusions) > 1 else ""
    return (
        f"{runs}{count_text(near)} of {count_text(polygons)} validation polygons{share} lie within "
        f"{NEIGHBOUR_METRES:g} m of a learning polygon of their class."
    )


def neighbour_notes(found: ValidationAccuracy) -> Iterator[str]:
    """A warning if many validation polygons are near learning polygons of their class."""
    whole, apart = found.subsets["all"], found.subsets["apart"]
    polygons = whole.polygons.sum()
    if polygons == 0 or found.near.sum() < MIN_NEAR_SHARE * polygons:
        return
    yield (
        f"{near_sentence(found)} Neighbouring polygons are similar, {_accuracy_apart(whole, apart)}. To keep the "
        "polygons of a parcel, or neighbouring polygons, on one side of the split, set arg_train.split_field or "
        "arg_train.split_distance."
    )


def _accuracy_apart(whole: SubsetAccuracy, apart: SubsetAccuracy) -> str:
    """Warning on the accuracy elsewhere, with that of polygons far from learning polygons if it is known."""
    polygons, pixels = apart.polygons.sum(), apart.pixels.sum()
    lower = "so the accuracy may be lower elsewhere"
    if not pixels:
        return f"{lower}: there are no other polygons, so the accuracy far from learning polygons is unknown"
    if polygons < MIN_BOOTSTRAP_POLYGONS:
        return (
            f"{lower}: the other polygons ({count_text(polygons)}, with {count_text(pixels)} pixels) are too few to "
            "measure the accuracy far from learning polygons"
        )
    of_all, of_others = (round(part.summary.overall_accuracy.mean, 3) for part in (whole, apart))
    others = f"for the {count_text(polygons)} other polygons ({count_text(pixels)} pixels), the overall accuracy is"
    if of_others < of_all:
        return f"{lower}: {others} {measure(of_others)} instead of {measure(of_all)}"
    return (
        "which can make the accuracy too high. Here it is not lower elsewhere: "
        f"{others} {measure(of_others)}, that of all {measure(of_all)}"
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
    """A count with thousands separators; means over runs that are not whole numbers have one decimal."""
    return f"{count:,.0f}" if float(count).is_integer() else f"{count:,.1f}"


def validation_lines(found: ValidationAccuracy, summary: Summary, nomenclature: Nomenclature) -> list[str]:
    """Lines of ``RESULTS.txt`` after the table of classes.

    Columns are separated by spaces, and the name is in the last column. Scripts that search for ``|``, or for class
    names at the start of a line, find only the matrix and the table of classes.
    """
    lines = ["", "Validation pixels", counted_pixels(found), *spread_sentences(summary), near_sentence(found), ""]
    parts: list[tuple[str, ...]] = [("Polygons", "Pixels", "OA", "KAPPA", "Counted pixels")]
    parts += [(row.polygons, row.pixels, row.overall_accuracy, row.kappa, row.name) for row in part_rows(found)]
    lines += [*aligned(parts), ""]
    heads = (
        "Polygons",
        f"Within {NEIGHBOUR_METRES:g} m",
        "Pixels",
        "F-score",
        "without edges",
        f"beyond {NEIGHBOUR_METRES:g} m",
        "Class",
    )
    rows = class_rows(found, nomenclature)
    lines += aligned([heads, *((row.polygons, row.near, row.pixels, *row.f_scores, row.name) for row in rows)])
    return lines + (_interval_lines(summary, nomenclature) if found.intervals else [])


def _interval_lines(summary: Summary, nomenclature: Nomenclature) -> list[str]:
    """Lines with the 95 % intervals of each class over the validation polygons of a single run."""
    rows: list[tuple[str, ...]] = [("Precision", "Recall", "F-score", "95 % intervals by class")]
    for k, code in enumerate(summary.labels):
        cells = (bounds_text(values[k]) for values in (summary.precision, summary.recall, summary.f_score))
        rows.append((*cells, nomenclature.name(code)))
    return ["", *aligned(rows)]


def bounds_text(value: Estimate) -> str:
    """The bounds as text, ``[0.812, 0.950]``; ``–`` if they are unknown."""
    return UNDEFINED if value.bounds is None else "[{:.3f}, {:.3f}]".format(*value.bounds)


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as lines of aligned columns; all cells but the last are right-aligned. ``|`` is replaced by ``¦``."""
    widths = np.max([[len(cell) for cell in row[:-1]] for row in rows], axis=0)
    return [
        "  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), row[-1].replace("|", "¦")])
        for row in rows
    ]
