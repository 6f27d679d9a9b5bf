"""A run with principal components instead of features: its files, model, map and report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from iota2.chains.load import load_config
from iota2.classifiers import load_model
from iota2.classifiers.transforms import Components
from iota2.core.graph import Resources
from iota2.core.tables import CODE, sample_columns
from iota2.io.tables.vectors import read_samples
from iota2.runs import runner
from tests.chain.helpers import Case, case, read, refused, run, said, small

__all__ = ["case", "small"]
REDUCED = {"dim_red": True, "reduction_mode": "date", "target_dimension": 1}


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_map_from_components_of_each_date(case: Case) -> None:
    run(case.configured(dim_red=REDUCED))
    model = load_model(case.output / "model/model_1_seed_0")
    (components,) = model.transforms
    assert isinstance(components, Components)
    assert components.n_outputs == len(components.groups) == model.classifier.n_features
    assert all(len(group) == 8 for group in components.groups)
    before = read_samples(case.output / "dimRed/before_reduction/Samples_region_1_seed0_learn.sqlite")
    reduced = read_samples(case.output / "dimRed/reduced/Samples_region_1_seed0_learn.sqlite")
    x = before[sample_columns(model.recipe)].to_numpy(np.float32)
    columns = [f"reduced_{number}" for number in range(components.n_outputs)]
    np.testing.assert_array_equal(components.apply(x), reduced[columns].to_numpy(np.float32))
    assert reduced[CODE].tolist() == before[CODE].tolist()
    folder = case.output / "dimRed/reduced/Samples_region_1_seed0_learn"
    assert {"model_0", "stats_0.xml"} <= set(files(folder))
    labels = read(case.output / "final/Classif_Seed_0.tif")
    assert len(np.unique(labels[labels > 0])) == 3
    metrics = json.loads((case.output / "final/metrics.json").read_text(encoding="utf-8"))
    assert metrics["summary"]["overall_accuracy"]["mean"] > 0.8
    (found,) = metrics["provenance"]["reductions"]
    assert [group["name"] for group in found["groups"]] == list(components.groups)
    low = sum(group["explained"] < 0.9 for group in found["groups"])
    assert low
    for name, text in said(case.output).items():
        assert f"the components explain less than 90 % of the variance of {low} of" in text, name
    assert "Dimension reduction</summary>" in said(case.output)["report.html"]

    maps = files(case.output / "classif/tmpClassif")
    config = load_config(case.configured(dim_red=REDUCED))
    use = Resources(threads=2, block_shape=(16, 16))
    runner.run(config, runner.Options(workers=0, use=use, force=("classification",)), runner.Watcher())
    assert files(case.output / "classif/tmpClassif") == maps

    run(case.configured(dim_red=REDUCED | {"target_dimension": 99}))
    whole = load_model(case.output / "model/model_1_seed_0").transforms[0]
    assert isinstance(whole, Components)
    assert whole.n_outputs > components.n_outputs
    assert "the components explain less" not in said(case.output)["RESULTS.txt"]

    run(case.configured())
    assert load_model(case.output / "model/model_1_seed_0").transforms == ()
    assert "Dimension reduction</summary>" not in said(case.output)["report.html"]


def test_invalid_options_are_refused(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(capsys, case.configured(dim_red={"dim_red": True, "reduction_mode": "sensor_dat"}))
    assert "dim_red.reduction_mode: expected 'global' or 'sensor_band'" in error
    assert "did you mean 'sensor_date'?" in error
    error = refused(capsys, case.configured(dim_red={"dim_red": True, "target_dimension": 0}))
    assert "dim_red.target_dimension: expected a whole number ≥ 1" in error
