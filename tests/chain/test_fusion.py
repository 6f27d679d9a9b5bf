"""Optical sensors, radar and layers together, under heavy clouds, against each sensor alone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iota2 import layout
from iota2.chains.load import load_config
from iota2.runs import runner
from iota2.testing.files import SENSOR_PATHS, WorldFiles
from iota2.testing.world import WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.helpers import read

pytestmark = pytest.mark.long

TILE = "T31TCJ"
EVERY = tuple(SENSOR_PATHS)
CLOUDY = WorldOptions(size=200, overlap=60, tiles=(TILE,), classes=10, cover=0.5, sensors=EVERY)
"""On a usual date half of the ground is under cloud, and more is lost with shadows and what masks take beside."""


def map_of(files: WorldFiles, sensors: tuple[str, ...], folder: Path, *, models: bool = False) -> np.ndarray:
    """Labels of the tile from some of the world's sensors, with one model or one per combination; 0 without label."""
    text = files.config.read_text(encoding="utf-8").replace(str(files.output), str(folder / "results"))
    for name in set(EVERY) - set(sensors):
        text = re.sub(rf"  {SENSOR_PATHS[name]} : .*\n", "", text)
    text = re.sub(r"  region_(path|field) : .*\n", "", text)
    text = text.replace("strategy.constant.nb' : 300", "strategy.constant.nb' : 600")
    if not models:
        text = text.replace("  spatial_resolution", "  allow_missing_sensor : True\n  spatial_resolution")
    text = text.replace("enable_probability_map : True", "enable_probability_map : False")
    folder.mkdir()
    (folder / "run.cfg").write_text(text, encoding="utf-8")
    config = load_config(folder / "run.cfg")
    runner.run(config, runner.Options(workers=0), runner.Watcher())
    labels = read(config.chain.output_path / layout.TILE_LABELS.path.format(tile=TILE, seed=0))
    return labels[: CLOUDY.size, : CLOUDY.size]


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_all_sensors_together_map_more_ground_right_than_each_alone(seed: int, tmp_path: Path) -> None:
    """Of all ground of the tile; where a map says nothing it is wrong."""
    world = make_world(replace(CLOUDY, seed=seed))
    files = write_world(world, tmp_path / "cloudy")
    truth = world.truth(world.tile_geobox(TILE))
    alone = {name: map_of(files, (name,), tmp_path / name) for name in EVERY if name != "userFeat"}
    together = map_of(files, EVERY, tmp_path / "together")
    models = map_of(files, EVERY, tmp_path / "models", models=True)
    maps = {**alone, "together": together, "models": models}
    right = {name: float((labels == truth).mean()) for name, labels in maps.items()}
    assert np.median([world.sky(day).invalid.mean() for day in CLOUDY.dates]) > 0.5
    assert (together > 0).all()
    assert (models > 0).all()
    assert all((labels > 0).mean() < 1 for name, labels in alone.items() if name != "Sentinel1")
    assert right["together"] > max(right[name] for name in alone), right
    assert right["models"] > max(right[name] for name in alone), right
