"""Runs through a real SLURM: what jobs ask for, and what happens when the system takes a worker away."""

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

import psutil
import pytest

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.run.verify import damaged
from iota2.testing.files import WorldFiles
from iota2.testing.world import DATES, WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.conftest import configured, run_chain
from tests.chain.test_restart import digests
from tests.run import slurm
from tests.run.run_process import recorded, wait_for_records
from tests.run.slurm import Slurm

COMMAND = Path(sys.executable).with_name("iota2")
RESOURCES = "iota2_chain: { ram: '1500mb', walltime: '00:20:00' }\ntraining: { nb_cpu: 2 }\n"
hindrance = slurm.hindrance()
pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(hindrance is not None, reason=hindrance or ""),
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


def start(config: Config, system: Slurm, workers: int, **environment: str) -> subprocess.Popen[str]:
    resources = config.source.with_name("resources.cfg")
    resources.write_text(RESOURCES, encoding="utf-8")
    return subprocess.Popen(
        [COMMAND, "run", config.source, "--engine", "slurm", "--workers", str(workers), "--resources", resources],
        env={**os.environ, **system.environment, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def running(system: Slurm) -> list[str]:
    return system.tell("squeue", "-h", "-t", "R", "-o", "%i").split()


def wait_until(true: Callable[[], object], what: str) -> None:
    """Until something is so; far longer than it takes."""
    until = time.monotonic() + 150
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.2)


def no_worker_is_left(system: Slurm) -> bool:
    """SLURM has ended all jobs, and none of their processes lives."""
    return not system.tell("squeue", "-h") and not processes_of(system)


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
    """Digests of what an undisturbed run makes here, in the folder that the tests use too, since reports tell it."""
    config = configured(tiny, tiny.folder / "a run", with_account)
    run_chain(config)
    return digests(config.chain.output_path)


@pytest.fixture
def config(tiny: WorldFiles, expected: dict[str, str]) -> Config:
    """A run with nothing done."""
    config = configured(tiny, tiny.folder / "a run", with_account)
    shutil.rmtree(config.chain.output_path, ignore_errors=True)
    return config


def test_a_worker_taken_away_costs_nothing_but_time(config: Config, system: Slurm, expected: dict[str, str]) -> None:
    root = config.chain.output_path
    process = start(config, system, 2)
    wait_for_records(root, 25, process)
    first = running(system)
    assert len(first) == 2
    asked = system.tell("scontrol", "show", "job", first[0])
    system.tell("scancel", first[0])
    said, _ = process.communicate(timeout=400)

    assert process.returncode == 0, said
    assert digests(root) == expected
    assert "JobState=CANCELLED" in system.tell("scontrol", "show", "job", first[0])
    for word in ("Account=land", "Partition=main", "TimeLimit=00:20:00", "CPUs/Task=2", r"MinMemoryNode=1500M"):
        assert word in asked
    assert not system.tell("squeue", "-h", "-t", "R,PD"), "no worker outlives the run"
    logs = sorted((root / "logs/workers").glob("worker-*.log"))
    assert len(logs) >= 2
    assert all("Registered to" in log.read_text(encoding="utf-8") for log in logs[:2])


def test_a_refused_worker_is_reported(tiny: WorldFiles, tmp_path: Path, system: Slurm) -> None:
    config = configured(tiny, tmp_path, lambda text: with_account(text).replace("'main'", "'nowhere'"))
    process = start(config, system, 1)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert "sbatch rejected a job" in said
    assert re.search("invalid partition", said, re.IGNORECASE)
    assert "Traceback" not in said


def test_at_the_time_limit_what_is_done_is_kept_and_the_rest_is_done_by_another_worker(
    config: Config, system: Slurm, expected: dict[str, str]
) -> None:
    """The worker is held, so that the limit finds it at work; then its time is cut to what it has had."""
    root = config.chain.output_path
    process = start(config, system, 1)
    wait_for_records(root, 15, process)
    (first,) = running(system)
    for worker in processes_of(system, first):
        worker.suspend()
    before = recorded(root)
    system.tell("scontrol", "update", f"JobId={first}", "EndTime=now")
    said, _ = process.communicate(timeout=400)

    assert process.returncode == 0, said
    assert "JobState=TIMEOUT" in system.tell("scontrol", "show", "job", first)
    assert digests(root) == expected
    after = recorded(root)
    assert after[: len(before)] == before, "what was done stays"
    message = re.search(r"(\d+) jobs, 0 of them up to date", said)
    assert message
    assert len(after) == int(message[1]), "and no job is recorded twice"


def test_a_job_that_ends_before_its_worker_has_connected_is_asked_for_again(
    config: Config, system: Slurm, expected: dict[str, str]
) -> None:
    process = start(config, system, 1)
    wait_until(lambda: system.tell("squeue", "-h", "-o", "%i") or process.poll() is not None, "no job was submitted")
    (first,) = system.tell("squeue", "-h", "-o", "%i").split()
    system.tell("scancel", first)
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    assert "1 of its jobs ended before their workers connected" in said
    assert digests(config.chain.output_path) == expected


def test_when_no_worker_ever_connects_the_run_stops_and_says_where_to_read_why(config: Config, system: Slurm) -> None:
    process = start(config, system, 2, DASK_JOBQUEUE__SLURM__JOB_SCRIPT_PROLOGUE="['echo no such module', 'exit 1']")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1, said
    last = said[said.index("error: ") :]
    assert "3 times in a row, and there are no other workers" in last
    log = re.search(r"log of the last one: (.+worker-\d+\.log), which ends: no such module", last)
    assert log, last
    assert Path(log[1]).is_file()
    assert len(list(Path(log[1]).parent.glob("*.log"))) == 2 * 3
    assert "Traceback" not in said
    assert not system.tell("squeue", "-h", "-t", "R,PD")
    assert not (config.chain.output_path / layout.LOCK.path).exists()


@pytest.mark.parametrize(
    "at", [(signal.SIGINT, 20), (signal.SIGTERM, 20), (signal.SIGINT, 0)], ids=["INT", "TERM", "early"]
)
def test_asked_to_stop_it_cancels_its_workers_and_goes_on_later(
    config: Config, system: Slurm, expected: dict[str, str], at: tuple[signal.Signals, int]
) -> None:
    """By which signal, and when so many jobs are done."""
    number, records = at
    root = config.chain.output_path
    process = start(config, system, 2)
    wait_until(lambda: (root / layout.STATUS.path).exists() or process.poll() is not None, "no job was begun")
    wait_for_records(root, records, process)
    process.send_signal(number)
    said, _ = process.communicate(timeout=120)

    assert process.returncode == 130, said
    assert "completed jobs are kept" in said
    assert "Traceback" not in said
    wait_until(lambda: no_worker_is_left(system), "workers outlive the run")
    states = {line.split()[0] for line in (root / layout.STATUS.path).read_text(encoding="utf-8").splitlines()}
    assert "waiting" in states
    assert "done" in states or not records
    assert not (root / layout.LOCK.path).exists()
    assert not damaged(root, deep=True)
    finish_here(config, expected)


def finish_here(config: Config, expected: dict[str, str]) -> None:
    """The same bytes, and nothing in progress left, when the rest is done on this machine."""
    run_chain(config)
    root = config.chain.output_path
    assert digests(root) == expected
    assert not list(root.rglob(".*.part*"))


def test_killed_the_next_run_takes_over_at_once_and_the_workers_end_by_themselves(
    config: Config, system: Slurm, expected: dict[str, str]
) -> None:
    root = config.chain.output_path
    process = start(config, system, 2, DASK_JOBQUEUE__SLURM__DEATH_TIMEOUT="10")
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
