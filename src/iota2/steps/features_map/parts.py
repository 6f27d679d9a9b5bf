"""Step: features of one strip of a tile as a raster."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from iota2 import layout
from iota2.compute.feature_layers import exact_type, mark_missing
from iota2.config.feature_maps import band_bytes, band_count, map_params, raw_count
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, Facts, JobFacts
from iota2.core.cube import FeatureBlock
from iota2.core.feature_map import FeatureMap, recipe_of_tile, rows_in_map
from iota2.core.graph import JobContext, Resources, Step
from iota2.core.grid import Block, block_of, blocks, part_rows
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.io.rasters.files import RasterWriter
from iota2.io.series.scene_file import read_feature_scene
from iota2.steps.blocks import IMAGE_THREADS, feature_shapes, fitting_threads
from iota2.steps.map_layers import map_profile, read_map
from iota2.steps.pixels import several_feature_blocks

WRITING_SECONDS = 0.04e-6
"""Seconds to write and compress one value of a raster of features, measured by ``make bench``."""


def run(job: JobContext) -> None:
    """Compute all features block by block and write them."""
    scene, layers = read_feature_scene(job.inp), read_map(job.inp.bands)
    rows = part_rows(job.key.part, scene.geobox.shape[0])
    strip = block_of(scene.tile, scene.geobox, rows, (0, scene.geobox.shape[1]))
    with RasterWriter(job.out.features, map_profile(strip.geobox, layers)) as writer:
        for block, values in _map_blocks(scene, layers, rows, job.use):
            writer.write(block, values)


def _map_blocks(
    scene: Scene, layers: FeatureMap, rows: tuple[int, int], use: Resources
) -> Iterator[tuple[Block, np.ndarray]]:
    """Yield the blocks of some rows of a tile with their values (band, y, x) in the data type of the map."""
    dates = {sensor.spec.name: sensor.keys for sensor in scene.sensors}
    recipes = [recipe_of_tile(recipe, dates) for recipe in layers.recipes]
    if not recipes[0].sensors:
        return  # pixels that are not written have no data
    places = list(_places(layers, recipes))
    further = len(layers.bands) - len(layers.recipes[0].names)
    extra = _extra_bytes(len(layers.bands))
    shapes_for = partial(feature_shapes, scene, recipes[0], extra_bytes=extra, further_features=further)
    use = fitting_threads(use, shapes_for)
    shapes = shapes_for(use)

    def inside(whole: Block) -> list[tuple[Block, None]]:
        inner = blocks(whole.tile, scene.geobox, shapes.computed, whole.rows, whole.cols)
        return [(block, None) for block in inner]

    order = shapes.in_order(scene.tile, scene.geobox, rows)
    for block, found, _ in several_feature_blocks(scene, recipes, order, inside, threads=use.threads):
        yield block, _values(found, recipes, places, layers)
        del found  # so that only one block of features is in memory


def _places(layers: FeatureMap, recipes: list[FeatureRecipe]) -> Iterator[np.ndarray]:
    """Bands of the features of each recipe of a tile."""
    first = 0
    for whole, of_tile in zip(layers.recipes, recipes, strict=True):
        yield first + np.array(rows_in_map(whole, of_tile), np.int64)
        first += len(whole.features)


def _values(
    found: list[FeatureBlock], recipes: list[FeatureRecipe], places: list[np.ndarray], layers: FeatureMap
) -> np.ndarray:
    """(band, y, x): all bands of a block; ``nodata`` without data, and for dates that the tile lacks."""
    count, (rows, cols) = len(layers.bands), found[0].n_valid.shape
    for features, recipe in zip(found, recipes, strict=True):
        mark_missing(features, recipe, layers.nodata)
    whole = len(found) == 1 and len(places[0]) == count
    values = found[0].values if whole else np.full((count, rows, cols), layers.nodata, np.float32)
    if not whole:
        for features, place in zip(found, places, strict=True):
            values[place] = features.values
    return exact_type(values, layers.dtype, layers.names)


def _extra_bytes(bands: int) -> int:
    """Bytes per pixel of a block while the values of its bands are converted and written."""
    return 3 * 4 * bands


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: all bands are read, computed and written."""
    run, given = facts.run, map_params(config)
    bands = band_count(run.recipe, given, run.dates)
    seconds = READING_SECONDS * facts.layers + run.feature_seconds + WRITING_SECONDS * bands
    return facts.raster_cost(bands * band_bytes(run.recipe, given, run.scenes), seconds)


def block_shape(config: Config, facts: Facts, tile: str, use: Resources) -> tuple[int, int]:
    """Rows and columns of the blocks whose features are computed at once."""
    given = map_params(config)
    extra = _extra_bytes(band_count(facts.recipe, given, facts.dates))
    further = raw_count(facts.recipe, given, facts.dates)
    found = feature_shapes(facts.scenes[tile], facts.recipe, use, extra_bytes=extra, further_features=further)
    return found.computed


STEP = Step(
    name="featuresMap",
    group="features",
    about="Compute the features of every pixel.",
    task="features_{tile}_part_{part}",
    run=run,
    over=("tile", "part"),
    needs={**layout.FEATURE_IMAGES, "bands": layout.MAP_BANDS},
    makes={"features": layout.PART_MAP},
    version=2,
    cost=cost,
    block_shape=block_shape,
    leaves_gap=True,
    max_threads=IMAGE_THREADS,
)
