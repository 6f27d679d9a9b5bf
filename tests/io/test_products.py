"""Search for products, and messages about those that cannot be used."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.io import DatasetReader

from iota2.core.sensor import SensorSpec
from iota2.errors import ConfigError, InputError, MissingTile
from iota2.io.archive import headers
from iota2.io.archive.products import native_geobox, scan_tile, working_geobox
from iota2.io.archive.specs import builtin_specs, parse_spec
from iota2.io.files.gdal import open_image
from iota2.testing.products import Layer, product_name, write_raster, write_series

TILE = "T31TCJ"
FINE = GeoBox((32, 48), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
COARSE = GeoBox((16, 24), Affine(20, 0, 300000, 0, -20, 4900020), "EPSG:32631")
GRIDS = {"": FINE} | dict.fromkeys(("B5", "B6", "B7", "B8A", "B11", "B12"), COARSE)
DAYS = (date(2018, 5, 11), date(2018, 3, 2), date(2020, 2, 29), date(2018, 5, 11))
SMALL = """
name: Small
section: Small
product: '^SMALL_(?P<date>\\d{8})_(?P<tile>[A-Z0-9]+)'
bands: [{name: RED, file: '*_red.tif', role: red}, {name: NIR, file: '*_nir.tif'}]
masks: [{name: CLOUD, file: 'MASKS/*_cloud.tif'}, {name: SNOW, file: 'MASKS/*_snow.tif', optional: true}]
nodata: -10000
"""


@pytest.fixture
def spec() -> SensorSpec:
    return parse_spec(SMALL, source="small.yaml")


@pytest.fixture
def archive(tmp_path: Path, spec: SensorSpec) -> Path:
    write_series(spec, tmp_path, TILE, DAYS, {"": FINE, "NIR": COARSE})
    return tmp_path


def first_file(archive: Path, pattern: str) -> Path:
    return sorted(archive.glob(f"{TILE}/*/{pattern}"))[0]


def test_products_are_found_in_order_with_one_key_each(archive: Path, spec: SensorSpec) -> None:
    scene, notes = scan_tile(spec, archive, TILE)
    assert scene.keys == ("20180302", "20180511", "20180511.1", "20200229")
    assert scene.days == tuple(sorted(DAYS))
    assert notes == ()
    assert native_geobox(scene) == FINE
    assert scene.grids["NIR"] == COARSE
    for acquisition in scene.acquisitions:
        for path in (*acquisition.bands.values(), *acquisition.masks.values()):
            assert Path(path).is_absolute()
            assert acquisition.product in path
            assert Path(path).is_file()


def test_stray_entries_are_noted_and_products_of_other_tiles_ignored(archive: Path, spec: SensorSpec) -> None:
    (archive / TILE / "README.txt").write_text("read me")
    (archive / TILE / f"{product_name(spec, TILE, date(2018, 1, 1))}.zip").write_bytes(b"PK")
    (archive / TILE / product_name(spec, "T31TDJ", date(2018, 1, 1))).mkdir()
    scene, notes = scan_tile(spec, archive, TILE)
    assert len(scene.acquisitions) == len(DAYS)
    assert len(notes) == 2
    assert "README.txt" in notes[0]
    assert ".zip" in notes[0]
    assert "of another tile" in notes[1]
    assert "T31TDJ" in notes[1]


def test_entries_that_the_description_ignores_are_not_noted(archive: Path) -> None:
    (archive / TILE / "README.txt").write_text("read me")
    quiet = parse_spec(SMALL + "ignore: ['*.txt']\n", source="small.yaml")
    assert scan_tile(quiet, archive, TILE)[1] == ()


def test_an_absent_tile_is_rejected_with_those_that_exist(archive: Path, spec: SensorSpec) -> None:
    with pytest.raises(InputError, match=f"no folder for tile T31TDJ .* it contains {TILE}"):
        scan_tile(spec, archive, "T31TDJ")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("31TCJ", "it contains T31TCJ; did you mean 'T31TCJ'? Correct"),
        ("t31tcj", "did you mean 'T31TCJ'? Correct"),
        ("T31TCJ;T31TCK", "separate names of tiles by blanks or commas: 'T31TCJ T31TCK'"),
        ("T31TCL", "it contains T31TCJ. Correct"),
    ],
)
def test_a_misspelled_tile_is_reported_with_its_folder_and_no_other(
    archive: Path, spec: SensorSpec, written: str, message: str
) -> None:
    if ";" in written:
        (archive / "T31TCK").mkdir()
    with pytest.raises(MissingTile) as caught:
        scan_tile(spec, archive, written)
    assert message in str(caught.value)


def test_the_folder_of_one_tile_is_rejected_with_the_same_message_for_all_tiles(
    archive: Path, spec: SensorSpec
) -> None:
    message = set()
    for tile in (TILE, "T31TDJ"):
        with pytest.raises(InputError) as caught:
            scan_tile(spec, archive / TILE, tile)
        assert not isinstance(caught.value, MissingTile)
        message.add(str(caught.value))
    (text,) = message
    assert f"{archive / TILE} is the folder of one tile, with {len(DAYS)} products" in text
    assert f"If {TILE} is the name of the tile, set the path to {archive};" in text


def test_an_absent_archive_and_an_empty_tile_are_rejected(archive: Path, spec: SensorSpec) -> None:
    (archive / "T31TDJ").mkdir()
    with pytest.raises(InputError, match="no product of tile T31TDJ"):
        scan_tile(spec, archive, "T31TDJ")
    with pytest.raises(InputError, match="does not exist"):
        scan_tile(spec, archive / "nowhere", TILE)


@pytest.mark.parametrize("tile", ["..", "", ".", "../T31TCJ", "a/b"])
def test_a_tile_name_cannot_leave_the_archive(tile: str, archive: Path, spec: SensorSpec) -> None:
    with pytest.raises(InputError, match="not a valid name of a tile folder"):
        scan_tile(spec, archive, tile)


def test_missing_files_are_counted_pattern_by_pattern(archive: Path, spec: SensorSpec) -> None:
    for path in sorted(archive.glob(f"{TILE}/*/MASKS/*_cloud.tif"))[:3]:
        path.unlink()
    first_file(archive, "*_nir.tif").unlink()
    with pytest.raises(InputError) as caught:
        scan_tile(spec, archive, TILE)
    assert f"3 of 4 products of {TILE} lack MASKS/*_cloud.tif (first: SMALL_20180302_{TILE}" in str(caught.value)
    assert f"1 of 4 products of {TILE} lack *_nir.tif" in str(caught.value)


def test_a_missing_optional_mask_is_accepted(archive: Path, spec: SensorSpec) -> None:
    first_file(archive, "MASKS/*_snow.tif").unlink()
    scene, _ = scan_tile(spec, archive, TILE)
    assert [sorted(acquisition.masks) for acquisition in scene.acquisitions] == [
        ["CLOUD"],
        *[["CLOUD", "SNOW"]] * 3,
    ]


def rewrite(path: Path, geobox: GeoBox) -> None:
    write_raster(path, {1: Layer(np.ones(geobox.shape, np.int16), geobox)})


def moved(geobox: GeoBox, right: float = 0, down: float = 0, crs: str = "EPSG:32631") -> GeoBox:
    return GeoBox(geobox.shape, geobox.affine @ Affine.translation(right, down), crs)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a virtual raster": (
        lambda path: path.write_text('<VRTDataset rasterXSize="1" rasterYSize="1"></VRTDataset>'),
        "not a raster but text",
    ),
    "another pixel size": (lambda path: rewrite(path, COARSE), "has another pixel size (20 x 20, not 10 x 10)"),
    "another size": (
        lambda path: rewrite(path, FINE[:30, :48]),
        "has another size (48 wide, 30 high; not 48 wide, 32 high)",
    ),
    "a broken link": (lambda path: (path.unlink(), path.symlink_to("nowhere.tif")), "broken symbolic link"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("pattern", ["*_red.tif", "MASKS/*_cloud.tif"])
def test_a_file_that_cannot_be_used_is_named_with_the_reason(
    damage: str, pattern: str, archive: Path, spec: SensorSpec
) -> None:
    harm, reason = DAMAGES[damage]
    path = first_file(archive, pattern)
    harm(path)
    with pytest.raises(InputError) as caught:
        scan_tile(spec, archive, TILE)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)
    assert ": 1 problem\n" in str(caught.value)


def test_too_few_bands_in_a_file_are_reported(tmp_path: Path) -> None:
    both = SMALL.replace("file: '*_nir.tif'", "file: '*_red.tif', index: 2")
    spec = parse_spec(both, source="small.yaml")
    write_series(spec, tmp_path, TILE, DAYS[:2], {"": FINE})
    assert len(scan_tile(spec, tmp_path, TILE)[0].acquisitions) == 2
    rewrite(first_file(tmp_path, "*_red.tif"), FINE)
    with pytest.raises(InputError, match=r"has 1 band, band 2 is needed"):
        scan_tile(spec, tmp_path, TILE)


def test_two_files_for_one_pattern_are_rejected(archive: Path, spec: SensorSpec) -> None:
    path = first_file(archive, "*_red.tif")
    shutil.copy(path, path.with_name("copy_red.tif"))
    with pytest.raises(InputError, match=r"2 files match \*_red.tif: .*copy_red.tif"):
        scan_tile(spec, archive, TILE)


def test_a_date_that_does_not_exist_is_rejected(archive: Path, spec: SensorSpec) -> None:
    (archive / TILE / f"SMALL_20180231_{TILE}").mkdir()
    with pytest.raises(InputError, match="20180231 is not a date"):
        scan_tile(spec, archive, TILE)


def test_all_problems_of_a_tile_are_reported_at_once(archive: Path, spec: SensorSpec) -> None:
    paths = [first_file(archive, pattern) for pattern in ("*_red.tif", "*_nir.tif", "MASKS/*_snow.tif")]
    for path in paths:
        path.write_bytes(b"")
    with pytest.raises(InputError) as caught:
        scan_tile(spec, archive, TILE)
    assert "3 problems" in str(caught.value)
    assert all(str(path) in str(caught.value) for path in paths)


@pytest.mark.parametrize(
    ("name", "geobox", "expected"),
    [
        ("CLOUD", moved(FINE, 0.5, 0.5), "CLOUD .* is on another grid"),
        ("NIR", moved(COARSE, 0.1, 0.0), "NIR .* is on another grid"),
        ("CLOUD", moved(FINE, crs="EPSG:32630"), "CLOUD .* has another coordinate system"),
        ("CLOUD", FINE[:20, :], "CLOUD .* does not cover the image"),
        ("NIR", moved(COARSE, 2, 0), "NIR .* does not cover the image"),
    ],
)
def test_a_grid_that_does_not_fit_the_reference_is_rejected(
    name: str, geobox: GeoBox, expected: str, tmp_path: Path, spec: SensorSpec
) -> None:
    write_series(spec, tmp_path, TILE, DAYS[:2], {"": FINE, name: geobox})
    with pytest.raises(InputError, match=rf"(?s){expected}.*, remove these products from {tmp_path / TILE}, or set "):
        scan_tile(spec, tmp_path, TILE)


@pytest.mark.parametrize("shift", [(-0.5, -0.5), (0.25, 0.25), (0.5, 0.0), (-1.0, 1.0)])
def test_a_coarser_grid_may_be_shifted_by_halves_of_the_finer_pixel(
    shift: tuple[float, float], tmp_path: Path, spec: SensorSpec
) -> None:
    write_series(spec, tmp_path, TILE, DAYS[:2], {"": FINE, "NIR": moved(COARSE, *shift)})
    assert scan_tile(spec, tmp_path, TILE)[0].grids["NIR"] == moved(COARSE, *shift)


def test_symbolic_links_and_odd_names_in_the_path_are_followed(tmp_path: Path, spec: SensorSpec) -> None:
    odd = tmp_path / 'archive d\'été 100% #1; "影像" [a] ?*'
    write_series(spec, odd, TILE, DAYS[:2], {"": FINE})
    (odd / "other").mkdir()
    for product in (odd / TILE).iterdir():
        (odd / "other" / product.name).symlink_to(product)
    scene, _ = scan_tile(spec, f"{odd}/", "other".replace("other", TILE))
    (odd / TILE).rename(odd / "real")
    (odd / TILE).symlink_to("real")
    assert scan_tile(spec, odd, TILE)[0] == scene


def test_a_relative_path_gives_absolute_files(archive: Path, spec: SensorSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(archive.parent)
    assert scan_tile(spec, archive.name, TILE) == scan_tile(spec, archive, TILE)


def test_the_native_working_grid_is_that_of_the_reference_band() -> None:
    assert working_geobox(FINE, spatial_resolution=None, working_grid="native", proj="EPSG:2154") == FINE
    coarser = working_geobox(FINE, spatial_resolution=(20, 20), working_grid="native", proj="EPSG:2154")
    assert coarser == COARSE


def covers(grid: GeoBox, native: GeoBox) -> bool:
    """Whether all points along the edges of ``native`` are inside ``grid``."""
    row, col = np.meshgrid(np.linspace(0, native.shape.y, 50), np.linspace(0, native.shape.x, 50))
    x, y = native.affine @ (col.ravel(), row.ravel())
    x, y = Transformer.from_crs(str(native.crs), str(grid.crs), always_xy=True).transform(x, y)
    col, row = ~grid.affine @ (x, y)
    return min(row.min(), col.min()) > -1e-6 and (row.max() < grid.shape.y) and (col.max() < grid.shape.x)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([10.0, 20.0, 12.5]), st.integers(-20, 20), st.integers(1, 300))
def test_the_projected_working_grid_covers_the_tile_and_is_aligned(size: float, shift: int, rows: int) -> None:
    native = GeoBox((rows, 100), Affine(10, 0, 400000 + shift * 10000, 0, -10, 5000000), "EPSG:32631")
    grid = working_geobox(native, spatial_resolution=(size, size), working_grid="proj", proj="EPSG:2154")
    box = grid.boundingbox
    assert all(edge % size == 0 for edge in (box.left, box.right, box.top, box.bottom))
    assert covers(grid, native)


def test_a_projection_in_other_units_needs_a_resolution() -> None:
    with pytest.raises(ConfigError, match=r"chain.spatial_resolution: required"):
        working_geobox(FINE, spatial_resolution=None, working_grid="proj", proj="EPSG:4326")
    grid = working_geobox(FINE, spatial_resolution=(1e-4, 1e-4), working_grid="proj", proj="EPSG:4326")
    assert covers(grid, FINE)


FLAT = """
name: Flat
section: Flat
product: '^(?P<product>sky\\d_(?P<date>\\d{8})_(?P<tile>[A-Z0-9]+)_\\w)_\\w+\\.tif$'
products: files
tile_folder: 'tile_{mgrs}'
bands: [{name: RED, file: '*_red.tif', role: red}, {name: NIR, file: '*_nir.tif'}]
masks: [{name: CLOUD, file: '*_cloud.tif'}, {name: SNOW, file: '*_snow.tif', optional: true}]
nodata: -10000
"""


@pytest.fixture
def flat(tmp_path: Path) -> tuple[SensorSpec, Path]:
    """An archive with products that are files in the tile folder."""
    spec = parse_spec(FLAT, source="flat.yaml")
    write_series(spec, tmp_path, TILE, DAYS, {"": FINE, "NIR": COARSE})
    return spec, tmp_path / "tile_31TCJ"


def test_files_in_the_tile_folder_are_grouped_to_products_by_their_names(flat: tuple[SensorSpec, Path]) -> None:
    spec, folder = flat
    assert sum(path.is_file() for path in folder.iterdir()) == 4 * 4
    scene, notes = scan_tile(spec, folder.parent, TILE)
    assert notes == ()
    assert scene.keys == ("20180302", "20180511", "20180511.1", "20200229")
    assert [acquisition.product for acquisition in scene.acquisitions] == [
        "sky0_20180302_31TCJ_x",
        "sky0_20180511_31TCJ_x",
        "sky1_20180511_31TCJ_x",
        "sky0_20200229_31TCJ_x",
    ]
    for acquisition in scene.acquisitions:
        for name, path in (acquisition.bands | acquisition.masks).items():
            assert path == f"{folder}/{acquisition.product}_{name.lower()}.tif"


def test_products_of_files_are_checked_like_product_folders(flat: tuple[SensorSpec, Path]) -> None:
    spec, folder = flat
    (folder / "sky0_20180302_31TCJ_x_red.tif.aux.xml").write_text("<x/>")
    (folder / "sky0_20180302_31TCJ_x_quicklook.tif").write_bytes(b"II*\0")
    (folder / "sky0_20180302_31TDJ_x_red.tif").write_bytes(b"II*\0")
    (folder / "sky0_20180302_31TCJ_x_blue.tif").mkdir()
    (folder / "sky0_20180302_31TCJ_x_snow.tif").unlink()
    scene, notes = scan_tile(spec, folder.parent, TILE)
    assert [len(acquisition.masks) for acquisition in scene.acquisitions] == [1, 2, 2, 2]
    passed, foreign = notes
    assert "not files of a product: sky0_20180302_31TCJ_x_blue.tif, sky0_20180302_31TCJ_x_red.tif.aux.xml" in passed
    assert "of another tile: sky0_20180302_31TDJ_x_red.tif" in foreign
    (folder / "sky0_20180302_31TCJ_x_nir.tif").unlink()
    with pytest.raises(InputError, match=r"1 of 4 products of T31TCJ lack \*_nir.tif \(first: sky0_20180302_31TCJ_x\)"):
        scan_tile(spec, folder.parent, TILE)


def test_files_of_one_product_and_different_days_are_rejected(flat: tuple[SensorSpec, Path]) -> None:
    spec, folder = flat
    mistaken = replace(spec, product=r"^(?P<product>sky\d)_(?P<date>\d{8})_\w+\.tif$")
    with pytest.raises(
        InputError, match=r"sky0_20180511\w+.tif: its day differs from that of other files of sky0 \(20180302\)"
    ):
        scan_tile(mistaken, folder.parent, TILE)


def test_a_tile_folder_of_another_name_is_reported_when_it_is_missing(flat: tuple[SensorSpec, Path]) -> None:
    spec, folder = flat
    with pytest.raises(InputError, match=r"no folder for tile T31TDJ \(tile_31TDJ\) .* it contains tile_31TCJ"):
        scan_tile(spec, folder.parent, "T31TDJ")


def test_a_file_that_several_bands_and_masks_share_is_opened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: Counter[str] = Counter()

    def counting(path: str) -> DatasetReader:
        opened[path] += 1
        return open_image(path)

    monkeypatch.setattr(headers, "open_image", counting)
    for section, files in (("Landsat8_old", 4), ("Sentinel_2_S2C", 11), ("Landsat8_usgs_optical", 9)):
        opened.clear()
        write_series(builtin_specs()[section], tmp_path / section, TILE, DAYS[:2], {"": FINE})
        scan_tile(builtin_specs()[section], tmp_path / section, TILE)
        assert set(opened.values()) == {1}
        assert len(opened) == 2 * files


def test_incomplete_and_inconsistent_products_are_left_out_with_skip_damaged(tmp_path: Path, spec: SensorSpec) -> None:
    write_series(spec, tmp_path, TILE, [date(2018, 5, 1 + number) for number in range(6)], {"": FINE, "NIR": COARSE})
    lacking, twice, beside, bare, *_ = sorted((tmp_path / TILE).iterdir())
    next(lacking.glob("*_nir.tif")).unlink()
    shutil.copy(next(twice.glob("*_red.tif")), twice / "copy_red.tif")
    rewrite(next(beside.glob("*_red.tif")), moved(FINE, 0.5))
    next(bare.glob("MASKS/*_snow.tif")).unlink()
    with pytest.raises(InputError, match="3 problems"):
        scan_tile(spec, tmp_path, TILE)
    scene, notes = scan_tile(spec, tmp_path, TILE, skip_damaged=True)
    assert len(scene.acquisitions) == 3
    assert bare.name in {one.product for one in scene.acquisitions}
    incomplete, unlike = notes
    assert incomplete.startswith(
        f"Small, tile {TILE}: left out, incomplete: 2 products: {lacking.name} (lacks *_nir.tif)"
    )
    assert f"{twice.name} (" in incomplete
    assert f"left out, inconsistent with other dates: 1 product: {beside.name} (" in unlike
