"""Runs through a real SLURM: what jobs ask for, and what happens when the system takes a worker away."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iota2 import layout
from iota2.config.schema import Config
from iota2.testing.world import DATES, WorldFiles, WorldOptions, make_world, write_world
from tests.chain.conftest import configured, run_chain
from tests.chain.test_restart import digests
from tests.run import slurm
from tests.run.slurm import Slurm

COMMAND = Path(sys.executable).with_name("iota2")
RESOURCES = "iota2_chain: { ram: '1500mb', walltime: '00:20:00' }\ntraining: { nb_cpu: 2 }\n"
hindrance = slurm.hindrance()
pytestmark = [
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


def start(config: Config, system: Slurm, workers: int) -> subprocess.Popen[str]:
    resources = config.source.with_name("resources.cfg")
    resources.write_text(RESOURCES, encoding="utf-8")
    return subprocess.Popen(
        [COMMAND, "run", config.source, "--engine", "slurm", "--workers", str(workers), "--resources", resources],
        env={**os.environ, **system.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_records(config: Config, count: int, process: subprocess.Popen[str]) -> None:
    """Until so many jobs have been recorded."""
    records = config.chain.output_path / layout.RECORDS.path
    while not records.exists() or len(records.read_text(encoding="utf-8").splitlines()) < count:
        if process.poll() is not None:
            raise AssertionError(process.communicate()[0])
        time.sleep(0.1)


def running(system: Slurm) -> list[str]:
    return system.tell("squeue", "-h", "-t", "R", "-o", "%i").split()


@pytest.mark.parametrize("workers", [2, 1])
def test_a_worker_taken_away_costs_nothing_but_time(
    tiny: WorldFiles, tmp_path: Path, system: Slurm, workers: int
) -> None:
    """With one worker the run can only end when another is asked for in its place."""
    config = configured(tiny, tmp_path / "a folder", with_account)
    root = config.chain.output_path
    run_chain(config)
    expected = digests(root)
    shutil.rmtree(root)

    process = start(config, system, workers)
    wait_for_records(config, 25, process)
    first = running(system)
    assert len(first) == workers
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


def test_a_refused_worker_is_told(tiny: WorldFiles, tmp_path: Path, system: Slurm) -> None:
    config = configured(tiny, tmp_path, lambda text: with_account(text).replace("'main'", "'nowhere'"))
    process = start(config, system, 1)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert "sbatch refused a worker" in said
    assert re.search("invalid partition", said, re.IGNORECASE)
    assert "Traceback" not in said
