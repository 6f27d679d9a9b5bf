"""Tiles and strips are decoded once for all blocks of a job, and kept in a scratch file in between."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.compute import stored_files as module
from iota2.compute.block_shapes import block_shapes
from iota2.compute.placement import KNOT_SPACING, placement, source_windows
from iota2.compute.stored_files import piece_shape
from iota2.core.grid import blocks, padded
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.scene import Scene
from iota2.io.archive.products import scan_tile
from iota2.io.archive.specs import parse_spec
from iota2.io.series.open_files import OpenFiles
from iota2.io.series.reader import CubeReader
from iota2.io.series.tile_cache import ScratchFile, TileCache
from iota2.testing.products import Layer, write_product

TILE = "T31TCJ"
GRID = GeoBox((320, 448), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
COARSE = GeoBox((160, 224), Affine(20, 0, 300000, 0, -20, 4900020), "EPSG:32631")
BESIDE = GeoBox((360, 500), Affine(10, 0, -179600, 0, -10, 4932300), "EPSG:32632")
DAYS = [date(2018, 1, 1), date(2018, 1, 11), date(2018, 1, 21)]
BANDS = {"Small": ("RED", "NIR")}
SPEC = parse_spec(
    """
name: Small
section: Small
product: '^SMALL_(?P<date>\\d{8})'
bands: [{name: RED, file: '*_red.tif', role: red}, {name: NIR, file: '*_nir.tif', role: nir}]
masks: [{name: CLOUD, file: '*_cloud.tif', values: [1, 3]}, {name: EDGE, file: '*_cloud.tif', values: [2], edge: true}]
nodata: -10000
""",
    source="small.yaml",
)
STRIPS = {"driver": "GTiff", "TILED": "NO", "BLOCKYSIZE": 1}


def tiles(side: int, driver: str = "JP2OpenJPEG") -> dict[str, Any]:
    lossless = {"REVERSIBLE": "YES", "QUALITY": "100", "CODEC": "JP2"} if driver == "JP2OpenJPEG" else {"TILED": "YES"}
    return {"driver": driver, "BLOCKXSIZE": side, "BLOCKYSIZE": side, **lossless}


def scene_of(root: Path, stored: dict[str, dict[str, Any]], red: GeoBox = GRID) -> Scene:
    """A series; ``stored``: storage layout of its bands and masks, by the end of the file name."""
    rng = np.random.default_rng(0)
    for day in DAYS:
        layers = {
            "RED": Layer(rng.integers(0, 9000, red.shape).astype(np.int16), red),
            "NIR": Layer(rng.integers(0, 9000, COARSE.shape).astype(np.int16), COARSE),
            "CLOUD": Layer((rng.random(COARSE.shape) * 8).astype(np.uint8), COARSE),
        }
        product = write_product(SPEC, root / TILE, TILE, day, layers)
        for ending, options in stored.items():
            (path,) = product.glob(f"*_{ending}.tif")
            rasterio.shutil.copy(path, path.with_suffix(".new"), **options)
            path.with_suffix(".new").replace(path)
    sensor, _ = scan_tile(SPEC, root, TILE)
    return Scene(TILE, GRID, (sensor,))


class Counted:
    """An open file that counts how often each of its tiles or strips is decoded, without a cache of GDAL."""

    counts: ClassVar[Counter[tuple[str, int, int]]] = Counter()

    def __init__(self, source: Any) -> None:
        self.source = source

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def read(self, indexes: Any, window: Any, out: np.ndarray | None = None) -> np.ndarray:
        (high, wide), (rows, cols) = self.source.block_shapes[0], window.toranges()
        for row in range(rows[0] // high, -(-rows[1] // high)):
            for col in range(cols[0] // wide, -(-cols[1] // wide)):
                self.counts[self.source.name, row, col] += 1
        return self.source.read(indexes, window=window, out=out)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not join tiles of small files to larger pieces."""
    monkeypatch.setattr(module, "MIN_PIECE_PIXELS", 1024)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[tuple[str, int, int]]]:
    plain = OpenFiles._opened
    monkeypatch.setattr(OpenFiles, "_opened", lambda self, path: Counted(plain(self, path)))
    Counted.counts.clear()
    yield Counted.counts
    Counted.counts.clear()


ARCHIVES = {
    "as ESA": {"red": tiles(64), "nir": tiles(40), "cloud": tiles(40)},
    "one tile": {"red": tiles(512), "nir": tiles(512), "cloud": tiles(512)},
    "GeoTIFF": {"red": tiles(128, "GTiff"), "nir": tiles(32, "GTiff"), "cloud": tiles(16, "GTiff")},
    "tiles and strips": {"red": tiles(64), "nir": STRIPS, "cloud": STRIPS},
    "strips": {"red": STRIPS, "nir": STRIPS, "cloud": STRIPS},
}


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", ARCHIVES)
def test_every_tile_and_strip_is_decoded_once(tmp_path: Path, decoded: Counter[Any], name: str, threads: int) -> None:
    scene = scene_of(tmp_path, ARCHIVES[name])
    recipe = FeatureRecipe((SensorRecipe("Small", BANDS["Small"], {}, ("20180101",), indices=()),))
    with CubeReader(scene, BANDS) as reader:
        (whole,) = (reader.read(block)["Small"] for block in blocks(TILE, GRID, GRID.shape))
    chosen = block_shapes(scene, recipe, 1_100_000, threads=threads)
    assert chosen.decoded != GRID.shape
    for shapes in (chosen, replace(chosen, decoded=(32, 128), cell=(64, 128))):
        for rows in ((0, 320), (64, 150)):
            order = shapes.in_order(TILE, GRID, rows)
            decoded.clear()
            with CubeReader(scene, BANDS, threads=threads) as reader:
                for block, found in reader.blocks(order):
                    cube = found.cubes(block)["Small"]
                    np.testing.assert_array_equal(cube.values, block_cut(whole.values, block))
                    np.testing.assert_array_equal(cube.valid, block_cut(whole.valid, block))
            assert len({path for path, _, _ in decoded}) == 9
            assert max(decoded.values()) == 1, (shapes, [k for k, v in decoded.items() if v > 1][:10])


@pytest.mark.parametrize("name", ARCHIVES)
def test_masks_are_decoded_for_one_block_only(tmp_path: Path, decoded: Counter[Any], name: str) -> None:
    scene = scene_of(tmp_path, ARCHIVES[name])
    with CubeReader(scene, {}) as reader:
        (whole,) = (reader.observed(block)["Small"] for block in blocks(TILE, GRID, GRID.shape))
    decoded.clear()
    with CubeReader(scene, {}, threads=2) as reader:
        for block in reader.observation_blocks(blocks(TILE, GRID, (80, 80))):
            np.testing.assert_array_equal(reader.observed(block)["Small"].valid, block_cut(whole.valid, block))
    assert len({path for path, _, _ in decoded}) == 3
    assert max(decoded.values()) <= 2, "two rules look at each file, one right after the other: it is in GDAL's cache"


def block_cut(values: np.ndarray, block: Any) -> np.ndarray:
    return values[..., slice(*block.rows), slice(*block.cols)]


def test_skipped_blocks_and_other_grids_do_not_change_values(tmp_path: Path, decoded: Counter[Any]) -> None:
    """With shifted dates, a band in another projection, and filters with a halo."""
    scene = replace(scene_of(tmp_path, {"red": tiles(64), "nir": tiles(40), "cloud": tiles(40)}), geobox=BESIDE)
    sensor = scene.sensors[0]
    moved = [replace(a, shift=(3.0 * k, -14.0 * k)) for k, a in enumerate(sensor.acquisitions)]
    scene = replace(scene, sensors=(replace(sensor, acquisitions=tuple(moved)),))
    order = [
        part
        for cell in blocks(TILE, BESIDE, (128, 128))
        for part in blocks(TILE, BESIDE, (32, 128), cell.rows, cell.cols)
    ]
    with (
        CubeReader(scene, BANDS, halo=2) as afresh,
        CubeReader(scene, BANDS, halo=2) as reader,
    ):
        decoded.clear()
        seen = 0
        for block, found in reader.blocks(order, lambda block: block if block.rows[0] // 32 % 3 != 1 else None):
            around = padded(block, 2, BESIDE)
            expected, cube = afresh.read(around)["Small"], found.cubes(block, {"Small": 2})["Small"]
            assert cube.margins == around.margins(block)
            np.testing.assert_array_equal(cube.values, expected.values)
            np.testing.assert_array_equal(cube.valid, expected.valid)
            seen += np.count_nonzero(expected.valid)
    assert seen > 100_000
    decoded.clear()
    with CubeReader(scene, BANDS, halo=2) as reader:
        assert len([block for block, _ in reader.blocks(order)]) == len(order)
    files = {path for path, _, _ in decoded}
    assert len(files) == 9
    assert sum(decoded.values()) <= len(decoded) + len(files), "the first tile for blocks that barely miss the images"


def test_cached_tiles_are_freed_and_their_space_is_reused(tmp_path: Path) -> None:
    """The scratch file contains tiles of one column and those of the next row, not all tiles."""
    scene = scene_of(tmp_path, {"red": tiles(64), "nir": tiles(32), "cloud": tiles(32)})
    largest = 0
    with CubeReader(scene, BANDS) as reader:
        for _ in reader.blocks(
            part for cell in blocks(TILE, GRID, (64, 64)) for part in blocks(TILE, GRID, (16, 64), cell.rows, cell.cols)
        ):
            largest = max(largest, reader._files._scratch.size)
        kept = reader._files._scratch.size
    whole = 3 * (GRID.shape.x * GRID.shape.y * 2 + COARSE.shape.x * COARSE.shape.y * 3)
    assert 0 < largest == kept < 0.6 * whole
    assert reader._files._scratch.size == 0


def test_arrays_in_the_scratch_file_are_unchanged_after_others_are_freed() -> None:
    scratch, rng, held = ScratchFile(), np.random.default_rng(0), {}
    for number in range(200):
        values = rng.integers(0, 9999, (2, rng.integers(1, 4), 5)).astype(np.int16)
        held[scratch.put(values)] = values
        if number % 3 == 0:
            gone = list(held)[int(rng.integers(len(held)))]
            scratch.free(gone)
            del held[gone]
    for slot, values in held.items():
        assert slot is not None
        for first in range(slot.shape[1]):
            np.testing.assert_array_equal(scratch.rows(slot, first, slot.shape[1]), values[:, first:])
    scratch.close()


FULL = """
import resource, sys, numpy as np
from iota2.io.series.tile_cache import ScratchFile
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
scratch = ScratchFile()
first = scratch.put(np.ones((1, 10, 1000), np.int16))
assert scratch.put(np.ones((1, 100, 1000), np.int16)) is None
assert scratch.put(np.ones((1, 1, 1), np.int16)) is None
print(scratch.rows(first, 0, 10).sum())
"""


def test_a_full_disk_stops_caching_with_a_warning() -> None:
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=True)
    assert done.stdout == "10000\n"
    assert done.stderr.count("Set TMPDIR to a folder on a disk with more free space") == 1


def test_a_missing_temporary_folder_stops_caching_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", list)
    assert ScratchFile().put(np.ones((1, 4, 4), np.int16)) is None
    assert "Set TMPDIR to a folder on a disk with more free space" in caplog.text


def test_a_full_scratch_file_changes_no_value(tmp_path: Path) -> None:
    scene = scene_of(tmp_path, {"red": tiles(64), "nir": tiles(40), "cloud": tiles(40)})
    with CubeReader(scene, BANDS) as reader, CubeReader(scene, BANDS) as afresh:
        reader._files._scratch.full = True
        for block, found in reader.blocks(blocks(TILE, GRID, (48, 48))):
            np.testing.assert_array_equal(found.cubes(block)["Small"].values, afresh.read(block)["Small"].values)
        assert reader._files._scratch.size == 0


def test_the_scratch_file_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scratch = ScratchFile()
    scratch.put(np.ones((1, 4, 4), np.int16))
    assert list(tmp_path.iterdir()) == []
    scratch.close()


def test_small_tiles_and_strips_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_PIECE_PIXELS", 1 << 18)
    assert piece_shape((10980, 10980), (1024, 1024)) == (1024, 1024)
    assert piece_shape((5490, 5490), (640, 640)) == (640, 640)
    assert piece_shape((10980, 10980), (256, 256)) == (512, 512)
    assert piece_shape((10980, 10980), (1, 10980)) == (32, 10980)
    assert piece_shape((100, 100), (64, 64)) == (100, 100)


def test_windows_outside_the_announced_area_are_read_correctly(tmp_path: Path) -> None:
    values = np.arange(64 * 64, dtype=np.int16).reshape(64, 64)
    with rasterio.open(
        tmp_path / "t.tif", "w", driver="GTiff", height=64, width=64, count=1, dtype="int16", tiled=True,
        blockxsize=16, blockysize=16, crs=str(GRID.crs), transform=GRID.affine,
    ) as file:  # fmt: skip
        file.write(values, 1)
    scratch = ScratchFile()
    pieces = TileCache((64, 64), (16, 16), [(0, 20, 0, 20), (10, 30, 10, 30), (0, 0, 0, 0)], scratch)
    with closing(scratch), rasterio.open(tmp_path / "t.tif") as source:
        for block_number, part in ((0, (0, 20, 0, 20)), (1, (10, 30, 10, 30)), (1, (20, 64, 0, 64)), (2, (3, 4, 5, 6))):
            out = np.zeros((part[1] - part[0], part[3] - part[2]), np.int16)
            pieces.read(source, [1], part, block_number, [out])
            np.testing.assert_array_equal(out, values[slice(*part[:2]), slice(*part[2:])])
            pieces.drop_unused(block_number)


@pytest.mark.parametrize("kernel", ["cubic", "bilinear", "nearest"])
@pytest.mark.parametrize(
    "source", [GRID, COARSE, BESIDE, GeoBox((999, 999), Affine(3.7, 0, 299001, 0, -3.7, 4901111), GRID.crs)]
)
def test_the_window_reached_by_a_block_contains_all_pixels_it_reads(source: GeoBox, kernel: str) -> None:
    parts = [block for shape in ((320, 448), (64, 64), (33, 21)) for block in blocks(TILE, GRID, shape)]
    message = source_windows(source, GRID, np.array([(*block.rows, *block.cols) for block in parts]), kernel)
    slack = 0 if source is GRID else 3 * KNOT_SPACING // 8
    for block, (top, bottom, left, right) in zip(parts, message.tolist(), strict=True):
        place = placement(source, GRID, block.rows, block.cols, kernel)
        if not place.inside.any():
            continue
        (first, last), (west, east) = place.window
        assert top <= first < last <= bottom
        assert left <= west < east <= right
        assert bottom - top - (last - first) <= slack
        assert right - left - (east - west) <= slack
