"""From polygons to pixels: losses are counted by class and reason and shown everywhere; losing all is no success."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
import shapely

from iota2.io.tables.polygon_losses import read_losses_csv
from iota2.testing.world import WorldOptions
from tests.chain.helpers import DATES, IMAGES, MAPS, WEST, Case, case, command, made, refused, run, said, small

__all__ = ["case", "small"]
THIN, OUT = 41, 42
"""Classes without a pixel centre, and beyond the tile."""


def place(case: Case, col: float, row: float, width: float, height: float) -> shapely.Polygon:
    """A rectangle in pixels of the western tile."""
    affine = case.world.tile_geobox(WEST).affine
    (left, top), (right, bottom) = affine @ (col, row), affine @ (col + width, row + height)
    return shapely.box(left, bottom, right, top)


def with_classes(case: Case, added: dict[int, list[shapely.Polygon]]) -> Path:
    """The reference data without what the new polygons (in the projection of images) cover, and with them."""
    frame = case.reference()[["code", "geometry"]].to_crs(IMAGES)
    new = gpd.GeoDataFrame(
        {"code": [code for code, polygons in added.items() for _ in polygons]},
        geometry=[polygon for polygons in added.values() for polygon in polygons],
        crs=IMAGES,
    )
    frame.geometry = frame.difference(new.union_all().buffer(5))
    path = case.files.folder / "reference.gpkg"
    pd.concat([frame[~frame.is_empty], new], ignore_index=True).to_file(path, layer="parcelles")
    for code in added:
        with open(case.files.nomenclature, "a", encoding="utf-8") as names:
            names.write(f"classe {code}:{code}\n")
        with open(case.files.colors, "a", encoding="utf-8") as colors:
            colors.write(f"{code} {code} 9 9\n")
    return path


@pytest.fixture(scope="module")
def vanished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, str]:
    """A run in which one class is too thin and one lies beyond the tile, and what it printed."""
    options = WorldOptions(size=64, overlap=16, classes=3, dates=DATES, clouds=False, orbit_edge=False)
    case = made(options, tmp_path_factory.mktemp("vanished") / "case")
    thin = [place(case, 5 + 3 * k + 0.6, 5.6, 0.3, 0.8) for k in range(4)]
    out = [place(case, -900 - 10 * k, 5, 5, 5) for k in range(3)]
    config = case.configured(chain={"ground_truth": str(with_classes(case, {THIN: thin, OUT: out}))})
    command = [sys.executable, "-m", "iota2", "run", str(config), "--workers", "0"]
    return case, subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_class_beyond_the_tiles_is_reported_before_the_run(
    vanished: tuple[Case, str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = command(capsys, "check", vanished[0].files.folder / "case.yaml")
    remark = (
        "Class classe 42 (42) is nearly lost: of its 3 polygons, 0 polygons with 0.0 % of the area of the class lie"
    )
    assert remark in out
    assert out.count("is nearly lost") == 1


def test_each_class_has_a_line_in_the_output_with_its_losses(vanished: tuple[Case, str]) -> None:
    printed = vanished[1]
    assert re.search(r"classe 41 \(41\): 4 polygons, \d pixels? drawn; 0 pixels for learning", printed)
    assert "4 polygons without a pixel centre" in printed
    assert re.search(
        r"classe 42 \(42\): 3 polygons, 75 pixels drawn; .*3 polygons \(75 pixels\) outside the tiles", printed
    )
    for code in (11, 12, 31):
        assert re.search(rf"\({code}\): \d+ polygons, [\d,]+ pixels drawn; \d+ pixels for learning", printed)


def test_nearly_lost_classes_are_loud_in_output_text_numbers_and_page(vanished: tuple[Case, str]) -> None:
    for code in (THIN, OUT):
        sentence = f"Class classe {code} ({code}) is nearly lost: 0 pixels for learning"
        assert f"warning: {sentence}" in vanished[1]
        for name, text in said(vanished[0].output).items():
            assert sentence in html.unescape(text), name


def test_the_table_is_in_text_numbers_and_page(vanished: tuple[Case, str]) -> None:
    texts = said(vanished[0].output)
    assert "Reference polygons and samples (seed 0)\n- " in texts["RESULTS.txt"]
    samples = json.loads(texts["metrics.json"])["provenance"]["samples"]
    assert {row["code"]: row["drawn"]["polygons"] for row in samples}[OUT] == 3
    assert "<h2>Reference polygons and samples</h2>" in texts["report.html"]


def test_pixels_of_the_table_are_those_of_the_map(vanished: tuple[Case, str]) -> None:
    case = vanished[0]
    fates = {fate.code: fate for fate in read_losses_csv(case.output / "samplesSelection/losses_seed_0.csv")}
    for code in (11, 12, 31):
        fate = fates[code]
        assert fate.of("usable").pixels == fate.of("learning").pixels + fate.of("validation").pixels
        left = sum(fate.of(what).pixels for what in ("samples", "selection", "max_samples", "no_clear_date"))
        assert left == fate.of("learning").pixels
        assert fate.of("samples").pixels == min(150, fate.of("learning").pixels)
        before = fate.of("drawn").pixels - sum(fate.of(what).pixels for what in ("outside_tiles", "no_image"))
        assert fate.of("usable").pixels == pytest.approx(before, rel=0.1)


# ------------------------------------------------------------------------------------------------- nothing is selected


@pytest.mark.parametrize("threshold", [4, 99])
def test_a_threshold_above_the_dates_is_refused_before_the_run(
    case: Case, capsys: pytest.CaptureFixture[str], threshold: int
) -> None:
    message = refused(capsys, case.configured(chain={"cloud_threshold": threshold}))
    assert f"chain.cloud_threshold: the threshold is {threshold}, but {WEST} has 3 dates" in message
    assert "Give at most 3" in message


def masked(case: Case, mask: str) -> Path:
    """A configuration up to the sampling of a tile that a mask hides on all dates."""
    for number in range(len(DATES)):
        with rasterio.open(case.file(f"MASKS/*_{mask}.tif", number), "r+") as image:
            image.write(np.ones(image.shape, image.dtypes[0]), 1)
    return case.configured(chain={"last_step": "sampling"})


def test_polygons_under_cloud_on_all_dates_fail_with_the_reason(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, message = command(capsys, "run", masked(case, "CLM_R1"), "--workers", 0)
    assert code == 2
    count = len(case.reference())
    assert f"none of its {count} polygons can be used for learning: " in message
    assert "without a clear date" in message
    assert "chain.cloud_threshold" not in message
    assert "outside the tiles" in message  # those of the other tile, which is not asked for


def test_a_tile_without_any_image_fails_with_the_reason(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, message = command(capsys, "run", masked(case, "EDG_R1"), "--workers", 0)
    assert code == 2
    assert f"Tiles {WEST}: no pixel is inside an image of every sensor" in message


def test_a_selection_of_nothing_fails_with_the_reason(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    counts = case.files.folder / "counts.csv"
    counts.write_text("11,0\n12,0\n31,0\n")
    selection = {"strategy": "byclass", "strategy.byclass.in": str(counts)}
    config = case.configured(chain={"last_step": "sampling"}, arg_train={"sample_selection": selection})
    code, _, message = command(capsys, "run", config, "--workers", 0)
    assert code == 2
    assert "arg_train.sample_selection selects none of" in message


# ------------------------------------------------------------------------------------ files of QGIS, points, text codes


def test_points_in_a_layer_beside_the_tables_of_qgis_make_a_map(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    frame = case.reference()
    points = frame.set_geometry(frame.representative_point()).to_crs(MAPS)
    codes = {11: "0011", 12: "12.0", 31: " 31"}
    points["code"] = points["code"].map(codes)
    path = case.files.folder / "terrain.gpkg"
    pyogrio.write_dataframe(points, path, layer="points de terrain")
    pyogrio.write_dataframe(frame, path, layer="parcelles")
    pyogrio.write_dataframe(pd.DataFrame({"styleQML": ["<qgis/>"]}), path, layer="layer_styles")
    assert "Choose one" in refused(capsys, case.configured(chain={"ground_truth": str(path)}))
    source = f"{path}|layername=points de terrain"
    assert "set chain.points to" in refused(capsys, case.configured(chain={"ground_truth": source}))
    config = case.configured(chain={"ground_truth": source, "points": "pixel"})
    run(config)
    fates = read_losses_csv(case.output / "samplesSelection/losses_seed_0.csv")
    assert {fate.code for fate in fates} == {11, 12, 31}
    for fate in fates:
        assert fate.of("no_pixel").polygons == 0
        assert fate.of("usable").pixels == fate.of("usable").polygons
    message = said(case.output)["RESULTS.txt"]
    assert (
        "text field 'code' contains whole numbers only: they are the codes of the map ('0011' is 11, '12.0' is 12)"
        in message
    )
    assert "each is replaced by the pixel that contains it" in message
    code, out, _ = command(capsys, "plan", config)
    assert (code, "0 jobs will run" in out) == (0, True)
    points["code"] = np.roll(points["code"].to_numpy(), 1)
    pyogrio.write_dataframe(points, path, layer="points de terrain")
    code, out, _ = command(capsys, "plan", config)
    assert "referenceData" in out
    assert "0 jobs will run" not in out


def test_polygons_with_x_and_y_exchanged_are_recognised(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    frame = case.reference().to_crs("EPSG:4326")
    frame.geometry = frame.geometry.map(lambda one: shapely.transform(one, lambda xy: xy[:, ::-1]))
    frame.to_file(case.files.folder / "swapped.gpkg")
    message = refused(capsys, case.configured(chain={"ground_truth": str(case.files.folder / "swapped.gpkg")}))
    assert "With x and y swapped they would be on the tiles" in message


def test_a_region_layer_is_chosen_like_one_of_polygons(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    regions = gpd.read_file(case.files.regions)
    path = case.files.folder / "regions.gpkg"
    pyogrio.write_dataframe(regions, path, layer="zones")
    pyogrio.write_dataframe(regions, path, layer="autres")
    assert "Choose one" in refused(capsys, case.configured(chain={"region_path": str(path)}))
    code, _, error = command(capsys, "check", case.configured(chain={"region_path": f"{path}|layername=zones"}))
    assert (code, error) == (0, "")


@pytest.mark.parametrize("name", ["regions.gpkg|layername=zones", "regions.gpkg|name=zones"])
def test_a_file_that_is_not_there_is_reported_without_its_layer(
    case: Case, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    message = refused(capsys, case.configured(chain={"region_path": str(case.files.folder / name)}))
    assert "no file" in message
    assert "file.gpkg|layername=NAME" in message


def test_layers_without_data_are_named_instead_of_clouds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One layer of two has no data: a model cannot learn from it, and a features map has the other one."""
    options = WorldOptions(size=64, overlap=16, classes=3, dates=DATES, sensors=("Sentinel2", "userFeat"))
    case = made(options, tmp_path / "case")
    (path,) = (case.files.user_feat_path / WEST).glob("*SLP*.tif")
    with rasterio.open(path, "r+") as file:
        file.nodata = -9999
        file.write(np.full((1, *file.shape), -9999, file.dtypes[0]))
    given = {"chain": {"user_feat_path": str(case.files.user_feat_path)}, "userFeat": {"patterns": "ALT,SLP"}}
    code, _, error = command(capsys, "run", case.configured(**given), "--workers", "0")
    assert code == 2
    assert "because layers have no data in any of its selected pixels: SLP_band_0. Check" in error
    assert "cloud," not in error
    output = {"output_path": str(case.output / "map"), **given["chain"]}
    builder = {"builders": {"builders_class_name": ["I2FeaturesMap"]}}
    config = case.configured(**{**given, "chain": output, **builder})
    code, printed, _ = command(capsys, "run", config, "--workers", "0")
    assert code == 0
    text = "1 of 197 bands of the features map has no data in any pixel: SLP_band_0. Possible reasons: a raster"
    assert f"warning: {text}" in printed
    final = case.output / "map/final"
    assert text in html.unescape((final / "features_map.html").read_text(encoding="utf-8"))
    content = json.loads((final / "features_map_statistics.json").read_text(encoding="utf-8"))
    assert content["without_data"] == ["SLP_band_0"]
    assert {band["name"]: band["valid_percent"] for band in content["bands"]}["ALT_band_0"] == 100
