"""Region and tile of each pixel of the map."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.grid import Block, block_of, blocks
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.io.rasters.ownership import TileOwnership
from iota2.io.rasters.zones import MapZones

CRS = "EPSG:32631"
MAP = GeoBox((20, 30), Affine(10, 0, 300_000, 0, -10, 4_900_000), CRS)
TILES = {"A": MAP[:, :18], "B": MAP[:, 12:]}


def whole(geobox: GeoBox) -> Block:
    return block_of("", geobox, (0, geobox.shape.y), (0, geobox.shape.x))


@pytest.fixture
def zones(tmp_path: Path) -> MapZones:
    """Tile A up to column 14 and B from there; region "n" down to row 8, "s" in rows 7 to 14."""
    masks: dict[str, dict[str, Path]] = {}
    for tile, grid in TILES.items():
        row = np.arange(20)[:, None] * np.ones((1, grid.shape.x), int)
        for region, inside in {"s": (row >= 7) & (row < 15), "n": row <= 8}.items():
            path = tmp_path / f"{tile}_{region}.tif"
            with RasterWriter(path, RasterProfile(grid, "uint8", nodata=0)) as writer:
                writer.write(whole(grid), inside.astype(np.uint8))
            masks.setdefault(tile, {})[region] = path
    left, top, middle = 300_000, 4_900_000, 300_140
    areas = {"A": shapely.box(left, top - 200, middle, top), "B": shapely.box(middle, top - 200, left + 280, top)}
    envelopes = {tile: gpd.GeoSeries([area], crs=CRS) for tile, area in areas.items()}
    return MapZones(TileOwnership(envelopes, MAP), masks)


def test_pixels_have_the_first_region_by_name_and_the_tile_that_owns_them(zones: MapZones) -> None:
    assert zones.regions == ("n", "s")
    region, tile = zones.of(whole(MAP))
    row, col = np.mgrid[:20, :30]
    owned = np.where(col < 14, 1, np.where(col < 28, 2, 0))
    np.testing.assert_array_equal(tile, owned)
    np.testing.assert_array_equal(region, np.where(row <= 8, 1, np.where(row < 15, 2, 0)) * (owned > 0))


def test_zones_of_blocks_are_those_of_the_map(zones: MapZones) -> None:
    region, tile = zones.of(whole(MAP))
    for block in blocks("", MAP, (7, 11)):
        for values, part in zip((region, tile), zones.of(block), strict=True):
            np.testing.assert_array_equal(part, whole(MAP).cut(values, block))
