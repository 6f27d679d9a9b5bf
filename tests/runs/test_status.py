"""The status of a run agrees with its records, during the run and after it was killed."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from iota2 import layout
from iota2.chains.load import load_config
from iota2.runs import runner
from iota2.runs.plan.jobs import Plan
from iota2.runs.preview import survey_and_plan
from iota2.runs.progress.status import (
    MIN_INTERVAL_SECONDS,
    Status,
    failures,
    job_states,
    jobs_left_out,
    last_run_state,
    note_end,
    note_start,
)
from iota2.runs.records.records import Ledger, Record
from iota2.runs.records.verdicts import Verdict
from iota2.runs.workers.job import JobResult
from tests.chain.helpers import Case, case, command, run, small

__all__ = ["case", "small"]


@pytest.fixture
def plan(small: Case) -> Plan:
    plan = survey_and_plan(load_config(small.configured()))[1]
    yield plan
    shutil.rmtree(plan.root, ignore_errors=True)


def of(plan: Plan, state: str) -> dict[str, Verdict]:
    return {job.id: Verdict(state, "", None, "", {}) for job in plan.jobs}  # type: ignore[arg-type]


def test_records_complete_the_status_file(plan: Plan) -> None:
    ledger, (first, second, third, *rest) = Ledger(plan.root), [job.id for job in plan.jobs]
    ledger.add(Record(third, 1, "", {}, {}))
    note_start(plan.root)
    status = Status(plan, of(plan, "stale"))
    status.write()
    ledger.add(Record(first, 1, "", {}, {}))
    status.ended(JobResult(first, "done"))
    ledger.add(Record(second, 1, "", {}, {}))
    with open(ledger.path, "a", encoding="utf-8") as journal:
        journal.write('{"id": "' + rest[0])
    found = job_states(plan.root)
    assert [found[id_].state for id_ in (first, second, third, rest[0])] == ["done", "done", "waiting", "waiting"]
    assert MIN_INTERVAL_SECONDS > 1, "the file is updated with a delay"


def test_states_have_the_usual_names_and_failures_show_their_first_line(plan: Plan) -> None:
    first, second, third, *_ = [job.id for job in plan.jobs]
    status = Status(plan, of(plan, "stale") | {third: of(plan, "fresh")[third]})
    status.ended(JobResult(first, "kept"))
    status.ended(JobResult(second, "failed", 1.5, "no: such  file\nmore", peak=77))
    status.write()
    found = job_states(plan.root)
    assert {job.state for job in found.values()} == {"up to date", "failed", "waiting"}
    assert (found[first].state, found[third].state) == ("up to date", "up to date")
    assert failures(plan.root) == {second: "no: such  file"}
    assert found[second].measured == "1.50 s 77 MiB"


def test_the_end_of_the_last_run_is_known(plan: Plan) -> None:
    assert last_run_state(plan.root) is None
    note_start(plan.root)
    assert last_run_state(plan.root) == "running"
    note_end(plan.root, "failed")
    assert last_run_state(plan.root) == "failed"
    (plan.root / layout.LAST_RUN.path).write_text("[")
    assert last_run_state(plan.root) is None


def counts(printed: str) -> dict[str, int]:
    """Numbers of jobs by state, from the second line."""
    return {state: int(count) for count, state in re.findall(r"(\d+) ([a-z ]+)", printed.splitlines()[1])}


@pytest.mark.long
def test_status_agrees_with_plan_after_a_run_was_killed(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    config = case.configured()
    journal = case.output / layout.RECORDS.path
    arguments = [Path(sys.executable).with_name("iota2"), "run", config, "--workers", "0"]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not journal.exists() or journal.read_bytes().count(b"\n") < 12:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    recorded = journal.read_bytes().count(b"\n")
    _, printed, _ = command(capsys, "status", config)
    assert "no run in progress; the last one did not finish: it was killed" in printed
    assert counts(printed)["done"] == recorded
    _, planned, _ = command(capsys, "plan", config)
    assert f"{recorded} are up to date" in planned.splitlines()[-1]
    run(config)
    _, printed, _ = command(capsys, "status", config)
    assert "the last one finished successfully" in printed
    assert set(counts(printed)) == {"done", "up to date"}
    assert counts(printed)["up to date"] == recorded


def test_status_shows_the_number_of_jobs_that_were_not_requested(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    config = case.configured()
    total = len(survey_and_plan(load_config(config))[1].jobs)
    runner.run(load_config(config), runner.Options(workers=0, last_step="init"), runner.Watcher())
    _, printed, _ = command(capsys, "status", config)
    done = counts(printed)["done"]
    assert 0 < done < total
    assert printed.splitlines()[2] == (
        f"{total - done} of {total} jobs not requested: the last run is limited to some steps"
    )
    assert "the last one finished successfully" in printed


def test_state_written_by_an_earlier_version_is_read(plan: Plan) -> None:
    note_start(plan.root, 3)
    note_end(plan.root, "done")
    assert jobs_left_out(plan.root) == 3
    (plan.root / layout.LAST_RUN.path).write_text('{"state": "done", "journal": 0}')
    assert (last_run_state(plan.root), jobs_left_out(plan.root)) == ("done", 0)
