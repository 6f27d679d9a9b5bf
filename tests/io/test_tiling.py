"""Rasters of the user on the grids of tiles."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.warp import reproject

from iota2.compute import tile_resampling
from iota2.compute.tile_resampling import block_shape, covers, method_of, source_window
from iota2.core.user_raster import Method
from iota2.io.rasters.files import RasterReader
from iota2.io.rasters.tiling import blocks_on_tile

UTM, LAMBERT = "EPSG:32631", "EPSG:2154"
SOURCE = GeoBox((120, 130), Affine(25, 0, 500_000, 0, -25, 4_800_000), UTM)


def grid(size: float, shape: tuple[int, int], x: float = 500_303, y: float = 4_799_707, crs: str = UTM) -> GeoBox:
    return GeoBox(shape, Affine(size, 0, x, 0, -size, y), crs)


def smooth(dtype: str) -> np.ndarray:
    """Two bands without jumps."""
    y, x = np.mgrid[:120, :130]
    return np.stack([500 + 3 * x + 2 * y, 900 - 2 * x + np.round(50 * np.sin(y / 20))]).astype(dtype)


def written(path: Path, values: np.ndarray, nodata: float | None, geobox: GeoBox = SOURCE) -> Path:
    options = {"height": values.shape[1], "width": values.shape[2], "count": len(values), "dtype": values.dtype}
    with rasterio.open(
        path, "w", driver="GTiff", crs=str(geobox.crs), transform=geobox.affine, nodata=nodata, **options
    ) as file:
        file.write(values)
    return path


def tiled(path: Path, destination: GeoBox, method: Method, nodata: float | None) -> np.ndarray:
    """The whole tile."""
    with RasterReader(path) as reader:
        out = np.full((reader.count, *destination.shape), 77, reader.dtype)
        for block, values in blocks_on_tile(reader, destination, method, nodata):
            out[:, slice(*block.rows), slice(*block.cols)] = values
    return out


def reference(values: np.ndarray, destination: GeoBox, method: str, nodata: float) -> np.ndarray:
    """Each band warped as a whole."""
    out = np.full((len(values), *destination.shape), nodata, values.dtype)
    for band, result in zip(values, out, strict=True):
        reproject(
            band,
            result,
            src_transform=SOURCE.affine,
            src_crs=UTM,
            src_nodata=nodata,
            dst_transform=destination.affine,
            dst_crs=str(destination.crs),
            dst_nodata=nodata,
            resampling=Resampling[method],
            XSCALE=min(1, 25 / destination.affine.a),
            YSCALE=min(1, 25 / destination.affine.a),
        )
    return out


METHODS = [("bilinear", 10), ("bilinear", 90), ("nearest", 10), ("average", 90), ("mode", 90)]


@pytest.mark.parametrize("side", [512, 64, 17])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "uint32", "float32", "float64"])
@pytest.mark.parametrize(("method", "size"), METHODS)
def test_values_equal_those_of_the_whole_raster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, method: Method, size: float, dtype: str, side: int
) -> None:
    values = smooth(dtype) if dtype != "uint8" else (smooth("int32") % 200 + 3).astype("uint8")
    values[0, 30:60, 40:50] = 1
    values[1, :20] = 1
    monkeypatch.setattr(tile_resampling, "MAX_BLOCK_PIXELS", side)
    destination = grid(size, (29, 31) if size == 90 else (250, 260))
    found = tiled(written(tmp_path / "a.tif", values, 1), destination, method, 1)
    expected = reference(values, destination, method, 1)
    assert found.dtype == dtype
    assert (found == 1).any()
    np.testing.assert_array_equal(found == 1, expected == 1)
    if np.dtype(dtype).kind == "f":
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    else:  # results half way between two numbers are rounded up or down by the last digit of the sum
        difference = np.abs(found.astype(int) - expected)
        assert difference.max() <= (method in ("bilinear", "average"))
        assert (difference > 0).mean() < 0.01


@pytest.mark.parametrize("side", [512, 64])
@pytest.mark.parametrize(("method", "size", "tolerance"), [("bilinear", 10, 0.05), ("average", 90, 0.5)])
def test_rasters_in_another_projection_are_warped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, method: Method, size: float, tolerance: float, side: int
) -> None:
    monkeypatch.setattr(tile_resampling, "MAX_BLOCK_PIXELS", side)
    values = smooth("float32")
    destination = grid(size, (20, 21) if size == 90 else (200, 210), *_lambert(500_500, 4_799_600), LAMBERT)
    assert covers(SOURCE, destination)
    found = tiled(written(tmp_path / "a.tif", values, -1), destination, method, -1)
    np.testing.assert_allclose(found, reference(values, destination, method, -1), atol=tolerance)


def _lambert(x: float, y: float) -> tuple[float, float]:
    from pyproj import Transformer  # noqa: PLC0415

    return Transformer.from_crs(UTM, LAMBERT, always_xy=True).transform(x, y)


def test_aligned_pixels_are_copied_with_their_missing_values(tmp_path: Path) -> None:
    values = smooth("float32")
    values[0, 5, 5:8] = [math.nan, -9999, 1e30]
    destination = SOURCE[2:40, 3:50]
    assert method_of("categorical", SOURCE, destination) == method_of("average", SOURCE, destination) == "copy"
    found = tiled(written(tmp_path / "a.tif", values, -9999), destination, "copy", -9999)
    np.testing.assert_array_equal(found, values[:, 2:40, 3:50])


@pytest.mark.parametrize("method", ["copy", "nearest", "bilinear", "average", "mode"])
def test_pixels_outside_the_raster_are_no_data(tmp_path: Path, method: Method) -> None:
    path = written(tmp_path / "a.tif", smooth("int16"), -7)
    beside = grid(25, (40, 40), 500_000 - 10 * 25, 4_800_000 + 10 * 25)
    found = tiled(path, beside, method, -7)
    assert (found[:, :10] == -7).all()
    assert (found[:, :, :10] == -7).all()
    assert (found[:, 10:, 10:] != -7).all()
    assert (tiled(path, grid(25, (40, 40), 900_000), method, -7) == -7).all()


@pytest.mark.parametrize(("method", "size"), METHODS)
def test_values_do_not_depend_on_the_extent_of_the_tile(tmp_path: Path, method: Method, size: float) -> None:
    values = smooth("float32") + np.random.default_rng(0).normal(0, 50, (2, 120, 130)).astype("float32")
    path = written(tmp_path / "a.tif", values, -1)
    beyond = grid(size, (40, 40), 500_000 - 20 * size + 13, 4_800_000 + 17 * size)
    inside = beyond[18:38, 22:39]
    assert covers(SOURCE, inside)
    assert not covers(SOURCE, beyond)
    part = tiled(path, beyond, method, -1)[:, 18:38, 22:39]
    np.testing.assert_allclose(part, tiled(path, inside, method, -1), rtol=1e-4)


@pytest.mark.parametrize(("method", "size"), [("bilinear", 10), ("average", 90)])
def test_missing_values_and_nan_are_not_mixed_with_others(tmp_path: Path, method: Method, size: float) -> None:
    values = np.full((2, 120, 130), 5, "float32")
    values[0, 40:60, 40:60] = -9999
    values[0, 50:80, 50:80] = math.nan
    destination = grid(size, (20, 21) if size == 90 else (250, 260))
    found = tiled(written(tmp_path / "a.tif", values, -9999), destination, method, -9999)
    assert {*np.unique(found[0])} == {-9999, 5}
    assert (found[1] == 5).all(), "each band has its own missing values"
    values[values == -9999] = math.nan
    without_value = tiled(written(tmp_path / "b.tif", values, None), destination, method, math.nan)
    np.testing.assert_array_equal(np.isnan(without_value), found == -9999)


@pytest.mark.parametrize(("dtype", "first"), [("int32", 20180411), ("uint32", 4294967289), ("int64", 2**62)])
@pytest.mark.parametrize("nodata", [None, 7])
def test_the_most_frequent_code_is_exact_for_large_codes(
    tmp_path: Path, dtype: str, first: int, nodata: int | None
) -> None:
    """Codes that float32 does not represent; two by two pixels, three of which have the same code."""
    codes = first + np.arange(60 * 65).reshape(60, 65) % 5
    values = np.repeat(np.repeat(codes, 2, axis=0), 2, axis=1).astype(dtype)
    values[::2, ::2] = first - 9
    if nodata is not None:
        values[:8] = nodata
    destination = GeoBox((60, 65), Affine(50, 0, 500_000, 0, -50, 4_800_000), UTM)
    found = tiled(written(tmp_path / "codes.tif", values[None], nodata), destination, "mode", nodata)[0]
    assert (found[4:] == codes[4:]).all()
    assert (found[:4] == (codes[:4] if nodata is None else nodata)).all()


def test_whole_numbers_without_no_data_value_are_all_values(tmp_path: Path) -> None:
    values = np.zeros((1, 120, 130), "uint8")
    values[0, :, 60:] = 255
    found = tiled(written(tmp_path / "a.tif", values, None), grid(10, (250, 260)), "bilinear", None)
    assert {0, 255} <= {*np.unique(found)}
    assert len(np.unique(found)) > 2


def test_the_method_follows_from_the_kind_and_the_pixel_sizes() -> None:
    for destination, expected in (
        (grid(10, (50, 50)), ("bilinear", "nearest")),
        (grid(25, (50, 50)), ("bilinear", "nearest")),
        (grid(25.5, (50, 50)), ("average", "mode")),
        (grid(25, (50, 50), *_lambert(500_500, 4_799_600), LAMBERT), ("bilinear", "nearest")),
        (grid(60, (50, 50), *_lambert(500_500, 4_799_600), LAMBERT), ("average", "mode")),
    ):
        assert (method_of("continuous", SOURCE, destination), method_of("categorical", SOURCE, destination)) == expected
        assert method_of("mode", SOURCE, destination) == "mode"
    assert method_of("continuous", SOURCE, SOURCE[3:9, 4:8]) == "copy"
    assert method_of("continuous", SOURCE, grid(25, (50, 50))) == "bilinear", "the same size, and not aligned"


def test_a_raster_covers_a_tile_if_it_contains_the_centres_of_all_pixels() -> None:
    assert covers(SOURCE, SOURCE)
    assert covers(SOURCE, SOURCE[5:20, 6:9])
    assert covers(SOURCE, grid(25, (20, 20), 500_000 - 12))
    assert not covers(SOURCE, grid(25, (20, 20), 500_000 - 13))
    assert not covers(SOURCE, grid(25, (200, 20)))
    assert not covers(SOURCE, grid(25, (20, 20), *_lambert(499_000, 4_799_600), LAMBERT))


@pytest.mark.parametrize("crs", [UTM, LAMBERT])
def test_points_of_the_border_decide_only_clear_cases(monkeypatch: pytest.MonkeyPatch, crs: str) -> None:
    """Tiles are moved across all sides of the raster; the result equals that of the positions of all pixels."""
    x, y = (500_000, 4_800_000) if crs == UTM else _lambert(500_000, 4_800_000)
    tiles = [grid(7, (90, 80), x + 90 * col, y - 90 * row, crs) for col in range(-2, 34) for row in range(-2, 34)]
    quick = [covers(SOURCE, tile) for tile in tiles]
    clear = sum(tile_resampling._covers_clearly(SOURCE, tile) for tile in tiles)
    monkeypatch.setattr(tile_resampling, "_covers_clearly", lambda source, destination: False)
    assert quick == [covers(SOURCE, tile) for tile in tiles]
    assert 0.8 * sum(quick) < clear < sum(quick) < len(tiles)


@pytest.mark.parametrize("size", [1, 10, 25, 250, 5000])
@pytest.mark.parametrize("bands", [1, 40])
def test_blocks_and_their_source_windows_fit_a_constant_memory(size: float, bands: int) -> None:
    source = GeoBox((200_000, 200_000), SOURCE.affine, UTM)
    destination = grid(size, (3000, 3000), 1_500_000, 3_000_000)
    rows, cols = block_shape(source, destination, 4 * bands)
    window = source_window(source, destination, (0, rows), (0, cols))
    assert window is not None
    pixels = math.prod(last - first for first, last in window)
    one_pixel = 4 * bands * size**2 / 25**2
    assert 4 * bands * (pixels + rows * cols) <= max(1.1 * tile_resampling.BLOCK_BYTES, 10 * one_pixel)
    assert max(rows, cols) <= tile_resampling.MAX_BLOCK_PIXELS
