"""Blocks of a tile that contain pixels of regions, and the memory of what is applied to them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.classifiers.models import model_bytes
from iota2.compute.block_shapes import MIN_SHAPE, BlockShapes
from iota2.compute.region_weights import WEIGHT_SCALE
from iota2.core.graph import Paths, Resources
from iota2.core.grid import Block, blocks
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.errors import ConfigError
from iota2.io.rasters.files import RasterReader
from iota2.steps.blocks import prediction_shapes
from iota2.steps.tile_models import Area

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RegionBlocks:
    """Selection of the blocks that contain pixels of a region."""

    masks: Mapping[str, RasterReader]
    """Areas of the regions, by name."""
    weights: Mapping[str, RasterReader]
    """Weights of the regions near borders, by name; empty without blending."""
    geobox: GeoBox
    """Grid of the tile."""
    shape: tuple[int, int]
    """Rows and columns of the blocks that are classified at once."""

    def inside(self, whole: Block) -> list[tuple[Block, dict[str, Area]]]:
        """Blocks inside ``whole`` that contain pixels of a region, each with the areas of all regions."""
        found = []
        own = {region: mask.read(whole.geobox) > 0 for region, mask in self.masks.items()}
        weights = {region: weight.read(whole.geobox) for region, weight in self.weights.items()}
        for block in blocks(whole.tile, self.geobox, self.shape, whole.rows, whole.cols):
            areas = {
                region: Area(
                    whole.cut(mask, block),
                    whole.cut(weights[region], block) / np.float32(WEIGHT_SCALE) if weights else None,
                )
                for region, mask in own.items()
            }
            if any(area.own.any() for area in areas.values()):
                found.append((block, areas))
        return found


def open_region_blocks(inp: Paths, geobox: GeoBox, shape: tuple[int, int], stack: ExitStack) -> RegionBlocks:
    """The blocks of the regions of a job, with open rasters, which ``stack`` closes."""
    masks = {key.region: stack.enter_context(RasterReader(path)) for key, path in inp.each("masks")}
    blended = inp.each("weights") if "weights" in inp else ()
    weights = {key.region: stack.enter_context(RasterReader(path)) for key, path in blended}
    return RegionBlocks(masks, weights, geobox, shape)


def region_shapes(
    inp: Paths, scene: Scene, recipe: FeatureRecipe, outputs: int, use: Resources, *, halo: int = 0
) -> BlockShapes:
    """Rows and columns of blocks that fit ``use`` together with the models; ConfigError if none fits.

    ``outputs``: number of results of a pixel: probabilities of classes, or a value and its width. ``halo``: pixels
    around a block on which predictions depend.
    """
    blended = "weights" in inp
    of_region = Counter((key.region, key.seed) for key in inp.all("models"))
    return prediction_shapes(
        scene,
        recipe,
        use,
        outputs,
        regions=mask_count(len(inp.all("masks")), blended),
        model_bytes=_bytes_of_models(inp),
        predictions=predictions_in_memory(max(of_region.values()), blended),
        halo=halo,
    )


def fitting_shapes(
    inp: Paths, scene: Scene, recipe: FeatureRecipe, outputs: int, use: Resources, *, halo: int = 0
) -> BlockShapes:
    """``region_shapes``; the smallest shape, with a warning in the log, if none fits."""
    try:
        return region_shapes(inp, scene, recipe, outputs, use, halo=halo)
    except ConfigError:
        log.warning(
            "%d models take %d MB, more than the %d MB of a job. Increase the memory of jobs: iota2 run --memory",
            len(inp.all("models")),
            _bytes_of_models(inp) >> 20,
            use.memory >> 20,
        )
        return BlockShapes(MIN_SHAPE, MIN_SHAPE, MIN_SHAPE)


def mask_count(regions: int, blended: bool) -> int:
    """Number of masks of regions in memory; the weights of a region, of two bytes, count as two."""
    return regions * (1 + 2 * blended)


def predictions_in_memory(models: int, blended: bool) -> int:
    """Number of predictions that are in memory at once, for the ``models`` of a region and their fusions."""
    return (1 if models == 1 else 2 * models + 2) + (3 if blended else 0)


def _bytes_of_models(inp: Paths) -> int:
    """Memory of all models."""
    return sum(map(model_bytes, inp.all("models").values()))
