"""Copied, added and weighted samples, and selected validation pixels, in whole runs of two regions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold

from iota2 import layout
from iota2.chains.load import load_config
from iota2.classifiers import load_model
from iota2.core.tables import AUGMENTED, CODE, ORIGIN
from iota2.io.tables.polygon_counts import read_polygon_counts
from iota2.io.tables.vectors import read_samples, read_sqlite, read_vector
from iota2.runs import runner
from iota2.runs.preview import preview_run
from tests.chain.helpers import EAST, WEST, Case, command, copied, run, said, small

__all__ = ["small"]
SMOTE = {"activate": True, "strategy": "smote", "samples.strategy": "balance", "strategy.smote.neighbors": 3}
SAMPLES = "learningSamples/Samples_region_{region}_seed0_learn{end}.sqlite"


def two_regions(case: Case, **arg_train: Any) -> Path:
    """A configuration of two tiles and two regions, with two runs."""
    chain = {
        "list_tile": f"{WEST} {EAST}",
        "region_path": str(case.files.regions),
        "region_field": "region",
    }
    selection = {"sampler": "random", "strategy": "percent", "strategy.percent.p": 0.3}
    return case.configured(chain=chain, arg_train={"sample_selection": selection} | arg_train)


def with_everything(case: Case, **arg_train: Any) -> Path:
    rules = case.files.folder / "copies.csv"
    codes = sorted(set(case.reference()["code"]))
    lines = [f"1,2,{codes[0]},7", f"2,1,{codes[1]},-1", f"1,2,{codes[2]},100000", f"1,2,{codes[2]}7,3", "1,1,1,1"]
    rules.write_text("\n".join(lines) + "\n", encoding="utf-8")
    given = {"sample_management": str(rules), "sample_augmentation": SMOTE, "class_weight": "balanced"}
    return two_regions(case, **given | arg_train)


@pytest.fixture(scope="module")
def plain(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A run without the options."""
    found = copied(small, tmp_path_factory.mktemp("plain") / "case")
    run(two_regions(found))
    return found


@pytest.fixture(scope="module")
def changed(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A run with copied, added and weighted samples."""
    found = copied(small, tmp_path_factory.mktemp("changed") / "case")
    run(with_everything(found))
    return found


def validation(case: Case) -> dict[str, Any]:
    content = json.loads((case.output / "final/metrics.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = content["validation"]
    return found


def test_a_run_of_several_regions_and_tiles_reports_their_borders(plain: Case) -> None:
    texts = said(plain.output)
    assert "Borders of regions: pairs across" in texts["RESULTS.txt"]
    assert "Limits of tiles: pairs across" in texts["RESULTS.txt"]
    assert "<h2>Borders</h2>" in texts["report.html"]
    borders = json.loads(texts["metrics.json"])["borders"]
    assert not borders["blended"]
    assert [[stage["name"] for stage in one["stages"]] for one in borders["seeds"]] == [["final"]]


def test_models_learn_from_copied_and_added_samples(changed: Case) -> None:
    for region in "12":
        extracted, with_copies, learned = (
            read_samples(changed.output / SAMPLES.format(region=region, end=end))
            for end in ("", "_copied", "_augmented")
        )
        assert len(extracted) < len(with_copies) < len(learned)
        counts = learned[CODE].value_counts().to_dict()
        assert len(set(counts.values())) == 1, "balanced"
        assert load_model(changed.output / f"model/model_{region}_seed_0").meta.samples == counts
        assert not with_copies.geometry.to_wkb().duplicated().any()
        assert learned[AUGMENTED].sum() == len(learned) - len(with_copies)


def test_added_samples_stay_with_the_polygon_of_their_parent_and_out_of_validation(changed: Case) -> None:
    sides = read_vector(changed.output / layout.REFERENCE.path)
    validated = set(sides[ORIGIN][sides["seed_0"] == "validation"])
    tiles = changed.output.glob("dataAppVal/*_val.sqlite")
    assert validated >= {origin for path in tiles for origin in read_sqlite(path)[ORIGIN]}
    for region in "12":
        learned = read_samples(changed.output / SAMPLES.format(region=region, end="_augmented"))
        assert validated.isdisjoint(learned[ORIGIN])
        added = (learned[AUGMENTED] == 1).to_numpy()
        own = learned[~added].groupby(learned.geometry.to_wkb()[~added])[ORIGIN].first()
        parents = own[learned.geometry.to_wkb()[added]].to_numpy()
        np.testing.assert_array_equal(learned[ORIGIN][added], parents)
        folds = GroupKFold(3).split(learned, groups=learned[ORIGIN])
        for one, other in folds:
            assert set(learned.geometry.iloc[one].to_wkb()).isdisjoint(learned.geometry.iloc[other].to_wkb())


def test_validation_is_that_of_a_run_without_the_options(plain: Case, changed: Case) -> None:
    for case in (plain, changed):
        counts = read_polygon_counts(case.output / layout.VALIDATION.path.format(seed=0))
        assert counts.pixels.sum() > 100
    of_plain, of_changed = (validation(case)["parts"]["all"] for case in (plain, changed))
    assert (of_plain["pixels"], of_plain["polygons"]) == (of_changed["pixels"], of_changed["polygons"])
    for region in "12":
        name = SAMPLES.format(region=region, end="")
        assert (plain.output / name).read_bytes() == (changed.output / name).read_bytes()


def test_reports_show_the_samples_of_each_model(plain: Case, changed: Case) -> None:
    for name, text in said(changed.output).items():
        assert "requests 100000 samples" in text, name
        if name != "metrics.json":
            assert "Samples of the models" in text, name
    assert not any("Samples of the models" in text for text in said(plain.output).values())
    content = json.loads((changed.output / "final/metrics.json").read_text(encoding="utf-8"))
    entries = content["provenance"]["model_samples"]
    for region in "12":
        model = load_model(changed.output / f"model/model_{region}_seed_0").meta
        of_region = [entry for entry in entries if entry["region"] == region]
        assert {entry["code"]: entry["learned"] for entry in of_region} == model.samples
        assert {entry["code"]: entry["weight"] for entry in of_region} == model.weights
    assert sum(entry["copied"] for entry in entries) > 7


def test_ignored_rules_are_reported_by_check(changed: Case, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = command(capsys, "check", with_everything(changed))
    assert code == 0
    assert "copies.csv, line 4 is ignored: label" in out + error
    assert "copies.csv, line 5 is ignored: source and destination are the same, 1" in out + error


@pytest.mark.parametrize("checked", [True, False])
def test_rules_of_unknown_regions_are_reported_by_check(
    plain: Case, capsys: pytest.CaptureFixture[str], checked: bool
) -> None:
    """Also without a check of the reference data: the regions are known."""
    rules = plain.files.folder / "unknown.csv"
    rules.write_text("1,north,1,7\n1,2,99,3\n", encoding="utf-8")
    config = two_regions(plain, sample_management=str(rules))
    config.write_text(config.read_text("utf-8").replace("chain:", f"chain:\n  check_inputs: {checked}", 1), "utf-8")
    code, out, _ = command(capsys, "check", config)
    assert code == 0
    assert "unknown.csv, line 1 is ignored: there is no region or model 'north'; expected one of 1, 2." in out
    assert ("unknown.csv, line 2 is ignored: label '99'" in out) == checked


def test_problems_of_the_options_are_reported_by_check(changed: Case, capsys: pytest.CaptureFixture[str]) -> None:
    (changed.files.folder / "bad.csv").write_text("1,2,3\n", encoding="utf-8")
    config = with_everything(
        changed,
        sample_management=str(changed.files.folder / "bad.csv"),
        sample_augmentation=SMOTE | {"target_models": ["1", "3"]},
        class_weight={"99": 2.0},
    )
    code, _, error = command(capsys, "check", config)
    assert code == 1
    assert "bad.csv: cannot be used as rules of sample copies" in error
    assert "target model '3' is not a region of" in error
    assert "arg_train.class_weight: label '99' is not in the reference data" in error


@pytest.mark.long
def test_a_change_of_an_option_repeats_what_follows_and_workers_change_nothing(changed: Case, tmp_path: Path) -> None:
    case = copied(changed, tmp_path / "case")
    first = load_config(with_everything(case))
    runner.run(first, runner.Options(workers=2), runner.Watcher())
    for pattern in ("learningSamples/*.sqlite", "learningSamples/*.csv", "model/*/forest.npz"):
        for path in changed.output.glob(pattern):
            assert path.read_bytes() == (case.output / path.relative_to(changed.output)).read_bytes(), path

    jitter = load_config(with_everything(case, sample_augmentation=SMOTE | {"strategy": "jitter"}))
    stale = {
        job.split("/")[0]: verdict.reason
        for job, verdict in preview_run(jitter, runner.Options()).verdicts.items()
        if verdict.state == "stale"
    }
    assert set(stale) <= {"samplesAugmentation", "reportGeneration"}
    assert "smote → jitter" in stale["samplesAugmentation"]
    before = {path: path.stat().st_mtime_ns for path in case.output.glob("learningSamples/*")}
    runner.run(jitter, runner.Options(workers=0), runner.Watcher())
    rewritten = {path.name for path, time in before.items() if path.stat().st_mtime_ns != time}
    names = ("Samples_region_{}_seed0_learn_augmented.sqlite", "augmentation_region_{}_seed0.csv")
    assert rewritten == {name.format(region) for name in names for region in "12"}


def test_validation_pixels_are_selected_like_learning_pixels(plain: Case, small: Case, tmp_path: Path) -> None:
    case = copied(small, tmp_path / "case")
    run(two_regions(case, sampling_validation=True))
    every, some = (validation(one)["parts"]["all"]["pixels"] for one in (plain, case))
    assert all(0.25 * n - 2 <= k <= 0.35 * n + 2 for n, k in zip(every, some, strict=True)), (every, some)
    for text in said(case.output).values():
        assert "selected in the validation polygons by arg_train.sample_selection" in text
    for folder in ("learningSamples", "model/model_1_seed_0"):
        for path in (plain.output / folder).glob("*.[sn]*"):
            assert path.read_bytes() == (case.output / folder / path.name).read_bytes(), path.name


def test_options_without_effect_make_nothing_stale(plain: Case) -> None:
    inactive = {"activate": False, "strategy": "smote", "samples.strategy": "balance"}
    config = load_config(two_regions(plain, class_weight={}, sample_augmentation=inactive))
    found = preview_run(config, runner.Options()).verdicts
    assert {verdict.state for verdict in found.values()} == {"fresh"}
