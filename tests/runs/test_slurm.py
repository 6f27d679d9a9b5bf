"""Runs with a real SLURM: requested resources, and lost workers."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.runs.verify import damaged
from iota2.testing.files import WorldFiles
from iota2.testing.world import DATES, WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.conftest import configured, run_chain
from tests.chain.test_restart import digests
from tests.runs import slurm
from tests.runs.run_process import recorded, wait_for_records
from tests.runs.slurm import Slurm

COMMAND = Path(sys.executable).with_name("iota2")
RESOURCES = "iota2_chain: { ram: '1500mb', walltime: '00:20:00' }\ntraining: { nb_cpu: 2 }\n"
missing_requirement = slurm.missing_requirement()
pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(missing_requirement is not None, reason=missing_requirement or ""),
]


@pytest.fixture(scope="module")
def system() -> Iterator[Slurm]:
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, slurm.started(Path(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> WorldFiles:
    options = WorldOptions(size=64, overlap=16, classes=3, dates=DATES[2:10:2])
    return write_world(make_world(options), tmp_path_factory.mktemp("tiny world"))


def with_account(text: str) -> str:
    return text + "\nslurm:\n{\n    account : 'land'\n    partition : 'main'\n}\n"


class Start(Protocol):
    """Starts a run on SLURM with a number of workers."""

    def __call__(self, config: Config, workers: int, **environment: str) -> subprocess.Popen[str]: ...


@pytest.fixture
def start(system: Slurm) -> Iterator[Start]:
    """Starts runs on SLURM, none of which outlives the test, also one that fails."""
    started = []

    def starts(config: Config, workers: int, **environment: str) -> subprocess.Popen[str]:
        resources = config.source.with_name("resources.cfg")
        resources.write_text(RESOURCES, encoding="utf-8")
        command = [COMMAND, "run", config.source, "--engine", "slurm", "--resources", resources]
        process = subprocess.Popen(
            [*command, "--workers", str(workers)],
            env={**os.environ, **system.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield starts
    for process in started:
        with process:  # closes its output and waits
            process.kill()
    system.output_of("scancel", "--me")
    wait_until(lambda: no_worker_is_left(system), "workers outlive the test")


def running(system: Slurm) -> list[str]:
    return system.output_of("squeue", "-h", "-t", "R", "-o", "%i").split()


def wait_until(true: Callable[[], object], what: str) -> None:
    """Wait until a condition is met, with a generous limit."""
    until = time.monotonic() + 150
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.2)


def no_worker_is_left(system: Slurm) -> bool:
    """Whether SLURM has ended all jobs and their processes."""
    return not system.output_of("squeue", "-h") and not processes_of(system)


def processes_of(system: Slurm, job: str = "") -> list[psutil.Process]:
    """Processes of one job of this SLURM, or of all its jobs."""
    found = []
    for process in psutil.process_iter():
        try:
            given = process.environ()
        except psutil.Error:
            continue
        if given.get("SLURM_CONF") == system.environment["SLURM_CONF"] and "SLURM_JOB_ID" in given:
            found += [process] if job in ("", given["SLURM_JOB_ID"]) else []
    return found


@pytest.fixture(scope="module")
def expected(tiny: WorldFiles) -> dict[str, str]:
    """Digests of the outputs of an undisturbed run, in the folder of the tests, because reports contain its path."""
    config = configured(tiny, tiny.folder / "a run", with_account)
    run_chain(config)
    return digests(config.chain.output_path)


@pytest.fixture
def config(tiny: WorldFiles, expected: dict[str, str]) -> Config:
    """The configuration of a run without completed jobs."""
    config = configured(tiny, tiny.folder / "a run", with_account)
    shutil.rmtree(config.chain.output_path, ignore_errors=True)
    return config


def test_a_cancelled_worker_does_not_change_the_results(
    config: Config, start: Start, system: Slurm, expected: dict[str, str]
) -> None:
    root = config.chain.output_path
    process = start(config, 2)
    wait_for_records(root, 25, process)
    first = running(system)
    assert len(first) == 2
    asked = system.output_of("scontrol", "show", "job", first[0])
    system.output_of("scancel", first[0])
    printed, _ = process.communicate(timeout=400)

    assert process.returncode == 0, printed
    assert digests(root) == expected
    assert "JobState=CANCELLED" in system.output_of("scontrol", "show", "job", first[0])
    for word in ("Account=land", "Partition=main", "TimeLimit=00:20:00", "CPUs/Task=2", r"MinMemoryNode=1500M"):
        assert word in asked
    assert not system.output_of("squeue", "-h", "-t", "R,PD"), "no worker remains after the run"
    logs = sorted((root / "logs/workers").glob("worker-*.log"))
    assert len(logs) >= 2
    assert all("Registered to" in log.read_text(encoding="utf-8") for log in logs[:2])


def test_a_rejected_worker_job_is_reported(tiny: WorldFiles, tmp_path: Path, start: Start) -> None:
    config = configured(tiny, tmp_path, lambda text: with_account(text).replace("'main'", "'nowhere'"))
    process = start(config, 1)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 1, printed
    assert "sbatch rejected a job" in printed
    assert re.search("invalid partition", printed, re.IGNORECASE)
    assert "Traceback" not in printed


def test_a_worker_at_its_time_limit_is_replaced_and_completed_jobs_are_kept(
    config: Config, start: Start, system: Slurm, expected: dict[str, str]
) -> None:
    """The worker is suspended during a job; then its time limit is reduced to the elapsed time."""
    root = config.chain.output_path
    process = start(config, 1)
    wait_for_records(root, 15, process)
    (first,) = running(system)
    for worker in processes_of(system, first):
        worker.suspend()
    before = recorded(root)
    system.output_of("scontrol", "update", f"JobId={first}", "EndTime=now")
    printed, _ = process.communicate(timeout=400)

    assert process.returncode == 0, printed
    assert "JobState=TIMEOUT" in system.output_of("scontrol", "show", "job", first)
    assert digests(root) == expected
    after = recorded(root)
    assert after[: len(before)] == before, "completed jobs are kept"
    message = re.search(r"(\d+) jobs, 0 of them up to date", printed)
    assert message
    assert len(after) == int(message[1]), "no job is recorded twice"


def test_a_job_that_ends_before_its_worker_connects_is_submitted_again(
    config: Config, start: Start, system: Slurm, expected: dict[str, str]
) -> None:
    process = start(config, 1)
    wait_until(
        lambda: system.output_of("squeue", "-h", "-o", "%i") or process.poll() is not None, "no job was submitted"
    )
    (first,) = system.output_of("squeue", "-h", "-o", "%i").split()
    system.output_of("scancel", first)
    printed, _ = process.communicate(timeout=400)
    assert process.returncode == 0, printed
    assert "1 of its jobs ended before their workers connected" in printed
    assert digests(config.chain.output_path) == expected


def test_a_run_without_connecting_workers_stops_and_names_the_log(config: Config, start: Start, system: Slurm) -> None:
    process = start(config, 2, DASK_JOBQUEUE__SLURM__JOB_SCRIPT_PROLOGUE="['echo no such module', 'exit 1']")
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 1, printed
    last = printed[printed.index("error: ") :]
    assert "3 times in a row, and there are no other workers" in last
    log = re.search(r"log of the last one: (.+worker-\d+\.log), which ends: no such module", last)
    assert log, last
    assert Path(log[1]).is_file()
    assert len(list(Path(log[1]).parent.glob("*.log"))) == 2 * 3
    assert "Traceback" not in printed
    assert not system.output_of("squeue", "-h", "-t", "R,PD")
    assert not (config.chain.output_path / layout.LOCK.path).exists()


@pytest.mark.parametrize(
    "at", [(signal.SIGINT, 20), (signal.SIGTERM, 20), (signal.SIGINT, 0)], ids=["INT", "TERM", "early"]
)
def test_a_stopped_run_cancels_its_workers_and_can_be_resumed(
    config: Config, start: Start, system: Slurm, expected: dict[str, str], at: tuple[signal.Signals, int]
) -> None:
    """Stop the run with a signal after a number of completed jobs."""
    number, records = at
    root = config.chain.output_path
    process = start(config, 2)
    wait_until(lambda: (root / layout.STATUS.path).exists() or process.poll() is not None, "no job was begun")
    wait_for_records(root, records, process)
    process.send_signal(number)
    printed, _ = process.communicate(timeout=120)

    assert process.returncode == 130, printed
    assert "completed jobs are kept" in printed
    assert "Traceback" not in printed
    wait_until(lambda: no_worker_is_left(system), "workers outlive the run")
    states = {line.split()[0] for line in (root / layout.STATUS.path).read_text(encoding="utf-8").splitlines()}
    assert "waiting" in states
    assert "done" in states or not records
    assert not (root / layout.LOCK.path).exists()
    assert not damaged(root, deep=True)
    finish_here(config, expected)


def finish_here(config: Config, expected: dict[str, str]) -> None:
    """Complete the run on this machine; outputs are identical and no temporary file remains."""
    run_chain(config)
    root = config.chain.output_path
    assert digests(root) == expected
    assert not list(root.rglob(".*.part*"))


def test_after_a_killed_run_the_next_one_takes_over_and_old_workers_end(
    config: Config, start: Start, system: Slurm, expected: dict[str, str]
) -> None:
    root = config.chain.output_path
    process = start(config, 2, DASK_JOBQUEUE__SLURM__DEATH_TIMEOUT="10")
    wait_for_records(root, 20, process)
    assert len(running(system)) == 2
    process.kill()
    process.communicate()
    assert (root / layout.LOCK.path).exists()

    done = len(recorded(root))
    again = subprocess.run(
        [COMMAND, "run", config.source, "--workers", "1"], check=False, capture_output=True, text=True, timeout=200
    )
    assert again.returncode == 0, again.stderr
    assert f"(process {process.pid}) did not finish; resuming it" in again.stdout
    assert f" jobs, {done} of them up to date" in again.stdout
    wait_until(lambda: no_worker_is_left(system), "workers outlive their run")
    assert digests(root) == expected
    assert not list(root.rglob(".*.part*"))
