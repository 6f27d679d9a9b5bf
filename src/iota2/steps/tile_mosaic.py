"""Mosaics in the projection of the products: each pixel is taken from the tile that owns it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.compute.placement import Range
from iota2.core.graph import Resources
from iota2.core.grid import Block, blocks
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.rasters.ownership import POSITION_BYTES_PER_PIXEL, OwnedPixels, TileOwnership
from iota2.steps.blocks import COPY_SHAPE, copy_shape

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


@dataclass(frozen=True)
class Product:
    """One or more output rasters with the same pixels, and the tile rasters they are made from."""

    targets: Sequence[tuple[Path, RasterProfile]]
    sources: Mapping[str, Sequence[Path]]
    """Rasters by tile, all on the tile's grid. Among several, the first with data at a pixel is used."""
    bands: tuple[int, ...] | None = None
    """Bands of the sources that are used, from 0; None for all."""

    @property
    def profile(self) -> RasterProfile:
        """Data type, bands and nodata value."""
        return self.targets[0][1]

    def pixels(self, owned: Mapping[str, OwnedPixels], shape: tuple[int, int]) -> np.ndarray:
        """Pixels (band, y, x) of a block, each from the tile that owns it; nodata where no raster has data.

        ``owned``: the pixels of the block that each tile owns. ``shape``: rows and columns of the block.
        """
        nodata = self.profile.nodata or 0
        values = np.full((self.profile.count, *shape), nodata, self.profile.dtype)
        flat = values.reshape(len(values), -1)
        for tile, pixels in owned.items():
            found = None
            for path in self.sources[tile]:
                with RasterReader(path) as reader:
                    layers = reader.at(pixels.row, pixels.col, fill=nodata, bands=self.bands)
                if found is None:
                    found = layers
                else:
                    np.copyto(found, layers, where=(found == nodata).all(axis=0))
            if found is not None:
                for target, layer in zip(flat, found, strict=True):
                    target[pixels.position] = layer
        return values


def validity_product(path: Path, sources: Mapping[str, Path], geobox: GeoBox) -> Product:
    """Mosaic of the number of clear dates, from rasters by tile."""
    dtype = "uint16" if any(_dtype(one) == "uint16" for one in sources.values()) else "uint8"
    profile = RasterProfile(geobox, dtype, nodata=0, overviews="nearest")
    return Product([(path, profile)], {tile: [one] for tile, one in sources.items()})


def write_products(
    products: Sequence[Product], ownership: TileOwnership, grids: Mapping[str, GeoBox], use: Resources
) -> None:
    """Write all products in one pass; each pixel is the nearest pixel of the tile that owns the position.

    The owners of the pixels of a block, and their positions on the tiles, are computed once for all products. The files
    of the tiles are opened again for each block, because there can be thousands of them.
    """
    shape = mosaic_shape(use, max(product.profile.pixel_bytes for product in products))
    with ExitStack() as stack:
        writers = [[stack.enter_context(RasterWriter(*target)) for target in p.targets] for p in products]
        for block, owned in owned_blocks(ownership, grids, shape):
            for product, targets in zip(products, writers, strict=True):
                values = product.pixels(owned, block.shape)
                for writer in targets:
                    writer.write(block, values)


def maximum_of(path: Path) -> int:
    """Maximum pixel value of a raster."""
    with RasterReader(path) as reader:
        return max(int(reader.read(block.geobox).max()) for block in blocks("", reader.geobox, COPY_SHAPE))


def _dtype(path: Path) -> str:
    with RasterReader(path) as reader:
        return reader.dtype.name
