"""The regions whose models each tile uses."""

from __future__ import annotations

import geopandas as gpd
from shapely import box

from iota2.core.remarks import texts_of
from iota2.runs.survey.regions import _regions_by_tile

TILES = {"A": box(0, 0, 100, 100), "B": box(100, 0, 200, 100)}
REGIONS = {
    "east": box(160, 0, 200, 100),
    "far": box(230, 0, 300, 100),
    "middle": box(110, 0, 160, 100),
    "west": TILES["A"],
}


def regions(crs: str = "EPSG:2154", scale: float = 1.0) -> gpd.GeoDataFrame:
    geometry = gpd.GeoSeries([*REGIONS.values()]).scale(scale, scale, origin=(0, 0))
    return gpd.GeoDataFrame({"region": [*REGIONS]}, geometry=geometry.to_numpy(), crs=crs)


def test_a_tile_uses_the_regions_that_it_meets() -> None:
    found, remarks = _regions_by_tile(regions(), TILES, 0)
    assert found == {"A": ("west",), "B": ("east", "middle", "west")}, "west touches B"
    assert texts_of(remarks) == ("Regions outside all tiles are ignored: far.",)


def test_with_blending_a_tile_uses_near_regions_except_those_outside_all_tiles() -> None:
    found, remarks = _regions_by_tile(regions(), TILES, 10)
    assert found == {"A": ("middle", "west"), "B": ("east", "middle", "west")}
    found, remarks = _regions_by_tile(regions(), TILES, 1000)
    assert found["A"] == found["B"] == ("east", "middle", "west")
    assert texts_of(remarks) == ("Regions outside all tiles are ignored: far.",)


def test_a_tile_without_regions_has_no_near_ones() -> None:
    found, _ = _regions_by_tile(regions(), {**TILES, "C": box(210, 0, 220, 100)}, 1000)
    assert found["C"] == ()


def test_the_distance_is_in_metres() -> None:
    degrees = 1e-5  # of a degree: 1.1 m
    tiles = {name: box(*(value * degrees for value in tile.bounds)) for name, tile in TILES.items()}
    near, _ = _regions_by_tile(regions("EPSG:4326", degrees), tiles, 11.2)
    assert near["A"] == ("middle", "west")
    near, _ = _regions_by_tile(regions("EPSG:4326", degrees), tiles, 11.0)
    assert near["A"] == ("west",)
