"""Shapes of the blocks that steps process, chosen to fit a job's memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from iota2.compute.block_shapes import (
    COMPUTED_SHAPES,
    MIN_ROWS,
    BlockShapes,
    block_shapes,
    enlarged,
    mask_block_shape,
)
from iota2.compute.predict import SLICE_BYTES, prediction_bytes
from iota2.core.graph import Resources
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.errors import ConfigError

IMAGE_THREADS, WRITING_THREADS = 8, 4
"""Maximum number of threads of a job that reads images, and of one that only writes rasters: they also need the disk,
and memory for each thread."""
COPY_SHAPE = (1024, 2048)
"""Rows and columns of a block when a few rasters are copied or compared."""
_WRITING_BYTES_PER_PIXEL = 16
"""Memory per pixel of a block while one band of probabilities is scaled and labels are written."""
_CONTEXT_BYTES = 12
"""Memory per pixel and class of a block with its halo: probabilities of a first model and their means, also copied to
the features of the second model."""
_BLOCK_MEMORY_SHARE = 0.875
"""Share of a job's memory that blocks may use; the rest is for writers, allocators and small objects."""
_MIN_SIDE_PIXELS = 64
"""Minimum rows and columns of a copied block, even if it exceeds the memory of the job."""


def fitting_threads(use: Resources, shapes: Callable[[Resources], BlockShapes]) -> Resources:
    """``use``, with one thread if no block fits the memory with several: ``shapes`` raises ConfigError."""
    try:
        shapes(use)
    except ConfigError:
        return replace(use, threads=1)
    return use


def halo_factor(halo: int) -> float:
    """Pixels of a computed block with a halo, divided by those of the block, for estimates of time."""
    return enlarged(COMPUTED_SHAPES[0], halo)


def feature_shapes(
    scene: Scene, recipe: FeatureRecipe, use: Resources, *, extra_bytes: int = 0, further_features: int = 0
) -> BlockShapes:
    """Rows and columns of blocks in which features are computed.

    ``extra_bytes``: per pixel, for their use. ``further_features``: number of features of other recipes that are
    computed from the same block.
    """
    return _shapes_set_by_user(use) or block_shapes(
        scene,
        recipe,
        use.memory,
        extra_bytes=extra_bytes,
        further_features=further_features,
        share=_BLOCK_MEMORY_SHARE,
        threads=use.threads,
    )


def prediction_shapes(
    scene: Scene,
    recipe: FeatureRecipe,
    use: Resources,
    classes: int,
    *,
    regions: int = 1,
    model_bytes: int = 0,
    predictions: int = 1,
    halo: int = 0,
) -> BlockShapes:
    """Rows and columns of blocks in which features are computed and classified, and the results written.

    ``classes``: number of classes. ``regions``: number of masks of regions; weights, of two bytes, count as two.
    ``model_bytes``: memory of all models. ``predictions``: number of predictions that are in memory at once.
    ``halo``: pixels around a block on which predictions depend.
    """
    predictions += recipe.partial  # of one model, and of all of a region
    per_pixel = predictions * prediction_bytes(classes) + 2 * classes + _WRITING_BYTES_PER_PIXEL
    if halo:
        per_pixel += 4 * len(recipe.names) + math.ceil(_CONTEXT_BYTES * classes * (1 + 2 * halo / MIN_ROWS) ** 2)
    return _shapes_set_by_user(use) or block_shapes(
        scene,
        recipe,
        use.memory,
        extra_bytes=per_pixel,
        regions=regions,
        reserved=model_bytes + use.threads * SLICE_BYTES * (1 + recipe.partial),
        share=_BLOCK_MEMORY_SHARE,
        threads=use.threads,
        margin=halo,
    )


def _shapes_set_by_user(use: Resources) -> BlockShapes | None:
    """Shapes for the block size set by the user; None if it is not set.

    The block size is that of computed blocks. A decoded block contains 2 × 3 computed blocks.
    """
    if use.block_shape is None:
        return None
    rows, cols = use.block_shape
    return BlockShapes((2 * rows, 3 * cols), (rows, cols), (4 * rows, 3 * cols))


def mask_shape(scene: Scene, use: Resources) -> tuple[int, int]:
    """Rows and columns of blocks in which only masks are read."""
    return use.block_shape or mask_block_shape(scene, use.memory, threads=use.threads)


def copy_shape(use: Resources, pixel_bytes: int, halo: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """Rows and columns of blocks in which rasters are copied: ``COPY_SHAPE``, or fewer for large pixels.

    ``halo``: rows and columns that are also in memory on each side of a block.
    """
    (rows, cols), (down, across) = COPY_SHAPE, (2 * halo[0], 2 * halo[1])
    while (rows + down) * (cols + across) * pixel_bytes > use.memory and max(rows, cols) > _MIN_SIDE_PIXELS:
        rows, cols = (rows, cols // 2) if cols > rows else (rows // 2, cols)
    return rows, cols
