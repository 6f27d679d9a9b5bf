"""Step: features of all pixels of the superpixels with selected pixels, in one strip of a tile."""

from __future__ import annotations

import numpy as np

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.config.options.train import SUPERPIXELS
from iota2.core.cost import READING_SECONDS, SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.grid import block_of, part_rows
from iota2.core.tables import COLUMN, ROW
from iota2.io.rasters.files import RasterReader
from iota2.io.series.scene_file import read_feature_scene
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.samples import read_columns
from iota2.io.tables.superpixel_samples import SuperpixelPixels, write_superpixels
from iota2.steps.blocks import IMAGE_THREADS
from iota2.steps.pixels import features_at


def run(job: JobContext) -> None:
    """Compute the features of the pixels, each once, and write them by model and seed."""
    scene, recipe = read_feature_scene(job.inp), read_recipe(job.inp.recipe)
    height, width = scene.geobox.shape
    strip = part_rows(job.key.part, height)
    first, last = max(0, strip[0] - SUPERPIXELS.extent), min(height, strip[1] + SUPERPIXELS.extent)
    with RasterReader(job.inp.segments) as reader:
        segments = reader.read(block_of(scene.tile, scene.geobox, (first, last), (0, width)).geobox)
    pixels = {key: read_columns(path, [ROW, COLUMN], np.int64) for key, path in job.inp.each("selections")}
    positions = {key: np.flatnonzero((at[:, 0] >= strip[0]) & (at[:, 0] < strip[1])) for key, at in pixels.items()}
    touched = {key: segments[at[positions[key], 0] - first, at[positions[key], 1]] for key, at in pixels.items()}
    wanted = np.unique(np.concatenate([*touched.values()]))
    rows, cols = np.nonzero(np.isin(segments, wanted[wanted > 0]))
    numbers = segments[rows, cols]
    values, _ = features_at(scene, recipe, rows + first, cols, job.use, strip=(first, last))
    for key, path in job.out.each("pixels"):
        own = np.isin(numbers, touched[key])
        found = (positions[key], touched[key].astype(np.int64), numbers[own].astype(np.int64), values[own])
        write_superpixels(SuperpixelPixels(*found), path)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the features of the pixels are in memory, at most ``cell``² for each sample on average."""
    run = facts.run
    share = facts.pixels / max(1, run.all_pixels)
    pixels = min(float(facts.pixels), run.samples * min(1.0, 2 * share) * SUPERPIXELS.cell**2)
    size = 2 * 4 * pixels * run.features
    seconds = facts.pixels * (READING_SECONDS * facts.layers + run.feature_seconds)
    memory = facts.allowed + int(size + 8 * facts.pixels)
    return Cost(memory, SECONDS_PER_JOB + seconds, size * config.arg_train.runs / 2)


STEP = Step(
    name="superpixelSamples",
    group="sampling",
    about="Compute the features of superpixels with selected pixels (with `enable_autocontext`).",
    task="superpixels_{tile}_part_{part}",
    run=run,
    over=("tile", "part"),
    needs={
        **layout.FEATURE_IMAGES,
        "recipe": layout.RECIPE,
        "selections": layout.TILE_SELECTION,
        "segments": layout.SUPERPIXELS,
    },
    makes={"pixels": layout.PART_SUPERPIXELS},
    when=layout.with_superpixels,
    cost=cost,
    max_threads=IMAGE_THREADS,
)
