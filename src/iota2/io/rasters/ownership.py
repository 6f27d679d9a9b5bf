"""The grid of the mosaic, and the tile to which each of its pixels belongs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import geopandas as gpd
import numpy as np
from odc.geo.geobox import GeoBox

from iota2.core.grid import Block, aligned_grid, resolution
from iota2.errors import InputError
from iota2.io.rasters.files import nearest_pixels
from iota2.io.rasters.rasterize import rasterize

POSITION_BYTES_PER_PIXEL = 96
"""Memory per pixel of a block while its position on a tile is computed, in double precision."""


def product_grid(
    envelopes: Mapping[str, gpd.GeoSeries], tile: GeoBox, proj: str, size: tuple[float, float] | None
) -> GeoBox:
    """The smallest grid in ``proj`` that covers all envelopes and has pixel edges at multiples of the pixel size.

    ``size`` is the pixel size (x, y); the pixel size of ``tile`` when it is None. InputError when all envelopes are
    empty.
    """
    size = size or resolution(tile)
    bounds = np.array([parts.total_bounds for parts in envelopes.values() if len(parts)])
    if not len(bounds):
        raise InputError(
            "No tile has an observed pixel: all pixels of all dates are outside the image swath. Check the edge masks."
        )
    (x0, y0), (x1, y1) = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
    return aligned_grid((float(x0), float(y0), float(x1), float(y1)), size, proj)


@dataclass(frozen=True)
class TileOwnership:
    """The assignment of each pixel of the mosaic's grid to one tile."""

    envelopes: Mapping[str, gpd.GeoSeries]
    geobox: GeoBox

    @cached_property
    def _outlines(self) -> gpd.GeoSeries:
        return gpd.GeoSeries({tile: parts.union_all() for tile, parts in self.envelopes.items()})

    def of(self, block: Block) -> dict[str, np.ndarray]:
        """By tile that owns pixels of the block: (y, x) bool, whether the tile owns the pixel."""
        near = [tile for tile, outline in self._outlines.items() if outline.intersects(block.geobox.extent.geom)]
        owner = rasterize([(self._outlines[tile], k + 1) for k, tile in enumerate(near)], block.geobox, "uint16")
        owned = {tile: owner == k + 1 for k, tile in enumerate(near)}
        return {tile: where for tile, where in owned.items() if where.any()}


@dataclass(frozen=True, eq=False)
class OwnedPixels:
    """Pixels of one block that belong to one tile."""

    position: np.ndarray
    """(pixel,) positions in the flattened block, ascending."""
    row: np.ndarray
    """(pixel,) rows of the nearest pixels of the tile; -1 outside the tile."""
    col: np.ndarray
    """(pixel,) columns of the nearest pixels of the tile."""

    @classmethod
    def of(cls, mask: np.ndarray, block: Block, geobox: GeoBox, grid: GeoBox) -> OwnedPixels:
        """Pixels of a block of ``geobox`` selected by ``mask`` (y, x) bool, with their positions on the grid of a
        tile."""
        row, col = nearest_pixels(grid, geobox, block.rows, block.cols)
        return cls(np.flatnonzero(mask), row[mask], col[mask])
