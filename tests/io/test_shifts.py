"""Shifts of dates are corrected on reading: bands, masks and footprint, in blocks of any shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.grid import blocks, pixel_centres
from iota2.core.scene import Scene
from iota2.io.archive.products import native_geobox, scan_tile, working_geobox
from iota2.io.archive.specs import builtin_specs
from iota2.io.series.reader import CubeReader
from iota2.io.series.scene_file import shifted
from iota2.testing.products import Layer, write_product, write_series

TILE = "T31TCJ"
FINE = GeoBox((40, 64), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
COARSE = GeoBox((20, 32), Affine(20, 0, 300000, 0, -20, 4900020), "EPSG:32631")
GRIDS = {"": FINE} | dict.fromkeys(("B5", "B6", "B7", "B8A", "B11", "B12"), COARSE)
DAYS = (date(2018, 3, 2), date(2018, 5, 11), date(2018, 8, 9))
SPEC = builtin_specs()["Sentinel_2"]
BANDS = {"Sentinel2": ("B3", "B5", "B11", "B8")}
BESIDE = {"20180302": (20.0, -40.0), "20180809": (-40.0, 20.0)}
"""Metres right and down; whole pixels of both grids."""
BETWEEN = {"20180302": (3.7, -5.0), "20180511": (5.0, 5.0), "20180809": (-12.25, 31.4)}


def scene_in(root: Path, shifts: Mapping[str, tuple[float, float]]) -> Scene:
    sensor, _ = scan_tile(SPEC, root, TILE)
    return shifted(Scene(TILE, native_geobox(sensor), (sensor,)), {"Sentinel2": shifts})


def read(scene: Scene, shape: tuple[int, int], threads: int = 1) -> tuple[np.ndarray, ...]:
    """Values, validity, validity from masks only, and footprint, assembled from blocks."""
    values: list[tuple[tuple[slice, slice], tuple[np.ndarray, ...]]] = []
    with CubeReader(scene, BANDS, threads=threads) as reader:
        for block in blocks(TILE, scene.geobox, shape):
            cube, sight = reader.read(block)["Sentinel2"], reader.observed(block)["Sentinel2"]
            found = cube.values, cube.valid, sight.valid, reader.footprint(block)
            values.append(((slice(*block.rows), slice(*block.cols)), found))
    whole = tuple(np.zeros((*one.shape[:-2], *scene.geobox.shape), one.dtype) for one in values[0][1])
    for place, found in values:
        for target, part in zip(whole, found, strict=True):
            target[..., *place] = part
    return whole


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Mapping[str, Layer], ...]]:
    root = tmp_path_factory.mktemp("straight")
    return root, write_series(SPEC, root, TILE, DAYS, GRIDS)


def test_shifts_by_whole_pixels_are_corrected_exactly(
    straight: tuple[Path, tuple[Mapping[str, Layer], ...]], tmp_path: Path
) -> None:
    for day, layers in zip(DAYS, straight[1], strict=True):
        right, down = BESIDE.get(f"{day:%Y%m%d}", (0.0, 0.0))
        beside = {}
        for name, layer in layers.items():
            by = round(down / -layer.geobox.affine.e), round(right / layer.geobox.affine.a)
            beside[name] = replace(layer, values=np.roll(layer.values, by, axis=(0, 1)))
        write_product(SPEC, tmp_path / TILE, TILE, day, beside)
    found, expected = read(scene_in(tmp_path, BESIDE), FINE.shape), read(scene_in(straight[0], {}), FINE.shape)
    inner = ..., slice(8, -8), slice(8, -8)  # what came in at the other side lies beyond
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one[inner], other[inner])
    assert not np.array_equal(read(scene_in(tmp_path, {}), FINE.shape)[0][inner], expected[0][inner])


@pytest.mark.parametrize("proj", ["EPSG:32631", "EPSG:2154"])
@pytest.mark.parametrize("shifts", [BESIDE, BETWEEN])
@pytest.mark.parametrize("shape", [(16, 64), (7, 11), (1, 64)])
def test_blocks_of_any_shape_equal_the_whole(
    straight: tuple[Path, tuple[Mapping[str, Layer], ...]],
    shifts: Mapping[str, tuple[float, float]],
    shape: tuple[int, int],
    proj: str,
) -> None:
    scene = scene_in(straight[0], shifts)
    if proj != str(FINE.crs):
        grid = working_geobox(FINE, spatial_resolution=None, working_grid="proj", proj=proj)
        scene = replace(scene, geobox=grid)
    whole = read(scene, scene.geobox.shape)
    for once, apart in zip(whole, read(scene, shape, threads=3), strict=True):
        np.testing.assert_array_equal(once, apart)
    assert whole[1].any()


def test_shifts_by_fractions_of_a_pixel_are_corrected(tmp_path: Path) -> None:
    def ground(grid: GeoBox, right: float, down: float) -> np.ndarray:
        rows, cols = np.indices(grid.shape)
        x, y = pixel_centres(grid, rows, cols)
        x, y = x - grid.affine.c - right, y - grid.affine.f + down
        return np.rint(5000 + 2000 * np.sin(x / 90) * np.cos(y / 70)).astype(np.int16)

    spec = replace(SPEC, masks=())
    for day in DAYS:
        beside = BETWEEN[f"{day:%Y%m%d}"]
        bands = {name: GRIDS.get(name, FINE) for name in spec.band_names}
        layers = {name: Layer(ground(grid, *beside), grid) for name, grid in bands.items()}
        write_product(spec, tmp_path / TILE, TILE, day, layers)
    sensor, _ = scan_tile(spec, tmp_path, TILE)
    scene = Scene(TILE, native_geobox(sensor), (sensor,))
    with CubeReader(shifted(scene, {"Sentinel2": BETWEEN}), BANDS) as reader:
        cube = reader.read(next(blocks(TILE, FINE, FINE.shape)))["Sentinel2"]
    inner = ..., slice(8, -8), slice(8, -8)
    errors = np.abs(cube.values.astype(float) - ground(FINE, 0, 0))[inner]
    assert errors[:, 0].max() < 15, "10 m bands: amplitude 2000, a tenth of a percent and rounding"
    assert errors[:, 1:3].max() < 60, "20 m bands"
    with CubeReader(scene, BANDS) as reader:
        plain = reader.read(next(blocks(TILE, FINE, FINE.shape)))["Sentinel2"]
    assert np.abs(plain.values.astype(float) - ground(FINE, 0, 0))[inner].max() > 500


def test_pixels_outside_a_shifted_image_are_invalid(
    straight: tuple[Path, tuple[Mapping[str, Layer], ...]],
) -> None:
    shifts = {"20180511": (23.0, -31.0)}
    plain, found = (read(scene_in(straight[0], given), FINE.shape) for given in ({}, shifts))
    # too far right by 2.3 pixels and too far up by 3.1: moved left and down
    for valid in (found[1], found[2]):
        assert not valid[1, :3].any()
        assert not valid[1, :, -2:].any()
        assert valid[1, 3:, :-2].any()
    np.testing.assert_array_equal(found[0][[0, 2]], plain[0][[0, 2]])
    np.testing.assert_array_equal(found[1][[0, 2]], plain[1][[0, 2]])
    # masks are moved by the pixel in which the centre lies
    np.testing.assert_array_equal(found[2][1, 3:, :-2], plain[2][1, :-3, 2:])
