"""``iota2 sensors``: the known sensors, and the products recognised in a folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from iota2.config.options.sensors import FOLDER_KEYS
from iota2.core.sensor import SensorSpec
from iota2.errors import InputError, MissingTile
from iota2.io.archive.products import scan_tile
from iota2.io.archive.specs import builtin_specs
from iota2.terminal.lines import WIDTH
from iota2.testing.products import Layer, synthetic_layers, write_product, write_raster, write_series
from tests.chain.helpers import command

TILE = "T31TCJ"
DAYS = (date(2018, 3, 2), date(2018, 3, 12), date(2018, 5, 11))
GRID = GeoBox.from_bbox((300000, 4900000, 300320, 4900240), "EPSG:32631", resolution=10)
COARSE = GeoBox.from_bbox((300000, 4900000, 300320, 4900240), "EPSG:32631", resolution=20)
S2 = builtin_specs()["Sentinel_2"]
GRIDS = {"": GRID, **dict.fromkeys(("B5", "B6", "B7", "B8A", "B11", "B12"), COARSE)}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    write_series(S2, folder, TILE, DAYS, GRIDS)
    return folder


@pytest.fixture
def archive(written: Path, tmp_path: Path) -> Path:
    """Three Sentinel-2 products of one tile, which a test may damage."""
    return Path(shutil.copytree(written, tmp_path / "s2"))


def recognised(capsys: pytest.CaptureFixture[str], name: str, folder: Path) -> tuple[int, str, Any]:
    """Exit code, text and JSON of the products recognised in a folder."""
    code, text, error = command(capsys, "sensors", name, folder)
    assert (f"{folder} cannot be used yet" in error) == bool(code), error
    assert max(len(line) for line in text.splitlines() if " " in line.strip() and str(folder) not in line) <= WIDTH
    same, content, _ = command(capsys, "sensors", name, folder, "--json")
    assert same == code
    return code, text, json.loads(content)


def reasons(content: Any) -> dict[str, str]:
    """Ignored entries in the folder of the only tile, with reasons."""
    (tile,) = content["tiles"]
    found: dict[str, str] = tile["ignored"]
    return found


def test_all_sensors_are_listed_with_an_example_path_that_their_description_matches(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, text, _ = command(capsys, "sensors")
    _, content, _ = command(capsys, "sensors", "--json")
    listed = {sensor["section"]: sensor for sensor in json.loads(content)}
    assert code == 0
    assert set(listed) == set(builtin_specs()) >= set(FOLDER_KEYS)
    assert max(map(len, text.splitlines())) <= WIDTH
    for section, key in {**FOLDER_KEYS, "Sentinel_1": "s1_path"}.items():
        assert f"{section}: chain.{key}\n" in text
        assert listed[section]["example"] in text
    assert "Sentinel2S2C_B02_20180511" in text
    assert listed["Sentinel_1"]["names"] == ["sentinel1_asc", "sentinel1_des"]


@pytest.mark.parametrize("name", ["Sentinel_2_S2C", "sentinel2s2c", "s2_s2c_path"])
def test_a_sensor_has_several_names(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, text, _ = command(capsys, "sensors", name)
    assert code == 0
    assert "GRANULE/*/IMG_DATA/R20m/*_SCL_20m.jp2  SCL EDG" in text


@pytest.mark.parametrize("name", ["userFeat", "userfeat", "user_feat_path"])
def test_layers_are_not_sensors_and_the_message_names_the_check_command(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    code, _, error = command(capsys, "sensors", name)
    message = " ".join(error.split())
    assert code == 1
    assert f"'{name}' is not a sensor: its layers have no products. `iota2 check`" in message
    assert "chain.user_feat_path" in message


def test_an_unknown_sensor_is_rejected_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = command(capsys, "sensors", "Sentinel_2_S2D")
    assert code == 1
    assert "did you mean Sentinel_2_S2C?" in error


def test_a_usable_folder_is_reported_with_dates_grids_and_options(
    capsys: pytest.CaptureFixture[str], archive: Path
) -> None:
    before = sorted(archive.rglob("*"))
    code, text, content = recognised(capsys, "Sentinel_2", archive)
    assert code == 0
    assert f"{TILE}: 3 products, 2018-03-02 to 2018-05-11" in text
    assert "  2018-03  02  12\n  2018-05  11\n" in text
    assert "EPSG:32631, 32 wide, 24 high, pixels of 10: B2 B3 B4 B8 CLM SAT EDG\n" in text
    assert "EPSG:32631, 16 wide, 12 high, pixels of 20: B5 B6 B7 B8A B11 B12\n" in text
    assert f"chain.s2_path : '{archive}'\n  chain.list_tile : '{TILE}'" in text
    (tile,) = content["tiles"]
    assert content["usable"]
    assert (tile["dates"], tile["first"], tile["last"]) == (3, "2018-03-02", "2018-05-11")
    assert tile["grids"]["B5"] == {
        "crs": "EPSG:32631", "rows": 12, "columns": 16, "resolution": [20, 20],
        "bounds": [300000, 4900000, 300320, 4900240],
    }  # fmt: skip
    assert set(tile["products"][0]["files"]) == {part.name for part in S2.parts}
    assert sorted(archive.rglob("*")) == before


def test_products_of_one_day_are_reported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_series(S2, tmp_path, TILE, (*DAYS, DAYS[0]), GRIDS)
    code, text, _ = recognised(capsys, "Sentinel_2", tmp_path)
    assert code == 0
    assert "  2 products of 2018-03-02: their clear pixels are averaged\n" in text


def test_products_of_different_orbit_directions_are_not_averaged(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for direction, days in (("ASC", DAYS[:1]), ("DES", (DAYS[0], DAYS[0]))):
        write_series(builtin_specs()["Sentinel_1"].of(direction), tmp_path, TILE, days, {"": GRID})
    _, text, _ = recognised(capsys, "Sentinel_1", tmp_path)
    assert text.count("of 2018-03-02: their clear pixels are averaged") == 1
    assert "2 products of 2018-03-02" in text


def test_the_folder_of_a_tile_is_accepted(capsys: pytest.CaptureFixture[str], archive: Path) -> None:
    code, text, content = recognised(capsys, "Sentinel_2", archive / TILE)
    assert code == 0
    assert text.startswith(f"Sentinel_2, folder of one tile: {archive / TILE}\n")
    assert content["folder"] == str(archive)
    assert [tile["tile"] for tile in content["tiles"]] == [TILE]


def test_the_folder_of_a_product_is_rejected(capsys: pytest.CaptureFixture[str], archive: Path) -> None:
    product = next((archive / TILE).iterdir())
    code, _, error = command(capsys, "sensors", "Sentinel_2", product)
    assert code == 1
    assert f"is a product; expected the folder of its tile, {archive / TILE}." in error


def test_missing_files_are_reported_by_product_and_band(capsys: pytest.CaptureFixture[str], archive: Path) -> None:
    last = max((archive / TILE).iterdir(), key=lambda path: path.name)
    next(last.glob("*_FRE_B8A.tif")).unlink()
    next(last.glob("MASKS/*_SAT_R1.tif")).unlink()
    code, text, content = recognised(capsys, "Sentinel_2", archive)
    assert code == 1
    assert "  2018-05  11!\n" in text
    assert "missing in 1 of 3 products:\n      *_FRE_B8A.tif       B8A\n      MASKS/*_SAT_R1.tif  SAT\n" in text
    assert last.name in text
    (tile,) = content["tiles"]
    assert [product["missing"] for product in tile["products"]] == [[], [], ["*_FRE_B8A.tif", "MASKS/*_SAT_R1.tif"]]
    assert "chain.s2_path" not in text


def test_unreadable_files_are_reported(capsys: pytest.CaptureFixture[str], archive: Path) -> None:
    path = next((archive / TILE).glob("*20180312*/*_FRE_B3.tif"))
    path.write_text("<html>Not found</html>", encoding="utf-8")
    code, text, content = recognised(capsys, "Sentinel_2", archive)
    assert code == 1
    assert "  2018-03  02  12!\n" in text
    (problem,) = content["tiles"][0]["products"][1]["problems"]
    assert problem.startswith(str(path))


def test_a_date_on_another_grid_is_a_problem(capsys: pytest.CaptureFixture[str], archive: Path) -> None:
    shutil.rmtree(next((archive / TILE).glob("*20180511*")))
    moved = GeoBox(GRID.shape, GRID.affine.translation(0.5, 0) @ GRID.affine, "EPSG:32631")
    write_series(S2, archive, TILE, DAYS[2:], GRIDS | {"B3": moved}, seed=1)
    code, text, content = recognised(capsys, "Sentinel_2", archive)
    assert code == 1
    assert "  2018-05  11\n" in text
    (problem,) = content["tiles"][0]["problems"]
    assert "_FRE_B3.tif: is on another grid (shifted by 0.05" in problem
    assert "  problems:\n" in text


REJECTED = {
    "SENTINEL2A_20180521-105804-037_L2A_T31TCJ_D_V1-7.zip": "an archive; unpack it",
    "SENTINEL2A_20180522-105804-037_L2A_T31TCJ_D_V1-7.zip.part": "the download is not complete",
    "SENTINEL2A_20180523-105804-037_L1C_T31TCJ_D_V1-7/": "of level L1C; L2A is needed",
    "SENTINEL2X_20180524-000000-000_L3A_T31TCJ_C_V1-1/": "a product of Sentinel_2_L3A",
    "S2A_MSIL1C_20180525T105031_N0206_R051_T31TCJ_20180525T124253.SAFE/": "L2A is needed for Sentinel_2_S2C",
    "SENTINEL2A_20180526-105804-037_L2A_T31TDJ_D_V1-7/": "of another tile, T31TDJ",
    "sentinel2a_20180527-105804-037_l2a_t31tcj_d_v1-7/": "in upper and lower case",
    "SENTINEL2A_20180528-105804-037_L2A_T31TCJ_D_V1-7": "a file; a folder is expected",
    "2019/SENTINEL2A_20190511-105804-037_L2A_T31TCJ_D_V1-7/": "it contains products, one level too deep",
    "readme.txt": "a file, not a product",
    "tmp/": f"not a product name; products are named like {S2.example}",
}  # fmt: skip


def test_ignored_entries_have_a_reason(capsys: pytest.CaptureFixture[str], archive: Path) -> None:
    create(archive / TILE, *REJECTED)
    code, text, content = recognised(capsys, "Sentinel_2", archive)
    assert code == 0
    message = reasons(content)
    assert len(message) == len(REJECTED)
    for name, reason in REJECTED.items():
        top = name.split("/")[0]
        assert reason in message[top]
        assert f"    {top}\n" in text


def test_a_product_name_with_a_suffix_is_reported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    name = builtin_specs()["Sentinel_2_S2C"].example
    create(tmp_path / "T22HBD", f"{name} (1)/")
    _, _, content = recognised(capsys, "Sentinel_2_S2C", tmp_path)
    assert reasons(content) == {f"{name} (1)": "' (1)' follows the name of a product"}


def test_an_older_landsat_collection_is_reported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    create(
        tmp_path / "199029", "LC08_L2SP_199029_20180512_20200901_01_T1/", "LC08_L1TP_199029_20180528_20200901_02_T1.tar"
    )
    _, _, content = recognised(capsys, "l8_usgs_optical_path", tmp_path)
    assert list(reasons(content).values()) == [
        "an archive; of level L1TP; L2SP is needed",
        "of collection 01; 02 is needed",
    ]


def test_a_run_without_products_gives_the_same_reason(tmp_path: Path) -> None:
    create(tmp_path / TILE, f"{S2.example}.zip")
    with pytest.raises(InputError, match=r"_V1-7\.zip \(the first: an archive; unpack it\)"):
        scan_tile(S2, tmp_path, TILE)


def test_a_folder_without_products_is_reported_with_an_example_and_the_command_that_explains_it(
    tmp_path: Path,
) -> None:
    create(tmp_path / TILE, "README.txt", "2018/")
    with pytest.raises(MissingTile) as message:
        scan_tile(S2, tmp_path, TILE)
    assert str(message.value) == (
        f"Sentinel_2: no product of tile {TILE} in {tmp_path / TILE}; products are named like {S2.example}. "
        "It contains "
        f"2018, README.txt (2018: not a product name; products are named like {S2.example}). "
        f"`iota2 sensors Sentinel_2 {tmp_path / TILE}` explains what is found."
    )
    with pytest.raises(MissingTile, match=r"; names must match \^MINE") as message:
        scan_tile(replace(S2, section="Mine", example="", product="^MINE(?P<date>.*)"), tmp_path, TILE)
    assert "iota2 sensors" not in str(message.value)


def test_products_of_another_sensor_are_reported_with_its_option_whatever_lies_beside_them(tmp_path: Path) -> None:
    other = S2.example.replace("20180511", "20180521")
    create(tmp_path / TILE, "README.txt", f"{S2.example}/", f"{other}/")
    with pytest.raises(MissingTile, match=r"\(2 are products of Sentinel_2: give their folder as chain\.s2_path\)\."):
        scan_tile(builtin_specs()["Sentinel_2_S2C"], tmp_path, TILE)


@pytest.mark.parametrize(
    ("entries", "missing"),
    [
        ([f"{S2.example}.zip", "readme.txt"], False),
        ([f"2018/{S2.example}/"], False),
        ([S2.example.replace(TILE, "T31TDJ") + "/"], False),
        (["sentinel2a_20180527-105804-037_l2a_t31tcj_d_v1-7/"], False),
        (["readme.txt", "2018/"], True),
        ([builtin_specs()["Sentinel_2_L3A"].example + "/", builtin_specs()["Landsat8"].example + ".zip"], True),
        ([], True),
    ],
)  # fmt: skip
def test_a_tile_is_missing_only_if_its_folder_contains_nothing_like_a_product(
    tmp_path: Path, entries: list[str], missing: bool
) -> None:
    """Tiles without images can be permitted; images that are not recognised are always a problem."""
    create(tmp_path / TILE, *entries)
    (tmp_path / TILE).mkdir(exist_ok=True)
    with pytest.raises(InputError, match=f"no product of tile {TILE}") as message:
        scan_tile(S2, tmp_path, TILE)
    assert isinstance(message.value, MissingTile) == missing


def test_a_tile_with_only_compressed_archives_is_not_usable(capsys: pytest.CaptureFixture[str], archive: Path) -> None:
    create(archive / "T31TDJ", f"{S2.example.replace(TILE, 'T31TDJ')}.zip")
    create(archive / "old", "nothing/")
    (archive / "empty").mkdir()
    (archive / "notes.txt").touch()
    code, text, content = recognised(capsys, "Sentinel_2", archive)
    assert code == 1
    assert "T31TDJ: 0 products\n" in text
    assert [(tile["tile"], tile["usable"]) for tile in content["tiles"]] == [(TILE, True), ("T31TDJ", False)]
    assert content["ignored"] == {
        "old": "it contains no product", "empty": "it is empty", "notes.txt": "a file, not a tile folder",
    }  # fmt: skip


def test_a_folder_without_products_is_reported_with_the_expected_location(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, text, content = recognised(capsys, "Sentinel_2", tmp_path)
    assert code == 1
    assert f"<folder of the sensor>/<tile>/{S2.example}" in text
    assert content["tiles"] == []


def test_the_parent_folder_is_reported_with_the_sensor_folder_below(
    capsys: pytest.CaptureFixture[str], archive: Path
) -> None:
    code, text, _ = recognised(capsys, "Sentinel_2", archive.parent)
    assert code == 1
    assert f"one level deeper. If this is the folder of the sensor, give it instead:\n  {archive}\n" in text


def test_products_without_a_tile_folder_are_reported_with_the_expected_folder(
    capsys: pytest.CaptureFixture[str], archive: Path
) -> None:
    code, text, content = recognised(capsys, "Sentinel_2", Path(shutil.move(archive / TILE, archive / "all")))
    assert code == 1
    assert set(reasons(content).values()) == {f"of another tile, {TILE}"}
    assert f"Each tile needs a separate folder:\n  {archive / 'all' / TILE}\n" in text


def test_compressed_archives_next_to_tile_folders_do_not_hide_them(
    capsys: pytest.CaptureFixture[str], archive: Path
) -> None:
    create(archive, f"{S2.example}.zip")
    code, text, content = recognised(capsys, "Sentinel_2", archive)
    assert code == 0
    assert content["ignored"] == {f"{S2.example}.zip": "an archive; unpack it"}
    assert f"{TILE}: 3 products" in text


def test_a_missing_folder_is_a_user_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, error = command(capsys, "sensors", "Sentinel_2", tmp_path / "nowhere")
    assert code == 1
    assert f"{tmp_path / 'nowhere'}: No such file" in error


def test_units_of_each_baseline_are_reported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    spec = builtin_specs()["Sentinel_2_S2C"]
    write(spec, tmp_path / TILE, DAYS[0])
    write(spec, tmp_path / TILE, DAYS[1], offsets=dict.fromkeys(spec.band_names, -1000.0))
    write(spec, tmp_path / TILE, DAYS[2], offsets=dict.fromkeys(spec.band_names, -1000.0))
    code, text, content = recognised(capsys, "Sentinel_2_S2C", tmp_path)
    assert code == 0
    assert "file value × 1 + 0 (1 product), file value × 1 − 1000 (2 products)" in text
    assert content["tiles"][0]["products"][1]["scaling"]["B8A"] == [1.0, -1000.0]


def test_sentinel_1_is_reported_with_two_series_and_its_folder_structure(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    radar = builtin_specs()["Sentinel_1"]
    masked = {mask.name for mask in radar.masks}
    for day, direction in zip(DAYS, ("ASC", "DES", "DES"), strict=True):
        write(radar.of(direction), tmp_path / "31TCJ", day, without=masked)
    code, text, content = recognised(capsys, "Sentinel_1", tmp_path)
    assert code == 0
    assert "sentinel1_asc (1 product), sentinel1_des (2 products)" in text
    assert [tile["tile"] for tile in content["tiles"]] == [TILE]
    assert "Border: missing in 3 of 3 products" in text
    assert f"[Paths] Output = {tmp_path} " in text


def test_a_user_description_is_accepted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    description = tmp_path / "mine.yaml"
    description.write_text(
        "name: Mine\nsection: Mine\nproduct: 'day_(?P<date>\\d{7})$'\nbands: [{name: B1, file: '*.tif'}]\nmasks: []\n",
        encoding="utf-8",
    )
    layer = Layer(np.ones(GRID.shape, np.int16), GRID)
    for day in ("2016366", "2018366"):
        write_raster(tmp_path / "images" / "here" / f"day_{day}" / "b.tif", {1: layer})
    code, text, content = recognised(capsys, str(description), tmp_path / "images")
    assert code == 1
    assert "here: 1 product, 2016-12-31 to 2016-12-31" in text
    assert content["tiles"][0]["problems"] == ["day_2018366: 2018366 is not a date (YYYYMMDD or YYYYDDD expected)"]
    (tmp_path / "images" / "here" / "day_2018366").rename(tmp_path / "images" / "here" / "day_2018365")
    code, text, _ = recognised(capsys, str(description), tmp_path / "images")
    assert code == 0
    assert f"chain.user_sensors : {{ 'Mine' : {{ 'path' : '{tmp_path / 'images'}'" in text
    assert "'description' : '/" in text


def write(
    spec: SensorSpec,
    folder: Path,
    day: date,
    *,
    without: Collection[str] = (),
    offsets: Mapping[str, float] | None = None,
) -> None:
    """Write a synthetic product of any sensor."""
    layers = synthetic_layers(spec, {"": GRID}, np.random.default_rng(1), corner=False)
    kept = {name: layer for name, layer in layers.items() if name not in without}
    write_product(spec, folder, TILE, day, kept, offsets=offsets)


def create(folder: Path, *names: str) -> None:
    """Create empty files, and folders for names that end in a slash."""
    for name in names:
        path = folder / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
