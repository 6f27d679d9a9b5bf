"""A builder of the user, run as a whole: its group, its errors and its parameters."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from iota2 import layout
from iota2.chains.load import load_config
from iota2.errors import JobsFailed, UserError
from iota2.runs import runner
from iota2.runs.options import Options
from tests.chain.helpers import Case, case, command, small
from tests.chains.test_lookup import OWN

__all__ = ["case", "small"]


def configured(case: Case, tmp_path: Path, text: str) -> Path:
    """A configuration that selects the builder of a file with this text."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "own.py").write_text(text, encoding="utf-8")
    return case.configured(builders={"builders_class_name": ["Own"], "builders_paths": [str(folder)]})


def run(config: Path) -> Path:
    loaded = load_config(config)
    runner.run(loaded, Options(workers=0), runner.Watcher())
    return loaded.chain.output_path


def test_a_step_in_a_group_of_its_own_runs_by_default(case: Case, tmp_path: Path) -> None:
    output = run(configured(case, tmp_path, OWN.replace('"ownStep", "init"', '"ownStep", "mine"')))
    assert (output / "final/own.txt").read_text(encoding="utf-8") == "done"


def test_a_step_that_ends_the_program_is_a_failed_job_with_its_line(case: Case, tmp_path: Path) -> None:
    text = OWN.replace('job.out.own.write_text("done")', "raise SystemExit(0)")
    with pytest.raises(JobsFailed, match=r"own\.py, line \d+: SystemExit: 0"):
        run(configured(case, tmp_path, text))


def test_parameters_without_a_digest_name_the_step_and_its_file(case: Case, tmp_path: Path) -> None:
    text = OWN.replace('makes={"own": FILE})', 'makes={"own": FILE}, params=lambda config: {1, 2})')
    with pytest.raises(UserError, match=r"mine/\*\.py: step ownStep: parameters contain a set"):
        run(configured(case, tmp_path, text))


class Listens(runner.Watcher):
    """Collects the messages."""

    def __init__(self) -> None:
        self.reported: list[str] = []

    def say(self, text: str) -> None:
        self.reported.append(text)


def test_a_builder_without_features_and_map_reports_neither(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(case, tmp_path, OWN)
    for remaining in (True, False):
        code, printed, _ = command(capsys, "check", config)
        assert code == 0
        assert "1 tile of 4,096 pixels in all\n" in printed
        assert "features per pixel" not in printed
        assert ("Nothing remains to do." in printed) is not remaining
        assert ("Next: iota2 run" in printed) is remaining
        run(config)
    code, printed, _ = command(capsys, "check", case.configured())
    assert "features per pixel\n1 tile of 4,096 pixels in all; the map has" in printed


@pytest.mark.long
def test_a_run_reports_only_what_it_made_or_found_up_to_date(case: Case, tmp_path: Path) -> None:
    def said(config: Path, last_step: str | None = None) -> str:
        listens = Listens()
        runner.run(load_config(config), Options(workers=0, last_step=last_step), listens)
        return "\n".join(listens.reported)

    summary = "Reference polygons and samples"
    assert summary in said(case.configured())
    assert summary in said(case.configured(), "init"), "it is up to date"
    case.reference().iloc[3:].to_file(case.files.ground_truth)
    assert summary not in said(case.configured(), "init")
    config = configured(case, tmp_path, OWN.replace('"A file.")', '"A file of mine.", role="product")'))
    assert summary not in said(config)
    pages = {
        name: (case.output / f"logs/html/{name}.html").read_text("utf-8") for name in ("output_path_content", "results")
    }
    listed = set(re.findall(r"<code>([^<]*)</code>(?:</a>)?</td>", pages["output_path_content"]))
    assert {"final/own.txt", "features/recipe.json", "logs/html/index.html"} <= listed
    assert not {"model/model_{region}_seed_{seed}", "final/report.html", layout.LOSSES.path} & listed
    assert '<a href="../../final/own.txt"><code>final/own.txt</code></a>: A file of mine.' in pages["results"]
    assert "final/Classif_Seed_0.tif" not in pages["results"]
