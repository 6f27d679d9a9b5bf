"""Rasters of a synthetic world that are not cut to tiles, and the grid of its tiles."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import rasterio
import shapely

from iota2.testing.archive import write_image
from iota2.testing.files import WorldFiles
from iota2.testing.layers import covering_grid, layer
from iota2.testing.reference import write_polygons
from iota2.testing.world import IMAGE_CRS, World

NO_CLASS = 0


def write_rasters(world: World, files: WorldFiles) -> None:
    """Write ``altitude.tif`` and ``land_cover.tif`` of the whole world, and the polygons of the tiles.

    Both rasters have pixels of 25 m in EPSG:2154: the altitude is float32, the land cover has class codes (uint8) and a
    table of colours. The field ``tile`` of the polygons is the name of the tile.
    """
    grid = covering_grid(world.geobox)
    write_image(files.rasters / "altitude.tif", layer(world, "ALT", grid).astype(np.float32), grid)
    land_cover = files.rasters / "land_cover.tif"
    write_image(land_cover, world.truth(grid), grid, nodata=NO_CLASS)
    with rasterio.open(land_cover, "r+") as file:
        file.write_colormap(1, {one.code: one.color for one in world.landscape.classes})
    tiles = world.options.tiles
    outlines = [shapely.box(*world.tile_geobox(tile).boundingbox.bbox) for tile in tiles]
    write_polygons(gpd.GeoDataFrame({"tile": list(tiles)}, geometry=outlines, crs=IMAGE_CRS), files.tile_grid)
