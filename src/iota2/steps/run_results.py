"""The results of a run, read for the report: accuracy, models, stages of the map and fusion of runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from iota2.compute.map_reliability import MapReliability, map_reliability
from iota2.compute.map_stages import MapStages, map_stages_from_json
from iota2.compute.validation import ValidationAccuracy, validation_accuracy
from iota2.core.graph import Paths
from iota2.core.losses import ClassLosses, samples_text
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import Confusion, PolygonCounts
from iota2.core.words import printable
from iota2.io.tables.classes import read_classes
from iota2.io.tables.confidence_counts import read_confidence_counts
from iota2.io.tables.confusions import read_confusion
from iota2.io.tables.polygon_counts import read_polygon_counts
from iota2.io.tables.polygon_losses import read_losses_csv
from iota2.report.results.borders import BordersData, border_remarks, borders_text
from iota2.report.results.fused_models import FusedModels, single_source_remarks
from iota2.report.results.fusion import FusionReport, fusion_json, fusion_remarks
from iota2.report.results.metrics import metrics
from iota2.report.results.reliability import ReliabilityData, calibration_remarks, reliability_text
from iota2.report.results.samples import model_samples_text
from iota2.report.results.segments import SegmentsReport, segment_remarks, segments_json, segments_text
from iota2.report.results.sensors import combinations_text
from iota2.report.results.smoothing import smoothing_remarks, smoothing_text
from iota2.report.results.text import results_text
from iota2.steps.fused_runs import FusionParams, read_fusion
from iota2.steps.learned_models import LearnedModels, read_learned_models
from iota2.steps.segment_results import read_segments_report


@dataclass(frozen=True)
class RunResults:
    """What the steps of a run have measured."""

    classes: Nomenclature
    confusions: Mapping[int, Confusion]
    """By seed."""
    fates: Mapping[int, tuple[ClassLosses, ...]]
    """Losses of reference data by class, by seed."""
    learned: LearnedModels
    validated: ValidationAccuracy
    reliability: ReliabilityData
    borders: BordersData
    segments: SegmentsReport | None
    """None in runs on pixels."""
    fusion: FusionReport | None
    bayesian: bool
    """Whether the map is smoothed by Bayesian smoothing."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks on models, sensors, confidence and map."""
        return (
            *self.learned.remarks,
            *segment_remarks(self.segments),
            *calibration_remarks(self.reliability),
            *border_remarks(self.borders),
            *single_source_remarks(self.borders.maps),
            *smoothing_remarks(self.borders.maps, self.classes, bayesian=self.bayesian),
        )

    def text(self, notes: Sequence[str]) -> str:
        """The report of the runs as text, with ``notes``."""
        classes = self.classes
        parts = (
            results_text(self.confusions, classes, notes, self.validated),
            segments_text(self.segments, self.validated, classes),
            f"\n{reliability_text(self.reliability, classes)}\n",
            borders_text(self.borders, classes),
            smoothing_text(self.borders.maps, classes),
            samples_text(self.fates, classes.name),
            model_samples_text(self.learned.samples, classes.name),
            combinations_text(self.learned.combinations),
        )
        return printable("".join(parts))

    def metrics(self, notes: Sequence[str], provenance: Mapping[str, object]) -> dict[str, object]:
        """The values of ``metrics.json``, with ``notes``."""
        fusion = self.fusion
        return metrics(
            self.confusions,
            self.classes,
            (*notes, *(fusion_remarks(fusion, self.classes) if fusion else ())),
            provenance,
            self.validated,
            reliability=self.reliability,
            borders=self.borders,
            segments=segments_json(self.segments) if self.segments else None,
            fusion=fusion_json(fusion) if fusion else None,
        )


def read_run_results(
    inp: Paths,
    *,
    sampled: bool,
    blended: bool,
    sensors_share: float,
    fused_models: FusedModels | None,
    fusion: FusionParams | None,
    bayesian: bool,
    whole_segments: bool,
) -> RunResults:
    """The results, from the inputs of the report.

    ``sampled``: whether validation pixels are selected like learning pixels. ``blended``: whether models are blended
    near borders of regions. ``sensors_share``: share of the pixels above which a combination of sensors gets its own
    model. ``fused_models``: how the models of a pixel are combined; None if there is one for each region. ``fusion``:
    options of the fusion of runs; None without. ``bayesian``: whether the map is smoothed by Bayesian smoothing.
    ``whole_segments``: whether models learn from whole segments, in runs on segments.
    """
    classes = read_classes(inp.classes)
    learned = read_learned_models(inp, classes, sensors_share, fused_models)
    counts = {key.seed: read_polygon_counts(path) for key, path in inp.each("validation")}
    return RunResults(
        classes,
        {key.seed: read_confusion(path) for key, path in inp.each("confusion")},
        {key.seed: read_losses_csv(path) for key, path in inp.each("losses")},
        learned,
        validation_accuracy(counts, classes.codes, sampled=sampled),
        ReliabilityData(
            _map_reliability(inp, classes, counts),
            learned.calibrations,
            fused_models is not None and fused_models.agreement,
        ),
        BordersData(_map_stages(inp), blended),
        read_segments_report(inp, classes, whole=whole_segments),
        read_fusion(inp, fusion, classes) if fusion else None,
        bayesian,
    )


def _map_reliability(
    inp: Paths, classes: Nomenclature, counts: Mapping[int, PolygonCounts]
) -> dict[int, MapReliability]:
    """Reliability of the confidence, by seed."""
    maps = {}
    for key, path in inp.each("confidences"):
        seed = key.seed
        metres = dict(zip(counts[seed].polygon.tolist(), counts[seed].distance.tolist(), strict=True))
        maps[seed] = map_reliability(read_confidence_counts(path), classes.codes, metres, seed)
    return maps


def _map_stages(inp: Paths) -> dict[int, MapStages]:
    """The stages of the map, by seed; empty for a single region and tile."""
    each = inp.each("map_stages") if "map_stages" in inp else ()
    return {key.seed: map_stages_from_json(json.loads(path.read_text(encoding="utf-8"))) for key, path in each}
