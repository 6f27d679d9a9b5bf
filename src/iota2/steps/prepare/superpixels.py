"""Step: superpixels of one tile, from principal components of its features."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.classifiers.transforms import Components
from iota2.compute.superpixels import BAND_BYTES, SUPERPIXEL_BYTES, SlicOptions, block_with_halo, on_cells, superpixels
from iota2.config.options.schema import Config
from iota2.config.options.train import SUPERPIXELS
from iota2.core.cost import COMPONENT_SECONDS, READING_SECONDS, Cost, JobFacts
from iota2.core.graph import JobContext, Resources, Step
from iota2.core.grid import Block, block_of, blocks
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.io.series.scene_file import read_feature_scene
from iota2.io.tables.recipes import read_recipe
from iota2.steps.blocks import IMAGE_THREADS, feature_shapes, fitting_threads
from iota2.steps.pixels import feature_blocks
from iota2.steps.superpixel_image import COMPONENTS, without_nan

_COMPONENT_BYTES = 4 * COMPONENTS
"""Bytes of the components of a pixel."""
_PIXEL_BYTES = SUPERPIXEL_BYTES + COMPONENTS * (BAND_BYTES + 12)
"""Bytes of memory of a pixel of a block with its halo."""
_LEAST_ROWS = 64
"""Smallest number of rows and columns of a block of superpixels."""
SUPERPIXEL_SECONDS = 0.35e-6
"""Seconds per pixel of a block with its halo to compute superpixels, measured by ``make bench``."""


@dataclass(frozen=True)
class SuperpixelParams:
    """Size and shape of superpixels."""

    options: SlicOptions

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {
            "obia.segment_size": self.options.cell,
            "obia.compactness": self.options.compactness,
            "assignments of pixels to superpixels": self.options.iterations,
        }


def params(config: Config) -> SuperpixelParams:
    """The built-in size and shape."""
    return SuperpixelParams(SUPERPIXELS)


def run(job: JobContext[SuperpixelParams]) -> None:
    """Write the components of all pixels to a scratch file, then the superpixels block by block.

    Cells are the same for all tiles with the same pixel grid: the image is enlarged at the top and left to whole cells,
    and the added pixels are not clear.
    """
    scene, recipe, options = read_feature_scene(job.inp), read_recipe(job.inp.recipe), job.params.options
    components = Components.load(job.inp.components)
    grid = on_cells(scene.geobox, options.cell)
    above, left = (int(a) - int(b) for a, b in zip(grid.shape, scene.geobox.shape, strict=True))
    profile = RasterProfile(scene.geobox, "uint32", nodata=0)
    with tempfile.TemporaryFile() as scratch, RasterWriter(job.out.raster, profile) as out:
        image = np.memmap(scratch, np.float32, "w+", shape=(COMPONENTS, *grid.shape))
        clear = np.zeros(grid.shape, bool)
        _write_components(scene, recipe, job.use, components, (image[:, above:, left:], clear[above:, left:]))
        for block in blocks(scene.tile, scene.geobox, _shape(job.use, options)):
            on_grid = _moved(block, above, left, grid)
            around = block_with_halo(on_grid, options, grid)
            place = np.s_[around.rows[0] : around.rows[1], around.cols[0] : around.cols[1]]
            origin = around.rows[0], around.cols[0]
            found = superpixels(image[:, *place], clear[place], options, origin=origin, width=grid.shape[1])
            out.write(block, around.cut(found, on_grid))


def _moved(block: Block, down: int, right: int, grid: GeoBox) -> Block:
    """The block ``down`` rows and ``right`` columns further, on another grid."""
    rows, cols = ((first + by, last + by) for (first, last), by in ((block.rows, down), (block.cols, right)))
    return block_of(block.tile, grid, rows, cols)


def _write_components(
    scene: Scene,
    recipe: FeatureRecipe,
    use: Resources,
    components: Components,
    out: tuple[np.ndarray, np.ndarray],
) -> None:
    """Write components (component, y, x) and clear pixels (y, x) of the tile to ``out``."""
    image, clear = out
    use = fitting_threads(use, lambda given: feature_shapes(scene, recipe, given))
    shapes = feature_shapes(scene, recipe, use)

    def parts(whole: Block) -> list[tuple[Block, None]]:
        return [(one, None) for one in blocks(scene.tile, scene.geobox, shapes.computed, whole.rows, whole.cols)]

    order = shapes.in_order(scene.tile, scene.geobox)
    for block, features, _ in feature_blocks(scene, recipe, order, parts, threads=use.threads):
        place = np.s_[..., block.rows[0] : block.rows[1], block.cols[0] : block.cols[1]]
        values = without_nan(features.values.reshape(len(features.values), -1))
        found = np.zeros((COMPONENTS, values.shape[1]), np.float32)
        found[: components.n_outputs] = components.apply(values.T).T
        image[place] = found.reshape(COMPONENTS, *block.shape)
        clear[place] = features.n_valid > 0
        del features  # so that only one block of features is in memory


def _shape(use: Resources, options: SlicOptions) -> tuple[int, int]:
    """Rows and columns of the blocks of superpixels, so that a block with its halo fits the memory."""
    side = max(_LEAST_ROWS, int(np.sqrt(use.memory / _PIXEL_BYTES)) - _halo(options), _halo(options) // 2)
    return use.block_shape or (side, side)


def _halo(options: SlicOptions) -> int:
    """Rows, and columns, that a block is enlarged by, on both sides together."""
    return 2 * (options.halo_cells + 1) * options.cell


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job for superpixels of the built-in size."""
    return slic_cost(SUPERPIXELS, facts)


def slic_cost(options: SlicOptions, facts: JobFacts) -> Cost:
    """Cost of a job: all features of the tile are computed once; their components are in a scratch file."""
    features = facts.run.features
    side = _shape(Resources(memory=facts.allowed), options)[0]
    around = (side + _halo(options)) ** 2
    seconds = READING_SECONDS * facts.layers + facts.run.feature_seconds + SUPERPIXEL_SECONDS * around / side**2
    usual = facts.raster_cost(4, seconds + COMPONENT_SECONDS * features * COMPONENTS)
    block = min(facts.pixels, around) * _PIXEL_BYTES
    memory = max(usual.memory, block) + facts.pixels  # whether each pixel has a clear date
    return replace(usual, memory=memory, uncompressed=usual.uncompressed + float(facts.pixels * _COMPONENT_BYTES))


STEP = Step(
    name="superpixels",
    group="init",
    about="Compute the superpixels of each tile (with `enable_autocontext`).",
    task="superpixels_{tile}",
    run=run,
    over=("tile",),
    needs={**layout.FEATURE_IMAGES, "recipe": layout.RECIPE, "components": layout.SUPERPIXEL_COMPONENTS},
    makes={"raster": layout.SUPERPIXELS},
    when=layout.with_superpixels,
    params=params,
    cost=cost,
    max_threads=IMAGE_THREADS,
)
