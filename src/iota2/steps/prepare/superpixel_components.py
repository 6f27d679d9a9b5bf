"""Step: principal components of the features from which superpixels are computed, the same for all tiles."""

from __future__ import annotations

import numpy as np

from iota2 import layout
from iota2.classifiers.transforms import Components
from iota2.compute.components import SAMPLES_PER_BATCH
from iota2.config.options.schema import Config
from iota2.core.cost import COMPONENT_SECONDS, SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.io.files.atomic import replacing_folder
from iota2.io.tables.pixel_features import read_clear_pixels
from iota2.io.tables.recipes import read_recipe
from iota2.steps.superpixel_image import COMPONENTS, PIXELS_PER_TILE, scaled_components, without_nan

_GROUP = "all"
"""Name of the only group of features."""


def run(job: JobContext) -> None:
    """Fit the components to the pixels of all tiles."""
    names = read_recipe(job.inp.recipe).names
    x = np.concatenate([read_clear_pixels([path], len(names)) for _, path in job.inp.each("pixels")])
    with replacing_folder(job.out.components) as folder:
        Components((_GROUP,), scaled_components(without_nan(x))).save(folder)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the features of the pixels of all tiles are in memory twice, and a batch in double precision."""
    features = facts.run.features
    values = PIXELS_PER_TILE * len(facts.run.scenes) * features
    disk = 8.0 * features * (COMPONENTS + 3)
    batch = 3 * 8 * SAMPLES_PER_BATCH * features
    return Cost((1 << 20) + 8 * values + batch, SECONDS_PER_JOB + values * features * COMPONENT_SECONDS, disk)


STEP = Step(
    name="superpixelComponents",
    group="init",
    about="Fit the principal components from which superpixels are computed (with `enable_autocontext`).",
    task="superpixel_components",
    run=run,
    over=(),
    needs={"recipe": layout.RECIPE, "pixels": layout.SUPERPIXEL_FEATURES},
    makes={"components": layout.SUPERPIXEL_COMPONENTS},
    when=layout.with_superpixels,
    cost=cost,
)
