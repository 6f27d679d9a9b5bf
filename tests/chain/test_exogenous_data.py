"""Rasters that only functions of the user read: values, tiles, grids, no data, and changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS
from rasterio.warp import transform

from iota2.chains.load import load_config
from iota2.core.graph import Resources
from iota2.io.series.scene_file import read_scene
from iota2.runs.preview import preview_run
from iota2.runs.runner import Options
from iota2.steps.pixels import features_at
from tests.chain.helpers import EAST, WEST, Case, case, command, copied, on_tile, refused, run, small
from tests.chain.test_external_features import jobs_of, recipe_of, whole_tile, written

__all__ = ["case", "small"]
CODE = """
import numpy as np
import xarray as xr

def rain(self):
    data = self.get_exogeneous_data()
    assert data.shape[2] == 2 and data.dtype == np.float32
    return 2 * data[:, :, 0] + data[:, :, 1], "rain"

def local(self):
    soil = np.pad(self.get_exogeneous_data_band_1()[:, :, 0], 2, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(soil, (5, 5)).mean(axis=(2, 3)), "local"

def variable(series: xr.Dataset) -> xr.DataArray:
    return (series.exogenous_data_band_1 - series.Sentinel2_B4.isel(time=0)).rename("variable")

def named(self):
    return self.get_exogenous_soil()[:, :, 0] - self.get_exogeneous_rain()[:, :, 1], "named"

def images(self):
    return self.get_Sentinel2_B4()[:, :, 0], "images"
"""
FUNCTIONS = "rain local variable"


def values_on(grid: GeoBox, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 20, (2, *grid.shape)).astype(np.float32)


def write(path: Path, grid: GeoBox, values: np.ndarray, nodata: float | None = None) -> Path:
    shape = {"height": grid.shape.y, "width": grid.shape.x, "count": len(values)}
    crs = CRS.from_string(str(grid.crs))
    with rasterio.open(
        path, "w", driver="GTiff", crs=crs, transform=grid.affine, dtype=values.dtype, nodata=nodata, **shape
    ) as file:
        file.write(values)
    return path


def of_tiles(case: Case, *tiles: str) -> str:
    for seed, tile in enumerate(tiles):
        grid = case.world.tile_geobox(tile)
        write(case.files.folder / f"rain_{tile}.tif", grid, values_on(grid, seed))
    return str(case.files.folder / "rain_$TILE.tif")


def configured(case: Case, data: Any, functions: str = FUNCTIONS, tiles: str = WEST, **given: Any) -> Path:
    external = {"module": str(written(case, CODE)), "functions": functions, "exogeneous_data": data}
    return case.configured(
        chain={"list_tile": tiles, "allow_missing_sensor": given.pop("allow_missing_sensor", False)},
        external_features={**external, **given},
        python_data_managing={"padding_size_x": 2, "padding_size_y": 2},
    )


@pytest.fixture(scope="module")
def mapped(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    case = copied(small, tmp_path_factory.mktemp("exogenous") / "case")
    run(configured(case, of_tiles(case, WEST, EAST), tiles=f"{WEST} {EAST}"))
    return case


@pytest.mark.parametrize("shape", [(7, 13), None])
def test_features_equal_plain_numpy_for_any_blocks(mapped: Case, shape: tuple[int, int] | None) -> None:
    recipe = recipe_of(mapped)
    assert [one.sensors for one in recipe.functions] == [("exogenous",), ("exogenous",), ("Sentinel2", "exogenous")]
    assert not any(name.startswith("exogenous") for name in recipe.names), "no features of their own"
    for seed, tile in enumerate((WEST, EAST)):
        data = values_on(mapped.world.tile_geobox(tile), seed)
        scene = read_scene(mapped.output / f"features/{tile}/tmp/scene.json")
        values, clear = whole_tile(mapped, recipe, Resources(block_shape=shape), scene)
        found = dict(zip(recipe.names, values, strict=True))
        np.testing.assert_array_equal(found["rain"][clear], (2 * data[0] + data[1])[clear])
        around = np.pad(data[1], 2, mode="edge")
        means = np.lib.stride_tricks.sliding_window_view(around, (5, 5)).mean(axis=(2, 3))
        np.testing.assert_allclose(found["local"][clear], means[clear], rtol=1e-5)
        red = found[f"Sentinel2_B4_{recipe.sensors[0].dates[0]}"]
        np.testing.assert_array_equal(found["variable"][clear], (data[1] - red)[clear])
        rows, cols = np.random.default_rng(1).integers(0, 64, (2, 200))
        samples, seen = features_at(scene, recipe, rows, cols, Resources(block_shape=shape))
        np.testing.assert_array_equal(samples[seen], values[:, rows, cols].T[seen])


def test_a_change_of_a_raster_repeats_what_depends_on_its_tile(mapped: Case, tmp_path: Path) -> None:
    case = copied(mapped, tmp_path / "case")
    data, tiles = of_tiles(case, WEST, EAST), f"{WEST} {EAST}"
    config = configured(case, data, tiles=tiles)
    run(config)
    assert jobs_of(case, config) == set()
    grid = case.world.tile_geobox(EAST)
    write(case.files.folder / f"rain_{EAST}.tif", grid, values_on(grid, 7))
    preview = preview_run(load_config(config), Options())
    stale = {job.id for job in preview.plan.jobs if preview.verdicts[job.id].state == "stale"}
    assert any(f"extraction_{EAST}" in name for name in stale)
    assert not any(f"extraction_{WEST}" in name for name in stale)


def test_a_missing_raster_of_a_tile_is_an_error_before_the_run(
    mapped: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = copied(mapped, tmp_path / "case")
    data = of_tiles(case, WEST, EAST)
    (case.files.folder / f"rain_{EAST}.tif").unlink()
    error = refused(capsys, configured(case, data, tiles=f"{WEST} {EAST}"))
    assert f"external_features.exogeneous_data: external_features, tile {EAST}: 1 problem" in error
    assert "there is no file" in error
    assert f"rain_{EAST}.tif (data). $TILE stands for the name of the tile: add the file" in error


def test_rasters_of_another_grid_are_resampled(case: Case) -> None:
    tile = case.world.tile_geobox(WEST)
    left, top = tile.affine.c, tile.affine.f
    coarse = GeoBox((60, 60), Affine(20, 0, left - 200, 0, -20, top + 200), str(tile.crs))
    x, y = coarse.affine * np.meshgrid(np.arange(60) + 0.5, np.arange(60) + 0.5)
    soil = write(case.files.folder / "soil.tif", coarse, np.stack([x - left]).astype(np.float32))
    (easting,), (northing,) = transform(CRS.from_string(str(tile.crs)), CRS.from_epsg(2154), [left], [top])
    other = GeoBox((80, 80), Affine(15, 0, easting - 300, 0, -15, northing + 300), "EPSG:2154")
    east, _ = other.affine * np.meshgrid(np.arange(80) + 0.5, np.arange(80) + 0.5)
    rain = write(case.files.folder / "rain.tif", other, np.stack([east * 0, east - easting]).astype(np.float32))
    run(configured(case, {"soil": str(soil), "rain": str(rain)}, "named"))
    recipe = recipe_of(case)
    values, clear = whole_tile(case, recipe, Resources())
    columns, rows = np.meshgrid(np.arange(64) + 0.5, np.arange(64) + 0.5)
    x, y = tile.affine * (columns, rows)
    far, _ = transform(CRS.from_string(str(tile.crs)), CRS.from_epsg(2154), x.ravel(), y.ravel())
    expected = (x - left) - (np.reshape(far, x.shape) - easting)
    np.testing.assert_allclose(values[recipe.names.index("named")][clear], expected[clear], atol=0.2)
    assert clear.sum() > 1000


@pytest.mark.parametrize("allowed", [False, True])
def test_pixels_without_data_of_a_raster(case: Case, allowed: bool) -> None:
    grid = case.world.tile_geobox(WEST)
    data = values_on(grid, 0)
    data[0, :10] = -9999
    path = write(case.files.folder / "rain.tif", grid, data, nodata=-9999)
    run(configured(case, str(path), "rain", allow_missing_sensor=allowed))
    labels = on_tile(case.output / "final/Classif_Seed_0.tif", case)
    assert (labels[:10] > 0).any() == allowed
    assert (labels[10:] > 0).any()
    recipe = recipe_of(case)
    values, clear = whole_tile(case, recipe, Resources())
    found = values[recipe.names.index("rain")]
    assert (found[:10] == (-10000 if allowed else 0)).all()
    np.testing.assert_array_equal(found[10:][clear[10:]], (2 * data[0] + data[1])[10:][clear[10:]])


def test_check_reports_rasters_that_no_function_reads_and_wrong_names(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    data = of_tiles(case, WEST)
    code, out, error = command(capsys, "check", configured(case, data, "images"))
    assert code == 0, error
    assert "external_features.exogeneous_data: no function reads these rasters" in out + error
    assert "'a b' is not a name of a raster" in refused(capsys, configured(case, {"a b": data}))
    assert "'x_band_0' is not a name of a raster" in refused(capsys, configured(case, {"x_band_0": data}))
    assert "contains a name twice" in refused(capsys, configured(case, {"soil": data, "Soil": data}))
    error = refused(capsys, configured(case, {"soil": data}, "rain"))
    assert "AttributeError: there is no get_exogeneous_data; exogenous has soil, soil_band_0, soil_band_1" in error
    error = refused(capsys, configured(case, None, "named"))
    assert "there is no get_exogenous_soil; external_features.exogeneous_data (line " in error
