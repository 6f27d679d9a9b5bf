"""The accuracy report as one self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Environment

from iota2.compute.accuracy import Estimate, Scores, Summary, scores, summarise
from iota2.compute.validation import NEIGHBOUR_METRES, ValidationAccuracy
from iota2.core.losses import DRAWN, RESERVED, SEGMENTS_NOTE, USABLE, VALIDATION, ClassLosses, losses_sentence
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import Confusion
from iota2.report.results.borders import BordersData, border_tables
from iota2.report.results.fusion import (
    NOT_AN_INTERVAL,
    FusionReport,
    fusion_remarks,
    fusion_rows,
    fusion_sentences,
    fusion_summary,
)
from iota2.report.results.importance import ImportanceView, importance_tables
from iota2.report.results.measures import UNDEFINED, measure, spread_text
from iota2.report.results.names import FUSION
from iota2.report.results.reductions import ReducedModel, reduction_table
from iota2.report.results.reliability import ReliabilityData, reliability_table
from iota2.report.results.remarks import remarks
from iota2.report.results.samples import ClassSamples, model_samples_rows
from iota2.report.results.searches import SearchedModel, search_tables
from iota2.report.results.segments import SegmentsReport, segment_tables
from iota2.report.results.sensors import SensorCombination, combination_table
from iota2.report.results.smoothing import smoothing_tables
from iota2.report.results.validation import (
    class_rows,
    counted_pixels,
    near_sentence,
    neighbour_notes,
    part_rows,
    spread_sentences,
)
from iota2.report.templating import environment, link, png_uri


@dataclass(frozen=True)
class Series:
    """The dates of one sensor on one tile."""

    sensor: str
    tile: str
    count: int
    first: str
    """Day as text, ``2018-05-11``."""
    last: str


@dataclass(frozen=True)
class AlignedSeries:
    """Displacements of the dates of one sensor on one tile.

    Medians are over the dates that could be compared; NaN if there is none.
    """

    sensor: str
    tile: str
    count: int
    moved: int
    """Number of dates whose images were moved."""
    unknown: int
    """Number of dates that could not be compared and were not moved."""
    median_displacement: float
    """Pixels."""
    max_displacement: float
    """Pixels."""
    correlation_before: float
    """Median correlation with the reference before the images are moved."""
    correlation_after: float
    """Median correlation after the images are moved."""


@dataclass(frozen=True)
class ModelView:
    """A model of the map, as described in its files."""

    region: str
    random_seed: int
    classifier: str
    """Name in the registry."""
    parameters: Mapping[str, Any]
    """Values by option name, including defaults."""
    samples: int
    method: str
    """Name of the classifier in the configuration: ``rf``, or that of a class such as ``SVC``."""


@dataclass(frozen=True)
class Picture:
    """A PNG with its caption."""

    title: str
    caption: str
    png: bytes


@dataclass(frozen=True)
class ReportData:
    """Content of ``final/report.html``; the page escapes all texts."""

    title: str
    nomenclature: Nomenclature
    confusions: Mapping[int, Confusion] = field(default_factory=dict)
    """Confusion matrices by seed; empty without validation."""
    validated: ValidationAccuracy | None = None
    """Accuracy of parts of the validation pixels, and intervals over polygons."""
    mapped: Mapping[int, int] = field(default_factory=dict)
    """Pixels of the map by class code; code 0: pixels inside the tiles that are not classified."""
    unlabelled: str = "have no clear date"
    """Why pixels inside the regions are not classified, as the predicate of a sentence."""
    pixel_area: float = 0.0
    """Square metres of a pixel of the map."""
    tiles: tuple[str, ...] = ()
    series: tuple[Series, ...] = ()
    aligned: tuple[AlignedSeries, ...] = ()
    """Empty without reference image."""
    map: Picture | None = None
    """The fusion of the runs; without a fusion, the map of the first seed."""
    pictures: tuple[Picture, ...] = ()
    """Pictures after the map: confidence and validity."""
    notes: tuple[str, ...] = ()
    """Warnings and remarks of the run; remarks on the measures are added by the page."""
    fates: tuple[ClassLosses, ...] = ()
    """Losses of reference data by class, for the first seed."""
    samples: tuple[ClassSamples, ...] = ()
    """Samples of each class in each model."""
    segments: SegmentsReport | None = None
    """Segments of a run that classifies them; None in runs on pixels."""
    segments_picture: Picture | None = None
    reliability: ReliabilityData | None = None
    """Reliability of the confidence."""
    reliability_figure: Picture | None = None
    reductions: tuple[ReducedModel, ...] = ()
    """Dimension reduction of each model; empty without."""
    searches: tuple[SearchedModel, ...] = ()
    """Grid search of each model; empty without."""
    borders: BordersData | None = None
    """Borders and stages of the map; None without."""
    combinations: tuple[SensorCombination, ...] = ()
    """Combinations of sensors with their models; empty without models of fewer sensors."""
    importance: ImportanceView | None = None
    """Importance of groups of features; None if it was not measured."""
    fusion: FusionReport | None = None
    """The fusion of the runs; None without."""
    files: tuple[tuple[str, str], ...] = ()
    """Paths relative to the folder of the page, with one sentence each."""
    models: tuple[ModelView, ...] = ()
    configuration: tuple[tuple[str, str], ...] = ()
    """Options (``arg_train.runs``) with their values."""
    versions: tuple[tuple[str, str], ...] = ()
    """Names and versions of the software of the run."""


def render_report(data: ReportData) -> str:
    """The page as HTML text with embedded pictures, without scripts and external files."""
    validated = data.validated
    summary = summarise(data.confusions, validated.intervals if validated else None) if data.confusions else None
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            figures=[*_accuracy_figures(data, summary), *_extent_figures(data)],
            methods=", ".join(dict.fromkeys(model.method for model in data.models)),
            areas=_areas(data),
            matrix=_matrix(summary, data.nomenclature) if summary else None,
            classes=_class_rows(summary, data) if summary else (),
            spreads=_spreads(summary, data) if summary else (),
            validation=_validation(validated, data.nomenclature) if validated else None,
            segments=_segments(data),
            seeds=_seed_rows(data.confusions),
            fusion=_fusion(data.fusion) if data.fusion else None,
            samples=model_samples_rows(data.samples, data.nomenclature),
            reliability=reliability_table(data.reliability, data.nomenclature) if data.reliability else None,
            reduction=reduction_table(data.reductions) if data.reductions else None,
            combinations=combination_table(data.combinations) if data.combinations else None,
            searches=search_tables(data.searches),
            importance=importance_tables(data.importance) if data.importance else None,
            borders=border_tables(data.borders, data.nomenclature) if data.borders else None,
            smoothing=smoothing_tables(data.borders.maps, data.nomenclature) if data.borders else None,
            fates=[_fate_row(fate, data.nomenclature) for fate in data.fates],
            segments_note=SEGMENTS_NOTE if any(fate.of_segments for fate in data.fates) else "",
            reserved=data.fusion is not None and data.fusion.reserved,
            notes=(
                *remarks(data.confusions, data.nomenclature),
                *(neighbour_notes(validated) if validated else ()),
                *data.nomenclature.warnings,
                *(fusion_remarks(data.fusion, data.nomenclature) if data.fusion else ()),
                *data.notes,
            ),
        )
    )


@cache
def _environment() -> Environment:
    templates = environment()
    templates.filters |= {"data_uri": png_uri, "link": link, "thousands": _thousands, "measure": measure}
    return templates


@dataclass(frozen=True)
class _KeyFigure:
    """A key figure at the top of the page."""

    name: str
    value: str
    about: str = ""


@dataclass(frozen=True)
class _Cell:
    """A coloured table cell."""

    text: str
    color: str = ""
    """CSS background colour."""
    title: str = ""
    """Tooltip of the cell."""
    empty: bool = False
    """Whether the class has no reference pixels, so that there is no value."""


def _spreads(runs: Summary, data: ReportData) -> list[str]:
    """Explanations of the intervals of the ``runs``; with a fusion of the runs, also of what they are not."""
    sentences = [sentence.replace("+-", "±") for sentence in spread_sentences(runs)]
    return [*sentences, NOT_AN_INTERVAL] if data.fusion else sentences


def _validation(found: ValidationAccuracy, nomenclature: Nomenclature) -> dict[str, Any]:
    """Values of the section on the validation pixels."""
    return {
        "pixels": counted_pixels(found),
        "near": near_sentence(found),
        "distance": f"{NEIGHBOUR_METRES:g}",
        "parts": part_rows(found),
        "classes": class_rows(found, nomenclature),
    }


def _segments(data: ReportData) -> dict[str, Any] | None:
    """Values of the section on segments; None in runs on pixels."""
    if data.segments is None or data.validated is None:
        return None
    return segment_tables(data.segments, data.validated, data.nomenclature)


def _fusion(found: FusionReport) -> dict[str, Any]:
    """Values of the section on the fusion of the runs."""
    return {
        "sentences": fusion_sentences(found),
        "rows": fusion_rows(found),
        "spreads": spread_sentences(fusion_summary(found)),
    }


def _accuracy_figures(data: ReportData, runs: Summary | None) -> list[_KeyFigure]:
    """Accuracy of the fusion of the runs; without a fusion, that of the ``runs``."""
    summary, of = (fusion_summary(data.fusion), f", {FUSION}") if data.fusion else (runs, "")
    if summary is None:
        return []
    return [
        _KeyFigure(f"Overall accuracy{of}", *_percent(summary.overall_accuracy)),
        _KeyFigure(f"Kappa{of}", measure(summary.kappa.mean), _spread(summary.kappa)),
    ]


def _extent_figures(data: ReportData) -> list[_KeyFigure]:
    """Area, and numbers of classes, tiles and images."""
    figures = []
    classified = sum(count for code, count in data.mapped.items() if code != 0)
    if classified:
        figures.append(_KeyFigure("Mapped area", f"{_square_kilometres(classified, data)} km²"))
    figures.append(_KeyFigure("Classes", str(len(data.nomenclature.codes))))
    if data.tiles:
        figures.append(
            _KeyFigure("Tiles", str(len(data.tiles)), ", ".join(data.tiles[:3]) + " …" * (len(data.tiles) > 3))
        )
    if data.series:
        first, last = min(s.first for s in data.series), max(s.last for s in data.series)
        figures.append(_KeyFigure("Images", str(sum(s.count for s in data.series)), f"{first} to {last}"))
    return figures


def _percent(value: Estimate) -> tuple[str, str]:
    """A share in percent with its interval."""
    if math.isnan(value.mean):
        return UNDEFINED, ""
    return f"{100 * value.mean:.1f} %", _spread(value, 100, 1)


def _spread(value: Estimate, scale: float = 1.0, digits: int = 3) -> str:
    """The interval of a key figure, with what it is computed over."""
    spread = spread_text(value, scale, digits).replace("+-", "±")
    over = "validation polygons" if value.kind == "polygons" else f"{value.runs} runs"
    return f"{spread} over {over}" if spread else ""


def _areas(data: ReportData) -> list[dict[str, str]]:
    """Rows of the table of areas: colour, code, name, area, share of the classified area."""
    total = sum(count for code, count in data.mapped.items() if code != 0)
    rows = []
    for code, name, color in zip(
        data.nomenclature.codes, data.nomenclature.names, data.nomenclature.colors, strict=True
    ):
        count = data.mapped.get(code, 0)
        share = 100 * count / total if total else math.nan
        rows.append(
            {
                "color": "rgb({}, {}, {})".format(*color),
                "code": str(code),
                "name": name,
                "area": _square_kilometres(count, data),
                "share": measure(share, 1),
                "bar": f"{0 if math.isnan(share) else share:.2f}%",
            }
        )
    return rows


def _square_kilometres(pixels: int, data: ReportData) -> str:
    area = pixels * data.pixel_area / 1e6
    return f"{area:,.2f}" if area < 100 else f"{area:,.0f}"


def _matrix(summary: Summary, nomenclature: Nomenclature) -> list[tuple[str, list[_Cell]]]:
    """Rows of the confusion matrix: reference class, then one cell for each mapped class."""
    names = [nomenclature.name(code) for code in summary.labels]
    totals = summary.mean_counts.sum(axis=1)
    return [
        (names[r], [_matrix_cell(summary, r, c, names, totals) for c in range(len(names))]) for r in range(len(names))
    ]


def _matrix_cell(summary: Summary, r: int, c: int, names: list[str], totals: np.ndarray) -> _Cell:
    count, total = summary.mean_counts[r, c], totals[r]
    if total == 0:
        return _Cell("", title=f"{names[r]}: no reference pixel", empty=True)
    share = count / total
    text = _thousands(count) if count or r == c else ""
    about = f"{names[r]} mapped as {names[c]}: {_thousands(count)} pixels, {100 * share:.1f} % of the reference"
    return _Cell(text, _correct_color(share) if r == c else _wrong_color(share), about)


def _correct_color(share: float) -> str:
    """CSS colour from red through yellow to green for 0..1, transparent for light and dark backgrounds."""
    return f"hsl({115 * share:.0f} 50% 47% / 0.55)"


def _wrong_color(share: float) -> str:
    """CSS colour from transparent to red for 0..1."""
    return f"hsl(8 75% 50% / {0.85 * share**0.7:.2f})" if share else ""


def _class_rows(summary: Summary, data: ReportData) -> list[tuple[str, str, list[_Cell], str]]:
    """Rows of the table of classes: colour, name, precision, recall and F-score, reference pixels."""
    support = summary.mean_counts.sum(axis=1)
    rows = []
    for k, code in enumerate(summary.labels):
        measures = [values[k] for values in (summary.precision, summary.recall, summary.f_score)]
        rows.append(
            (
                "rgb({}, {}, {})".format(*data.nomenclature.color(code)),
                data.nomenclature.name(code),
                [_measure_cell(value) for value in measures],
                _thousands(support[k]),
            )
        )
    return rows


def _measure_cell(value: Estimate) -> _Cell:
    if math.isnan(value.mean):
        return _Cell(UNDEFINED, title="undefined")
    spread = spread_text(value).replace("+-", "±")
    return _Cell(f"{value.mean:.3f} {spread}".rstrip(), _correct_color(value.mean))


def _seed_rows(confusions: Mapping[int, Confusion]) -> list[tuple[int, str, str, str, str]]:
    """Rows of the table of runs: seed, overall accuracy, kappa, pixels, pixels not classified."""
    each: list[tuple[int, Confusion, Scores]] = [(s, m, scores(m)) for s, m in confusions.items()]
    return [
        (
            seed,
            measure(found.overall_accuracy),
            measure(found.kappa),
            f"{int(found.support.sum()):,}",
            f"{int(matrix.unmapped.sum()):,}",
        )
        for seed, matrix, found in each
    ]


def _fate_row(fate: ClassLosses, nomenclature: Nomenclature) -> dict[str, object]:
    """Row of the table of samples: colour, name, amounts at each stage, losses as text."""
    return {
        "color": "rgb({}, {}, {})".format(*nomenclature.color(fate.code)),
        "name": nomenclature.name(fate.code),
        "polygons": fate.of(DRAWN).polygons,
        "drawn": fate.of(DRAWN).pixels,
        "usable": fate.of(USABLE).pixels,
        "samples": fate.learned,
        "validation": fate.of(VALIDATION).pixels,
        "reserved": fate.of(RESERVED).pixels,
        "lost": losses_sentence(fate.losses),
        "nearly_lost": fate.nearly_lost,
    }


def _thousands(count: float) -> str:
    """A count with thousands separators; small means over runs have one decimal."""
    return f"{count:,.0f}" if count >= 100 or float(count).is_integer() else f"{count:,.1f}"
