"""Runs with several sensors of which each misses a part of a tile, with models of the sensors that are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from iota2 import layout
from iota2.classifiers.models import load_model
from iota2.config.options.schema import Config
from iota2.io.tables.sensor_combinations import read_combinations
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
    return config.chain.output_path / artifact.path.format(**{"tile": WEST, "region": 1, "seed": 0, **key})


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
