"""Step: accuracy report as text, figures, JSON and HTML page."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from statistics import median

import geopandas as gpd
import numpy as np
from pydantic import BaseModel

from iota2 import __version__, layout
from iota2.classifiers.base import CONVERGENCE
from iota2.classifiers.calibrated import SPLITS
from iota2.classifiers.models import read_calibration, read_training
from iota2.classifiers.registry import SCIKIT, as_options, method_name, shown_parameters, validate_options
from iota2.classifiers.transforms import Components
from iota2.compute.map_reliability import map_reliability
from iota2.compute.validation import validation_accuracy
from iota2.config.options.schema import Config, describe
from iota2.config.options.train import ArgTrain
from iota2.core.files import read_text
from iota2.core.graph import Artifact, JobContext, Step, optional
from iota2.core.grid import blocks, resolution
from iota2.core.importance import importance_from_json
from iota2.core.losses import samples_text, warnings
from iota2.core.nomenclature import Nomenclature
from iota2.core.remarks import texts_of
from iota2.core.scene import Scene
from iota2.core.tables import Confusion, PolygonCounts
from iota2.core.words import counted, printable
from iota2.io.files.atomic import replacing, write_json, write_text
from iota2.io.files.crs import units_per_metre
from iota2.io.rasters.files import RasterReader, decimated
from iota2.io.rasters.ownership import TileOwnership
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.alignments import Alignment, read_alignments, unaligned_remarks
from iota2.io.tables.class_statistics import read_class_statistics
from iota2.io.tables.classes import read_classes
from iota2.io.tables.confidence_counts import read_confidence_counts
from iota2.io.tables.confusions import read_confusion
from iota2.io.tables.polygon_counts import read_polygon_counts
from iota2.io.tables.polygon_losses import read_losses_csv
from iota2.io.tables.rates import losses
from iota2.io.tables.remark_lists import read_remarks
from iota2.io.tables.vectors import read_vector
from iota2.options import Options
from iota2.report.results.importance import ImportanceView, importance_view, importances_json
from iota2.report.results.metrics import metrics
from iota2.report.results.page import AlignedSeries, ModelView, Picture, ReportData, Series, render_report
from iota2.report.results.reductions import ReducedGroup, ReducedModel, reduction_remarks, reductions_json
from iota2.report.results.reliability import (
    CalibratedModel,
    ReliabilityData,
    SampleReliability,
    calibration_remarks,
    reliability_text,
)
from iota2.report.results.samples import model_samples_json, model_samples_text
from iota2.report.results.searches import SearchedModel, search_remarks
from iota2.report.results.text import results_text
from iota2.steps.blocks import COPY_SHAPE
from iota2.steps.drawing import figures_module
from iota2.steps.model_samples import copy_counts, copy_notes, model_samples

MAX_QUICKLOOK_PIXELS = 1_000_000
LIBRARIES = ("numpy", "scikit-learn", "rasterio", "numba")
"""Libraries whose versions are reported."""
TRAINING_OPTIONS = ("arg_train.classifier", "arg_train.otb_classifier_options")
"""Training options; the report reads their values from the models, not from the configuration."""


@dataclass(frozen=True)
class ReportParams:
    """The part of the configuration that the report shows."""

    title: str
    options: Mapping[str, str]
    """Options that differ from their default, as text, except those that are read from the models."""
    files: tuple[Artifact, ...]
    """Products to list."""
    runs: int
    sampled_validation: bool = False
    """Whether validation pixels are selected like learning pixels."""


def params(config: Config) -> ReportParams:
    """The options shown in the report."""
    effective = (one._replace(value=_effective(one.value)) for one in describe(config))
    changed = [
        setting
        for setting in effective
        if setting.value != setting.default and f"{setting.section}.{setting.key}" not in TRAINING_OPTIONS
    ]
    return ReportParams(
        title=config.chain.output_path.name,
        options={f"{s.section}.{s.key}": _value_text(s.value) for s in changed},
        files=tuple(artifact for artifact in layout.products() if artifact != layout.REPORT and artifact.when(config)),
        runs=config.arg_train.runs,
        sampled_validation=config.arg_train.sampling_validation,
    )


def run(job: JobContext[ReportParams]) -> None:
    """Write RESULTS.txt, the figures, metrics.json and the page."""
    classes = read_classes(job.inp.classes)
    confusions = {key.seed: read_confusion(path) for key, path in job.inp.each("confusion")}
    scenes = [read_scene(path) for path in job.inp.all("scenes").values()]
    fates = {key.seed: read_losses_csv(path) for key, path in job.inp.each("losses")}
    reduced = _reductions(job)
    searched = _searches(job)
    samples = model_samples(job.inp)
    training = (
        *_training_notes(job, classes),
        *copy_notes(job.inp, classes),
        *reduction_remarks(reduced),
        *search_remarks(searched),
        *_convergence_remarks(job),
    )
    notes = (*warnings(fates, classes.name), *_notes(job), *training)
    counts = {key.seed: read_polygon_counts(path) for key, path in job.inp.each("validation")}
    found = validation_accuracy(counts, classes.codes, sampled=job.params.sampled_validation)
    reliable = _reliability(job, classes, counts)
    notes = (*notes, *calibration_remarks(reliable))
    remarks = (*classes.warnings, *notes)
    results = results_text(confusions, classes, remarks, found)
    further = f"{samples_text(fates, classes.name)}{model_samples_text(samples, classes.name)}"
    write_text(job.out.results, printable(f"{results}\n{reliability_text(reliable, classes)}\n{further}"))
    values = metrics(confusions, classes, remarks, _provenance(job, scenes), found, reliability=reliable)
    write_json(job.out.metrics, values)
    diagrams = _write_diagrams(job, reliable)
    page = replace(
        _page(job, classes, confusions, scenes, notes),
        fates=fates[min(fates)],
        validated=found,
        samples=samples,
        reliability=reliable,
        reliability_figure=Picture("Reliability", layout.RELIABILITY_FIGURE.about, diagrams[min(diagrams)]),
        reductions=reduced,
        searches=searched,
        importance=_importance(job),
    )
    write_text(job.out.page, render_report(page))


def _write_diagrams(job: JobContext[ReportParams], reliable: ReliabilityData) -> Mapping[int, bytes]:
    """Write the reliability diagram of each seed; returns the diagrams."""
    diagrams = {seed: figures_module().reliability_figure(one) for seed, one in reliable.maps.items()}
    for key, path in job.out.each("reliability"):
        with replacing(path) as part:
            part.write_bytes(diagrams[key.seed])
    return diagrams


def _page(
    job: JobContext[ReportParams],
    classes: Nomenclature,
    confusions: Mapping[int, Confusion],
    scenes: list[Scene],
    notes: tuple[str, ...],
) -> ReportData:
    """Content of the page; maps are those of the first seed."""
    figures = figures_module()
    seed = min(confusions)
    labels, confidence = job.inp.at("map", seed=seed), job.inp.at("confidence", seed=seed)
    with RasterReader(labels) as reader:
        geobox = reader.geobox
    metres = geobox.crs is not None and geobox.crs.projected
    return ReportData(
        title=job.params.title,
        nomenclature=classes,
        confusions=confusions,
        mapped=_map_pixels(labels, TileOwnership(_envelopes(job), geobox)),
        pixel_area=float(np.prod(resolution(geobox))) / units_per_metre(geobox.crs) ** 2 if metres else 0.0,
        tiles=tuple(scene.tile for scene in scenes),
        series=_series(scenes),
        aligned=tuple(one for tile, path in _alignments(job) for one in _aligned_series(tile, path)),
        map=Picture("Map", layout.MAP.about, _map_picture(labels, classes, metres)),
        pictures=(
            Picture(
                "Confidence",
                layout.FINAL_CONFIDENCE.about,
                figures.confidence_quicklook(*_quicklook(confidence, metres)),
            ),
            Picture(
                "Validity",
                layout.FINAL_VALIDITY.about,
                figures.validity_quicklook(*_quicklook(job.inp.validity, metres)),
            ),
        ),
        notes=notes,
        files=_files(job.params),
        models=tuple(_models(job)),
        configuration=tuple(_configuration(job).items()),
        versions=tuple(_versions().items()),
    )


def _map_picture(path: Path, classes: Nomenclature, metres: bool) -> bytes:
    small, pixel_size = _quicklook(path, metres)
    return figures_module().map_quicklook(small, classes, pixel_size)


def _quicklook(path: Path, metres: bool) -> tuple[np.ndarray, float | None]:
    """Decimated raster and its pixel size in metres; the size is None if the map is in degrees."""
    small = decimated(path, MAX_QUICKLOOK_PIXELS)
    with RasterReader(path) as reader:
        size = resolution(reader.geobox)[0] * reader.geobox.shape[1] / small.shape[1]
        size /= units_per_metre(reader.geobox.crs)
    return small, size if metres else None


def _envelopes(job: JobContext) -> dict[str, gpd.GeoSeries]:
    return {key.tile: read_vector(path).geometry for key, path in job.inp.each("envelopes")}


def _map_pixels(path: Path, ownership: TileOwnership) -> dict[int, int]:
    """Number of map pixels by class code; code 0 counts the pixels without label inside the tiles."""
    counts, owned = np.zeros(1 << 16, np.int64), 0
    with RasterReader(path) as reader:
        for block in blocks("", reader.geobox, COPY_SHAPE):
            counts += np.bincount(reader.read(block.geobox).ravel(), minlength=len(counts))
            owned += sum(int(np.count_nonzero(where)) for where in ownership.of(block).values())
    counts[0] = owned - counts[1:].sum()
    return {int(code): int(counts[code]) for code in np.flatnonzero(counts)}


def _series(scenes: list[Scene]) -> tuple[Series, ...]:
    return tuple(
        Series(
            sensor.spec.name,
            scene.tile,
            len(sensor.by_day),
            sensor.days[0].isoformat(),
            sensor.days[-1].isoformat(),
        )
        for scene in scenes
        for sensor in scene.series
    )


def _notes(job: JobContext) -> tuple[str, ...]:
    """Notes of the previous steps: ignored, repaired and doubtful images and reference data."""
    scans = [remark for path in job.inp.all("scan_notes").values() for remark in read_remarks(path)]
    unaligned_dates = [remark for tile, path in _alignments(job) for remark in unaligned_remarks(path, tile)]
    values = [remark for path in job.inp.all("value_notes").values() for remark in read_remarks(path)]
    return texts_of((*scans, *unaligned_dates, *values, *read_remarks(job.inp.reference_notes)))


def _alignments(job: JobContext) -> list[tuple[str, Path]]:
    """Tiles with the alignment tables of their dates; empty without a reference image."""
    if "alignments" not in job.inp:
        return []
    return [(key.tile, path) for key, path in job.inp.each("alignments")]


def _aligned_series(tile: str, path: Path) -> Iterator[AlignedSeries]:
    """Summary of the alignment table of a tile, for each sensor."""
    by_sensor: dict[str, list[Alignment]] = {}
    for (sensor, _), one in read_alignments(path).items():
        by_sensor.setdefault(sensor, []).append(one)
    for sensor, dates in by_sensor.items():
        known = [one for one in dates if one.known]
        measured = [one.found for one in dates if not math.isnan(one.found.after)]
        displaced = [math.hypot(one.right, one.down) for one in known]
        yield AlignedSeries(
            sensor,
            tile,
            len(dates),
            sum(one.moved for one in dates),
            len(dates) - len(known),
            median(displaced) if displaced else math.nan,
            max(displaced, default=math.nan),
            median(found.before for found in measured) if measured else math.nan,
            median(found.after for found in measured) if measured else math.nan,
        )


def _training_notes(job: JobContext, classes: Nomenclature) -> Iterator[str]:
    """Notes on classes with polygons from which a model did not learn, and on selected pixels that were not used."""
    seeds: dict[tuple[str, int, str], list[str]] = {}
    for key, path in job.inp.each("rates"):
        region, seed = key.region, key.seed
        learned = read_class_statistics(job.inp.at("samples", seed=seed), region)
        lost = losses(path.read_text(encoding="utf-8"), learned)
        copied = {one.rule.code for one in copy_counts(job.inp, seed) if one.rule.destination == region and one.copied}
        for code, reason in lost.reasons.items():
            if code in copied:
                continue
            seeds.setdefault((region, code, reason), []).append(str(seed))
        if lost.unclear:
            yield (
                f"Region {region}, seed {seed}: {lost.unclear:,} of {lost.selected:,} selected pixels have no clear "
                "date and are not used for learning."
            )
        if lost.left_out:
            parts = ", ".join(f"{classes.name(code)} {count:,}" for code, count in lost.left_out.items())
            yield (
                f"Region {region}, seed {seed}: arg_train.max_samples_per_class leaves out "
                f"{sum(lost.left_out.values()):,} pixels that would otherwise be used for learning ({parts})."
            )
    for (region, code, reason), missing in seeds.items():
        yield (
            f"Class {classes.name(code)} ({code}) has no sample to learn from in region {region} (seed "
            f"{', '.join(missing)}): {reason}."
        )


def _files(given: ReportParams) -> tuple[tuple[str, str], ...]:
    """Paths of the products, relative to the folder of the page, with their descriptions."""
    folder = PurePosixPath(layout.REPORT.path).parent
    return tuple(
        (str(PurePosixPath(artifact.path.format(seed=seed)).relative_to(folder)), artifact.about)
        for artifact in given.files
        for seed in (range(given.runs) if artifact.axes else [0])
    )


def _models(job: JobContext) -> Iterator[ModelView]:
    """Models of the map, read from the model files."""
    for path in job.inp.all("models").values():
        made = read_training(path)
        parameters = as_options(made.kind, shown_parameters(made.kind, made.parameters))
        method = method_name(made.kind, made.parameters)
        yield ModelView(made.region, made.seed, made.kind, parameters, sum(made.samples.values()), method)


def _convergence_remarks(job: JobContext) -> Iterator[str]:
    """A remark for each model whose training did not converge."""
    for key, path in job.inp.each("models"):
        made = read_training(path)
        if CONVERGENCE in made.summary:
            method = method_name(made.kind, made.parameters)
            yield f"Region {key.region}, seed {key.seed}, {method}: {made.summary[CONVERGENCE]}."


def _reliability(job: JobContext, classes: Nomenclature, counts: Mapping[int, PolygonCounts]) -> ReliabilityData:
    """Reliability of the confidence of each seed, and the calibrations of the models."""
    maps = {}
    for key, path in job.inp.each("confidences"):
        seed = key.seed
        metres = dict(zip(counts[seed].polygon.tolist(), counts[seed].distance.tolist(), strict=True))
        maps[seed] = map_reliability(read_confidence_counts(path), classes.codes, metres, seed)
    models = []
    for key, path in job.inp.each("models"):
        one = read_calibration(path)
        if one is not None:
            samples = (SampleReliability(SPLITS[name], **asdict(given)) for name, given in one.reliability.items())
            fitted = one.calibration is not None
            models.append(CalibratedModel(key.region, key.seed, fitted, tuple(one.sentences), tuple(samples)))
    return ReliabilityData(maps, tuple(models))


def _reductions(job: JobContext) -> tuple[ReducedModel, ...]:
    """The dimension reduction of each model; empty without."""
    if "reductions" not in job.inp:
        return ()
    found = [(key, Components.load(path)) for key, path in job.inp.each("reductions")]
    return tuple(ReducedModel(key.region, key.seed, _reduced_groups(components)) for key, components in found)


def _searches(job: JobContext) -> tuple[SearchedModel, ...]:
    """The grid search of each model; empty without."""
    found = job.inp.each("searches") if "searches" in job.inp else ()
    return tuple(SearchedModel(key.region, key.seed, json.loads(read_text(path))) for key, path in found)


def _reduced_groups(components: Components) -> tuple[ReducedGroup, ...]:
    columns = (components.sizes, components.arrays.counts, components.explained)
    rows = zip(components.groups, *(column.tolist() for column in columns), strict=True)
    return tuple(ReducedGroup(*row) for row in rows)


def _importance(job: JobContext) -> ImportanceView | None:
    """Write the file of importances, and return what the page shows; None if they were not measured."""
    if "importances" not in job.inp:
        return None
    paths = job.inp.all("importances").values()
    models = [importance_from_json(json.loads(path.read_text(encoding="utf-8"))) for path in paths]
    write_json(job.out.importance, importances_json(models))
    view = importance_view(models)
    return replace(view, png=figures_module().importance_figure(view)) if view.groups else view


def _configuration(job: JobContext[ReportParams]) -> dict[str, str]:
    """Options that differ from their default, including those of training."""
    return {**job.params.options, **options_of_models([*_models(job)])}


def options_of_models(models: Sequence[ModelView]) -> dict[str, str]:
    """Training options read from the models that differ from their default, as text.

    Different values of several models are separated by ``|``.
    """
    found: dict[str, dict[str, None]] = {name: {} for name in TRAINING_OPTIONS}
    classifier, options = TRAINING_OPTIONS
    for model in models:
        if model.classifier == SCIKIT:
            continue  # the section scikit_models_parameters shows its options
        if model.classifier != ArgTrain.model_fields["classifier"].default:
            found[classifier][model.classifier] = None
        defaults = as_options(model.classifier, validate_options(model.classifier, {})[0])
        changed = {name: value for name, value in model.parameters.items() if value != defaults.get(name)}
        if changed:
            found[options][str(changed)] = None
    return {name: " | ".join(texts) for name, texts in found.items() if texts}


def _provenance(job: JobContext[ReportParams], scenes: list[Scene]) -> dict[str, object]:
    """Inputs, models, options and software of the map, for ``metrics.json``."""
    dates = [f"{s.tile}: {counted(s.count, 'date')} of {s.sensor}, {s.first} to {s.last}" for s in _series(scenes)]
    return {
        "title": job.params.title,
        "series": dates,
        "models": [asdict(model) for model in _models(job)],
        "samples": _samples(job),
        "model_samples": model_samples_json(model_samples(job.inp)),
        "reductions": reductions_json(_reductions(job)),
        "grid_searches": {search.title: search.scores for search in _searches(job)},
        "configuration": dict(job.params.options),
        "versions": _versions(),
    }


def _samples(job: JobContext) -> list[dict[str, object]]:
    """Losses of the polygons of each class, by seed."""
    return [
        {"seed": key.seed, "code": fate.code, **{what: asdict(amount) for what, amount in fate.amounts.items()}}
        for key, path in job.inp.each("losses")
        for fate in read_losses_csv(path)
    ]


def _versions() -> dict[str, str]:
    libraries = {name: version(name) for name in LIBRARIES}
    return {"iota2": __version__, "python": platform.python_version(), **libraries}


def _effective(value: object) -> object:
    """A value of the configuration without options that have no effect."""
    return value.effective() if isinstance(value, Options) else value


def _value_text(value: object) -> str:
    """A value of the configuration as text."""
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    return value.model_dump_json(exclude_defaults=True, by_alias=True) if isinstance(value, BaseModel) else str(value)


STEP = Step(
    name="reportGeneration",
    group="validation",
    about="Write the accuracy report.",
    task="final_report",
    run=run,
    over=(),
    needs={
        "scenes": layout.SCENE,
        "scan_notes": layout.SCAN_NOTES,
        "alignments": optional(layout.SHIFTS_TABLE),
        "value_notes": layout.VALUE_NOTES,
        "reference_notes": layout.REFERENCE_NOTES,
        "classes": layout.CLASSES,
        "rates": layout.RATES,
        "samples": layout.CLASS_STATISTICS,
        "losses": layout.LOSSES,
        "envelopes": layout.ENVELOPE,
        "confusion": layout.CONFUSION,
        "validation": layout.VALIDATION,
        "confidences": layout.CONFIDENCES,
        "models": layout.MODEL,
        "copies": optional(layout.COPY_COUNTS),
        "augmentation": optional(layout.AUGMENTATION_COUNTS),
        "reductions": optional(layout.REDUCTION),
        "searches": optional(layout.SEARCH_SCORES),
        "importances": optional(layout.MODEL_IMPORTANCE),
        "map": layout.MAP,
        "confidence": layout.FINAL_CONFIDENCE,
        "validity": layout.FINAL_VALIDITY,
    },
    makes={
        "results": layout.RESULTS,
        "metrics": layout.METRICS,
        "reliability": layout.RELIABILITY_FIGURE,
        "importance": layout.IMPORTANCE,
        "page": layout.REPORT,
    },
    params=params,
    version=6,
)
