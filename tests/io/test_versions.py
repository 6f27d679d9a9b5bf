"""The newest version of an acquisition is used; all pieces and all other acquisitions of a day are used."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.grid import block_of
from iota2.core.scene import Scene
from iota2.errors import InputError
from iota2.io.archive.products import native_geobox, scan_tile
from iota2.io.archive.recognition import recognize
from iota2.io.archive.specs import builtin_specs
from iota2.io.archive.versions import superseded, version_of
from iota2.io.series.reader import CubeReader
from iota2.io.stac.items import Search, read_items
from iota2.io.stac.products import items_by_tile, scan_items
from iota2.testing.products import write_series
from tests.io.damage import rewritten
from tests.io.items import items_of, write_items

TILE = "T31TCJ"
GRID = GeoBox((16, 24), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
USGS, S2, S2C = (builtin_specs()[name] for name in ("Landsat8_usgs_optical", "Sentinel_2", "Sentinel_2_S2C"))
SAFE = "S2A_MSIL2A_20180511T105031_N{}_R051_T31TCJ_{}.SAFE"
THEIA = "SENTINEL2A_20180511-{}_L2A_T31TCJ_{}"


def used(section: str, *products: tuple[str, str]) -> list[str]:
    """Names of the products that are used; each product is given with its piece."""
    titles = [version_of(builtin_specs()[section], name, piece) for name, piece in products]
    old = superseded(titles)
    assert all(newer not in old for newer in old.values())
    return [title.name for number, title in enumerate(titles) if number not in old]


@pytest.mark.parametrize(
    ("section", "names"),
    [
        (
            "Landsat8_usgs_optical",
            ("LC08_L2SP_199029_20180512_20180520_02_T2", "LC08_L2SP_199029_20180512_20200901_02_T1"),
        ),
        ("Sentinel_2", (THEIA.format("105804-037", "D_V1-7"), THEIA.format("105804-037", "C_V2-0"))),
        ("Sentinel_2", (THEIA.format("105804-037", "D_V1-9"), THEIA.format("105804-037", "D_V1-10"))),
        ("Sentinel_2", (THEIA.format("105804-037", "C_V2-2"), THEIA.format("105804-037", "D_V2-2"))),
        (
            "Sentinel_2_L3A",
            (
                "SENTINEL2X_20181015-000000-000_L3A_T31TCJ_D_V1-1",
                "SENTINEL2X_20181015-000000-000_L3A_T31TCJ_C_V1-2",
            ),
        ),
        (
            "Landsat8",
            (
                "LANDSAT8-OLITIRS-XS_20180512-103611-123_L2A_T31TCJ_C_V1-0",
                "LANDSAT8-OLITIRS-XS_20180512-103611-123_L2A_T31TCJ_C_V1-4",
            ),
        ),
        ("Sentinel_2_S2C", (SAFE.format("0400", "20230212T110000"), SAFE.format("0500", "20220912T110000"))),
        ("Sentinel_2_S2C", (SAFE.format("0207", "20180511T140000"), SAFE.format("0207", "20180701T140000"))),
        (
            "Sentinel_2_S2C",
            (SAFE.format("0207", "20180511T140000"), SAFE.format("0500", "20230801T140000").removesuffix(".SAFE")),
        ),
        ("Sentinel_2_S2C", (SAFE.format("9999", "20190601T140000"), SAFE.format("0500", "20230801T140000"))),
        ("Sentinel_2_S2C", (SAFE.format("0500", "20230801T140000"), SAFE.format("9999", "20240101T140000"))),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_newest_version_of_an_acquisition_is_used(section: str, names: tuple[str, str], turned: bool) -> None:
    products = [(name, "") for name in names]
    assert used(section, *(reversed(products) if turned else products)) == [names[1]]


@pytest.mark.parametrize(
    ("section", "products"),
    [
        ("Sentinel_2", [(THEIA.format("105804-037", "D_V1-7"), ""), (THEIA.format("105816-037", "D_V2-0"), "")]),
        ("Sentinel_2", [(THEIA.format("105804-037", "D_V1-7"), ""), (THEIA.format("105804-461", "D_V1-7"), "")]),
        (
            "Landsat8_usgs_optical",
            [("LC08_L2SP_199029_20180512_20200901_02_T1", ""), ("LC08_L2SP_199030_20180512_20200902_02_T1", "")],
        ),
        (
            "Landsat8_usgs_optical",
            [("LC08_L2SP_199029_20180512_20200901_02_T1", ""), ("LC09_L2SP_199029_20180512_20200902_02_T1", "")],
        ),
        (
            "Sentinel_2_S2C",
            [(SAFE.format("0207", "20180511T140000"), ""), (SAFE.format("0207", "20180511T143000"), "")],
        ),
        (
            "Sentinel_2_S2C",
            [
                (SAFE.format("0207", "20180511T140000"), "L2A_T31TCJ_A015064_20180511T105804"),
                (SAFE.format("0207", "20180611T143000"), "L2A_T31TCJ_A015064_20180511T105807"),
            ],
        ),
        (
            "Sentinel_2_S2C",
            [
                (SAFE.format("0207", "20180511T140000"), "L2A_T31TCJ_A015064_20180511T105804"),
                (SAFE.format("0500", "20230611T143000"), "L2A_T31TCJ_A015064_20180511T110004"),
            ],
        ),
    ],
)
def test_pieces_of_an_acquisition_and_other_acquisitions_of_a_day_are_all_used(
    section: str, products: list[tuple[str, str]]
) -> None:
    assert used(section, *products) == [name for name, _ in products]


def test_each_piece_of_an_acquisition_is_used_in_its_newest_version() -> None:
    pieces = [f"L2A_T31TCJ_A015064_20180511T{time}" for time in ("105804", "105904", "105806", "105904")]
    versions = [("0207", "20180511T140000"), ("0207", "20180511T143000"), ("0500", "20230801T140000")]
    names = [SAFE.format(*version) for version in (*versions, ("0500", "20230801T150000"))]
    assert used("Sentinel_2_S2C", *zip(names, pieces, strict=True)) == names[2:]


def test_a_duplicate_product_is_used_once() -> None:
    name = SAFE.format("0500", "20230801T140000")
    assert used("Sentinel_2_S2C", (name, "a"), (name, "b")) == [name]


# ----------------------------------------------------------------------------------------------------- in an archive


def scenes_twice(root: Path, days: int = 10, twice: int = 8) -> Path:
    """A folder of Landsat scenes; the first exists in two processings."""
    write_series(USGS, root, TILE, [date(2018, 5, 1 + day) for day in range(days)], {"": GRID})
    folder = root / TILE
    for path in sorted(folder.iterdir())[:twice]:
        head, tail = path.name[:26], path.name[34:]
        named(path, f"{head}20180601{tail}")
        shutil.copytree(folder / f"{head}20180601{tail}", folder / f"{head}20200901{tail}")
        named(folder / f"{head}20200901{tail}", f"{head}20200901{tail}")
    return folder


def named(product: Path, name: str) -> Path:
    """Rename a product folder and its files."""
    for path in product.rglob(f"*{product.name}*"):
        path.rename(path.with_name(path.name.replace(product.name, name)))
    return product.rename(product.with_name(name))


def test_the_newer_of_two_processings_is_read_and_the_older_is_noted(tmp_path: Path) -> None:
    folder = scenes_twice(tmp_path)
    assert len(list(folder.iterdir())) == 18
    scene, (note,) = scan_tile(USGS, tmp_path, TILE)
    assert len(scene.acquisitions) == 10
    assert len(set(scene.days)) == 10
    assert sum("_20200901_" in one.product for one in scene.acquisitions) == 8
    older = sorted(path.name for path in folder.iterdir() if "_20180601_" in path.name)
    start = f"Landsat8_usgs_optical, tile {TILE}: not used, older versions: 8 products: {older[0]} "
    assert note.startswith(f"{start}({older[0].replace('_20180601_', '_20200901_')} is used), {older[1]} ")


def test_an_older_version_is_ignored_or_replaces_a_newer_one_that_is_left_out(tmp_path: Path) -> None:
    folder = scenes_twice(tmp_path, days=2, twice=1)
    older, newer = sorted(path for path in folder.iterdir() if "_20180501_" in path.name)
    spoilt = next(older.glob("*_SR_B4.TIF"))
    whole = spoilt.read_bytes()
    spoilt.write_bytes(b"")
    scene, _ = scan_tile(USGS, tmp_path, TILE)
    assert scene.acquisitions[0].product == newer.name
    (tile,) = recognize(USGS, tmp_path).tiles
    assert tile.ignored == {older.name: f"an older version of {newer.name}, which is used"}
    assert tile.usable
    spoilt.write_bytes(whole)
    next(newer.glob("*_SR_B4.TIF")).write_bytes(b"")
    with pytest.raises(InputError, match=newer.name):
        scan_tile(USGS, tmp_path, TILE)
    scene, notes = scan_tile(USGS, tmp_path, TILE, skip_damaged=True)
    assert scene.acquisitions[0].product == older.name
    assert len(notes) == 1
    assert f"left out, damaged: {newer.name}" in notes[0]


def test_pieces_of_esa_products_are_distinguished_by_granules(tmp_path: Path) -> None:
    write_series(S2C, tmp_path, TILE, [date(2018, 5, 11)], {"": GRID})
    (made,) = (tmp_path / TILE).iterdir()
    first = named(made, SAFE.format("0207", "20180511T140000"))
    second = Path(shutil.copytree(first, first.with_name(SAFE.format("0207", "20180611T140000"))))
    for product, time in ((first, "105804"), (second, "105934")):
        (product / "GRANULE" / "x").rename(product / "GRANULE" / f"L2A_T31TCJ_A015064_20180511T{time}")
    assert scan_tile(S2C, tmp_path, TILE)[0].keys == ("20180511", "20180511.1")
    (second / "GRANULE" / "L2A_T31TCJ_A015064_20180511T105934").rename(
        second / "GRANULE" / "L2A_T31TCJ_A015064_20180511T105804"
    )
    assert [one.product for one in scan_tile(S2C, tmp_path, TILE)[0].acquisitions] == [second.name]


def test_versions_of_items_are_read_from_their_product_names(tmp_path: Path) -> None:
    write_series(S2, tmp_path / "archive", TILE, [date(2018, 5, 11)] * 3, {"": GRID})
    items = items_of(scan_tile(S2, tmp_path / "archive", TILE)[0], "c", TILE)
    uris = [THEIA.format("105804-037", "D_V1-7"), THEIA.format("105804-037", "C_V2-0"), THEIA.format("105816-037", "x")]
    for number, (item, uri) in enumerate(zip(items, uris, strict=True)):
        item["id"] = f"S2A_31TCJ_20180511_{number}_L2A"
        item["properties"]["s2:product_uri"] = uri
    found, _ = read_items(Search(str(write_items(items, tmp_path / "items")), ("c",)))
    scene, notes = scan_items(S2, items_by_tile(S2, found, (TILE,)), TILE, source="x")
    assert [one.product for one in scene.acquisitions] == ["S2A_31TCJ_20180511_1_L2A", "S2A_31TCJ_20180511_2_L2A"]
    assert "older versions: 1 product: S2A_31TCJ_20180511_0_L2A (S2A_31TCJ_20180511_1_L2A is used)" in notes[0]


# --------------------------------------------------------------------------------------------------------------- days


def test_a_pixel_that_is_clear_in_two_products_of_a_day_counts_once(tmp_path: Path) -> None:
    days = [date(2018, 5, 11), date(2018, 5, 11), date(2018, 5, 21)]
    write_series(S2, tmp_path, TILE, days, {"": GRID})
    series, _ = scan_tile(S2, tmp_path, TILE)
    assert len(series.acquisitions) == 3
    for one, columns in zip(series.acquisitions, ((0, 16), (8, 24), (0, 24)), strict=True):
        for mask, path in one.masks.items():
            values = np.full(GRID.shape, mask == "EDG", np.uint8)
            values[:, slice(*columns)] = 0
            rewritten(Path(path), values)
    cloudy = Path(series.acquisitions[1].masks["CLM"])
    with rasterio.open(cloudy) as source:
        values = source.read(1)
    values[:4, 8:16] = 1
    rewritten(cloudy, values)
    scene = Scene(TILE, native_geobox(series), (series,))
    block = block_of(TILE, GRID, (0, 16), (0, 24))
    for threads in (1, 3):
        with CubeReader(scene, {S2.name: ("B2",)}, threads=threads) as reader:
            sight = reader.observed(block)[S2.name].by_day(series.by_day)
        assert sight.valid.shape == (2, 16, 24)
        assert sight.inside.tolist() == [16 * 24, 16 * 24], "both halves of the day together show all"
        assert sight.valid[0].all(), "clouds of one half are clear in the other"
