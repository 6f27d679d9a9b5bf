"""SIGTERM ends a process in any state; frozen workers are reported."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest
from distributed import KilledWorker

from iota2.errors import EXIT_INTERRUPTED
from iota2.runs.workers import clusters, local
from iota2.runs.workers.clusters import UnresponsiveWorkers
from iota2.runs.workers.local import local_workers
from tests.runs.signals import default_signals, ignored_sigint

STATES = {
    "asleep": "time.sleep(600)",
    "reading": "sys.stdin.read()",
    "in a library": "lock = ctypes.create_string_buffer(64); c = ctypes.CDLL(None); "
    "[c.pthread_mutex_lock(lock) for _ in range(2)]",
    "in a loop": "spin()",
}
"""States of a process. The third one is a deadlock that never returns to Python."""
PROGRAM = """
import ctypes, sys, time
from iota2.runs.workers import signals

def spin():
    while True:
        len(sys.path)

signals.GRACE_SECONDS = 1.0
signals.end_on_sigterm()
print("ready", flush=True)
try:
    {at}
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("signals", [default_signals, ignored_sigint], ids=["terminal", "nohup"])
@pytest.mark.parametrize("at", STATES)
def test_sigterm_ends_a_process_in_any_state(at: str, signals: Callable[[], None]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(at=STATES[at])],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=signals,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        process.terminate()
        assert process.wait(15) == EXIT_INTERRUPTED
    finally:
        process.kill()
        process.communicate()


FORKING = """
import os, signal, sys, time
from iota2.runs.workers import signals

signals.GRACE_SECONDS = 0.2
signals.end_on_sigterm()
child = os.fork()
if child == 0:
    if {again}:
        signals.end_on_sigterm()
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(600)
    except KeyboardInterrupt:
        os._exit(9)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
time.sleep(1.0)
sys.exit(code)
"""


@pytest.mark.parametrize("again", [False, True], ids=["inherited", "installed again"])
def test_sigterm_of_a_forked_process_does_not_end_its_parent(again: bool) -> None:
    command = [sys.executable, "-c", FORKING.format(again=again)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, timeout=60, check=False)
    assert done.returncode == 9


@pytest.mark.slow
def test_a_frozen_worker_is_reported_and_later_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(local, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(local, "FROZEN_SECONDS", 0.3)
    monkeypatch.setattr(local, "REPLACE_SECONDS", 2.0)
    before = {child.pid for child in psutil.Process().children()}
    with local_workers(1) as cluster:
        cluster.client.submit(int, "1").result(timeout=60)
        (worker,) = {child.pid for child in psutil.Process().children()} - before
        os.kill(worker, signal.SIGSTOP)
        future = cluster.client.submit(int, "2", pure=False)
        until = time.monotonic() + 60
        while not future.done() and time.monotonic() < until:
            cluster.require_workers()
            time.sleep(0.05)
        assert isinstance(future.exception(timeout=1), KilledWorker), "execute retries such a job"
        cluster.require_workers()
        assert cluster.client.submit(int, "3").result(timeout=60) == 3
    assert f"process {worker}) is stopped (SIGSTOP), so its job waits" in caplog.text
    assert f"kill -CONT {worker}" in caplog.text
    assert f"process {worker}) is replaced" in caplog.text


def test_an_unresponsive_remote_worker_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    now = time.time()
    silent = UnresponsiveWorkers()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            silent.warn({"tls://node7:4242": now - 2 * clusters.MAX_SILENCE_SECONDS, "tls://node8:4242": now})
    assert caplog.text.count("tls://node7:4242 has not responded") == 1
    assert "node8" not in caplog.text
    silent.warn({"tls://node7:4242": now})
    silent.warn({"tls://node7:4242": now - 2 * clusters.MAX_SILENCE_SECONDS})
    assert caplog.text.count("node7") == 2, "reported again after it had responded"
