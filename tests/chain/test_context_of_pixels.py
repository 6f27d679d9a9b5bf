"""A run whose models learn from the context of pixels: the same maps for all blocks, and fewer errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iota2.chains.load import load_config
from iota2.classifiers.context_training import load_context_models
from iota2.classifiers.models import load_model
from iota2.compute.block_shapes import BlockShapes
from iota2.compute.window_means import window_means
from iota2.core import grid
from iota2.core.graph import Resources
from iota2.core.grid import blocks
from iota2.core.tables import COLUMN, ORIGIN, ROW
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.pixel_features import read_clear_pixels
from iota2.io.tables.samples import read_columns
from iota2.runs import runner
from iota2.steps.pixels import feature_blocks
from tests.chain.helpers import SMALL, WEST, Case, command, copied, made, on_tile, read, run, said, small

__all__ = ["small"]
CONTEXT = {"context": "smooth", "context_window": 5}
MAPS = ("final/Classif_Seed_0.tif", "final/Confidence_Seed_0.tif")


def run_with(config: Path, **use: Any) -> None:
    runner.run(load_config(config), runner.Options(workers=0, use=Resources(**use)), runner.Watcher())


@pytest.fixture(scope="module")
def mapped(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The small world mapped with context, and with probabilities."""
    case = copied(small, tmp_path_factory.mktemp("context") / "case")
    run(case.configured(arg_train=CONTEXT, arg_classification={"enable_probability_map": True}))
    return case


def outputs(case: Case) -> dict[str, bytes]:
    """Maps and models."""
    model = case.output / "model/model_1_seed_0"
    paths = [case.output / name for name in MAPS] + [path for path in sorted(model.rglob("*")) if path.is_file()]
    return {str(path.relative_to(case.output)): path.read_bytes() for path in paths}


@pytest.mark.parametrize(("shape", "threads"), [pytest.param((16, 64), 1, marks=pytest.mark.long), ((7, 13), 2)])
def test_block_shapes_and_threads_do_not_change_a_byte(
    mapped: Case, tmp_path: Path, shape: tuple[int, int], threads: int
) -> None:
    case = copied(mapped, tmp_path / "case")
    run_with(case.configured(arg_train=CONTEXT), block_shape=shape, threads=threads)
    assert outputs(case) == outputs(mapped)


def test_parts_do_not_change_a_byte(mapped: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = copied(mapped, tmp_path / "case")
    monkeypatch.setattr(grid, "PART_ROWS", 10)
    run_with(case.configured(arg_train=CONTEXT), memory=8 << 20)
    assert len([*(case.output / "learningSamples/parts").glob("*_context.npz")]) == 7
    assert outputs(case) == outputs(mapped)


def test_samples_have_the_mean_probabilities_of_models_of_other_polygons(mapped: Case) -> None:
    output = mapped.output
    models = load_context_models(output / "model/context/models_1_seed_0")
    assert models.first is not None
    scene = read_scene(output / f"features/{WEST}/tmp/scene.json")
    whole = BlockShapes(scene.geobox.shape, scene.geobox.shape, scene.geobox.shape)
    order = whole.in_order(WEST, scene.geobox)
    ((_, features, _),) = feature_blocks(scene, models.first.recipe, order, lambda block: [(block, None)])
    clear = features.n_valid > 0
    folds = range(len(models.folds))
    means = [window_means(models.out_of_fold(k, features, clear), clear, 2) for k in folds]
    selection = output / f"samplesSelection/{WEST}_samples_region_1_seed_0_selection.sqlite"
    rows, cols, polygons = read_columns(selection, [ROW, COLUMN, ORIGIN], np.int64).T
    used = clear[rows, cols]
    expected = [
        means[models.fold_of[p]][:, y, x] for y, x, p in zip(rows[used], cols[used], polygons[used], strict=True)
    ]
    parts = sorted((output / "learningSamples/parts").glob(f"{WEST}_part_*_context.npz"))
    found = read_clear_pixels(parts, len(models.first.classes))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    own = window_means(models.first.predict(features, clear).probabilities, clear, 2)[:, rows[used], cols[used]]
    assert np.abs(found - own.T).mean() > 0.01, "the first model has learned from the polygons"


def test_the_map_is_that_of_the_second_model(mapped: Case) -> None:
    model = load_model(mapped.output / "model/model_1_seed_0")
    assert model.halo == 2
    scene = read_scene(mapped.output / f"features/{WEST}/tmp/scene.json")
    order = [*blocks(WEST, scene.geobox, scene.geobox.shape)]
    ((_, features, _),) = feature_blocks(scene, model.recipe, order, lambda block: [(block, None)])
    expected = model.predict(features, np.ones(scene.geobox.shape, bool)).labels
    labels = read(mapped.output / f"classif/Classif_{WEST}_model_1_seed_0.tif")
    np.testing.assert_array_equal(labels[labels > 0], expected[labels > 0])
    assert (labels > 0).mean() > 0.8


def test_reports_and_cards_name_the_context(mapped: Case) -> None:
    texts = said(mapped.output)
    for name in ("report.html", "metrics.json"):
        assert "2 passes with context of 5 x 5" in texts[name]
    card = (mapped.output / "model/model_1_seed_0.txt").read_text(encoding="utf-8")
    assert "Second of 2 passes" in card


def test_a_second_run_has_nothing_to_do_and_another_window_trains_the_second_model_only(
    mapped: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = copied(mapped, tmp_path / "case")
    config = case.configured(arg_train=CONTEXT)
    run(config)
    first = (case.output / "model/context/models_1_seed_0/folds.json").stat().st_mtime_ns
    code, text, _ = command(capsys, "run", config)
    assert code == 0
    assert "up to date" in text
    run(case.configured(arg_train={**CONTEXT, "context_window": 3}))
    assert (case.output / "model/context/models_1_seed_0/folds.json").stat().st_mtime_ns == first
    assert load_model(case.output / "model/model_1_seed_0").halo == 1


def test_without_context_the_first_models_are_not_made(small: Case, tmp_path: Path) -> None:
    case = copied(small, tmp_path / "case")
    run(case.configured(arg_train={"context": "none"}, chain={"last_step": "classification"}))
    assert not (case.output / "model/context").exists()


def accuracy(case: Case, **arg_train: Any) -> float:
    """Share of pixels of the map with their true label."""
    forest = {"otb_classifier_options": {"classifier.rf.nbtrees": 30}}
    run(case.configured(arg_train={**forest, **arg_train}), last_step="mosaic")
    labels, truth = on_tile(case.output / MAPS[0], case), case.world.truth(case.world.tile_geobox(WEST))
    return float((labels == truth)[labels > 0].mean())


@pytest.mark.parametrize("seed", [1, pytest.param(3, marks=pytest.mark.long)])
def test_context_corrects_errors_in_noisy_images(tmp_path: Path, seed: int) -> None:
    case = made(replace(SMALL, size=128, classes=6, noise=700.0, seed=seed), tmp_path / "noisy")
    assert accuracy(case, context="smooth") > accuracy(case) + 0.005
