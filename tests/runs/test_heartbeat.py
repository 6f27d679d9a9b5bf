"""Heartbeats of running jobs, and the last heartbeat of a killed job."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import time
from pathlib import Path

import pytest

from iota2.core.graph import Artifact, JobContext, Resources, Step
from iota2.core.random import generator
from iota2.errors import InputError
from iota2.runs.plan.jobs import make_plan
from iota2.runs.records.lock import locked
from iota2.runs.records.records import Ledger
from iota2.runs.records.verdicts import assess
from iota2.runs.workers import heartbeat
from iota2.runs.workers.execute import DebugEngine, Retry, execute
from iota2.runs.workers.heartbeat import (
    Heartbeat,
    beating,
    clear_heartbeats,
    heartbeat_file,
    read_heartbeat,
    read_heartbeats,
)
from iota2.runs.workers.job import JobResult
from iota2.runs.workers.local import local_workers
from tests.chain.helpers import WEST, Case, case, command, small
from tests.runs.rows import rows_of

__all__ = ["case", "small"]
MADE = Artifact("made/{tile}.txt", "Made.")
JOB = "step/a job with a <name> 森"


def wait_until(true: object, seconds: float = 30.0) -> None:
    """Wait for a condition; the test fails if it is never met."""
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_job_writes_heartbeats_while_it_runs_and_removes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "FIRST_SECONDS", 0.0)
    with beating(tmp_path, JOB, "host:1"):
        wait_until(lambda: read_heartbeats(tmp_path))
        beat = read_heartbeats(tmp_path)[JOB]
        assert (beat.worker, beat.seen >= beat.started, beat.peak > 10) == (
            "host:1",
            True,
            True,
        )
        assert read_heartbeat(tmp_path, JOB) is not None
    assert list(heartbeat_file(tmp_path, JOB).parent.iterdir()) == []


def test_a_short_job_writes_nothing(tmp_path: Path) -> None:
    with beating(tmp_path, JOB, "host:1"):
        pass
    assert not heartbeat_file(tmp_path, JOB).parent.exists()


def test_a_job_continues_if_heartbeats_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "FIRST_SECONDS", 0.0)
    (tmp_path / "logs").write_text("in the way", encoding="utf-8")
    with beating(tmp_path, JOB, "host:1"):
        time.sleep(0.05)
    assert read_heartbeats(tmp_path) == {}


def write_heartbeat_and_die(root: Path) -> None:
    heartbeat.FIRST_SECONDS = 0.0
    with beating(root, JOB, "host:1"):
        wait_until(lambda: read_heartbeat(root, JOB))
        os.kill(os.getpid(), signal.SIGKILL)


def test_the_heartbeat_of_a_killed_job_remains_until_it_is_cleared(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=write_heartbeat_and_die, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert read_heartbeats(tmp_path)[JOB].peak > 10
    heartbeat_file(tmp_path, JOB).with_name("step-0.json").write_text("cut sho", encoding="utf-8")
    assert list(read_heartbeats(tmp_path)) == [JOB], "an unreadable file is ignored"
    clear_heartbeats(tmp_path)
    assert read_heartbeats(tmp_path) == {}


# ---------------------------------------------------------------------------------------------------- attempts


def fails_with_little(job: JobContext) -> None:
    """Fails with less than 64 MiB."""
    if job.use.memory < 64 << 20:
        raise InputError("not enough")
    job.out.made.write_text("made")


def dies(job: JobContext) -> None:
    """Ends its process after its first heartbeat."""
    if (job.out.made.parents[1] / "alone").exists():
        raise InputError("not alone")
    wait_until(lambda: read_heartbeat(job.out.made.parents[1], "step/step_A"))
    os.kill(os.getpid(), signal.SIGKILL)


def executed(root: Path, run: object, engine: object, retry: Retry) -> JobResult:
    step = Step("step", "init", "Step.", "step_{tile}", run, ("tile",), {}, {"made": MADE})  # type: ignore[arg-type]
    plan = make_plan((step,), rows_of({"A": (1, ["1"])}, ["S"], 1), None, root=root, constants={})
    verdicts = assess(plan, Ledger(root), {})
    use = Resources(memory=16 << 20)
    (result,) = execute(plan, verdicts, engine, lambda result: None, use, retry=retry).values()  # type: ignore[arg-type]
    return result


def test_a_failed_attempt_has_its_peak_memory_and_the_log_contains_all_attempts(tmp_path: Path) -> None:
    failed = executed(tmp_path, fails_with_little, DebugEngine(), Retry(1))
    assert failed.state == "failed"
    assert failed.peak > 10
    log = (tmp_path / "logs/step/step_A.out").read_text()
    assert log.count(" MiB\n") == 2, "two attempts, each with its peak"
    assert "tried again with 32 MiB" in log
    assert f"peak memory of the process {failed.peak} MiB" in log
    assert (tmp_path / "logs/step/step_A.err").read_text().count("not enough") == 2
    done = executed(tmp_path, fails_with_little, DebugEngine(), Retry(2))
    assert done.state == "done"
    assert (tmp_path / "logs/step/step_A.out").read_text().count("failed after") == 2, "only attempts of this run"


@pytest.mark.slow
def test_a_job_whose_worker_dies_reports_its_last_heartbeat(tmp_path: Path) -> None:
    with local_workers(1) as cluster:
        result = executed(tmp_path, dies, cluster, Retry())
    beat = read_heartbeat(tmp_path, "step/step_A")
    assert isinstance(beat, Heartbeat)
    assert (result.state, result.peak, result.worker) == ("failed", beat.peak, beat.worker)
    assert f"peak memory {beat.peak} MiB" in result.message
    assert " died after " in (tmp_path / "logs/step/step_A.out").read_text(), "the next attempt reports it"


# ------------------------------------------------------------------------------------------------ at the command line


@pytest.mark.slow
def test_status_and_why_show_the_memory_of_failed_and_running_jobs(
    case: Case, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = case.configured()
    image = case.file("*_FRE_B8.tif")
    content = image.read_bytes()
    middle = len(content) // 2
    image.write_bytes(content[:middle] + generator(0).bytes(200) + content[middle + 200 :])
    assert command(capsys, "run", config, "--workers", "0")[0] == 2
    failed = f"samplesExtraction/extraction_{WEST}_part_0"
    _, printed, _ = command(capsys, "status", config)
    (line,) = (line for line in printed.splitlines() if failed in line)
    peak = re.search(r"failed +[\d.]+ s +(\d+) MiB", line)
    assert peak is not None
    assert int(peak[1]) > 50
    _, printed, _ = command(capsys, "why", config, failed)
    assert f"{peak[1]} MiB" in printed
    assert f"peak memory of the process {peak[1]} MiB" in (case.output / f"logs/{failed}.out").read_text()
    monkeypatch.setattr(heartbeat, "FIRST_SECONDS", 0.0)
    with locked(case.output), beating(case.output, failed, "host:7"):
        wait_until(lambda: read_heartbeat(case.output, failed))
        _, printed, _ = command(capsys, "status", config)
    assert re.search(rf"running for \d+ s, \d+ MiB so far, on host:7  {failed}", printed)
    clear_heartbeats(case.output)
    assert "running for" not in command(capsys, "status", config)[1]
