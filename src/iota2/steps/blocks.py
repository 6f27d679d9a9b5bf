"""The block shapes in which steps work, within a job's resources."""

from __future__ import annotations

from iota2.compute.block_shapes import BlockShapes, block_shapes, mask_block_shape
from iota2.compute.predict import SLICE_BYTES, prediction_bytes
from iota2.core.graph import Resources
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene

COPY_SHAPE = (1024, 2048)
"""Rows and columns of a block when a few rasters are copied or compared."""
_WRITING = 16
"""Bytes for each pixel of a block while one band of probabilities is scaled and labels are written."""
_COUNTED = 0.875
"""Share of a job's memory that is counted; the rest is left to writers, allocators and small things."""
_SMALLEST = 64
"""Rows and columns below which a block is not cut further to save memory."""


def feature_shapes(scene: Scene, recipe: FeatureRecipe, use: Resources) -> BlockShapes:
    """Rows and columns of blocks when features are computed."""
    return _forced(use) or block_shapes(scene, recipe, use.memory, share=_COUNTED, threads=use.threads)


def prediction_shapes(
    scene: Scene, recipe: FeatureRecipe, use: Resources, classes: int, *, regions: int = 1, models: int = 0
) -> BlockShapes:
    """Rows and columns of blocks when features are computed and classified, and the answers written.

    ``models``: bytes of all models.
    """
    per_pixel = prediction_bytes(classes) + 2 * classes + _WRITING
    return _forced(use) or block_shapes(
        scene,
        recipe,
        use.memory,
        extra_bytes=per_pixel,
        regions=regions,
        reserved=models + use.threads * SLICE_BYTES,
        share=_COUNTED,
        threads=use.threads,
    )


def _forced(use: Resources) -> BlockShapes | None:
    """A forced shape is that of blocks that are computed; some of them are decoded at once."""
    if use.block_shape is None:
        return None
    rows, cols = use.block_shape
    return BlockShapes((2 * rows, 3 * cols), (rows, cols), (4 * rows, 3 * cols))


def mask_shape(scene: Scene, use: Resources) -> tuple[int, int]:
    """Rows and columns of blocks when only masks are read."""
    return use.block_shape or mask_block_shape(scene, use.memory, threads=use.threads)


def copy_shape(use: Resources, pixel_bytes: int) -> tuple[int, int]:
    """Rows and columns of blocks when rasters are copied: at most ``COPY_SHAPE``, less when a pixel takes much."""
    rows, cols = COPY_SHAPE
    while rows * cols * pixel_bytes > use.memory and max(rows, cols) > _SMALLEST:
        rows, cols = (rows, cols // 2) if cols > rows else (rows // 2, cols)
    return rows, cols
