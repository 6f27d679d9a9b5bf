"""Images as archives really hold them: damaged, incomplete, doubled, cloudy, out of order, in two UTM zones."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from iota2.chains.load import load_config
from iota2.core.grid import pixel_centres
from iota2.core.random import generator
from iota2.errors import JobsFailed
from iota2.io.rasters.files import RasterReader
from iota2.runs.preview import survey_and_plan
from iota2.testing.archive import Product, write_band, write_masks
from iota2.testing.classes import BANDS
from iota2.testing.files import WorldFiles
from tests.chain.helpers import (
    DATES,
    EAST,
    IMAGES,
    MAPS,
    SMALL,
    WEST,
    Case,
    case,
    copied,
    made,
    on_tile,
    read,
    refused,
    run,
    said,
    small,
)
from tests.io.damage import HARMS, Harm, rewritten, shifted

__all__ = ["case", "small"]
NODATA = -10000
MAP, CONFIDENCE, VALIDITY = "final/Classif_Seed_0.tif", "final/Confidence_Seed_0.tif", "final/PixelsValidity.tif"


@pytest.fixture(scope="module")
def usual(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The western tile, unspoilt, and its results."""
    case = copied(small, tmp_path_factory.mktemp("usual") / "case")
    run(case.configured(), last_step="mosaic")
    return case


# ------------------------------------------------------------------------------------------------- 14: damaged files


FILES: dict[str, tuple[Harm, str]] = HARMS | {
    "too many bands": (lambda path: rewritten(path, count=3), "has 3 bands, 1 on the other dates"),
}


@pytest.mark.parametrize("what", FILES)
@pytest.mark.parametrize("pattern", ["*_FRE_B8.tif", "MASKS/*_CLM_R1.tif"], ids=["band", "mask"])
def test_a_file_that_cannot_be_used_is_named_with_the_reason(
    case: Case, capsys: pytest.CaptureFixture[str], what: str, pattern: str
) -> None:
    spoil, reason = FILES[what]
    path = case.file(pattern)
    spoil(path)
    message = refused(capsys, case.configured())
    assert str(path) in message
    assert reason in message
    assert not case.output.exists()


@pytest.mark.parametrize("pattern", ["*_FRE_B8A.tif", "MASKS/*_EDG_R1.tif"], ids=["band", "mask"])
def test_a_file_missing_on_one_date_is_reported_with_its_date(
    case: Case, capsys: pytest.CaptureFixture[str], pattern: str
) -> None:
    case.file(pattern, 2).unlink()
    message = refused(capsys, case.configured())
    assert f"1 of 3 products of {WEST} lack {pattern} (first: {case.products()[2].name})" in message


def test_problems_of_all_dates_tiles_and_inputs_come_at_once(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.file("*_FRE_B8.tif", 0).write_bytes(b"")
    case.file("MASKS/*_SAT_R1.tif", 2, EAST).unlink()
    message = refused(capsys, case.configured(chain={"list_tile": f"{WEST} {EAST}", "data_field": "kind"}))
    assert all(part in message for part in ("is empty (0 bytes)", f"products of {EAST} lack", "no field 'kind'"))


def test_pixels_damaged_behind_a_whole_header_fail_the_job_that_reads_them_by_file(case: Case) -> None:
    path = case.file("*_FRE_B8.tif")
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + generator(0).bytes(200) + content[middle + 200 :])
    with pytest.raises(JobsFailed) as failed:
        run(case.configured())
    assert failed.value.exit_code == 2
    assert f"{path}: cannot be read" in str(failed.value)
    assert "samplesExtraction/extraction_T31TCJ" in str(failed.value)
    assert not (case.output / MAP).exists()


# ------------------------------------------------------------------------------- 14: odd, but the run goes on


def doubled(case: Case, number: int = 1) -> None:
    """Put a second product of one day, of the same pixels, into the archive."""
    product = case.products()[number]
    time = product.name.split("_")[1].partition("-")[2]
    twin = product.with_name(product.name.replace(time, "235959-999"))
    shutil.copytree(product, twin)
    for path in list(twin.rglob("*.tif")):
        path.rename(path.with_name(path.name.replace(time, "235959-999")))


def test_a_date_given_twice_changes_neither_the_number_of_views_nor_the_map(case: Case, usual: Case) -> None:
    doubled(case)
    run(case.configured(), last_step="mosaic")
    assert np.array_equal(read(case.output / MAP), read(usual.output / MAP))
    before, after = (on_tile(c.output / VALIDITY, c) for c in (usual, case))
    assert np.array_equal(after, before)


def test_a_date_given_twice_gives_two_features_when_dates_are_not_interpolated(case: Case) -> None:
    doubled(case)
    run(case.configured(sensors_data_interpolation={"use_gapfilling": False}), last_step="mosaic")
    (sensor,) = json.loads((case.output / "features/recipe.json").read_text())["sensors"]
    assert sensor["dates"] == ["20180317", "20180511", "20180511.1", "20180809"]
    assert read(case.output / MAP).any()


def test_stray_entries_are_ignored_and_reported_to_the_end(case: Case, usual: Case) -> None:
    folder = case.files.s2_path / WEST
    (folder / "quicklook.tif").write_bytes(b"II*\0")
    (folder / "SENTINEL2A_broken").mkdir()
    foreign = case.products()[0].name.replace(WEST, "T30TYP")
    (folder / foreign).mkdir()
    run(case.configured())
    assert np.array_equal(read(case.output / MAP), read(usual.output / MAP))
    for name, text in said(case.output).items():
        assert all(stray in text for stray in ("README.txt", "quicklook.tif", "SENTINEL2A_broken", foreign)), name


def test_nodata_in_one_band_hides_the_date_like_a_cloud(case: Case, tmp_path: Path, usual: Case) -> None:
    here = ~case.world.sky(DATES[2]).invalid[case.world.window(WEST)]
    here[:, 32:] = False
    band, cloudy = case.file("*_FRE_B8.tif", 2), copied(usual, tmp_path / "cloudy")
    values = read(band)
    values[here] = NODATA
    rewritten(band, values)
    mask = cloudy.file("MASKS/*_CLM_R1.tif", 2)
    codes = read(mask)
    codes[here] = 1
    rewritten(mask, codes)
    for each in (case, cloudy):
        run(each.configured(), last_step="mosaic")
    for name in (MAP, CONFIDENCE):
        assert np.array_equal(read(case.output / name), read(cloudy.output / name)), name
    assert not np.array_equal(read(case.output / CONFIDENCE), read(usual.output / CONFIDENCE))


@pytest.mark.parametrize("hole", [NODATA, np.nan], ids=["nodata", "NaN"])
def test_ground_without_data_on_any_date_has_no_label(case: Case, usual: Case, hole: float) -> None:
    here = np.s_[4:12, 4:12]
    for number in range(len(DATES)):
        band = case.file("*_FRE_B3.tif", number)
        values = read(band).astype(np.float32)
        values[here] = hole
        rewritten(band, values, dtype="float32")
    run(case.configured(), last_step="mosaic")
    assert (on_tile(usual.output / MAP, usual)[here] > 0).all()
    for name in (MAP, CONFIDENCE, VALIDITY):
        assert not on_tile(case.output / name, case)[here].any(), name
    around = on_tile(case.output / MAP, case)[12:16, 4:12]
    assert (around > 0).all()


# --------------------------------------------------------------------------------------------------- 15: clouds


def test_ground_that_is_never_clear_has_no_label_no_confidence_no_view_and_all_other_has(usual: Case) -> None:
    never = usual.world.never_clear(WEST)
    assert 50 < never.sum() < 1000
    for name in (MAP, CONFIDENCE, VALIDITY):
        assert np.array_equal(on_tile(usual.output / name, usual) == 0, never), name


@pytest.mark.parametrize("mask", ["CLM", "SAT", "EDG"])
def test_a_mask_on_another_grid_is_reported_by_name(case: Case, capsys: pytest.CaptureFixture[str], mask: str) -> None:
    for number in range(len(DATES)):
        shifted(case.file(f"MASKS/*_{mask}_R1.tif", number))
    message = refused(capsys, case.configured())
    assert f"{mask} (MASKS/*_{mask}_R1.tif) of {WEST} is on another grid" in message
    assert message.count("another grid") == 1


def test_a_mask_absent_on_all_dates_is_reported_by_name(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(len(DATES)):
        case.file("MASKS/*_CLM_R1.tif", number).unlink()
    message = refused(capsys, case.configured())
    assert f"3 of 3 products of {WEST} lack MASKS/*_CLM_R1.tif" in message


# ---------------------------------------------------------------------------------------------------- 17: dates


def test_one_date_is_enough_for_a_map(case: Case) -> None:
    for product in (*case.products()[:1], *case.products()[2:]):
        shutil.rmtree(product)
    run(case.configured(), last_step="mosaic")
    (sensor,) = json.loads((case.output / "features/recipe.json").read_text())["sensors"]
    assert sensor["dates"] == ["20180511"]
    labels, views = (on_tile(case.output / name, case) for name in (MAP, VALIDITY))
    clear = ~case.world.sky(DATES[1]).invalid[case.world.window(WEST)]
    assert np.array_equal(labels > 0, clear)
    assert np.array_equal(views, clear)


def season(case: Case, start: str, end: str) -> Path:
    return case.configured(
        chain={"list_tile": f"{WEST} {EAST}"},
        sensors_data_interpolation={"auto_date": False},
        Sentinel_2={"start_date": start, "end_date": end},
    )


@pytest.mark.parametrize(
    ("start", "end"), [("20170101", "20171231"), ("20180810", "20181231"), ("20180101", "20180316")]
)
def test_a_season_before_or_after_all_images_is_refused(
    case: Case, capsys: pytest.CaptureFixture[str], start: str, end: str
) -> None:
    message = refused(capsys, season(case, start, end))
    days = f"{start[:4]}-{start[4:6]}-{start[6:]} to {end[:4]}-{end[4:6]}-{end[6:]}"
    assert days in message
    assert "2018-03-17 to 2018-08-09" in message
    assert WEST in message
    assert EAST in message


def test_a_season_that_only_one_tile_lacks_is_refused_for_that_tile(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(case.products(EAST)[2])
    message = refused(capsys, season(case, "20180601", "20181231"))
    assert f"tile {EAST}" in message
    assert WEST not in message


def test_a_season_between_two_images_is_interpolated_and_reported_to_the_end(case: Case) -> None:
    config = season(case, "20180520", "20180610")
    found, _ = survey_and_plan(load_config(config))
    assert [day for sensor in found.recipe.sensors for day in sensor.dates] == ["20180520", "20180530", "20180609"]
    notes = [note.text for tile in (WEST, EAST) for note in found.notes[tile] if "no image between" in note.text]
    assert len(notes) == 2
    run(config)
    for name, text in said(case.output).items():
        assert f"tile {EAST}: no image between 2018-05-20 and 2018-06-10" in text, name


def test_tiles_with_different_dates_share_their_features(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(case.products(EAST)[0])
    shutil.rmtree(case.products(WEST)[2])
    both = {"list_tile": f"{WEST} {EAST}"}
    run(case.configured(chain=both), last_step="mosaic")
    dates = {t: (case.output / f"features/{t}/tmp/Sentinel2_{t}_input_dates.txt").read_text() for t in (WEST, EAST)}
    assert dates == {WEST: "20180317\n20180511\n", EAST: "20180511\n20180809\n"}
    grid = {(case.output / f"features/{t}/tmp/Sentinel2_{t}_interpolation_dates.txt").read_text() for t in dates}
    assert len(grid) == 1
    assert grid.pop().split()[0] == "20180317"
    for tile in dates:
        labels = on_tile(case.output / MAP, case, tile)
        truth = case.world.truth(case.world.tile_geobox(tile))
        assert (labels == truth)[labels > 0].mean() > 0.8
    raw = case.configured(chain=both, sensors_data_interpolation={"use_gapfilling": False})
    message = refused(capsys, raw)
    assert f"{EAST} and {WEST} differ in 2 (first: 20180317, 20180809)" in message


def test_dates_are_ordered_by_day_and_not_by_the_names_of_folders(case: Case, usual: Case) -> None:
    """Sentinel-2A sorts before 2B by name, whatever the day."""
    for number, product in enumerate(case.products()):
        other = product.name.replace("SENTINEL2A", "SENTINEL2" + "BAA"[number])
        product.rename(product.with_name(other))
    run(case.configured(), last_step="mosaic")
    names = [product.name for product in case.products()]
    assert names != sorted(names)
    dates = f"features/{WEST}/tmp/Sentinel2_{WEST}_input_dates.txt"
    assert (case.output / dates).read_text().split() == [f"{day:%Y%m%d}" for day in DATES]
    assert np.array_equal(read(case.output / MAP), read(usual.output / MAP))


def test_leap_day_is_a_day_like_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    days = (date(2020, 2, 19), date(2020, 2, 29), date(2020, 3, 20))
    case = made(replace(SMALL, dates=days), tmp_path / "case")
    run(case.configured(chain={"last_step": "init"}))
    tmp = case.output / f"features/{WEST}/tmp"
    assert (tmp / f"Sentinel2_{WEST}_input_dates.txt").read_text().split() == ["20200219", "20200229", "20200320"]
    dates = (tmp / f"Sentinel2_{WEST}_interpolation_dates.txt").read_text().split()
    assert dates == ["20200219", "20200229", "20200310", "20200320"]
    product = case.products()[1]
    product.rename(product.with_name(product.name.replace("20200229", "20190229")))
    assert "20190229 is not a date" in refused(capsys, case.configured())


# ---------------------------------------------------------------------------------------------------- 18: tiles


def test_an_absent_tile_is_reported_with_those_that_are_there(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, case.configured(chain={"list_tile": f"{WEST} T30TYP"}))
    assert "no folder for tile T30TYP" in message
    assert f"it contains {WEST}, {EAST}" in message


def test_a_tile_without_polygons_is_mapped_by_what_others_teach(case: Case) -> None:
    footprint = gpd.GeoSeries([case.world.tile_geobox(EAST).extent.geom], crs=IMAGES).to_crs(MAPS).iloc[0]
    polygons = case.reference()
    polygons = polygons[~polygons.intersects(footprint)]
    assert polygons["code"].nunique() == 3
    polygons.to_file(case.files.ground_truth)
    forest = {"otb_classifier_options": {"classifier.rf.nbtrees": 50}}  # eight polygons, so that few trees vary
    run(case.configured(chain={"list_tile": f"{WEST} {EAST}"}, arg_train=forest))
    labels, truth = on_tile(case.output / MAP, case, EAST), case.world.truth(case.world.tile_geobox(EAST))
    assert np.array_equal(labels == 0, case.world.never_clear(EAST))
    assert (labels == truth)[labels > 0].mean() > 0.7
    assert "Traceback" not in "".join(path.read_text() for path in (case.output / "logs").rglob("*.err"))


STRIPE = 150.0
"""Metres, in EPSG:2154, of each stripe of land in the archive of two UTM zones."""
ZONES = {"T30TYP": ("EPSG:32630", -0.002), "T31TBJ": ("EPSG:32631", 0.002)}
LATITUDE, SIDE = 44.0, 64


def stripe(x: np.ndarray) -> np.ndarray:
    return np.floor(np.asarray(x) / STRIPE).astype(int) % 3


def zone_geobox(tile: str) -> GeoBox:
    """A grid of 640 m whose centre lies a little west or east of Greenwich."""
    crs, longitude = ZONES[tile]
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(longitude, LATITUDE)
    left, top = 10 * round(x / 10) - 5 * SIDE, 10 * round(y / 10) + 5 * SIDE
    return GeoBox((SIDE, SIDE), Affine(10, 0, left, 0, -10, top), crs)


def outline(tile: str) -> shapely.Polygon:
    return gpd.GeoSeries([zone_geobox(tile).extent.geom], crs=ZONES[tile][0]).to_crs(MAPS).iloc[0]


def write_zone(tile: str, world: Case, root: Path) -> None:
    """Products of stripes on three dates, on a grid in the tile's own UTM zone, all clear."""
    geobox = zone_geobox(tile)
    rows, cols = np.mgrid[:SIDE, :SIDE]
    x, _ = Transformer.from_crs(geobox.crs, MAPS, always_xy=True).transform(
        *(geobox.affine @ np.stack([cols.ravel() + 0.5, rows.ravel() + 0.5]))
    )
    kind = stripe(x).reshape(SIDE, SIDE)
    none = np.zeros((SIDE, SIDE), np.uint8)
    codes = [c.code for c in world.world.landscape.classes]
    for day in DATES:
        product = Product(tile, day, "SENTINEL2A", "105804-037", geobox, none, none, none.astype(bool))
        spectra = np.stack([world.world.profile(code, day.timetuple().tm_yday) for code in codes])
        for k, band in enumerate(BANDS):
            noise = generator(0, tile, day.isoformat(), band).normal(0, 20, (SIDE, SIDE))
            write_band(product, root, band, spectra[kind, k] + noise)
        write_masks(product, root)


def stripes_as_polygons(area: shapely.Polygon, codes: list[int]) -> gpd.GeoDataFrame:
    """Rectangles well inside each stripe."""
    left, bottom, right, top = area.bounds
    found = [
        (codes[k % 3], shapely.box(k * STRIPE + 30, y, (k + 1) * STRIPE - 30, y + 80))
        for k in range(int(left // STRIPE), int(right // STRIPE) + 1)
        for y in np.arange(bottom, top, 100.0)
    ]
    inside = [(code, box) for code, box in found if area.covers(box)]
    return gpd.GeoDataFrame({"code": [c for c, _ in inside]}, geometry=[b for _, b in inside], crs=MAPS)


def test_tiles_of_two_utm_zones_make_one_mosaic_without_a_gap(case: Case, tmp_path: Path) -> None:
    zones = Case(case.world, WorldFiles(tmp_path / "zones"))
    for tile in ZONES:
        write_zone(tile, case, zones.files.s2_path)
    area = shapely.union_all([outline(tile) for tile in ZONES])
    overlap = shapely.intersection_all([outline(tile) for tile in ZONES])
    assert 0.2 < overlap.area / area.area < 0.8
    codes = [c.code for c in case.world.landscape.classes]
    zones.files.ground_truth.parent.mkdir(parents=True)
    stripes_as_polygons(area, codes).to_file(zones.files.ground_truth)
    tables = {"nomenclature_path": str(case.files.nomenclature), "color_table": str(case.files.colors)}
    run(
        zones.configured(chain={"list_tile": " ".join(ZONES), "proj": MAPS, "spatial_resolution": 10, **tables}),
        last_step="mosaic",
    )
    with RasterReader(zones.output / MAP) as reader:
        assert reader.geobox.crs == MAPS
        x, y = pixel_centres(reader.geobox, *np.mgrid[: reader.geobox.shape.y, : reader.geobox.shape.x])
    labels = read(zones.output / MAP)
    inside = shapely.contains_xy(area.buffer(-15), x, y)
    assert inside.sum() > 5000
    assert (labels[inside] > 0).all()
    assert not labels[~shapely.contains_xy(area.buffer(15), x, y)].any()
    away = np.minimum(x % STRIPE, STRIPE - x % STRIPE) > 10
    assert (labels == np.array(codes)[stripe(x)])[inside & away].mean() > 0.999
