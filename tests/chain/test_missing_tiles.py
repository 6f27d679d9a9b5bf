"""Runs with several sensors of which a tile, or a part of one, lacks some."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import rasterio

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.recipe import MISSING
from iota2.io.tables.sensor_combinations import read_combinations
from iota2.io.tables.vectors import read_sqlite
from iota2.testing.world import DATES, WorldOptions
from tests.chain.helpers import EAST, WEST, Case, made, read, refused, run

WORLD = WorldOptions(size=64, overlap=16, classes=3, dates=DATES[2:10:2], sensors=("Sentinel2", "Landsat8", "userFeat"))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Two tiles; the eastern one has neither Landsat 8 nor layers."""
    world = made(WORLD, tmp_path_factory.mktemp("missing") / "world")
    for archive in (world.files.l8_path, world.files.user_feat_path):
        (archive / EAST).rename(archive / "elsewhere")
    return world


@pytest.fixture(scope="module")
def mapped(case: Case) -> Config:
    chain = {
        "list_tile": f"{WEST} {EAST}",
        "l8_path": str(case.files.l8_path),
        "user_feat_path": str(case.files.user_feat_path),
        "allow_missing_sensor": True,
    }
    return run(case.configured(chain=chain, userFeat={"patterns": "ALT,SLP"}))


def made_by(config: Config, artifact: str, **key: object) -> Path:
    return config.chain.output_path / artifact.format(**{"submodel": "", "source": "", **key})


def test_what_a_tile_lacks_is_missing_in_its_samples_and_its_map_is_whole(case: Case, mapped: Config) -> None:
    for tile, lacks in ((WEST, False), (EAST, True)):
        samples = read_sqlite(made_by(mapped, layout.TILE_SAMPLES.path, tile=tile, region=1, seed=0, samples="sqlite"))
        assert len(samples) > 10
        absent = [name for name in samples.columns if (samples[name] == MISSING).all()]
        others = [name for name in samples.columns if name.startswith(("landsat8_", "alt_band", "slp_band"))]
        assert absent == (others if lacks else [])
        labels = read(made_by(mapped, layout.TILE_LABELS.path, tile=tile, seed=0))
        truth = case.world.truth(case.world.tile_geobox(tile))
        seen = read(made_by(mapped, layout.VALIDITY.path, tile=tile))
        assert (labels[seen == 0] == 0).all()
        usual = np.bincount(truth[labels > 0]).max() / np.count_nonzero(labels)
        assert (labels == truth)[labels > 0].mean() > usual + 0.2, (tile, (labels == truth)[labels > 0].mean(), usual)
        assert (labels > 0).mean() > 0.7


def test_a_tile_without_a_sensor_is_mapped_by_models_of_the_others(case: Case, mapped: Config, tmp_path: Path) -> None:
    """The same pixels are mapped as by one model with missing values, which also accepts missing layers."""
    chain = {"list_tile": f"{WEST} {EAST}", "l8_path": str(case.files.l8_path), "output_path": str(tmp_path)}
    config = run(case.configured(chain=chain), last_step="mosaic")
    for tile in (WEST, EAST):
        labels, others = (read(made_by(one, layout.TILE_LABELS.path, tile=tile, seed=0)) for one in (config, mapped))
        np.testing.assert_array_equal(labels > 0, others > 0)
    pixels = read_combinations(made_by(config, layout.SENSOR_COMBINATIONS.path, tile=EAST))
    assert set(pixels) <= {(), ("Sentinel2",)}


def test_layers_count_no_observation(case: Case, mapped: Config) -> None:
    """Clear dates are counted of the sensors that have dates, and layers have neither calendar nor lists of dates."""
    for tile, sensors in ((WEST, {"Landsat8", "Sentinel2"}), (EAST, {"Sentinel2"})):
        folder = mapped.chain.output_path / "features" / tile
        assert {path.name.split("_")[0] for path in folder.glob("tmp/*_input_dates.txt")} == sensors
        with open(folder / "clear_dates.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert {row["sensor"] for row in rows} == sensors
        assert int(read(folder / "nbView.tif").sum(dtype=np.int64)) == sum(int(row["clear"]) for row in rows)
    seen = read(mapped.chain.output_path / "features" / EAST / "nbView.tif")
    assert seen.max() <= len(case.world.dates(EAST))


def test_all_that_is_reported_of_the_run_holds_the_layers_too(mapped: Config) -> None:
    root = mapped.chain.output_path
    card = made_by(mapped, layout.MODEL_CARD.path, region=1, seed=0).read_text(encoding="utf-8")
    assert "Missing values (-10000 where a sensor has no observation)" in card
    assert "ALT_band_0" in card
    inputs = (root / "logs" / "html" / "input_files_content.html").read_text(encoding="utf-8")
    assert "userFeatures" in inputs
    assert "Landsat8" in inputs
    assert "0001-01-01" not in inputs, "layers have no day"
    report = (root / layout.REPORT.path).read_text(encoding="utf-8")
    assert "0001-01-01" not in report
    notes = " ".join(report.split())
    assert f"no folder for tile {EAST}" in notes


@pytest.mark.long
def test_where_one_sensor_ends_the_others_go_on_only_if_that_is_allowed(case: Case, tmp_path: Path) -> None:
    """Landsat 8 covers the western half of the tile: the ground that is mapped is the common one, or all."""
    archive = tmp_path / "half"
    for path in (case.files.l8_path / WEST).rglob("*.tif"):
        target = archive / path.relative_to(case.files.l8_path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(path) as source:
            profile, values = source.profile | {"width": 12}, source.read()[:, :, :12]
        with rasterio.open(target, "w", **profile) as file:
            file.write(values)
    for allowed in (False, True):
        chain = {"l8_path": str(archive), "allow_missing_sensor": allowed, "output_path": str(tmp_path / str(allowed))}
        config = run(case.configured(chain=chain, arg_classification={"missing_sensors": "mask"}), last_step="mosaic")
        mask = read(made_by(config, layout.COMMON_MASK.path, tile=WEST))
        labels = read(made_by(config, layout.TILE_LABELS.path, tile=WEST, seed=0))
        assert mask[:, :36].mean() > 0.9
        assert (mask[:, 36:].mean() > 0.9) == allowed
        assert bool(labels[:, 40:].any()) == allowed
        assert labels[:, :34].mean() > 0


def test_functions_that_need_all_sensors_are_refused_for_a_tile_without_one(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = """
def both(self):
    return self.get_Sentinel2_B4()[:, :, 0] - self.get_Landsat8_B4()[:, :, 0], "both"

def s2(self):
    return self.get_Sentinel2_B4()[:, :, 0], "s2"
"""
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    chain = {"list_tile": f"{WEST} {EAST}", "l8_path": str(case.files.l8_path), "output_path": str(tmp_path / "out")}
    given = {"module": str(tmp_path / "mine.py"), "functions": "both s2", "concat_mode": False}
    error = refused(capsys, case.configured(chain=chain, external_features=given))
    assert f"external_features.functions: tile {EAST} has no images of Landsat8" in error
    assert "no feature is computed from Landsat8 alone: add such a function. Or set chain.allow_missing_sensor" in error
