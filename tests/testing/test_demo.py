"""The folder of the demo: nothing of the user's is overwritten, and demos of several builders share it."""

import shutil

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import rasterio.features

from iota2.chains import find_builders
from iota2.chains.load import load_config
from iota2.errors import UserError
from iota2.runs.options import Options
from iota2.runs.preview import preview_first_run
from iota2.testing.configurations import DEMOS, demo_of
from iota2.testing.demo import MARK, WRITTEN, write_demo
from iota2.testing.files import SENSOR_PATHS, WorldFiles
from iota2.testing.parcels import farm_register
from iota2.testing.world import DATES, WorldOptions, make_world


@pytest.fixture(scope="module")
def world():
    return make_world(WorldOptions(size=64, overlap=16, classes=3, dates=DATES[:1]))


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_configuration_of_a_copied_demo_refers_to_the_copy(world, tmp_path):
    files, kept = write_demo(world, tmp_path / "demo")
    assert kept == []
    shutil.copytree(files.folder, tmp_path / "copy")
    chain, copy = load_config(tmp_path / "copy/demo.cfg").chain, WorldFiles(tmp_path / "copy")
    assert (chain.output_path, chain.s2_path) == (copy.output, copy.s2_path)
    assert (chain.ground_truth, chain.region_path) == (copy.ground_truth, copy.regions)
    assert (chain.nomenclature_path, chain.color_table) == (copy.nomenclature, copy.colors)
    assert write_demo(world, tmp_path / "copy")[1] == []


def test_a_demo_refuses_a_folder_with_other_files(world, tmp_path):
    (tmp_path / "vector_data").mkdir()
    (tmp_path / "nomenclature.txt").write_text("mine", encoding="utf-8")
    before = contents(tmp_path)
    with pytest.raises(UserError, match=r"not made by the demo \(it contains nomenclature.txt, vector_data\)"):
        write_demo(world, tmp_path)
    assert contents(tmp_path) == before


def test_a_demo_keeps_the_files_that_were_edited_and_replaces_its_own(world, tmp_path):
    files, _ = write_demo(world, tmp_path)
    edits = {
        files.config: files.config.read_text("utf-8").replace("runs : 1", "runs : 2"),
        files.nomenclature: "wheat:1\n",
    }
    for path, text in edits.items():
        path.write_text(text, encoding="utf-8")
    files.colors.unlink()
    other = make_world(WorldOptions(size=64, overlap=16, classes=3, dates=DATES[:1], noise=300.0))
    assert write_demo(other, tmp_path)[1] == ["demo.cfg", "nomenclature.txt"]
    assert {path: path.read_text("utf-8") for path in edits} == edits
    fresh, _ = write_demo(other, tmp_path.with_name("fresh"))
    names = {path.relative_to(tmp_path) for path in edits} | {files.folder.joinpath(WRITTEN).relative_to(tmp_path)}
    assert {k: v for k, v in contents(tmp_path).items() if k not in names} == {
        k: v for k, v in contents(fresh.folder).items() if k not in names
    }


def test_an_interrupted_demo_is_written_completely(world, tmp_path):
    (tmp_path / MARK / "new").mkdir(parents=True)
    (tmp_path / MARK / "new" / "half.tif").touch()
    assert write_demo(world, tmp_path)[1] == []
    assert not (tmp_path / "half.tif").exists()
    assert load_config(tmp_path / "demo.cfg").chain.s2_path == WorldFiles(tmp_path).s2_path


def test_a_file_in_the_place_of_a_new_one_is_kept(world, tmp_path):
    write_demo(world, tmp_path)
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "T31TCJ").write_text("mine", encoding="utf-8")
    more = make_world(WorldOptions(size=64, overlap=16, classes=3, dates=DATES[:1], sensors=("Sentinel2", "userFeat")))
    with pytest.raises(OSError, match="T31TCJ"):
        write_demo(more, tmp_path)
    assert (tmp_path / "layers" / "T31TCJ").read_text("utf-8") == "mine"


BUILDERS_OF = {name: [name] for name in DEMOS} | {
    "parcels": ["I2Obia"],
    "I2Vectorization": ["I2Classification", "I2Vectorization"],
}


@pytest.mark.parametrize("name", BUILDERS_OF)
def test_the_configuration_of_each_demo_is_valid_and_selects_its_builder(world, tmp_path, name):
    for sensors in (("Sentinel2",), tuple(SENSOR_PATHS)):
        options = WorldOptions(size=64, overlap=16, classes=3, dates=DATES[:1], sensors=sensors)
        files, _ = write_demo(make_world(options), tmp_path / str(len(sensors)), DEMOS[name])
        config = load_config(files.config)
        assert config.chain.output_path == files.output
        assert [builder.name for builder in find_builders(config.builders.builders_class_name)] == BUILDERS_OF[name]
        assert not config.warnings
        assert preview_first_run(config, Options()).plan.jobs


def test_demos_differ_in_their_configurations_and_output_folders(tmp_path):
    files = [demo.files(tmp_path) for demo in DEMOS.values()]
    assert len({one.config for one in files}) == len({one.output for one in files}) == len(files)


def test_a_demo_beside_another_one_does_not_touch_its_files(world, tmp_path):
    files, _ = write_demo(world, tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.name != "written.txt"}
    other, kept = write_demo(world, tmp_path, DEMOS["I2FeaturesMap"])
    files_of_both = {path: path.stat().st_mtime_ns for path in times if path.is_file()}
    assert files_of_both == {path: time for path, time in times.items() if path.is_file()}
    assert kept == []
    assert {path for path in tmp_path.rglob("*") if path.is_file()} - times.keys() == {
        *(tmp_path / name for name in ("i2_tutorial_features_map.cfg", "external_code/spectral_indices.py")),
        tmp_path / WRITTEN,
    }
    assert files.config.is_file()
    assert other.config.is_file()


def test_edited_functions_of_a_demo_are_kept(world, tmp_path):
    demo = DEMOS["I2FeaturesMap"]
    files, _ = write_demo(world, tmp_path, demo)
    files.external_code.write_text("mine", encoding="utf-8")
    assert write_demo(world, tmp_path, demo)[1] == ["external_code/spectral_indices.py"]
    assert files.external_code.read_text("utf-8") == "mine"


@pytest.mark.parametrize("name", ["I2FeaturesMap", "i2_features_map", "features_map", "FeaturesMap", "features-map"])
def test_a_demo_is_found_by_the_names_of_its_builder(name):
    assert demo_of(name) is DEMOS["I2FeaturesMap"]


@pytest.mark.parametrize("name", ["parcels", "Parcels"])
def test_a_demo_that_is_not_named_after_its_builder_is_found(name):
    assert demo_of(name) is DEMOS["parcels"]
    with pytest.raises(UserError, match=r"'I2farms' is not a builder.*\(demos: I2Classification, I2Obia, parcels, "):
        demo_of("farms")


def test_parcels_are_the_fields_of_the_world_with_some_wrong_classes(world, tmp_path):
    files, _ = write_demo(world, tmp_path, DEMOS["parcels"])
    parcels, truth = gpd.read_file(files.parcels), pd.read_csv(files.parcels_truth)
    assert parcels.columns.tolist() == ["parcel", "code", "geometry"]
    assert parcels["parcel"].tolist() == truth["parcel"].tolist() == [*range(1, len(world.fields) + 1)]
    assert parcels["code"].tolist() == truth["declared"].tolist()
    wrong = truth["declared"] != truth["truth"]
    assert wrong.sum() == round(0.03 * len(truth)) > 0
    assert set(truth["declared"]) <= set(world.landscape.codes.tolist())
    geobox = world.geobox
    moved = parcels.to_crs(str(geobox.crs))
    shapes = zip(moved.geometry, truth["truth"], strict=True)
    found = rasterio.features.rasterize(shapes, geobox.shape, transform=geobox.affine)
    assert (found == world.truth(geobox)).mean() > 0.995, "pixels at borders may differ"
    again = farm_register(world)
    assert again["code"].tolist() == parcels["code"].tolist()


def test_a_builder_without_demo_is_reported(monkeypatch):
    monkeypatch.delitem(DEMOS, "I2FeaturesMap")
    message = "--builder features_map: there is no demo of I2FeaturesMap; expected one of I2Classification"
    with pytest.raises(UserError, match=message):
        demo_of("features_map")


def test_rasters_of_the_whole_world_cover_the_polygons_of_its_tiles(world, tmp_path):
    files, _ = write_demo(world, tmp_path, DEMOS["I2FeaturesTiler"])
    grid = gpd.read_file(files.tile_grid)
    assert grid.crs == "EPSG:32631"
    assert list(grid["tile"]) == list(world.options.tiles)
    for tile, outline in zip(grid["tile"], grid.geometry, strict=True):
        assert outline.bounds == tuple(world.tile_geobox(tile).boundingbox)
    bounds = grid.to_crs("EPSG:2154").total_bounds
    for name, kind in (("altitude", "float32"), ("land_cover", "uint8")):
        with rasterio.open(files.rasters / f"{name}.tif") as source:
            assert (source.crs, source.res, source.dtypes) == ("EPSG:2154", (25, 25), (kind,))
            assert (source.bounds[:2] <= bounds[:2]).all()
            assert (source.bounds[2:] >= bounds[2:]).all()
            values = source.read(1)
            if name == "land_cover":
                classes = world.landscape.classes
                assert set(np.unique(values)) <= {one.code for one in classes}
                assert {code: source.colormap(1)[code][:3] for code in (one.code for one in classes)} == {
                    one.code: tuple(one.color) for one in classes
                }
            else:
                assert 0 <= values.min() < values.max() < 500
