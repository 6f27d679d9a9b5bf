"""Reports agree with the run: models of the products, outdated products, jobs to run."""

from __future__ import annotations

import json
import re

import pytest

from iota2.chains.classification import CLASSIFICATION
from iota2.chains.load import load_config
from iota2.core.builder import Chain
from iota2.runs import runner
from iota2.runs.records.lock import locked
from tests.chain.helpers import WEST, Case, case, command, copied, run, small

__all__ = ["case", "small"]


def trees(number: int) -> dict[str, dict[str, int]]:
    return {"otb_classifier_options": {"classifier.rf.nbtrees": number}}


@pytest.fixture(scope="module")
def mapped(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A complete run."""
    made = copied(small, tmp_path_factory.mktemp("truth") / "world")
    run(made.configured())
    return made


def up_to_date(printed: str) -> list[str]:
    """Names of the products that a run lists as current."""
    listed = printed.partition("Products:")[2].partition("OUT OF DATE")[0]
    return re.findall(r"/final/(\S+)$", listed, re.M)


def test_the_report_describes_the_models_that_made_the_map(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    run(case.configured())
    config = case.configured(arg_train=trees(3))
    code, printed, _ = command(
        capsys, "run", config, "--workers", "0", "--first-step", "validation", "--force", "reportGeneration"
    )
    assert code == 0
    report = (case.output / "final/report.html").read_text(encoding="utf-8")
    message = json.loads((case.output / "final/metrics.json").read_text(encoding="utf-8"))["provenance"]
    assert [model["parameters"]["classifier.rf.nbtrees"] for model in message["models"]] == [5]
    assert "nbtrees" not in json.dumps(message["configuration"])
    assert re.findall(r"classifier\.rf\.nbtrees: (\d+)", report) == ["5"]
    assert '"classifier.rf.nbtrees": 3' not in report
    assert "OUT OF DATE, from an earlier run: learnModel has to run (classifier.rf.nbtrees: 5 → 3)" in printed
    assert up_to_date(printed) == ["Classif_table.csv"]


def test_outdated_products_of_an_earlier_run_are_reported(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    run(case.configured())
    config = case.configured(arg_train=trees(4))
    code, printed, _ = command(capsys, "run", config, "--workers", "0", "--last-step", "learning")
    assert code == 0
    _, old = printed.split("OUT OF DATE, from an earlier run: classification has to run (model/model_1_seed_0 changed)")
    for name in ("Classif_Seed_0.tif", "Classif_Seed_0.qml"):
        assert str(case.output / "final" / name) in old
    assert up_to_date(printed) == ["Classif_table.csv"]
    code, printed, _ = command(capsys, "run", config, "--workers", "0", "--json", "--last-step", "mosaic")
    done = json.loads(printed.splitlines()[-1])
    reasons = {product["path"].rsplit("/", 1)[1]: product["out_of_date"] for product in done["products"]}
    assert all(product["about"] for product in done["products"])
    assert reasons["Classif_Seed_0.tif"] is None
    assert "confusionCmd has to run" in reasons["RESULTS.txt"]
    code, printed, _ = command(capsys, "run", config, "--workers", "0")
    assert "Products:" in printed
    assert "OUT OF DATE" not in printed


def test_check_agrees_with_plan_when_all_jobs_are_up_to_date(mapped: Case, capsys: pytest.CaptureFixture[str]) -> None:
    config = mapped.configured()
    for arguments in (("check", config), ("run", config, "--workers", "0")):
        code, printed, _ = command(capsys, *arguments)
        assert code == 0
        assert printed.count("[ ] Step") > 20
        assert "[x]" not in printed
    _, planned, _ = command(capsys, "plan", config)
    _, checked, _ = command(capsys, "check", config)
    assert planned.splitlines()[-1].startswith("0 jobs will run")
    assert f"Configuration is valid: {planned.splitlines()[-1]}." in checked


def test_why_without_a_job_lists_the_jobs_and_gives_an_example(
    mapped: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    trees = {"arg_train": {"otb_classifier_options": {"classifier.rf.nbtrees": 4}}}
    for given, example in ((trees, "learnModel/"), ({}, "featureRecipe/")):
        config = mapped.configured(**given)
        code, printed, error = command(capsys, "why", config)
        assert code == 0, error
        _, planned, _ = command(capsys, "plan", config)
        *listed, last = printed.splitlines()
        assert listed == [line for line in planned.splitlines() if not line.startswith("note: ")]
        assert last.startswith(f"All reasons for a job, with its inputs and outputs: iota2 why {config} {example}")
        assert command(capsys, *last.split(" iota2 ")[1].split())[0] == 0


def test_a_locked_folder_is_refused_before_other_messages(mapped: Case, capsys: pytest.CaptureFixture[str]) -> None:
    config = mapped.configured()
    with locked(mapped.output):
        code, printed, error = command(capsys, "run", config, "--workers", "0")
    assert code == 1
    assert "another run uses this folder" in error
    assert "Step" not in printed


def test_insufficient_memory_is_reported_with_the_required_memory(
    mapped: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    config = mapped.configured(arg_train={"random_seed": 9})
    code, _, error = command(capsys, "run", config, "--workers", "0", "--memory", "1")
    assert code == 1
    assert re.search(rf"tile {WEST}: a block of \d+ x \d+ pixels needs [\d.]+ MB, but a job has 1\.0 MB", error)


def test_a_step_is_accepted_instead_of_a_group_and_an_unknown_name_lists_the_steps(
    mapped: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = command(capsys, "plan", mapped.configured(), "--first-step", "learnModels")
    assert code == 1
    assert "did you mean 'learnModel'? Groups: init, sampling, dimred, learning, classification" in error
    assert "vectorisation" not in error
    number = Chain((CLASSIFICATION,)).numbers["learnModel"]
    code, printed, _ = command(
        capsys, "plan", mapped.configured(), "--first-step", "learnModel", "--last-step", str(number)
    )
    assert code == 0
    assert printed.startswith(f"Step {number} learnModel: ")
    assert f"Step {number + 1}" not in printed
    _, message, _ = command(capsys, "run", "--help")
    words = set(re.findall(r"\w+", message))
    assert words >= {"init", "validation", "vectorisation", "referenceData", "reportGeneration"}
    assert "smoothing" not in words, "a group without steps"


def test_a_changed_class_name_or_colour_runs_only_the_steps_that_show_it(case: Case) -> None:
    config = case.configured(arg_classification={"enable_probability_map": True})
    run(config)
    for path in (case.files.nomenclature, case.files.colors):
        text = path.read_text(encoding="utf-8")
        changed = f"other {text}" if path == case.files.nomenclature else re.sub(r" \d+\n", " 77\n", text, count=1)
        path.write_text(changed, encoding="utf-8")
        results = runner.run(load_config(config), runner.Options(workers=0), runner.Watcher())
        ran = {id_.split("/")[0] for id_, result in results.items() if result.state == "done"}
        assert ran == {"referenceData", "mosaic", "confusionFigure", "reportGeneration"}


def test_the_page_of_workers_is_kept_by_a_run_without_jobs(case: Case) -> None:
    config = case.configured()
    run(config)
    page = case.output / "logs/html/timeline.html"
    before = page.read_text(encoding="utf-8")
    assert "Longest jobs" in before
    run(config)
    assert page.read_text(encoding="utf-8") == before
    assert "none was executed" in (case.output / "logs/html/index.html").read_text(encoding="utf-8")
