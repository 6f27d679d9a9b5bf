"""Rasters of the user, cut to tiles by ``I2FeaturesTiler``: runs, errors, restarts, and use of the results."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
import yaml
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp

from iota2 import layout
from iota2.chains.load import load_config
from iota2.errors import ConfigError, JobsFailed, UserError
from iota2.io.rasters.files import raster_geobox
from iota2.runs import runner
from iota2.runs.options import Options
from iota2.runs.survey.survey import survey
from tests.chain.helpers import IMAGES, WEST, Case, case, command, refused, small

__all__ = ["case", "small"]

UTM = "EPSG:32631"
TILES = {"T31AAA": (500_000, 4_799_500, 501_000, 4_800_500), "T31BBB": (500_900, 4_799_500, 501_900, 4_800_500)}


class Rasters:
    """A folder of rasters, a grid of tiles, and a configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.output = folder, folder / "results"
        self.sources = folder / "sources"
        self.sources.mkdir()
        self.grid = folder / "grid.gpkg"
        self.draw({name: shapely.box(*bounds) for name, bounds in TILES.items()})
        y, x = np.mgrid[:120, :130]
        self.write("dem.tif", (3.0 * x + 2 * y).astype("float32"), size=25, nodata=-9999, about=("metres",))
        self.write("soil.tif", ((x // 9 + y // 9) % 7).astype("uint8"), size=20, nodata=255)

    def draw(self, tiles: Mapping[Any, Any], field: str = "name", crs: str = UTM) -> None:
        self.grid.unlink(missing_ok=True)
        gpd.GeoDataFrame({field: [*tiles]}, geometry=[*tiles.values()], crs=crs).to_file(self.grid)

    def write(
        self,
        name: str,
        values: np.ndarray,
        *,
        size: float = 10,
        origin: tuple[float, float] = (499_900, 4_800_600),
        nodata: float | None = None,
        crs: str | None = UTM,
        about: tuple[str, ...] = (),
        **others: Any,
    ) -> Path:
        layers = values if values.ndim == 3 else values[None]
        path = self.folder / name if "/" in name else self.sources / name
        path.parent.mkdir(exist_ok=True)
        given = {
            "height": layers.shape[1],
            "width": layers.shape[2],
            "transform": Affine(size, 0, origin[0], 0, -size, origin[1]),
            **others,
        }
        with rasterio.open(
            path, "w", driver="GTiff", count=len(layers), dtype=layers.dtype, crs=crs, nodata=nodata, **given
        ) as file:
            file.write(layers)
            for band, text in enumerate(about, start=1):
                file.set_band_description(band, text)
        return path

    def configured(self, **chain: Any) -> Path:
        """A configuration; options that are None are left out."""
        given = {
            "output_path": str(self.output),
            "features_path": str(self.sources),
            "grid": str(self.grid),
            "tile_field": "name",
            "spatial_resolution": 10,
            "proj": UTM,
        } | chain
        content = {
            "chain": {key: value for key, value in given.items() if value is not None},
            "builders": {"builders_class_name": "i2_features_tiler"},
        }
        path = self.folder / "tiler.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    def run(self, **chain: Any) -> dict[str, str]:
        """Results of a run: state by name of the job."""
        done = runner.run(load_config(self.configured(**chain)), Options(workers=0), runner.Watcher())
        return {id_.partition("feature_tile_")[2]: result.state for id_, result in done.items()}

    def tile(self, tile: str, raster: str) -> np.ndarray:
        with rasterio.open(self.output / tile / f"{raster}.tif") as file:
            return file.read()


@pytest.fixture
def rasters(tmp_path: Path) -> Rasters:
    return Rasters(tmp_path)


def notes(config: Path) -> str:
    return "\n".join(remark.text for remark in survey(load_config(config)).remarks)


# ---------------------------------------------------------------------------------------------------- results


def test_each_raster_is_cut_to_each_tile_of_the_polygons(rasters: Rasters) -> None:
    assert rasters.run() == dict.fromkeys(("T31AAA_dem", "T31AAA_soil", "T31BBB_dem", "T31BBB_soil"), "done")
    for tile, (west, south, east, north) in TILES.items():
        for name in ("dem", "soil"):
            grid = raster_geobox(rasters.output / tile / f"{name}.tif")
            assert tuple(grid.boundingbox.bbox) == (west, south, east, north)
            assert grid.shape == (100, 100)
            assert str(grid.crs) == UTM
    with rasterio.open(rasters.output / "T31AAA" / "dem.tif") as file:
        assert (file.nodata, file.dtypes, file.descriptions) == (-9999, ("float32",), ("metres",))
        x, y = np.meshgrid(500_005 + 10 * np.arange(100), 4_800_495 - 10 * np.arange(100))
        expected = 3 * ((x - 499_900) / 25 - 0.5) + 2 * ((4_800_600 - y) / 25 - 0.5)
        np.testing.assert_allclose(file.read(1), expected, rtol=1e-4)
    np.testing.assert_array_equal(rasters.tile("T31AAA", "dem")[0, :, 90:], rasters.tile("T31BBB", "dem")[0, :, :10])


def test_a_folder_of_rasters_defines_exactly_their_grids_without_other_options(rasters: Rasters) -> None:
    rasters.write("grid/T31AAA.tif", np.zeros((30, 40), "uint8"), size=20.5, origin=(500_001.25, 4_800_003.5))
    rasters.write("grid/T31CCC.tif", np.zeros((30, 40), "uint8"), size=0.0003, origin=(3.004, 43.345), crs="EPSG:4326")
    (rasters.folder / "grid/readme.txt").write_text("ignored")
    given = dict.fromkeys(("grid", "tile_field", "spatial_resolution", "proj"))
    assert len(rasters.run(rasters_grid_path=str(rasters.folder / "grid"), **given)) == 4
    for tile in ("T31AAA", "T31CCC"):
        expected = raster_geobox(rasters.folder / "grid" / f"{tile}.tif")
        assert raster_geobox(rasters.output / tile / "dem.tif") == expected
        assert (rasters.tile(tile, "dem") != -9999).all()
    assert load_config(rasters.folder / "tiler.yaml").warnings == ()


def test_bands_types_descriptions_units_items_scaling_and_colours_are_kept(rasters: Rasters) -> None:
    values = np.random.default_rng(1).integers(-5, 900, (3, 220, 230)).astype("int16")
    path = rasters.write("index.tiff", values, about=("a", "b", "c"), nodata=-5)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.5, 1, 2), (3, 0, 0)
        file.set_band_unit(2, "m")
        file.update_tags(SOURCE="survey")
        file.update_tags(3, LONG_NAME="depth", STATISTICS_MEAN="7")
    with rasterio.open(rasters.sources / "soil.tif", "r+") as file:
        file.write_colormap(1, {3: (10, 20, 30, 255)})
    assert "index (3 bands, int16, 230 x 220, EPSG:32631, pixels of 10): copied, since pixels are aligned" in notes(
        rasters.configured()
    )
    rasters.run(list_tile="T31AAA")
    np.testing.assert_array_equal(rasters.tile("T31AAA", "index"), values[:, 10:110, 10:110])
    with rasterio.open(rasters.output / "T31AAA" / "index.tif") as file:
        assert (file.dtypes[0], file.nodata, file.descriptions) == ("int16", -5, ("a", "b", "c"))
        assert (file.scales, file.offsets) == ((0.5, 1, 2), (3, 0, 0))
        assert [unit or "" for unit in file.units] == ["", "m", ""]
        assert file.tags()["SOURCE"] == "survey"
        assert (file.tags(1), file.tags(3)) == ({}, {"LONG_NAME": "depth"}), "without statistics of other pixels"
    with rasterio.open(rasters.output / "T31AAA" / "soil.tif") as file:
        assert file.colorinterp[0] == ColorInterp.palette
        assert file.colormap(1)[3] == (10, 20, 30, 255)
    assert not (rasters.output / "T31BBB").exists(), "list_tile selects tiles"


def test_tiles_in_another_projection_get_pixels_at_multiples_of_their_size(rasters: Rasters) -> None:
    rasters.run(proj="EPSG:2154", list_tile="T31AAA", spatial_resolution=[20, 30])
    grid = raster_geobox(rasters.output / "T31AAA" / "soil.tif")
    assert str(grid.crs) == "EPSG:2154"
    assert (grid.affine.a, grid.affine.e) == (20, -30)
    assert grid.affine.c % 20 == grid.affine.f % 30 == 0
    assert {*np.unique(rasters.tile("T31AAA", "soil"))} <= {*range(7), 255}


def test_rounded_coordinates_of_a_polygon_add_no_pixels(rasters: Rasters) -> None:
    west, south, east, north = TILES["T31AAA"]
    rasters.draw({"T31AAA": shapely.box(west - 1e-4, south - 0.05, east + 1e-4, north + 1e-4)})
    assert survey(load_config(rasters.configured())).scenes["T31AAA"].geobox.shape == (100, 100)
    rasters.draw({"T31AAA": shapely.box(west - 0.2, south, east, north)})
    assert survey(load_config(rasters.configured())).scenes["T31AAA"].geobox.shape == (100, 101)


def test_pixels_outside_are_no_data_and_reported(rasters: Rasters) -> None:
    y, x = np.mgrid[:120, :130]
    rasters.write("plain.tif", (x + y).astype("float64"), origin=(500_500, 4_800_600))
    rasters.write("east.tif", (x + y).astype("float32"), origin=(501_100, 4_800_600), nodata=-1)
    found = survey(load_config(rasters.configured()))
    texts = [remark.text for remark in found.notes["T31AAA"]]
    assert any("plain covers 50.0% of it; pixels outside are no data" in text for text in texts)
    assert any("east covers no part of it" in text and "all pixels are no data" in text for text in texts)
    rasters.run()
    assert (rasters.tile("T31AAA", "east") == -1).all()
    plain = rasters.tile("T31AAA", "plain")[0]
    assert np.isnan(plain[:, :50]).all()
    assert not np.isnan(plain[:, 50:]).any()
    with rasterio.open(rasters.output / "T31AAA" / "plain.tif") as file:
        assert math.isnan(file.nodata)


def test_a_raster_outside_all_tiles_causes_one_warning(rasters: Rasters, capsys: pytest.CaptureFixture[str]) -> None:
    rasters.write("far.tif", np.ones((120, 130), "float32"), origin=(700_500, 4_800_600))
    for words in (("check",), ("plan",), ("run", "--workers", "0")):
        code, printed, _ = command(capsys, words[0], rasters.configured(), *words[1:])
        assert code == 0
        assert printed.count("far covers no part of") == 1
        assert "warning: far covers no part of any tile (x and y in EPSG:32631: x 700500 to" in printed
    assert np.isnan(rasters.tile("T31AAA", "far")).all()


def test_four_bands_of_bytes_can_be_cut_again(rasters: Rasters) -> None:
    """The fourth band of the results is data, not transparency."""
    values = np.random.default_rng(1).integers(0, 9, (4, 240, 260)).astype("uint8")
    rasters.write("codes.tif", values, photometric="MINISBLACK")
    rasters.run(list_tile="T31AAA")
    first = rasters.tile("T31AAA", "codes")
    assert first.shape == (4, 100, 100)
    sources = rasters.output / "T31AAA"
    rasters.output = rasters.folder / "again"
    rasters.run(list_tile="T31AAA", features_path=str(sources), output_path=str(rasters.output))
    np.testing.assert_array_equal(rasters.tile("T31AAA", "codes"), first)


@pytest.mark.parametrize("size", [10, 7, 30])
def test_transparent_pixels_are_no_data(rasters: Rasters, capsys: pytest.CaptureFixture[str], size: float) -> None:
    """Each method of resampling; a mark of transparency is also common for data, so that the user decides."""
    values = np.full((4, 240, 260), 40, "uint8")
    west = int(600 / size)
    values[3, :, :west], values[3, :, west : 2 * west] = 0, 200
    values[:3, :, :west] = 99
    rasters.write("photo.tif", values, size=size, photometric="RGB", alpha="YES")
    error = refused(capsys, rasters.configured())
    assert "marked as transparency (alpha): band 4. If this marks pixels without data, give a value" in error
    assert "chain.features_nodata : {'photo' : 0}" in error
    assert "gdal_edit.py -colorinterp_4 undefined" in error
    given = {"features_nodata": {"photo": 255}, "list_tile": "T31AAA"}
    noted = notes(rasters.configured(**given))
    assert "photo (3 bands, uint8" in noted
    assert "; band 4 (transparency) left out, and pixels where it is 0 are no data" in noted
    rasters.run(**given)
    found = rasters.tile("T31AAA", "photo")
    assert found.shape == (3, 100, 100)
    assert (found[:, :, :47] == 255).all()
    assert (found[:, :, 52:] == 40).all()
    assert {*np.unique(found)} == {40, 255}, "transparent pixels do not contribute to others"


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_all_bands_of_transparency_are_left_out(
    rasters: Rasters, capsys: pytest.CaptureFixture[str], dtype: str
) -> None:
    """The value that the file declares is the example; a mask is no reason to give one before the decision."""
    values = np.full((4, 240, 260), 40, dtype)
    values[2, :, :30], values[3, :, -150:] = 0, 0
    for name, nodata in (("declared", 7), ("undeclared", None)):
        path = rasters.write(f"{name}.tif", values, nodata=nodata, photometric="MINISBLACK")
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
            file.colorinterp = ColorInterp.gray, ColorInterp.undefined, ColorInterp.alpha, ColorInterp.alpha
            if nodata is None:
                file.write_mask(np.full((240, 260), 255, "uint8"))
    error = refused(capsys, rasters.configured())
    assert "marked as transparency (alpha): bands 3, 4. If this marks" in error
    assert "chain.features_nodata : {'declared' : 7}; transparency" in error
    assert "chain.features_nodata : {'undeclared' : 0}; transparency" in error
    assert "gdal_edit.py -colorinterp_3 undefined -colorinterp_4 undefined" in error
    assert "a mask marks pixels" not in error
    given = {"features_nodata": {"declared": 7, "undeclared": 9}, "list_tile": "T31AAA"}
    assert "; bands 3, 4 (transparency) left out" in notes(rasters.configured(**given))
    rasters.run(**given)
    for name, nodata in given["features_nodata"].items():  # type: ignore[attr-defined]
        found = rasters.tile("T31AAA", name)
        assert found.shape == (2, 100, 100)
        assert (found[:, :, :20] == nodata).all()
        assert (found[:, :, 20:] == 40).all()


def test_a_mask_in_a_file_of_its_own_is_refused(rasters: Rasters, capsys: pytest.CaptureFixture[str]) -> None:
    path = rasters.write("masked.tif", np.full((240, 260), 40, "float32"))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as file:
        file.write_mask(np.zeros((240, 260), "uint8"))
    assert "masked.tif.msk beside it may mark pixels without data, and is not read" in refused(
        capsys, rasters.configured()
    )


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_masked_pixels_are_no_data(rasters: Rasters, capsys: pytest.CaptureFixture[str], dtype: str) -> None:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        path = rasters.write("masked.tif", np.full((240, 260), 40, dtype))
        with rasterio.open(path, "r+") as file:
            valid = np.full((240, 260), 255, "uint8")
            valid[:, :60] = 0
            file.write_mask(valid)
    given: dict[str, Any] = {"list_tile": "T31AAA"}
    if dtype == "uint8":
        error = refused(capsys, rasters.configured(**given))
        assert "a mask marks pixels without data. Give a value for them" in error
        given["features_nodata"] = {"masked": 7}
    rasters.run(**given)
    found, missing = rasters.tile("T31AAA", "masked")[0], 7 if dtype == "uint8" else np.nan
    np.testing.assert_array_equal(found[:, :50], missing)
    assert (found[:, 50:] == 40).all()


def test_a_no_data_value_of_the_options_replaces_that_of_the_file(rasters: Rasters) -> None:
    values = np.full((120, 130), 7, "uint8")
    values[:, :60] = 0
    rasters.write("mask.tif", values, origin=(500_500, 4_800_600))
    rasters.run(features_nodata={"mask": 0}, list_tile="T31AAA")
    with rasterio.open(rasters.output / "T31AAA" / "mask.tif") as file:
        assert file.nodata == 0
        assert (file.read(1)[:, :50] == 0).all()


# ---------------------------------------------------------------------------------------------------- kinds


def test_the_kind_of_each_raster_is_reported_with_its_reason(
    rasters: Rasters, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = np.ones((240, 260), "uint8")
    for name in ("styled", "named", "asked", "plain"):
        rasters.write(f"{name}.tif", codes, nodata=0)
    (rasters.sources / "styled.qml").write_text(
        "<qgis><pipe><rasterrenderer band='1' type=\"paletted\"/></pipe></qgis>"
    )
    (rasters.sources / "named.tif.aux.xml").write_text("<PAMDataset><CategoryNames/></PAMDataset>")
    (rasters.sources / "plain.qml").write_text('<qgis><rasterrenderer type="singlebandgray"/></qgis>')
    with rasterio.open(rasters.sources / "soil.tif", "r+") as file:
        file.write_colormap(1, {3: (10, 20, 30, 255)})
    config = rasters.configured(spatial_resolution=30, features_resampling={"asked": "nearest"})
    for name in ("check", "plan"):
        code, printed, _ = command(capsys, name, config)
        assert code == 0
        for raster, said in {
            "dem": "mean (tiles T31AAA, T31BBB); continuous (real numbers)",
            "soil": "most frequent value (tiles T31AAA, T31BBB); categorical (colour table)",
            "styled": "categorical (styled.qml)",
            "named": "categorical (named.tif.aux.xml)",
            "asked": "nearest pixel (tiles T31AAA, T31BBB); nearest (chain.features_resampling)",
            "plain": "mean (tiles T31AAA, T31BBB); assumed to be continuous (whole numbers without",
        }.items():
            (line,) = [line for line in printed.splitlines() if line.startswith(f"note: {raster} (")]
            assert said in line
        assert "chain.features_resampling : {'plain' : 'categorical'}" in printed


def test_categories_are_never_mixed(rasters: Rasters) -> None:
    for size in (10, 70):
        rasters.run(spatial_resolution=size, features_resampling={"soil": "categorical"}, list_tile="T31AAA")
        soil = rasters.tile("T31AAA", "soil")
        assert {*np.unique(soil)} <= {*range(7)}
    rasters.run(features_resampling={"soil": "bilinear"}, list_tile="T31AAA")
    assert len(np.unique(rasters.tile("T31AAA", "soil"))) == 7


# ---------------------------------------------------------------------------------------------------- restart


def test_a_second_run_does_nothing_and_changes_repeat_only_their_jobs(
    rasters: Rasters, capsys: pytest.CaptureFixture[str]
) -> None:
    rasters.run()
    assert set(rasters.run().values()) == {"kept"} or rasters.run() == {}
    rasters.write("dem.tif", np.ones((120, 130), "float32"), size=25, nodata=-9999)
    code, printed, _ = command(capsys, "plan", rasters.configured())
    assert code == 0
    assert "feature_tile_T31AAA_dem: the pixels of dem changed" in printed
    assert "2 jobs will run, 0 may run, 2 are up to date" in printed
    rasters.run()
    assert (rasters.tile("T31BBB", "dem") == 1).all()
    code, printed, _ = command(capsys, "plan", rasters.configured(features_resampling={"soil": "mode"}))
    assert "feature_tile_T31BBB_soil: resampling: continuous → mode" in printed
    assert "2 jobs will run" in printed
    moved = TILES | {"T31BBB": (501_000, 4_799_500, 502_000, 4_800_500)}
    rasters.draw({name: shapely.box(*bounds) for name, bounds in moved.items()})
    code, printed, _ = command(capsys, "plan", rasters.configured())
    assert "2 jobs will run, 0 may run, 2 are up to date" in printed
    assert "feature_tile_T31BBB_soil" in printed


def test_results_of_removed_rasters_and_tiles_are_out_of_date(
    rasters: Rasters, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "OUT OF DATE" not in command(capsys, "run", rasters.configured(), "--workers", "0")[1]
    (rasters.sources / "soil.tif").unlink()
    _, printed, _ = command(capsys, "run", rasters.configured(), "--workers", "0")
    products, old = printed.partition("Products:")[2].split("OUT OF DATE, from an earlier run: made with earlier")
    assert {name for name in ("dem.tif", "soil.tif") if name in products} == {"dem.tif"}
    assert [str(rasters.output / tile / "soil.tif") in old for tile in TILES] == [True, True]
    _, printed, _ = command(capsys, "run", rasters.configured(list_tile="T31AAA"), "--workers", "0", "--json")
    (done,) = [line for line in map(json.loads, printed.splitlines()) if line["event"] == "done"]
    found = {Path(one["path"]).relative_to(rasters.output).as_posix(): one for one in done["products"]}
    assert {name for name, one in found.items() if one["out_of_date"] is None} == {"T31AAA/dem.tif"}
    assert {name for name, one in found.items() if one["out_of_date"]} == {
        "T31AAA/soil.tif", "T31BBB/dem.tif", "T31BBB/soil.tif",
    }  # fmt: skip
    assert {one["about"] for one in found.values()} == {layout.FEATURE_TILE.about}


def test_damage_is_found_and_repaired(rasters: Rasters, capsys: pytest.CaptureFixture[str]) -> None:
    rasters.run()
    config = rasters.configured()
    assert command(capsys, "verify", "--deep", config)[0] == 0
    path = rasters.output / "T31AAA" / "dem.tif"
    before = path.read_bytes()
    path.write_bytes(before[:-50])
    code, _, error = command(capsys, "verify", config)
    assert code == 1
    assert "T31AAA/dem.tif" in error
    assert command(capsys, "run", config, "--workers", "0")[0] == 0
    assert path.read_bytes() == before


def test_an_interrupted_run_goes_on(rasters: Rasters, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stops(runner.Watcher):
        def ended(self, result: Any) -> None:
            if "T31AAA_soil" in result.id:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.run(load_config(rasters.configured()), Options(workers=0), Stops())
    assert not (rasters.output / "T31BBB" / "soil.tif").exists()
    assert [name for name, state in rasters.run().items() if state == "done"] == ["T31BBB_dem", "T31BBB_soil"]


def test_bytes_do_not_depend_on_memory_and_workers(rasters: Rasters) -> None:
    rasters.run(spatial_resolution=17)
    first = (rasters.output / "T31AAA" / "dem.tif").read_bytes()
    from iota2.core.graph import Resources  # noqa: PLC0415

    options = Options(workers=0, use=Resources(memory=1 << 20, block_shape=(7, 9)), force=("featureTiles",))
    runner.run(load_config(rasters.configured(spatial_resolution=17)), options, runner.Watcher())
    assert (rasters.output / "T31AAA" / "dem.tif").read_bytes() == first


def test_products_and_pages_of_a_run_on_all_tiles(rasters: Rasters, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = command(capsys, "run", rasters.configured(), "--workers", "0")
    assert code == 0
    assert "2 tiles of 20,000 pixels in all\n" in printed
    assert str(rasters.output / "T31BBB" / "soil.tif") in printed
    assert printed.count("A raster of features_path on the grid of the tile") == 1
    inputs = (rasters.output / "logs/html/input_files_content.html").read_text(encoding="utf-8")
    assert str(rasters.sources) in inputs
    assert "dem (1 band, float32" in inputs
    assert "features per pixel" not in inputs
    outputs = (rasters.output / layout.OUTPUTS.path).read_text(encoding="utf-8").splitlines()
    assert {"T31AAA/dem.tif", "features/rasters/dem.json"} <= {*outputs}
    assert command(capsys, "run", rasters.configured(remove_output_path=True), "--workers", "0")[0] == 0


# ---------------------------------------------------------------------------------------------------- errors


def multi(rasters: Rasters) -> None:
    parts = shapely.MultiPolygon([shapely.box(0, 0, 9, 9), shapely.box(20, 0, 29, 9)])
    rasters.draw({"T1": parts, "T2": shapely.box(*TILES["T31AAA"])})


def same_polygons(rasters: Rasters) -> None:
    rasters.draw({"T1": shapely.box(*TILES["T31AAA"]), "T2": shapely.box(*TILES["T31AAA"])})


def other_geometry(rasters: Rasters) -> None:
    rasters.draw({"T1": shapely.LineString([(500_000, 4_800_000), (500_900, 4_800_000)])})


def names(*tiles: Any) -> Any:
    return lambda rasters: rasters.draw({tile: shapely.box(k, 0, k + 1000, 1000) for k, tile in enumerate(tiles)})


def added(name: str, **given: Any) -> Any:
    return lambda rasters: rasters.write(name, given.pop("values", np.ones((300, 300), "uint8")), **given)


def emptied(rasters: Rasters) -> None:
    for path in rasters.sources.iterdir():
        path.unlink()


def broken(rasters: Rasters) -> None:
    path = rasters.sources / "dem.tif"
    path.write_bytes(path.read_bytes()[:-400])


ROTATED = Affine(10, 3, 500_000, 3, -10, 4_800_600)


@pytest.mark.parametrize(
    ("change", "option", "message"),
    [
        (emptied, "features_path", "no raster (.tif, .tiff, .jp2); expected the rasters in this folder itself"),
        (broken, "features_path", "dem.tif: is damaged"),
        (added("b.tif", crs=None), "features_path", "has no coordinate system. Correct it with gdalwarp"),
        (added("b.tif", transform=ROTATED), "features_path", "is not north up"),
        (added("DEM.TIFF"), "features_path", "would have the same name"),
        (added("dem.tiff"), "features_path", "would have the same name, dem.tif; rename one of them"),
        (added("b.tif", values=np.ones((9, 9), "complex64")), "features_path", "pixels are complex64; expected"),
        (
            added("b.tif", values=np.ones((9, 9), "uint8")),
            "features_nodata",
            "b.tif: does not cover tiles T31AAA, T31BBB, and declares no no-data value for the pixels outside. Give a "
            "value of type uint8 that does not occur in it, such as {'b' : 255}",
        ),
        (multi, "grid", "tile T1 has 2 polygons; expected one"),
        (same_polygons, "grid", "tiles T1 and T2 have the same polygon"),
        (other_geometry, "grid", "tile T1 is a LineString; expected a polygon"),
        (names("T1", "t1"), "grid", "several features have the same tile name, ignoring case: T1, t1"),
        (names("T 1"), "grid", "'T 1' is no valid tile name"),
        (names("a/b"), "grid", "'a/b' is no valid tile name"),
        (names("T1", None), "grid", "1 feature without name (row 1)"),
        (names("Final", "T2"), "grid", "a tile cannot have the name Final, which is a folder of output folders"),
    ],
)
def test_problems_of_inputs_are_reported_before_the_run(
    rasters: Rasters, capsys: pytest.CaptureFixture[str], change: Any, option: str, message: str
) -> None:
    change(rasters)
    error = refused(capsys, rasters.configured())
    assert f"chain.{option}: " in error
    assert message in error
    assert not rasters.output.exists()


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        ({"tile_field": "tile"}, "chain.tile_field: {grid}: no field 'tile'; the fields are name"),
        ({"list_tile": "T31AAA T31AAB"}, "chain.list_tile: T31AAB not in the grid of tiles; did you mean 'T31AAA'?"),
        ({"list_tile": "XYZ"}, "chain.list_tile: XYZ not in the grid of tiles; the tiles are T31AAA, T31BBB"),
        (
            {"spatial_resolution": 1001, "list_tile": "T31AAA"},
            "chain.spatial_resolution: a pixel of 1001 x 1001 is larger than tile T31AAA",
        ),
        ({"features_resampling": {"dam": "mode"}}, "chain.features_resampling: 'dam' is not a raster of"),
        (
            {"features_resampling": {"dem": "cubic"}},
            "chain.features_resampling: expected a dictionary of raster names, each with 'continuous'",
        ),
        ({"features_nodata": {"soil": -1}}, "soil.tif are uint8, which cannot be -1; give a value of this type"),
        ({"grid": None}, "chain: no grid of tiles; give grid with tile_field, spatial_resolution and proj"),
        ({"tile_field": None}, "chain.tile_field: is missing; it is mandatory with chain.grid"),
        ({"spatial_resolution": None}, "chain.spatial_resolution: is missing; it is mandatory with chain.grid"),
        ({"proj": None}, "chain.proj: is missing; it is mandatory with chain.grid"),
        ({"rasters_grid_path": "sources"}, "chain.rasters_grid_path: chain.grid also defines the tiles"),
        ({"features_path": None}, "chain.features_path: is missing; give a path or a list of paths"),
        ({"features_path": []}, "chain.features_path: is empty"),
        ({"output_path": "sources/results"}, "chain.output_path: is in the folder of products"),
    ],
)
def test_problems_of_options_are_reported_before_the_run(
    rasters: Rasters, capsys: pytest.CaptureFixture[str], chain: dict[str, Any], message: str
) -> None:
    error = refused(capsys, rasters.configured(**chain))
    assert message.format(grid=rasters.grid) in " ".join(error.split())
    assert " 1 problem" in error.splitlines()[0], "no problem is reported twice"


@pytest.mark.parametrize("chain", [{"grid": None}, {"grid": "none.gpkg"}, {"tile_field": None}, {"proj": "EPSG:1"}])
def test_problems_of_the_grid_are_reported_beside_others(
    rasters: Rasters, capsys: pytest.CaptureFixture[str], chain: dict[str, Any]
) -> None:
    error = refused(capsys, rasters.configured(features_path="none", **chain))
    assert "2 problems" in error
    assert "chain.features_path: " in error


def test_problems_of_grid_and_rasters_are_reported_together(
    rasters: Rasters, capsys: pytest.CaptureFixture[str]
) -> None:
    rasters.write("b.tif", np.ones((9, 9), "uint8"), crs=None)
    error = refused(capsys, rasters.configured(tile_field="x", features_nodata={"c": 1}, output_path="none/\0"))
    for option in ("output_path", "tile_field", "features_path", "features_nodata"):
        assert f"chain.{option}: " in error


def test_problems_of_names_are_reported_with_those_of_the_files(
    rasters: Rasters, capsys: pytest.CaptureFixture[str]
) -> None:
    rasters.write("DEM.tif", np.ones((9, 9), "uint8"), crs=None)
    rasters.write("soil.tiff", np.ones((9, 9), "uint8"))
    rasters.write("slope.tif", np.ones((9, 9), "complex64"))
    (rasters.folder / "more").mkdir()
    folders = [str(rasters.sources), str(rasters.folder / "more")]
    error = refused(capsys, rasters.configured(features_path=folders, features_nodata={"dam": 1, "DEM": 2}))
    assert " 6 problems" in error.splitlines()[0]
    assert "dem.tif would have the same name, dem.tif; rename one of them" in error
    assert "soil.tiff would have the same name, soil.tif" in error
    assert "more: no raster (" in error
    assert "'dam' is not a raster of" in error
    assert "expected DEM, dem, slope, soil" in error
    assert "DEM.tif: 1 problem\n        has no coordinate system" in error
    assert "pixels are complex64" in error


def test_an_empty_folder_does_not_define_tiles(rasters: Rasters, capsys: pytest.CaptureFixture[str]) -> None:
    (rasters.folder / "empty").mkdir()
    error = refused(capsys, rasters.configured(grid=None, rasters_grid_path="empty"))
    assert "chain.rasters_grid_path: " in error
    assert "empty: no raster (" in error


def test_options_that_the_folder_of_rasters_replaces_cause_warnings(rasters: Rasters) -> None:
    rasters.write("grid/T31AAA.tif", np.zeros((30, 40), "uint8"))
    config = load_config(rasters.configured(grid=None, rasters_grid_path="grid"))
    assert (
        sum("has no effect: the rasters of chain.rasters_grid_path define the tiles" in one for one in config.warnings)
        == 3
    )


def test_several_folders_of_rasters_are_read(rasters: Rasters, capsys: pytest.CaptureFixture[str]) -> None:
    rasters.write("more/slope.tif", np.ones((300, 300), "uint8"))
    folders = [str(rasters.sources), str(rasters.folder / "more")]
    assert len(rasters.run(features_path=folders)) == 6
    rasters.write("more/Dem.tif", np.ones((300, 300), "uint8"))
    assert "would have the same name, Dem.tif" in refused(capsys, rasters.configured(features_path=folders))


def test_a_raster_that_vanishes_fails_only_its_jobs(rasters: Rasters) -> None:
    class Removes(runner.Watcher):
        def started(self, *args: Any) -> None:
            os.unlink(rasters.sources / "soil.tif")

    with pytest.raises(JobsFailed, match=r"2 of 4 jobs failed(.|\n)*soil\.tif: cannot be opened"):
        runner.run(load_config(rasters.configured()), Options(workers=0), Removes())
    assert (rasters.output / "T31BBB" / "dem.tif").exists()
    rasters.write("soil.tif", np.ones((120, 130), "uint8"), size=20, nodata=255)
    rasters.run()
    rasters.write("soil.tif", np.full((120, 130), 2, "uint8"), size=20, nodata=255)
    with pytest.raises(JobsFailed, match=r"OUT OF DATE, from .*results: T31AAA/soil\.tif, T31BBB/soil\.tif"):
        runner.run(load_config(rasters.configured()), Options(workers=0), Removes())


def test_other_builders_cannot_run_with_it(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    config = case.configured(builders={"builders_class_name": ["I2Classification", "I2FeaturesTiler"]})
    error = refused(capsys, config)
    assert "builders I2Classification and I2FeaturesTiler cannot run together" in error
    assert "its output folder as chain.user_feat_path of the first" in " ".join(error.split())
    assert "1 problem\n" in error


# ---------------------------------------------------------------------------------------------------- use


def test_the_results_are_layers_of_a_classification(case: Case, tmp_path: Path) -> None:
    """The grid of the tiles is that of the images, so the layers are used as they are."""
    rasters = Rasters(tmp_path / "tiler") if not (tmp_path / "tiler").mkdir() else None
    assert rasters is not None
    image = raster_geobox(case.file("*_FRE_B2.tif"))
    bounds = image.boundingbox
    rasters.draw({WEST: shapely.box(*bounds.bbox)}, crs=IMAGES)
    for path in rasters.sources.iterdir():
        path.unlink()
    y, x = np.mgrid[:90, :95]
    origin = bounds.left - 100, bounds.top + 100
    rasters.write("dem.tif", (3.0 * x + 2 * y).astype("float32"), size=25, origin=origin, crs=IMAGES)
    rasters.write("soil.tif", ((x + y) % 5).astype("uint8"), size=20, origin=origin, crs=IMAGES, nodata=9)
    rasters.run(proj=IMAGES, features_resampling={"soil": "categorical"})
    config = case.configured(
        chain={"user_feat_path": str(rasters.output)}, userFeat={"arbo": "/*", "patterns": "dem,soil"}
    )
    found = survey(load_config(config))
    layers = next(one for one in found.scenes[WEST].sensors if one.spec.static)
    assert {*layers.grids.values()} == {GeoBox(image.shape, image.affine, image.crs)}
    assert [remark.text for remark in found.notes[WEST] if "dem" in remark.text or "interpolated" in remark.text] == []
    runner.run(load_config(config), Options(workers=0), runner.Watcher())
    recipe = json.dumps(json.loads((case.output / layout.RECIPE.path).read_text(encoding="utf-8")))
    assert "dem_band_0" in recipe
    assert "soil_band_0" in recipe
    assert (case.output / layout.MAP.path.format(seed=0)).exists()


def test_the_name_of_the_builder_is_found_in_any_spelling() -> None:
    from iota2.chains import find_builders  # noqa: PLC0415

    assert {find_builders([name])[0].name for name in ("I2FeaturesTiler", "i2_features_tiler", "i2featurestiler")} == {
        "I2FeaturesTiler"
    }
    with pytest.raises(UserError, match=r"expected one of .*I2FeaturesTiler"):
        find_builders(["Foo"])


def test_a_missing_option_of_images_is_still_mandatory_for_classifications(case: Case) -> None:
    path = case.configured()
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    del content["chain"]["list_tile"], content["chain"]["proj"]
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"chain\.list_tile: is missing(.|\n)*chain\.proj: is missing"):
        load_config(path)
