"""Cubes of any block contain the values of the files at its position, for all grids."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from iota2.compute.block_shapes import MIN_COLS, MIN_ROWS, _BlockMemory, block_shapes, mask_block_shape
from iota2.compute.valid import absent_value, mask_applies
from iota2.core.grid import blocks, with_pixel_size
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.scene import Scene
from iota2.core.sensor import MaskRule, SensorSpec
from iota2.core.user_features import UserFeatures, UserFunction
from iota2.errors import ConfigError, InputError
from iota2.io.archive.products import native_geobox, scan_tile, working_geobox
from iota2.io.archive.specs import builtin_specs, parse_spec
from iota2.io.series.open_files import OpenFiles
from iota2.io.series.reader import CubeReader, recipe_bands
from iota2.io.series.scene_file import shifted
from iota2.testing.products import Layer, write_product, write_series

TILE = "T31TCJ"
FINE = GeoBox((40, 64), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
SHIFTED = GeoBox((20, 32), Affine(20, 0, 299990, 0, -20, 4900030), "EPSG:32631")
GRIDS = {"": FINE} | dict.fromkeys(("B5", "B6", "B7", "B8A", "B11", "B12"), SHIFTED)
DAYS = (date(2018, 3, 2), date(2018, 5, 11), date(2018, 5, 11))
SPEC = builtin_specs()["Sentinel_2"]
BANDS = {"Sentinel2": ("B3", "B5", "B11", "B8")}
SMALL = """
name: Small
section: Small
product: '^SMALL_(?P<date>\\d{8})'
bands: [{name: RED, file: '*_red.tif', role: red}, {name: NIR, file: '*_nir.tif'}]
masks: [{name: CLOUD, file: 'MASKS/*_cloud.tif', optional: true}]
nodata: -10000
"""


def scene_of(spec: SensorSpec, root: Path, geobox: GeoBox | None = None) -> Scene:
    sensor, _ = scan_tile(spec, root, TILE)
    return Scene(TILE, geobox or native_geobox(sensor), (sensor,))


def read_in_blocks(
    scene: Scene, bands: dict[str, Sequence[str]], shape: tuple[int, int], threads: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Values, validity, mask validity and footprint of the first sensor, assembled from blocks."""
    name, n = next(iter(bands)), len(scene.sensors[0].acquisitions)
    values = np.zeros((n, len(bands[name]), *scene.geobox.shape))
    valid, clear = (np.zeros((n, *scene.geobox.shape), bool) for _ in range(2))
    footprint = np.zeros(scene.geobox.shape, bool)
    with CubeReader(scene, bands, threads=threads) as reader:
        for block in blocks(TILE, scene.geobox, shape):
            place = (..., slice(*block.rows), slice(*block.cols))
            cube = reader.read(block)[name]
            values[place], valid[place] = cube.values, cube.valid
            clear[place], footprint[place] = reader.observed(block)[name].valid, reader.footprint(block)
    return values, valid, clear, footprint


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[dict[str, Layer], ...]]:
    root = tmp_path_factory.mktemp("archive")
    return root, write_series(SPEC, root, TILE, DAYS, GRIDS)  # type: ignore[return-value]


def test_bands_of_the_reference_grid_are_not_resampled(
    archive: tuple[Path, tuple[dict[str, Layer], ...]],
) -> None:
    root, truth = archive
    values, valid, clear, _ = read_in_blocks(scene_of(SPEC, root), BANDS, FINE.shape)
    for t, layers in enumerate(truth):
        np.testing.assert_array_equal(values[t, 0], layers["B3"].values)
        np.testing.assert_array_equal(values[t, 3], layers["B8"].values)
        masked = sum(layers[name].values for name in ("CLM", "SAT", "EDG")) > 0
        np.testing.assert_array_equal(clear[t], ~masked)
        # the shifted grid ends one fine pixel before the last row and column
        outside = np.zeros(FINE.shape, bool)
        outside[-1], outside[:, -1] = True, True
        coarse_nodata = np.kron(layers["B5"].values == -10000, np.ones((2, 2), bool))[1:, 1:]
        without = np.pad(coarse_nodata, ((0, 1), (0, 1))) | (layers["B3"].values == -10000)
        np.testing.assert_array_equal(valid[t], ~(masked | outside | without))


def test_a_cube_has_days_keys_bands_and_roles(archive: tuple[Path, tuple[dict[str, Layer], ...]]) -> None:
    scene = scene_of(SPEC, archive[0])
    with CubeReader(scene, BANDS) as reader:
        cube = reader.read(next(blocks(TILE, FINE, (8, 16))))["Sentinel2"]
    assert cube.values.dtype == np.int16
    assert cube.values.shape == (3, 4, 8, 16)
    assert cube.keys == ("20180302", "20180511", "20180511.1")
    assert cube.bands == BANDS["Sentinel2"]
    assert dict(cube.roles) == {"green": "B3", "nir": "B8", "swir": "B11"}
    assert cube.nodata == -10000


def test_the_footprint_is_where_one_date_is_clear_of_its_edge_mask(
    archive: tuple[Path, tuple[dict[str, Layer], ...]],
) -> None:
    root, truth = archive
    footprint = read_in_blocks(scene_of(SPEC, root), BANDS, FINE.shape)[3]
    expected = ~np.all([layers["EDG"].values > 0 for layers in truth], axis=0)
    np.testing.assert_array_equal(footprint, expected)
    assert not footprint.all()


@pytest.mark.parametrize("grid", ["native", "coarser", "proj"])
@pytest.mark.parametrize("shape", [(16, 64), (7, 11), (1, 64)])
def test_blocks_of_any_shape_equal_the_whole(
    archive: tuple[Path, tuple[dict[str, Layer], ...]], grid: str, shape: tuple[int, int]
) -> None:
    geoboxes = {
        "native": FINE,
        "coarser": with_pixel_size(FINE, (15.0, 15.0)),
        "proj": working_geobox(FINE, spatial_resolution=None, working_grid="proj", proj="EPSG:2154"),
    }
    scene = scene_of(SPEC, archive[0], geoboxes[grid])
    whole = read_in_blocks(scene, BANDS, scene.geobox.shape)
    for once, apart in zip(whole, read_in_blocks(scene, BANDS, shape, threads=3), strict=True):
        np.testing.assert_array_equal(once, apart)
    assert whole[1].any()
    assert not whole[1].all()


@pytest.mark.parametrize("band", ["B5", "B3"])
@pytest.mark.parametrize("kernel", ["cubic", "bilinear", "nearest"])
def test_reprojection_agrees_with_gdal(
    archive: tuple[Path, tuple[dict[str, Layer], ...]], band: str, kernel: str
) -> None:
    spec = spec_with(kernel)
    grid = working_geobox(FINE, spatial_resolution=None, working_grid="proj", proj="EPSG:2154")
    scene = scene_of(spec, archive[0], grid)
    values, valid, *_ = read_in_blocks(scene, {"Sentinel2": (band,)}, grid.shape)
    with (
        rasterio.open(scene.sensors[0].acquisitions[0].bands[band]) as source,
        WarpedVRT(
            source,
            crs="EPSG:2154",
            transform=grid.affine,
            width=grid.shape.x,
            height=grid.shape.y,
            resampling=Resampling[kernel],
            tolerance=1e-6,
        ) as warped,
    ):
        expected = warped.read(1)
    away = np.zeros(grid.shape, bool)
    away[8:-8, 8:-8] = True
    difference = np.abs(values[0, 0] - expected)[away & valid[0]]
    assert difference.size > 500
    if kernel == "nearest":
        assert np.mean(difference > 0) < 0.005
    else:
        # positions differ by less than 1e-4 pixel, values by up to 3000 from pixel to pixel
        assert difference.max() <= 2


def spec_with(kernel: str) -> SensorSpec:
    return replace(SPEC, resampling=kernel)  # type: ignore[arg-type]


def write_small(root: Path, red: np.ndarray, nir: np.ndarray, cloud: np.ndarray | None = None) -> SensorSpec:
    spec = parse_spec(SMALL, source="small.yaml")
    layers = {"RED": Layer(red, FINE), "NIR": Layer(nir, FINE)}
    layers |= {} if cloud is None else {"CLOUD": Layer(cloud, FINE)}
    write_product(spec, root / TILE, TILE, DAYS[0], layers)
    return spec


SMALL_BANDS = {"Small": ("RED", "NIR")}


def test_nan_and_nodata_in_any_band_make_a_pixel_invalid(tmp_path: Path) -> None:
    red = np.full(FINE.shape, 0.5, np.float32)
    red[3, 4], red[5, 6] = np.nan, -10000
    spec = write_small(tmp_path, red, np.full(FINE.shape, 0.25, np.float32))
    values, valid, clear, footprint = read_in_blocks(scene_of(spec, tmp_path), SMALL_BANDS, (16, 64))
    assert sorted(zip(*np.nonzero(~valid[0]), strict=True)) == [(3, 4), (5, 6)]
    assert np.isnan(values[0, 0, [3, 5], [4, 6]]).all()
    assert (values[0, 1] == 0.25).all()
    assert sorted(zip(*np.nonzero(~clear[0]), strict=True)) == [(3, 4), (5, 6)], (
        "without a mask, the reference band tells"
    )
    np.testing.assert_array_equal(footprint, clear[0])


def test_a_nodata_value_within_the_range_of_a_resampled_band_hides_only_its_own_pixels(tmp_path: Path) -> None:
    spec = parse_spec(SMALL.replace("-10000", "100"), source="small.yaml")
    rng = np.random.default_rng(1)
    nir = rng.choice([50, 101, 150], SHIFTED.shape).astype(np.int16)
    nir[5, 5] = 100
    layers = {"RED": Layer(np.full(FINE.shape, 7, np.int16), FINE), "NIR": Layer(nir, SHIFTED)}
    write_product(spec, tmp_path / TILE, TILE, DAYS[0], layers)
    _, valid, *_ = read_in_blocks(scene_of(spec, tmp_path), SMALL_BANDS, FINE.shape)
    expected = np.ones(FINE.shape, bool)
    expected[9:11, 9:11], expected[-1], expected[:, -1] = False, False, False
    np.testing.assert_array_equal(valid[0], expected)


def test_values_come_in_product_units(tmp_path: Path) -> None:
    spec = parse_spec(SMALL.replace("nodata: -10000", "scale: 0.5\noffset: -3\nnodata: 0"), source="small.yaml")
    raw = np.arange(FINE.shape.x * FINE.shape.y, dtype=np.uint16).reshape(FINE.shape)
    write_product(spec, tmp_path / TILE, TILE, DAYS[0], {"RED": Layer(raw, FINE), "NIR": Layer(raw + 1, FINE)})
    values, valid, *_ = read_in_blocks(scene_of(spec, tmp_path), SMALL_BANDS, (16, 64))
    np.testing.assert_array_equal(values[0, 0].ravel()[1:], raw.ravel()[1:] * 0.5 - 3)
    assert not valid[0, 0, 0]
    assert np.isnan(values[0, 0, 0, 0])
    assert valid[0].sum() == raw.size - 1


def test_odd_names_in_the_path_are_read(tmp_path: Path) -> None:
    one = np.ones(FINE.shape, np.int16)
    odd = tmp_path / 'archive d\'été 100% #1; "影像" ?*[a]'
    values, valid, *_ = read_in_blocks(scene_of(write_small(odd, one, one), odd), SMALL_BANDS, (16, 64))
    assert (values == 1).all()
    assert valid.all()


def test_a_pixel_that_is_cloudy_on_all_dates_is_never_valid(tmp_path: Path) -> None:
    cloud = np.zeros(FINE.shape, np.uint8)
    cloud[2, 3] = 255
    one = np.ones(FINE.shape, np.int16)
    spec = write_small(tmp_path, one, one, cloud)
    with CubeReader(scene_of(spec, tmp_path), SMALL_BANDS) as reader:
        cube = reader.read(next(blocks(TILE, FINE, FINE.shape)))["Small"]
    assert cube.n_valid[2, 3] == 0
    assert cube.n_valid.sum() == one.size - 1


def test_coarser_masks_apply_to_pixels_with_their_centre_inside(tmp_path: Path) -> None:
    spec = parse_spec(SMALL, source="small.yaml")
    cloud = np.zeros(SHIFTED.shape, np.uint8)
    cloud[4, 7] = 1
    one = np.ones(FINE.shape, np.int16)
    layers = {"RED": Layer(one, FINE), "NIR": Layer(one, FINE), "CLOUD": Layer(cloud, SHIFTED)}
    write_product(spec, tmp_path / TILE, TILE, DAYS[0], layers)
    clear = read_in_blocks(scene_of(spec, tmp_path), SMALL_BANDS, (5, 9))[2]
    expected = np.ones(FINE.shape, bool)
    expected[7:9, 13:15], expected[-1], expected[:, -1] = False, False, False
    np.testing.assert_array_equal(clear[0], expected)


def test_mask_rules() -> None:
    values = np.array([0, 1, 2, 3, 16, 128], np.uint8)
    assert mask_applies(MaskRule("m", "f"), values).tolist() == [False, True, True, True, True, True]
    assert mask_applies(MaskRule("m", "f", bits=(1, 7)), values).tolist() == [
        False,
        False,
        True,
        True,
        False,
        True,
    ]
    assert mask_applies(MaskRule("m", "f", values=(0, 3)), values).tolist() == [
        True,
        False,
        False,
        True,
        False,
        False,
    ]
    both = MaskRule("m", "f", bits=(4,), values=(1,))
    assert mask_applies(both, values).tolist() == [False, True, False, False, True, False]


def test_a_file_damaged_after_scanning_is_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 9000, FINE.shape).astype(np.int16)
    spec = write_small(tmp_path, noise, noise)
    scene = scene_of(spec, tmp_path)
    path = Path(scene.sensors[0].acquisitions[0].bands["NIR"])
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match=f"{path}: cannot be read"):
        read_in_blocks(scene, SMALL_BANDS, FINE.shape)


def test_every_part_of_a_decoded_block_has_a_cube(archive: tuple[Path, tuple[dict[str, Layer], ...]]) -> None:
    other = working_geobox(FINE, spatial_resolution=None, working_grid="proj", proj="EPSG:2154")
    for working in (scene_of(SPEC, archive[0], other), scene_of(SPEC, archive[0])):
        for threads, shape in ((1, (17, 1000)), (2, (16, 1000)), (3, (16, 20))):
            with CubeReader(working, BANDS, threads=threads) as reader, CubeReader(working, BANDS) as afresh:
                for block, decoded in reader.blocks(blocks(TILE, working.geobox, shape)):
                    for part in blocks(TILE, working.geobox, (5, 13), block.rows, block.cols):
                        found, expected = decoded.cubes(part)["Sentinel2"], afresh.read(part)["Sentinel2"]
                        np.testing.assert_array_equal(found.values, expected.values)
                        np.testing.assert_array_equal(found.valid, expected.valid)


def test_no_row_is_read_twice_from_top_to_bottom(
    archive: tuple[Path, tuple[dict[str, Layer], ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resampling needs rows around a block; they are kept from the block above."""
    read: Counter[tuple[str, int]] = Counter()
    plain = OpenFiles.read

    def counting(self: OpenFiles, requests: Sequence[Any]) -> None:
        read.update((requests[0].path, row) for row in range(*requests[0].rows))
        plain(self, requests)

    monkeypatch.setattr(OpenFiles, "read", counting)
    scene = scene_of(SPEC, archive[0])
    with CubeReader(scene, BANDS) as reader:
        for _, decoded in reader.blocks(blocks(TILE, scene.geobox, (8, 64))):
            assert decoded.windows["Sentinel2"]
    files = 3 * (len(BANDS["Sentinel2"]) + 3)
    assert len({path for path, _ in read}) == files
    assert set(read.values()) == {1}
    assert sum(read.values()) == 3 * (2 * 40 + 2 * 20 + 3 * 40)


def test_a_low_limit_of_open_files_does_not_change_the_result(
    archive: tuple[Path, tuple[dict[str, Layer], ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = scene_of(SPEC, archive[0])
    whole = read_in_blocks(scene, BANDS, (16, 64))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (8, 8))
    for once, again in zip(whole, read_in_blocks(scene, BANDS, (16, 64)), strict=True):
        np.testing.assert_array_equal(once, again)


def bands_of(sensor: str, *bands: str) -> FeatureRecipe:
    """A recipe that copies bands of one date."""
    return FeatureRecipe((SensorRecipe(sensor, bands, {}, ("20180101",), indices=()),))


def test_block_shapes_fit_the_memory(archive: tuple[Path, tuple[dict[str, Layer], ...]]) -> None:
    sensor, _ = scan_tile(SPEC, archive[0], TILE)
    grid = GeoBox((10980, 10980), FINE.affine, FINE.crs)
    scene = Scene(TILE, grid, (replace(sensor, grids=dict.fromkeys(sensor.grids, grid)),))
    recipe = bands_of("Sentinel2", "B3", "B8")
    assert recipe_bands(recipe) == {"Sentinel2": ("B3", "B8")}
    stored, computed = 3 * (2 * 2 + 3 * 1), 3 * (2 * 4 + 1) + 2 * 4
    whole = block_shapes(scene, recipe, 1 << 40)
    assert (whole.decoded, whole.computed) == ((10980, 10980), (64, 256))
    for memory in (2**18, 2**20, 2**23, 2**26, 2**30):
        shapes = block_shapes(scene, recipe, memory)
        rows, cols = shapes.decoded
        assert rows * cols * stored + np.prod(shapes.computed) * computed <= memory
        assert shapes.computed[0] <= rows
        assert shapes.computed[1] <= cols
        assert rows >= MIN_ROWS
        assert cols == 10980 or rows == MIN_ROWS
    once, twice = (np.prod(block_shapes(scene, recipe, 2**26, threads=threads).decoded) for threads in (1, 2))
    assert once / 3 < twice < once
    some, less = block_shapes(scene, recipe, 2**23), block_shapes(scene, recipe, 2**23, extra_bytes=1000)
    assert np.prod(less.computed) * (1000 + computed) <= 2**23
    assert np.prod(less.computed) < np.prod(some.computed)
    with pytest.raises(ConfigError, match=r"a block of 16 x 64 pixels needs .* MB"):
        block_shapes(scene, recipe, 16 * 64 * (stored + computed))


def test_block_shapes_count_what_functions_of_the_user_read(
    archive: tuple[Path, tuple[dict[str, Layer], ...]],
) -> None:
    sensor, _ = scan_tile(SPEC, archive[0], TILE)
    grid = GeoBox((10980, 10980), FINE.affine, FINE.crs)
    scene = Scene(TILE, grid, (replace(sensor, grids=dict.fromkeys(sensor.grids, grid)),))
    recipe = bands_of("Sentinel2", "B3", "B8")
    function = UserFunction("f", labels=("a",), dates=("",), sensors=("Sentinel2",), values_read=200)
    user = UserFeatures("mine.py", "", (function,))
    plain, reading, padded = (
        np.prod(block_shapes(scene, replace(recipe, user=one), 2**23).computed)
        for one in (None, user, replace(user, padding=(8, 8)))
    )
    assert plain * 3 * 4 * 200 > 2**23, "the blocks of the recipe alone would be too large"
    assert reading * 3 * 4 * 200 <= 2**23
    assert padded < reading < plain


def mixed(root: Path, kinds: Sequence[type]) -> Scene:
    """A series without masks; its files have these data types, in the order of dates."""
    spec = replace(parse_spec(SMALL, source="small.yaml"), masks=())
    for month, kind in enumerate(kinds, 1):
        layers = {name: Layer(np.ones(FINE.shape, kind), FINE) for name in ("RED", "NIR")}
        write_product(spec, root / TILE, TILE, date(2018, month, 1), layers)
    return scene_of(spec, root)


def test_block_shapes_use_the_largest_data_type_of_the_dates(tmp_path: Path) -> None:
    recipe, large = bands_of("Small", "RED", "NIR"), GeoBox((10980, 10980), FINE.affine, FINE.crs)
    chosen = []
    for number, kinds in enumerate(([np.int16] * 3, [np.int16, np.int16, np.float32], [np.float32, *[np.int16] * 2])):
        scene = mixed(tmp_path / str(number), kinds)
        (sensor,) = scene.sensors
        wide = replace(sensor, grids=dict.fromkeys(sensor.grids, large))
        chosen.append(np.prod(block_shapes(Scene(TILE, large, (wide,)), recipe, 2**28).decoded))
    assert chosen[1] == chosen[2]
    assert 0.5 < chosen[1] / chosen[0] < 0.8


def test_block_shapes_include_the_surroundings_that_shifted_dates_need(tmp_path: Path) -> None:
    """A shifted date is resampled, so small blocks need pixels around them; the first date may be without shift."""
    scene, recipe = mixed(tmp_path, [np.int16] * 3), bands_of("Small", "RED", "NIR")
    large = GeoBox((10980, 10980), FINE.affine, FINE.crs)
    (sensor,) = scene.sensors
    scene = Scene(TILE, large, (replace(sensor, grids=dict.fromkeys(sensor.grids, large)),))
    plain, last, first = (
        np.prod(block_shapes(shifted(scene, {"Small": {day: (4.0, 3.0)} if day else {}}), recipe, 2**22).decoded)
        for day in ("", "20180301", "20180101")
    )
    assert last == first < plain


def stored_in_tiles(spec: SensorSpec, folder: Path, shape: tuple[int, int], side: int | None) -> Scene:
    """A scene with one date of noise; its files have square tiles of ``side`` pixels, else strips."""
    noise = np.random.default_rng(0).integers(0, 9000, shape).astype(np.int16)
    layer = Layer(noise, GeoBox(shape, FINE.affine, FINE.crs))
    product = write_product(spec, folder / TILE, TILE, DAYS[0], {"RED": layer, "NIR": layer})
    for path in product.glob("*.tif") if side else ():
        tiled = path.with_suffix(".new")
        rasterio.shutil.copy(path, tiled, driver="GTiff", TILED="YES", BLOCKXSIZE=side, BLOCKYSIZE=side)
        tiled.replace(path)
    return scene_of(spec, folder)


@pytest.mark.parametrize("side", [16, 32, 128])
def test_blocks_follow_the_tiles_of_files(tmp_path: Path, side: int) -> None:
    spec = replace(parse_spec(SMALL, source="small.yaml"), masks=())
    scene, recipe = stored_in_tiles(spec, tmp_path, (256, 1024), side), bands_of("Small", "RED", "NIR")
    chosen = [block_shapes(scene, recipe, 270_000 + int(memory)) for memory in np.geomspace(1e5, 2e7, 40)]
    shapes = [shape.decoded for shape in chosen]
    sizes = [rows * cols for rows, cols in shapes]
    assert sizes[-1] == 256 * 1024
    assert sizes[0] < 8192
    for rows, cols in shapes:
        if cols == 1024:
            assert rows % side == 0
        elif cols >= side and rows >= side:
            assert (rows, cols % side) == (side, 0)
        else:
            assert cols == side or rows == MIN_ROWS, "a tile that does not fit is cut from side to side"
    for shape in chosen:
        order = shape.in_order(TILE, scene.geobox)
        assert sum(np.prod(block.shape) for block in order) == 256 * 1024
        assert all(rows <= shape.decoded[0] and cols <= shape.decoded[1] for rows, cols in (b.shape for b in order))
        cells = [(block.rows[0] // shape.cell[0], block.cols[0] // shape.cell[1]) for block in order]
        assert cells == sorted(cells), "all blocks of a tile of the files follow each other"
    whole = read_in_blocks(scene, SMALL_BANDS, (256, 1024))
    for shape in (shapes[0], shapes[10]):
        for once, apart in zip(whole, read_in_blocks(scene, SMALL_BANDS, shape), strict=True):
            np.testing.assert_array_equal(once, apart)
    coarse = replace(scene, geobox=with_pixel_size(scene.geobox, (20.0, 20.0)))
    rows, cols = block_shapes(coarse, recipe, 4_000_000).decoded
    assert cols == 512
    assert rows % (side // 2) == 0


@pytest.mark.parametrize("side", [16, 48, 80, 176, None])
def test_blocks_begin_at_multiples_of_the_smallest_block(tmp_path: Path, side: int | None) -> None:
    """Statistics of segments depend on it."""
    spec = replace(parse_spec(SMALL, source="small.yaml"), masks=())
    scene, recipe = stored_in_tiles(spec, tmp_path, (250, 1000), side), bands_of("Small", "RED", "NIR")
    for memory in np.geomspace(7e5, 2e7, 40):
        chosen = block_shapes(scene, recipe, int(memory))
        for whole in chosen.in_order(TILE, scene.geobox, (64, 250)):
            for block in blocks(TILE, scene.geobox, chosen.computed, whole.rows, whole.cols):
                assert (block.rows[0] % MIN_ROWS, block.cols[0] % MIN_COLS) == (0, 0), (chosen, block)


def test_a_scene_in_strips_is_divided_from_top_to_bottom(tmp_path: Path) -> None:
    spec = replace(parse_spec(SMALL, source="small.yaml"), masks=())
    scene = stored_in_tiles(spec, tmp_path, (256, 1024), None)
    shapes = [
        block_shapes(scene, bands_of("Small", "RED", "NIR"), int(memory)).decoded
        for memory in np.geomspace(1e6, 4e6, 9)
    ]
    assert all(cols == 1024 and rows % 16 == 0 for rows, cols in shapes)
    assert len(set(shapes)) > 4


def test_blocks_of_masks_fit_the_memory(archive: tuple[Path, tuple[dict[str, Layer], ...]]) -> None:
    scene = replace(scene_of(SPEC, archive[0]), geobox=GeoBox((10980, 10980), FINE.affine, FINE.crs))
    many = replace(scene.sensors[0], acquisitions=scene.sensors[0].acquisitions * 100)
    for memory in (2**22, 2**25, 2**28):
        few, more = (
            np.prod(mask_block_shape(replace(scene, sensors=(sensor,)), memory)) for sensor in (scene.sensors[0], many)
        )
        assert few * 3 <= memory
        assert more * 300 <= memory
        assert more < few


def test_small_tiles_are_read_whole(archive: tuple[Path, tuple[dict[str, Layer], ...]]) -> None:
    scene = scene_of(SPEC, archive[0])
    assert block_shapes(scene, bands_of("Sentinel2", "B3"), 1 << 20).decoded == (40, 64)


@pytest.mark.parametrize(
    ("dtype", "given"),
    [
        *((kind, {"bits": (bit,)}) for kind, most in (("int8", 7), ("uint16", 15), ("int16", 15)) for bit in (0, most)),
        *((kind, given) for kind in ("int8", "uint8", "int32") for given in ({"values": (3, 8)}, {})),
    ],
)
def test_where_a_mask_has_no_file_its_rule_applies(dtype: str, given: dict[str, tuple[int, ...]]) -> None:
    rule, kind = MaskRule("M", "*", **given), np.dtype(dtype)
    assert mask_applies(rule, np.array([absent_value(rule, kind, None)], kind)).all()


def test_memory_of_high_strips_is_counted_since_they_are_decoded_completely(tmp_path: Path) -> None:
    spec = replace(parse_spec(SMALL, source="small.yaml"), masks=())
    scenes = []
    for rows in (8, FINE.shape.y):
        root = tmp_path / str(rows)
        layers = {name: Layer(np.ones(FINE.shape, np.int16), FINE) for name in ("RED", "NIR")}
        write_product(spec, root / TILE, TILE, date(2018, 1, 1), layers)
        for path in root.rglob("*.tif"):
            with rasterio.open(path) as source:
                profile, values = source.profile, source.read()
            with rasterio.open(path, "w", **(profile | {"blockysize": rows, "tiled": False})) as target:
                target.write(values)
        scenes.append(scene_of(spec, root))
    low, high = (
        _BlockMemory(scene, bands_of("Small", "RED", "NIR"), 0, 0, decodes_ahead=False).piece_bytes()
        for scene in scenes
    )
    assert low == 0
    assert high >= 2 * FINE.shape.y * FINE.shape.x
