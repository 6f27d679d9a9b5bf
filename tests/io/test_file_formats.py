"""For files that differ in data type, tiling and extent, values do not depend on the block shape."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.compute.block_shapes import block_shapes, mask_block_shape
from iota2.compute.stored_files import stored_type
from iota2.core.grid import block_of, blocks
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.scene import FileFormat, Scene
from iota2.errors import ConfigError, DamagedProduct, InputError
from iota2.io.archive.products import native_geobox, scan_tile
from iota2.io.archive.specs import parse_spec
from iota2.io.series.reader import CubeReader
from iota2.io.series.scene_file import scene_from_json, scene_to_json
from tests.opened import opened_files, rasters_of

TILE, SHAPE = "T31TCJ", (192, 320)
GRID = GeoBox(SHAPE, Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
COARSE = GeoBox((96, 160), Affine(20, 0, 300000, 0, -20, 4900020), "EPSG:32631")
SPEC = """
name: Small
section: Small
product: '^SMALL_(?P<date>\\d{8})'
bands: [{name: RED, file: '*_red.tif', role: red}, {name: NIR, file: '*_nir.tif'}]
masks: [{name: CLOUD, file: '*_cloud.tif', optional: true}]
nodata: -10000
varying_extent: true
"""
BANDS = {"Small": ("RED", "NIR")}
RECIPE = FeatureRecipe((SensorRecipe("Small", BANDS["Small"], {}, ("20180101",), indices=()),))
STRIPS: Mapping[str, Any] = {"blockysize": 4}


def tiles(side: int) -> Mapping[str, Any]:
    return {"tiled": True, "blockxsize": side, "blockysize": side}


WAYS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("int16", STRIPS),
    ("float32", tiles(64)),
    ("int16", tiles(32)),
    ("uint8", {"blockysize": 48}),
    ("uint16", tiles(16)),
)
"""Type and creation options of the bands of each date; neither the first nor the last one is the largest."""


def write(path: Path, values: np.ndarray, grid: GeoBox, way: Mapping[str, Any]) -> None:
    rows, cols = values.shape
    profile = {"driver": "GTiff", "count": 1, "height": rows, "width": cols, "dtype": values.dtype}
    with rasterio.open(path, "w", **profile, crs=str(grid.crs), transform=grid.affine, **way) as target:
        target.write(values, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five dates of noise, one of them only in the upper third; masks of three data types and tilings."""
    noise = np.random.default_rng(0)
    for k, (kind, way) in enumerate(WAYS):
        product = tmp_path / TILE / f"SMALL_20180{k + 1}01"
        product.mkdir(parents=True)
        rows = 64 if k == 2 else SHAPE[0]
        values = noise.integers(0, 250, (2, *SHAPE)).astype(kind)
        if kind == "float32":
            values += np.float32(0.25)
        write(product / "x_red.tif", values[0, :rows], GRID, way)
        write(product / "x_nir.tif", values[1, : rows // 2, : SHAPE[1] // 2], COARSE, WAYS[k - 1][1])
        if k != 3:
            cloud = noise.integers(0, 2, (rows, SHAPE[1])).astype(("uint8", "uint16", "uint8", "", "int32")[k])
            write(product / "x_cloud.tif", cloud, GRID, WAYS[k - 2][1])
    return tmp_path


@pytest.fixture
def scene(folder: Path) -> Scene:
    sensor, _ = scan_tile(parse_spec(SPEC, source="small.yaml"), folder, TILE)
    return Scene(TILE, native_geobox(sensor), (sensor,))


def test_the_scene_contains_the_storage_format_of_each_file(scene: Scene) -> None:
    for known in (scene, scene_from_json(scene_to_json(scene))):
        for acquisition in known.sensors[0].acquisitions:
            for name, path in {**acquisition.bands, **acquisition.masks}.items():
                with rasterio.open(path) as source:
                    wanted = FileFormat(source.dtypes[0], source.shape, source.block_shapes[0], 1)
                assert acquisition.formats[name] == wanted
    (sensor,) = scene.sensors
    assert stored_type(sensor, "RED") == np.float32
    assert stored_type(sensor, "CLOUD") == np.int32


def whole(scene: Scene) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return in_blocks(scene, lambda: blocks(TILE, GRID, SHAPE))


def in_blocks(scene: Scene, order: Callable[[], Any], threads: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, validity, and validity from masks only, assembled from blocks."""
    dates = len(scene.sensors[0].acquisitions)
    values = np.full((dates, 2, *SHAPE), np.nan, np.float32)
    valid, clear = (np.zeros((dates, *SHAPE), bool) for _ in range(2))
    with CubeReader(scene, BANDS, threads=threads) as reader:
        for block, found in reader.blocks(order()):
            place = (..., slice(*block.rows), slice(*block.cols))
            cube = found.cubes(block)["Small"]
            values[place], valid[place] = cube.values, cube.valid
    with CubeReader(scene, {}, threads=threads) as reader:
        for block in reader.observation_blocks(order()):
            clear[..., slice(*block.rows), slice(*block.cols)] = reader.observed(block)["Small"].valid
    return values, valid, clear


@pytest.mark.parametrize("threads", [1, 3])
def test_values_of_mixed_files_do_not_depend_on_the_memory_of_blocks(scene: Scene, threads: int) -> None:
    expected, shapes = whole(scene), set()
    red = expected[0][:, 0]
    for k, acquisition in enumerate(scene.sensors[0].acquisitions):
        with rasterio.open(acquisition.bands["RED"]) as source:
            stored = source.read(1).astype(np.float32)
        np.testing.assert_array_equal(red[k, : len(stored)], stored)
        assert not expected[1][k, len(stored) :].any()
    for memory in np.geomspace(1.2e6, 2e7, 7):
        try:
            chosen = block_shapes(scene, RECIPE, int(memory), threads=threads)
        except ConfigError:
            continue
        shapes.add(chosen.decoded)
        found = in_blocks(scene, lambda chosen=chosen: chosen.in_order(TILE, GRID), threads)  # type: ignore[misc]
        for once, apart in zip(expected, found, strict=True):
            assert once.tobytes() == apart.tobytes()
    assert len(shapes) > 3


def test_block_shapes_are_computed_without_opening_files(scene: Scene, folder: Path) -> None:
    before = block_shapes(scene, RECIPE, 1 << 22), mask_block_shape(scene, 1 << 20)
    shutil.rmtree(folder / TILE)
    assert (block_shapes(scene, RECIPE, 1 << 22), mask_block_shape(scene, 1 << 20)) == before


def test_block_shapes_consider_every_date(scene: Scene) -> None:
    """The only float date is in the middle of a series of integers."""
    (sensor,) = scene.sensors
    plain = [
        replace(one, formats={name: replace(file, dtype="int16") for name, file in one.formats.items()})
        for one in sensor.acquisitions
    ]
    large = GeoBox((10980, 10980), GRID.affine, GRID.crs)
    sizes = []
    for acquisitions in (plain, [*plain[:2], sensor.acquisitions[1], *plain[3:]]):
        wide = replace(sensor, acquisitions=tuple(acquisitions), grids=dict.fromkeys(sensor.grids, large))
        sizes.append(np.prod(block_shapes(Scene(TILE, large, (wide,)), RECIPE, 1 << 28).decoded))
    assert sizes[1] < 0.8 * sizes[0]


def test_only_files_with_pixels_in_the_blocks_are_opened(scene: Scene, folder: Path) -> None:
    low = scene.sensors[0].acquisitions[2]
    with opened_files() as opened, CubeReader(scene, {"Small": ("RED",)}) as reader:
        order = [block_of(TILE, GRID, rows, (0, SHAPE[1])) for rows in ((64, 128), (128, 192))]
        for block, found in reader.blocks(order):
            found.cubes(block)
    counts = Counter(rasters_of(opened, folder))
    others = [one for one in scene.sensors[0].acquisitions if one.key != low.key]
    assert counts == Counter(path for one in others for path in (one.bands["RED"], *one.masks.values()))


def test_a_file_with_another_data_type_than_in_the_scene_is_reported(scene: Scene) -> None:
    path = Path(scene.sensors[0].acquisitions[0].bands["RED"])
    write(path, np.full(SHAPE, 0.5, np.float64), GRID, {})
    with (
        CubeReader(scene, BANDS) as reader,
        pytest.raises(InputError, match=r"was replaced .* float64, not int16") as caught,
    ):
        reader.read(block_of(TILE, GRID, (0, 64), (0, 64)))
    assert not isinstance(caught.value, DamagedProduct)
    path.write_bytes(b"")
    with CubeReader(scene, BANDS) as reader, pytest.raises(DamagedProduct, match="cannot be opened"):
        reader.read(block_of(TILE, GRID, (0, 64), (0, 64)))


def test_products_are_opened_once_when_some_bands_are_left_out(folder: Path) -> None:
    next((folder / TILE).rglob("*_nir.tif")).unlink()
    with opened_files() as opened:
        sensor, notes = scan_tile(parse_spec(SPEC, source="small.yaml"), folder, TILE, kept=("RED",))
    assert sensor.spec.band_names == ("RED",)
    assert any("left out" in note or "not read" in note for note in notes)
    assert set(Counter(rasters_of(opened, folder)).values()) == {1}
