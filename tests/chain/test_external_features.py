"""Features of the user's functions in a run: samples, map, model, restart, and functions that fail."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import iota2
from iota2.chains.load import load_config
from iota2.classifiers.models import load_model
from iota2.core.graph import Resources
from iota2.core.grid import Block, blocks
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.core.tables import sample_columns
from iota2.errors import FeatureMismatch, JobsFailed
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.vectors import read_samples
from iota2.runs import runner
from iota2.runs.preview import preview_run, survey_and_plan
from iota2.runs.survey import user_functions
from iota2.runs.survey.forecast import forecast_run
from iota2.runs.survey.survey import Survey
from iota2.steps.blocks import feature_shapes
from iota2.steps.pixels import feature_blocks, features_at
from iota2.testing.world import WorldOptions
from iota2.user_code import calls
from iota2.user_code.loading import UserCodeError
from tests.chain.helpers import (
    DATES,
    EAST,
    SMALL,
    WEST,
    Case,
    case,
    command,
    copied,
    made,
    on_tile,
    read,
    refused,
    run,
    small,
)

__all__ = ["case", "small"]
CODE = '''
"""Functions of both generations of the original iota2, and of a Dataset."""
import numpy as np
import xarray as xr

from iota2.learning.utils import I2Label, I2TemporalLabel


def ndvi(self):
    red, nir = self.get_interpolated_Sentinel2_B4(), self.get_interpolated_Sentinel2_B8()
    dates = self.interpolated_dates["Sentinel2"]
    return (nir - red) / (nir + red + 1), [I2TemporalLabel(sensor_name="s2", feat_name="ndvi", date=d) for d in dates]


def difference(self):
    blue = self.get_Sentinel2_B2()
    return blue[:, :, -1] - blue[:, :, 0], ["b2_change"]


def texture(self, size=3):
    nir = np.pad(self.get_Sentinel2_B8()[:, :, 1], size // 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(nir, (size, size))
    return windows.std(axis=(2, 3)), I2Label(sensor_name="s2", feat_name=f"texture{size}")


def clouds(self):
    return (self.get_raw_Sentinel2_binary_masks() == 1).sum(axis=2)


def moisture(series: xr.Dataset) -> xr.DataArray:
    a, b = series.Sentinel2_B8A, series.Sentinel2_B11
    return ((a - b) / (a + b + 1)).max("time").rename("moisture")
'''
CALLS: list[Any] = ["ndvi", "difference", ["texture", {"size": 5}], "clouds", "moisture"]
PADDING = {"padding_size_x": 2, "padding_size_y": 2}
FEATURES = 15 + 4
"""Features of the functions: the season has 15 interpolation dates."""


def written(case: Case, code: str = CODE) -> Path:
    """The file of the user, outside the results."""
    path = case.files.folder / "mine.py"
    path.write_text(code, encoding="utf-8")
    return path


def configured(case: Case, code: str = CODE, calls: Any = CALLS, **external: Any) -> Path:
    given = {"module": str(written(case, code)), "functions": calls, **external}
    return case.configured(external_features=given, python_data_managing=PADDING)


@pytest.fixture(scope="module")
def mapped(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    case = copied(small, tmp_path_factory.mktemp("external") / "case")
    run(configured(case))
    return case


def recipe_of(case: Case) -> FeatureRecipe:
    return read_recipe(case.output / "features/recipe.json")


def whole_tile(
    case: Case, recipe: FeatureRecipe, use: Resources, given: Scene | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """All features (feature, y, x) of a tile and its clear pixels, computed in blocks as a map is."""
    scene = given or read_scene(case.output / f"features/{WEST}/tmp/scene.json")
    shapes = feature_shapes(scene, recipe, use)
    values = np.zeros((len(recipe.names), *scene.geobox.shape), np.float32)
    clear = np.zeros(scene.geobox.shape, bool)

    def parts(whole: Block) -> list[tuple[Block, None]]:
        return [(one, None) for one in blocks(WEST, scene.geobox, shapes.computed, whole.rows, whole.cols)]

    for block, found, _ in feature_blocks(scene, recipe, shapes.in_order(WEST, scene.geobox), parts):
        place = np.s_[..., block.rows[0] : block.rows[1], block.cols[0] : block.cols[1]]
        values[place], clear[place] = found.values, found.n_valid > 0
    return values, clear


@pytest.mark.parametrize("shape", [(7, 13), (16, 64), None])
def test_samples_equal_the_pixels_of_the_map(mapped: Case, shape: tuple[int, int] | None) -> None:
    recipe, scene = recipe_of(mapped), read_scene(mapped.output / f"features/{WEST}/tmp/scene.json")
    assert recipe.user is not None
    assert len(recipe.user.names) == FEATURES
    values, clear = whole_tile(mapped, recipe, Resources())
    rows, cols = np.random.default_rng(1).integers(0, 64, (2, 300))
    use = Resources(block_shape=shape)
    samples, seen = features_at(scene, recipe, rows, cols, use)
    np.testing.assert_array_equal(samples[seen], values[:, rows, cols].T[seen])
    np.testing.assert_array_equal(seen, clear[rows, cols])
    blockwise, _ = whole_tile(mapped, recipe, use)
    np.testing.assert_array_equal(blockwise[:, clear], values[:, clear])


def test_samples_of_the_run_contain_the_features(mapped: Case) -> None:
    table = read_samples(mapped.output / "learningSamples/Samples_region_1_seed0_learn.sqlite")
    recipe, (values, _) = recipe_of(mapped), whole_tile(mapped, recipe_of(mapped), Resources())
    geobox = mapped.world.tile_geobox(WEST)
    columns, rows = ~geobox.affine @ (table.geometry.x.to_numpy(), table.geometry.y.to_numpy())
    found = table[sample_columns(recipe)].to_numpy(np.float32)
    np.testing.assert_array_equal(found, values[:, rows.astype(int), columns.astype(int)].T)


def test_features_equal_plain_numpy_on_the_whole_tile(mapped: Case) -> None:
    recipe, (values, clear) = recipe_of(mapped), whole_tile(mapped, recipe_of(mapped), Resources(block_shape=(9, 11)))
    by_name = dict(zip(recipe.names, values, strict=True))
    dates = recipe.sensors[0].dates
    bands = {band: np.stack([by_name[f"Sentinel2_{band}_{key}"] for key in dates]) for band in ("B2", "B4", "B8")}
    ndvi = (bands["B8"] - bands["B4"]) / (bands["B8"] + bands["B4"] + 1)
    found = np.stack([by_name[f"s2_ndvi_{key}"] for key in dates])
    np.testing.assert_array_equal(found[:, clear], ndvi[:, clear])
    np.testing.assert_array_equal(by_name["b2_change"][clear], (bands["B2"][-1] - bands["B2"][0])[clear])
    around = np.pad(bands["B8"][1], 2, mode="edge")
    expected = [[around[y : y + 5, x : x + 5].std() for x in range(64)] for y in range(64)]
    np.testing.assert_allclose(by_name["s2_texture5"][clear], np.array(expected)[clear], rtol=1e-5)


def test_the_run_report_shows_the_functions(mapped: Case) -> None:
    pages = [path.read_text(encoding="utf-8") for path in mapped.output.rglob("input_files_content.html")]
    assert any("Features of Python functions" in page and "s2_texture5" in page for page in pages)
    assert any(">Python functions</td>" in page and "mine.py" in page for page in pages), "among the sources"


def test_the_model_contains_the_code_and_its_digest(mapped: Case) -> None:
    folder = mapped.output / "model/model_1_seed_0"
    content = json.loads((folder / "model.json").read_text())["recipe"]["user"]
    assert content["source"] == CODE
    assert content["file"] == "mine.py", "without folders of this machine"
    assert content["digest"] == hashlib.sha256(CODE.encode()).hexdigest()
    assert load_model(folder).recipe == recipe_of(mapped)


def test_the_public_interface_executes_code_only_with_permission(mapped: Case) -> None:
    scene = iota2.open_scene(mapped.output, WEST)
    with pytest.raises(FeatureMismatch, match="run_user_code=True"):
        iota2.features(scene)
    geobox = mapped.world.tile_geobox(WEST)[10:30, 20:45]
    found = iota2.features(scene.cube(geobox), run_user_code=True)
    values, clear = whole_tile(mapped, recipe_of(mapped), Resources())
    seen = clear[10:30, 20:45]
    np.testing.assert_array_equal(found.block.values[:, seen], values[:, 10:30, 20:45][:, seen])
    model = iota2.load_model(mapped.output / "model/model_1_seed_0")
    labels = model.predict(found).label.to_numpy()
    np.testing.assert_array_equal(labels, on_tile(mapped.output / "final/Classif_Seed_0.tif", mapped)[10:30, 20:45])


def test_a_function_is_tried_from_python(mapped: Case) -> None:
    def reach(self: Any, size: int = 3) -> Any:
        nir = np.pad(self.get_Sentinel2_B8()[:, :, 1], size // 2, mode="edge")
        return np.lib.stride_tricks.sliding_window_view(nir, (size, size)).std(axis=(2, 3)), "s2_texture5"

    def moisture(series: xr.Dataset) -> xr.DataArray:
        a, b = series.Sentinel2_B8A, series.Sentinel2_B11
        return ((a - b) / (a + b + 1)).max("time").rename("moisture")

    cube = iota2.open_scene(mapped.output, WEST).cube(mapped.world.tile_geobox(WEST)[10:30, 20:45])
    expected = iota2.features(cube, run_user_code=True).to_xarray()
    texture = iota2.user_features(cube, reach, {"size": 5}, padding=(2, 2))
    xr.testing.assert_equal(texture, expected.sel(feature=["s2_texture5"]))
    xr.testing.assert_equal(iota2.user_features(cube, moisture), expected.sel(feature=["moisture"]))
    for given, message in (((-1, 2), "padding is"), (2, "padding is"), ((0, 600), "padding is")):
        with pytest.raises(ValueError, match=message):
            iota2.user_features(cube, moisture, padding=given)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="access is 'foo'; expected one of gapfilled, raw, both"):
        iota2.user_features(cube, moisture, access="foo")  # type: ignore[arg-type]
    with pytest.raises(UserCodeError, match=r"wrong failed: .*test_external_features.py, line \d+: ZeroDivisionError"):
        iota2.user_features(cube, wrong)


def wrong(self: Any) -> Any:
    return 1 / 0


def jobs_of(case: Case, config: Path) -> set[str]:
    """Steps with jobs that a run would execute."""
    preview = preview_run(load_config(config), runner.Options())
    return {job.step.name for job in preview.plan.jobs if preview.verdicts[job.id].state != "fresh"}


def test_a_change_of_the_code_repeats_what_depends_on_it(mapped: Case, tmp_path: Path) -> None:
    case = copied(mapped, tmp_path / "case")
    run(configured(case))
    config = configured(case)
    os.utime(case.files.folder / "mine.py")
    assert jobs_of(case, config) == set()
    moved = case.files.folder / "elsewhere"
    moved.mkdir()
    shutil.move(case.files.folder / "mine.py", moved)
    given = {"module": str(moved / "mine.py"), "functions": CALLS}
    config = case.configured(external_features=given, python_data_managing=PADDING)
    assert jobs_of(case, config) == {"reportGeneration"}, "the same code; the report names its folder"
    config = configured(case, CODE.replace("blue[:, :, -1] - blue[:, :, 0]", "blue[:, :, -1] - blue[:, :, 1]"))
    assert {"featureRecipe", "samplesExtraction", "learnModel", "classification"} <= jobs_of(case, config)
    assert "PixelValidity" not in jobs_of(case, config)


def test_only_features_of_functions_can_be_used(mapped: Case, tmp_path: Path) -> None:
    case = copied(mapped, tmp_path / "case")
    run(configured(case, concat_mode=False), last_step="mosaic")
    recipe = recipe_of(case)
    assert recipe.user is not None
    assert recipe.names == recipe.user.names
    assert (read(case.output / "final/Classif_Seed_0.tif") > 0).mean() > 0.5


def test_check_shows_each_function(mapped: Case, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = command(capsys, "check", configured(mapped))
    assert code == 0, error
    assert "ndvi: 15 features (s2_ndvi_20180317, s2_ndvi_20180327, s2_ndvi_20180406 and 12 more) of 64 x 64" in out
    assert re.search(r"texture: 1 feature \(s2_texture5\) of 64 x 64 pixels; 0.0% not finite; [\d.]+ µs per pixel", out)
    assert "clouds: 1 feature (custFeat_4_b1)" in out


def test_check_shows_features_shape_and_time_of_each_form_of_function(
    case: Case, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_functions, "SIDE", 48)
    code = """
import time
import numpy as np
import xarray as xr

def labelled(self):
    time.sleep(0.1)
    red = self.get_interpolated_Sentinel2_B4()[:, :, :2]
    return np.where(np.arange(red.shape[1])[:, None] % 2, red, np.nan), ["first", "second"]

def none(self):
    time.sleep(0.2)
    return self.get_Sentinel2_B4()[:, :, 0]

def typed(series: xr.Dataset) -> xr.DataArray:
    time.sleep(0.3)
    return series.Sentinel2_B4.isel(time=[0, 1, 2]).rename("typed")
"""
    status, out, error = command(capsys, "check", configured(case, code, ["labelled", "none", "typed"]))
    assert status == 0, error
    form = re.compile(
        r"(\w+): (\d) features? \(([\w, ]+)\) of 48 x 48 pixels; ([\d.]+)% not finite; ([\d.]+) µs per pixel"
    )
    found = {name: (count, labels, float(share), float(time)) for name, count, labels, share, time in form.findall(out)}
    assert found["labelled"][:2] == ("2", "first, second")
    assert found["labelled"][2] == pytest.approx(50, abs=2), "half of the pixels with a clear date"
    assert found["none"][:3] == ("1", "custFeat_2_b1", 0.0)
    assert found["typed"][:3] == ("3", "typed_20180317, typed_20180327, typed_20180406", 0.0)
    for name, seconds in (("labelled", 0.1), ("none", 0.2), ("typed", 0.3)):
        assert 0 <= found[name][3] - seconds / 48**2 * 1e6 < 0.5 / 48**2 * 1e6


BAD = """
import numpy as np
import time

def centred(self):
    red = self.get_Sentinel2_B4()[:, :, 0]
    return red - red.mean(), "centred"

def wide(self):
    nir = np.pad(self.get_Sentinel2_B8()[:, :, 0], 4, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(nir, (9, 9)).mean(axis=(2, 3)), "wide"

def library(self):
    import no_such_library_anywhere

def sleeps(self):
    time.sleep(30)

def misspelt(self):
    return self.get_Sentinel2_B88()

def prints(self):
    print("a word of the function")
    return self.get_Sentinel2_B4()[:, :, 0] / 0, "prints"

def partly(self):
    red = self.get_Sentinel2_B4()[:, :, :3].astype(float)
    red[:, :, 0], red[:, :, 2] = float("nan"), -10000
    return red, ["first", "second", "third"]
"""
REFUSED = {
    "centred": "the result depends on the block",
    "wide": "increase these options to the reach of the function",
    "library": "pip install no_such_library_anywhere",
    "sleeps": "sleeps has not ended after 2 seconds on a small block",
    "misspelt": "AttributeError: there is no get_Sentinel2_B88; Sentinel2 has B2, B3",
    "absent": "defines no function absent",
}


def test_features_of_a_function_without_data_are_named(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ((), ("--json",)):
        command_of = ("run", "--workers", "0", "--last-step", "featureRecipe") if arguments else ("check",)
        code, out, error = command(capsys, command_of[0], configured(case, BAD, "partly"), *command_of[1:], *arguments)
        assert code == 0, error
        assert "partly: first, third have no data in all tried pixels with a clear date. Check whether" in out


@pytest.mark.parametrize("name", REFUSED)
def test_functions_that_cannot_make_a_map_are_refused(
    case: Case, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "sleeps":
        monkeypatch.setattr(calls, "MAX_SECONDS", 2.0)
    error = refused(capsys, configured(case, BAD, name))
    assert "external_features.functions: " in error
    assert REFUSED[name] in error


NOT_REPEATABLE = """
import numpy as np

rng = np.random.default_rng(0)
calls = []
means = {}

def noise(self):
    red = self.get_Sentinel2_B4()[:, :, 0]
    return red + rng.normal(size=red.shape), "noise"

def counts(self):
    calls.append(1)
    return self.get_Sentinel2_B4()[:, :, 0] + len(calls), "counts"

def keeps(self):
    red = self.get_Sentinel2_B4()[:, :, 0]
    return red - means.setdefault("red", red.mean()), "keeps"
"""


@pytest.mark.parametrize("whole_tiles", [False, True])
@pytest.mark.parametrize("name", ["noise", "counts", "keeps"])
def test_functions_that_are_not_repeatable_are_refused_without_advice_on_blocks(
    case: Case, capsys: pytest.CaptureFixture[str], name: str, whole_tiles: bool
) -> None:
    error = refused(capsys, configured(case, NOT_REPEATABLE, name, whole_tiles=whole_tiles))
    assert f"{name} in mine.py: two calls give different values for the same pixels" in error
    assert "fixed seed" in error
    assert "depends on the block" not in error
    assert "whole_tiles" not in error


def test_a_function_that_prints_and_returns_nothing_finite_is_reported(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, error = command(capsys, "check", configured(case, BAD, "prints"))
    assert code == 0, error
    assert "prints: 1 feature (prints) of 64 x 64 pixels; 100.0% not finite" in out
    assert "warning: prints: prints has no data in all tried pixels with a clear date. Check whether" in out
    assert "    printed: a word of the function (8 times)\n" in out
    assert "a word of the function" not in error


def test_a_function_that_ends_the_process_is_reported_with_the_other_problems(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    code = """
import os

def leaves(self):
    red = self.get_Sentinel2_B4()
    if len(red) == 64:
        os._exit(3)
    return red[:, :, 0], "leaves"

def centred(self):
    red = self.get_Sentinel2_B4()[:, :, 0]
    return red - red.mean(), "centred"
"""
    config = configured(case, code, "leaves centred")
    (case.files.folder / "nomenclature.txt").unlink()
    error = refused(capsys, config)
    assert "leaves in mine.py ended the process with exit code 3" in error
    assert "centred in mine.py: the result depends on the block" in error
    assert "nomenclature.txt" in error
    error = refused(capsys, configured(case, code.replace("== 64", "> 0"), "leaves centred"))
    assert "leaves in mine.py ended the process with exit code 3" in error
    assert "nomenclature.txt" in error


def test_a_function_that_fails_on_some_pixels_costs_only_its_jobs(case: Case) -> None:
    code = """
def f(self):
    red = self.get_Sentinel2_B4()
    if red.shape[0] in (18, 20):  # blocks of 16 rows with their padding
        raise ValueError("these pixels are odd")
    return red[:, :, 0], "red"
"""
    config = configured(case, code, "f")
    loaded = load_config(config)
    with pytest.raises(JobsFailed):
        runner.run(loaded, runner.Options(workers=0, use=Resources(block_shape=(16, 16))), runner.Watcher())
    log = (case.output / f"logs/samplesExtraction/extraction_{WEST}_part_0.err").read_text()
    assert "mine.py, line 5: ValueError: these pixels are odd" in log
    assert f"tile {WEST}, rows " in log
    assert (
        "calls functions of mine.py: f\n"
        in (case.output / f"logs/samplesExtraction/extraction_{WEST}_part_0.out").read_text()
    )
    assert (case.output / f"features/{WEST}/nbView.tif").exists()


def test_raw_series_of_different_dates_need_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = made(SMALL, tmp_path / "case")
    shutil.rmtree(case.products()[0])
    both = {"list_tile": f"{WEST} {EAST}"}
    given = {"module": str(written(case)), "functions": "clouds"}
    error = refused(capsys, case.configured(chain=both, external_features=given))
    assert "external_features.fill_missing_dates: clouds reads the raw series of Sentinel2, whose dates differ" in error
    run(case.configured(chain=both, external_features={**given, "fill_missing_dates": True}), last_step="mosaic")
    recipe = recipe_of(case)
    assert recipe.user is not None
    assert len(recipe.user.raw_dates["Sentinel2"]) == 3


@pytest.mark.long
def test_functions_of_several_sensors_and_layers(tmp_path: Path) -> None:
    options = WorldOptions(
        size=64, overlap=16, classes=3, dates=DATES[2:10:2], sensors=("Sentinel2", "Landsat8", "userFeat")
    )
    case = made(options, tmp_path / "case")
    code = """
def both(self):
    return self.get_Sentinel2_B4().mean(axis=2) - self.get_interpolated_Landsat8_B4().mean(axis=2), "both"

def relief(self):
    return self.get_Landsat8_B5()[:, :, 0] - self.get_userFeatures_SLP_band_0()[:, :, 0], "relief"

def optical(self):
    return self.get_Sentinel2_NDVI(), []

def other(self):
    return self.get_Landsat8_NDVI(), []
"""
    chain = {"l8_path": str(case.files.l8_path), "user_feat_path": str(case.files.user_feat_path)}

    def mapped(functions: str, name: str) -> tuple[FeatureRecipe, np.ndarray]:
        given = {"module": str(written(case, code)), "functions": functions, "concat_mode": False}
        folder = case.files.folder / name
        options = {"userFeat": {"patterns": "ALT,SLP"}, "external_features": given}
        run(case.configured(chain={**chain, "output_path": str(folder)}, **options))
        return read_recipe(folder / "features/recipe.json"), read(folder / "final/Classif_Seed_0.tif")

    recipe, joint = mapped("both relief", "joint")
    assert recipe.names == ("both", "relief")
    assert [function.sensors for function in recipe.functions] == [
        ("Landsat8", "Sentinel2"),
        ("Landsat8", "userFeatures"),
    ]
    assert not recipe.partial, "no function reads Sentinel-2 alone"
    recipe, separate = mapped("optical other", "separate")
    assert recipe.partial
    assert (separate > 0).sum() > (joint > 0).sum() > 0, "models of one sensor label what only one of them sees"


def test_the_plan_counts_the_time_of_functions(case: Case) -> None:
    slow = "import time\n\ndef f(self):\n    time.sleep(0.2)\n    return self.get_Sentinel2_B4()[:, :, 0], 'f'\n"
    loaded = load_config(configured(case, slow, "f"))
    found, plan = survey_and_plan(loaded)
    verdicts = preview_run(loaded, runner.Options()).verdicts

    def guessed(one: Survey) -> Mapping[str, float]:
        return forecast_run(loaded, one, plan, verdicts, use=Resources(), workers=0).guesses

    measured, without = guessed(found), guessed(replace(found, trials=()))
    for name in ("samplesExtraction", "classification"):
        assert measured[name] - without[name] >= 0.19, "a block of the trial is as large as the tile"
    assert measured["PixelValidity"] == without["PixelValidity"]
