"""Step: features of Python functions of the user that need the whole tile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from iota2 import layout
from iota2.compute.block_shapes import function_bytes
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, Facts, JobFacts
from iota2.core.cube import Cube
from iota2.core.graph import Finding, JobContext, Resources, Step
from iota2.core.grid import Block, block_of, blocks
from iota2.core.recipe import FeatureRecipe
from iota2.core.remarks import Remark
from iota2.core.scene import Scene
from iota2.core.words import counted
from iota2.errors import UserError
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.io.series.reader import series_reader
from iota2.io.series.scene_file import read_shifted_scene
from iota2.io.tables.recipes import read_recipe
from iota2.steps.blocks import COPY_SHAPE, IMAGE_THREADS, feature_shapes, fitting_threads
from iota2.steps.pixels import placed
from iota2.user_code.loading import UserCodeError
from iota2.user_code.tiles import whole_tile_features

REMEDIES = (
    "Read fewer series in these functions. If a function needs only pixels nearby, remove it from "
    "external_features.whole_tiles, and set python_data_managing.padding_size_x and padding_size_y to its reach"
)
"""What to do about functions that need too much memory."""


def run(job: JobContext) -> None:
    """Call each function once with the series of the tile, and write the features of all of them."""
    scene, recipe = read_shifted_scene(job.inp), read_recipe(job.inp.recipe)
    assert recipe.user is not None, "the recipe has functions of the user"
    names = recipe.user.of_whole_tiles
    (height, width), values = scene.geobox.shape, []
    with placed(block_of(scene.tile, scene.geobox, (0, height), (0, width))):
        for function in recipe.functions:
            if function.whole_tile:
                values += [*_features(scene, recipe.only_function(function.name), job.use)]
    profile = RasterProfile(scene.geobox, "float32", count=len(names), descriptions=names)
    with RasterWriter(job.out.raster, profile) as out:
        for block in blocks(scene.tile, scene.geobox, COPY_SHAPE):
            rows, cols = slice(*block.rows), slice(*block.cols)
            out.write(block, np.stack([band[rows, cols] for band in values]))


def _features(scene: Scene, alone: FeatureRecipe, use: Resources) -> np.ndarray:
    """(feature, y, x) float32: the features of the only function of a recipe."""
    (function,), shape = alone.functions, scene.geobox.shape
    try:
        return whole_tile_features(alone, (shape[0], shape[1]), _cubes(scene, alone, use))
    except (MemoryError, UserCodeError) as err:
        if isinstance(err, UserCodeError) and not isinstance(err.__cause__, MemoryError):
            raise
        needed = function_bytes(function) * shape[0] * shape[1] / 1e9
        raise UserError(
            f"tile {scene.tile}: the memory is not sufficient for {function.name}, which needs about {needed:.1f} GB. "
            f"{REMEDIES}{f'. {err}' if isinstance(err, UserCodeError) else ''}"
        ) from err


def _cubes(scene: Scene, recipe: FeatureRecipe, use: Resources) -> Iterator[tuple[Block, Mapping[str, Cube]]]:
    """The cubes of all blocks of the tile; none if it has no images of the sensors of the recipe."""
    if not {one.sensor for one in recipe.sensors}.intersection(one.spec.name for one in scene.sensors):
        return
    use = fitting_threads(use, lambda given: feature_shapes(scene, recipe, given))
    shapes = feature_shapes(scene, recipe, use)
    with series_reader(scene, recipe, threads=use.threads) as reader:
        for whole, decoded in reader.blocks(shapes.in_order(scene.tile, scene.geobox)):
            for block in blocks(scene.tile, scene.geobox, shapes.computed, whole.rows, whole.cols):
                yield block, decoded.cubes(block, recipe.halos)


def _pixel_bytes(recipe: FeatureRecipe) -> int:
    """Bytes per pixel of the tile: the features of all functions, and the largest call."""
    functions = [one for one in recipe.functions if one.whole_tile]
    labels = sum(len(one.labels) for one in functions)
    return 4 * labels + max((function_bytes(one) for one in functions), default=0)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the tile is read once for each function; all its pixels are in memory."""
    functions = [one for one in facts.run.recipe.functions if one.whole_tile]
    labels = sum(len(one.labels) for one in functions)
    seconds = READING_SECONDS * facts.layers * len(functions) + facts.run.whole_tile_seconds
    usual = facts.raster_cost(4 * labels, seconds)
    memory = usual.memory + facts.pixels * _pixel_bytes(facts.run.recipe)
    return Cost(memory, usual.seconds, usual.disk, usual.uncompressed)


def check(config: Config, facts: Facts) -> Iterator[Finding]:
    """A remark if the functions need more memory than a job should have."""
    allowed = config.task_retry_limits.maximum_ram
    tile = max(facts.pixels, key=lambda name: facts.pixels[name], default="")
    needed = facts.pixels[tile] * _pixel_bytes(facts.recipe) / 1e9 if tile else 0.0
    if needed > allowed:
        names = ", ".join(config.external_features.whole_tile_functions)
        text = (
            f"external_features.whole_tiles: {names} need about {needed:.0f} GB for the "
            f"{counted(facts.pixels[tile], 'pixel')} of tile {tile}, more than task_retry_limits.maximum_ram "
            f"({allowed:g} GB). {REMEDIES}"
        )
        yield Finding.about(Remark(text, "options", tile))


STEP = Step(
    name="wholeTileFeatures",
    group="init",
    about="Call the Python functions that need the whole tile (with `external_features.whole_tiles`).",
    task="whole_tile_features_{tile}",
    run=run,
    over=("tile",),
    needs={**layout.IMAGES, "recipe": layout.RECIPE},
    makes={"raster": layout.WHOLE_TILE_FEATURES},
    when=layout.with_whole_tile_functions,
    cost=cost,
    check=check,
    max_threads=IMAGE_THREADS,
)
