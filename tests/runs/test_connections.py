"""Scheduler and workers accept connections only from the user of the run."""

from __future__ import annotations

import os
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from distributed import Client

from iota2.runs.workers.clusters import Queue, job_queue
from iota2.runs.workers.connections import PREFIX, remove_left_over, run_certificates, security
from iota2.runs.workers.execute import DaskEngine
from iota2.runs.workers.local import local_workers
from iota2.runs.workers.resources import WorkerResources
from tests.runs.test_hosts import ip, missing_requirement

NOBODY_UID = 65534
CLIENT_PROGRAM = """
import os, socket, ssl, sys
user, host, *ports = sys.argv[1:]
"".encode("idna")  # imported before the change of user, who cannot read the files
os.setgroups([]); os.setgid(int(user)); os.setuid(int(user))

def answer(port, encrypted):
    with socket.create_connection((host, int(port)), timeout=5) as plain:
        if encrypted:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = context.wrap_socket(plain)
        else:
            connection = plain
        connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        connection.settimeout(5)
        return connection.recv(100)

for port in ports:
    for encrypted in (False, True):
        try:
            received = answer(port, encrypted)
        except OSError as err:
            received = b""
        # A TLS server may send an alert (record type 21) to a client that does not use TLS.
        print(port, "silent" if not received or received[0] == 21 else received)
"""


@dataclass(frozen=True)
class Running:
    """A local run with one worker."""

    cluster: DaskEngine
    ports: tuple[int, ...]
    addresses: frozenset[str]


def listening() -> set[tuple[int, str, int]]:
    """Process, address and port of all sockets on which this process and its children listen."""
    me = psutil.Process()
    return {
        (process.pid, connection.laddr.ip, connection.laddr.port)
        for process in (me, *me.children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    before = listening()
    with local_workers(1) as cluster:
        assert cluster.client.submit(int, "7").result(timeout=60) == 7
        found = listening() - before
        yield Running(cluster, tuple(port for _, _, port in found), frozenset(address for _, address, _ in found))


def answers_to(running: Running, host: str, *before: str, user: int = 0) -> list[str]:
    command = [*before, sys.executable, "-c", CLIENT_PROGRAM, str(user), host, *map(str, running.ports)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return [line.partition(" ")[2] for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_a_local_run_listens_on_the_loopback_interface_only_and_has_no_web_server(running: Running) -> None:
    assert running.addresses == {"127.0.0.1"}
    assert len(running.ports) == 2, "only those of scheduler and worker"


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user takes root")
def test_another_user_of_the_machine_cannot_connect(running: Running) -> None:
    assert set(answers_to(running, "127.0.0.1", user=NOBODY_UID)) == {"silent"}


@pytest.mark.slow
def test_another_network_cannot_connect(running: Running) -> None:
    if why := missing_requirement():
        pytest.skip(why)
    name = f"i{os.getpid()}"
    ip("netns", "add", name)
    try:
        ip("link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b")
        ip("link", "set", f"{name}b", "netns", name)
        ip("addr", "add", "10.213.78.1/24", "dev", f"{name}a")
        ip("link", "set", f"{name}a", "up")
        ip("-n", name, "addr", "add", "10.213.78.2/24", "dev", f"{name}b")
        ip("-n", name, "link", "set", f"{name}b", "up")
        assert set(answers_to(running, "10.213.78.1", "ip", "netns", "exec", name)) == {"silent"}
    finally:
        ip("netns", "delete", name)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_a_client_without_the_certificate_of_the_run_is_refused(running: Running, tmp_path: Path, scheme: str) -> None:
    address = running.cluster.client.scheduler.address.replace("tls", scheme)
    with run_certificates(tmp_path) as certificates, pytest.raises((OSError, TypeError, ssl.SSLError)):
        Client(address, security=security(certificates) if scheme == "tls" else None, timeout=4)
    assert running.cluster.client.submit(int, "8").result(timeout=60) == 8


@pytest.mark.slow
def test_the_scheduler_of_queued_workers_requires_the_certificate(tmp_path: Path) -> None:
    """This scheduler listens on the network, because its workers are on other machines."""
    queue = Queue("pbs", 1, WorkerResources(threads=1, memory=1 << 30, seconds=3600), tmp_path, tmp_path)
    before = listening()
    with run_certificates(tmp_path) as folder, job_queue(queue, folder) as cluster:
        ports = tuple({port for _, _, port in listening() - before})
        assert len(ports) == 1
        with Client(cluster.scheduler_address, security=security(folder), timeout=20) as client:
            assert client.scheduler_info()["workers"] == {}
        alone = Running(DaskEngine(client), ports, frozenset())
        assert set(answers_to(alone, "127.0.0.1")) == {"silent"}


def test_certificates_are_private_and_removed_after_the_run(tmp_path: Path) -> None:
    with run_certificates(tmp_path) as folder:
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
        assert modes == {folder.name: 0o700, "key.pem": 0o600, "cert.pem": 0o600}
    assert list(tmp_path.iterdir()) == []


def test_only_certificates_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}old").mkdir()
    (tmp_path / f"{PREFIX}notes.txt").write_text("mine")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "elsewhere")
    remove_left_over(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{PREFIX}notes.txt", f"{PREFIX}link", "elsewhere"}
