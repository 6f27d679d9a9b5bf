"""Step: feature values of the selected pixels of one tile."""

from __future__ import annotations

import logging

import geopandas as gpd
import numpy as np
import pandas as pd

from iota2 import layout
from iota2.compute.features import feature_block
from iota2.core.graph import JobContext, Resources, Step
from iota2.core.grid import blocks
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.core.tables import COLUMN, LEARN, REGION, ROW, sample_columns, seed_column, seed_columns
from iota2.io.cubes import CubeReader, recipe_bands
from iota2.io.recipes import read_recipe
from iota2.io.scenes import read_scene
from iota2.io.vectors import read_sqlite, write_samples
from iota2.steps.blocks import feature_shape

log = logging.getLogger(__name__)


def run(job: JobContext) -> None:
    """Compute features block by block where pixels are selected and write them by model and seed."""
    scene, recipe = read_scene(job.inp.scene), read_recipe(job.inp.recipe)
    selection = read_sqlite(job.inp.selection)
    values, clear = extract(scene, recipe, selection[ROW].to_numpy(), selection[COLUMN].to_numpy(), job.use)
    if not clear.all():
        log.warning("%d selected pixels have no clear date and are left out", np.count_nonzero(~clear))
    sides = seed_columns(selection.columns)
    for (region, seed), path in job.out.all("samples").items():
        rows = (selection[REGION] == region) & (selection[seed_column(int(seed))] == LEARN) & clear
        attributes = selection[rows].drop(columns=[*sides, ROW, COLUMN])
        features = pd.DataFrame(values[rows.to_numpy()], columns=sample_columns(recipe), index=attributes.index)
        write_samples(gpd.GeoDataFrame(pd.concat([attributes, features], axis=1)), path)


def extract(
    scene: Scene, recipe: FeatureRecipe, rows: np.ndarray, cols: np.ndarray, use: Resources
) -> tuple[np.ndarray, np.ndarray]:
    """Features (pixel, feature) float32 at the given pixels, and whether each has a clear date.

    Only blocks with pixels are read. No pixels give an empty array.
    """
    values = np.zeros((len(rows), len(recipe.names)), np.float32)
    clear = np.zeros(len(rows), bool)
    if not len(rows):
        return values, clear
    with CubeReader(scene, recipe_bands(recipe)) as reader:
        for block in blocks(scene.tile, scene.geobox, feature_shape(scene, recipe, use)):
            (top, bottom), (left, right) = block.rows, block.cols
            inside = np.flatnonzero((rows >= top) & (rows < bottom) & (cols >= left) & (cols < right))
            if not len(inside):
                continue
            features = feature_block(reader.read(block), recipe)
            at = rows[inside] - top, cols[inside] - left
            values[inside] = features.values[:, at[0], at[1]].T
            clear[inside] = features.n_valid[at] > 0
    return values, clear


STEP = Step(
    name="samplesExtraction",
    group="sampling",
    about="Compute the features of the selected pixels.",
    task="extraction_{tile}",
    run=run,
    over=("tile",),
    needs={
        "scene": layout.SCENE,
        "listing": layout.LISTING,
        "recipe": layout.RECIPE,
        "selection": layout.TILE_SELECTION_MERGE,
    },
    makes={"samples": layout.TILE_SAMPLES},
)
