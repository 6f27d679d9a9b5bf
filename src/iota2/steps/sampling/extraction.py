"""Step: feature values of the selected pixels of one strip of a tile."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Key, Step
from iota2.core.grid import part_rows
from iota2.core.losses import without_features
from iota2.core.tables import COLUMN, ROW
from iota2.io.series.scene_file import read_feature_scene
from iota2.io.tables.pixel_features import PixelFeatures, write_pixel_features
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.samples import read_columns
from iota2.steps.blocks import IMAGE_THREADS
from iota2.steps.pixels import features_at

log = logging.getLogger(__name__)


def run(job: JobContext) -> None:
    """Compute the features of the strip's selected pixels, each once, and write them by model and seed."""
    scene, recipe = read_feature_scene(job.inp), read_recipe(job.inp.recipe)
    strip = part_rows(job.key.part, scene.geobox.shape[0])
    pixels = {key: read_columns(path, [ROW, COLUMN], np.int64) for key, path in job.inp.each("selections")}
    positions = {key: np.flatnonzero((at[:, 0] >= strip[0]) & (at[:, 0] < strip[1])) for key, at in pixels.items()}
    places, numbers = _distinct({key: at[positions[key]] for key, at in pixels.items()})
    values, clear = features_at(scene, recipe, places[:, 0], places[:, 1], job.use, strip=strip)
    for key, path in job.out.each("features"):
        at = numbers[key]
        if unclear := np.count_nonzero(~clear[at]):
            where = f"region {key.model}, seed {key.seed}"
            log.warning("%s: %d selected pixels %s and are left out", where, unclear, without_features(recipe))
        write_pixel_features(PixelFeatures(positions[key], values[at], clear[at]), path)


def _distinct(pixels: Mapping[Key, np.ndarray]) -> tuple[np.ndarray, dict[Key, np.ndarray]]:
    """Distinct pixels (pixel, 2) of all selections, in scan order, and the number of each selected pixel in them."""
    places, numbers = np.unique(np.concatenate([*pixels.values()]), axis=0, return_inverse=True)
    borders = np.cumsum([len(at) for at in pixels.values()])[:-1]
    return places, dict(zip(pixels, np.split(numbers.ravel(), borders), strict=True))


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the features of the part are in memory together with the blocks."""
    run = facts.run
    # Samples of a part with many of them: twice the mean is assumed.
    share = facts.pixels / max(1, run.all_pixels)
    sample_bytes = 4 * run.features
    seconds = facts.pixels * (READING_SECONDS * facts.layers + run.feature_seconds)
    return Cost(
        memory=facts.allowed + int(run.samples * min(1.0, 2 * share) * sample_bytes),
        seconds=SECONDS_PER_JOB + seconds,
        disk=run.samples * share * sample_bytes,
    )


STEP = Step(
    name="samplesExtraction",
    group="sampling",
    about="Compute the features of the selected pixels.",
    task="extraction_{tile}_part_{part}",
    run=run,
    over=("tile", "part"),
    needs={
        **layout.FEATURE_IMAGES,
        "recipe": layout.RECIPE,
        "selections": layout.TILE_SELECTION,
    },
    makes={"features": layout.PART_FEATURES},
    version=3,
    cost=cost,
    max_threads=IMAGE_THREADS,
)
