"""Workers that are processes of this machine, looked after: one that dies or stays frozen is replaced."""

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
from iota2.run.workers.connections import LOOPBACK, NO_ROUTES, SilentScheduler, run_certificates, security
from iota2.run.workers.execute import OUR_SCHEDULER, Cluster

MAX_FAILED_STARTS = 5
"""Workers in a row that may end before they have connected."""
_TRIM = {"MALLOC_TRIM_THRESHOLD_": "65536"}
"""Memory that a job has freed goes back to the system (mallopt(3))."""
_LAST_LINES = 3
POLL_SECONDS = 5.0
"""How often the states of processes are looked at."""
FROZEN_SECONDS = 15.0
"""How long a process has been stopped (SIGSTOP) when a warning is given."""
REPLACE_SECONDS = 300.0
"""How long a process has been stopped when it is ended and replaced."""
_LOGGER = logging.getLogger(__name__)


@contextmanager
def local_workers(count: int) -> Iterator[Cluster]:
    """``count`` processes with one thread of ours each. Ctrl-C is heard by this process only, and it ends them.

    They listen on the loopback interface, encrypted, and let in only who has the certificate of this run. Waiting for a
    result raises UserError when workers end before they can work, several times in a row.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with (
        dask.config.set({**OUR_SCHEDULER, **NO_ROUTES}),
        tempfile.TemporaryDirectory(prefix="iota2-", ignore_cleanup_errors=True) as folder,
        run_certificates(Path(folder)) as certificates,
        SpecCluster(
            scheduler={
                "cls": SilentScheduler,
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
        crew = _LocalWorkers(cluster.scheduler_address, Path(folder), certificates, count)
        cluster.scheduler.add_plugin(crew, name="iota2-local")
        try:
            crew.look()
            yield Cluster(client, crew.look)
        finally:
            crew.end()


@dataclass
class _LocalWorkers(SchedulerPlugin):
    """The processes, by their place."""

    address: str
    folder: Path
    certificates: Path
    count: int
    _processes: dict[int, tuple[str, subprocess.Popen[bytes]]] = field(default_factory=dict)
    _arrived: set[str] = field(default_factory=set)
    _started: int = 0
    _stillborn: int = 0
    _looked: float = field(default_factory=time.monotonic)
    _frozen: dict[str, float] = field(default_factory=dict)
    """Since when workers are stopped, by name."""
    _warned: set[str] = field(default_factory=set)

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """A worker has connected."""
        self._arrived.add(str(scheduler.workers[worker].name))
        self._stillborn = 0

    def look(self) -> None:
        """Start a process in each place where none is alive. Raises UserError when they cannot live."""
        self._look_for_frozen()
        for place in range(self.count):
            if place in self._processes:
                name, process = self._processes[place]
                if process.poll() is None:
                    continue
                if name not in self._arrived:
                    self._note_stillborn(name, process.returncode)
            self._processes[place] = self._start()

    def _look_for_frozen(self) -> None:
        """Warn of processes that are stopped (SIGSTOP, a debugger, a frozen control group); end them after a while."""
        now = time.monotonic()
        if now - self._looked < POLL_SECONDS:
            return
        self._looked = now
        for name, process in self._processes.values():
            if not _is_frozen(process.pid):
                self._frozen.pop(name, None)
                continue
            since = self._frozen.setdefault(name, now)
            if now - since >= REPLACE_SECONDS:
                _LOGGER.warning("worker %s (process %d) is replaced: it was stopped too long.", name, process.pid)
                process.kill()
            elif now - since >= FROZEN_SECONDS and name not in self._warned:
                self._warned.add(name)
                _LOGGER.warning(
                    "worker %s (process %d) is stopped, so its job waits. Continue it with: kill -CONT %d. "
                    "After %d minutes it is ended, and its job is given to another worker.",
                    *(name, process.pid, process.pid, REPLACE_SECONDS // 60),
                )

    def _start(self) -> tuple[str, subprocess.Popen[bytes]]:
        self._started += 1
        name = f"local-{self._started}"
        module = [sys.executable, "-P", "-m", "iota2.run.workers.worker"]
        command = [*module, self.address, name, str(self.folder), str(os.getpid()), str(self.certificates)]
        surroundings = {**os.environ, **_TRIM, "PYTHONPATH": worker_path()}
        with open(self._log(name), "wb") as log:
            return name, subprocess.Popen(
                command, env=surroundings, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _note_stillborn(self, name: str, code: int) -> None:
        self._stillborn += 1
        if self._stillborn < MAX_FAILED_STARTS:
            return
        lines = self._log(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        words = "\n  ".join(lines[-_LAST_LINES:]) or "nothing"
        how = f"by signal {-code}" if code < 0 else f"with code {code}"
        raise UserError(
            f"{MAX_FAILED_STARTS} workers in a row ended before they connected, the last one {how}. Its log ends:\n"
            f"  {words}\n"
            "Completed jobs are kept. Check whether memory is short or a process kills workers. Fix the problem, then "
            "run the same command again, perhaps with fewer workers (--workers)."
        )

    def end(self) -> None:
        """End the processes, whatever they do."""
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
