"""Reliability of the confidence as text, table rows and JSON values: of maps, and of models on their samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from iota2.compute.intervals import Bounds
from iota2.compute.map_reliability import MapReliability, Part
from iota2.compute.reliability import BINS, Reliability
from iota2.compute.validation import NEIGHBOUR_METRES
from iota2.core.nomenclature import Nomenclature
from iota2.report.results.measures import measure
from iota2.report.results.names import model_title, of_first_seed

TITLE = "Reliability of the confidence"
"""Title of the section."""
_PROBABILITY = "Of the pixels with a confidence of 80 %, 80 % should be correct."
_AGREEMENT = (
    "Models vote (arg_classification.fusion_options), so the confidence is their agreement, not a calibrated "
    "probability: it ranks pixels. The measures show how far it is from the share of correct pixels."
)
_MEASURES = (
    "ECE, the expected calibration error, is the mean difference between confidence and share of correct pixels in "
    f"{BINS} bins of equal numbers of pixels; pixels of equal confidence share a bin. Brier score: mean squared "
    "difference between the confidence and each pixel (1 correct, 0 wrong). Brackets: 95 % interval over the "
    "validation polygons, which is wide if few of them contain errors; the ECE of few polygons is too large."
)
"""Explanation of the measures."""
PARTS: Mapping[Part, str] = {
    "all": "all classified validation pixels",
    "apart": f"only polygons more than {NEIGHBOUR_METRES:g} m from all learning polygons of their class",
}
"""Description of each part of the validation pixels."""
HEADS = ("Polygons", "Confidence", "Correct", "ECE", "Brier score")
"""Headings of the columns of ``reliability_rows``, before the name."""

SAMPLE_HEADS = ("ECE", "Confidence minus accuracy", "Brier score of all classes", "Training samples")
"""Headings of the columns of predictions of training samples."""
MAX_ERROR = 0.1
"""Expected calibration error of a map above which the report has a remark."""


@dataclass(frozen=True)
class SampleReliability:
    """Reliability of predictions of the training samples of a model."""

    about: str
    """How the samples were predicted."""
    error: float
    """Expected calibration error."""
    excess: float
    """Mean confidence minus share of correct samples."""
    classwise_error: float
    brier: float
    """Brier score, the sum over classes."""


@dataclass(frozen=True)
class CalibratedModel:
    """The calibration of one model."""

    region: str
    seed: int
    calibrated: bool
    sentences: tuple[str, ...]
    """What was fitted, or why not."""
    samples: tuple[SampleReliability, ...]
    images: str = ""
    """``optical`` or ``radar`` if both have models of their own; otherwise empty."""

    @property
    def title(self) -> str:
        """Name of the model in texts."""
        return model_title(self.region, self.seed, self.images)


@dataclass(frozen=True)
class ReliabilityData:
    """Reliability of the maps of all seeds, and the calibrations of all models."""

    maps: Mapping[int, MapReliability]
    models: tuple[CalibratedModel, ...] = ()
    """Empty if no calibration was requested."""
    agreement: bool = False
    """Whether the confidence is the agreement of models that vote, and not a probability."""

    @property
    def about(self) -> str:
        """Explanation of the confidence and the measures."""
        return f"{_AGREEMENT if self.agreement else _PROBABILITY} {_MEASURES}"


@dataclass(frozen=True)
class ReliabilityRow:
    """Measures of one part of the pixels, or of one class, as text."""

    cells: tuple[str, ...]
    """In the order of ``HEADS``."""
    name: str


def part_rows(found: MapReliability) -> list[ReliabilityRow]:
    """One row for each part of the validation pixels."""
    return [_row(found.parts[part], name) for part, name in PARTS.items()]


def class_rows(found: MapReliability, nomenclature: Nomenclature) -> list[ReliabilityRow]:
    """One row for the pixels mapped as each class."""
    pairs = zip(found.labels, found.classes, strict=True)
    return [_row(one, f"mapped as {nomenclature.name(code)}") for code, one in pairs]


def _row(found: Reliability, name: str) -> ReliabilityRow:
    cells = (
        str(found.polygons),
        measure(found.diagram.mean_probability),
        measure(found.diagram.share_correct),
        _with_bounds(found.error, found.error_bounds),
        _with_bounds(found.brier, found.brier_bounds),
    )
    return ReliabilityRow(cells, name)


def _with_bounds(value: float, bounds: Bounds | None) -> str:
    return measure(value) if bounds is None or math.isnan(value) else "{:.3f} [{:.3f}, {:.3f}]".format(value, *bounds)


def reliability_text(data: ReliabilityData, nomenclature: Nomenclature) -> str:
    """Section of ``RESULTS.txt``; the name is in the last column, and columns are separated by spaces."""
    lines = [TITLE, data.about]
    for seed, found in data.maps.items():
        lines += ["", *([f"Seed {seed}"] if len(data.maps) > 1 else [])]
        rows = [*part_rows(found), *class_rows(found, nomenclature)]
        lines += _aligned([(*HEADS, "Pixels"), *((*row.cells, row.name.replace("|", "¦")) for row in rows)])
    for model in data.models:
        lines += ["", f"{model.title}: {' '.join(model.sentences)}"]
        if model.samples:
            lines += _aligned(
                [
                    SAMPLE_HEADS,
                    *map(_sample_row, model.samples),
                ]
            )
    return "\n".join(lines) + "\n"


def _sample_row(one: SampleReliability) -> tuple[str, ...]:
    return measure(one.error), f"{one.excess:+z.3f}".replace("-", "−"), measure(one.brier), one.about


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as lines of aligned columns; all cells but the last are right-aligned."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]


def calibration_remarks(data: ReliabilityData) -> Iterator[str]:
    """Remarks on maps whose confidence is not reliable, and on models without calibration."""
    for seed, found in data.maps.items():
        if (error := found.parts["all"].error) > MAX_ERROR:
            yield (
                f"Seed {seed}: the confidence differs from the share of correct pixels by {error:.2f} on average; "
                "use it only to rank pixels."
            )
    if not data.models:
        yield "The confidence is not calibrated, as requested by arg_classification.calibration: it ranks pixels only."
    for model in data.models:
        if not model.calibrated:
            meaning = "is the probability of the classifier" if model.samples else "ranks pixels only"
            yield f"{model.title}: the confidence {meaning}. {model.sentences[0]}"


def reliability_table(data: ReliabilityData, nomenclature: Nomenclature) -> dict[str, Any]:
    """Values of the section of the page: tables of the first seed, and calibrations of all models."""
    found = data.maps[min(data.maps)]
    return {
        "title": of_first_seed(TITLE, data.maps),
        "about": data.about,
        "heads": HEADS,
        "parts": part_rows(found),
        "classes": class_rows(found, nomenclature),
        "models": [
            {
                "title": model.title,
                "text": " ".join(model.sentences),
                "rows": [_sample_row(one) for one in model.samples],
            }
            for model in data.models
        ],
    }


def reliability_json(data: ReliabilityData) -> dict[str, Any]:
    """The reliability as JSON values; undefined measures are None.

    Keys: bins (number of bins), seeds ([{seed, parts: {all, apart}, classes}]; classes by code as text, the class of
    the map) and models ([{region, seed, calibrated, sentences, samples, images}]; images is ``optical`` or ``radar`` if
    both have models of their own, otherwise empty). A part or class is {polygons, confidence, correct, error, excess,
    brier, diagram}; error, excess and brier are {value, low, high}, diagram is a list of {probability, correct, mass}.
    """
    return {
        "bins": BINS,
        "seeds": [
            {
                "seed": seed,
                "parts": {part: {"about": PARTS[part], **_json(one)} for part, one in found.parts.items()},
                "classes": {str(code): _json(one) for code, one in zip(found.labels, found.classes, strict=True)},
            }
            for seed, found in data.maps.items()
        ],
        "models": [{**asdict(model), "sentences": list(model.sentences)} for model in data.models],
    }


def _json(found: Reliability) -> dict[str, Any]:
    diagram = found.diagram
    each = zip(diagram.probability.tolist(), diagram.correct.tolist(), diagram.mass.tolist(), strict=True)
    return {
        "polygons": found.polygons,
        "confidence": _defined(diagram.mean_probability),
        "correct": _defined(diagram.share_correct),
        "error": _bounded(found.error, found.error_bounds),
        "excess": _bounded(found.excess, found.excess_bounds),
        "brier": _bounded(found.brier, found.brier_bounds),
        "diagram": [{"probability": p, "correct": c, "mass": m} for p, c, m in each],
    }


def _bounded(value: float, bounds: Bounds | None) -> dict[str, float | None]:
    low, high = bounds or (None, None)
    return {"value": _defined(value), "low": low, "high": high}


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
