"""Step: values of a quantity in one strip of a tile, by all models of the tile, in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from iota2 import layout
from iota2.classifiers.base import Model
from iota2.classifiers.models import load_model
from iota2.compute.predict import Estimates
from iota2.compute.value_blending import ValueBlend
from iota2.config.learner import learned_features
from iota2.config.options.schema import Config
from iota2.core.cost import COMPONENT_SECONDS, READING_SECONDS, Cost, Facts, JobFacts
from iota2.core.cube import FeatureBlock
from iota2.core.graph import JobContext, Key, Paths, Resources, Step, optional
from iota2.core.grid import block_of, part_rows
from iota2.core.target import Quantity
from iota2.errors import InputError
from iota2.io.rasters.files import RasterWriter
from iota2.io.series.scene_file import read_feature_scene
from iota2.steps.blocks import IMAGE_THREADS, fitting_threads, prediction_shapes
from iota2.steps.pixels import feature_blocks
from iota2.steps.profiles import value_profile
from iota2.steps.region_blocks import (
    fitting_shapes,
    mask_count,
    open_region_blocks,
    predictions_in_memory,
    region_shapes,
)
from iota2.steps.tile_models import Area, common_recipe

LAYERS = 2
"""Results of a pixel: a value, and the width of its interval."""


@dataclass(frozen=True)
class PredictionParams:
    """Parameters of the prediction."""

    boundary_fusion: bool
    """Whether models are blended near borders of regions."""

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {"arg_classification.enable_boundary_fusion": self.boundary_fusion}


def params(config: Config) -> PredictionParams:
    """Parameters of the prediction from the configuration."""
    return PredictionParams(layout.with_boundary_fusion(config))


def run(job: JobContext[PredictionParams]) -> None:
    """Compute features block by block, and the values of each region by its model; blend them near borders."""
    scene, models = read_feature_scene(job.inp), _read_models(job.inp)
    recipe = common_recipe(models)
    rows = part_rows(job.key.part, scene.geobox.shape[0])
    strip = block_of(scene.tile, scene.geobox, rows, (0, scene.geobox.shape[1]))
    use = fitting_threads(job.use, lambda use: region_shapes(job.inp, scene, recipe, LAYERS, use))
    shapes = fitting_shapes(job.inp, scene, recipe, LAYERS, use)
    with ExitStack() as stack:
        regions = open_region_blocks(job.inp, scene.geobox, shapes.computed, stack)
        profile = value_profile(strip.geobox)
        writers = {key.seed: stack.enter_context(RasterWriter(path, profile)) for key, path in job.out.each("values")}
        order = shapes.in_order(scene.tile, scene.geobox, rows)
        for block, features, areas in feature_blocks(scene, recipe, order, regions.inside, threads=use.threads):
            for seed, found in _estimates(models, features, areas, use.threads).items():
                writers[seed].write(block, np.stack([found.values, found.widths]))
            del features  # so that only one block of features is in memory


def _read_models(inp: Paths) -> Mapping[Key, Model]:
    """The models of a tile, sorted by region; InputError for a model of classes."""
    models = {key: load_model(path) for key, path in sorted(inp.each("models"))}
    for key, model in models.items():
        if not isinstance(model.target, Quantity):
            raise InputError(f"{inp.at('models', **key.by_axis())}: predicts classes, not a quantity. Train it again.")
    return models


def _estimates(
    models: Mapping[Key, Model], features: FeatureBlock, areas: Mapping[str, Area], threads: int
) -> dict[int, Estimates]:
    """Values of a block by seed; NaN where no region has a value.

    Masks of regions may share border pixels: the value of the first region by name is then used.
    """
    blends: dict[int, ValueBlend] = {}
    taken: dict[int, np.ndarray] = {}
    for key, model in models.items():
        area = areas[key.region]
        found = model.estimate(features, area.used, threads=threads)
        blend = blends.setdefault(key.seed, ValueBlend(area.own.shape))
        if area.weights is not None:
            blend.add(found, area.weights)
            continue
        before = taken.setdefault(key.seed, np.zeros(area.own.shape, bool))
        blend.add(found, np.where(area.own & ~before, np.float32(1), np.float32(0)))
        before |= area.own & ~np.isnan(found.values)
    return {seed: blend.result() for seed, blend in blends.items()}


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: features are computed once, and each model predicts the area of its region.

    With blending, pixels near borders are predicted by several models: half as many again is assumed.
    """
    run, runs = facts.run, config.arg_train.runs
    features = learned_features(config.dim_red, run.recipe)
    seconds = config.learner.untrained().pixel_seconds(run.samples / runs, features, LAYERS)
    if config.dim_red.dim_red:
        seconds += COMPONENT_SECONDS * run.features * config.dim_red.target_dimension
    predictions = runs * (1.5 if layout.with_boundary_fusion(config) else 1.0)
    seconds = READING_SECONDS * facts.layers + run.feature_seconds + seconds * predictions
    return facts.raster_cost(4 * LAYERS * runs, seconds)


def block_shape(config: Config, facts: Facts, tile: str, use: Resources) -> tuple[int, int]:
    """Rows and columns of the blocks that are predicted at once."""
    blended = layout.with_boundary_fusion(config)
    return prediction_shapes(
        facts.scenes[tile],
        facts.recipe,
        use,
        LAYERS,
        regions=mask_count(len(facts.regions[tile]), blended),
        predictions=predictions_in_memory(1, blended),
    ).computed


STEP = Step(
    name="regression",
    group="classification",
    about="Compute the value of every pixel, and the width of its interval.",
    task="regression_{tile}_part_{part}",
    run=run,
    over=("tile", "part"),
    needs={
        **layout.FEATURE_IMAGES,
        "models": layout.MODEL,
        "masks": layout.REGION_MASK,
        "weights": optional(layout.REGION_WEIGHTS),
    },
    makes={"values": layout.PART_VALUES},
    params=params,
    cost=cost,
    block_shape=block_shape,
    leaves_gap=True,
    max_threads=IMAGE_THREADS,
)
