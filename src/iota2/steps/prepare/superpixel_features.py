"""Step: features of pixels of one tile, to which the components of superpixels are fitted."""

from __future__ import annotations

import numpy as np

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.io.series.scene_file import read_feature_scene
from iota2.io.tables.pixel_features import PixelFeatures, write_pixel_features
from iota2.io.tables.recipes import read_recipe
from iota2.steps.blocks import IMAGE_THREADS
from iota2.steps.pixels import features_at
from iota2.steps.superpixel_image import PIXELS_PER_TILE, fitted_places


def run(job: JobContext) -> None:
    """Compute the features of the pixels of windows on a regular grid."""
    scene, recipe = read_feature_scene(job.inp), read_recipe(job.inp.recipe)
    rows, cols = np.meshgrid(*(fitted_places(size) for size in scene.geobox.shape), indexing="ij")
    values, clear = features_at(scene, recipe, rows.ravel(), cols.ravel(), job.use)
    write_pixel_features(PixelFeatures(np.arange(len(values)), values, clear), job.out.pixels)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the blocks with windows are read, but not computed."""
    size = 4.0 * PIXELS_PER_TILE * facts.run.features
    seconds = facts.pixels * READING_SECONDS * facts.layers + PIXELS_PER_TILE * facts.run.feature_seconds
    return Cost(facts.allowed + int(2 * size), SECONDS_PER_JOB + seconds, size)


STEP = Step(
    name="superpixelFeatures",
    group="init",
    about="Compute features of some pixels of each tile (with `enable_autocontext`).",
    task="superpixel_features_{tile}",
    run=run,
    over=("tile",),
    needs={**layout.FEATURE_IMAGES, "recipe": layout.RECIPE},
    makes={"pixels": layout.SUPERPIXEL_FEATURES},
    when=layout.with_superpixels,
    cost=cost,
    max_threads=IMAGE_THREADS,
)
