"""A run with auto-context: superpixels and maps do not depend on blocks and parts, and the map has fewer errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from scipy.ndimage import label

from iota2.chains.load import load_config
from iota2.classifiers.models import load_model
from iota2.config.options.train import SUPERPIXELS
from iota2.core import grid
from iota2.core.graph import Resources
from iota2.runs import runner
from tests.chain.helpers import SMALL, WEST, Case, case, copied, made, on_tile, read, refused, run, said, small

__all__ = ["case", "small"]
CONTEXT = {"enable_autocontext": True, "autocontext_iterations": 2}
SLIC = f"features/{WEST}/tmp/SLIC_{WEST}.tif"
MAP = "final/Classif_Seed_0.tif"


@pytest.fixture(scope="module")
def mapped(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    case = copied(small, tmp_path_factory.mktemp("autocontext") / "case")
    run(case.configured(arg_train=CONTEXT))
    return case


def outputs(case: Case) -> dict[str, bytes]:
    """Superpixels, map, and files of the model."""
    model = case.output / "model/model_1_seed_0"
    paths = [case.output / SLIC, case.output / MAP, *(path for path in sorted(model.rglob("*")) if path.is_file())]
    return {str(path.relative_to(case.output)): path.read_bytes() for path in paths}


@pytest.mark.parametrize(
    ("use", "rows"), [({"block_shape": (7, 13), "threads": 2}, 1024), pytest.param({}, 10, marks=pytest.mark.long)]
)
def test_blocks_threads_and_parts_do_not_change_a_byte(
    mapped: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: dict[str, Any], rows: int
) -> None:
    case = copied(mapped, tmp_path / "case")
    monkeypatch.setattr(grid, "PART_ROWS", rows)
    config = load_config(case.configured(arg_train=CONTEXT))
    runner.run(config, runner.Options(workers=0, use=Resources(**use)), runner.Watcher())
    assert outputs(case) == outputs(mapped)


def test_superpixels_are_connected_and_cover_the_clear_pixels(mapped: Case) -> None:
    with rasterio.open(mapped.output / SLIC) as source:
        segments = source.read(1)
        assert source.nodata == 0
    np.testing.assert_array_equal(segments > 0, read(mapped.output / f"features/{WEST}/nbView.tif") > 0)
    assert 10 < len(np.unique(segments)) < 200
    for number in np.unique(segments[segments > 0]):
        rows, cols = np.nonzero(segments == number)
        assert label(segments == number)[1] == 1
        assert max(np.ptp(rows), np.ptp(cols)) < SUPERPIXELS.extent


def test_model_and_report_have_all_iterations(mapped: Case) -> None:
    model = load_model(mapped.output / "model/model_1_seed_0")
    assert model.halo == SUPERPIXELS.extent - 1
    assert (mapped.output / "model/model_1_seed_0/first/first/model.json").exists()
    assert "3 passes with context of superpixels" in said(mapped.output)["report.html"]
    assert (read(mapped.output / MAP) > 0).mean() > 0.5


def test_other_classifiers_are_rejected(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    scikit = {"model_type": "ExtraTreesClassifier"}
    assert "needs a forest" in refused(capsys, case.configured(arg_train=CONTEXT, scikit_models_parameters=scikit))


@pytest.mark.long
def test_auto_context_corrects_errors_in_noisy_images(tmp_path: Path) -> None:
    case = made(replace(SMALL, size=128, classes=6, noise=700.0, seed=1), tmp_path / "noisy")
    share = []
    for context in ({}, CONTEXT):
        run(case.configured(arg_train={"otb_classifier_options": {"classifier.rf.nbtrees": 30}, **context}))
        labels, truth = on_tile(case.output / MAP, case), case.world.truth(case.world.tile_geobox(WEST))
        share.append(float((labels == truth)[labels > 0].mean()))
    assert share[1] > share[0] + 0.005
