"""Files that products may lack: masks with alternatives, spare masks, and bands that are not kept."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.grid import block_of
from iota2.core.scene import Scene, SensorScene
from iota2.errors import InputError
from iota2.io.archive.products import native_geobox, scan_tile
from iota2.io.archive.recognition import recognize
from iota2.io.archive.specs import builtin_specs
from iota2.io.series.reader import CubeReader
from iota2.io.series.scene_file import scene_from_json, scene_to_json
from iota2.io.stac.items import Search, read_items
from iota2.io.stac.products import items_by_tile, scan_items
from iota2.terminal.recognized import recognized_text
from iota2.testing.products import write_series
from tests.io.damage import rewritten
from tests.io.items import items_of, write_items

TILE = "T31TCJ"
FINE = GeoBox((32, 48), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
COARSE = GeoBox((16, 24), Affine(20, 0, 300000, 0, -20, 4900020), "EPSG:32631")
GRIDS = {"": FINE} | dict.fromkeys(("B5", "B6", "B7", "B8A", "B11", "B12"), COARSE)
S2, L3A = builtin_specs()["Sentinel_2"], builtin_specs()["Sentinel_2_L3A"]
DAYS = (date(2018, 5, 11), date(2018, 6, 11))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    write_series(S2, tmp_path, TILE, DAYS, GRIDS)
    return tmp_path


def only_20_m(folder: Path) -> None:
    """Replace the masks of 10 m by masks of 20 m, with every second pixel."""
    for path in sorted(folder.rglob("*_R1.tif")):
        with rasterio.open(path) as source:
            values, profile = source.read()[:, ::2, ::2], source.profile
        rows, cols = values.shape[1:]
        profile |= {"height": rows, "width": cols, "transform": profile["transform"] @ Affine.scale(2)}
        with rasterio.open(path.with_name(path.name.replace("_R1", "_R2")), "w", **profile) as target:
            target.write(values)
        path.unlink()


def without(archive: Path, *patterns: str) -> None:
    for pattern in patterns:
        for path in archive.rglob(pattern):
            path.unlink()


def cube_of(series: SensorScene, *bands: str) -> tuple[np.ndarray, np.ndarray]:
    """Validity from bands and masks, and from masks only, as a job reads them."""
    scene = scene_from_json(scene_to_json(Scene(TILE, native_geobox(series), (series,))))
    block = block_of(TILE, scene.geobox, (0, scene.geobox.shape.y), (0, scene.geobox.shape.x))
    with CubeReader(scene, {series.spec.name: bands}) as reader:
        return reader.read(block)[series.spec.name].valid, reader.observed(block)[series.spec.name].valid


def message(archive: Path, **options: tuple[str, ...]) -> str:
    with pytest.raises(InputError) as caught:
        scan_tile(S2, archive, TILE, **options)  # type: ignore[arg-type]
    return str(caught.value)


# -------------------------------------------------------------------------------------------------------------- masks


def test_masks_of_20_m_replace_missing_masks_of_10_m_with_a_note(archive: Path) -> None:
    before, _ = scan_tile(S2, archive, TILE)
    masks = before.acquisitions[0].masks
    with rasterio.open(masks["CLM"]) as clm, rasterio.open(masks["SAT"]) as sat, rasterio.open(masks["EDG"]) as edg:
        invalid = (clm.read(1) | sat.read(1) | edg.read(1))[::2, ::2] != 0
    only_20_m(archive)
    series, notes = scan_tile(S2, archive, TILE)
    assert sorted(series.acquisitions[0].masks) == ["CLM_2", "EDG_2", "SAT_2"]
    assert series.grids["CLM_2"] == COARSE
    assert [note.removeprefix(f"Sentinel_2, tile {TILE}: ") for note in notes] == [
        f"2 of 2 products without MASKS/*_{mask}_R1.tif: MASKS/*_{mask}_R2.tif is read instead"
        for mask in ("CLM", "SAT", "EDG")
    ]
    _, clear = cube_of(series, "B2")
    np.testing.assert_array_equal(clear[0], ~invalid.repeat(2, axis=0).repeat(2, axis=1))
    text = recognized_text(recognize(S2, archive))
    assert "MASKS/*_CLM_R2.tif for CLM in 2 of 2 products" in text
    assert "These images can be used" in text


def test_masks_of_10_m_are_preferred_and_dates_may_differ(archive: Path) -> None:
    first, second = sorted((archive / TILE).iterdir())
    only_20_m(first)
    for path in second.rglob("*_R1.tif"):
        path.with_name(path.name.replace("_R1", "_R2")).write_bytes(b"")
    series, notes = scan_tile(S2, archive, TILE)
    assert [sorted(one.masks) for one in series.acquisitions] == [["CLM_2", "EDG_2", "SAT_2"], ["CLM", "EDG", "SAT"]]
    assert "1 of 2 products without MASKS/*_CLM_R1.tif: MASKS/*_CLM_R2.tif is read instead" in notes[0]
    valid, clear = cube_of(series, "B2", "B12")
    assert 0 < clear[0].sum() < clear[0].size
    assert 0 < clear[1].sum() < clear[1].size
    assert not (valid & ~clear).any()


def test_masks_of_20_m_of_monthly_syntheses_are_read(tmp_path: Path) -> None:
    write_series(L3A, tmp_path, TILE, DAYS, GRIDS)
    only_20_m(tmp_path)
    series, (note,) = scan_tile(L3A, tmp_path, TILE)
    assert [sorted(one.masks) for one in series.acquisitions] == [["FLG_2"]] * 2
    assert "MASKS/*_FLG_R2.tif is read instead" in note


def test_spare_masks_that_no_product_has_are_omitted_and_nodata_marks_the_edge(archive: Path) -> None:
    only_20_m(archive)
    without(archive, "*_SAT_R2.tif", "*_EDG_R2.tif")
    series, notes = scan_tile(S2, archive, TILE)
    where = f"Sentinel_2, tile {TILE}: 2 of 2 products without the mask"
    assert notes[1:] == (
        f"{where} SAT (MASKS/*_SAT_R1.tif): it masks no pixel of these products",
        f"{where} EDG (MASKS/*_EDG_R1.tif): pixels with data in the bands are used",
    )
    path = Path(series.acquisitions[0].bands["B2"])
    with rasterio.open(path) as source:
        values = source.read(1)
    values[:, :7] = -10000
    rewritten(path, values)
    _, clear = cube_of(series, "B2")
    assert not clear[0, :, :7].any(), "beyond the edge nothing is clear, though no mask says it"
    assert "SAT: missing in 2 of 2 products" in recognized_text(recognize(S2, archive))


def test_a_product_without_a_mask_that_others_have_is_incomplete(archive: Path) -> None:
    first, _ = sorted((archive / TILE).iterdir())
    without(first, "*_EDG_R1.tif")
    assert f"1 of 2 products of {TILE} lack MASKS/*_EDG_R1.tif (first: {first.name})" in message(archive)


def test_a_product_that_lost_one_mask_of_10_m_is_incomplete_even_with_that_of_20_m(archive: Path) -> None:
    first, _ = sorted((archive / TILE).iterdir())
    (path,) = first.rglob("*_EDG_R1.tif")
    rewritten(path, transform=COARSE.affine)
    path.rename(path.with_name(path.name.replace("_R1", "_R2")))
    assert f"1 of 2 products of {TILE} lack MASKS/*_EDG_R1.tif (first: {first.name})" in message(archive)


def test_cloud_masks_are_mandatory(archive: Path) -> None:
    without(archive, "*_CLM_R1.tif")
    assert f"2 of 2 products of {TILE} lack MASKS/*_CLM_R1.tif" in message(archive)


# -------------------------------------------------------------------------------------------------------------- bands


@pytest.mark.parametrize("spoilt", ["missing", "empty", "missing on one date"])
def test_bands_that_are_not_kept_may_be_missing(spoilt: str, archive: Path) -> None:
    kept = ("B2", "B3", "B4", "B8A", "B11", "B12")
    paths = sorted(archive.rglob("*_FRE_B5.tif"))
    assert "B5" in told_of(paths, spoilt, archive)
    series, (note,) = scan_tile(S2, archive, TILE, kept=kept)
    assert note == (f"Sentinel_2, tile {TILE}: not read, excluded by keep_bands and missing in some products: B5")
    assert "B5" not in series.spec.band_names
    assert "B6" in series.spec.band_names
    valid, _ = cube_of(series, *kept)
    assert valid.any()


def told_of(paths: list[Path], spoilt: str, archive: Path) -> str:
    """Damage files, and return the message about the archive when all bands are kept."""
    for path in paths[: 1 if spoilt == "missing on one date" else None]:
        path.write_bytes(b"") if spoilt == "empty" else path.unlink()
    return message(archive)


def test_bands_that_are_kept_are_mandatory(archive: Path) -> None:
    without(archive, "*_FRE_B5.tif", "*_FRE_B8.tif")
    assert f"2 of 2 products of {TILE} lack *_FRE_B8.tif" in message(archive, kept=("B2", "B8"))
    assert "B5" not in message(archive, kept=("B2", "B8"))


def test_the_finest_kept_band_replaces_a_missing_reference_band(archive: Path) -> None:
    without(archive, "*_FRE_B2.tif")
    series, (note,) = scan_tile(S2, archive, TILE, kept=("B5", "B8", "B11"))
    assert native_geobox(series) == FINE
    assert series.spec.reference.name == "B8"
    assert note.endswith("missing in some products: B2; the grid of the tile is that of B8, not of B2")


def test_a_product_that_lacks_kept_bands_does_not_change_the_grid(archive: Path) -> None:
    first, _ = sorted((archive / TILE).iterdir())
    without(first, "*_FRE_B2.tif", "*_FRE_B8A.tif")
    assert f"1 of 2 products of {TILE} lack *_FRE_B2.tif, *_FRE_B8A.tif" in message(archive, kept=("B8A",))


def test_assets_of_bands_that_are_not_kept_may_be_missing(archive: Path, tmp_path: Path) -> None:
    items = items_of(scan_tile(S2, archive, TILE)[0], "c", TILE)
    del items[0]["assets"]["B5"]
    found, _ = read_items(Search(str(write_items(items, tmp_path / "items")), ("c",)))
    placed = items_by_tile(S2, found, (TILE,))
    with pytest.raises(InputError, match="lack the asset B5"):
        scan_items(S2, placed, TILE, source="x")
    series, notes = scan_items(S2, placed, TILE, source="x", kept=("B2", "B4"))
    assert len(series.acquisitions) == 2
    assert "missing in some products: B5" in notes[0]
