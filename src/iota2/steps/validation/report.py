"""Step: accuracy report as text, figures, JSON and HTML page."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from statistics import median

import geopandas as gpd
import numpy as np

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.graph import Artifact, JobContext, Step, optional
from iota2.core.grid import blocks, resolution
from iota2.core.importance import importance_from_json
from iota2.core.losses import ALL_SENSORS, warnings, without_features
from iota2.core.nomenclature import Nomenclature
from iota2.core.scene import Scene
from iota2.core.tables import Confusion
from iota2.core.words import counted, printable
from iota2.io.files.atomic import replacing, write_json, write_text
from iota2.io.files.crs import units_per_metre
from iota2.io.rasters.files import RasterReader
from iota2.io.rasters.ownership import TileOwnership
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.alignments import Alignment, read_alignments
from iota2.io.tables.polygon_losses import read_losses_csv
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.vectors import read_vector
from iota2.report.results.fused_models import FusedModels
from iota2.report.results.fusion import NOT_AN_INTERVAL, FusionReport, fusion_results
from iota2.report.results.importance import ImportanceView, importance_view, importances_json
from iota2.report.results.names import FUSION, of_first_seed
from iota2.report.results.page import AlignedSeries, Picture, ReportData, render_report
from iota2.report.results.reductions import reductions_json
from iota2.report.results.reliability import ReliabilityData
from iota2.report.results.samples import model_samples_json
from iota2.report.results.sensors import combinations_json
from iota2.steps.blocks import COPY_SHAPE
from iota2.steps.drawing import figures_module
from iota2.steps.fused_runs import FusionParams, fusion_params
from iota2.steps.learned_models import TRAINING_OPTIONS, LearnedModels, fused_models
from iota2.steps.report_parts import (
    NOTES,
    alignment_tables,
    changed_options,
    in_metres,
    input_notes,
    quicklook,
    series_of,
    versions,
)
from iota2.steps.run_results import read_run_results


@dataclass(frozen=True)
class ReportParams:
    """The part of the configuration that the report shows."""

    title: str
    options: Mapping[str, str]
    """Options that differ from their default, as text, except those that are read from the models."""
    files: tuple[Artifact, ...]
    """Products to list, without those of segments."""
    runs: int
    whole_segments: bool = False
    """Whether models learn from whole segments, in runs on segments."""
    bayesian: bool = False
    """Whether the map is smoothed by Bayesian smoothing."""
    blended: bool = False
    """Whether models are blended near borders of regions."""
    sampled_validation: bool = False
    """Whether validation pixels are selected like learning pixels."""
    fusion: FusionParams | None = None
    """The fusion of the runs; None without."""
    fused_models: FusedModels | None = None
    """How the models of a pixel are combined; None if there is one for each region."""
    sensors_share: float = 0.0
    """Share of the pixels above which a combination of sensors gets its own model."""

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {
            "title": self.title,
            "options": self.options,
            "files": self.files,
            "arg_train.runs": self.runs,
            "arg_classification.enable_boundary_fusion": self.blended,
            "arg_train.sampling_validation": self.sampled_validation,
            "obia.full_learn_segment": self.whole_segments,
            "arg_classification.missing_sensors_share": self.sensors_share,
            **(self.fusion.by_user_name() if self.fusion else {}),
        }


def params(config: Config) -> ReportParams:
    """The options shown in the report."""
    others = layout.REPORT, *layout.FEATURES, *layout.SEGMENT_PRODUCTS, *layout.MAP_POLYGONS
    return ReportParams(
        title=config.chain.output_path.name,
        options={name: text for name, text in changed_options(config).items() if name not in TRAINING_OPTIONS},
        files=(
            *(one for one in layout.products() if one not in others and one.when(config)),
            *([layout.POLYGON_PAGE] if config.vectorised else []),
        ),
        runs=config.arg_train.runs,
        whole_segments=config.obia.full_learn_segment,
        bayesian=config.arg_classification.smoothing == "bayesian",
        blended=layout.with_boundary_fusion(config),
        sampled_validation=config.arg_train.sampling_validation,
        fusion=fusion_params(config),
        fused_models=fused_models(config),
        sensors_share=config.arg_classification.missing_sensors_share,
    )


def run(job: JobContext[ReportParams]) -> None:
    """Write RESULTS.txt, the figures, metrics.json and the page."""
    given = job.params
    found = read_run_results(
        job.inp,
        sampled=given.sampled_validation,
        blended=given.blended,
        sensors_share=given.sensors_share,
        fused_models=given.fused_models,
        fusion=given.fusion,
        bayesian=given.bayesian,
        whole_segments=given.whole_segments,
    )
    classes, learned, fates = found.classes, found.learned, found.fates
    scenes = [read_scene(path) for path in job.inp.all("scenes").values()]
    notes = (*warnings(fates, classes.title), *input_notes(job.inp), *found.remarks)
    _write_results(job, found.text((*classes.warnings, *notes)), found.fusion, classes)
    write_json(job.out.metrics, found.metrics((*classes.warnings, *notes), _provenance(job, scenes, learned)))
    diagrams = _write_diagrams(job, found.reliability)
    page = replace(
        _page(job, classes, found.confusions, scenes),
        fates=fates[min(fates)],
        validated=found.validated,
        samples=learned.samples,
        notes=notes,
        models=learned.models,
        configuration=tuple({**given.options, **learned.options}.items()),
        segments=found.segments,
        reliability=found.reliability,
        reliability_figure=_reliability_picture(diagrams),
        reductions=learned.reductions,
        searches=learned.searches,
        combinations=learned.combinations,
        importance=_importance(job),
        borders=found.borders,
        fusion=found.fusion,
    )
    write_text(job.out.page, render_report(page))


def _write_results(
    job: JobContext[ReportParams], text: str, fusion: FusionReport | None, classes: Nomenclature
) -> None:
    """Write the report of the runs, ``text``; with a fusion, its report in place of that of the runs, which moves."""
    if fusion is None:
        write_text(job.out.results, text)
        return
    write_text(job.out.results, printable(fusion_results(fusion, classes, classes.warnings)))
    if "run_results" in job.out:
        write_text(job.out.run_results, text + "\n" + NOT_AN_INTERVAL + "\n")


def _write_diagrams(job: JobContext[ReportParams], reliable: ReliabilityData) -> Mapping[int, bytes]:
    """Write the reliability diagram of each seed; returns the diagrams."""
    diagrams = {seed: figures_module().reliability_figure(one) for seed, one in reliable.maps.items()}
    for key, path in job.out.each("reliability"):
        with replacing(path) as part:
            part.write_bytes(diagrams[key.seed])
    return diagrams


def _reliability_picture(diagrams: Mapping[int, bytes]) -> Picture:
    """The diagram of the first seed."""
    title = of_first_seed("Reliability", diagrams)
    return Picture(title, layout.RELIABILITY_FIGURE.about, diagrams[min(diagrams)])


def _page(
    job: JobContext[ReportParams],
    classes: Nomenclature,
    confusions: Mapping[int, Confusion],
    scenes: list[Scene],
) -> ReportData:
    """Content of the page without the models and remarks."""
    labels = _shown_map(job, confusions)
    with RasterReader(labels) as reader:
        geobox = reader.geobox
    pixel_area = float(np.prod(resolution(geobox))) / units_per_metre(geobox.crs) ** 2 if in_metres(geobox) else 0.0
    return ReportData(
        title=job.params.title,
        nomenclature=classes,
        confusions=confusions,
        unlabelled=_unlabelled(job),
        mapped=_map_pixels(labels, TileOwnership(_envelopes(job), geobox), classes),
        pixel_area=pixel_area,
        tiles=tuple(scene.tile for scene in scenes),
        series=series_of(scenes),
        aligned=tuple(one for tile, path in alignment_tables(job.inp) for one in _aligned_series(tile, path)),
        map=_map_picture(job, confusions, classes),
        pictures=(
            _confidence_picture(job, confusions),
            Picture(
                "Validity",
                layout.FINAL_VALIDITY.about,
                figures_module().validity_quicklook(*quicklook(job.inp.validity)),
            ),
        ),
        files=_files(job, [scene.tile for scene in scenes]),
        segments_picture=_segments_picture(job),
        versions=tuple(versions().items()),
    )


def _segments_picture(job: JobContext) -> Picture | None:
    """The borders of segments over an image; None in runs on pixels."""
    if "segment_picture" not in job.inp:
        return None
    caption = job.inp.segment_caption.read_text(encoding="utf-8").strip()
    return Picture("Borders of segments", caption, job.inp.segment_picture.read_bytes())


def _unlabelled(job: JobContext) -> str:
    """Why pixels inside the regions have no label, as the predicate of a sentence."""
    recipe = read_recipe(job.inp.recipe)
    if recipe.needs_all_sensors and any(key.source for key, _ in job.inp.each("models")):
        return f"are clear neither in every optical nor in every radar sensor ({ALL_SENSORS})"
    in_segment = "are in no segment, or in a segment whose pixels " if "segment_labels" in job.inp else ""
    return in_segment + without_features(recipe)


def _shown_map(job: JobContext[ReportParams], seeds: Collection[int]) -> Path:
    """The fusion of the runs; without a fusion, the map of the first seed."""
    return job.inp.fused_map if job.params.fusion else job.inp.at("map", seed=min(seeds))


def _map_picture(job: JobContext[ReportParams], seeds: Collection[int], classes: Nomenclature) -> Picture:
    """The map; undecided pixels of a fusion are shown like pixels that are not classified."""
    small, pixel_size = quicklook(_shown_map(job, seeds))
    png = figures_module().map_quicklook(np.where(np.isin(small, classes.codes), small, 0), classes, pixel_size)
    fusion = job.params.fusion
    if fusion is None:
        return Picture(of_first_seed("Map", seeds), layout.MAP.about, png)
    caption = layout.MERGED_MAP.about if fusion.undecided is None else f"{layout.MERGED_MAP.about} Undecided: white."
    return Picture(f"Map, {FUSION}", caption, png)


def _confidence_picture(job: JobContext[ReportParams], seeds: Collection[int]) -> Picture:
    """The confidence of the fusion if it has one, otherwise that of the first seed."""
    if "fused_confidence" in job.inp:
        title, about, path = f"Confidence, {FUSION}", layout.MERGED_CONFIDENCE.about, job.inp.fused_confidence
    else:
        title, about = of_first_seed("Confidence", seeds), layout.FINAL_CONFIDENCE.about
        path = job.inp.at("confidence", seed=min(seeds))
    return Picture(title, about, figures_module().confidence_quicklook(*quicklook(path)))


def _envelopes(job: JobContext) -> dict[str, gpd.GeoSeries]:
    return {key.tile: read_vector(path).geometry for key, path in job.inp.each("envelopes")}


def _map_pixels(path: Path, ownership: TileOwnership, classes: Nomenclature) -> dict[int, int]:
    """Number of map pixels by class code; code 0 counts the pixels without label inside the tiles."""
    counts, owned = np.zeros(1 << 16, np.int64), 0
    with RasterReader(path) as reader:
        for block in blocks("", reader.geobox, COPY_SHAPE):
            counts += np.bincount(reader.read(block.geobox).ravel(), minlength=len(counts))
            owned += sum(int(np.count_nonzero(where)) for where in ownership.of(block).values())
    counts[0] = owned - counts[1:].sum()
    return {code: int(counts[code]) for code in (0, *classes.codes) if counts[code]}


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


def _files(job: JobContext[ReportParams], tiles: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Paths of the products, relative to the folder of the page, with their descriptions."""
    folder = PurePosixPath(layout.REPORT.path).parent
    listed = (*job.params.files, *(layout.SEGMENT_PRODUCTS if "segments" in job.inp else ()))
    keys = [{"seed": seed, "tile": tile} for tile in tiles for seed in range(job.params.runs)]
    paths = {artifact.path.format(**key): artifact.about for artifact in listed for key in keys}
    return tuple((str(PurePosixPath(path).relative_to(folder)), about) for path, about in paths.items())


def _importance(job: JobContext) -> ImportanceView | None:
    """Write the file of importances, and return what the page shows; None if they were not measured."""
    if "importances" not in job.inp:
        return None
    paths = job.inp.all("importances").values()
    models = [importance_from_json(json.loads(path.read_text(encoding="utf-8"))) for path in paths]
    write_json(job.out.importance, importances_json(models))
    view = importance_view(models)
    return replace(view, png=figures_module().importance_figure(view)) if view.groups else view


def _provenance(job: JobContext[ReportParams], scenes: list[Scene], learned: LearnedModels) -> dict[str, object]:
    """Inputs, models, options and software of the map, for ``metrics.json``."""
    dates = [f"{s.tile}: {counted(s.count, 'date')} of {s.sensor}, {s.first} to {s.last}" for s in series_of(scenes)]
    return {
        "title": job.params.title,
        "series": dates,
        "models": [asdict(model) for model in learned.models],
        "samples": _samples(job),
        "model_samples": model_samples_json(learned.samples),
        "reductions": reductions_json(learned.reductions),
        "sensor_combinations": combinations_json(learned.combinations),
        "grid_searches": {search.title: search.scores for search in learned.searches},
        "configuration": dict(job.params.options),
        "versions": versions(),
    }


def _samples(job: JobContext) -> list[dict[str, object]]:
    """Losses of the polygons of each class, by seed."""
    return [
        {"seed": key.seed, "code": fate.code, **{what: fate.numbers(what) for what in fate.amounts}}
        for key, path in job.inp.each("losses")
        for fate in read_losses_csv(path)
    ]


STEP = Step(
    name="reportGeneration",
    group="validation",
    about="Write the accuracy report.",
    task="final_report",
    run=run,
    over=(),
    needs={
        "scenes": layout.SCENE,
        **NOTES,
        "classes": layout.CLASSES,
        "recipe": layout.LEARNED_RECIPE,
        "rates": layout.RATES,
        "samples": layout.CLASS_STATISTICS,
        "losses": layout.LOSSES,
        "segment_labels": optional(layout.SEGMENT_LABELS),
        "segment_sizes": optional(layout.SEGMENT_SIZES),
        "segment_validation": optional(layout.SEGMENT_VALIDATION),
        "segment_picture": optional(layout.SEGMENT_PICTURE),
        "segment_caption": optional(layout.SEGMENT_CAPTION),
        "envelopes": layout.ENVELOPE,
        "confusion": layout.CONFUSION,
        "validation": layout.VALIDATION,
        "confidences": layout.CONFIDENCES,
        "models": layout.MODEL,
        "combinations": optional(layout.SENSOR_COMBINATIONS),
        "masks": layout.REGION_MASK,
        "copies": optional(layout.COPY_COUNTS),
        "augmentation": optional(layout.AUGMENTATION_COUNTS),
        "reductions": optional(layout.REDUCTION),
        "searches": optional(layout.SEARCH_SCORES),
        "importances": optional(layout.MODEL_IMPORTANCE),
        "submodels": optional(layout.SUBMODELS),
        "map_stages": optional(layout.MAP_STAGES),
        "map": layout.MAP,
        "confidence": layout.FINAL_CONFIDENCE,
        "validity": layout.FINAL_VALIDITY,
        "fused_map": optional(layout.MERGED_MAP),
        "fused_confidence": optional(layout.MERGED_CONFIDENCE),
        "fused_validation": optional(layout.MERGED_VALIDATION),
        "run_validation": optional(layout.RUN_VALIDATION),
        "segments": optional(layout.ALL_SEGMENTS),
    },
    makes={
        "results": layout.RESULTS,
        "run_results": layout.RUN_RESULTS,
        "metrics": layout.METRICS,
        "reliability": layout.RELIABILITY_FIGURE,
        "importance": layout.IMPORTANCE,
        "page": layout.REPORT,
    },
    params=params,
    version=12,
)
