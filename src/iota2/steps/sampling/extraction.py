"""Step: feature values of the selected pixels of one tile."""

from __future__ import annotations

import logging

import numpy as np

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import (
    FEATURE_SECONDS,
    READING_SECONDS,
    SAMPLE_BYTES,
    SAMPLE_VALUE_BYTES,
    SECONDS_PER_JOB,
    Cost,
    JobFacts,
)
from iota2.core.graph import JobContext, Resources, Step
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.core.tables import COLUMN, LEARN, REGION, ROW, sample_columns, seed_column, seed_columns
from iota2.io.series.scene_file import read_shifted_scene
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.sample_tables import write_points
from iota2.io.tables.vectors import read_sqlite
from iota2.steps.blocks import feature_shapes
from iota2.steps.pixels import feature_pixels

BYTES_PER_POINT = 600
"""Memory per selected point with its attributes."""
log = logging.getLogger(__name__)


def run(job: JobContext) -> None:
    """Compute the features of the selected pixels and write them by model and seed."""
    scene, recipe = read_shifted_scene(job.inp), read_recipe(job.inp.recipe)
    selection = read_sqlite(job.inp.selection)
    values, clear = extract(scene, recipe, selection[ROW].to_numpy(), selection[COLUMN].to_numpy(), job.use)
    if not clear.all():
        log.warning("%d selected pixels have no clear date and are left out", np.count_nonzero(~clear))
    sides = seed_columns(selection.columns)
    for key, path in job.out.each("samples"):
        rows = (selection[REGION] == key.region) & (selection[seed_column(key.seed)] == LEARN) & clear
        points = selection[rows].drop(columns=[*sides, ROW, COLUMN])
        write_points(points, sample_columns(recipe), values, np.flatnonzero(rows), path)


def extract(
    scene: Scene, recipe: FeatureRecipe, rows: np.ndarray, cols: np.ndarray, use: Resources
) -> tuple[np.ndarray, np.ndarray]:
    """Features (pixel, feature) float32 at the given pixels, and whether each pixel has a clear date.

    Without pixels, the arrays are empty.
    """
    values = np.zeros((len(rows), len(recipe.names)), np.float32)
    clear = np.zeros(len(rows), bool)
    if not len(rows):
        return values, clear
    shapes = feature_shapes(scene, recipe, use)
    for at, features in feature_pixels(scene, recipe, shapes, rows, cols, threads=use.threads):
        values[at], clear[at] = features.values[:, 0].T, features.n_valid[0] > 0
    return values, clear


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the samples of the tile are in memory together with the blocks."""
    run, seeds = facts.run, config.arg_train.runs
    # Samples per seed of the largest tile: with several tiles, twice the mean is assumed.
    largest = run.samples / seeds * min(1.0, 2 / max(1, len(run.scenes)))
    seconds = facts.pixels * (READING_SECONDS * facts.layers + FEATURE_SECONDS * run.features)
    return Cost(
        memory=facts.allowed + int(largest * seeds * (4 * run.features + BYTES_PER_POINT)),
        seconds=SECONDS_PER_JOB + seconds,
        disk=run.samples * (SAMPLE_BYTES + SAMPLE_VALUE_BYTES * run.features) / len(run.scenes),
    )


STEP = Step(
    name="samplesExtraction",
    group="sampling",
    about="Compute the features of the selected pixels.",
    task="extraction_{tile}",
    run=run,
    over=("tile",),
    needs={
        **layout.IMAGES,
        "recipe": layout.RECIPE,
        "selection": layout.TILE_SELECTION_MERGE,
    },
    makes={"samples": layout.TILE_SAMPLES},
    version=2,
    cost=cost,
)
