"""Region and tile of each pixel of the map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.core.grid import Block
from iota2.io.rasters.files import RasterReader, raster_geobox
from iota2.io.rasters.ownership import OwnedPixels, TileOwnership


@dataclass(frozen=True)
class MapZones:
    """The region and the tile that gave the label of each pixel of the map."""

    ownership: TileOwnership
    masks: Mapping[str, Mapping[str, Path]]
    """By tile: the raster of the area in which the model of each region is applied, by region."""

    @cached_property
    def regions(self) -> tuple[str, ...]:
        """Names of all regions, sorted; the number of a region is its position, from 1."""
        return tuple(sorted({region for of_tile in self.masks.values() for region in of_tile}))

    @cached_property
    def tiles(self) -> tuple[str, ...]:
        """Names of all tiles; the number of a tile is its position, from 1."""
        return tuple(self.masks)

    @cached_property
    def _grids(self) -> Mapping[str, GeoBox]:
        return {tile: raster_geobox(next(iter(of_tile.values()))) for tile, of_tile in self.masks.items()}

    def of(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Number of the region and of the tile of each pixel (y, x) int32 of a block of the map; 0 outside.

        As in the mosaic, a pixel has the region of the nearest pixel of the tile that owns it; where the areas of two
        regions overlap, the first by name.
        """
        region, tile = np.zeros(block.shape, np.int32), np.zeros(block.shape, np.int32)
        for name, mask in self.ownership.of(block).items():
            tile[mask] = self.tiles.index(name) + 1
            owned = OwnedPixels.of(mask, block, self.ownership.geobox, self._grids[name])
            for one, path in sorted(self.masks[name].items(), reverse=True):  # the first by name comes last
                with RasterReader(path) as reader:
                    inside = reader.at(owned.row, owned.col)[0] > 0
                region.ravel()[owned.position[inside]] = self.regions.index(one) + 1
        return region, tile
