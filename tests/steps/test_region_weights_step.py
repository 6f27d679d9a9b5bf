"""Weights of models near borders of regions, as rasters of a tile."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.compute.region_weights import Blending
from iota2.core.graph import Key, Resources
from iota2.io.rasters.rasterize import rasterize
from iota2.io.tables.vectors import write_shapefile
from iota2.steps.sampling import region_weights
from tests.compute.reference import slow_distances
from tests.steps.helpers import CRS, GRID, TILE, area, frame, read_raster, run, several, write_raster

LARGE = GeoBox((30, 40), GRID.affine, CRS)
DIAGONAL = shapely.Polygon([(300_000, 4_899_700), (300_000, 4_900_000), (300_270, 4_900_000), (300_110, 4_899_700)])
NORTH = shapely.box(300_000, 4_900_020, 300_400, 4_900_100)
"""A region two pixels to the north of the tile."""


def written(folder: Path, regions: dict[str, shapely.Geometry], blending: Blending, **use: tuple[int, int]) -> dict:
    """Weights of each region of a tile without clouds whose first five columns have no image."""
    write_shapefile(frame(list(regions.values()), region=list(regions)), folder / "regions.shp")
    imaged = np.broadcast_to(np.arange(40) >= 5, LARGE.shape)
    masks, out = {}, {}
    for name, geometry in regions.items():
        applied = rasterize([(geometry, 1)], LARGE, "uint8") * imaged
        masks[name] = write_raster(folder / f"mask_{name}.tif", applied, geobox=LARGE)
        out[name] = f"weights_{name}.tif"
    inp = {"regions": "regions.shp", "masks": several("region", masks)}
    key = Key.of(tile=TILE)
    run(
        region_weights.STEP,
        folder,
        inp,
        {"weights": several("region", out)},
        key=key,
        params=blending,
        use=Resources(**use),
    )
    return {name: read_raster(folder / path) for name, path in out.items()}


@pytest.fixture
def regions() -> dict[str, shapely.Geometry]:
    rest = shapely.box(300_000, 4_899_700, 300_400, 4_900_000).difference(DIAGONAL)
    return {
        "east": rest.difference(shapely.box(300_300, 4_899_700, 300_400, 4_899_800)),
        "north": NORTH,
        "west": DIAGONAL,
    }


def test_weights_are_those_of_the_distance_to_each_region_in_the_classified_area(
    tmp_path: Path, regions: dict[str, shapely.Geometry]
) -> None:
    found = written(tmp_path, regions, Blending(interior=50, exterior=80, epsilon=0.05))
    around = LARGE.pad(12)
    classified = rasterize([(regions["east"], 1), (regions["west"], 1)], LARGE, "uint8") > 0
    classified[:, :5] = False
    for name, geometry in regions.items():
        distance = slow_distances(rasterize([(geometry, 1)], around, "uint8") > 0, (10, 10), 1e6)[12:-12, 12:-12]
        expected = np.where(distance <= 80, np.clip((80 - distance) / 130, 0.05, 1), 0) * 1000
        np.testing.assert_allclose(found[name], np.where(classified, expected, 0), atol=0.51)
    assert found["north"][:6].any(), "a region beyond the limits of the tile counts"
    assert not found["north"][9:].any()
    total = sum(weights.astype(int) for weights in found.values())
    np.testing.assert_array_equal(total > 0, classified)
    assert (found["west"][10:16, 5:8] == 1000).all(), "far from borders a single region has a weight"
    assert (found["east"][10:16, 5:8] == 0).all()


@pytest.mark.parametrize("shape", [(7, 11), (30, 1), (64, 64)])
def test_weights_do_not_depend_on_the_shape_of_blocks(
    tmp_path: Path, regions: dict[str, shapely.Geometry], shape: tuple[int, int]
) -> None:
    whole = written(tmp_path, regions, Blending(20, 60))
    by_block = written(tmp_path, regions, Blending(20, 60), block_shape=shape)
    for name in regions:
        np.testing.assert_array_equal(by_block[name], whole[name])


@pytest.mark.parametrize("shape", [(60, 8), (7, 5)])
def test_widths_are_metres_at_the_latitude_of_each_row(tmp_path: Path, shape: tuple[int, int]) -> None:
    """A border along a meridian from 40° to 70°: the weight falls to 0 at the same distance in metres everywhere."""
    grid = GeoBox((60, 8), Affine(0.5, 0, 3, 0, -0.5, 70), "EPSG:4326")
    west, east = shapely.box(3, 40, 4, 70), shapely.box(4, 40, 7, 70)
    regions = {"west": west, "east": east}
    columns = gpd.GeoDataFrame({"region": list(regions)}, geometry=list(regions.values()), crs="EPSG:4326")
    write_shapefile(columns, tmp_path / "regions.shp")
    masks = {
        name: write_raster(tmp_path / f"mask_{name}.tif", rasterize([(one, 1)], grid, "uint8"), geobox=grid)
        for name, one in regions.items()
    }
    inp = {"regions": "regions.shp", "masks": several("region", masks)}
    out = {"weights": several("region", {name: f"{name}.tif" for name in regions})}
    use = Resources(block_shape=shape)
    run(region_weights.STEP, tmp_path, inp, out, key=Key.of(tile=TILE), params=Blending(0, 60_000), use=use)
    latitudes = 70 - 0.5 * (np.arange(60) + 0.5)
    distances = (np.arange(2, 8) - 1.5)[None] * 0.5 * 6_371_000 * np.pi / 180 * np.cos(np.radians(latitudes))[:, None]
    expected = np.clip(1 - distances / 60_000, 0, 1) * 1000
    np.testing.assert_allclose(read_raster(tmp_path / "west.tif")[:, 2:], expected, atol=0.51)


def test_a_pixel_between_two_regions_belongs_to_the_model_that_is_applied_there(tmp_path: Path) -> None:
    regions = {"a": area((-9, 15), (-9, 4)), "b": area((-9, 15), (5, 17))}
    write_shapefile(frame(list(regions.values()), region=list(regions)), tmp_path / "regions.shp")
    column = np.tile(np.arange(8), (6, 1))
    masks = {"a": column < 5, "b": column >= 5}
    names = {name: write_raster(tmp_path / f"mask_{name}.tif", mask) for name, mask in masks.items()}
    inp = {"regions": "regions.shp", "masks": several("region", names)}
    out = {"weights": several("region", {"a": "a.tif", "b": "b.tif"})}
    run(region_weights.STEP, tmp_path, inp, out, key=Key.of(tile=TILE), params=Blending(20, 0))
    assert read_raster(tmp_path / "a.tif")[0].tolist() == [1000, 1000, 750, 250, 1000, 0, 0, 0]
    assert read_raster(tmp_path / "b.tif")[0].tolist() == [0, 0, 0, 0, 0, 250, 750, 1000]
