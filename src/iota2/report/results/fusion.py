"""Accuracy of the fusion of runs, beside that of the runs: text, rows of a table, JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from iota2.compute.accuracy import Summary, summarise
from iota2.compute.run_fusion import FusionAccuracy, MapAccuracy
from iota2.core.nomenclature import Nomenclature
from iota2.core.words import counted
from iota2.report.results.fused_models import METHODS
from iota2.report.results.measures import interval, measure
from iota2.report.results.metrics import defined, estimate_json, seed_json
from iota2.report.results.names import FUSION
from iota2.report.results.remarks import excluded_pixels
from iota2.report.results.text import results_text

NOT_AN_INTERVAL = (
    "The interval or range over the runs describes how much the accuracy varies between random splits of the polygons. "
    "It is not an interval of the accuracy of the map, since all runs use the same reference data."
)
_HEADS = ("Overall accuracy", "with undecided as wrong", "Kappa", "Pixels", "Undecided", "Not classified", "Map")


@dataclass(frozen=True)
class FusionReport:
    """The fusion of runs, as the report shows it."""

    accuracy: FusionAccuracy
    method: str
    measure: str | None
    """Accuracy measure that is the mass of a run; None for methods without masses."""
    undecided_label: int | None
    """None if the method decides all pixels."""
    reserved: bool
    """Whether the accuracy is that of polygons that no run uses; otherwise that of all polygons."""
    map_pixels: int
    """Pixels of the fused map with a class, or undecided."""
    undecided_pixels: int
    """Undecided pixels of the fused map."""


@dataclass(frozen=True)
class FusionRow:
    """Measures of one map as text, all on the same pixels."""

    overall_accuracy: str
    with_undecided: str
    kappa: str
    pixels: str
    undecided: str
    unmapped: str
    name: str


def fusion_sentences(found: FusionReport) -> list[str]:
    """Explanation of the fusion and of the pixels that validate it."""
    runs = counted(len(found.accuracy.runs), "run")
    masses = f", with the {found.measure} of each run in its own validation polygons as mass" if found.measure else ""
    polygons = int(found.accuracy.validated.subsets["all"].polygons.sum())
    sentences = [f"The maps of {runs} are fused {METHODS[found.method]}{masses}."]
    if found.reserved:
        sentences.append(
            f"The accuracy is computed on {counted(polygons, 'polygon')} that no run uses for learning or validation "
            "(multi_run_fusion.merge_run_ratio); all maps are compared on the same pixels."
        )
    else:
        sentences.append(
            f"The accuracy is computed on all {counted(polygons, 'polygon')} "
            "(multi_run_fusion.fusion_of_classification_all_samples_validation is True): runs have learned from "
            "most of them, so the accuracy of the fusion and of the runs in this comparison is optimistic."
        )
    if found.undecided_label is not None:
        share = 100 * found.undecided_pixels / found.map_pixels if found.map_pixels else 0.0
        sentences.append(
            f"{found.undecided_pixels:,} of {found.map_pixels:,} pixels of the fused map ({share:.2g} %) are undecided "
            f"(label {found.undecided_label}). They are excluded from the measures, except where they count as wrong."
        )
    return sentences


def fusion_rows(found: FusionReport) -> list[FusionRow]:
    """One row for the fusion, with the interval over its polygons, and one for each run."""
    accuracy = found.accuracy
    summary = fusion_summary(found)
    first = _row(accuracy.fusion, FUSION.capitalize(), interval(summary.overall_accuracy), interval(summary.kappa))
    return [first, *(_row(one, f"Seed {seed}") for seed, one in accuracy.runs.items())]


def fusion_summary(found: FusionReport) -> Summary:
    """Measures of the fusion with their intervals over polygons."""
    validated = found.accuracy.validated
    return summarise({0: validated.subsets["all"].confusions[0]}, validated.intervals)


def _row(one: MapAccuracy, name: str, overall: str = "", kappa: str = "") -> FusionRow:
    return FusionRow(
        overall or measure(one.scores.overall_accuracy),
        measure(one.accuracy_with_undecided),
        kappa or measure(one.scores.kappa),
        f"{int(one.confusion.counts.sum()):,}",
        f"{int(one.undecided.sum()):,}",
        f"{int(one.confusion.unmapped.sum()):,}",
        name,
    )


def fusion_remarks(found: FusionReport, nomenclature: Nomenclature) -> list[str]:
    """Remarks for the reader: an optimistic accuracy, and undecided pixels by class."""
    remarks = []
    if not found.reserved:
        remarks.append(
            "The fusion of the runs is validated with all polygons, and runs have learned from most of them "
            "(multi_run_fusion.fusion_of_classification_all_samples_validation is True): its accuracy is optimistic."
        )
    undecided = found.accuracy.fusion.undecided
    if undecided.any():
        counts = dict(zip(found.accuracy.validated.labels, undecided.tolist(), strict=True))
        remarks.append(f"{FUSION.capitalize()}: {excluded_pixels(counts, 'undecided', nomenclature)}")
    return remarks


def fusion_results(found: FusionReport, nomenclature: Nomenclature, notes: Sequence[str] = ()) -> str:
    """Text of ``RESULTS.txt`` with the accuracy of the fusion, and a comparison with the runs."""
    validated = found.accuracy.validated
    matrices = {FUSION: found.accuracy.fusion.confusion}
    text = results_text(matrices, nomenclature, (*fusion_remarks(found, nomenclature), *notes), validated)
    rows = [_HEADS, *(tuple(asdict(row).values()) for row in fusion_rows(found))]
    widths = [max(len(row[k]) for row in rows) for k in range(len(_HEADS) - 1)]
    lines = ["  ".join([*(c.rjust(w) for c, w in zip(row, widths, strict=False)), row[-1]]) for row in rows]
    return "\n".join([text, "Fusion of the runs", *fusion_sentences(found), "", *lines]) + "\n"


def fusion_json(found: FusionReport) -> dict[str, Any]:
    """The fusion as JSON values; undefined measures are None.

    Keys::

        method, measure   merge_run_method; dempstershafer_mob, None for other methods
        undecided_label   label of undecided pixels; None if the method decides all
        polygons          "reserved": no run uses them; "all": runs have learned from most
        map_pixels        pixels of the fused map with a class, or undecided
        undecided_pixels  undecided pixels of the fused map
        overall_accuracy, kappa, precision, recall, f_score
                          of the fusion, each {mean, low, high …} as in the summary; bounds are 95 % intervals over
                          the polygons
        map               matrix and measures of the fusion, as in seeds, with undecided (pixels by class) and
                          accuracy_with_undecided (overall accuracy if undecided pixels count as wrong)
        seeds             the same for each run, on the same pixels, with its seed
    """
    summary = fusion_summary(found)
    by_class = {"precision": summary.precision, "recall": summary.recall, "f_score": summary.f_score}
    return {
        "method": found.method,
        "measure": found.measure,
        "undecided_label": found.undecided_label,
        "polygons": "reserved" if found.reserved else "all",
        "map_pixels": found.map_pixels,
        "undecided_pixels": found.undecided_pixels,
        "overall_accuracy": estimate_json(summary.overall_accuracy),
        "kappa": estimate_json(summary.kappa),
        **{name: [estimate_json(value) for value in values] for name, values in by_class.items()},
        "map": {name: value for name, value in _map_json(0, found.accuracy.fusion).items() if name != "seed"},
        "seeds": [_map_json(seed, one) for seed, one in found.accuracy.runs.items()],
    }


def _map_json(seed: int, one: MapAccuracy) -> dict[str, Any]:
    return {
        **seed_json(seed, one.confusion),
        "undecided": one.undecided.tolist(),
        "accuracy_with_undecided": defined(one.accuracy_with_undecided),
    }
