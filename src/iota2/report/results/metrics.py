"""The content of ``final/metrics.json``: the accuracy of a map as plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from iota2.compute.accuracy import Estimate, summarise
from iota2.compute.accuracy import scores as scores_of
from iota2.compute.validation import NEIGHBOUR_METRES, SubsetAccuracy, ValidationAccuracy
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import Confusion
from iota2.report.results.borders import BordersData, borders_json
from iota2.report.results.reliability import ReliabilityData, reliability_json
from iota2.report.results.remarks import reasons_not_validated, remarks
from iota2.report.results.validation import PARTS, counted_pixels, neighbour_notes

SCHEMA_VERSION = 2


def metrics(
    confusions: Mapping[int, Confusion],
    nomenclature: Nomenclature,
    notes: Sequence[str] = (),
    provenance: Mapping[str, Any] | None = None,
    validated: ValidationAccuracy | None = None,
    *,
    reliability: ReliabilityData | None = None,
    borders: BordersData | None = None,
    segments: Mapping[str, Any] | None = None,
    fusion: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """All measures of the accuracy as JSON values; undefined measures are None.

    ``confusions``: matrices by seed. Keys, always in this order::

        version         2
        rows, columns   "reference", "map": axes of every matrix below
        labels          [{code, label, name}]: order of every list and matrix below
        seeds           [{seed, confusion, unmapped, support, overall_accuracy, kappa, precision, recall,
                        f_score}]; confusion[r][c] in pixels; unmapped and support in pixels of each class
        summary         {runs, mean_confusion, overall_accuracy, kappa, precision, recall, f_score}; a measure
                        is {mean, half_width, runs}, a list of these for a measure by class; runs: number of runs in
                        which the measure is defined. If bounds are known, there are also low, high and interval,
                        the kind of bounds: "polygons" (one run: 95 % interval over the validation polygons),
                        "range" (two or three runs: lowest and highest value) or "student" (95 % interval of the
                        mean). half_width: of a Student interval that does not reach a limit of the measure,
                        else None
        validation      with ``validated`` only: {pixels, distance, near, parts}. pixels: which pixels are counted,
                        as a sentence; near: by class, number of validation polygons within distance (metres) of a
                        learning polygon of their class; parts: {all, inner, apart}: all pixels, pixels that do
                        not touch the edge of their polygon, pixels of polygons that are not near. Each part is
                        {about, polygons, pixels, overall_accuracy, kappa, f_score, seeds}: polygons, pixels and
                        f_score by class, seeds as above; the others are means over the runs
        reliability     with ``reliability`` only: see ``reliability_json``
        borders         with ``borders`` only, for maps of several regions or tiles: see ``borders_json``
        segments        with ``segments`` only: see ``segments_json``
        fusion          with ``fusion`` only: see ``fusion_json``
        not_validated   [{code, name, reason}]
        notes           [sentence]
        provenance      the argument ``provenance``
    """
    summary = summarise(confusions, validated.intervals if validated else None)
    per_class = {
        "precision": summary.precision,
        "recall": summary.recall,
        "f_score": summary.f_score,
    }
    return {
        "version": SCHEMA_VERSION,
        "rows": "reference",
        "columns": "map",
        "labels": [_label(code, nomenclature) for code in summary.labels],
        "seeds": [seed_json(seed, confusion) for seed, confusion in confusions.items()],
        "summary": {
            "runs": summary.runs,
            "mean_confusion": summary.mean_counts.tolist(),
            "overall_accuracy": estimate_json(summary.overall_accuracy),
            "kappa": estimate_json(summary.kappa),
            **{name: [estimate_json(value) for value in values] for name, values in per_class.items()},
        },
        **({"validation": _validation(validated)} if validated else {}),
        **({"reliability": reliability_json(reliability)} if reliability else {}),
        **({"borders": borders_json(borders)} if borders and borders.shown else {}),
        **({"segments": dict(segments)} if segments else {}),
        **({"fusion": dict(fusion)} if fusion else {}),
        "not_validated": [
            {"code": code, "name": nomenclature.name(code), "reason": reason}
            for code, reason in reasons_not_validated(confusions).items()
        ],
        "notes": [
            *remarks(confusions, nomenclature),
            *(neighbour_notes(validated) if validated else ()),
            *notes,
        ],
        "provenance": dict(provenance or {}),
    }


def _label(code: int, nomenclature: Nomenclature) -> dict[str, Any]:
    label = nomenclature.labels[nomenclature.codes.index(code)]
    return {"code": code, "label": label, "name": nomenclature.name(code)}


def seed_json(seed: int, confusion: Confusion) -> dict[str, Any]:
    """Matrix and measures of one map."""
    scores = scores_of(confusion)
    return {
        "seed": seed,
        "confusion": confusion.counts.tolist(),
        "unmapped": confusion.unmapped.tolist(),
        "support": scores.support.tolist(),
        "overall_accuracy": defined(scores.overall_accuracy),
        "kappa": defined(scores.kappa),
        "precision": [defined(value) for value in scores.precision.tolist()],
        "recall": [defined(value) for value in scores.recall.tolist()],
        "f_score": [defined(value) for value in scores.f_score.tolist()],
    }


def estimate_json(value: Estimate) -> dict[str, Any]:
    """A measure with its interval."""
    known = {"mean": defined(value.mean), "half_width": value.half_width, "runs": value.runs}
    if value.bounds is None:
        return known
    low, high = value.bounds
    return known | {"low": low, "high": high, "interval": value.kind}


def _validation(found: ValidationAccuracy) -> dict[str, Any]:
    return {
        "pixels": counted_pixels(found),
        "distance": NEIGHBOUR_METRES,
        "near": found.near.tolist(),
        "parts": {part: {"about": about, **_part(found.subsets[part])} for part, about in PARTS.items()},
    }


def _part(part: SubsetAccuracy) -> dict[str, Any]:
    return {
        "polygons": part.polygons.tolist(),
        "pixels": part.pixels.tolist(),
        "overall_accuracy": defined(part.summary.overall_accuracy.mean),
        "kappa": defined(part.summary.kappa.mean),
        "f_score": [defined(value.mean) for value in part.summary.f_score],
        "seeds": [seed_json(seed, confusion) for seed, confusion in part.confusions.items()],
    }


def defined(value: float) -> float | None:
    """The value, or None for NaN."""
    return None if math.isnan(value) else value
