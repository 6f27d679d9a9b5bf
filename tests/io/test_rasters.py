"""Rasters of a run are read as written, and their bytes do not depend on the blocks."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.enums import ColorInterp, MaskFlags

from iota2.compute.placement import Range, source_coordinates
from iota2.core.grid import block_of, blocks
from iota2.errors import InputError, OutputError
from iota2.io.files.gdal import gdal_environment, limit_threads, local_path
from iota2.io.rasters.files import (
    RasterProfile,
    RasterReader,
    RasterWriter,
    decimated,
    nearest_pixels,
    raster_geobox,
    read_block,
)

GRID = GeoBox((600, 700), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")


def labels(seed: int = 0) -> np.ndarray:
    return np.kron(np.random.default_rng(seed).integers(0, 5, (60, 70)), np.ones((10, 10))).astype(np.uint8)


def nearest_on(path: Path, target: GeoBox, rows: Range, cols: Range, fill: float = 0) -> np.ndarray:
    with RasterReader(path) as reader:
        return reader.at(*nearest_pixels(reader.geobox, target, rows, cols), fill=fill)[0]


def write(path: Path, values: np.ndarray, profile: RasterProfile, shape: tuple[int, int], step: int = 1) -> bytes:
    with RasterWriter(path, profile) as writer:
        for block in list(blocks("T", profile.geobox, shape))[::step]:
            writer.write(block, values[(..., slice(*block.rows), slice(*block.cols))])
    return path.read_bytes()


@pytest.mark.parametrize("overviews", ["mode", "average", "none"])
@pytest.mark.parametrize("count", [1, 3])
def test_bytes_do_not_depend_on_shape_or_order_of_blocks(tmp_path: Path, overviews: str, count: int) -> None:
    values = np.stack([labels(k) for k in range(count)])
    values = values[0] if count == 1 else values
    profile = RasterProfile(GRID, "uint8", count, nodata=0, overviews=overviews)  # type: ignore[arg-type]
    first = write(tmp_path / "a.tif", values, profile, GRID.shape)
    with gdal_environment(cache_mb=1):
        assert write(tmp_path / "b.tif", values, profile, (37, 700)) == first
        assert write(tmp_path / "c.tif", values, profile, (90, 111), step=-1) == first
    with rasterio.open(tmp_path / "c.tif") as file:
        np.testing.assert_array_equal(file.read(), values.reshape(count, *GRID.shape))


def test_a_scratch_file_has_the_pixels_without_compression_and_replaces_the_file_that_is_read(tmp_path: Path) -> None:
    path, profile = tmp_path / "scratch.tif", RasterProfile(GRID, "uint8", nodata=0, scratch=True)
    write(path, labels(0), profile, (100, 700))
    with RasterReader(path) as reader, RasterWriter(path, profile) as writer:
        for block in blocks("T", GRID, (100, 700)):
            writer.write(block, reader.read(block.geobox) + np.uint8(1))
    with rasterio.open(path) as file:
        assert file.compression is None
        np.testing.assert_array_equal(file.read(1), labels(0) + 1)
    assert list(tmp_path.iterdir()) == [path]


def test_a_raster_has_all_properties_of_its_profile(tmp_path: Path) -> None:
    profile = RasterProfile(
        GRID,
        "uint16",
        nodata=0,
        descriptions=("forêt",),
        colours={0: (0, 0, 0), 300: (10, 20, 30)},
        tags={"RUN": "1 é"},
        overviews="nearest",
    )
    write(tmp_path / "map.tif", labels().astype(np.uint16), profile, (100, 700))
    with rasterio.open(tmp_path / "map.tif") as file:
        assert (file.nodata, file.dtypes, file.descriptions) == (0, ("uint16",), ("forêt",))
        assert file.colormap(1)[300] == (10, 20, 30, 255)
        assert file.tags()["RUN"] == "1 é"
        assert file.overviews(1) == [2, 4]
        assert file.transform == GRID.affine
        assert file.crs.to_epsg() == 32631
        assert file.block_shapes == [(256, 256)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.tif"]
    assert raster_geobox(tmp_path / "map.tif") == GRID


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_no_band_is_a_colour_or_transparency(tmp_path: Path, dtype: str, count: int) -> None:
    """GDAL takes 3 or 4 bands of type uint8 for an image in colours, whose fourth band hides pixels."""
    values = np.stack([labels(k) for k in range(count)]).astype(dtype)
    write(tmp_path / "a.tif", values, RasterProfile(GRID, dtype, count, overviews="mode"), (100, 700))
    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.colorinterp == (ColorInterp.gray, *[ColorInterp.undefined] * (count - 1))
        assert file.mask_flag_enums[0] == [MaskFlags.all_valid]
        np.testing.assert_array_equal(file.read(), values)
    assert b"ColorInterp" not in (tmp_path / "a.tif").read_bytes(), "nothing is stored beside the tags of TIFF"


def test_overviews_of_labels_are_labels_and_of_confidence_averages(tmp_path: Path) -> None:
    values = np.zeros(GRID.shape, np.uint8)
    values[::2, ::2] = 100
    values[1::2], values[:, 1::2] = 4, 4
    for kind in ("mode", "average"):
        write(tmp_path / kind, values, RasterProfile(GRID, "uint8", overviews=kind), (64, 700))  # type: ignore[arg-type]
    with rasterio.open(tmp_path / "mode", overview_level=0) as file:
        assert np.unique(file.read(1)).tolist() == [4]
    with rasterio.open(tmp_path / "average", overview_level=0) as file:
        assert np.unique(file.read(1)).tolist() == [28]


def test_codes_beyond_the_colour_table_are_rejected(tmp_path: Path) -> None:
    profile = RasterProfile(GRID, "uint8", colours={256: (1, 2, 3)})
    with pytest.raises(OutputError, match="code 256 is outside"), RasterWriter(tmp_path / "a.tif", profile):
        pass
    assert list(tmp_path.iterdir()) == []


def test_pixels_that_are_not_written_are_nodata(tmp_path: Path) -> None:
    profile = RasterProfile(GRID, "int16", nodata=-1)
    with RasterWriter(tmp_path / "a.tif", profile) as writer:
        writer.write(block_of("T", GRID, (10, 20), (300, 310)), np.full((10, 10), 7, np.int16))
    with rasterio.open(tmp_path / "a.tif") as file:
        values = file.read(1)
    assert (values == 7).sum() == 100
    assert (values == -1).sum() == values.size - 100


def test_nothing_is_left_after_an_error_and_the_old_file_stays(tmp_path: Path) -> None:
    profile = RasterProfile(GRID, "uint8")
    before = write(tmp_path / "a.tif", labels(), profile, (100, 700))
    with pytest.raises(ZeroDivisionError), RasterWriter(tmp_path / "a.tif", profile) as writer:
        writer.write(block_of("T", GRID, (0, 1), (0, 700)), np.zeros((1, 700), np.uint8) + 1 // 0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
    assert (tmp_path / "a.tif").read_bytes() == before


@pytest.mark.parametrize("room", [1 << 10, 1 << 17, 1 << 19, 700_000])
@pytest.mark.parametrize("noisy", [True, False])
def test_a_full_disk_is_reported_and_leaves_no_file(tmp_path: Path, room: int, noisy: bool) -> None:
    noise = np.random.default_rng(0).integers(0, 255, GRID.shape).astype(np.uint8) if noisy else labels()
    profile = RasterProfile(GRID, "uint8", overviews="mode")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            write(tmp_path / "a.tif", noise, profile, GRID.shape)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_unusual_file_names_are_supported(tmp_path: Path) -> None:
    folder = tmp_path / 'carte d\'été 100% #1; "地図" ?*[a]'
    write(folder / "c#1 ;%s.tif", labels(), RasterProfile(GRID, "uint8"), (100, 700))
    with RasterReader(folder / "c#1 ;%s.tif") as reader:
        np.testing.assert_array_equal(reader.read(GRID), labels())
    assert len(list(folder.iterdir())) == 1


def test_values_that_do_not_fit_are_rejected(tmp_path: Path) -> None:
    block = block_of("T", GRID, (0, 4), (0, 4))
    with RasterWriter(tmp_path / "a.tif", RasterProfile(GRID, "uint8")) as writer:
        with pytest.raises(ValueError, match="float64"):
            writer.write(block, np.zeros((4, 4)))
        with pytest.raises(ValueError, match=r"\(3, 4\)"):
            writer.write(block, np.zeros((3, 4), np.uint8))
        moved = GeoBox((4, 4), Affine(10, 0, 300005, 0, -10, 4900020), "EPSG:32631")
        with pytest.raises(ValueError, match="not aligned with the grid"):
            writer.write_at(moved, np.zeros((4, 4), np.uint8))


def test_a_raster_of_a_part_is_read_on_any_block_of_its_tile(tmp_path: Path) -> None:
    part = GRID[200:400, :]
    values = labels()
    write(tmp_path / "part.tif", values[200:400], RasterProfile(part, "uint8"), (64, 700))
    expected = np.full(GRID.shape, 9, np.uint8)
    expected[200:400] = values[200:400]
    for block in blocks("T", GRID, (150, 300)):
        place = slice(*block.rows), slice(*block.cols)
        np.testing.assert_array_equal(read_block(tmp_path / "part.tif", block, fill=9), expected[place])
    with RasterReader(tmp_path / "part.tif") as reader:
        np.testing.assert_array_equal(reader.read_bands(GRID, fill=9)[0], expected)
        with pytest.raises(InputError, match="not aligned with the requested grid"):
            reader.read(GeoBox((4, 4), Affine(20, 0, 300000, 0, -20, 4900020), "EPSG:32631"))


def test_quicklooks_are_small(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", labels(), RasterProfile(GRID, "uint8"), (100, 700))
    small = decimated(tmp_path / "a.tif", 5000)
    assert small.size <= 5000
    assert small.shape[1] / small.shape[0] == pytest.approx(700 / 600, rel=0.05)
    np.testing.assert_array_equal(decimated(tmp_path / "a.tif", 10**9), labels())


@pytest.mark.parametrize("crs", ["EPSG:2154", "EPSG:32630", "EPSG:4326", "EPSG:32631"])
def test_nearest_pixels_are_right_to_a_hundredth_and_the_same_for_any_block(tmp_path: Path, crs: str) -> None:
    values = np.random.default_rng(0).integers(1, 255, GRID.shape).astype(np.uint8)
    write(tmp_path / "a.tif", values, RasterProfile(GRID, "uint8"), GRID.shape)
    box = GRID.boundingbox
    to_crs = Transformer.from_crs("EPSG:32631", crs, always_xy=True)
    left, _, right, top = to_crs.transform_bounds(box.left, box.bottom, box.right, box.top)
    size = (right - left) / 650
    target = GeoBox((640, 680), Affine(size, 0, left - 5 * size, 0, -size, top + 7 * size), crs)
    rows, cols = (0, 640), (0, 680)
    y, x = source_coordinates(GRID, target, rows, cols)
    j, i = np.meshgrid(np.arange(680) + 0.5, np.arange(640) + 0.5)
    back = Transformer.from_crs(crs, "EPSG:32631", always_xy=True)
    true_x, true_y = back.transform(target.affine.c + size * j, target.affine.f - size * i)
    true_x, true_y = (true_x - 300000) / 10, (4900020 - true_y) / 10
    assert np.abs(x - true_x).max() < 0.01
    assert np.abs(y - true_y).max() < 0.01
    whole = nearest_on(tmp_path / "a.tif", target, rows, cols)
    sure = np.minimum(np.abs(true_x - np.round(true_x)), np.abs(true_y - np.round(true_y))) > 0.01
    inside = (true_x >= 0) & (true_y >= 0) & (true_x < 700) & (true_y < 600)
    expected = np.zeros(target.shape, np.uint8)
    expected[inside] = values[true_y[inside].astype(int), true_x[inside].astype(int)]
    np.testing.assert_array_equal(whole[sure], expected[sure])
    assert inside.mean() > 0.5
    for block in blocks("T", target, (77, 130)):
        part = nearest_on(tmp_path / "a.tif", target, block.rows, block.cols)
        np.testing.assert_array_equal(part, whole[slice(*block.rows), slice(*block.cols)])


def test_a_distant_grid_has_the_fill_value(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", labels(), RasterProfile(GRID, "uint8"), GRID.shape)
    far = GeoBox((30, 40), Affine(0.1, 0, -180, 0, -0.1, 90), "EPSG:4326")
    assert (nearest_on(tmp_path / "a.tif", far, (3, 30), (0, 40), fill=5) == 5).all()


def test_values_at_pixels_have_all_bands(tmp_path: Path) -> None:
    values = np.stack([labels(k) for k in range(3)])
    write(tmp_path / "a.tif", values, RasterProfile(GRID, "uint8", count=3), GRID.shape)
    row, col = np.array([7, -1, 599, 7]), np.array([690, -1, 3, 690])
    with RasterReader(tmp_path / "a.tif") as reader:
        found = reader.at(row, col, fill=255)
        assert reader.at(row[:0], col[:0]).shape == (3, 0)
        assert (reader.at(row[1:2], col[1:2], fill=9) == 9).all()
        np.testing.assert_array_equal(reader.at(row, col, fill=255, bands=(2, 0)), found[[2, 0]])
    np.testing.assert_array_equal(found[:, [0, 2, 3]], values[:, row[[0, 2, 3]], col[[0, 2, 3]]])
    assert (found[:, 1] == 255).all()


def test_rasters_without_a_coordinate_system_are_rejected(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "height": 2, "width": 2, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", transform=GRID.affine, **profile):
        pass
    with pytest.raises(InputError, match="no coordinate system"):
        RasterReader(tmp_path / "a.tif")


@pytest.mark.parametrize("path", ["/vsicurl/https://example.org/a.tif", "https://example.org/a.tif", "s3://b/a.tif"])
def test_remote_files_are_rejected(path: str) -> None:
    with pytest.raises(InputError, match="is not a local path"):
        local_path(path)


def test_thread_limits_are_restored() -> None:
    before = numba.get_num_threads()
    with limit_threads(1):
        assert numba.get_num_threads() == 1
    assert numba.get_num_threads() == before


def test_threads_of_libraries_that_are_loaded_later_are_limited() -> None:
    code = (
        "from threadpoolctl import threadpool_info\n"
        "from iota2.io.files.gdal import limit_threads\n"
        "with limit_threads(1): before = len(threadpool_info())\n"
        "import sklearn.utils._openmp_helpers\n"
        "with limit_threads(1): found = [library['num_threads'] for library in threadpool_info()]\n"
        "assert len(found) > before, found\n"
        "assert set(found) == {1}, found\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_damaged_raster_is_reported_with_the_reason_of_gdal(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write(path, labels(), RasterProfile(GRID, "uint8"), (100, 700))
    with rasterio.open(path) as source:
        start = int(source.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
    content = path.read_bytes()
    path.write_bytes(content[:start] + b"\xff" * 100 + content[start + 100 :])
    with RasterReader(path) as reader, pytest.raises(InputError) as refused:
        reader.read(GRID)
    message = str(refused.value)
    assert message.endswith(". The file is damaged: create or copy it again.")
    assert "previous exception" not in message
    assert ".." not in message.replace(str(path), "")
    assert "a.tif" in message.replace(str(path), ""), "the reason names the file"
