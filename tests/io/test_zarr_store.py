"""Zarr stores of features maps, as xarray and other programs read them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dask
import numpy as np
import odc.geo.xr  # noqa: F401 - registers the accessor odc
import pytest
import rasterio
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.feature_map import FeatureMap, MapType
from iota2.core.map_axes import MapAxes
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.io.rasters.zarr_store import MEMBER, SQUARE, assemble_store, create_store, shard_writer, store_reader

DATES = ("20180105", "20180220", "20180220.1")
SENSOR = SensorRecipe("S2", ("B4", "B8"), {}, DATES, indices=())
LAYERS = SensorRecipe("Layers", ("slope",), {}, (), indices=(), static=True)
GRID = GeoBox((SQUARE + 70, SQUARE + 90), Affine(10, 0, 600_000, 0, -10, 6_300_000), "EPSG:2154")


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Dask computes in threads: a client that other tests left behind would have no workers."""
    with dask.config.set(scheduler="threads"):
        yield


def axes_of(dtype: MapType = "float32") -> MapAxes:
    return MapAxes(FeatureMap((FeatureRecipe((SENSOR, LAYERS)),), dtype))


def written(folder: Path, axes: MapAxes, squares: list[tuple[int, int]], threads: int = 1) -> Path:
    """A store with values on some squares, given as row and column; the value of a band is its number."""
    folder.mkdir()
    create_store(folder, axes, GRID)
    height, width = GRID.shape
    with shard_writer(folder, threads) as writer:
        for top, left in squares:
            rows = top * SQUARE, min((top + 1) * SQUARE, height)
            cols = left * SQUARE, min((left + 1) * SQUARE, width)
            for shard in axes.shards:
                values = np.full((shard.count, rows[1] - rows[0], cols[1] - cols[0]), -10000, axes.layers.dtype)
                for band, offset in zip(shard.bands, shard.offsets, strict=True):
                    values[offset, 1:] = band
                writer.write(shard, rows, cols, values)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_xarray_reads_a_store_lazily_with_its_coordinates(tmp_path: Path, dtype: MapType) -> None:
    axes = axes_of(dtype)
    found = xr.open_zarr(written(tmp_path / "map.zarr", axes, [(0, 0), (1, 1)]))
    assert found["features"].dims == ("time", "band", "y", "x")
    assert found["features"].chunks is not None, "a lazy array"
    assert found["features"].encoding["dtype"] == np.dtype(dtype)
    assert found.time.dt.strftime("%Y-%m-%d").to_numpy().tolist() == ["2018-01-05", "2018-02-20", "2018-02-20"]
    assert found.key.to_numpy().tolist() == list(DATES)
    assert found.band.to_numpy().tolist() == ["S2_B4", "S2_B8"]
    assert found.sensor.to_numpy().tolist() == ["S2", "S2"]
    assert found.feature.to_numpy().tolist() == ["slope"]
    square = found["features"].sel(band="S2_B8").isel(time=1, y=slice(0, 3), x=slice(0, 2)).to_numpy()
    assert np.isnan(square[0]).all(), "no data"
    assert (square[1:] == axes.layers.names.index("S2_B8_20180220")).all()
    assert (found["undated"].isel(feature=0, y=SQUARE + 1, x=SQUARE + 1) == axes.layers.names.index("slope")).all()
    assert np.isnan(found["features"].isel(y=1, x=SQUARE + 1)).all(), "a square that was not written"


def test_the_grid_is_found_by_other_libraries(tmp_path: Path) -> None:
    found = xr.open_zarr(written(tmp_path / "map.zarr", axes_of(), []))
    for name in ("features", "undated"):
        assert found[name].odc.geobox == GRID
    np.testing.assert_array_equal(found.x[:2], [600_005, 600_015])
    np.testing.assert_array_equal(found.y[:2], [6_299_995, 6_299_985])
    assert found.x.attrs["standard_name"] == "projection_x_coordinate"
    assert found.y.attrs["units"] == "metre"
    assert rasterio.crs.CRS.from_wkt(found.spatial_ref.attrs["crs_wkt"]).to_epsg() == 2154
    assert found.spatial_ref.attrs["GeoTransform"].split() == ["600000", "10", "0", "6300000", "0", "-10"]
    assert found.attrs == {"Conventions": "CF-1.11", "title": "Features map", "source": "S2, Layers"}


def test_a_store_of_degrees_has_longitude_and_latitude(tmp_path: Path) -> None:
    (tmp_path / "map.zarr").mkdir()
    create_store(tmp_path / "map.zarr", axes_of(), GeoBox((4, 5), Affine(0.1, 0, 2, 0, -0.1, 45), "EPSG:4326"))
    found = xr.open_zarr(tmp_path / "map.zarr")
    assert (found.x.attrs["standard_name"], found.y.attrs["standard_name"]) == ("longitude", "latitude")
    np.testing.assert_allclose(found.x[:2], [2.05, 2.15])


def test_squares_without_data_have_no_file(tmp_path: Path) -> None:
    axes = axes_of()
    store = written(tmp_path / "map.zarr", axes, [(1, 0)])
    assert sorted(name for name in contents(store) if "features/c" in name) == [
        "features/c/0/0/1/0",
        "features/c/0/1/1/0",
    ]
    with shard_writer(store, 1) as writer:
        writer.write(axes.shards[0], (0, SQUARE), (0, SQUARE), np.full((3, SQUARE, SQUARE), -10000, np.float32))
    assert len([name for name in contents(store) if "features/c" in name]) == 2


def test_stores_of_strips_become_one_with_the_same_bytes(tmp_path: Path) -> None:
    """Whatever the division, and the number of threads; the files are the same, not copies."""
    axes = axes_of()
    whole = written(tmp_path / "whole", axes, [(0, 0), (0, 1), (1, 0)], threads=4)
    pieces = [
        written(tmp_path / "strip_0", axes, [(0, 1), (0, 0)]),
        written(tmp_path / "strip_1", axes, [(1, 0)], threads=2),
        written(tmp_path / "strip_2", axes, []),
    ]
    (tmp_path / "joined").mkdir()
    assemble_store(tmp_path / "joined", axes, GRID, pieces)
    assert contents(tmp_path / "joined") == contents(whole)
    assert (tmp_path / "joined/features/c/0/0/1/0").samefile(pieces[1] / "features/c/0/0/1/0")
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "joined").load(), xr.open_zarr(whole).load())


def test_all_files_of_a_store_are_recognised(tmp_path: Path) -> None:
    names = list(contents(written(tmp_path / "map.zarr", axes_of(), [(0, 0)])))
    assert [name for name in names if not MEMBER.fullmatch(name)] == []
    assert not MEMBER.fullmatch("thesis.txt")
    assert not MEMBER.fullmatch("features/c/notes.txt")


def test_the_library_is_imported_only_when_a_store_is_written() -> None:

    code = "import sys, iota2.chains.lookup, iota2.runs.runner; sys.exit('zarr' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_bands_are_read_at_reduced_resolution(tmp_path: Path) -> None:
    axes = axes_of()
    path = written(tmp_path / "map.zarr", axes, [(0, 0), (1, 1)])
    reader = store_reader(path, axes)
    height, width = GRID.shape
    for number in range(len(axes.layers.bands)):
        small = reader.decimated(40_000, band=number + 1)
        assert small.size <= 40_000
        assert small.dtype == np.float32
        assert set(np.unique(small)) == {-10000.0, float(number)}
        assert (small[: len(small) * SQUARE // height - 1, : small.shape[1] * SQUARE // width - 1] == number).all()
        assert (small[: len(small) // 2, -1] == -10000).all(), "a square that was not written"
    assert reader.decimated(10 * height * width).shape == GRID.shape
    assert reader.decimated(1).shape == (1, 1)
