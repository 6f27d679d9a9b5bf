"""Accuracy measures and the table of classes as text: ``RESULTS.txt``, the results of each seed, and a CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence

import numpy as np

from iota2.compute.accuracy import Estimate, Summary, scores, summarise
from iota2.compute.validation import ValidationAccuracy
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import PRODUCED, REFERENCE, Confusion
from iota2.core.words import spreadsheet_safe
from iota2.report.results.measures import UNDEFINED, interval, measure
from iota2.report.results.remarks import Matrices, remarks
from iota2.report.results.validation import neighbour_notes, validation_lines


def classification_results(confusion: Confusion) -> str:
    """Text of ``ClassificationResults_seed_<s>.txt``: measures of each class, kappa, overall accuracy."""
    found = scores(confusion)
    labels = ",".join(str(label) for label in confusion.labels)
    lines = [REFERENCE + labels, PRODUCED + labels, ""]
    measures = {"Precision": found.precision, "Recall": found.recall, "F-score": found.f_score}
    for k, label in enumerate(found.labels):
        lines += [f"{name} of class [{label}] vs all: {_six_digits(v[k])}" for name, v in measures.items()]
        lines.append("")
    for name, values in measures.items():
        lines.append(f"{name} of the different classes: [{', '.join(_six_digits(value) for value in values)}]")
    lines += ["", f"Kappa index: {_six_digits(found.kappa)}"]
    lines += [f"Overall accuracy index: {_six_digits(found.overall_accuracy)}"]
    return "\n".join(lines) + "\n"


def results_text(
    confusions: Matrices,
    nomenclature: Nomenclature,
    notes: Sequence[str] = (),
    validated: ValidationAccuracy | None = None,
) -> str:
    """Text of ``RESULTS.txt``: mean matrix over seeds, kappa, overall accuracy, measures of each class.

    ``confusions``: matrices by seed, or the one of a map by its name. Undefined measures are shown as ``–``. The table
    is followed by the measures of ``validated``, the remarks on the measures, and ``notes``. With one run, the table
    has plain numbers, and the intervals follow below. A ``|`` in a class name is replaced by ``¦``, because ``|``
    separates columns.
    """
    summary = summarise(confusions, validated.intervals if validated else None)
    names = [nomenclature.name(code).replace("|", "¦") for code in summary.labels]
    lines = ["#row = reference", "#col = production", ""]
    lines += ["*********** Matrice de confusion ***********", ""]
    lines += [*_matrix_lines(summary, names), ""]
    lines += [f"KAPPA : {interval(summary.kappa)}", f"OA : {interval(summary.overall_accuracy)}", ""]
    lines += _table_lines(summary, names)
    lines += validation_lines(validated, summary, nomenclature) if validated else []
    all_notes = [*remarks(confusions, nomenclature), *(neighbour_notes(validated) if validated else ()), *notes]
    if all_notes:
        lines += ["", "Notes", *(f"- {note}" for note in all_notes)]
    return "\n".join(lines) + "\n"


def label_table_csv(nomenclature: Nomenclature) -> str:
    """Text of ``*_table.csv``: user label, code in the map and colour of each class.

    A label that a spreadsheet would interpret as a formula gets a leading apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    text.write("#USER LABEL,IOTA2_LABEL,RED_VALUE,GREEN_VALUE,BLUE_VALUE\n")
    for label, code, color in zip(nomenclature.labels, nomenclature.codes, nomenclature.colors, strict=True):
        writer.writerow([spreadsheet_safe(str(label)), code, *color])
    return text.getvalue()


def _six_digits(value: float) -> str:
    """A measure with six significant digits; ``–`` for NaN."""
    return UNDEFINED if math.isnan(value) else f"{value:.6g}"


def _matrix_lines(summary: Summary, names: list[str]) -> Iterator[str]:
    """Lines of the mean confusion matrix."""
    cells = [[f"{count:.2f}" for count in row] for row in summary.mean_counts]
    width = 2 + max(len(text) for text in [*names, *(cell for row in cells for cell in row)])
    yield " " * width + "|" + "|".join(name.center(width) for name in names)
    for name, row in zip(names, cells, strict=True):
        yield "|".join([name.center(width), *(cell.center(width) for cell in row), name.center(width)])


def _table_lines(summary: Summary, names: list[str]) -> Iterator[str]:
    """Lines of the table of classes."""
    width = 2 + max(len("Classes") + 4, *(len(name) for name in names))
    heads = [" Precision mean ", " Rappel mean ", " F-score mean ", " Confusion max"]
    columns = [[_cell(value) for value in values] for values in (summary.precision, summary.recall, summary.f_score)]
    widths = [
        max(len(head), len(" 0.000 +- 0.000 "), *(len(cell) + 2 for cell in column))
        for head, column in zip(heads, columns, strict=False)
    ]
    header = "|".join(["Classes".center(width), *(h.center(w) for h, w in zip(heads, widths, strict=False)), heads[3]])
    yield header
    yield "-" * len(header)
    for k, name in enumerate(names):
        cells = [column[k].center(w) for column, w in zip(columns, widths, strict=True)]
        yield "|".join([name.center(width), *cells, f" {_most_mapped(summary.mean_counts[k], names)}"])


def _cell(value: Estimate) -> str:
    """A measure in the table of classes; with a single run, a plain number, as scripts expect."""
    return measure(value.mean) if value.kind == "polygons" else interval(value)


def _most_mapped(row: np.ndarray, names: list[str]) -> str:
    """Up to three classes as which a reference class is mapped most often, or ``–`` without pixels.

    ``row``: pixels of the reference class by mapped class. Ties are sorted by name, descending.
    """
    ranked = sorted(((count, name) for count, name in zip(row.tolist(), names, strict=True) if count > 0), reverse=True)
    return ", ".join(name for _, name in ranked[:3]) or UNDEFINED
