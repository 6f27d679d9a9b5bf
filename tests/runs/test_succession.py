"""A run after a killed one: workers of the killed run, which may live briefly, cause no damage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from iota2.chains.load import load_config
from iota2.core.graph import Artifact, JobContext, Resources, Step
from iota2.io.files.atomic import temporary_path, write_text
from iota2.runs import runner
from iota2.runs.plan.jobs import Plan
from iota2.runs.records.lock import LOCK, lock_text, locked, require_lock
from iota2.runs.records.records import Ledger
from iota2.runs.records.verdicts import assess
from iota2.runs.workers.execute import DebugEngine, execute
from iota2.runs.workers.job import JobResult, Task, run_task
from tests.chain.helpers import Case, case, small
from tests.runs.test_execute import planned

__all__ = ["case", "small"]


def write(job: JobContext) -> None:
    """Another run takes over the folder while this job processes tile B."""
    root = job.out.text.parents[1]
    (root / "begun").touch()
    if job.key.tile == "B":
        (root / LOCK).write_text("of another run")
    write_text(job.out.text, "made")


TEXT = Artifact("texts/{tile}.txt", "Text.")
STEPS = (Step("one", "init", "One.", "one_{tile}", write, ("tile",), {}, {"text": TEXT}),)


def run(plan: Plan) -> dict[str, JobResult]:
    return execute(plan, assess(plan, Ledger(plan.root), {}), DebugEngine(), lambda result: None, Resources())


def test_outputs_of_a_worker_of_a_former_run_are_discarded(tmp_path: Path) -> None:
    with locked(tmp_path):
        results = run(planned(tmp_path, "AB", STEPS))
    assert results["one/one_A"].state == "done"
    assert results["one/one_B"].state == "failed"
    assert "another run now uses this folder" in results["one/one_B"].message
    assert sorted(path.name for path in (tmp_path / "texts").iterdir()) == ["A.txt"]


def test_a_job_of_a_former_run_does_not_start(tmp_path: Path) -> None:
    class Later(DebugEngine):
        """The jobs reach their worker after another run has taken over the folder."""

        def submit(self, task: Task, needed: object) -> None:
            stale = run_task(replace(task, lock="of a former run"))
            assert stale.state == "failed"
            assert not (plan.root / "begun").exists()
            super().submit(task, ())

    plan = planned(tmp_path, "A", STEPS)
    with locked(tmp_path):
        results = execute(plan, assess(plan, Ledger(plan.root), {}), Later(), lambda result: None, Resources())
    assert results["one/one_A"].state == "done"


def test_two_runs_of_one_process_have_different_locks(tmp_path: Path) -> None:
    with locked(tmp_path):
        first = lock_text(tmp_path)
        require_lock(tmp_path, first)
    require_lock(tmp_path, first)  # no run uses the folder
    with locked(tmp_path):
        assert lock_text(tmp_path) != first


def test_a_run_removes_temporary_files_at_its_start_and_end(case: Case) -> None:
    """Temporary files of a killed run are removed before the first job, those of a killed worker at the end."""
    config = load_config(case.configured())
    root = config.chain.output_path
    seen: list[bool] = []

    class Looks(runner.Watcher):
        def ended(self, result: JobResult) -> None:
            seen.append(before.exists())
            temporary_path(root / "final" / "map.tif", "scratch").write_text("half")

    runner.run(config, runner.Options(workers=0, last_step="init"), runner.Watcher())
    before = temporary_path(root / "features" / "mask.tif")
    before.write_text("half")
    stranger = root / "final" / ".map.part.tif"
    stranger.write_text("not ours")
    runner.run(config, runner.Options(workers=0), Looks())
    assert seen
    assert not any(seen)
    assert [path for path in root.rglob(".*") if path.is_file() and path.parts[-2] != ".iota2"] == [stranger]


def test_an_interrupted_run_leaves_no_temporary_files(case: Case) -> None:
    config = load_config(case.configured())
    root = config.chain.output_path

    class Stops(runner.Watcher):
        def ended(self, result: JobResult) -> None:
            temporary_path(root / "logs" / "html" / "index.html").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.run(config, runner.Options(workers=0), Stops())
    assert not list(root.rglob(".*.part*"))
