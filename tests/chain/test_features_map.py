"""Features maps: pixels equal samples, dates that tiles lack, data types, mosaic, restart."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from iota2.chains.load import load_config
from iota2.core.feature_map import FeatureMap
from iota2.core.graph import Resources
from iota2.core.tables import sample_columns
from iota2.errors import JobsFailed
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.vectors import read_samples
from iota2.runs import runner
from iota2.runs.preview import preview_run
from iota2.steps.features_map import bands
from iota2.steps.map_layers import read_map
from iota2.steps.pixels import features_at
from iota2.testing.world import WorldOptions
from tests.chain.helpers import (
    DATES,
    EAST,
    IMAGES,
    MAPS,
    SMALL,
    WEST,
    Case,
    case,
    command,
    copied,
    made,
    read,
    refused,
    run,
    small,
)

__all__ = ["case", "small"]
NODATA = -10000
MAP = "final/features_map.tif"
BOTH = f"{WEST} {EAST}"
CODE = """
import numpy as np

def ndvi(self):
    red, nir = self.get_interpolated_Sentinel2_B4(), self.get_interpolated_Sentinel2_B8()
    return (nir - red) / (nir + red + 1), [f"mine_{date}" for date in self.interpolated_dates["Sentinel2"]]

def texture(self):
    nir = np.pad(self.get_Sentinel2_B8()[:, :, 1], 1, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(nir, (3, 3)).std(axis=(2, 3)), "texture"

def missing(self):
    blue = self.get_Sentinel2_B2()[:, :, 0]
    return np.where(blue > 900, np.nan, blue), "bright"

def centred(self):
    red = self.get_Sentinel2_B4()[:, :, 0]
    seen = (self.get_raw_Sentinel2_binary_masks() == 0).any(axis=2)
    return red - red[seen].mean(), "centred"
"""
FUNCTIONS = {
    "functions": "ndvi texture missing centred", "whole_tiles": "centred", "fill_missing_dates": True,
}  # fmt: skip
PADDING = {"padding_size_x": 1, "padding_size_y": 1}


def mapped(case: Case, *, chain: Mapping[str, Any] | None = None, **sections: Mapping[str, Any]) -> Path:
    """A configuration of a features map without reference data."""
    given = {"builders": {"builders_class_name": ["i2_features_map"]}, **sections}
    absent = dict.fromkeys(("nomenclature_path", "color_table", "ground_truth", "data_field"))
    return case.configured(chain={**absent, **(chain or {})}, **given)


def with_functions(case: Case, **sections: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Sections with functions of the user."""
    path = case.files.folder / "mine.py"
    path.write_text(CODE, encoding="utf-8")
    return {"external_features": {"module": str(path), **FUNCTIONS}, "python_data_managing": PADDING, **sections}


def raster(path: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and values (band, y, x) of all bands."""
    with rasterio.open(path) as source:
        return source.descriptions, source.read()


def by_name(path: Path) -> dict[str, np.ndarray]:
    names, values = raster(path)
    return dict(zip(names, values, strict=True))


def layers_of(case: Case) -> FeatureMap:
    return read_map(case.output / "features/map_bands.json")


def require_equal_samples(case: Case, use: Resources) -> None:
    """The features that a model would learn from equal the pixels of the map at the same places, exactly."""
    scene, layers = read_scene(case.output / f"features/{WEST}/tmp/scene.json"), layers_of(case)
    of_whole_tiles = case.output / f"features/{WEST}/tmp/whole_tile_features.tif"
    scene = replace(scene, whole_tiles=str(of_whole_tiles) if of_whole_tiles.exists() else "")
    names, values = raster(case.output / f"by_tiles/{WEST}.vrt")
    assert names == layers.names
    rows, cols = np.random.default_rng(2).integers(0, 64, (2, 400))
    samples, clear = features_at(scene, layers.recipes[0], rows, cols, use)
    count = len(layers.recipes[0].names)
    assert clear.sum() > 100
    np.testing.assert_array_equal(samples[clear], values[:count, rows, cols].T[clear])


RECIPES: dict[str, dict[str, Mapping[str, Any]]] = {
    "default": {},
    "raw": {"sensors_data_interpolation": {"use_gapfilling": False}},
    "raw and interpolated": {"features_map": {"raw_series": True}},
    "temporal": {"arg_train": {"temporal_features": ["differences", "statistics"]}},
    "relative": {"iota2_feature_extraction": {"rel_refl": True, "keep_duplicates": False}},
    "indices": {"iota2_feature_extraction": {"copy_input": False}, "arg_train": {"features": ["NDVI"]}},
    "expressions": {
        "Sentinel_2": {"additional_features": "B8/B4, max(B2, B3)"},
        "sensors_data_interpolation": {"use_additional_features": True},
    },
}


@pytest.mark.parametrize("name", RECIPES)
def test_samples_equal_the_pixels_of_the_map(case: Case, name: str) -> None:
    run(mapped(case, **RECIPES[name]))
    require_equal_samples(case, Resources())
    require_equal_samples(case, Resources(block_shape=(7, 13)))


@pytest.fixture(scope="module")
def functions(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A map of both tiles with functions of the user."""
    case = copied(small, tmp_path_factory.mktemp("functions") / "case")
    run(mapped(case, chain={"list_tile": BOTH, "proj": MAPS, "spatial_resolution": 10}, **with_functions(case)))
    return case


@pytest.mark.parametrize("shape", [(7, 13), (16, 64), None])
def test_samples_with_functions_of_the_user_equal_the_map(functions: Case, shape: tuple[int, int] | None) -> None:
    require_equal_samples(functions, Resources(block_shape=shape))


ALL = WorldOptions(
    size=64, overlap=16, classes=3, dates=DATES, sensors=("Sentinel2", "Landsat8", "Sentinel1", "userFeat")
)
SENSORS: dict[str, dict[str, Mapping[str, Any]]] = {
    "interpolated": {},
    "raw": {"sensors_data_interpolation": {"use_gapfilling": False}},
    "missing sensors allowed": {"chain": {"allow_missing_sensor": True}},
}
JOINT = """
def joint(self):
    optical, radar = self.get_Sentinel2_B8(), self.get_sentinel1_asc_vv()
    return optical[:, :, 0] * radar[:, :, -1], "joint"
"""


@pytest.mark.parametrize("name", SENSORS)
def test_samples_of_all_sensors_equal_the_map(all_sensors: Case, tmp_path: Path, name: str) -> None:
    case, sections = copied(all_sensors, tmp_path / "case"), dict(SENSORS[name])
    chain = {"s1_path": str(case.files.s1_path), "l8_path": str(case.files.l8_path)}
    chain |= {"user_feat_path": str(case.files.user_feat_path), **sections.pop("chain", {})}
    module = case.files.folder / "joint.py"
    module.write_text(JOINT, encoding="utf-8")
    external = {"module": str(module), "functions": "joint"}
    run(mapped(case, chain=chain, userFeat={"patterns": "ALT,SLP"}, external_features=external, **sections))
    found = {sensor.sensor for sensor in layers_of(case).recipes[0].sensors}
    assert {"Sentinel2", "Landsat8", "sentinel1_asc", "userFeatures"} <= found
    for shape in ((9, 11), None):
        require_equal_samples(case, Resources(block_shape=shape))


def test_functions_of_sensors_that_are_not_written_are_noted(
    all_sensors: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = copied(all_sensors, tmp_path / "case")
    module = case.files.folder / "joint.py"
    module.write_text(JOINT, encoding="utf-8")
    external = {"module": str(module), "functions": "joint"}
    chain = {"s1_path": str(case.files.s1_path)}
    config = mapped(case, chain=chain, external_features=external, features_map={"sensors": "Sentinel2"})
    _, out, error = command(capsys, "check", config)
    assert "features_map.sensors: joint of external_features read other sensors and are not written" in out + error


@pytest.mark.parametrize("sensors", ["", "Landsat8"])
def test_a_tile_without_a_sensor_has_no_data_there(all_sensors: Case, tmp_path: Path, sensors: str) -> None:
    case = copied(all_sensors, tmp_path / "case")
    shutil.rmtree(case.files.l8_path / EAST)
    chain = {"list_tile": BOTH, "l8_path": str(case.files.l8_path)}
    config = mapped(case, chain=chain, **({"features_map": {"sensors": sensors}} if sensors else {}))
    remarks = [remark.text for remark in preview_run(load_config(config), runner.Options()).survey.remarks]
    notes = preview_run(load_config(config), runner.Options()).survey.notes[EAST]
    assert any("Its features have no data there." in text for text in [*remarks, *(note.text for note in notes)])
    run(config)
    east, west = (by_name(case.output / f"by_tiles/{tile}.vrt") for tile in (EAST, WEST))
    landsat = [name for name in east if name.startswith("Landsat8")]
    assert landsat
    assert all((east[name] == NODATA).all() and (west[name] != NODATA).any() for name in landsat)
    assert all((east[name] != NODATA).any() for name in east if name not in landsat)
    assert (len(landsat) == len(east)) == bool(sensors)


@pytest.fixture(scope="module")
def all_sensors(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return made(ALL, tmp_path_factory.mktemp("sensors") / "case")


def test_functions_of_the_user_equal_numpy_on_the_whole_tile(functions: Case) -> None:
    found = by_name(functions.output / f"by_tiles/{WEST}.vrt")
    dates = layers_of(functions).recipes[0].sensors[0].dates
    blue, red, nir = (np.stack([found[f"Sentinel2_{band}_{key}"] for key in dates]) for band in ("B2", "B4", "B8"))
    clear = nir[0] != NODATA
    np.testing.assert_array_equal(
        np.stack([found[f"mine_{key}"] for key in dates])[:, clear], ((nir - red) / (nir + red + 1))[:, clear]
    )
    np.testing.assert_array_equal(found["bright"][clear], np.where(blue[0] > 900, NODATA, blue[0])[clear])
    filled = np.where(clear, nir[1], 0)  # functions see 0 where there is no clear date
    around = np.pad(filled, 1, mode="edge")
    texture = np.lib.stride_tricks.sliding_window_view(around, (3, 3)).std(axis=(2, 3))
    np.testing.assert_allclose(found["texture"][clear], texture[clear], rtol=1e-5)
    assert (found["texture"][~clear] == NODATA).all()
    np.testing.assert_allclose(found["centred"][clear], red[0][clear] - red[0][clear].mean(), atol=1e-2)


@pytest.mark.parametrize("shape", [(5, 9), (64, 64)])
def test_the_files_do_not_depend_on_blocks(functions: Case, tmp_path: Path, shape: tuple[int, int]) -> None:
    case = copied(functions, tmp_path / "case")
    config = load_config(
        mapped(case, chain={"list_tile": BOTH, "proj": MAPS, "spatial_resolution": 10}, **with_functions(case))
    )
    runner.run(config, runner.Options(workers=0, use=Resources(block_shape=shape)), runner.Watcher())
    for name in (f"by_tiles/{WEST}_part_0.tif", f"by_tiles/{EAST}_part_0.tif", MAP, f"{MAP[:-4]}_statistics.json"):
        assert (case.output / name).read_bytes() == (functions.output / name).read_bytes(), name


def test_the_mosaic_has_the_pixels_of_the_tile_that_owns_them(functions: Case) -> None:
    """Each pixel of the mosaic is the nearest pixel of one of the tiles, in all its bands."""
    names, whole = raster(functions.output / MAP)
    assert names == layers_of(functions).names
    known = [raster(functions.output / f"by_tiles/{tile}.vrt")[1].reshape(len(names), -1) for tile in (WEST, EAST)]
    columns = {tuple(column) for values in known for column in values.T}
    flat = whole.reshape(len(names), -1).T
    outside = (flat == NODATA).all(axis=1)
    assert 0 < outside.mean() < 0.5, "the tiles are rotated against the grid of the map"
    assert {tuple(column) for column in flat[~outside]} <= columns


def test_bands_carry_dates_and_the_file_is_described(functions: Case) -> None:
    with rasterio.open(functions.output / MAP) as source:
        assert source.tags(1) == {"DATE": "2018-03-17", "KIND": "value", "SENSOR": "Sentinel2", "SERIES": "B2"}
        assert source.tags(source.count)["SERIES"] == "centred"
        assert "DATE" not in source.tags(source.count)
        assert (source.nodata, source.dtypes[0], source.crs.to_epsg()) == (NODATA, "float32", 2154)
        assert source.profile["tiled"]
    assert "multibandcolor" in (functions.output / "final/features_map.qml").read_text(encoding="utf-8")


def test_statistics_are_those_of_the_bands(functions: Case) -> None:
    content = json.loads((functions.output / "final/features_map_statistics.json").read_text(encoding="utf-8"))
    names, values = raster(functions.output / MAP)
    assert [band["name"] for band in content["bands"]] == list(names)
    for band, layer in zip(content["bands"], values.astype(np.float64), strict=True):
        valid = layer[layer != NODATA]
        assert (band["minimum"], band["maximum"]) == (valid.min(), valid.max())
        assert band["mean"] == pytest.approx(valid.mean())
        assert band["std"] == pytest.approx(valid.std())
        assert band["valid_percent"] == pytest.approx(100 * len(valid) / content["pixels"])
    assert content["bands"][-1]["date"] is None


def test_samples_of_a_classification_in_the_same_run_equal_the_map(small: Case, tmp_path: Path) -> None:
    case = copied(small, tmp_path / "case")
    both = {"builders_class_name": ["I2Classification", "I2FeaturesMap"]}
    run(case.configured(builders=both))
    recipe = read_recipe(case.output / "features/recipe.json")
    names, values = raster(case.output / f"by_tiles/{WEST}.vrt")
    assert names == recipe.names
    table = read_samples(case.output / "learningSamples/Samples_region_1_seed0_learn.sqlite")
    geobox = case.world.tile_geobox(WEST)
    columns, rows = ~geobox.affine @ (table.geometry.x.to_numpy(), table.geometry.y.to_numpy())
    found = table[sample_columns(recipe)].to_numpy(np.float32)
    np.testing.assert_array_equal(found, values[:, rows.astype(int), columns.astype(int)].T)
    assert (case.output / "final/report.html").exists()


def test_tiles_may_have_different_raw_dates(tmp_path: Path) -> None:
    """A date that a tile lacks has no data there; the others are as in the files."""
    case = made(SMALL, tmp_path / "case")
    shutil.rmtree(case.products(WEST)[1])
    raw = {"sensors_data_interpolation": {"use_gapfilling": False}, "arg_train": {"features": []}}
    run(mapped(case, chain={"list_tile": BOTH, "proj": IMAGES}, **raw))
    west, east = (by_name(case.output / f"by_tiles/{tile}.vrt") for tile in (WEST, EAST))
    assert list(west) == list(east)
    assert (west["Sentinel2_B4_20180511"] == NODATA).all()
    assert west["Sentinel2_B4_20180511"].dtype == np.int16
    np.testing.assert_array_equal(west["Sentinel2_B4_20180809"], read(case.file("*_FRE_B4.tif", 1)))
    np.testing.assert_array_equal(east["Sentinel2_B4_20180511"], read(case.file("*_FRE_B4.tif", 1, EAST)))
    np.testing.assert_array_equal(east["Sentinel2_B11_20180511"].shape, (64, 64))


def test_a_classification_still_refuses_different_raw_dates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = made(SMALL, tmp_path / "case")
    shutil.rmtree(case.products(WEST)[1])
    raw = {"sensors_data_interpolation": {"use_gapfilling": False}}
    assert "requires the same dates on every tile" in refused(capsys, case.configured(chain={"list_tile": BOTH}, **raw))
    temporal = mapped(case, chain={"list_tile": BOTH}, **raw, arg_train={"temporal_features": ["differences"]})
    assert "temporal_features with use_gapfilling False require the same dates" in refused(capsys, temporal)
    functions = mapped(case, chain={"list_tile": BOTH}, **with_functions(case, **raw))
    assert "external_features with use_gapfilling False require the same dates" in refused(capsys, functions)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"features_map": {"data_type": "int16"}}, "Sentinel2_B2_20180317 is not a whole number; set it to auto"),
        (
            {"features_map": {"sensors": "Sentinel3"}},
            "'Sentinel3' is not an enabled sensor; expected some of Sentinel_2, Sentinel2",
        ),
        (
            {"iota2_feature_extraction": {"copy_input": False}, "features_map": {"sensors": "userFeatures"}},
            "'userFeatures' is not an enabled sensor; expected some of",
        ),
        ({"external_features": {"output_name": "a/b.tif"}}, "expected a file name of letters, digits and"),
        ({"features_map": {"output_format": "netcdf"}}, "expected 'geotiff' or 'zarr'"),
    ],
)
def test_options_that_cannot_be_used_are_refused(
    case: Case, capsys: pytest.CaptureFixture[str], sections: Mapping[str, Mapping[str, Any]], message: str
) -> None:
    assert message in refused(capsys, mapped(case, **sections))


def test_unknown_sensors_are_reported_with_other_problems(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    broken = {"chain": {"list_tile": "T31XXX"}, "features_map": {"sensors": "Sentinel-2 Sentinel2 optical"}}
    error = refused(capsys, mapped(case, **broken))
    assert "T31XXX" in error
    assert "'Sentinel-2' is not an enabled sensor; did you mean 'Sentinel" in error
    assert "'optical' is not an enabled sensor; expected some of Sentinel_2, Sentinel2" in error
    broken = {"chain": {"spatial_resolution": "wide"}, "features_map": {"sensors": "optical"}}
    error = refused(capsys, mapped(case, **broken))
    assert "chain.spatial_resolution" in error
    assert "'optical' is not an enabled sensor" in error


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("Sentinel_2 userFeat Sentinel2", {"Sentinel2", "userFeatures"}),
        ("Sentinel_1", {"sentinel1_asc", "sentinel1_des"}),
    ],
)
def test_sections_stand_for_their_sensors(
    all_sensors: Case, capsys: pytest.CaptureFixture[str], tmp_path: Path, wanted: str, expected: set[str]
) -> None:
    case = copied(all_sensors, tmp_path / "case")
    chain = {"s1_path": str(case.files.s1_path), "user_feat_path": str(case.files.user_feat_path)}
    given = {"chain": chain, "userFeat": {"patterns": "ALT,SLP"}, "features_map": {"sensors": wanted}}
    code, _, error = command(capsys, "run", mapped(case, **given), "--workers", "0", "--last-step", "mapBands")
    assert code == 0, error
    written = [one for one in layers_of(case).recipes[0].sensors if one.names]
    assert {one.sensor for one in written} == expected


def test_whole_numbers_are_kept_or_the_job_stops(tmp_path: Path) -> None:
    """int16 is chosen for files of int16; requested for larger numbers, the job names the feature and value."""
    case = made(SMALL, tmp_path / "case")
    raw = {"sensors_data_interpolation": {"use_gapfilling": False}, "arg_train": {"features": []}}
    path = case.file("*_FRE_B4.tif", 1)
    with rasterio.open(path) as source:
        profile, values = source.profile, np.maximum(source.read(), 0).astype(np.uint16)
    values[0, 5, 6] = 40000
    with rasterio.open(path, "w", **{**profile, "dtype": "uint16", "nodata": None}) as target:
        target.write(values)
    run(mapped(case, **raw))
    assert by_name(case.output / MAP)["Sentinel2_B4_20180511"].dtype == np.float32
    assert (by_name(case.output / MAP)["Sentinel2_B4_20180511"] == 40000).any()
    with pytest.raises(JobsFailed, match="Sentinel2_B4_20180511 has the value 40000, which int16 cannot represent"):
        run(mapped(case, **raw, features_map={"data_type": "int16"}))


def test_a_no_data_value_is_the_one_that_float32_represents(small: Case, tmp_path: Path) -> None:
    case = copied(small, tmp_path / "case")
    sections = with_functions(case)
    run(mapped(case, **{**sections, "external_features": {**sections["external_features"], "no_data_value": -9999.9}}))
    content = json.loads((case.output / "final/features_map_statistics.json").read_text(encoding="utf-8"))
    assert min(band["minimum"] for band in content["bands"]) > -9000
    with rasterio.open(case.output / MAP) as source:
        assert source.nodata == float(np.float32(-9999.9))


def test_raw_series_that_do_not_exist_are_noted(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    raw = {"sensors_data_interpolation": {"use_gapfilling": False}, "features_map": {"raw_series": True}}
    _, out, error = command(capsys, "check", mapped(case, **raw))
    assert "features_map.raw_series has no effect: there are no raw series beside interpolated ones" in out + error


def test_sensors_and_name_of_the_map_are_chosen(small: Case, tmp_path: Path) -> None:
    case = copied(small, tmp_path / "case")
    config = mapped(case, features_map={"sensors": "Sentinel2"}, external_features={"output_name": "mine.TIF"})
    run(config)
    assert {path.name for path in (case.output / "final").glob("mine*")} >= {"mine.tif", "mine_statistics.json"}
    (case.output / "final/features_map.tif").touch()
    listed = {path.name for path, _ in runner.products(load_config(config))}
    assert listed == {"mine.tif", "mine_statistics.json", "mine.html"}, "not a map of another name"
    assert jobs_of(case, config) == set()


def test_maps_of_another_name_or_format_are_out_of_date(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    def old(**sections: Mapping[str, Any]) -> set[str]:
        code, printed, _ = command(capsys, "run", mapped(case, **sections), "--workers", "0")
        assert code == 0
        listed = printed.partition("OUT OF DATE, from an earlier run: made with earlier settings")[2].splitlines()[1:]
        return {Path(line).name for line in listed}

    assert old() == set()
    geotiff = {"features_map.tif", "features_map.qml"}
    assert old(features_map={"output_format": "zarr"}) == geotiff
    named = {"external_features": {"output_name": "mine"}}
    pages = {"features_map.html", "features_map_statistics.json"}
    assert old(**named) == {"features_map.zarr", *geotiff, *pages}
    assert old() == {"features_map.zarr", "mine.tif", "mine.qml", "mine.html", "mine_statistics.json"}


def jobs_of(case: Case, config: Path) -> set[str]:
    """Steps with jobs that a run would execute."""
    preview = preview_run(load_config(config), runner.Options())
    return {job.step.name for job in preview.plan.jobs if preview.verdicts[job.id].state != "fresh"}


@pytest.mark.long
def test_only_what_is_stale_is_made_again(functions: Case, tmp_path: Path) -> None:
    case = copied(functions, tmp_path / "case")
    chain = {"list_tile": BOTH, "proj": MAPS, "spatial_resolution": 10}
    config = mapped(case, chain=chain, **with_functions(case))
    run(config)
    before = (case.output / MAP).read_bytes()
    (case.output / f"by_tiles/{EAST}_part_0.tif").unlink()
    assert "featuresMap" in jobs_of(case, config)
    run(config)
    assert (case.output / MAP).read_bytes() == before
    coarser = mapped(case, chain={**chain, "spatial_resolution": 20}, **with_functions(case))
    assert "featuresMapMosaic" in jobs_of(case, coarser)
    no_bands = {"iota2_feature_extraction": {"copy_input": False}}
    changed = mapped(case, chain=chain, **with_functions(case, **no_bands))
    again = {"mapBands", "featuresMap", "featuresMapTiles", "featuresMapMosaic"}
    assert again <= jobs_of(case, changed)
    assert "CommonMasks" not in jobs_of(case, changed)


def test_the_plan_says_the_size(
    functions: Case, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = mapped(functions, chain={"list_tile": BOTH}, **with_functions(functions))
    _, out, error = command(capsys, "plan", config)
    assert "The features map has 213 bands of float32: about 7.0 MB before compression" in out + error
    assert "extract_bands" not in out + error
    monkeypatch.setattr(bands, "LARGE_MAP_BYTES", 1e6)
    _, out, error = command(capsys, "plan", config)
    assert "Fewer features make it smaller: keep_bands of the sensors with extract_bands" in out + error
