"""Step: classification of one strip of a tile by all models of the tile, in one pass."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace

from iota2 import layout
from iota2.config.learner import learned_features, learned_samples
from iota2.config.options.schema import Config
from iota2.core.cost import COMPONENT_SECONDS, READING_SECONDS, Cost, Facts, JobFacts
from iota2.core.graph import JobContext, Resources, Step, only_for, optional
from iota2.core.grid import block_of, padded, part_rows
from iota2.io.rasters.files import RasterReader
from iota2.io.series.scene_file import read_feature_scene
from iota2.io.tables.classes import read_classes
from iota2.steps.blocks import IMAGE_THREADS, fitting_threads, halo_factor, prediction_shapes
from iota2.steps.map_writers import open_maps
from iota2.steps.pixels import feature_blocks
from iota2.steps.region_blocks import (
    fitting_shapes,
    mask_count,
    open_region_blocks,
    predictions_in_memory,
    region_shapes,
)
from iota2.steps.tile_models import RegionFusion, read_tile_models

log = logging.getLogger(__name__)

FUSION_SECONDS = 0.004e-6
"""Seconds per pixel, class and model to combine predictions, measured by ``make bench``."""


def params(config: Config) -> RegionFusion:
    """Options of the fusion, as far as they have an effect."""
    given = config.arg_classification
    if layout.with_sar_fusion(config):
        return RegionFusion("mean") if given.fusion.method == "mean" else RegionFusion(measure=given.fusion.measure)
    if not layout.with_submodels(config):
        return RegionFusion()
    undecided = given.no_label_management if given.fusion.method != "mean" else None
    return RegionFusion(given.fusion.method, given.fusion.measure, undecided)


def run(job: JobContext[RegionFusion]) -> None:
    """Compute features block by block, classify the pixels of each region by its models, and combine their results."""
    scene, classes = read_feature_scene(job.inp), read_classes(job.inp.classes)
    models = read_tile_models(job.inp, classes, job.params)
    recipe = models.recipe
    rows = part_rows(job.key.part, scene.geobox.shape[0])
    strip = block_of(scene.tile, scene.geobox, rows, (0, scene.geobox.shape[1]))
    count, halo = len(classes.codes), models.halo
    use = fitting_threads(job.use, lambda use: region_shapes(job.inp, scene, recipe, count, use, halo=halo))
    shapes = fitting_shapes(job.inp, scene, recipe, count, use, halo=halo)
    with ExitStack() as stack:
        regions = open_region_blocks(job.inp, scene.geobox, shapes.computed, stack)
        maps = open_maps(job.out, strip.geobox, classes, stack)
        segments = stack.enter_context(RasterReader(job.inp.segments)) if "segments" in job.inp else None
        order = shapes.in_order(scene.tile, scene.geobox, rows)
        for block, features, areas in feature_blocks(
            scene, recipe, order, regions.inside, threads=use.threads, margin=models.halo
        ):
            around = padded(block, models.halo, scene.geobox).geobox
            known = features if segments is None else replace(features, segments=segments.read(around))
            for result in models.results(known, areas, use.threads):
                maps.write(block, result)
            del features, known  # so that only one block of features is in memory


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: features are computed once, and each model classifies the area of its region.

    With blending, pixels near borders are predicted by several models: half as many again is assumed.
    """
    run, runs = facts.run, config.arg_train.runs
    models, around = facts.models * runs, halo_factor(config.arg_train.context_halo)
    maps = models + _fused_maps(config, facts) * runs
    probabilities = 2 * run.class_count if layout.with_probabilities(config) else 0
    before, classes = run.samples / runs, run.class_count * run.model_count
    samples = learned_samples(config.arg_train, before, classes)
    features = learned_features(config.dim_red, run.recipe)
    prediction_seconds = config.learner.untrained().pixel_seconds(samples, features, run.class_count)
    if config.dim_red.dim_red:
        prediction_seconds += COMPONENT_SECONDS * run.features * config.dim_red.target_dimension
    if layout.with_context(config):
        prediction_seconds *= 1 + around * (config.arg_train.passes - 1)
    predictions = models / facts.regions * (1.5 if layout.with_boundary_fusion(config) else 1.0)
    fusions = FUSION_SECONDS * run.class_count * predictions * (maps > models)
    seconds = READING_SECONDS * facts.layers + run.feature_seconds * around
    seconds += prediction_seconds * predictions + fusions
    return facts.raster_cost((run.label_bytes + 4 + probabilities) * maps, seconds)


def _fused_maps(config: Config, facts: JobFacts) -> int:
    """Number of maps of a run that combine models: one for each region, and one of the tile."""
    fused = layout.with_submodels(config) or layout.with_sar_fusion(config)
    return (facts.regions if fused else 0) + layout.with_boundary_fusion(config)


def block_shape(config: Config, facts: Facts, tile: str, use: Resources) -> tuple[int, int]:
    """Rows and columns of the blocks that are classified at once."""
    names = facts.regions[tile]
    together = facts.sources * max((facts.submodels.get(name, 1) for name in names), default=1)
    blended = layout.with_boundary_fusion(config)
    predictions = predictions_in_memory(together, blended)
    masks = mask_count(len(names), blended)
    return prediction_shapes(
        facts.scenes[tile],
        facts.recipe,
        use,
        facts.class_count,
        regions=masks,
        predictions=predictions,
        halo=config.arg_train.context_halo,
    ).computed


STEP = Step(
    name="classification",
    group="classification",
    about="Classify every pixel.",
    task="classification_{tile}_part_{part}",
    run=run,
    over=("tile", "part"),
    needs={
        **layout.FEATURE_IMAGES,
        "classes": layout.CODES,
        "models": layout.MODEL,
        "masks": layout.REGION_MASK,
        "segments": optional(layout.SUPERPIXELS),
        "weights": optional(layout.REGION_WEIGHTS),
        "confusions": optional(layout.LEARNED_CONFUSION, layout.VALIDATED_CONFUSION),
        "recipe": only_for(layout.PART_DS_LABELS, layout.RECIPE),
    },
    makes={
        "labels": layout.PART_LABELS,
        "confidence": layout.PART_CONFIDENCE,
        "probabilities": layout.PART_PROBABILITIES,
        "fused_labels": layout.PART_FUSED_LABELS,
        "fused_confidence": layout.PART_FUSED_CONFIDENCE,
        "fused_probabilities": layout.PART_FUSED_PROBABILITIES,
        "ds_labels": layout.PART_DS_LABELS,
        "ds_confidence": layout.PART_DS_CONFIDENCE,
        "ds_probabilities": layout.PART_DS_PROBABILITIES,
        "ds_choice": layout.PART_DS_CHOICE,
        "blended_labels": layout.PART_BLENDED_LABELS,
        "blended_confidence": layout.PART_BLENDED_CONFIDENCE,
        "blended_probabilities": layout.PART_BLENDED_PROBABILITIES,
    },
    params=params,
    version=2,
    cost=cost,
    block_shape=block_shape,
    leaves_gap=True,
    max_threads=IMAGE_THREADS,
)
