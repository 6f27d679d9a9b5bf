"""Step: classification of the segments of one tile by all models of the tile, and its rasters."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.classifiers.base import Model
from iota2.classifiers.models import load_model
from iota2.compute.model_fusion import in_all_classes
from iota2.config.learner import learned_features, learned_samples
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, JobFacts
from iota2.core.graph import JobContext, Key, Step
from iota2.core.grid import blocks
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import REGION
from iota2.io.rasters.files import RasterReader, RasterWriter
from iota2.io.tables.classes import read_classes
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.segment_values import read_batches
from iota2.io.tables.segments import SegmentClasses, Segments, SharedSegments
from iota2.steps.blocks import copy_shape
from iota2.steps.located_segments import expected_segments, located_segments
from iota2.steps.profiles import confidence_profile, label_profile, probability_profile, scaled_shares
from iota2.steps.region_order import read_region_order
from iota2.steps.segment_features import block_of_segments, value_files, value_names

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClassesParams:
    """Order of the regions."""

    region_priority: tuple[str, ...]

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {"obia.region_priority": self.region_priority}


def params(config: Config) -> ClassesParams:
    """Order of the regions from the configuration."""
    return ClassesParams(config.obia.region_priority or ())


def run(job: JobContext[ClassesParams]) -> None:
    """Predict each segment by the model of its region, and write its class to all its pixels inside the regions."""
    classes, table = read_classes(job.inp.classes), Segments.read(job.inp.table)
    names = read_region_order(job.inp.regions, job.params.region_priority)
    located = located_segments(table, SharedSegments.read(job.inp.shared), job.key.tile)
    region = located[REGION].to_numpy()
    models = {key: load_model(path) for key, path in job.inp.each("models")}
    seeds = sorted({key.seed for key in models})
    ranks = {key: names.index(key.region) for key in models}
    if alone := int((~np.isin(region, [*ranks.values(), -1])).sum()):
        log.warning("%d segments belong to regions without a model on the tile, and are not classified here", alone)
    found = {seed: _empty(len(table), classes, "probabilities" in job.out) for seed in seeds}
    for key, rows, result in _predictions(job, models, region, ranks, classes):
        target = found[key.seed]
        target.label[rows], target.confidence[rows] = result[0], result[1]
        if target.probabilities.shape[1]:
            target.probabilities[rows] = result[2]
    for seed, values in found.items():
        values.write(job.out.at("classes", seed=seed))
    _write_maps(job, classes, found, {key: region == rank for key, rank in ranks.items()})


def _empty(segments: int, classes: Nomenclature, probabilities: bool) -> SegmentClasses:
    count = len(classes.codes) if probabilities else 0
    shares = np.zeros((segments, count), np.float32)
    return SegmentClasses(np.zeros(segments, classes.dtype), np.zeros(segments, np.float32), shares)


def _predictions(
    job: JobContext[ClassesParams],
    models: Mapping[Key, Model],
    region: np.ndarray,
    ranks: Mapping[Key, int],
    classes: Nomenclature,
) -> Iterator[tuple[Key, np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Yield the predictions of each model: rows of the segments; labels, confidence, probabilities (segment, class)."""
    recipe, codes = read_recipe(job.inp.recipe), classes.codes
    for path in value_files(job.inp):
        for batch in read_batches(path, value_names(recipe)):
            rows = batch.segment.astype(np.int64) - 1
            block = block_of_segments(batch, recipe)
            for key, model in models.items():
                own = region[rows] == ranks[key]
                if not own.any():
                    continue
                columns = np.searchsorted(codes, model.classes)
                found = in_all_classes(model.predict(block, own[None], threads=job.use.threads), columns, len(codes))
                result = found.labels[0, own], found.confidence[0, own], found.probabilities[:, 0, own].T
                yield key, rows[own], result


def _write_maps(
    job: JobContext[ClassesParams],
    classes: Nomenclature,
    found: Mapping[int, SegmentClasses],
    own: Mapping[Key, np.ndarray],
) -> None:
    """Write labels, confidence and, on request, probabilities of each model; ``own`` (segment,) bool: its segments."""
    with ExitStack() as stack, RasterReader(job.inp.segments) as raster:
        masks = [stack.enter_context(RasterReader(path)) for path in job.inp.all("masks").values()]
        maps = {key: _Maps.opened(job, key, classes, raster.geobox, stack) for key in own}
        label_of = {key: _by_number(found[key.seed].label, rows) for key, rows in own.items()}
        pixel_bytes = 16 + 8 * len(classes.codes)
        for block in blocks(job.key.tile, raster.geobox, copy_shape(job.use, pixel_bytes)):
            inside = np.zeros(block.shape, bool)
            for mask in masks:
                inside |= mask.read(block.geobox) > 0
            numbers = np.where(inside, raster.read(block.geobox), 0)
            for key, target in maps.items():
                labels = label_of[key][numbers]
                rows, labelled = numbers[labels > 0].astype(np.int64) - 1, labels > 0
                confidence = np.zeros(block.shape, np.float32)
                confidence[labelled] = found[key.seed].confidence[rows]
                target.labels.write(block, labels)
                target.confidence.write(block, confidence)
                if target.probabilities is not None:
                    shares = np.zeros((len(classes.codes), *block.shape), np.float32)
                    shares[:, labelled] = found[key.seed].probabilities[rows].T
                    target.probabilities.write(block, scaled_shares(shares, labelled))


def _by_number(labels: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Label by number of the segment, from 0 for none; 0 for segments that are not ``own`` (segment,) bool."""
    return np.append(np.zeros(1, labels.dtype), np.where(own, labels, 0)).astype(labels.dtype)


@dataclass(frozen=True)
class _Maps:
    """Rasters of one model."""

    labels: RasterWriter
    confidence: RasterWriter
    probabilities: RasterWriter | None

    @classmethod
    def opened(
        cls, job: JobContext[ClassesParams], key: Key, classes: Nomenclature, geobox: GeoBox, stack: ExitStack
    ) -> _Maps:
        """Open the rasters of a model; ``stack`` closes them."""
        axes = key.by_axis()
        labels = RasterWriter(job.out.at("labels", **axes), label_profile(geobox, classes))
        confidence = RasterWriter(job.out.at("confidence", **axes), confidence_profile(geobox))
        probabilities = None
        if "probabilities" in job.out:
            profile = probability_profile(geobox, classes)
            probabilities = stack.enter_context(RasterWriter(job.out.at("probabilities", **axes), profile))
        return cls(stack.enter_context(labels), stack.enter_context(confidence), probabilities)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the segments are predicted by one model of each run, and their classes written to all pixels.

    All models of the tile are in memory. The memory of their training is an upper limit for methods that keep samples.
    """
    run, runs = facts.run, config.arg_train.runs
    segments = expected_segments(config, facts.pixels)
    features = learned_features(config.dim_red, run.recipe) * len(config.obia.stats_used)
    samples = learned_samples(config.arg_train, run.samples / runs, run.class_count * run.model_count)
    method = config.learner.untrained()
    seconds = method.pixel_seconds(samples, features, run.class_count)
    of_model = learned_samples(config.arg_train, run.samples_of_model(runs), run.class_count)
    model_bytes = method.training_memory(of_model, features, run.class_count)
    maps = facts.models * runs
    probabilities = 2 * run.class_count if layout.with_probabilities(config) else 0
    usual = facts.raster_cost((run.label_bytes + 4 + probabilities) * maps, READING_SECONDS * maps)
    return Cost(
        usual.memory + facts.models * runs * model_bytes + int(segments * runs * (8 + 4 * run.class_count)),
        usual.seconds + segments * seconds * runs,
        usual.disk,
        usual.uncompressed,
    )


STEP = Step(
    name="segmentClassification",
    group="classification",
    about="Classify every segment.",
    task="segment_classification_{tile}",
    run=run,
    over=("tile",),
    needs={
        "recipe": layout.SEGMENT_RECIPE,
        "regions": layout.REGIONS,
        "classes": layout.CODES,
        "models": layout.MODEL,
        "table": layout.SEGMENT_TABLE,
        "segments": layout.SEGMENTS,
        "shared": layout.SHARED_SEGMENTS,
        "masks": layout.REGION_MASK,
        "part_values": layout.PART_SEGMENTS,
        "values": layout.TILE_SEGMENTS,
        "shared_values": layout.TILE_SHARED_SEGMENTS,
    },
    makes={
        "classes": layout.SEGMENT_CLASSES,
        "labels": layout.LABELS,
        "confidence": layout.CONFIDENCE,
        "probabilities": layout.PROBABILITIES,
    },
    params=params,
    cost=cost,
    leaves_gap=True,
    max_threads=8,
)
