"""Workers that are processes of this machine, looked after: one that dies is started again."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dask
from distributed import Client, LocalCluster, Scheduler, SchedulerPlugin

from iota2.errors import UserError
from iota2.run.execute import OUR_SCHEDULER, Cluster

STILLBORN = 5
"""Workers in a row that may end before they have connected."""
_TRIM = {"MALLOC_TRIM_THRESHOLD_": "65536"}
"""Memory that a job has freed goes back to the system (mallopt(3))."""
_LAST_LINES = 3


@contextmanager
def local_workers(count: int) -> Iterator[Cluster]:
    """``count`` processes with one thread of ours each. Ctrl-C is heard by this process only, and it ends them.

    Waiting for a result raises UserError when workers end before they can work, several times in a row.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with (
        dask.config.set(OUR_SCHEDULER),
        tempfile.TemporaryDirectory(prefix="iota2-", ignore_cleanup_errors=True) as folder,
        LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", silence_logs=False) as cluster,
        Client(cluster) as client,
    ):
        crew = _Crew(cluster.scheduler_address, Path(folder), count)
        cluster.scheduler.add_plugin(crew, name="iota2-local")
        try:
            crew.look()
            yield Cluster(client, crew.look)
        finally:
            crew.end()


@dataclass
class _Crew(SchedulerPlugin):
    """The processes, by their place."""

    address: str
    folder: Path
    count: int
    _processes: dict[int, tuple[str, subprocess.Popen[bytes]]] = field(default_factory=dict)
    _arrived: set[str] = field(default_factory=set)
    _started: int = 0
    _stillborn: int = 0

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """A worker has connected."""
        self._arrived.add(str(scheduler.workers[worker].name))
        self._stillborn = 0

    def look(self) -> None:
        """Start a process in each place where none is alive. Raises UserError when they cannot live."""
        for place in range(self.count):
            if place in self._processes:
                name, process = self._processes[place]
                if process.poll() is None:
                    continue
                if name not in self._arrived:
                    self._note_stillborn(name, process.returncode)
            self._processes[place] = self._start()

    def _start(self) -> tuple[str, subprocess.Popen[bytes]]:
        self._started += 1
        name = f"local-{self._started}"
        command = [sys.executable, "-m", "iota2.run.worker", self.address, name, str(self.folder), str(os.getpid())]
        surroundings = {**os.environ, **_TRIM, "PYTHONPATH": os.pathsep.join(sys.path)}
        with open(self._log(name), "wb") as log:
            return name, subprocess.Popen(
                command, env=surroundings, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _note_stillborn(self, name: str, code: int) -> None:
        self._stillborn += 1
        if self._stillborn < STILLBORN:
            return
        lines = self._log(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        words = "\n  ".join(lines[-_LAST_LINES:]) or "nothing"
        how = f"by signal {-code}" if code < 0 else f"with code {code}"
        raise UserError(
            f"{STILLBORN} workers in a row ended before they could work, the last one {how}; it said:\n  {words}\n"
            "What is done stays. Is memory short, or does something kill them? Mend that, then run the same command "
            "again, with fewer workers perhaps (--workers)."
        )

    def end(self) -> None:
        """End the processes, whatever they do."""
        for _, process in self._processes.values():
            process.kill()
        for _, process in self._processes.values():
            process.wait()
