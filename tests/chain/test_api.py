"""The public interface gives the values of a run, and says what is wrong with a request."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
import yaml
from odc.geo.geobox import GeoBox
from odc.geo.geom import BoundingBox

import iota2
from iota2 import layout
from iota2.api import runs
from iota2.api.scenes import OpenedScene
from iota2.classifiers.base import ModelError
from iota2.core.tables import sample_columns
from iota2.errors import ConfigError, FeatureMismatch, InputError, UserError
from iota2.io.tables.classes import read_classes
from iota2.io.tables.vectors import read_samples, read_sqlite
from iota2.testing.files import WorldFiles
from iota2.testing.world import DATES, World, WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.conftest import Mapped, configured

ROWS, COLS = slice(20, 60), slice(30, 90)
TILES = ("T31TCJ", "T31TDJ")


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> WorldFiles:
    """Tiles with images of Sentinel-2 and Landsat 8, and layers without dates."""
    sensors = ("Sentinel2", "Landsat8", "userFeat")
    options = WorldOptions(size=64, overlap=16, classes=3, dates=DATES[2:10:2], sensors=sensors)
    return write_world(make_world(options), tmp_path_factory.mktemp("several"))


@pytest.fixture
def scene(mapped: Mapped) -> OpenedScene:
    return iota2.open_scene(mapped.root, TILES[0])


def test_import_loads_no_numerical_library() -> None:
    code = "import sys, iota2; print({'numpy', 'xarray', 'rasterio', 'numba'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_public_name_can_be_had_and_other_names_are_attribute_errors() -> None:
    public = ["__version__", "features", "load_config", "load_model", "open_scene", "run", "user_features"]
    assert dir(iota2) == public
    assert all(getattr(iota2, name) is not None for name in dir(iota2))
    with pytest.raises(AttributeError, match="no attribute 'open_scenes'"):
        _ = iota2.open_scenes


# ------------------------------------------------------------------------------------------- the values of a run


def models_of(mapped: Mapped, tile: str) -> Iterator[tuple[Path, str]]:
    """Folder and region of each model of the run that labels a tile."""
    for folder in sorted(path for path in (mapped.root / "model").glob("model_*_seed_0") if path.is_dir()):
        region = folder.name.split("_")[1]
        if (mapped.root / f"classif/Classif_{tile}_model_{region}_seed_0.tif").exists():
            yield folder, region


def test_predictions_are_labels_confidence_and_probabilities_of_the_run(mapped: Mapped) -> None:
    compared = 0
    for tile in TILES:
        scene = iota2.open_scene(mapped.root, tile)
        for folder, region in models_of(mapped, tile):
            model = iota2.load_model(folder)
            found = model.predict(iota2.features(scene.cube(scene.geobox[ROWS, COLS]), model.recipe))
            name = f"{tile}_model_{region}"
            labels, confidence, probabilities = (
                _read(mapped.root / "classif" / file)[:, ROWS, COLS]
                for file in (
                    f"Classif_{name}_seed_0.tif",
                    f"{name}_confidence_seed_0.tif",
                    f"PROBAMAP_{name}_seed_0.tif",
                )
            )
            here = labels[0] > 0
            compared += int(here.sum())
            np.testing.assert_array_equal(found.label.values[here], labels[0][here])
            np.testing.assert_array_equal(found.confidence.values[here], confidence[0][here])
            known = np.searchsorted(read_classes(mapped.root / layout.CLASSES.path).codes, found["class"].values)
            expected = probabilities[known][:, here]
            np.testing.assert_array_equal(np.rint(found.probabilities.values[:, here] * 1000), expected)
            assert found.probabilities.dims == ("class", "y", "x")
    assert compared > 1000


def _read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read()


def test_features_are_the_samples_of_the_run(mapped: Mapped) -> None:
    compared = 0
    for tile in TILES:
        scene = iota2.open_scene(mapped.root, tile)
        array = iota2.features(scene).to_xarray()
        for region in ("1", "2"):
            points = read_sqlite(
                mapped.root / f"samplesSelection/{tile}_samples_region_{region}_seed_0_selection.sqlite"
            )
            samples = read_samples(mapped.root / f"learningSamples/{tile}_region_{region}_seed0_Samples_learn.sqlite")
            found = array.values[:, points["i2row"].to_numpy(), points["i2col"].to_numpy()].T
            np.testing.assert_array_equal(found, samples[sample_columns(scene.recipe)].to_numpy(np.float32))
            compared += len(points)
    assert compared > 500


def test_a_prediction_has_names_and_colours_of_classes(mapped: Mapped, scene: OpenedScene, tmp_path: Path) -> None:
    folder, _ = next(models_of(mapped, TILES[0]))
    known = {one.code: one for one in mapped.world.landscape.classes}
    window = iota2.features(scene.cube(scene.geobox[:8, :8]))
    found = iota2.load_model(folder).predict(window)
    assert [known[code].name for code in found["class"].values] == list(found.class_name.values)
    colors = ["#{:02x}{:02x}{:02x}".format(*known[code].color) for code in found["class"].values]
    assert list(found.class_color.values) == colors
    elsewhere = iota2.load_model(shutil.copytree(folder, tmp_path / folder.name)).predict(window)
    assert list(elsewhere.class_name.values) == [str(code) for code in found["class"].values]


def test_dates_are_shifted_as_the_run_found_them(mapped: Mapped, scene: OpenedScene, tmp_path: Path) -> None:
    shutil.copytree(mapped.root / "features", tmp_path / "features")
    still = scene.cube().to_xarray()
    first, second = still.key.values[:2]
    shifts = tmp_path / layout.SHIFTS.path.format(tile=TILES[0])
    shifts.write_text(json.dumps({"Sentinel2": {str(second): [10.0, 0.0]}}), encoding="utf-8")
    found = iota2.open_scene(tmp_path, TILES[0]).cube().to_xarray()
    before, after = (one["data"].sel(band="B4").values for one in (still, found))
    assert (first, second) == ("20180116", "20180220")
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1][:, :-1], before[1][:, 1:])


# ------------------------------------------------------------------------------------- xarray objects by CF


def test_a_series_has_times_bands_grid_and_validity(mapped: Mapped, scene: OpenedScene) -> None:
    part = scene.geobox[ROWS, COLS]
    series = scene.cube(part).to_xarray()
    assert series["data"].dims == ("time", "band", "y", "x")
    assert series["data"].dtype == np.float32
    assert series.valid.dims == ("time", "y", "x")
    assert series.odc.geobox == part
    assert tuple(series.time.dt.date.values) == mapped.world.dates(TILES[0])
    assert list(series.key.values) == [day.strftime("%Y%m%d") for day in mapped.world.dates(TILES[0])]
    assert not series.valid.all()
    assert not np.isnan(series["data"].values[:, 0][series.valid.values]).any()
    assert np.isnan(series["data"]).any(), "the edge of an orbit lies in the window"


def test_a_series_written_to_netcdf_is_read_again_with_times_and_crs(scene: OpenedScene, tmp_path: Path) -> None:
    series = scene.cube(scene.geobox[:10, :10]).to_xarray()
    series.to_netcdf(tmp_path / "series.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "series.nc", engine="scipy", decode_coords="all") as again:
        assert again["data"].encoding["grid_mapping"] == "spatial_ref"
        np.testing.assert_array_equal(again.time.values, series.time.values)
        np.testing.assert_array_equal(again["data"].values, series["data"].values)
        assert again.odc.geobox == series.odc.geobox


def test_pixels_without_clear_observation_have_no_feature(scene: OpenedScene) -> None:
    array = iota2.features(scene).to_xarray()
    never = array.n_valid.values == 0
    assert never.any()
    assert np.isnan(array.values[:, never]).all()
    assert not np.isnan(array.values[:, ~never]).any()
    assert tuple(array.feature.values) == scene.recipe.names


def test_bounds_and_geobox_of_one_area_give_the_same_window(scene: OpenedScene) -> None:
    part = scene.geobox[ROWS, COLS]
    by_geobox = scene.cube(part)
    left, bottom, right, top = part.boundingbox.bbox
    assert scene.cube((left, bottom, right, top)).geobox == by_geobox.geobox == part
    assert scene.cube(part.boundingbox).geobox == part
    assert scene.cube((left + 1, bottom + 1, right - 1, top - 1)).geobox == part, "pixels that the bounds touch"
    assert scene.cube().geobox == scene.geobox


# ------------------------------------------------------------------------------------- configurations and folders


def test_a_configuration_gives_the_scene_of_its_run(mapped: Mapped, scene: OpenedScene) -> None:
    for source in (mapped.config, mapped.config.source, str(mapped.config.source)):
        found = iota2.open_scene(source, TILES[0])
        assert found.recipe == scene.recipe
        assert found.notes == scene.notes
        assert found.geobox == scene.geobox
    assert any("README.txt" in note for note in found.notes)
    part = scene.geobox[ROWS, COLS]
    assert found.cube(part).to_xarray().identical(scene.cube(part).to_xarray())


def test_a_folder_of_images_gives_the_series_and_features_of_a_run(
    mapped: Mapped, small_world: tuple[World, WorldFiles], scene: OpenedScene
) -> None:
    folder = small_world[1].s2_path
    found = iota2.open_scene(folder, TILES[0], sensors="Sentinel_2")
    part = scene.geobox[ROWS, COLS]
    assert found.geobox == scene.geobox
    assert found.notes == scene.notes
    assert found.cube(part).to_xarray().identical(scene.cube(part).to_xarray())
    of_run = iota2.features(found.cube(part), scene.recipe).to_xarray()
    assert of_run.identical(iota2.features(scene.cube(part)).to_xarray())


def test_the_features_of_a_folder_are_those_of_default_options(several: WorldFiles, tmp_path: Path) -> None:
    config = configured(several, tmp_path, _sentinel_2_only)
    by_config = iota2.open_scene(config, "T31TCJ")
    assert iota2.open_scene(several.s2_path, "T31TCJ", sensors=["Sentinel2"]).recipe == by_config.recipe


def _sentinel_2_only(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.strip().startswith(("l8_path", "user_feat_path"))]
    return "\n".join(lines).partition("userFeat")[0]


def test_a_sensor_description_names_a_sensor(several: WorldFiles, tmp_path: Path) -> None:
    text = Path(iota2.__file__).with_name("sensors").joinpath("sentinel_2.yaml").read_text(encoding="utf-8")
    description = yaml.safe_load(text) | {"name": "Mine", "section": "Mine"}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(description), encoding="utf-8")
    found = iota2.open_scene(several.s2_path, "T31TCJ", sensors=[str(path)])
    assert found.sensors == ("Mine",)
    assert found.recipe.names[0].startswith("Mine_")


def test_folders_of_several_sensors_share_the_finest_grid(several: WorldFiles) -> None:
    folders = {"Sentinel_2": several.s2_path, "Landsat8": several.l8_path}
    found = iota2.open_scene(folders, "T31TCJ")
    alone = iota2.open_scene(several.s2_path, "T31TCJ", sensors="Sentinel_2")
    assert found.sensors == ("Landsat8", "Sentinel2")
    assert found.geobox == alone.geobox
    with pytest.raises(InputError, match=r"several sensors\. Give one of Landsat8, Sentinel2"):
        found.cube().to_xarray()
    assert found.cube().to_xarray("Landsat8").sizes["band"] == 7
    both, one = iota2.features(found), iota2.features(found.cube(sensors="Sentinel_2"))
    assert {name.split("_")[0] for name in both.names} == {"Landsat8", "Sentinel2"}
    assert one.to_xarray().identical(iota2.features(alone).to_xarray())
    assert iota2.open_scene(folders, "T31TCJ", sensors=["Landsat8"]).sensors == ("Landsat8",)


def test_layers_have_no_time(several: WorldFiles, tmp_path: Path) -> None:
    scene = iota2.open_scene(configured(several, tmp_path), "T31TCJ")
    layers = scene.cube(sensors="userFeat").to_xarray()
    assert layers["data"].dims == ("band", "y", "x")
    assert "time" not in layers.coords
    assert scene.sensors[-1] == "userFeatures"


# ------------------------------------------------------------------------------------------------- wrong requests


def test_wrong_sources_are_input_errors(mapped: Mapped, several: WorldFiles, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"T99XXX: unknown tile. Available: {', '.join(TILES)}"):
        iota2.open_scene(mapped.root, "T99XXX")
    with pytest.raises(InputError, match="unknown tile"):
        iota2.open_scene(mapped.config, "T99XXX")
    with pytest.raises(InputError, match="no such file or folder"):
        iota2.open_scene(tmp_path / "absent", TILES[0])
    with pytest.raises(InputError, match=r"not the output folder of a run\. For a folder of images, give sensors="):
        iota2.open_scene(several.s2_path, "T31TCJ")
    with pytest.raises(InputError, match=r"unknown sensor; did you mean 'Sentinel_2'\? Expected one of "):
        iota2.open_scene(several.s2_path, "T31TCJ", sensors="Sentinel-2A")
    with pytest.raises(InputError, match=r"unknown sensor\. Expected one of "):
        iota2.open_scene(several.s2_path, "T31TCJ", sensors="Spot")
    with pytest.raises(InputError, match=r"no folder for tile T31XXX .*Correct the name of the tile or the path"):
        iota2.open_scene(several.s2_path, "T31XXX", sensors="Sentinel_2")
    with pytest.raises(InputError, match=r"chain\.s1_path"):
        iota2.open_scene(several.s2_path, "T31TCJ", sensors="Sentinel_1")
    with pytest.raises(InputError, match="No sensor is given"):
        iota2.open_scene(several.s2_path, "T31TCJ", sensors=[])
    with pytest.raises(InputError, match=r"No sensor is given\. Available: Sentinel2"):
        iota2.open_scene(mapped.root, TILES[0], sensors=[])
    with pytest.raises(InputError, match="the sensor Sentinel2 is given twice"):
        iota2.open_scene({"Sentinel_2": several.s2_path, "Sentinel2": several.s2_path}, "T31TCJ")
    (tmp_path / "odd.cfg").write_text("chain : { list_tiles : 'T31TCJ' }", encoding="utf-8")
    with pytest.raises(ConfigError, match="did you mean 'list_tile'"):
        iota2.open_scene(tmp_path / "odd.cfg", "T31TCJ")


def test_a_run_that_stopped_early_or_is_damaged_is_an_input_error(mapped: Mapped, tmp_path: Path) -> None:
    shutil.copytree(mapped.root / "features", tmp_path / "features")
    recipe, scene = tmp_path / layout.RECIPE.path, tmp_path / layout.SCENE.path.format(tile=TILES[0])
    recipe.unlink()
    with pytest.raises(InputError, match=r"recipe\.json: no such file\. The run did not get that far"):
        iota2.open_scene(tmp_path, TILES[0])
    scene.write_text(scene.read_text(encoding="utf-8")[:100], encoding="utf-8")
    with pytest.raises(InputError, match=r"scene\.json: cannot be read"):
        iota2.open_scene(tmp_path, TILES[0])


def test_wrong_windows_are_input_errors(scene: OpenedScene) -> None:
    grid = scene.geobox
    shifted = GeoBox((10, 10), grid.affine.translation(3.3, 0) * grid.affine, grid.crs)
    with pytest.raises(InputError, match=r"Bounds .* are not inside tile T31TCJ. Expected .* in EPSG:32631"):
        scene.cube((0.0, 0.0, 10.0, 10.0))
    left, bottom, right, top = grid.boundingbox.bbox
    with pytest.raises(InputError, match="not inside tile"):
        scene.cube((left, top, right, bottom))
    with pytest.raises(InputError, match="The bounds are in EPSG:4326"):
        scene.cube(BoundingBox(1.0, 43.0, 1.1, 43.1, crs="EPSG:4326"))
    with pytest.raises(InputError, match="not aligned with the grid of tile"):
        scene.cube(shifted)
    with pytest.raises(InputError, match="The geobox has no pixels"):
        scene.cube(grid[:0, :5])
    with pytest.raises(InputError, match=r"rows 0 to 160, columns -5 to 155\) is not inside"):
        scene.cube(grid.translate_pix(-5, 0))
    with pytest.raises(InputError, match=r"Sentinel9: no images of this sensor on tile T31TCJ\. Available: Sentinel2"):
        scene.cube(sensors=["Sentinel9"])


@pytest.mark.parametrize("area", [(1, 2, 3), 5, "1, 2, 3, 4", (1, 2, 3, "4"), ()])
def test_an_area_of_another_kind_is_an_input_error(scene: OpenedScene, area: object) -> None:
    with pytest.raises(InputError, match=r"^The area is .*\. Expected left, bottom, right, top in the CRS") as message:
        scene.cube(area)
    assert repr(area) in str(message.value)


def test_an_argument_of_another_kind_is_an_input_error_that_says_what_to_give(
    mapped: Mapped, scene: OpenedScene
) -> None:
    cube = scene.cube(scene.geobox[:8, :8])
    series = cube.to_xarray()
    features, model = iota2.features(cube), iota2.load_model(next(models_of(mapped, TILES[0]))[0])
    calls = {
        r"predict: features is of type DataArray\. Give the result of iota2\.features": lambda: model.predict(
            features.to_xarray()
        ),
        r"predict: features is of type SceneCube": lambda: model.predict(cube),
        r"features: source is of type Dataset\. Give a scene of open_scene": lambda: iota2.features(series),
        r"features: recipe is of type LoadedModel\. Give model\.recipe": lambda: iota2.features(cube, model),
        r"load_model: folder is of type LoadedModel": lambda: iota2.load_model(model),
        r"open_scene: source is of type int": lambda: iota2.open_scene(5, TILES[0]),
        r"open_scene: tile is of type NoneType": lambda: iota2.open_scene(mapped.root, None),
        r"sensors is of type int\. .*Available: Sentinel2": lambda: scene.cube(sensors=5),
        r"sensors: 5 is of type int": lambda: scene.cube(sensors=[5]),
        r"load_config: path is of type int": lambda: iota2.load_config(5),
        r"run: config is of type dict": lambda: iota2.run({}),
        r"load_config: path contains a NUL character": lambda: iota2.load_config("a\0b"),
        r"A number of the area is too large": lambda: scene.cube((10**400, 0, 1, 1)),
        r"open_scene: sensor 3 is of type int": lambda: iota2.open_scene({3: mapped.root}, TILES[0]),
    }
    for message, call in calls.items():
        with pytest.raises(InputError, match=message):
            call()


def test_a_folder_without_a_model_is_an_error_that_names_the_models(mapped: Mapped) -> None:
    models = mapped.root / "model"
    names = "model_1_seed_0, model_2_seed_0"
    with pytest.raises(ModelError, match=rf"model_9_seed_0: no such folder; {models} has {names}\. Give"):
        iota2.load_model(models / "model_9_seed_0")
    with pytest.raises(ModelError, match=rf"model: contains models, but is none; {models} has {names}\. Give"):
        iota2.load_model(models)
    with pytest.raises(
        ModelError, match=rf"contains models, but is none; .* has model/{names.split(',', maxsplit=1)[0]}"
    ):
        iota2.load_model(mapped.root)
    with pytest.raises(ModelError, match=r"absent: no such folder\. Give the folder of a model"):
        iota2.load_model(mapped.root / "absent/absent")


def test_values_are_displayed_in_one_short_line(mapped: Mapped, several: WorldFiles, tmp_path: Path) -> None:
    scene = iota2.open_scene(mapped.root, TILES[0])
    cube = scene.cube(scene.geobox[ROWS, COLS])
    features, model = iota2.features(cube), iota2.load_model(mapped.root / "model/model_1_seed_0")
    count = len(scene.recipe.names)
    dates = len(mapped.world.dates(TILES[0]))
    codes = ", ".join(str(one.code) for one in model.classes)
    shown = [
        (scene, f"OpenedScene(T31TCJ: Sentinel2 {dates} dates; 160 x 160, EPSG:32631; {count} features)"),
        (cube, f"SceneCube(T31TCJ: Sentinel2 {dates} dates; rows 20 to 60, columns 30 to 90; 60 x 40, EPSG:32631)"),
        (features, f"Features({count} features; 60 x 40, EPSG:32631)"),
        (model, f"LoadedModel(model of region 1, random seed 42: rf; {count} features; classes {codes})"),
        (scene.recipe, f"FeatureRecipe({count} features of Sentinel2)"),
    ]
    assert [repr(value) for value, _ in shown] == [text for _, text in shown]
    assert repr(mapped.config) == f"Config({str(mapped.config.source)!r})"
    layers = iota2.open_scene(configured(several, tmp_path), TILES[0])
    assert "Sentinel2 4 dates, userFeatures 2 layers" in repr(layers)


def test_features_that_a_scene_cannot_give_are_mismatches(mapped: Mapped, several: WorldFiles) -> None:
    folder, _ = next(models_of(mapped, TILES[0]))
    model = iota2.load_model(folder)
    landsat = iota2.open_scene(several.l8_path, "T31TCJ", sensors="Landsat8")
    with pytest.raises(FeatureMismatch, match="Sentinel2: the features need images of this sensor"):
        iota2.features(landsat, model.recipe)
    with pytest.raises(FeatureMismatch, match="feature 1 is 'Landsat8_"):
        model.predict(iota2.features(landsat))


def test_a_sensor_without_folder_and_a_nested_scene_file_are_input_errors(mapped: Mapped, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder of Sentinel_2"):
        iota2.open_scene({"Sentinel_2": None}, TILES[0])  # type: ignore[dict-item]
    file = tmp_path / layout.SCENE.path.format(tile=TILES[0])
    file.parent.mkdir(parents=True)
    (tmp_path / layout.MARK).mkdir()
    file.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(InputError, match=r"scene\.json: cannot be read"):
        iota2.open_scene(tmp_path, TILES[0])


def test_a_recipe_with_bands_that_the_scene_lacks_is_a_mismatch(scene: OpenedScene) -> None:
    (sensor,) = scene.recipe.sensors
    with pytest.raises(FeatureMismatch, match=r"Sentinel2: the features need bands B99; the images have B2, B3"):
        iota2.features(scene, replace(scene.recipe, sensors=(replace(sensor, bands=(*sensor.bands, "B99")),)))


def test_damaged_classes_of_a_run_are_an_error_of_the_model(mapped: Mapped, tmp_path: Path) -> None:
    folder, _ = next(models_of(mapped, TILES[0]))
    shutil.copytree(folder, tmp_path / "model" / folder.name)
    classes = tmp_path / layout.CLASSES.path
    classes.parent.mkdir()
    for content in ("", "[]", "{}"):
        classes.write_text(content, encoding="utf-8")
        with pytest.raises(ModelError, match=r"classes\.json: is damaged"):
            iota2.load_model(tmp_path / "model" / folder.name)


@pytest.mark.parametrize("workers", [-1, "2", 1.5, True, 10**9])
def test_a_wrong_number_of_workers_is_an_error_before_the_run(mapped: Mapped, workers: object) -> None:
    with pytest.raises(UserError, match=f"workers: expected a whole number from 0 to 10000, got {workers!r}"):
        iota2.run(mapped.config.source, workers=workers)  # type: ignore[arg-type]


def test_two_threads_do_not_run_at_once(mapped: Mapped, monkeypatch: pytest.MonkeyPatch) -> None:
    started, released = threading.Event(), threading.Event()
    original = runs.runner.run

    def waiting(*arguments: object) -> object:
        started.set()
        assert released.wait(60)
        return original(*arguments)

    monkeypatch.setattr(runs.runner, "run", waiting)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(iota2.run, mapped.config.source)
        assert started.wait(60)
        with pytest.raises(UserError, match="another thread of this process runs a configuration"):
            iota2.run(mapped.config.source)
        released.set()
        assert first.result() == mapped.root


def test_a_run_makes_the_outputs_of_a_configuration(mapped: Mapped, tmp_path: Path) -> None:
    assert iota2.run(mapped.config.source) == mapped.root
    lacking = tmp_path / "absent.cfg"
    with pytest.raises(ConfigError, match=r"absent\.cfg"):
        iota2.run(lacking)
