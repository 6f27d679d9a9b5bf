"""The block shapes in which steps work, within a job's resources."""

from __future__ import annotations

from iota2.core.graph import Resources
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.io.cubes import block_shape

COPY_SHAPE = (1024, 2048)
"""Rows and columns of a block when a few rasters are copied or compared."""
MASK_ROWS = 256
"""Rows of a block when only masks are read: one byte per date and pixel."""


def feature_shape(scene: Scene, recipe: FeatureRecipe, use: Resources, extra_bytes: int = 0) -> tuple[int, int]:
    """Rows and columns of blocks when features are computed; ``extra_bytes`` per pixel come on top."""
    return use.block_shape or block_shape(scene, recipe, use.memory, extra_bytes=extra_bytes)


def mask_shape(scene: Scene, use: Resources) -> tuple[int, int]:
    """Rows and columns of blocks when only masks are read."""
    return use.block_shape or (MASK_ROWS, scene.geobox.shape[1])
