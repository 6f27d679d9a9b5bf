"""A scheduler and workers on several hosts (network namespaces), one of which loses its connection during the run."""

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
from tests.runs.run_process import background, wait_for_records

pytestmark = pytest.mark.long

COMMAND = Path(sys.executable).with_name("iota2")
NETWORK = "10.213.77"
PORT = 8786
SHORT_TIMEOUTS = {
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "10s",
}
"""Settings of an external scheduler: the minimum time until Dask removes an unresponsive worker."""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)


def missing_requirement() -> str | None:
    """The reason why hosts cannot be created here; None if they can."""
    if shutil.which("ip") is None:
        return "there is no command ip: apt-get install iproute2"
    if os.getuid():
        return "only root can create network namespaces"
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
    """A network namespace with a separate address, connected to the bridge of this machine."""

    name: str
    address: str

    @property
    def interface(self) -> str:
        return f"{self.name}c"

    def runs(self, *command: object, log: Path) -> AbstractContextManager[None]:
        """Run a Python module on the host while the body runs."""
        command_in_namespace = ("ip", "netns", "exec", self.name, sys.executable, "-m", *command)
        return background(command_in_namespace, log, SHORT_TIMEOUTS)


@contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """Hosts on one network with this machine."""
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
            ip("link", "add", host.interface, "type", "veth", "peer", "name", "eth0", "netns", host.name)
            ip("link", "set", host.interface, "master", bridge, "up")
            for message in (
                ("address", "add", f"{host.address}/24", "dev", "eth0"),
                ("link", "set", "eth0", "up"),
                ("link", "set", "lo", "up"),
            ):
                ip("-netns", host.name, *message)
        yield made


def busy(client: Client, workers: list[Host]) -> Host:
    """A worker with a running job."""
    for _ in range(1000):
        for address, jobs in client.processing().items():
            if jobs:
                return next(host for host in workers if f"//{host.address}:" in address)
        time.sleep(0.02)
    raise AssertionError("no worker has a job")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_cut_network_link_does_not_change_the_results(tmp_path: Path) -> None:
    if message := missing_requirement():
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
        stack.enter_context(first.runs("distributed.cli.dask_scheduler", *given, log=tmp_path / "scheduler.log"))
        for host in workers:
            given = (scheduler, "--host", host.address, "--nthreads", 1, "--memory-limit", 0, "--no-dashboard")
            stack.enter_context(host.runs("distributed.cli.dask_worker", *given, log=tmp_path / f"{host.name}.log"))
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
        ip("link", "set", cut.interface, "down")
        printed, _ = process.communicate(timeout=300)
        left = list(client.scheduler_info()["workers"])

    assert process.returncode == 0, printed
    assert digests(root) == expected
    (remaining,) = left
    assert f"//{cut.address}:" not in remaining, "the run ended without the disconnected worker"
