"""A scheduler and workers on several hosts: network namespaces with their own addresses; one link is cut mid-run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from distributed import Client

from iota2.testing.world import DATES, WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.conftest import configured, run_chain
from tests.chain.test_restart import digests
from tests.run.run_process import background, wait_for_records

pytestmark = pytest.mark.long

COMMAND = Path(sys.executable).with_name("iota2")
NETWORK = "10.213.77"
PORT = 8786
IMPATIENT = {
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "10s",
}
"""Settings of the scheduler's owner: how soon a silent worker is given up; Dask takes no less."""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)


def hindrance() -> str | None:
    """Why hosts cannot be made here; None when they can."""
    if shutil.which("ip") is None:
        return "there is no command ip: apt-get install iproute2"
    if os.getuid():
        return "making network namespaces takes root"
    probe = f"probe{os.getpid()}"
    try:
        ip("link", "add", probe, "type", "bridge")
        ip("link", "delete", probe)
        ip("netns", "add", probe)
        ip("netns", "delete", probe)
    except subprocess.CalledProcessError as err:
        return f"the kernel makes no bridges or network namespaces here: {err.stderr.decode().strip()}"
    return None


@dataclass(frozen=True)
class Host:
    """A network namespace with an address of its own, behind a cable to this machine's bridge."""

    name: str
    address: str

    @property
    def cable(self) -> str:
        return f"{self.name}c"

    def runs(self, *command: object, said: Path) -> AbstractContextManager[None]:
        """A Python module that runs on the host while the body does."""
        there = ("ip", "netns", "exec", self.name, sys.executable, "-m", *command)
        return background(there, said, IMPATIENT)


@contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """Hosts on one network; this machine is on it too."""
    pid = os.getpid()
    bridge = f"b{pid}"
    made = [Host(f"n{pid}x{k}", f"{NETWORK}.{k + 1}") for k in range(count)]
    with ExitStack() as stack:
        ip("link", "add", bridge, "type", "bridge")
        stack.callback(ip, "link", "delete", bridge)
        ip("address", "add", f"{NETWORK}.254/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        for host in made:
            ip("netns", "add", host.name)
            stack.callback(ip, "netns", "delete", host.name)
            ip("link", "add", host.cable, "type", "veth", "peer", "name", "eth0", "netns", host.name)
            ip("link", "set", host.cable, "master", bridge, "up")
            for message in (
                ("address", "add", f"{host.address}/24", "dev", "eth0"),
                ("link", "set", "eth0", "up"),
                ("link", "set", "lo", "up"),
            ):
                ip("-netns", host.name, *message)
        yield made


def busy(client: Client, workers: list[Host]) -> Host:
    """A worker that has a job under way."""
    for _ in range(1000):
        for address, jobs in client.processing().items():
            if jobs:
                return next(host for host in workers if f"//{host.address}:" in address)
        time.sleep(0.02)
    raise AssertionError("no worker works")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_cut_link_costs_nothing_but_time(tmp_path: Path) -> None:
    if message := hindrance():
        pytest.skip(message)
    options = WorldOptions(size=64, overlap=16, classes=3, dates=DATES[2:10:2])
    files = write_world(make_world(options), tmp_path / "world")
    config = configured(files, tmp_path / "run")
    root = config.chain.output_path
    run_chain(config)
    expected = digests(root)
    shutil.rmtree(root)

    with ExitStack() as stack:
        first, *workers = stack.enter_context(hosts(3))
        scheduler = f"tcp://{first.address}:{PORT}"
        given = ("--host", first.address, "--port", PORT, "--no-dashboard")
        stack.enter_context(first.runs("distributed.cli.dask_scheduler", *given, said=tmp_path / "scheduler.log"))
        for host in workers:
            given = (scheduler, "--host", host.address, "--nthreads", 1, "--memory-limit", 0, "--no-dashboard")
            stack.enter_context(host.runs("distributed.cli.dask_worker", *given, said=tmp_path / f"{host.name}.log"))
        client = stack.enter_context(Client(scheduler, timeout=60))
        client.wait_for_workers(2, timeout=60)
        process = subprocess.Popen(
            [COMMAND, "run", config.source, "--scheduler", scheduler],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        wait_for_records(root, 20, process)
        cut = busy(client, workers)
        ip("link", "set", cut.cable, "down")
        said, _ = process.communicate(timeout=300)
        left = list(client.scheduler_info()["workers"])

    assert process.returncode == 0, said
    assert digests(root) == expected
    (remaining,) = left
    assert f"//{cut.address}:" not in remaining, "the run ended without the worker that was cut off"
