"""Workers as processes of this machine; dead or frozen ones are replaced."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dask
import psutil
from distributed import Client, Scheduler, SchedulerPlugin, SpecCluster

from iota2.errors import UserError
from iota2.import_path import worker_path
from iota2.runs.host import cores
from iota2.runs.workers.connections import LOOPBACK, NO_ROUTES, NoHttpScheduler, run_certificates, security
from iota2.runs.workers.execute import SCHEDULER_SETTINGS, Cores, DaskEngine

MAX_FAILED_STARTS = 5
"""Maximum number of consecutive workers that end before they connect."""
_MALLOC_SETTINGS = {"MALLOC_TRIM_THRESHOLD_": "65536"}
"""Setting of malloc that returns freed memory to the system, see mallopt(3)."""
_SHOWN_LOG_LINES = 3
POLL_SECONDS = 5.0
"""Period of checks of the processes."""
FROZEN_SECONDS = 15.0
"""Time after which a stopped process (SIGSTOP) is reported."""
REPLACE_SECONDS = 300.0
"""Time after which a stopped process is killed and replaced."""
_LOGGER = logging.getLogger(__name__)


@contextmanager
def local_workers(count: int) -> Iterator[DaskEngine]:
    """``count`` processes that run one job each at a time. Ctrl-C reaches only the main process, which ends them.

    A job may use the cores of processes without a job: in total, as many as there are processes.

    Connections use the loopback interface, are encrypted, and require the certificate of this run. Waiting for a result
    raises UserError if several workers in a row end before they connect.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with (
        dask.config.set({**SCHEDULER_SETTINGS, **NO_ROUTES}),
        tempfile.TemporaryDirectory(prefix="iota2-", ignore_cleanup_errors=True) as folder,
        run_certificates(Path(folder)) as certificates,
        SpecCluster(
            scheduler={
                "cls": NoHttpScheduler,
                "options": {
                    "host": LOOPBACK,
                    "protocol": "tls://",
                    "dashboard": False,
                    "security": security(certificates),
                },
            },
            security=security(certificates),
        ) as cluster,
        Client(cluster) as client,
    ):
        workers = _LocalWorkers(cluster.scheduler_address, Path(folder), certificates, count)
        cluster.scheduler.add_plugin(workers, name="iota2-local")
        try:
            workers.check()
            yield DaskEngine(client, workers.check, Cores(shared=min(count, cores())))
        finally:
            workers.end()


@dataclass
class _LocalWorkers(SchedulerPlugin):
    """Supervisor of the worker processes, by slot."""

    address: str
    folder: Path
    certificates: Path
    count: int
    _processes: dict[int, tuple[str, subprocess.Popen[bytes]]] = field(default_factory=dict)
    _connected: set[str] = field(default_factory=set)
    _started: int = 0
    _failed_starts: int = 0
    _checked: float = field(default_factory=time.monotonic)
    _frozen: dict[str, float] = field(default_factory=dict)
    """Time since when each worker is stopped, by name."""
    _warned: set[str] = field(default_factory=set)

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """Note that a worker has connected."""
        self._connected.add(str(scheduler.workers[worker].name))
        self._failed_starts = 0

    def check(self) -> None:
        """Start a process in each slot without a living one. UserError if several in a row end before they connect."""
        self._check_frozen()
        for slot in range(self.count):
            if slot in self._processes:
                name, process = self._processes[slot]
                if process.poll() is None:
                    continue
                if name not in self._connected:
                    self._note_failed_start(name, process.returncode)
            self._processes[slot] = self._start()

    def _check_frozen(self) -> None:
        """Warn of processes that are stopped (SIGSTOP, a debugger, a frozen control group); end them after a while."""
        now = time.monotonic()
        if now - self._checked < POLL_SECONDS:
            return
        self._checked = now
        for name, process in self._processes.values():
            if not _is_frozen(process.pid):
                self._frozen.pop(name, None)
                continue
            since = self._frozen.setdefault(name, now)
            if now - since >= REPLACE_SECONDS:
                _LOGGER.warning("worker %s (process %d) is replaced: it was stopped for too long.", name, process.pid)
                process.kill()
            elif now - since >= FROZEN_SECONDS and name not in self._warned:
                self._warned.add(name)
                _LOGGER.warning(
                    "worker %s (process %d) is stopped (SIGSTOP), so its job waits. Resume it with: kill -CONT %d. "
                    "After %d minutes it is killed, and its job is assigned to another worker.",
                    *(name, process.pid, process.pid, REPLACE_SECONDS // 60),
                )

    def _start(self) -> tuple[str, subprocess.Popen[bytes]]:
        self._started += 1
        name = f"local-{self._started}"
        module = [sys.executable, "-P", "-m", "iota2.runs.workers.worker"]
        command = [*module, self.address, name, str(self.folder), str(os.getpid()), str(self.certificates)]
        environment = {**os.environ, **_MALLOC_SETTINGS, "PYTHONPATH": worker_path()}
        with open(self._log(name), "wb") as log:
            return name, subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _note_failed_start(self, name: str, code: int) -> None:
        self._failed_starts += 1
        if self._failed_starts < MAX_FAILED_STARTS:
            return
        lines = self._log(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        words = "\n  ".join(lines[-_SHOWN_LOG_LINES:]) or "nothing"
        how = f"by signal {-code}" if code < 0 else f"with code {code}"
        raise UserError(
            f"{MAX_FAILED_STARTS} workers in a row ended before they connected, the last one {how}. Its log ends:\n"
            f"  {words}\n"
            "Completed jobs are kept. Check whether memory is short or a process kills workers. Fix the problem, then "
            "run the same command again, perhaps with fewer workers (--workers)."
        )

    def end(self) -> None:
        """Kill the processes."""
        for _, process in self._processes.values():
            process.kill()
        for _, process in self._processes.values():
            process.wait()


def _is_frozen(pid: int) -> bool:
    """Whether a process is stopped."""
    try:
        return psutil.Process(pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    except psutil.Error:
        return False
