"""Sentinel-1 images from S1Tiling: names, directions, slices of a day, no data, and filtering."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio

from iota2.compute.features import feature_block, filtered_block
from iota2.compute.speckle import multitemporal_filter
from iota2.core.grid import blocks
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.scene import Scene, SensorScene
from iota2.errors import ConfigError, DamagedProduct, InputError, MissingTile
from iota2.io.archive.products import native_geobox, scan_tile, working_geobox
from iota2.io.archive.radar_names import named_like
from iota2.io.archive.recognition import recognize
from iota2.io.archive.s1tiling import series_found
from iota2.io.archive.specs import builtin_specs, parse_spec
from iota2.io.series.reader import CubeReader, series_reader
from iota2.testing.radar import write_radar
from iota2.testing.world import World, WorldOptions, make_world
from tests.io.damage import rewritten

TILE, BANDS = "T31TCJ", ("vv", "vh")
RADAR = builtin_specs()["Sentinel_1"]
ASC, DES = (RADAR.of(direction) for direction in ("ASC", "DES"))
DATES = (date(2018, 3, 17), date(2018, 5, 11), date(2018, 8, 9))


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(WorldOptions(size=64, overlap=16, classes=3, dates=DATES))


@pytest.fixture(scope="module")
def written(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_radar(world, tmp_path_factory.mktemp("radar")).parent / "images"


@pytest.fixture
def images(written: Path, tmp_path: Path) -> Path:
    """A copy of the images, which the test may damage."""
    return Path(shutil.copytree(written, tmp_path / "images"))


def scene_of(series: SensorScene) -> Scene:
    return Scene(TILE, native_geobox(series), (series,))


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        values: np.ndarray = source.read(1)
    return values


def test_the_series_of_a_direction_contains_its_images_by_date(written: Path) -> None:
    series, notes = scan_tile(DES, written, TILE)
    names = sorted(path.name for path in (written / "31TCJ").glob("s1?_31TCJ_vv_DES_*[0-9x].tif"))
    assert series.spec.name == "sentinel1_des"
    assert sorted(Path(one.bands["vv"]).name for one in series.acquisitions) == names
    assert list(series.days) == sorted(series.days)
    assert "20180422.1" in series.keys, "two slices of one day are two acquisitions"
    assert {Path(one.bands["vv"]).name[:3] for one in series.acquisitions} == {"s1a", "s1b"}
    for one in series.acquisitions:
        assert Path(one.bands["vh"]).name == Path(one.bands["vv"]).name.replace("_vv_", "_vh_")
        assert Path(one.masks["Border"]).name == Path(one.bands["vv"]).name.replace(".tif", "_BorderMask.tif")
    assert notes == (), "images of the other direction are no strangers"


def test_pixels_are_those_of_the_files_and_0_is_no_data(written: Path) -> None:
    series, _ = scan_tile(ASC, written, TILE)
    scene = scene_of(series)
    with CubeReader(scene, {"sentinel1_asc": BANDS}) as reader:
        cube = reader.read(next(blocks(TILE, scene.geobox, scene.geobox.shape)))["sentinel1_asc"]
    for t, one in enumerate(series.acquisitions):
        for band, name in enumerate(BANDS):
            values = read(Path(one.bands[name]))
            np.testing.assert_array_equal(cube.valid[t], values > 0)
            np.testing.assert_array_equal(cube.values[t, band], np.where(values > 0, values, np.nan))
    assert not cube.valid.all()


def test_border_masks_are_1_where_there_is_data_and_may_be_absent(images: Path) -> None:
    series, _ = scan_tile(DES, images, TILE)
    path = Path(series.acquisitions[0].masks["Border"])
    values = read(path)
    values[:5] = 0
    rewritten(path, values)
    scene = scene_of(series)
    with CubeReader(scene, {"sentinel1_des": BANDS}) as reader:
        cube = reader.read(next(blocks(TILE, scene.geobox, scene.geobox.shape)))["sentinel1_des"]
    assert not cube.valid[0, :5].any()
    assert cube.valid[0, 5:].all()
    for mask in images.glob("31TCJ/*_BorderMask.tif"):
        mask.unlink()
    bare, _ = scan_tile(DES, images, TILE)
    assert not any(one.masks for one in bare.acquisitions)
    with CubeReader(scene_of(bare), {"sentinel1_des": BANDS}) as reader:
        cube = reader.read(next(blocks(TILE, scene.geobox, scene.geobox.shape)))["sentinel1_des"]
        assert cube.valid[0].all()
        assert not cube.valid.all(), "0 is no data without a mask too"


def test_slices_of_one_day_are_averaged_where_both_have_data(written: Path) -> None:
    series, _ = scan_tile(DES, written, TILE)
    first, second = (one for one in series.acquisitions if one.day == date(2018, 4, 22))
    one, other = read(Path(first.bands["vh"])), read(Path(second.bands["vh"]))
    one_there, other_there = one > 0, other > 0
    assert (one_there & other_there).any()
    assert (one_there ^ other_there).any()
    scene = scene_of(series)
    recipe = FeatureRecipe((SensorRecipe("sentinel1_des", BANDS, {}, ("20180422",), indices=()),))
    with series_reader(scene, recipe) as reader:
        features = feature_block(reader.read(next(blocks(TILE, scene.geobox, scene.geobox.shape))), recipe)
    assert features.names == ("sentinel1_des_vv_20180422", "sentinel1_des_vh_20180422")
    mean = (one.astype(float) + other) / (one_there.astype(int) + other_there)
    np.testing.assert_allclose(features.values[1], mean, rtol=1e-6)


def test_relative_orbits_of_one_direction_make_one_series(images: Path) -> None:
    folder = images / "31TCJ"
    (path,) = folder.glob("s1?_31TCJ_vv_DES_110_20180504t*[0-9x].tif")
    for band in ("vv", "vh"):
        shutil.copy(
            path.parent / path.name.replace("_vv_", f"_{band}_"),
            folder / f"s1c_31TCJ_{band}_DES_037_20180511t055915.tif",
        )
    series, _ = scan_tile(DES, images, TILE)
    assert date(2018, 5, 11) in series.days
    assert list(series.days) == sorted(series.days)


def test_other_files_of_s1tiling_are_ignored(images: Path) -> None:
    folder = images / "31TCJ"
    (folder / "filtered").mkdir()
    for name in ("s1a_31TCJ_vv_DES_110_20180317txxxxxx_filtered.tif", "LIA_s1a_31TCJ_110.tif", "quick.jpg"):
        (folder / name).write_bytes(b"")
    before, _ = scan_tile(DES, images, TILE)
    (folder / "S1_vv_DES_dates.txt").write_text("20180317")
    (folder / "s1a_31TDJ_vv_DES_110_20180317txxxxxx.tif").write_bytes(b"")
    series, notes = scan_tile(DES, images, TILE)
    assert series == before
    assert [note.partition(": ")[2] for note in notes] == [
        "ignored, not files of a product: S1_vv_DES_dates.txt",
        "ignored, of another tile: s1a_31TDJ_vv_DES_110_20180317txxxxxx.tif",
    ]


def test_a_date_with_one_polarisation_is_an_error_that_names_it(images: Path) -> None:
    (path,) = images.glob("31TCJ/s1?_31TCJ_vh_DES_110_20180504t*[0-9x].tif")
    path.unlink()
    with pytest.raises(InputError, match=r"(?s)1 of \d+ products of T31TCJ lack \*_vh_.*first: DES_110_20180504t"):
        scan_tile(DES, images, TILE)


def test_two_calibrations_of_one_date_are_an_error_that_names_both(images: Path) -> None:
    (path,) = images.glob("31TCJ/s1?_31TCJ_vv_DES_110_20180504t*[0-9x].tif")
    shutil.copy(path, path.with_name(f"{path.stem}_NormLim.tif"))
    with pytest.raises(InputError, match=rf"(?s)2 files match .*{path.name}, {path.stem}_NormLim\.tif"):
        scan_tile(DES, images, TILE)


def test_two_satellites_at_one_time_are_an_error_that_names_both(images: Path) -> None:
    (path,) = images.glob("31TCJ/s1a_31TCJ_vv_DES_110_20180317txxxxxx.tif")
    shutil.copy(path, path.with_name(path.name.replace("s1a", "s1d")))
    with pytest.raises(InputError, match=rf"(?s)2 files match .*{path.name}, s1d_"):
        scan_tile(DES, images, TILE)


def test_terrain_corrected_images_alone_are_read(images: Path) -> None:
    for path in images.glob("31TCJ/*.tif"):
        stem, mask = path.stem.removesuffix("_BorderMask"), "_BorderMask" * path.stem.endswith("_BorderMask")
        path.rename(path.with_name(f"{stem}_GammaNaughtRTC{mask}.tif"))
    series, notes = scan_tile(DES, images, TILE)
    assert notes == ()
    assert all(one.masks for one in series.acquisitions)


def test_directions_are_those_with_images_of_some_tile(images: Path) -> None:
    tiles = ("T31TCJ", "T31TDJ")
    assert series_found(RADAR, images, tiles) == ("sentinel1_asc", "sentinel1_des")
    for path in images.glob("31TCJ/*_ASC_*"):
        path.unlink()
    assert series_found(RADAR, images, tiles) == ("sentinel1_asc", "sentinel1_des")
    assert series_found(RADAR, images, tiles[:1]) == ("sentinel1_des",)
    with pytest.raises(MissingTile, match="no product of tile T31TCJ"):
        scan_tile(ASC, images, TILE)


def test_a_damaged_image_is_reported_as_a_product_of_several_files(images: Path) -> None:
    """The product has no folder of its own that could be removed."""
    scene = scene_of(scan_tile(DES, images, TILE)[0])
    Path(scene.sensors[0].acquisitions[0].bands["vh"]).write_bytes(b"II*\0")
    with CubeReader(scene, {DES.name: BANDS}) as reader, pytest.raises(DamagedProduct, match="remove the product"):
        reader.read(next(blocks(TILE, scene.geobox, scene.geobox.shape)))


def test_series_of_a_description_are_reported_by_any_group_of_its_names() -> None:
    """For any values of the group, in any order of the pattern; an unknown group is rejected."""
    text = (
        "name: Mine\nsection: Mine\nbands: [{name: B1, file: '*.tif'}]\nmasks: []\n"
        "product: '(?i)^(?P<date>\\d{8})_(?P<passage>night|day|dusk)$'\nseries_by: {group: passage, values: {%s}}\n"
    )
    spec = parse_spec(text % "day: by day, night: at night", source="mine.yaml")
    day, night = spec.series
    assert (day.name, night.name) == ("Mine_day", "Mine_night")
    assert [bool(one.match("20180511_Night")) for one in (spec, day, night)] == [True, False, True]
    assert day.matches_other_series("20180511_night")
    assert not any(one.match("20180511_dusk") for one in (day, night))
    with pytest.raises(ConfigError, match=r"series_by.group 'orbit' is not a group of product"):
        parse_spec((text % "day: by day").replace("group: passage", "group: orbit"), source="mine.yaml")
    with pytest.raises(ConfigError, match="line 6: series_by: values must be a mapping of values in names to words"):
        parse_spec(text % "", source="mine.yaml")


def test_no_image_is_an_error_with_instructions_if_there_are_raw_products(tmp_path: Path) -> None:
    raw, output = tmp_path / "raw", tmp_path / "output"
    (output / "31TCJ").mkdir(parents=True)
    with pytest.raises(InputError, match=r"in .*output, folder 31TCJ, 31TDJ; expected names like s1a_31TCJ_") as alone:
        series_found(RADAR, output, (TILE, "T31TDJ"), raw)
    assert ".SAFE" not in str(alone.value)
    (raw / "S1A_IW_GRDH" / "S1A_IW_GRDH.SAFE").mkdir(parents=True)
    with pytest.raises(InputError, match=rf"{raw} contains raw products\. iota2 does not calibrate .* Use S1Tiling"):
        series_found(RADAR, output, (TILE,), raw)


HALOS = {"sentinel1_des": 2}


@pytest.mark.parametrize("grid", ["native", "proj"])
@pytest.mark.parametrize("shape", [(16, 64), (7, 11), (1, 64), (64, 5)])
def test_filtered_blocks_of_any_shape_equal_the_whole(written: Path, grid: str, shape: tuple[int, int]) -> None:
    scene = scene_of(scan_tile(DES, written, TILE)[0])
    if grid == "proj":
        geobox = working_geobox(scene.geobox, spatial_resolution=None, working_grid="proj", proj="EPSG:2154")
        scene = replace(scene, geobox=geobox)
    bands = {"sentinel1_des": BANDS}
    sensor = SensorRecipe("sentinel1_des", BANDS, {}, (), speckle_radius=2)
    with series_reader(scene, FeatureRecipe((sensor,)), threads=2) as reader:
        whole = filtered_block(
            reader.read(next(blocks(TILE, scene.geobox, scene.geobox.shape)))["sentinel1_des"], sensor
        )
        parts = []
        for around, decoded in reader.blocks(blocks(TILE, scene.geobox, (2 * shape[0], 3 * shape[1]))):
            for block in blocks(TILE, scene.geobox, shape, around.rows, around.cols):
                parts.append((block, filtered_block(decoded.cubes(block, HALOS)["sentinel1_des"], sensor)))
    for block, cube in parts:
        place = (..., slice(*block.rows), slice(*block.cols))
        assert cube.values.tobytes() == np.ascontiguousarray(whole.values[place]).tobytes()
        assert cube.valid.tobytes() == np.ascontiguousarray(whole.valid[place]).tobytes()
    with CubeReader(scene, bands) as reader:
        raw = reader.read(next(blocks(TILE, scene.geobox, scene.geobox.shape)))["sentinel1_des"]
    np.testing.assert_array_equal(whole.values, multitemporal_filter(raw.values, raw.valid, 2))
    assert not np.array_equal(
        whole.values[raw.valid[:, None] & (raw.values > 0)], raw.values[raw.valid[:, None] & (raw.values > 0)]
    )


# ------------------------------------------------------------------------------------------------- names of other kinds


def as_theia(images: Path, *, kind: str = "SIG", lower: bool = False) -> list[Path]:
    """The images with names of THEIA and GEODES; their products of one date have the same time."""
    renamed = []
    for path in sorted(images.glob("31TCJ/s1*.tif")):
        satellite, tile, band, direction, orbit, stamp, *mask = path.stem.split("_")
        stamp = stamp.replace("xxxxxx", "174708")
        name = f"{satellite.upper()}_L1ORT_{tile}_{band.upper()}_{kind}_{direction}_{orbit}_{stamp}"
        name = "_".join((name, *mask)) + ".tif"
        renamed.append(path.rename(path.with_name(name.lower() if lower else name)))
    return renamed


@pytest.mark.parametrize("kind", ["SIG", "GAM"])
@pytest.mark.parametrize("lower", [False, True])
def test_images_of_theia_are_read_in_upper_and_lower_case(images: Path, kind: str, lower: bool) -> None:
    tiling = {direction.name: scan_tile(direction, images, TILE)[0] for direction in (ASC, DES)}
    paths = as_theia(images, kind=kind, lower=lower)
    assert "S1A_L1ORT_31TCJ_VH_SIG_DES_110_20180317t174708.tif".replace("SIG", kind).lower() in {
        path.name.lower() for path in paths
    }
    assert series_found(RADAR, images, (TILE,)) == ("sentinel1_asc", "sentinel1_des")
    for direction in (ASC, DES):
        series, notes = scan_tile(direction, images, TILE)
        assert notes == ()
        assert series.days == tiling[direction.name].days
        for one in series.acquisitions:
            names = {name: Path(path).name.lower() for name, path in {**one.bands, **one.masks}.items()}
            assert "_vv_" in names["vv"]
            assert "_vh_" in names["vh"]
            assert names["Border"] == names["vv"].replace(".tif", "_bordermask.tif")
    (tile,) = recognize(RADAR, images).tiles[:1]
    assert tile.tile == TILE


def test_images_of_both_cases_in_one_product_belong_together(images: Path) -> None:
    for path in as_theia(images):
        if "_VH_" in path.name:
            path.rename(path.with_name(path.name.lower()))
    series, _ = scan_tile(DES, images, TILE)
    assert all(
        Path(one.bands["vh"]).name == Path(one.bands["vv"]).name.lower().replace("_vv_", "_vh_")
        for one in series.acquisitions
    )


@pytest.mark.parametrize("kinds", [("SIG", "GAM"), ("SIG", "")])
def test_calibrations_are_never_mixed_in_a_series(images: Path, kinds: tuple[str, str]) -> None:
    as_theia(images, kind=kinds[0])
    for path in images.glob("31TCJ/*_DES_110_20180317t*.tif"):
        path.rename(path.with_name(path.name.replace(f"_{kinds[0]}_", f"_{kinds[1]}_" if kinds[1] else "_")))
    with pytest.raises(InputError) as caught:
        scan_tile(DES, images, TILE)
    other = f"1 product with {kinds[1]}" if kinds[1] else "1 product without a kind"
    assert "a series must not mix images of several kinds" in str(caught.value)
    assert f"{other} (first: DES_110_20180317t174708)" in str(caught.value)
    assert f"with {kinds[0]} (first: DES_110_2018" in str(caught.value)
    scan_tile(ASC, images, TILE)


def test_terrain_corrected_images_of_some_dates_are_never_mixed_with_others(images: Path) -> None:
    for path in images.glob("31TCJ/*_DES_110_20180317t*.tif"):
        if not path.stem.endswith("_BorderMask"):
            path.rename(path.with_name(f"{path.stem}_NormLim.tif"))
    with pytest.raises(InputError, match=r"(?s)must not mix.*1 product with NORMLIM \(first: DES_110_20180317"):
        scan_tile(DES, images, TILE)


@pytest.mark.parametrize("variant", ["_BORDERMASK", "_bordermask", "_Border_Mask"])
def test_border_masks_are_read_in_all_variants(images: Path, variant: str) -> None:
    for path in images.glob("31TCJ/*_BorderMask.tif"):
        path.rename(path.with_name(path.name.replace("_BorderMask", variant)))
    assert all(one.masks for one in scan_tile(DES, images, TILE)[0].acquisitions)


def test_a_border_mask_of_vh_stands_in_for_that_of_vv(images: Path) -> None:
    for path in images.glob("31TCJ/*_vv_*_BorderMask.tif"):
        path.rename(path.with_name(path.name.replace("_vv_", "_vh_")))
    series, notes = scan_tile(DES, images, TILE)
    assert all(len(one.masks) == 1 for one in series.acquisitions)
    assert "*_vh_*_BorderMask.tif is read instead" in notes[0]


@pytest.mark.parametrize(
    ("pattern", "rename"),
    [
        (
            "{flying_unit_code}_{tile_name}_{polarisation}_{orbit_direction}_{orbit}_{acquisition_stamp}_{calibration}.tif",
            lambda s, t, b, d, o, day, time: f"{s}_{t}_{b}_{d}_{o}_{day}t{time}_gamma",
        ),
        (
            "mine-{date}-{time}-{direction}-{polarisation}-*.tif",
            lambda s, t, b, d, o, day, time: f"mine-{day}-{time}-{d}-{b.upper()}-{s}",
        ),
        ("{polarisation}{date}{direction}_[x].tif", lambda s, t, b, d, o, day, time: f"{b}{day}{d}_[x]"),
    ],
)
def test_images_are_found_by_the_pattern_of_the_user(images: Path, pattern: str, rename: Callable[..., str]) -> None:
    folder = images / "31TCJ"
    before = {direction: scan_tile(direction, images, TILE)[0] for direction in (ASC, DES)}
    for path in sorted(folder.glob("s1*.tif")):
        *parts, stamp = path.stem.removesuffix("_BorderMask").split("_")
        mask = "_BorderMask" * path.stem.endswith("_BorderMask")
        path.rename(folder / f"{rename(*parts, *stamp.split('t'))}{mask}.tif")
    spec = named_like(RADAR, pattern)
    assert series_found(spec, images, (TILE,)) == ("sentinel1_asc", "sentinel1_des")
    for direction, expected in before.items():
        series, notes = scan_tile(spec.of(direction.name[-3:].upper()), images, TILE)
        assert notes == ()
        assert {*series.days} == {*expected.days}, "slices are lost where the pattern does not tell them apart"
        for one in series.acquisitions:
            assert len(one.masks) == 1
            assert one.bands["vv"] != one.bands["vh"]
            assert "BorderMask" not in one.bands["vv"] + one.bands["vh"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{satellite}_{direction}_{date}.tif", "expected {polarisation} in it"),
        ("{polarisation}_{date}.tif", "expected {direction} or {orbit_direction} in it"),
        ("{polarisation}_{direction}.tif", "expected {date} or {acquisition_stamp} in it"),
        ("{polarisation}_{direction}_{day}.tif", "placeholders in braces: satellite, flying_unit_code"),
        ("{polarisation}_{direction}_{date}_{acquisition_stamp}.tif", "each placeholder only once"),
        ("{polarisation}_{polarisation}_{direction}_{date}.tif", "each placeholder only once"),
        ("x/{polarisation}_{direction}_{date}.tif", "a file name"),
        ("{polarisation}_{direction}_{date}", "a name that ends in .tif"),
    ],
)
def test_an_incomplete_pattern_is_rejected(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        named_like(RADAR, pattern)
