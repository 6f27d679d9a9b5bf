"""Functions of the user that need the whole tile: values, map, restart, models, and where they cannot be computed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import iota2
from iota2.chains.classification import STEPS
from iota2.chains.load import load_config
from iota2.classifiers.models import load_model
from iota2.core.cost import Facts, JobFacts
from iota2.core.graph import Key, Resources, Step
from iota2.core.recipe import FeatureRecipe
from iota2.core.tables import sample_columns
from iota2.errors import FeatureMismatch, JobsFailed, UserError
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.vectors import read_samples
from iota2.runs import runner
from iota2.runs.survey import user_functions
from iota2.steps.pixels import features_at
from iota2.steps.prepare import whole_tile_features
from iota2.testing.world import WorldOptions
from iota2.user_code.loading import UserCodeError
from tests.chain.helpers import (
    DATES,
    EAST,
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
from tests.chain.test_external_features import jobs_of, recipe_of, whole_tile, written

__all__ = ["case", "small"]
CODE = """
import numpy as np
import xarray as xr

def centred(self, scale=1.0):
    red = self.get_Sentinel2_B4()
    seen = (self.get_raw_Sentinel2_binary_masks() == 0).any(axis=2)
    return scale * (red - red[seen].mean(axis=0)), []

def ranked(series: xr.Dataset) -> xr.DataArray:
    nir = series.Sentinel2_B8.isel(time=1)
    return (nir / nir.max()).rename("ranked")

def local(self):
    nir = np.pad(self.get_Sentinel2_B8()[:, :, 1], 1, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(nir, (3, 3)).mean(axis=(2, 3)), "local"
"""


def configured(
    case: Case,
    calls: Any = "centred ranked local",
    whole: Any = "centred ranked",
    ram: float = 16,
    **chain: Any,
) -> Path:
    given = {"module": str(written(case, CODE)), "functions": calls, "whole_tiles": whole}
    padding = {"padding_size_x": 1, "padding_size_y": 1}
    limits = {"maximum_ram": ram}
    return case.configured(chain=chain, external_features=given, python_data_managing=padding, task_retry_limits=limits)


@pytest.fixture(scope="module")
def mapped(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    case = copied(small, tmp_path_factory.mktemp("tiles") / "case")
    run(configured(case))
    return case


def raster_of(case: Case, tile: str = WEST) -> Path:
    return case.output / f"features/{tile}/tmp/whole_tile_features.tif"


def with_raster(case: Case) -> Any:
    scene = read_scene(case.output / f"features/{WEST}/tmp/scene.json")
    return replace(scene, whole_tiles=str(raster_of(case)))


def bands_of(case: Case, recipe: FeatureRecipe, values: np.ndarray, band: str) -> np.ndarray:
    """(y, x, date): a band of Sentinel-2 at the interpolation dates."""
    names = [f"Sentinel2_{band}_{key}" for key in recipe.sensors[0].dates]
    return np.stack([values[recipe.names.index(name)] for name in names], axis=-1)


def test_features_equal_plain_numpy_on_the_whole_tile(mapped: Case) -> None:
    recipe = recipe_of(mapped)
    values, clear = features_of(mapped, recipe, Resources())
    red, nir = (bands_of(mapped, recipe, values, band) for band in ("B4", "B8"))
    assert recipe.user is not None
    assert [one.whole_tile for one in recipe.functions] == [True, True, False]
    expected = red - red[clear].mean(axis=0)
    first = recipe.names.index("custFeat_1_b1")
    found = values[first : first + red.shape[2]]
    np.testing.assert_allclose(found[:, clear], np.moveaxis(expected, -1, 0)[:, clear], rtol=1e-4, atol=0.5)
    ranked = values[recipe.names.index("ranked")]
    np.testing.assert_allclose(ranked[clear], (nir[..., 1] / nir[..., 1].max())[clear], rtol=1e-5)
    assert 0.9 < ranked[clear].max() <= 1


def features_of(case: Case, recipe: FeatureRecipe, use: Resources) -> tuple[np.ndarray, np.ndarray]:
    return whole_tile(case, recipe, use, with_raster(case))


@pytest.mark.parametrize("shape", [(7, 13), (16, 64)])
def test_samples_and_map_do_not_depend_on_blocks(mapped: Case, shape: tuple[int, int], tmp_path: Path) -> None:
    recipe = recipe_of(mapped)
    values, clear = features_of(mapped, recipe, Resources())
    rows, cols = np.random.default_rng(1).integers(0, 64, (2, 300))
    samples, seen = features_at(with_raster(mapped), recipe, rows, cols, Resources(block_shape=shape))
    np.testing.assert_array_equal(samples[seen], values[:, rows, cols].T[seen])
    blockwise, _ = features_of(mapped, recipe, Resources(block_shape=shape))
    np.testing.assert_array_equal(blockwise[:, clear], values[:, clear])
    other = copied(mapped, tmp_path / "other")
    given = runner.Options(workers=0, use=Resources(block_shape=shape))
    runner.run(load_config(configured(other, output_path=str(tmp_path / "results"))), given, runner.Watcher())
    for name in ("final/Classif_Seed_0.tif", "final/Confidence_Seed_0.tif"):
        np.testing.assert_array_equal(read(tmp_path / "results" / name), read(mapped.output / name))


def test_samples_of_the_run_are_the_pixels_of_the_map(mapped: Case) -> None:
    table = read_samples(mapped.output / "learningSamples/Samples_region_1_seed0_learn.sqlite")
    recipe = recipe_of(mapped)
    values, _ = features_of(mapped, recipe, Resources())
    columns, rows = ~mapped.world.tile_geobox(WEST).affine @ (table.geometry.x.to_numpy(), table.geometry.y.to_numpy())
    found = table[sample_columns(recipe)].to_numpy(np.float32)
    np.testing.assert_array_equal(found, values[:, rows.astype(int), columns.astype(int)].T)


@pytest.mark.long
def test_each_tile_has_its_own_statistics(small: Case, tmp_path: Path) -> None:
    case = copied(small, tmp_path / "case")
    run(configured(case, "ranked", True, list_tile=f"{WEST} {EAST}"))
    for tile in (WEST, EAST):
        assert 0.9 < read(raster_of(case, tile)).max() <= 1


@pytest.mark.long
def test_a_change_of_an_argument_repeats_the_step_and_what_depends_on_it(mapped: Case, tmp_path: Path) -> None:
    case = copied(mapped, tmp_path / "case")
    run(configured(case))
    assert jobs_of(case, configured(case)) == set()
    config = configured(case, [["centred", {"scale": 2.0}], "ranked", "local"])
    again = jobs_of(case, config)
    assert {"wholeTileFeatures", "samplesExtraction", "learnModel", "classification"} <= again
    assert "PixelValidity" not in again
    before = read(raster_of(case))
    run(config)
    np.testing.assert_allclose(read(raster_of(case)), 2 * before, rtol=1e-6)
    assert jobs_of(case, config) == set()


def test_the_model_knows_the_functions_and_is_applied_to_whole_tiles_only(mapped: Case) -> None:
    folder = mapped.output / "model/model_1_seed_0"
    model = load_model(folder)
    assert [one.whole_tile for one in model.recipe.functions] == [True, True, False]
    assert '"version": 9' in (folder / "model.json").read_text()
    scene = iota2.open_scene(mapped.output, WEST)
    found = iota2.features(scene, model.recipe, run_user_code=True)
    values, clear = features_of(mapped, model.recipe, Resources())
    np.testing.assert_array_equal(found.block.values[:, clear], values[:, clear])
    labels = iota2.load_model(folder).predict(found).label.to_numpy()
    np.testing.assert_array_equal(labels, on_tile(mapped.output / "final/Classif_Seed_0.tif", mapped))
    window = mapped.world.tile_geobox(WEST)[10:30, 20:45]
    with pytest.raises(FeatureMismatch, match=r"centred, ranked of external_features.whole_tiles.*without a window"):
        iota2.features(scene.cube(window), model.recipe, run_user_code=True)


def test_check_accepts_these_functions_and_names_the_option_for_others(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, error = command(capsys, "check", configured(case))
    assert code == 0, error
    assert "µs per pixel; the run calls it with whole tiles" in out
    error = refused(capsys, configured(case, whole=["ranked"]))
    assert "centred in mine.py: the result depends on the block" in error
    assert "name it in external_features.whole_tiles" in error
    error = refused(capsys, configured(case, whole="ranked cantred"))
    assert "external_features.whole_tiles: 'cantred' is not one of the functions; did you mean 'centred'?" in error


def test_an_error_of_a_function_names_tile_file_and_line(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_functions, "SIDE", 32)
    code = """
def f(self):
    red = self.get_Sentinel2_B4()
    if red.shape[0] == 64:
        raise ValueError("the whole tile is odd")
    return red[:, :, 0], "red"
"""
    given = {"module": str(written(case, code)), "functions": "f", "whole_tiles": True}
    with pytest.raises(JobsFailed):
        run(case.configured(external_features=given))
    log = (case.output / f"logs/wholeTileFeatures/whole_tile_features_{WEST}.err").read_text()
    assert f"tile {WEST}, rows 0 to 64, columns 0 to 64: f failed: mine.py, line 5: ValueError" in log


def test_too_little_memory_for_a_function_names_line_and_remedy(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_functions, "SIDE", 32)
    code = """
def f(self):
    red = self.get_Sentinel2_B4()
    if red.shape[0] == 64:
        raise MemoryError
    return red[:, :, 0], "red"
"""
    given = {"module": str(written(case, code)), "functions": "f", "whole_tiles": True}
    with pytest.raises(JobsFailed):
        run(case.configured(external_features=given))
    log = (case.output / f"logs/wholeTileFeatures/whole_tile_features_{WEST}.err").read_text()
    assert f"tile {WEST}: the memory is not sufficient for f, which needs about 0.0 GB. Read fewer series" in log
    assert "f failed: mine.py, line 5: MemoryError" in log


def test_a_series_that_only_some_values_need_is_an_error(case: Case) -> None:
    code = """
def f(self):
    red = self.get_Sentinel2_B4()
    return (red if red.min() > 0 else self.get_Sentinel2_B8())[:, :, 0], "one"
"""
    given = {"module": str(written(case, code)), "functions": "f", "whole_tiles": True}
    with pytest.raises(JobsFailed):
        run(case.configured(external_features=given))
    log = (case.output / f"logs/wholeTileFeatures/whole_tile_features_{WEST}.err").read_text()
    assert "reads Sentinel2 B8 only for some values" in log


def test_a_chain_without_the_step_says_so(mapped: Case) -> None:
    scene = read_scene(mapped.output / f"features/{WEST}/tmp/scene.json")
    at = np.zeros(1, int)
    with pytest.raises(UserError, match="need the step wholeTileFeatures") as caught:
        features_at(scene, recipe_of(mapped), at, at, Resources())
    assert not isinstance(caught.value, UserCodeError)


def test_the_memory_of_a_tile_is_part_of_the_estimate_and_of_a_remark(mapped: Case) -> None:
    config, recipe = load_config(configured(mapped)), recipe_of(mapped)
    scene = read_scene(mapped.output / f"features/{WEST}/tmp/scene.json")
    facts = Facts({WEST: scene}, {WEST: ("1",)}, recipe)
    step = whole_tile_features.STEP
    assert isinstance(step, Step)
    assert step in STEPS
    found = step.cost(config, JobFacts(facts, Key.of(tile=WEST), 1000))
    (centred, ranked, _) = recipe.functions
    largest = max(3 * one.values_read + 6 * len(one.labels) for one in (centred, ranked))
    results = len(centred.labels) + len(ranked.labels)
    assert found.memory == 1000 + 4 * 64 * 64 * (largest + results)
    assert [*step.check(config, facts)] == []
    (finding,) = step.check(load_config(configured(mapped, ram=0.001)), facts)
    assert finding.remark is not None
    assert "centred, ranked need about" in finding.text
    assert "padding_size_x" in finding.text


@pytest.mark.long
@pytest.mark.parametrize("context", [{"enable_autocontext": True}, {"context": "smooth", "context_window": 3}])
def test_models_with_context_read_the_features_of_whole_tiles(case: Case, context: dict[str, Any]) -> None:
    given = {"module": str(written(case, CODE)), "functions": "centred ranked", "whole_tiles": True}
    run(case.configured(arg_train=context, external_features=given))
    assert (read(case.output / "final/Classif_Seed_0.tif") > 0).mean() > 0.5


@pytest.mark.long
def test_a_tile_without_a_sensor_of_a_function_has_missing_features(tmp_path: Path) -> None:
    options = WorldOptions(size=64, overlap=16, classes=3, dates=DATES, sensors=("Sentinel2", "Landsat8"))
    case = made(options, tmp_path / "case")
    shutil.rmtree(case.files.l8_path / EAST)
    code = """
def both(self):
    change = self.get_Sentinel2_B4().mean(axis=2) - self.get_Landsat8_B4().mean(axis=2)
    return change - change.mean(), "both"
"""
    given = {"module": str(written(case, code)), "functions": "both", "whole_tiles": True}
    chain = {"l8_path": str(case.files.l8_path), "list_tile": f"{WEST} {EAST}"}
    run(case.configured(chain=chain, external_features=given))
    assert np.isfinite(read(raster_of(case, WEST))).any()
    assert np.isnan(read(raster_of(case, EAST))).all()
    for tile in (WEST, EAST):
        assert (read(case.output / f"final/TMP/{tile}_seed_0.tif") > 0).mean() > 0.3
