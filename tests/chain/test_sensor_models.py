"""Runs with several sensors of which each misses a part of a tile, with models of the sensors that are there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

import iota2
from iota2 import layout
from iota2.classifiers.models import load_model
from iota2.config.options.schema import Config
from iota2.io.tables.sensor_combinations import read_combinations
from iota2.io.tables.vectors import read_sqlite
from iota2.testing.world import DATES, WorldOptions
from tests.chain.helpers import WEST, Case, made, read, run

WORLD = WorldOptions(
    size=144, overlap=24, classes=3, dates=DATES[2:10:2], sensors=("Sentinel2", "Landsat8", "userFeat")
)
LANDSAT = "Landsat8"


def cut(archive: Path, folder: Path, columns: slice) -> Path:
    """A copy of an archive whose images have data in some columns of 30 m only."""
    for path in (archive / WEST).rglob("*.tif"):
        target = folder / path.relative_to(archive)
        target.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(path) as source:
            profile, values = source.profile, source.read()[:, :, columns]
            profile |= {"width": values.shape[2], "transform": source.transform}
        with rasterio.open(target, "w", **profile) as file:
            file.write(values)
    return folder


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A tile of which Landsat 8 covers the western half."""
    world = made(WORLD, tmp_path_factory.mktemp("models") / "world")
    cut(world.files.l8_path, world.files.folder / "western", slice(0, 24))
    return world


def configured(case: Case, name: str, **more: object) -> Path:
    chain = {
        "l8_path": str(case.files.folder / "western"),
        "user_feat_path": str(case.files.user_feat_path),
        "output_path": str(case.files.folder / name),
    }
    return case.configured(chain=chain, userFeat={"patterns": "ALT,SLP"}, arg_classification=more)


@pytest.fixture(scope="module")
def mapped(case: Case) -> Config:
    return run(configured(case, "models"))


def made_by(config: Config, artifact: layout.Artifact, **key: object) -> Path:
    return config.chain.output_path / artifact.path.format(
        **{"tile": WEST, "region": 1, "seed": 0, "submodel": "", "source": "", **key}
    )


def test_no_pixel_that_a_sensor_saw_is_without_label(case: Case, mapped: Config) -> None:
    labels, seen = read(made_by(mapped, layout.TILE_LABELS)), read(made_by(mapped, layout.VALIDITY))
    assert (labels[seen > 0] > 0).all()
    assert (labels[seen == 0] == 0).all()
    pixels = read_combinations(made_by(mapped, layout.SENSOR_COMBINATIONS))
    assert {("Sentinel2",), ("Landsat8", "Sentinel2")} <= set(pixels)
    assert sum(pixels.values()) == seen.size
    assert sum(count for names, count in pixels.items() if names) == np.count_nonzero(seen)


def test_each_combination_has_its_own_model(mapped: Config) -> None:
    model = load_model(made_by(mapped, layout.MODEL))
    assert model.recipe.partial
    assert model.sensors is None
    assert ("Sentinel2",) in [one.recipe.dated for one in model.alternatives]
    card = made_by(mapped, layout.MODEL_CARD).read_text(encoding="utf-8")
    assert "Landsat8 + Sentinel2" in card


def test_the_report_says_which_model_predicts_which_pixels(mapped: Config) -> None:
    results = made_by(mapped, layout.RESULTS).read_text(encoding="utf-8")
    assert "Sensors that see a pixel, and the model that predicts it" in results
    found = json.loads(made_by(mapped, layout.METRICS).read_text(encoding="utf-8"))["provenance"]
    by_sensors = {tuple(one["sensors"]): one for one in found["sensor_combinations"]}
    pixels = read_combinations(made_by(mapped, layout.SENSOR_COMBINATIONS))
    assert {names: one["pixels"] for names, one in by_sensors.items()} == {n: c for n, c in pixels.items() if n}
    for names, one in by_sensors.items():
        assert tuple(one["models"][0]["sensors"]) == names
        assert one["models"][0]["samples"] > 0
    assert "own model" in made_by(mapped, layout.REPORT).read_text(encoding="utf-8")


def test_models_fill_what_a_mask_leaves_without_label(case: Case, mapped: Config) -> None:
    masked = run(configured(case, "mask", missing_sensors="mask"), last_step="mosaic")
    labels, holes = (read(made_by(config, layout.TILE_LABELS)) for config in (mapped, masked))
    assert (labels[holes > 0] > 0).all()
    assert (holes[:, 72:] == 0).all(), "Landsat 8 does not see the east"
    truth = case.world.truth(case.world.tile_geobox(WEST))
    assert (labels == truth).mean() > (holes == truth).mean() + 0.2


@pytest.mark.long
def test_where_all_sensors_see_all_pixels_the_forest_has_the_bytes_of_a_run_with_mask(tmp_path: Path) -> None:
    clear = made(replace(WORLD, size=64, overlap=16, clouds=False, orbit_edge=False), tmp_path / "world")
    forests = []
    for name in ("models", "mask"):
        chain = {"l8_path": str(clear.files.l8_path), "output_path": str(tmp_path / name)}
        config = run(clear.configured(chain=chain, arg_classification={"missing_sensors": name}))
        folder = made_by(config, layout.MODEL)
        forests.append((folder / "forest.npz").read_bytes())
        assert not [*folder.glob("sensors_*")]
    assert forests[0] == forests[1]


def test_a_second_run_makes_nothing_again(case: Case, mapped: Config) -> None:
    before = made_by(mapped, layout.MAP).stat().st_mtime_ns
    run(configured(case, "models"))
    assert made_by(mapped, layout.MAP).stat().st_mtime_ns == before


@pytest.mark.long
def test_reductions_importances_and_new_samples_are_those_of_complete_samples(case: Case) -> None:
    chain = {"l8_path": str(case.files.folder / "western"), "output_path": str(case.files.folder / "reduced")}
    augmentation = {"activate": True, "samples.strategy": "balance", "strategy": "smote"}
    config = run(
        case.configured(
            chain=chain,
            dim_red={"dim_red": True, "target_dimension": 3, "reduction_mode": "sensor_band"},
            arg_train={
                "sample_augmentation": augmentation,
                "feature_importance": True,
                "class_weight": "balanced",
                "force_standard_labels": True,
            },
        )
    )
    samples = read_sqlite(made_by(config, layout.AUGMENTED_SAMPLES, samples="sqlite"))
    incomplete = samples.filter(like="value_").isna().any(axis=1)
    assert incomplete.any()
    assert not incomplete[samples["augmented"] == 1].any()
    assert (samples["augmented"] == 1).any()
    labels, seen = read(made_by(config, layout.TILE_LABELS)), read(made_by(config, layout.VALIDITY))
    assert (labels[seen > 0] > 0).all()
    truth = case.world.truth(case.world.tile_geobox(WEST))
    assert (labels == truth)[labels > 0].mean() > 0.8
    model = load_model(made_by(config, layout.MODEL))
    assert all(one.transforms[0].name == "components" for one in (model, *model.alternatives))


def test_predictions_from_python_are_those_of_the_map(mapped: Config) -> None:
    model = iota2.load_model(made_by(mapped, layout.MODEL))
    window = iota2.features(iota2.open_scene(mapped.chain.output_path, WEST), model.recipe)
    found = model.predict(window)
    np.testing.assert_array_equal(found["label"].to_numpy(), read(made_by(mapped, layout.TILE_LABELS)))


@pytest.mark.long
def test_with_too_few_samples_of_all_sensors_the_models_of_fewer_sensors_do(tmp_path: Path) -> None:
    """In this world all samples that both sensors see have one class."""
    small = made(replace(WORLD, size=64, overlap=16), tmp_path / "world")
    cut(small.files.l8_path, small.files.folder / "western", slice(0, 12))
    config = run(configured(small, "few"))
    model = load_model(made_by(config, layout.MODEL))
    assert model.sensors == ("Sentinel2",)
    labels, seen = read(made_by(config, layout.TILE_LABELS)), read(made_by(config, layout.VALIDITY))
    assert (labels[seen > 0] > 0).all()
    results = made_by(config, layout.RESULTS).read_text(encoding="utf-8")
    text = " ".join(results.split())
    assert "Region 1, seed 0: the model of Sentinel2 predicts" in text
    assert "seen only by Landsat8 + Sentinel2, because the samples that all of these sensors see are too few" in text
