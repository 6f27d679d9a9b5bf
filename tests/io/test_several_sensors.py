"""Sensors with different resolutions and projections have the right positions on one grid, for any block."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from iota2.compute.features import feature_block
from iota2.core.grid import aligned_grid, blocks, pixel_centres
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.scene import Scene
from iota2.io.archive.layers import layer_options, scan_layers
from iota2.io.archive.products import scan_tile
from iota2.io.archive.specs import builtin_specs, parse_spec
from iota2.io.series.reader import CubeReader, series_reader
from iota2.testing.archive import write_image
from iota2.testing.products import Layer, write_product, write_series

TILE = "T31TCJ"
FINE = GeoBox((70, 90), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
TWENTY = GeoBox((35, 45), Affine(20, 0, 300000, 0, -20, 4900020), "EPSG:32631")
S2, L8 = builtin_specs()["Sentinel_2"], builtin_specs()["Landsat8"]
S2_DAYS = (date(2018, 3, 2), date(2018, 5, 11), date(2018, 8, 1))
L8_DAYS = (date(2018, 2, 20), date(2018, 6, 5))


def around(crs: str, size: float, *, share: float = 1.0) -> GeoBox:
    """A grid in another CRS that covers the western ``share`` of the tile and some pixels around it."""
    west = FINE[:, : int(FINE.shape.x * share)].boundingbox.bbox
    left, bottom, right, top = Transformer.from_crs("EPSG:32631", crs, always_xy=True).transform_bounds(*west)
    margin = 3 * size * (share == 1.0)
    return aligned_grid((left - margin, bottom - margin, right + margin, top + margin), (size, size), crs)


def plane(geobox: GeoBox, x: float, y: float) -> np.ndarray:
    """(y, x) int16 values that increase by 20 per 30 m, from 3000 at a point."""
    rows, cols = np.mgrid[: geobox.shape.y, : geobox.shape.x]
    east, north = pixel_centres(geobox, rows, cols)
    return np.rint(3000 + (east - x) / 1.5 + (north - y) / 3).astype(np.int16)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Sentinel-2, Landsat 8 in the next UTM zone, and an altitude layer of 25 m in EPSG:2154, with gaps."""
    root = tmp_path_factory.mktemp("archive")
    twenty = dict.fromkeys(("B5", "B6", "B7", "B8A", "B11", "B12"), TWENTY)
    write_series(S2, root / "s2", TILE, S2_DAYS, {"": FINE} | twenty)
    write_series(L8, root / "l8", TILE, L8_DAYS, {"": around("EPSG:32632", 30)}, seed=1)
    grid = around("EPSG:2154", 25)
    altitude = np.random.default_rng(2).integers(0, 900, grid.shape).astype(np.int16)
    altitude[4:6, 7:9] = -9999
    write_image(root / "layers" / TILE / "ALT.tif", altitude, grid, nodata=-9999)
    layers = scan_layers(layer_options(root / "layers", "/*", ["ALT"], "cubic").spec, root / "layers", TILE)
    found = [scan_tile(L8, root / "l8", TILE)[0], scan_tile(S2, root / "s2", TILE)[0], layers]
    return Scene(TILE, FINE, tuple(found))


def recipe_of(scene: Scene) -> FeatureRecipe:
    *_, layers = scene.sensors
    return FeatureRecipe(
        (
            SensorRecipe("Landsat8", ("B4", "B5", "B6"), dict(L8.roles), ("20180220", "20180308", "20180605")),
            SensorRecipe("Sentinel2", ("B4", "B8", "B11"), dict(S2.roles), ("20180302", "20180601")),
            SensorRecipe(layers.spec.name, layers.spec.band_names, {}, (), indices=(), static=True),
        )
    )


def features_in(scene: Scene, shape: tuple[int, int], threads: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, clear observations and footprint of the scene, assembled from blocks."""
    recipe = recipe_of(scene)
    values = np.zeros((len(recipe.names), *scene.geobox.shape), np.float32)
    n_valid, footprint = np.zeros(scene.geobox.shape, np.uint16), np.zeros(scene.geobox.shape, bool)
    with series_reader(scene, recipe, threads=threads) as reader:
        for block, decoded in reader.blocks(blocks(TILE, scene.geobox, shape)):
            place = (..., slice(*block.rows), slice(*block.cols))
            found = feature_block(decoded.cubes(block), recipe)
            values[place], n_valid[place] = found.values, found.n_valid
        for block in blocks(TILE, scene.geobox, shape):
            footprint[slice(*block.rows), slice(*block.cols)] = reader.footprint(block)
    return values, n_valid, footprint


@pytest.mark.parametrize(("shape", "threads"), [((16, 90), 1), ((7, 11), 1), ((33, 64), 3)])
def test_features_of_all_sensors_are_the_same_in_blocks_and_as_a_whole(
    scene: Scene, shape: tuple[int, int], threads: int
) -> None:
    whole = features_in(scene, (70, 90))
    for once, apart in zip(whole, features_in(scene, shape, threads), strict=True):
        np.testing.assert_array_equal(once, apart)
    assert 0.5 < (whole[1] > 0).mean() < 1
    assert whole[0].std(axis=(1, 2)).min() > 0


def test_an_image_in_another_utm_zone_has_the_right_position(tmp_path: Path) -> None:
    """Interpolation preserves a plane; the value of a mask is that of the pixel that contains the centre."""
    grid = around("EPSG:32632", 30)
    x, y = grid.affine.c, grid.affine.f
    cloud = (np.random.default_rng(0).random(grid.shape) < 0.3).astype(np.uint8)
    clear = np.zeros_like(cloud)
    layers = {band.name: Layer(plane(grid, x, y), grid) for band in L8.bands}
    layers |= {"CLM": Layer(cloud, grid), "SAT": Layer(clear, grid), "EDG": Layer(clear, grid)}
    write_product(L8, tmp_path / TILE, TILE, L8_DAYS[0], layers)
    with CubeReader(Scene(TILE, FINE, (scan_tile(L8, tmp_path, TILE)[0],)), {"Landsat8": ("B4",)}) as reader:
        cube = reader.read(next(blocks(TILE, FINE, (70, 90))))["Landsat8"]
    east, north = pixel_centres(FINE, *np.mgrid[:70, :90])
    east, north = Transformer.from_crs("EPSG:32631", "EPSG:32632", always_xy=True).transform(east, north)
    expected = 3000 + (east - x) / 1.5 + (north - y) / 3
    assert np.abs(cube.values[0, 0] - expected)[cube.valid[0]].max() < 1.0, "rounded twice"
    cols, rows = ~grid.affine * (east, north)
    np.testing.assert_array_equal(cube.valid[0], cloud[rows.astype(int), cols.astype(int)] == 0)


def test_a_sensor_that_covers_half_of_the_tile_has_no_data_in_the_rest(tmp_path: Path) -> None:
    write_series(S2, tmp_path / "s2", TILE, S2_DAYS, {"": FINE})
    write_series(L8, tmp_path / "l8", TILE, L8_DAYS, {"": around("EPSG:32632", 30, share=0.4)})
    found = [scan_tile(L8, tmp_path / "l8", TILE)[0], scan_tile(S2, tmp_path / "s2", TILE)[0]]
    with CubeReader(Scene(TILE, FINE, tuple(found)), {"Landsat8": ("B4",)}) as reader:
        (block,) = blocks(TILE, FINE, (70, 90))
        cube, sights = reader.read(block)["Landsat8"], reader.observed(block)
        common, any_of_them = reader.footprint(block), reader.footprint(block, every=False)
    assert not cube.valid[:, :, 55:].any()
    assert cube.valid[:, :, :30].any()
    assert not sights["Landsat8"].valid[:, :, 55:].any()
    assert sights["Sentinel2"].valid[:, :, 55:].any()
    assert not common[:, 55:].any()
    assert common[:, :30].mean() > 0.5
    assert any_of_them[:, 55:].mean() > 0.9


@pytest.mark.parametrize("masks", [True, False])
@pytest.mark.parametrize("shape", [(7, 11), (16, 90), (70, 5)])
def test_parts_of_a_decoded_block_outside_the_images_have_no_data(
    shape: tuple[int, int], masks: bool, tmp_path: Path
) -> None:
    """Images in another zone that begin far above the tile, and in the middle of it."""
    left, bottom, right, top = around("EPSG:32632", 30).boundingbox.bbox
    grid = aligned_grid(((left + right) / 2, (bottom + top) / 2, right, top + 900), (30, 30), "EPSG:32632")
    spec = L8 if masks else replace(L8, masks=())
    write_series(spec, tmp_path, TILE, L8_DAYS, {"": grid})
    scene = Scene(TILE, FINE, (scan_tile(spec, tmp_path, TILE)[0],))
    with CubeReader(scene, {"Landsat8": ("B4", "B5")}) as reader:
        (all_of_it,) = blocks(TILE, FINE, (70, 90))
        _, decoded = next(reader.blocks([all_of_it]))
        whole = decoded.cubes(all_of_it)["Landsat8"]
        empty = 0
        for block in blocks(TILE, FINE, shape):
            place = (..., slice(*block.rows), slice(*block.cols))
            for cube in (decoded.cubes(block)["Landsat8"], reader.read(block)["Landsat8"]):
                np.testing.assert_array_equal(cube.values, whole.values[place])
                np.testing.assert_array_equal(cube.valid, whole.valid[place])
            empty += not cube.valid.any()
    assert empty
    assert 0.1 < whole.valid.mean() < 0.5


def test_a_sensor_without_masks_observes_only_the_area_of_its_images(tmp_path: Path) -> None:
    """Even without masks, pixels outside the images have no clear dates."""
    text = "{name: S, section: S, product: '^S_(?P<date>[0-9]{8})', bands: [{name: B, file: '*_b.tif'}], masks: []}"
    spec, half = parse_spec(text, source="s.yaml"), FINE[:, :45]
    write_series(spec, tmp_path, TILE, S2_DAYS, {"": half})
    with CubeReader(Scene(TILE, FINE, (scan_tile(spec, tmp_path, TILE)[0],)), {}) as reader:
        sight = reader.observed(next(blocks(TILE, FINE, (70, 90))))["S"]
    assert sight.valid[:, :, :45].all()
    assert not sight.valid[:, :, 45:].any()
    assert sight.inside.tolist() == [70 * 45] * 3


def test_dates_without_masks_observe_the_area_of_their_own_files(tmp_path: Path) -> None:
    text = (
        "{name: S, section: S, product: '^S_(?P<date>[0-9]{8})', bands: [{name: B, file: '*_b.tif'}], masks: [], "
        "nodata: -1, varying_extent: true}"
    )
    spec, halves = parse_spec(text, source="s.yaml"), (FINE[:, :40], FINE[30:, 25:])
    for day, grid in zip(S2_DAYS, halves, strict=False):
        write_product(spec, tmp_path / TILE, TILE, day, {"B": Layer(np.full(grid.shape, 7, np.int16), grid)})
    with CubeReader(Scene(TILE, FINE, (scan_tile(spec, tmp_path, TILE)[0],)), {"S": ("B",)}) as reader:
        (block,) = blocks(TILE, FINE, (70, 90))
        valid = reader.observed(block)["S"].valid
        np.testing.assert_array_equal(valid, reader.read(block)["S"].valid)
    expected = np.zeros((2, 70, 90), bool)
    expected[0, :, :40], expected[1, 30:, 25:] = True, True
    np.testing.assert_array_equal(valid, expected)
