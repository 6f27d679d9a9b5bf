"""Blocks of mosaics in the projection of the products, with the tile that owns each pixel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from odc.geo.geobox import GeoBox

from iota2.compute.placement import Range
from iota2.core.graph import Resources
from iota2.core.grid import Block, blocks
from iota2.io.rasters.ownership import POSITION_BYTES_PER_PIXEL, OwnedPixels, TileOwnership
from iota2.steps.blocks import copy_shape

_PRODUCT_COPIES = 4
"""Copies of a block of a product while its values are read, merged and converted."""


def owned_blocks(
    ownership: TileOwnership,
    grids: Mapping[str, GeoBox],
    shape: tuple[int, int],
    rows: Range | None = None,
    cols: Range | None = None,
) -> Iterator[tuple[Block, dict[str, OwnedPixels]]]:
    """Yield the blocks of a mosaic, or of some of its ``rows`` and ``cols``, with the pixels that each tile owns.

    ``grids``: by tile. ``shape``: rows and columns of a block.
    """
    for block in blocks("", ownership.geobox, shape, rows, cols):
        masks = ownership.of(block)
        yield block, {tile: OwnedPixels.of(mask, block, ownership.geobox, grids[tile]) for tile, mask in masks.items()}


def mosaic_shape(use: Resources, pixel_bytes: int) -> tuple[int, int]:
    """Rows and columns of blocks of a mosaic whose pixels have ``pixel_bytes`` in the largest product."""
    return copy_shape(use, POSITION_BYTES_PER_PIXEL + _PRODUCT_COPIES * pixel_bytes)
