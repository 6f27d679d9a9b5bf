"""Reasons name the difference: the option with both values, the file, the image, or the error of the last run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pytest

from iota2.chains.load import load_config
from iota2.config.learner import Learner
from iota2.config.options.schema import SECTIONS
from iota2.errors import JobsFailed
from iota2.runs import runner
from iota2.runs.preview import preview_run, survey_and_plan
from iota2.runs.progress.reasons import differences, flat_parameters, image_changes, kept_parameters
from iota2.steps.learning.training import TrainingParams
from iota2.steps.prepare import common_mask
from iota2.steps.prepare.validity import ValidityParams
from iota2.steps.products import mosaic, regularisation, smoothing
from iota2.steps.sampling import formatting
from iota2.steps.validation import (
    difference,
    map_stages,
    merge_runs,
    merge_runs_accuracy,
    merge_runs_confusion,
    report,
)
from tests.chain.helpers import WEST, Case, case, command, copied, run, small
from tests.io.damage import rewritten

__all__ = ["case", "small"]

MAP_STEPS = (
    common_mask,
    formatting,
    mosaic,
    smoothing,
    regularisation,
    map_stages,
    difference,
    merge_runs,
    merge_runs_accuracy,
    merge_runs_confusion,
    report,
)
"""Modules of steps with parameters by option name."""


def edit_polygon(case: Case) -> None:
    path = case.files.ground_truth
    frame = gpd.read_file(path)
    frame.geometry = [polygon.buffer(-1) if number == 0 else polygon for number, polygon in enumerate(frame.geometry)]
    frame.to_file(path)


def rename_class(case: Case) -> None:
    lines = case.files.nomenclature.read_text(encoding="utf-8").splitlines()
    case.files.nomenclature.write_text("\n".join([f"other {lines[0]}", *lines[1:]]), encoding="utf-8")


def edit_two_images(case: Case) -> None:
    for number in (0, 1):
        path = case.file("*_FRE_B4.tif", number)
        rewritten(path, compress="lzw")


def verdicts(config: Path) -> dict[str, str]:
    """Reason of each job that will run, by step."""
    preview = preview_run(load_config(config), runner.Options())
    return {id_.split("/")[0]: v.reason for id_, v in preview.verdicts.items() if v.state == "stale"}


@pytest.fixture(scope="module")
def mapped(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A complete run."""
    made = copied(small, tmp_path_factory.mktemp("reasons") / "world")
    run(made.configured())
    return made


@dataclass
class Undo:
    """Restores the content of files."""

    root: Path

    def __enter__(self) -> None:
        self.before = {p: (p.read_bytes(), p.stat()) for p in self.root.rglob("*") if p.is_file()}

    def __exit__(self, *error: object) -> None:
        for path, (content, _) in self.before.items():
            if path.read_bytes() != content:
                path.write_bytes(content)


CHANGES: dict[str, tuple[Callable[[Case], object], Callable[[Case], dict[str, str]]]] = {
    "a polygon": (edit_polygon, lambda case: {"referenceData": f"{case.files.ground_truth}: content changed"}),
    "a name": (rename_class, lambda case: {"referenceData": f"{case.files.nomenclature}: content changed"}),
    "images": (
        edit_two_images,
        lambda case: dict.fromkeys(
            ("CommonMasks", "PixelValidity", "samplesExtraction", "classification"),
            f"{case.file('*_FRE_B4.tif', 0).name} changed (+ 1 more)",
        ),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_named(mapped: Case, change: str) -> None:
    alter, expected = CHANGES[change]
    config = mapped.configured()
    with Undo(mapped.files.folder):
        alter(mapped)
        assert verdicts(config) == expected(mapped)
    assert verdicts(config) == {}


def test_a_changed_option_is_reported_with_both_values(mapped: Case) -> None:
    message = verdicts(mapped.configured(arg_train={"otb_classifier_options": {"classifier.rf.nbtrees": 7}}))
    assert message == {"learnModel": "classifier.rf.nbtrees: 5 → 7"}
    message = verdicts(mapped.configured(arg_train={"random_seed": 2}))
    assert message["learnModel"] == "arg_train.random_seed: 1 → 2"
    assert set(message.values()) <= {"arg_train.random_seed: 1 → 2", "random_seed: 1 → 2"}


def test_why_shows_all_reasons_and_plan_the_first(mapped: Case, capsys: pytest.CaptureFixture[str]) -> None:
    config = mapped.configured(arg_train={"random_seed": 2, "ratio": 0.6})
    with Undo(mapped.files.folder):
        edit_polygon(mapped)
        _, planned, _ = command(capsys, "plan", config)
        code, printed, _ = command(capsys, "why", config, "referenceData")
    assert code == 0
    first = f"{mapped.files.ground_truth}: content changed"
    assert f"reference_data: {first} (+ 2 more)" in planned
    lines = [line.strip() for line in printed.splitlines()]
    assert lines[:4] == ["referenceData/reference_data: will run", first, "ratio: 0.5 → 0.6", "random_seed: 1 → 2"]
    _, printed, _ = command(capsys, "why", mapped.configured(), "learnModel")
    assert "up to date: up to date" not in printed


def test_why_suggests_the_step_of_a_misspelt_job(mapped: Case, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = command(capsys, "why", mapped.configured(), "clasification")
    assert code == 1
    assert "No job name contains 'clasification'; did you mean 'classification'? Names of jobs" in error
    assert "contains 'xyzzy'. Names of jobs" in command(capsys, "why", mapped.configured(), "xyzzy")[2]


def test_the_reason_of_a_failed_job_is_its_error(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    path = case.file("*_FRE_B8.tif")
    content = path.read_bytes()
    middle = len(content) // 2
    config = case.configured()
    code, _, _ = command(capsys, "run", config, "--workers", "0", "--last-step", "init")
    assert code == 0
    path.write_bytes(content[:middle] + bytes(range(256)) + content[middle + 256 :])
    with pytest.raises(JobsFailed):
        run(config)
    message = verdicts(config)
    assert message["samplesExtraction"].startswith("failed in the last run: ")
    assert path.name in message["samplesExtraction"]
    assert message["learnModel"] == "never made"


def test_parameters_are_saved_once_per_step_and_dropped_when_unused(case: Case) -> None:
    config = run(case.configured(arg_train={"otb_classifier_options": {"classifier.rf.nbtrees": 3}}))
    steps = len(survey_and_plan(config)[1].steps)
    first = kept_parameters(config.chain.output_path)
    assert 1 < len(first) <= steps
    run(case.configured(arg_train={"otb_classifier_options": {"classifier.rf.nbtrees": 4}}))
    run(case.configured(arg_train={"otb_classifier_options": {"classifier.rf.nbtrees": 5}}))
    last = kept_parameters(config.chain.output_path)
    trees = {kept["classifier.rf.nbtrees"] for kept in last.values() if "classifier.rf.nbtrees" in kept}
    assert trees == {"4", "5"}, "parameters without a record are dropped"
    assert len(last) == len(first) + 1


def test_moved_images_are_reported_as_moved() -> None:
    before = {f"/archive/tiles/{WEST}/{name}": "same" for name in ("a.tif", "b.tif")}
    now = {f"/moved/{WEST}/{name}": "same" for name in ("a.tif", "b.tif")}
    assert image_changes(before, now) == ["the images were moved from /archive/tiles to /moved"]
    assert image_changes(before, before | {f"/archive/tiles/{WEST}/c.tif": "x"}) == ["c.tif is new"]
    assert image_changes(before, dict(list(before.items())[:1])) == ["b.tif is missing"]
    assert image_changes(before, before) == []


def test_values_are_compared_by_name_and_files_by_content(tmp_path: Path) -> None:
    forest = flat_parameters(TrainingParams(Learner("rf", {"n_estimators": 50}), 1))
    assert forest == {
        "arg_train.classifier": "rf",
        "classifier.rf.nbtrees": "50",
        "arg_train.random_seed": "1",
        "arg_classification.calibration": "none",
        "arg_train.class_weight": "None",
        "arg_train.dempster_shafer_sar_opt_fusion": "False",
        "arg_train.autocontext_iterations": "None",
        "arg_train.context_window": "None",
    }
    assert differences(
        flat_parameters(ValidityParams("EPSG:1", 1, {})), flat_parameters(ValidityParams("EPSG:1", 2, {}))
    ) == ["cloud_threshold: 1 → 2"]
    path = tmp_path / "classes.txt"
    path.write_text("one")
    before = json.loads(json.dumps(flat_parameters({"names": path})))
    assert differences(before, flat_parameters({"names": path})) == []
    path.write_text("two")
    assert differences(before, flat_parameters({"names": path})) == [f"{path}: content changed"]
    moved, other = tmp_path / "moved" / path.name, tmp_path / "other.txt"
    moved.parent.mkdir()
    moved.write_text("one")
    assert differences(before, flat_parameters({"names": moved})) == [], "the same bytes at another path"
    other.write_text("two")
    assert differences(before, flat_parameters({"names": other})) == [f"names: {path} → {other}"]
    assert differences(before, flat_parameters({"names": None})) == [f"names: {path} → None"]
    assert differences({"a": "1"}, {}) == ["a: 1 → not set"]


def test_of_long_values_the_part_that_differs_is_shown() -> None:
    files = [f"final/Product_{k}_seed_0.tif" for k in range(9)]
    before = flat_parameters({"files": files})
    for now, said in (
        ([*files[:4], "new.tif", *files[4:]], "files: … → …, new.tif, …"),
        ([*files, "new.tif"], "files: … → …, new.tif"),
        (["new.tif", *files[1:]], f"files: {files[0]}, … → new.tif, …"),
        ([*files[:3], *files[4:]], f"files: …, {files[3]}, … → …"),
    ):
        assert differences(before, flat_parameters({"files": now})) == [said]
    folder = "/archive/" + "f" * 200
    (text,) = differences({"path": f"{folder}/one"}, {"path": f"{folder}/two"})
    assert text == f"path: …{'f' * 19}/one → …{'f' * 19}/two"
    (text,) = differences({"text": "a" * 100}, {"text": "b" * 100})
    assert text == f"text: {'a' * 80}… → {'b' * 80}…"


def test_differences_of_maps_have_the_names_of_options(mapped: Case) -> None:
    def parameters(**sections: Mapping[str, object]) -> dict[str, str]:
        """Parameters of all steps, by name."""
        config = load_config(mapped.configured(**sections))
        return {
            name: value
            for module in MAP_STEPS
            for name, value in flat_parameters(module.params(config)).items()
            if name not in ("title", "files") and not name.startswith("options.")
        }

    unnamed = [name for name in parameters() if name.partition(".")[0] not in SECTIONS]
    assert unnamed == [
        "images of every sensor needed",
        "classified pixels around the envelope",
        "meaning of the confidence",
    ]
    runs = {"arg_train": {"runs": 3}, "multi_run_fusion": {"merge_run": True}}
    mean = runs | {"multi_run_fusion": {"merge_run": True, "merge_run_method": "mean"}}
    assert set(differences(parameters(**runs), parameters(**mean))) == {
        "multi_run_fusion.merge_run_method: majorityvoting → mean",
        "multi_run_fusion.merge_run_undecidedlabel: 255 → not used",
    }


@dataclass(frozen=True)
class Distance:
    """A parameter with a name."""

    metres: float


@pytest.mark.parametrize("empty", [(), [], "", frozenset(), set()])
def test_an_empty_value_is_called_none(empty: object) -> None:
    given = flat_parameters({"widths": (100, 200)})
    assert differences(given, flat_parameters({"widths": empty})) == ["widths: 100, 200 → none"]
    assert differences(flat_parameters({"widths": empty}), given) == ["widths: none → 100, 200"]
    assert differences(flat_parameters(empty), flat_parameters("text")) == ["none → text"]
    assert differences(flat_parameters({"widths": empty}), flat_parameters({})) == []


@pytest.mark.parametrize("empty", [(), {}])
def test_an_empty_value_in_place_of_named_parts_is_no_further_difference(empty: object) -> None:
    given = flat_parameters({"widths": (Distance(100),)})
    assert differences(given, flat_parameters({"widths": empty})) == ["widths.0.metres: 100 → not set"]
    assert differences(flat_parameters({"widths": empty}), given) == ["widths.0.metres: not set → 100"]


def test_members_of_a_set_have_a_fixed_order() -> None:
    assert flat_parameters({"names": frozenset("dbac")}) == {"names": "a, b, c, d"}
