"""STAC items give the same series as product folders; wrong items are reported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.config.options.sensors import FOLDER_KEYS
from iota2.core.grid import block_of
from iota2.core.scene import Scene, SensorScene
from iota2.core.sensor import BandSpec, SensorSpec
from iota2.errors import InputError, MissingTile
from iota2.io.archive.products import native_geobox, scan_tile
from iota2.io.archive.specs import builtin_specs
from iota2.io.series.reader import CubeReader
from iota2.io.stac import items as stac
from iota2.io.stac.items import Search, read_items
from iota2.io.stac.products import items_by_tile, scan_items
from iota2.testing.products import write_metadata, write_series
from tests.io.damage import rewritten
from tests.io.items import Item, items_of, relative_to, write_items
from tests.io.web import Web, serving

TILE = "T31TCJ"
FINE = GeoBox((32, 48), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
COARSE = GeoBox((16, 24), Affine(20, 0, 300000, 0, -20, 4900020), "EPSG:32631")
DAYS = (date(2018, 5, 11), date(2018, 3, 2), date(2020, 2, 29), date(2018, 5, 11))
S2C, S2, USGS = (builtin_specs()[section] for section in ("Sentinel_2_S2C", "Sentinel_2", "Landsat8_usgs_optical"))
NAMES = ("B05", "B06", "B07", "B8A", "B11", "B12", "SCL", "EDG", "B5", "B6", "B7")
GRIDS = {"": FINE} | dict.fromkeys(NAMES, COARSE)
REFLECTANCE = {"raster:bands": [{"scale": 0.0001, "offset": 0}]}


def archive_of(spec: SensorSpec, folder: Path, days: tuple[date, ...] = DAYS[:2]) -> SensorScene:
    """The series of synthetic products, found by their folders."""
    grids = GRIDS if spec in (S2C, S2) else {"": FINE}
    write_series(spec, folder / "archive", TILE, days, grids)
    return scan_tile(spec, folder / "archive", TILE)[0]


def found_by_items(
    spec: SensorSpec, source: str | Path, tiles: tuple[str, ...] = (TILE,), **search: Any
) -> tuple[SensorScene, tuple[str, ...]]:
    """The series of the first tile from the items of collection ``c``."""
    found, notes = read_items(Search(str(source), ("c",), **search))
    placed = items_by_tile(spec, found, tiles)
    scene, more = scan_items(spec, placed, tiles[0], source=str(source), remote=search.get("remote", False))
    return scene, (*notes, *more)


def refusal(read: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        read()
    return str(caught.value)


@pytest.fixture(scope="module")
def sen2cor(tmp_path_factory: pytest.TempPathFactory) -> SensorScene:
    return archive_of(S2C, tmp_path_factory.mktemp("sen2cor"))


@pytest.fixture
def items(sen2cor: SensorScene) -> list[Item]:
    """Items of two Sentinel-2 products with the scaling of their values."""
    found = items_of(sen2cor, "c", TILE)
    for item in found:
        for asset in item["assets"].values():
            asset.update(REFLECTANCE)
    return found


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    (tmp_path / "served").mkdir()
    with serving(tmp_path / "served") as running:
        yield running


# ------------------------------------------------------------------------------------------------ the same as folders


@pytest.mark.parametrize("section", FOLDER_KEYS)
def test_items_and_product_folders_make_the_same_series(section: str, tmp_path: Path) -> None:
    spec = builtin_specs()[section]
    scene = archive_of(spec, tmp_path, DAYS)
    folder = tmp_path / "items"
    items = items_of(scene, "c", TILE, href=relative_to(folder))
    for item, acquisition in zip(items, scene.acquisitions, strict=True):
        if spec.metadata:
            product = Path(acquisition.bands["B02"]).parents[4]
            item["assets"]["product_metadata"] = {"href": str(product / spec.metadata.file)}
    found, notes = found_by_items(spec, write_items(reversed(items), folder))
    assert found == scene
    assert notes == ()


def test_pixels_read_from_a_server_are_those_on_disk(tmp_path: Path, web: Web) -> None:
    scene = archive_of(S2C, web.folder)
    to_address = lambda path: web.url(str(Path(path).relative_to(web.folder)))  # noqa: E731
    items = items_of(scene, "c", TILE, href=to_address, properties={"earthsearch:boa_offset_applied": True})
    remote, _ = found_by_items(S2C, write_items(items, tmp_path / "items"), remote=True)
    assert all(path.startswith(web.address) for one in remote.acquisitions for path in one.bands.values())
    block = block_of(TILE, FINE, (0, 32), (0, 48))
    cubes = []
    for series in (scene, remote):
        with CubeReader(Scene(TILE, native_geobox(series), (series,)), {S2C.name: ("B02", "B11")}) as reader:
            cubes.append(reader.read(block)[S2C.name])
    assert np.array_equal(cubes[0].values, cubes[1].values, equal_nan=True)
    assert np.array_equal(cubes[0].valid, cubes[1].valid)
    assert cubes[0].valid.any()


def test_only_items_of_the_tile_are_used(items: list[Item], tmp_path: Path) -> None:
    items[0]["properties"]["grid:code"] = "MGRS-31TDJ"
    scene, _ = found_by_items(S2C, write_items(items, tmp_path / "items"), (TILE, "T31TDJ"))
    assert [one.product for one in scene.acquisitions] == [items[1]["id"]]


@pytest.mark.parametrize(
    "message",
    [
        {"grid:code": "MGRS-31TCJ"},
        {"s2:mgrs_tile": "31TCJ"},
        {"s2:mgrs_tile": "T31TCJ"},
        {"mgrs:utm_zone": 31, "mgrs:latitude_band": "T", "mgrs:grid_square": "CJ"},
        {"landsat:wrs_path": "199", "landsat:wrs_row": "029"},
        {"grid:code": "WRS2-199029"},
    ],
)
def test_the_tile_is_read_from_several_properties(message: dict[str, Any], tmp_path: Path) -> None:
    scene = archive_of(USGS, tmp_path)
    tile = "199029" if "199029" in str(message) or "landsat:wrs_path" in message else TILE
    folder = write_items(items_of(scene, "c", properties=message), tmp_path / "items")
    assert found_by_items(USGS, folder, (tile, "T31TDJ"))[0].days == scene.days


def test_items_without_a_tile_are_assigned_to_the_only_tile_of_a_run(tmp_path: Path) -> None:
    scene = archive_of(USGS, tmp_path)
    items = items_of(scene, "c", properties={"grid:code": "WRS2-199029"})
    folder = write_items(items, tmp_path / "items")
    assert found_by_items(USGS, folder)[0] == scene
    with pytest.raises(MissingTile, match=r"2 items without a known tile .*: run each separately"):
        found_by_items(USGS, folder, (TILE, "T31TDJ"))
    items[0]["properties"]["grid:code"] = "MGRS-31TCJ"
    found, notes = found_by_items(USGS, write_items(items, folder), (TILE, "T31TDJ"))
    assert len(found.acquisitions) == 1
    assert "left out, 1 item without a known tile" in notes[0]


def test_the_day_is_that_of_utc(items: list[Item], tmp_path: Path) -> None:
    items[0]["properties"]["datetime"] = "2018-05-11T00:30:00+02:00"
    assert found_by_items(S2C, write_items(items[:1], tmp_path / "items"))[0].days == (date(2018, 5, 10),)


# ---------------------------------------------------------------------------------------------------------- documents


def test_items_come_from_a_file_a_list_or_a_catalog(items: list[Item], tmp_path: Path) -> None:
    folder = write_items(items, tmp_path / "items")
    (folder / "list.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}), encoding="utf-8")
    links = [{"rel": "item", "href": "../items/item0.json"}, {"rel": "child", "href": "./catalog.json"}]
    catalog = {"type": "Catalog", "stac_version": "1.0.0", "id": "x", "description": "x"}
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "catalog.json").write_text(json.dumps({**catalog, "links": links}), encoding="utf-8")
    above = [{"rel": "child", "href": "sub/catalog.json"}, {"rel": "item", "href": "items/item1.json"}]
    (tmp_path / "catalog.json").write_text(json.dumps({**catalog, "links": above}), encoding="utf-8")
    for source, expected in (
        (folder / "item0.json", items[:1]),
        (folder / "list.json", items),
        (tmp_path / "catalog.json", items),
        (tmp_path, items),
    ):
        found, notes = read_items(Search(str(source), ("c",)))
        assert {one.item.id for one in found} == {item["id"] for item in expected}, source
        assert notes == ()


def test_ignored_items_are_counted_by_reason(items: list[Item], tmp_path: Path) -> None:
    other, nameless, undated = ({**items[0], "id": name} for name in "abc")
    other["collection"] = "d"
    del nameless["collection"]
    span = {"start_datetime": "2018-01-01T00:00:00Z", "end_datetime": "2018-02-01T00:00:00Z", "datetime": None}
    undated["properties"] = {**items[0]["properties"], **span}
    folder = write_items([*items, other, nameless, undated], tmp_path / "items")
    (folder / "settings.json").write_text("{}", encoding="utf-8")
    polygons = {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}}, 3]}
    (folder / "list.geojson").write_text(json.dumps(polygons), encoding="utf-8")
    found, notes = read_items(Search(str(folder), ("c",), start=date(2018, 5, 1), end=date(2018, 5, 31)))
    assert [one.day for one in found] == [date(2018, 5, 11)]
    assert notes == (
        "STAC items: ignored, JSON files that are not STAC items: 1",
        "STAC items: ignored, before start_date or after end_date: 1",
        "STAC items: ignored, features that are not STAC items: 2",
        "STAC items: ignored, of collection d: 1",
        "STAC items: ignored, of no collection: 1",
        "STAC items: ignored, without a datetime: 1 (c)",
    )


@pytest.mark.parametrize("end", ["2018-05-11T10:50:41Z", "2018-05-12T00:30:00+02:00"])
def test_the_day_of_an_item_may_be_given_by_start_and_end_datetime(end: str, items: list[Item], tmp_path: Path) -> None:
    whole, _ = found_by_items(S2C, write_items(items, tmp_path / "whole"))
    moment = items[1]["properties"]["datetime"]
    items[1]["properties"] |= {"datetime": None, "start_datetime": moment, "end_datetime": end}
    scene, notes = found_by_items(S2C, write_items(items, tmp_path / "items"))
    assert (scene.days, notes) == (whole.days, ())


def test_a_missing_collection_is_reported_with_the_available_ones(items: list[Item], tmp_path: Path) -> None:
    folder = write_items([{**item, "collection": "ufq"} for item in items], tmp_path / "items")
    message = refusal(lambda: read_items(Search(str(folder), ("ufo",))))
    assert message == (
        f"chain.stac_items.collections: {folder} has no item of collection 'ufo'; {len(items)} items are of 'ufq', "
        "which is not requested. Did you mean it?"
    )
    assert len(read_items(Search(str(folder), ("ufq",)))[0]) == len(items)
    later = Search(str(folder), ("ufq",), start=date(2100, 1, 1))
    assert read_items(later)[0] == (), "a collection whose items are of other days is there"


def test_all_documents_that_cannot_be_read_are_reported_at_once(items: list[Item], tmp_path: Path) -> None:
    broken: list[Item] = [{**items[0], "id": name} for name in ("no date", "no address", "list", "\n", "number")]
    broken[0]["properties"] = {"datetime": "yesterday"}
    broken[1]["assets"] = {"B02": {}}
    broken[2]["properties"] = []
    broken[4]["stac_version"] = 1
    folder = write_items(broken, tmp_path / "items")
    (folder / "cut.json").write_text('{"type": "Feature', encoding="utf-8")
    (folder / "deep.json").write_text("[" * 200_000, encoding="utf-8")
    (folder / "gone.json").symlink_to(folder / "nowhere.json")
    message = refusal(lambda: read_items(Search(str(folder), ("c",))))
    assert "STAC items: 8 problems" in message
    for name in (
        "gone.json: cannot be read",
        "cut.json: is not valid JSON",
        "deep.json: is not valid JSON",
        "'no date'",
        "'no address'",
        "'list'",
        "'\\n'",
    ):
        assert name in message


def test_an_item_with_two_contents_is_rejected(items: list[Item], tmp_path: Path) -> None:
    changed = json.loads(json.dumps(items[0]))
    changed["properties"]["datetime"] = "2019-05-11T10:50:31Z"
    folder = write_items([items[0], items[0], changed], tmp_path / "items")
    message = refusal(lambda: read_items(Search(str(folder), ("c",))))
    assert "item0.json and in" in message
    assert "item2.json, with different content; keep one" in message


@pytest.mark.parametrize("links", [None, 3, "x"])
def test_links_that_are_not_a_list_are_ignored(links: object, items: list[Item], tmp_path: Path) -> None:
    content = {"type": "FeatureCollection", "features": items, "links": links}
    (tmp_path / "all.json").write_text(json.dumps(content), encoding="utf-8")
    found, _ = read_items(Search(str(tmp_path / "all.json"), (items[0]["collection"],)))
    assert len(found) == len(items)


def test_a_document_that_is_no_list_of_items_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[1]", encoding="utf-8")
    assert "is not a STAC item, list of items, catalog or API" in refusal(
        lambda: read_items(Search(str(tmp_path / "x.json"), ("c",)))
    )
    assert "cannot be read" in refusal(lambda: read_items(Search(str(tmp_path / "y.json"), ("c",))))


def test_large_documents_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stac, "MAX_DOCUMENT_BYTES", 1000)
    (tmp_path / "x.json").write_text(" " * 1001, encoding="utf-8")
    assert "exceeds 0 MiB" in refusal(lambda: read_items(Search(str(tmp_path / "x.json"), ("c",))))


# ------------------------------------------------------------------------------------------------------------- assets


def test_assets_are_found_by_their_bands_too(items: list[Item], tmp_path: Path) -> None:
    first, second = items
    first["assets"]["one"] = first["assets"].pop("B02") | {"eo:bands": [{"name": "B02"}]}
    first["assets"]["picture"] = {"href": "x.png", "roles": ["visual"], "eo:bands": [{"name": "B02"}]}
    second["assets"]["one"] = second["assets"].pop("B03") | {"bands": [{"eo:common_name": "green"} | {"scale": 0.0001}]}
    del second["assets"]["one"]["raster:bands"]
    scene, _ = found_by_items(S2C, write_items(items, tmp_path / "items"))
    assert scene.scaling(0, "B02") == (1.0, 0.0)


def test_several_matching_assets_are_an_error(items: list[Item], tmp_path: Path) -> None:
    asset = items[0]["assets"].pop("B02")
    items[0]["assets"] |= {name: asset | {"eo:bands": [{"common_name": "blue"}]} for name in ("one", "two")}
    message = refusal(lambda: found_by_items(S2C, write_items(items, tmp_path / "items")))
    assert f"item {items[0]['id']}: the assets one, two all contain B02, one is expected" in message


def test_missing_assets_are_reported_once_for_all_products(items: list[Item], tmp_path: Path) -> None:
    for item in items:
        del item["assets"]["B8A"], item["assets"]["SCL"]
    folder = write_items(items, tmp_path / "items")
    message = refusal(lambda: found_by_items(S2C, folder))
    assert f"2 of 2 products of {TILE} lack the asset B8A" in message
    assert "B8A_20m, the asset " in message
    assert "the asset SCL or scl or SCL_20m" in message
    assert "If these images have other file names, correct the name in the sensor description" in message
    assert f"remove these products from {folder}" not in message, "no product would be left"


def test_an_optional_mask_may_be_missing(tmp_path: Path) -> None:
    scene = archive_of(USGS, tmp_path)
    items = items_of(scene, "c", TILE)
    del items[0]["assets"]["QA_RADSAT"]
    found, _ = found_by_items(USGS, write_items(items, tmp_path / "items"))
    assert [sorted(one.masks) for one in found.acquisitions] == [["FILL", "QA"], ["FILL", "QA", "SAT"]]


def test_damaged_files_are_reported_or_left_out_like_those_of_folders(tmp_path: Path) -> None:
    scene = archive_of(S2, tmp_path)
    folder = write_items(items_of(scene, "c", TILE), tmp_path / "items")
    Path(scene.acquisitions[0].bands["B3"]).write_bytes(b"<html>")
    assert "is not a raster but text" in refusal(lambda: found_by_items(S2, folder))
    found, _ = read_items(Search(str(folder), ("c",)))
    whole, notes = scan_items(S2, items_by_tile(S2, found, (TILE,)), TILE, source="x", skip_damaged=True)
    assert [one.product for one in whole.acquisitions] == [scene.acquisitions[1].product]
    assert "left out, damaged" in notes[0]


# ------------------------------------------------------------------------------------------- one item among thousands


@pytest.fixture(scope="module")
def landsat(tmp_path_factory: pytest.TempPathFactory) -> SensorScene:
    days = tuple(date(2018, 5, 1 + number) for number in range(4))
    return archive_of(USGS, tmp_path_factory.mktemp("landsat"), days)


@pytest.fixture
def several(landsat: SensorScene) -> list[Item]:
    return json.loads(json.dumps(items_of(landsat, "c", TILE)))  # type: ignore[no-any-return]


def without_asset(item: Item, folder: Path) -> None:
    del item["assets"]["SR_B5"]


def without_files(item: Item, folder: Path) -> None:
    item["assets"]["SR_B5"]["href"] = str(folder / "nowhere.TIF")


def of_landsat_7(item: Item, folder: Path) -> None:
    item["properties"]["platform"] = "landsat-7"


def named_of_landsat_7(item: Item, folder: Path) -> None:
    item["id"] = "LE07_L2SP_199029_20180501_20200901_02_T1"


def of_another_sensor(item: Item, folder: Path) -> None:
    item["properties"]["platform"] = "Sentinel-2A"


def on_another_grid(item: Item, folder: Path) -> None:
    for name, asset in item["assets"].items():
        copy = folder / f"{name}.TIF"
        copy.write_bytes(Path(asset["href"]).read_bytes())
        rewritten(copy, transform=FINE.affine @ Affine.translation(0.5, 0.5))
        asset["href"] = str(copy)


def in_another_zone(item: Item, folder: Path) -> None:
    on_another_grid(item, folder)
    for asset in item["assets"].values():
        rewritten(Path(asset["href"]), crs="EPSG:32630", transform=FINE.affine)


def of_other_values(item: Item, folder: Path) -> None:
    item["assets"]["SR_B4"].update(REFLECTANCE)


def of_a_bucket(item: Item, folder: Path) -> None:
    item["assets"]["SR_B4"]["href"] = "s3://bucket/B4.TIF"


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (without_asset, "lacks the asset SR_B5 or nir08 or B5"),
        (without_files, "left out, damaged"),
        (
            of_landsat_7,
            "is of landsat-7 according to its platform; Landsat8_usgs_optical needs landsat-8 or landsat-9",
        ),
        (named_of_landsat_7, "according to its name; Landsat8_usgs_optical needs landsat-8 or landsat-9"),
        (of_another_sensor, "is of Sentinel-2A according to its platform"),
        (on_another_grid, "is on another grid"),
        (in_another_zone, "has another coordinate system"),
        (of_other_values, "Use products of this sensor"),
        (of_a_bucket, "expected a file or an address with http or https"),
    ],
)
def test_an_unusable_item_is_left_out_with_skip_damaged(
    harm: Callable[[Item, Path], None], reason: str, several: list[Item], tmp_path: Path
) -> None:
    harm(several[1], tmp_path)
    found, _ = read_items(Search(str(write_items(several, tmp_path / "items")), ("c",)))
    placed = items_by_tile(USGS, found, (TILE,))
    message = refusal(lambda: scan_items(USGS, placed, TILE, source="x"))
    scene, notes = scan_items(USGS, placed, TILE, source="x", skip_damaged=True)
    assert [one.product for one in scene.acquisitions] == [item["id"] for item in several if item is not several[1]]
    (note,) = notes
    assert several[1]["id"] in note
    assert reason in note
    assert reason in message or reason == "left out, damaged" or "lack the asset" in message


def test_items_that_are_left_out_are_counted_and_the_first_named(several: list[Item], tmp_path: Path) -> None:
    for item in several[1:]:
        without_asset(item, tmp_path)
    found, _ = read_items(Search(str(write_items(several, tmp_path / "items")), ("c",)))
    placed = items_by_tile(USGS, found, (TILE,))
    _, (note,) = scan_items(USGS, placed, TILE, source="x", skip_damaged=True)
    assert f"left out, incomplete: 3 products: {several[1]['id']} (lacks the asset" in note
    without_asset(several[0], tmp_path)
    found, _ = read_items(Search(str(write_items(several, tmp_path / "items")), ("c",)))
    placed = items_by_tile(USGS, found, (TILE,))
    assert "every product is damaged or incomplete" in refusal(
        lambda: scan_items(USGS, placed, TILE, source="x", skip_damaged=True)
    )


@pytest.mark.parametrize("platform", [None, "landsat-8", "LANDSAT_9", "Landsat 8", 3, "aircraft"])
def test_items_of_the_sensors_satellites_or_of_unknown_satellites_are_used(
    platform: object, several: list[Item], tmp_path: Path
) -> None:
    for number, item in enumerate(several):
        item["properties"]["platform"] = platform
        item["id"] = f"scene {number}" if platform == "aircraft" else item["id"]
    assert len(found_by_items(USGS, write_items(several, tmp_path / "items"))[0].acquisitions) == len(several)


def broken_items(several: list[Item], folder: Path) -> Path:
    """A folder of items; only the third and fourth are valid, since a geometry is not needed."""
    del several[0]["properties"]["datetime"]
    several[1]["properties"]["datetime"] = "yesterday"
    del several[2]["geometry"]
    write_items(several, folder)
    (folder / "cut.json").write_text('{"type": "Feature', encoding="utf-8")
    return folder


def test_invalid_items_are_left_out_with_skip_damaged(several: list[Item], tmp_path: Path) -> None:
    folder = broken_items(several, tmp_path / "items")
    message = refusal(lambda: read_items(Search(str(folder), ("c",))))
    found, notes = read_items(Search(str(folder), ("c",), skip_damaged=True))
    assert [one.item.id for one in found] == [item["id"] for item in several[2:]]
    (note,) = notes
    assert note.startswith("STAC items: left out, damaged: 3: ")
    for name in ("cut.json: is not valid JSON", repr(several[0]["id"]), repr(several[1]["id"])):
        assert name in note
        assert name in message


def test_items_after_an_invalid_item_of_a_list_are_read(several: list[Item], tmp_path: Path) -> None:
    several[0]["properties"] = []
    content = {"type": "FeatureCollection", "features": several}
    (tmp_path / "list.json").write_text(json.dumps(content), encoding="utf-8")
    found, _ = read_items(Search(str(tmp_path / "list.json"), ("c",), skip_damaged=True))
    assert len(found) == 3


def test_links_after_a_broken_link_of_a_catalog_are_followed(several: list[Item], tmp_path: Path) -> None:
    write_items(several, tmp_path / "items")
    (tmp_path / "items" / "item0.json").write_text("{", encoding="utf-8")
    hrefs = ["s3://bucket/x.json", "items/gone.json", *(f"items/item{number}.json" for number in range(4))]
    catalog = {"type": "Catalog", "stac_version": "1.0.0", "id": "x", "description": "x"}
    links = [{"rel": "item", "href": href} for href in hrefs]
    (tmp_path / "catalog.json").write_text(json.dumps({**catalog, "links": links}), encoding="utf-8")
    assert "3 problems" in refusal(lambda: read_items(Search(str(tmp_path / "catalog.json"), ("c",))))
    found, (note,) = read_items(Search(str(tmp_path / "catalog.json"), ("c",), skip_damaged=True))
    assert len(found) == 3
    assert "left out, damaged: 3: " in note


def test_an_item_with_two_contents_is_left_out_with_skip_damaged(several: list[Item], tmp_path: Path) -> None:
    changed = json.loads(json.dumps(several[0]))
    changed["properties"]["datetime"] = "2019-05-11T10:50:31Z"
    folder = write_items([*several, changed], tmp_path / "items")
    found, (note,) = read_items(Search(str(folder), ("c",), skip_damaged=True))
    assert [one.item.id for one in found] == [item["id"] for item in several[1:]]
    assert "with different content; keep one" in note


def test_when_no_valid_item_is_left_all_are_reported(several: list[Item], tmp_path: Path) -> None:
    for item in several:
        item["properties"] = []
    folder = write_items(several, tmp_path / "items")
    assert "4 problems" in refusal(lambda: read_items(Search(str(folder), ("c",), skip_damaged=True)))


# ------------------------------------------------------------------------------------------------------------ scaling


def scaled(item: Item, tmp_path: Path, spec: SensorSpec = S2C) -> tuple[float, float]:
    scene, _ = found_by_items(spec, write_items([item], tmp_path / "items"))
    return scene.scaling(0, spec.band_names[0])


def with_bands(item: Item, content: dict[str, Any]) -> Item:
    """The item with other band properties."""
    assets = {name: {"href": asset["href"], **content} for name, asset in item["assets"].items()}
    return {**item, "assets": assets}


@pytest.mark.parametrize(
    ("bands", "properties", "expected"),
    [
        ({"raster:bands": [{"scale": 0.0001, "offset": -0.1}]}, {}, (1.0, -1000.0)),
        ({"raster:bands": [{"scale": 0.0001, "offset": 0}]}, {"s2:processing_baseline": "05.09"}, (1.0, 0.0)),
        ({"raster:bands": [{"scale": 0.0001}]}, {"s2:processing_baseline": "02.14"}, (1.0, 0.0)),
        ({"bands": [{"raster:scale": 0.0002, "raster:offset": -0.1}]}, {}, (2.0, -1000.0)),
        ({"raster:scale": 0.0001, "raster:offset": -0.1}, {}, (1.0, -1000.0)),
        (
            {"raster:bands": [{"scale": 0.0001, "offset": -0.1}]},
            {"earthsearch:boa_offset_applied": True, "s2:processing_baseline": "05.09"},
            (1.0, 0.0),
        ),
        ({}, {"s2:processing_baseline": "04.00"}, (1.0, -1000.0)),
        ({}, {"processing:version": "N0509"}, (1.0, -1000.0)),
        ({"raster:bands": [{"scale": 1, "offset": 0}]}, {"s2:processing_baseline": "05.09"}, (1.0, -1000.0)),
        ({}, {"earthsearch:boa_offset_applied": False, "s2:processing_baseline": "03.01"}, (1.0, 0.0)),
        ({}, {"s2:processing_baseline": "4.0"}, (1.0, -1000.0)),
        ({}, {"s2:processing_baseline": "5.1"}, (1.0, -1000.0)),
        ({}, {"s2:processing_baseline": 5.11}, (1.0, -1000.0)),
        ({}, {"s2:processing_baseline": "N0400"}, (1.0, -1000.0)),
        ({}, {"s2:processing_baseline": "3.1"}, (1.0, 0.0)),
        ({}, {"s2:processing_baseline": "99.99", "processing:version": "05.09"}, (1.0, -1000.0)),
        ({}, {"s2:processing_baseline": "99.99", "earthsearch:boa_offset_applied": True}, (1.0, 0.0)),
        ({}, {"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": "true"}, (1.0, 0.0)),
        ({}, {"s2:processing_baseline": "05.09", "sentinel:boa_offset_applied": 1}, (1.0, 0.0)),
        ({}, {"s2:processing_baseline": "05.09", "sentinel:boa_offset_applied": "False"}, (1.0, -1000.0)),
        (
            {"raster:bands": [{"scale": 0.0001, "offset": -0.1}]},
            {"s2:processing_baseline": "99.99"},
            (1.0, -1000.0),
        ),
        ({"raster:bands": [{"scale": 0.0001, "offset": 0}]}, {"s2:processing_baseline": "99.99"}, (1.0, 0.0)),
    ],
)
def test_values_are_converted_to_reflectance_by_the_properties_of_the_item(
    bands: dict[str, Any],
    properties: dict[str, Any],
    expected: tuple[float, float],
    items: list[Item],
    tmp_path: Path,
) -> None:
    item = with_bands(items[0], bands)
    item["properties"] = {**item["properties"], **properties}
    assert scaled(item, tmp_path) == expected


def test_metadata_among_the_assets_take_precedence_over_the_baseline(items: list[Item], tmp_path: Path) -> None:
    item = with_bands(items[0], {})
    item["properties"]["s2:processing_baseline"] = "04.00"
    item["assets"]["product-metadata"] = {"href": "../MTD_MSIL2A.xml"}
    text = "<x><BOA_QUANTIFICATION_VALUE>5000</BOA_QUANTIFICATION_VALUE></x>"
    (tmp_path / "MTD_MSIL2A.xml").write_text(text, encoding="utf-8")
    assert scaled(item, tmp_path) == (2.0, 0.0)


def own_sen2cor(item: Item, folder: Path, offsets: dict[str, float]) -> Item:
    """An item of a product that a user processed with Sen2Cor, with its metadata file."""
    item["properties"]["s2:processing_baseline"] = "99.99"
    item["assets"]["product-metadata"] = {"href": str(folder / "MTD_MSIL2A.xml")}
    assert S2C.metadata is not None
    ids = {band.id: offsets[band.name] for band in S2C.bands if band.name in offsets}
    write_metadata(folder / "MTD_MSIL2A.xml", S2C.metadata, 10000, ids)
    return item


def test_the_offset_of_products_of_sen2cor_is_read_from_their_metadata(items: list[Item], tmp_path: Path) -> None:
    plain = with_bands(items[0], {})
    assert scaled(own_sen2cor(plain, tmp_path, {}), tmp_path) == (1.0, 0.0)
    assert scaled(own_sen2cor(plain, tmp_path, dict.fromkeys(S2C.band_names, -1000)), tmp_path) == (1.0, -1000.0)


def test_offsets_may_differ_by_band(items: list[Item], tmp_path: Path) -> None:
    offsets = {band: -1000.0 - number for number, band in enumerate(S2C.band_names)}
    folder = write_items([own_sen2cor(with_bands(items[0], {}), tmp_path, offsets)], tmp_path / "items")
    scene, _ = found_by_items(S2C, folder)
    assert {band: scene.scaling(0, band)[1] for band in S2C.band_names} == offsets


def test_metadata_with_the_offset_of_some_bands_only_are_rejected(items: list[Item], tmp_path: Path) -> None:
    item = own_sen2cor(with_bands(items[0], {}), tmp_path, {"B02": -1000, "B03": -1000})
    assert "has 0 elements BOA_ADD_OFFSET of B04" in refusal(lambda: scaled(item, tmp_path))


def test_an_item_that_contradicts_its_metadata_is_rejected(items: list[Item], tmp_path: Path) -> None:
    item = own_sen2cor(items[0], tmp_path, dict.fromkeys(S2C.band_names, -1000))
    message = refusal(lambda: scaled(item, tmp_path))
    assert "has value x 1 + 0 for B02, but value x 1 + -1000 follows from its MTD_MSIL2A.xml" in message
    item["properties"]["earthsearch:boa_offset_applied"] = True
    assert scaled(item, tmp_path) == (1.0, 0.0)


def test_bands_with_another_offset_than_the_baseline_are_rejected(items: list[Item], tmp_path: Path) -> None:
    item = with_bands(items[0], {})
    item["assets"]["B02"].update(REFLECTANCE)
    item["properties"]["s2:processing_baseline"] = "05.09"
    message = refusal(lambda: scaled(item, tmp_path))
    assert "has value x 1 + 0 for B02, but value x 1 + -1000 follows from its processing baseline" in message


@pytest.mark.parametrize(
    ("bands", "properties", "message"),
    [
        ({}, {}, "does not define the conversion of values"),
        ({"raster:bands": [{"scale": 1, "offset": 0}]}, {}, "does not define the conversion of values"),
        (
            {"raster:bands": [{"scale": 0.0001}]},
            {"s2:processing_baseline": "05.09"},
            "has a scale but no offset for B02",
        ),
        (
            {"raster:bands": [{"scale": 0.0001, "offset": -0.1}]},
            {"s2:processing_baseline": "03.01"},
            "has the offset -1000 for B02, while values of its baseline have none",
        ),
        ({"raster:bands": [{"scale": -0.0001, "offset": 0}]}, {}, "has the invalid scale -0.0001"),
        ({}, {"s2:processing_baseline": "99.99"}, "s2:processing_baseline '99.99' is not a processing baseline of ESA"),
        ({}, {"s2:processing_baseline": "99.12"}, "s2:processing_baseline '99.12' is not a processing baseline of ESA"),
        ({}, {"s2:processing_baseline": 99.99}, "s2:processing_baseline 99.99 is not a processing baseline of ESA"),
        ({}, {"s2:processing_baseline": "N9999"}, "s2:processing_baseline 'N9999' is not a processing baseline of ESA"),
        ({}, {"s2:processing_baseline": "00.01"}, "s2:processing_baseline '00.01' is not a processing baseline of ESA"),
        ({}, {"processing:version": "2.11"}, "processing:version '2.11' is not a processing baseline of ESA"),
        (
            {},
            {"s2:processing_baseline": "99.99", "earthsearch:boa_offset_applied": False},
            "not a processing baseline of ESA",
        ),
        (
            {"raster:bands": [{"scale": 0.0001}]},
            {"s2:processing_baseline": "99.99"},
            "a sensor description of your own with scale and offset",
        ),
        (
            {},
            {"s2:processing_baseline": "03.01", "processing:version": "05.09"},
            "values of one baseline have an offset, of the other none",
        ),
        (
            {},
            {"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": "perhaps"},
            "earthsearch:boa_offset_applied is 'perhaps', true or false is expected",
        ),
        ({"raster:bands": [{"scale": 1, "offset": -1000}]}, {}, "the offset -1000 of B02, which is not a reflectance"),
        ({"raster:bands": [{"scale": float("nan"), "offset": 0}]}, {}, "has the invalid scale nan"),
    ],
)
def test_unknown_scaling_is_an_error(
    bands: dict[str, Any], properties: dict[str, Any], message: str, items: list[Item], tmp_path: Path
) -> None:
    item = with_bands(items[0], bands)
    item["properties"] = {**item["properties"], **properties}
    assert message in refusal(lambda: scaled(item, tmp_path))


def test_scale_and_offset_of_a_description_must_agree_with_the_item(tmp_path: Path) -> None:
    item = items_of(archive_of(USGS, tmp_path, DAYS[:1]), "c", TILE)[0]
    right = with_bands(item, {"raster:bands": [{"scale": 2.75e-05, "offset": -0.2}]})
    assert scaled(right, tmp_path, USGS) == (0.275, -2000.0)
    wrong = with_bands(item, {"raster:bands": [{"scale": 0.0001, "offset": 0}]})
    message = refusal(lambda: scaled(wrong, tmp_path, USGS))
    assert "reflectance x 10000 is value x 1 + 0 in B1, but value x 0.275 + -2000 in the sensor description" in message


def test_scale_and_offset_of_a_sensor_without_reflectance_must_agree_with_the_item(tmp_path: Path) -> None:
    plain = replace(USGS, spectral=False, scale=1.0, offset=0.0)
    item = items_of(archive_of(plain, tmp_path, DAYS[:1]), "c", TILE)[0]
    wrong = with_bands(item, {"raster:bands": [{"scale": 0.00341802, "offset": 149}]})
    message = refusal(lambda: scaled(wrong, tmp_path, plain))
    assert (
        "the measured quantity is value x 0.00341802 + 149 in B1, but value x 1 + 0 in the sensor description"
        in message
    )


# ------------------------------------------------------------------------------------------------------------ servers


def test_addresses_are_rejected_without_remote(items: list[Item], tmp_path: Path, web: Web) -> None:
    items[0]["assets"]["B02"]["href"] = web.url("B02.tif")
    message = refusal(lambda: found_by_items(S2C, write_items(items, tmp_path / "items")))
    assert "B02.tif: is on a web server. Set stac_items.remote to True, or download" in message
    assert "is on a web server" in refusal(lambda: read_items(Search(web.url("items.json"), ("c",))))
    assert web.requests == []


@pytest.mark.parametrize(
    ("href", "message"),
    [
        ("s3://bucket/B02.tif", "expected a file or an address with http or https"),
        ("/vsizip//data/x.zip/B02.tif", "expected a file or an address with http or https"),
        ("https://host/B02.tif?sig=SECRET", "https://host/B02.tif?…: the address contains a query"),
        ("https://me:SECRET@host/B02.tif", "https://host/B02.tif: the address contains a user name"),
        ("", "expected a file or an address"),
    ],
)
def test_invalid_links_of_images_are_rejected(href: str, message: str, items: list[Item], tmp_path: Path) -> None:
    items[0]["assets"]["B02"]["href"] = href
    said = refusal(lambda: found_by_items(S2C, write_items(items, tmp_path / "items"), remote=True))
    assert message in said
    assert "SECRET" not in said


def test_an_item_from_a_server_must_not_refer_to_local_files(items: list[Item], web: Web) -> None:
    items[0]["assets"]["B02"]["href"] = "file:///etc/passwd"
    write_items(items[:1], web.folder)
    message = refusal(lambda: found_by_items(S2C, web.url("item0.json"), remote=True))
    assert "file:///etc" not in message
    assert "/etc/passwd: a document from a web server must not refer to local files" in message


@pytest.mark.parametrize("posting", [True, False])
def test_an_api_is_searched_by_collections_days_and_area(items: list[Item], web: Web, posting: bool) -> None:
    web.posting = posting
    web.items = [{**items[k % 2], "id": f"{items[k % 2]['id']}{k}"} for k in range(7)]
    web.items[1] = {**items[1], "collection": "d"}
    web.items[2] = {**items[0], "bbox": [10, 50, 11, 51], "id": "far"}
    search = {"start": date(2018, 3, 1), "end": date(2018, 5, 31), "bbox": (0.0, 43.0, 2.0, 45.0), "remote": True}
    found, _ = read_items(Search(web.url("api"), ("c",), **search))
    assert {one.item.id for one in found} == {web.items[k]["id"] for k in (0, 3, 4, 5, 6)}
    assert sum(path == "/api/search" for _, path, _ in web.requests) == 3
    assert {method for method, path, _ in web.requests if path == "/api/search"} == {"POST" if posting else "GET"}
    (few, _) = read_items(Search(web.url("api"), ("c",), **{**search, "start": date(2018, 5, 1)}))
    assert {one.day for one in few} == {date(2018, 5, 11)}


def test_an_api_needs_days_and_area(web: Web) -> None:
    message = refusal(lambda: read_items(Search(web.url("api"), ("c",), end=date(2018, 5, 31), remote=True)))
    assert "is an API; set start_date and bbox" in message


def test_an_api_that_fails_is_reported_without_secrets(web: Web) -> None:
    whole = {"start": date(2018, 1, 1), "end": date(2018, 5, 31), "bbox": (0.0, 43.0, 2.0, 45.0), "remote": True}
    web.redirected = {"/api/search": web.url("broken?signature=SECRET")}
    (web.folder / "broken").write_text("no json", encoding="utf-8")
    message = refusal(lambda: read_items(Search(web.url("api"), ("c",), **whole)))
    assert "the API cannot be searched" in message
    assert "SECRET" not in message
    web.redirected = {"/api/search": web.url("nowhere?signature=SECRET")}
    message = refusal(lambda: read_items(Search(web.url("api"), ("c",), **whole)))
    assert "the server responded 404" in message
    assert "SECRET" not in message


def test_a_catalog_on_a_server_is_followed(items: list[Item], web: Web) -> None:
    write_items(items, web.folder / "items")
    links = [{"rel": "item", "href": f"./items/item{k}.json"} for k in (0, 1)]
    catalog = {"type": "Catalog", "stac_version": "1.0.0", "id": "x", "description": "x", "links": links}
    (web.folder / "catalog.json").write_text(json.dumps(catalog), encoding="utf-8")
    found, _ = read_items(Search(web.url("catalog.json"), ("c",), remote=True))
    assert len(found) == 2
    (web.folder / "items" / "item1.json").unlink()
    message = refusal(lambda: read_items(Search(web.url("catalog.json"), ("c",), remote=True)))
    assert "item1.json: the server responded 404" in message


def test_metadata_are_read_from_a_server(tmp_path: Path, items: list[Item], web: Web) -> None:
    item = with_bands(items[0], {})
    item["assets"]["product-metadata"] = {"href": web.url("MTD_MSIL2A.xml")}
    folder = write_items([item], tmp_path / "items")
    text = "<x><BOA_QUANTIFICATION_VALUE>5000</BOA_QUANTIFICATION_VALUE></x>"
    (web.folder / "MTD_MSIL2A.xml").write_text(text, encoding="utf-8")
    assert found_by_items(S2C, folder, remote=True)[0].scaling(0, "B02") == (2.0, 0.0)
    entity = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'
    (web.folder / "MTD_MSIL2A.xml").write_text(entity, encoding="utf-8")
    assert "a document type or entities" in refusal(lambda: found_by_items(S2C, folder, remote=True))


def test_products_with_files_that_a_server_does_not_deliver_are_not_damaged(tmp_path: Path, web: Web) -> None:
    pattern = r"^(?P<tile>T\d{2}[A-Z]{3})_(?P<date>\d{8})$"
    bands = BandSpec("RED", "*_red.tif", "red"), BandSpec("NIR", "*_nir.tif", "nir")
    spec = SensorSpec("Small", "Small", pattern, bands, (), nodata=-10000)
    scene = archive_of(spec, web.folder)
    path = Path(scene.acquisitions[1].bands["NIR"])
    items = items_of(scene, "c", TILE, href=lambda path: web.url(str(Path(path).relative_to(web.folder))))
    folder, whole = write_items(items, tmp_path / "items"), path.read_bytes()
    placed = items_by_tile(spec, read_items(Search(str(folder), ("c",), remote=True))[0], (TILE,))
    for content, message in (
        (None, "the server responded 404"),
        (b"<html>sorry</html>", "is not a raster but text"),
        (b"<VRTDataset></VRTDataset>", "is not a raster but text"),
        (b"", "416"),
        (whole[:100], "is damaged, its header cannot be read"),
    ):
        path.unlink() if content is None else path.write_bytes(content)
        said = refusal(lambda: scan_items(spec, placed, TILE, source="x", remote=True, skip_damaged=True))
        assert message in said
        assert web.address in said
    path.write_bytes(whole)
    assert len(scan_items(spec, placed, TILE, source="x", remote=True)[0].acquisitions) == 2
