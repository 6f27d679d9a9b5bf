"""Landsat 8 images and layers of the synthetic world agree with the world."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from iota2.chains.load import load_config
from iota2.io.archive.products import scan_tile
from iota2.io.archive.specs import builtin_specs
from iota2.testing.files import SENSOR_PATHS, WorldFiles
from iota2.testing.landsat import landsat_dates, landsat_sky
from iota2.testing.layers import ALTITUDE, layer
from iota2.testing.world import DATES, World, WorldOptions, make_world
from iota2.testing.writing import write_world

OPTIONS = WorldOptions(size=128, overlap=32, classes=4, dates=DATES[2:10:2], sensors=("Landsat8", "userFeat"))
WEST, EAST = OPTIONS.tiles


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, WorldFiles]:
    world = make_world(OPTIONS)
    return world, write_world(world, tmp_path_factory.mktemp("others"))


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        values: np.ndarray = file.read(1)
    return values


def test_landsat_products_match_the_sensor_description(written: tuple[World, WorldFiles]) -> None:
    world, files = written
    for tile in OPTIONS.tiles:
        scene, notes = scan_tile(builtin_specs()["Landsat8"], files.l8_path, tile)
        assert notes == ()
        assert scene.days == landsat_dates(world)
        assert len(set(scene.days) - set(OPTIONS.dates)) >= 4
        grid, tile_box = scene.grids["B1"], world.tile_geobox(tile)
        assert {*scene.grids.values()} == {grid}
        assert (grid.affine.a, grid.affine.c, grid.affine.f) == (30.0, tile_box.affine.c, tile_box.affine.f)
        assert grid.shape == (43, 43), "it covers the tile: 128 pixels of 10 m are 42 2/3 of 30 m"


def test_a_30_m_pixel_is_the_mean_of_nine_10_m_pixels(tmp_path: Path) -> None:
    still = replace(OPTIONS, sensors=("Landsat8",), clouds=False, orbit_edge=False, noise=0.0)
    world = make_world(still)
    files = write_world(world, tmp_path)
    day = landsat_dates(world)[1]
    (product,) = (files.l8_path / EAST).glob(f"*_{day:%Y%m%d}-*")
    truth = world.surface(day, "B8A")[world.window(EAST)]
    found = read(product / f"{product.name}_FRE_B5.tif")
    slow = [[truth[3 * r : 3 * r + 3, 3 * c : 3 * c + 3].mean() for c in range(42)] for r in range(42)]
    np.testing.assert_allclose(found[:42, :42], slow, atol=0.51)
    masks = [read(path) for path in (product / "MASKS").iterdir()]
    assert len(masks) == 3
    assert not np.any(masks)


def test_landsat_clouds_are_independent_and_masked(written: tuple[World, WorldFiles]) -> None:
    world, files = written
    lost = []
    for day in landsat_dates(world):
        sky = landsat_sky(world, day)
        lost.append(sky.invalid)
        (product,) = (files.l8_path / WEST).glob(f"*_{day:%Y%m%d}-*")
        invalid = sum(read(path) for path in (product / "MASKS").iterdir()) != 0
        window = world.window(WEST)
        fine = np.kron(invalid, np.ones((3, 3), bool))[:128, :128]
        assert fine[sky.invalid[window]].all()
        assert (read(product / f"{product.name}_FRE_B1.tif") == -10000).any() == sky.edge[window].any()
    others = [world.sky(day).invalid for day in OPTIONS.dates]
    assert 0.1 < np.median([mask.mean() for mask in lost]) < 0.6
    assert not any(np.array_equal(one, other) for one in lost for other in others)


def test_higher_cloud_cover_masks_more_pixels() -> None:
    clear, cloudy = (make_world(replace(OPTIONS, cover=cover)) for cover in (0.2, 0.6))
    for world_of in (
        lambda w: [w.sky(d) for d in OPTIONS.dates],
        lambda w: [landsat_sky(w, d) for d in landsat_dates(w)],
    ):
        few, many = (np.median([sky.invalid.mean() for sky in world_of(world)]) for world in (clear, cloudy))
        assert many > few + 0.2


def test_layers_separate_the_classes_only_partly(written: tuple[World, WorldFiles]) -> None:
    world, files = written
    with rasterio.open(files.user_feat_path / WEST / f"ALT_{WEST}.tif") as file:
        altitude, grid = file.read(1), GeoBox(file.shape, file.transform, str(file.crs))
        assert (file.crs.to_epsg(), file.res, file.nodata) == (2154, (25.0, 25.0), -9999)
    slope = read(files.user_feat_path / WEST / f"SLP_{WEST}.tif")
    assert slope.shape == (128, 128)
    np.testing.assert_allclose(altitude, layer(world, "ALT", grid), atol=0.51)
    truth = world.truth(grid)
    means = {code: altitude[truth == code].mean() for code in np.unique(truth)}
    order = sorted(means, key=lambda code: means[code])
    assert [ALTITUDE[code] for code in (order[0], order[-1])] == [
        min(ALTITUDE[code] for code in means),
        max(ALTITUDE[code] for code in means),
    ]
    lowest, highest = (altitude[truth == code] for code in (order[0], order[-1]))
    assert lowest.max() > highest.min(), "classes overlap"


def test_the_configuration_refers_to_the_written_files(written: tuple[World, WorldFiles]) -> None:
    config = load_config(written[1].config)
    assert (config.chain.s2_path, config.chain.s1_path) == (None, None)
    assert config.chain.l8_path == written[1].l8_path
    assert config.user_feat.patterns == ("ALT", "SLP")
    assert not written[1].s2_path.exists()
    assert all(hasattr(written[1], path) for path in SENSOR_PATHS.values())


def test_unknown_sensors_are_rejected() -> None:
    with pytest.raises(ValueError, match=re.escape("sensors ('Envisat',): expected some of Sentinel2, Landsat8")):
        WorldOptions(sensors=("Envisat",))
