"""Step: superpixels of one tile, from principal components of its features."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace

import numpy as np

from iota2 import layout
from iota2.compute.components import GroupComponents, fit_components
from iota2.compute.superpixels import BAND_BYTES, SUPERPIXEL_BYTES, SlicOptions, block_with_halo, superpixels
from iota2.config.options.schema import Config
from iota2.config.options.train import SUPERPIXELS
from iota2.core.cost import COMPONENT_SECONDS, FEATURE_SECONDS, READING_SECONDS, Cost, JobFacts
from iota2.core.graph import JobContext, Resources, Step
from iota2.core.grid import Block, blocks
from iota2.core.recipe import MISSING, FeatureRecipe
from iota2.core.scene import Scene
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.io.series.scene_file import read_shifted_scene
from iota2.io.tables.recipes import read_recipe
from iota2.steps.blocks import IMAGE_THREADS, feature_shapes, fitting_threads
from iota2.steps.pixels import feature_blocks, features_at

COMPONENTS = 3
"""Number of components."""
SAMPLE_SIDE, SAMPLE_WINDOWS = 8, 8
"""Rows and columns of the windows of pixels to which components are fitted, and their number along each axis."""
_COMPONENT_BYTES = 4 * COMPONENTS
"""Bytes of the components of a pixel."""
_LEAST_ROWS = 64
"""Smallest number of rows and columns of a block of superpixels."""
SUPERPIXEL_SECONDS = 1.0e-6
"""Seconds per pixel to compute superpixels, with the pixels around each block."""


@dataclass(frozen=True)
class SuperpixelParams:
    """Size and shape of superpixels."""

    options: SlicOptions


def params(config: Config) -> SuperpixelParams:
    """The built-in size and shape."""
    return SuperpixelParams(SUPERPIXELS)


def run(job: JobContext[SuperpixelParams]) -> None:
    """Write the components of all pixels to a scratch file, then the superpixels block by block."""
    scene, recipe, options = read_shifted_scene(job.inp), read_recipe(job.inp.recipe), job.params.options
    height, width = scene.geobox.shape
    components, scale = _fitted(scene, recipe, job.use)
    profile = RasterProfile(scene.geobox, "uint32", nodata=0)
    with tempfile.TemporaryFile() as scratch, RasterWriter(job.out.raster, profile) as out:
        image = np.memmap(scratch, np.float32, "w+", shape=(COMPONENTS, height, width))
        clear = np.zeros((height, width), bool)
        _write_components(scene, recipe, job.use, (components, scale), (image, clear))
        for block in blocks(scene.tile, scene.geobox, _shape(job.use, options)):
            around = block_with_halo(block, options, scene.geobox)
            place = np.s_[around.rows[0] : around.rows[1], around.cols[0] : around.cols[1]]
            origin = around.rows[0], around.cols[0]
            found = superpixels(image[:, *place], clear[place], options, origin=origin, width=width)
            out.write(block, around.cut(found, block))


def _fitted(scene: Scene, recipe: FeatureRecipe, use: Resources) -> tuple[GroupComponents, float]:
    """Components of pixels on a regular grid of small windows, and the standard deviation of all of them together."""
    rows, cols = _sample(scene.geobox.shape.y), _sample(scene.geobox.shape.x)
    grid = np.meshgrid(rows, cols, indexing="ij")
    values, clear = features_at(scene, recipe, grid[0].ravel(), grid[1].ravel(), use)
    x = _without_nan(values[clear])
    components = fit_components(x, np.zeros(len(recipe.names), np.int64), COMPONENTS)
    spread = float(np.sqrt(components.project(x).astype(np.float64).var(axis=0).sum())) if len(x) else 0.0
    return components, spread or 1.0


def _sample(size: int) -> np.ndarray:
    """Rows, or columns, of the sample: evenly spaced windows, or all if there are few."""
    starts = (np.arange(SAMPLE_WINDOWS) + 0.5) * size / SAMPLE_WINDOWS - SAMPLE_SIDE / 2
    found = np.unique(np.rint(starts).astype(np.int64)[:, None] + np.arange(SAMPLE_SIDE))
    return found[(found >= 0) & (found < size)]


def _without_nan(x: np.ndarray) -> np.ndarray:
    """Features of sensors without observation count as missing."""
    return np.where(np.isnan(x), np.float32(MISSING), x)


def _write_components(
    scene: Scene,
    recipe: FeatureRecipe,
    use: Resources,
    fitted: tuple[GroupComponents, float],
    out: tuple[np.ndarray, np.ndarray],
) -> None:
    """Write scaled components (component, y, x) and clear pixels (y, x) of the tile to ``out``."""
    (components, scale), (image, clear) = fitted, out
    use = fitting_threads(use, lambda given: feature_shapes(scene, recipe, given))
    shapes = feature_shapes(scene, recipe, use)

    def parts(whole: Block) -> list[tuple[Block, None]]:
        return [(one, None) for one in blocks(scene.tile, scene.geobox, shapes.computed, whole.rows, whole.cols)]

    order = shapes.in_order(scene.tile, scene.geobox)
    for block, features, _ in feature_blocks(scene, recipe, order, parts, threads=use.threads):
        place = np.s_[..., block.rows[0] : block.rows[1], block.cols[0] : block.cols[1]]
        values = _without_nan(features.values.reshape(len(features.values), -1))
        found = np.zeros((COMPONENTS, values.shape[1]), np.float32)
        found[: components.n_outputs] = components.project(values.T).T / np.float32(scale)
        image[place] = found.reshape(COMPONENTS, *block.shape)
        clear[place] = features.n_valid > 0
        del features  # so that only one block of features is in memory


def _shape(use: Resources, options: SlicOptions) -> tuple[int, int]:
    """Rows and columns of the blocks of superpixels, so that a block with its halo fits the memory."""
    halo = 2 * (options.halo_cells + 1) * options.cell
    pixel = SUPERPIXEL_BYTES + COMPONENTS * (BAND_BYTES + 12)
    side = max(_LEAST_ROWS, int(np.sqrt(use.memory / pixel)) - halo)
    return use.block_shape or (side, side)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: all features of the tile are computed once; their components are in a scratch file."""
    features = facts.run.features
    seconds = READING_SECONDS * facts.layers + FEATURE_SECONDS * features + SUPERPIXEL_SECONDS
    usual = facts.raster_cost(4, seconds + COMPONENT_SECONDS * features * COMPONENTS)
    memory = usual.memory + facts.pixels  # whether each pixel has a clear date
    return replace(usual, memory=memory, uncompressed=usual.uncompressed + float(facts.pixels * _COMPONENT_BYTES))


STEP = Step(
    name="superpixels",
    group="init",
    about="Compute the superpixels of each tile (with `enable_autocontext`).",
    task="superpixels_{tile}",
    run=run,
    over=("tile",),
    needs={**layout.IMAGES, "recipe": layout.RECIPE},
    makes={"raster": layout.SUPERPIXELS},
    when=layout.with_superpixels,
    params=params,
    cost=cost,
    max_threads=IMAGE_THREADS,
)
