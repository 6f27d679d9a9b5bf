"""Workers that are not processes of this machine's own: jobs of SLURM or PBS, and those of a scheduler that runs."""

from __future__ import annotations

import getpass
import logging
import re
import shlex
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import dask
from distributed import Client, Scheduler, SchedulerPlugin, Status
from distributed.security import Security
from tornado.ioloop import PeriodicCallback

from iota2.errors import UserError
from iota2.run.workers.connections import (
    LOOPBACK,
    NO_ROUTES,
    SilentScheduler,
    remove_left_over,
    run_certificates,
    security,
)
from iota2.run.workers.execute import OUR_SCHEDULER, Cluster
from iota2.run.workers.resources import Worker

if TYPE_CHECKING:
    from dask_jobqueue.core import JobQueueCluster

System = Literal["slurm", "pbs"]
COMMANDS = {"slurm": "sbatch", "pbs": "qsub"}
WORKERS = 10
"""Cluster jobs by default."""
POLL_MILLISECONDS = 5_000
"""How often lost workers are looked for, and others asked for in their place."""
MAX_FAILED_STARTS = 3
"""Jobs in a row, in one worker's place, that may end before their worker has connected."""
MAX_REFUSALS = 360
"""Looks in a row, half an hour, at which a run without any worker may be refused one."""
CONNECT_SECONDS = 20
MAX_SECONDS_WITHOUT_WORKER = 15.0
"""How long a scheduler without workers is waited for before a word is said."""
MAX_LINE_CHARACTERS = 300
MAX_SILENCE_SECONDS = 60.0
"""How long a worker has not been heard of when a warning is given; Dask gives it up after five minutes."""
_LOGGER = logging.getLogger(__name__)
_ENVIRONMENT = ["export PYTHONSAFEPATH=1", "export DASK_DISTRIBUTED__WORKER__HTTP__ROUTES='[]'"]
"""A worker imports nothing from its working folder, and its web server answers nothing."""
_QUIET = {"slurm": ["-o /dev/null", "-e /dev/null"], "pbs": ["-o /dev/null", "-e /dev/null"]}


@dataclass(frozen=True)
class Queue:
    """How workers are asked for."""

    system: System
    workers: int
    worker: Worker
    logs: Path
    """Folder for what workers say, on a disk that they share with this machine."""
    private: Path
    """Folder for the certificates of the run, on the same disk."""
    account: str | None = None
    partition: str | None = None


@contextmanager
def queued_workers(queue: Queue) -> Iterator[Cluster]:
    """Workers that are jobs of SLURM or PBS; one that is lost, or reaches its time limit, is asked for again.

    Connections are encrypted, with certificates that only the current user can read.

    Raises UserError when the system's command is not here or refuses; so does waiting for a result when no worker can
    come any more.
    """
    command = COMMANDS[queue.system]
    if shutil.which(command) is None:
        raise UserError(
            f"engine {queue.system}: there is no command {command!r} on this machine. Start the run where jobs are "
            "submitted from, or use another engine: local, or --scheduler ADDRESS."
        )
    queue.logs.mkdir(parents=True, exist_ok=True)
    remove_left_over(queue.private)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with (
        dask.config.set({**OUR_SCHEDULER, **NO_ROUTES}),
        run_certificates(queue.private) as certificates,
        job_queue(queue, certificates) as cluster,
        Client(cluster) as client,
    ):
        crew = _QueuedWorkers(cluster, queue)
        cluster.scheduler.add_plugin(crew, name="iota2-crew")
        try:
            cluster.sync(crew.submit)
        except RuntimeError as err:
            raise UserError(f"engine {queue.system}: {command} refused a worker.\n{err}") from err
        look = PeriodicCallback(crew.look, POLL_MILLISECONDS)
        cluster.loop.add_callback(look.start)
        try:
            yield Cluster(client, crew.require_workers)
        finally:
            cluster.loop.add_callback(look.stop)


@dataclass
class SilentWorkers:
    """Workers that have not been heard of for a while: frozen, or without network. Each is reported once."""

    _warned: set[str] = field(default_factory=set)

    def warn(self, last_seen: Mapping[str, float]) -> None:
        """Warn of workers by their addresses; times are seconds since 1970."""
        silent = {name for name, seen in last_seen.items() if time.time() - seen > MAX_SILENCE_SECONDS}
        for name in sorted(silent - self._warned):
            _LOGGER.warning(
                "worker %s has not answered for %d s: it may be stopped or cut off. Continue it or end it; its job is "
                "given to another worker when Dask gives it up, after five minutes.",
                *(name, MAX_SILENCE_SECONDS),
            )
        self._warned = silent


class _QueuedWorkers(SchedulerPlugin):
    """The jobs of a queue, looked after: each worker has a place, and where it is lost another one is asked for.

    Dask tells of a worker that was connected and is lost. Of a job that ends before its worker has connected only the
    system knows, so it is asked. A place where that happens several times in a row is given up, and with the last
    place the run.
    """

    def __init__(self, cluster: JobQueueCluster, queue: Queue) -> None:
        self._cluster = cluster
        self._queue = queue
        self._places = queue.workers
        self._arrived: set[str] = set()
        self._stillborn: Counter[str] = Counter()
        self._refused = 0
        self._trouble = ""
        self._silent = SilentWorkers()

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """A worker has connected."""
        name = str(scheduler.workers[worker].name)
        self._arrived.add(name)
        del self._stillborn[name]

    def require_workers(self) -> None:
        """Raise UserError when no worker can come any more."""
        if self._trouble:
            done = "What is done stays. Mend the cause, then run the same command again."
            raise UserError(f"engine {self._queue.system}: {self._trouble}. {done}")

    async def submit(self) -> None:
        """Submit jobs until every place has one. RuntimeError for one that is refused; it is as if never asked for."""
        cluster = self._cluster
        self._arrived &= set(cluster.workers)
        while len(cluster.worker_spec) < self._places:
            cluster.worker_spec.update(cluster.new_worker_spec())
        try:
            await cluster._correct_state()
        except RuntimeError:
            refused = [name for name, job in cluster.workers.items() if job.status is Status.created]
            for name in refused:
                cluster._created.discard(cluster.workers.pop(name))
            raise

    async def look(self) -> None:
        """Ask for others in the place of workers that are lost, or never came."""
        await self._bury()
        self._silent.warn({name: worker.last_seen for name, worker in self._cluster.scheduler.workers.items()})
        if self._cluster.status is not Status.running or self._trouble:
            return
        try:
            await self.submit()
        except RuntimeError as err:
            self._note_refusal(err)
        else:
            self._refused = 0

    def _note_refusal(self, err: RuntimeError) -> None:
        """A refusal is only told, once: there may be workers left, and the system may be itself again soon."""
        command = COMMANDS[self._queue.system]
        if not self._refused:
            _LOGGER.warning("%s refuses a worker; going on with those there are, and asking again.\n%s", command, err)
        self._refused += 1
        if self._refused >= MAX_REFUSALS and not self._cluster.workers:
            self._trouble = f"there is no worker left, and {command} has refused others for a long time ({err})"

    async def _bury(self) -> None:
        """Take the jobs that ended before their worker had connected out of their places, and count them."""
        ended = await self._ended_early()
        if not ended:
            return
        for name in ended:
            job = self._cluster.workers.pop(name)
            self._cluster._created.discard(job)
            self._stillborn[name] += 1
            if self._stillborn[name] >= MAX_FAILED_STARTS:
                del self._cluster.worker_spec[name]
                self._places -= 1
        told = f"{len(ended)} of its jobs ended before their workers had connected"
        words = self._last_words(job.job_id)
        if not self._places:
            self._trouble = f"{told}, {MAX_FAILED_STARTS} times in a row, and there is no other worker; {words}"
        else:
            _LOGGER.warning("%s: %s; %s. Asking for %d workers.", self._queue.system, told, words, self._places)

    async def _ended_early(self) -> list[str]:
        """Places whose job has ended though its worker has never connected; none when the system does not answer."""
        jobs = {name: job for name, job in self._cluster.workers.items() if name not in self._arrived and job.job_id}
        if not jobs:
            return []
        try:
            listed = await next(iter(jobs.values()))._call(_listing(self._queue.system))
        except (RuntimeError, OSError):
            return []
        there = set(re.findall(r"^\d+", listed, re.MULTILINE))
        return [
            name
            for name, job in jobs.items()
            if job.job_id not in there and name not in self._arrived and self._cluster.workers.get(name) is job
        ]

    def _last_words(self, job: str) -> str:
        """Where to read what a job said, and its last line."""
        logs = sorted(self._queue.logs.glob(f"worker-{job}.*log"))
        if not logs:
            return f"job {job} left no log: do nodes see {self._queue.logs}"
        lines = logs[0].read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        return f"the last one's log is {logs[0]} and ends: {last[:MAX_LINE_CHARACTERS]}"


def _listing(system: System) -> list[str]:
    """The command that lists this user's jobs that wait or run, one a line, by number."""
    if system == "slurm":
        return ["squeue", "--noheader", "--me", "--format", "%A"]
    return ["qselect", "-u", getpass.getuser()]


def job_queue(queue: Queue, certificates: Path) -> JobQueueCluster:
    """The cluster, without workers: one process with one thread of ours in each job.

    Its own limit of memory is off: the system has one, and a worker that pauses would wait for ever. What a worker says
    goes to a file by the shell, since paths in directives cannot hold all characters.
    """
    # Imported where it is used: dask-jobqueue takes Ctrl-C for itself as soon as it is imported.
    listener = signal.getsignal(signal.SIGINT)
    from dask_jobqueue import PBSCluster, SLURMCluster  # noqa: PLC0415

    signal.signal(signal.SIGINT, listener)

    worker = queue.worker
    log = f'{shlex.quote(str(queue.logs))}/worker-"${{SLURM_JOB_ID:-$PBS_JOBID}}".log'
    site = dask.config.get(f"jobqueue.{queue.system}.job-extra-directives", [])
    prologue = dask.config.get(f"jobqueue.{queue.system}.job-script-prologue", [])
    common: dict[str, Any] = {
        "cores": 1,
        "processes": 1,
        "memory": f"{worker.memory}B",
        "walltime": _clock(worker.seconds),
        "account": queue.account,
        "queue": queue.partition,
        "job_name": "iota2",
        "python": f"{shlex.quote(sys.executable)} -P",
        "worker_extra_args": ["--memory-limit", "0", "--no-dashboard", "--dashboard-address", f"{LOOPBACK}:0"],
        "job_extra_directives": [*site, *_QUIET[queue.system]],
        "job_script_prologue": [f"exec >> {log} 2>&1", *_ENVIRONMENT, *prologue],
        "scheduler_cls": SilentScheduler,
        "scheduler_options": {"dashboard": False},
        "security": security(certificates, _InScript),
        "protocol": "tls://",
        "silence_logs": False,  # else Dask changes handlers that others log to as well
    }
    megabytes = -(-worker.memory // (1 << 20))
    if queue.system == "slurm":
        return SLURMCluster(job_cpu=worker.threads, job_mem=f"{megabytes}M", **common)
    return PBSCluster(resource_spec=f"select=1:ncpus={worker.threads}:mem={megabytes}mb", **common)


class _InScript(Security):
    """Security whose settings of workers stand in a script of the shell."""

    def get_tls_config_for_role(self, role: str) -> dict[str, Any]:
        """As in ``Security``; paths of workers are quoted."""
        found: dict[str, Any] = super().get_tls_config_for_role(role)
        return {name: shlex.quote(path) if role == "worker" and path else path for name, path in found.items()}


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


@contextmanager
def running_scheduler(address: str) -> Iterator[Cluster]:
    """The workers of a Dask scheduler that already runs; it goes on when the run ends."""
    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except TypeError as err:  # Dask's complaint about missing certificates
        raise UserError(
            f"--scheduler {address}: the connection cannot be encrypted ({err}). Dask takes certificates from its "
            "configuration, distributed.comm.tls."
        ) from err
    except (OSError, ValueError) as err:
        raise UserError(
            f"--scheduler {address}: no Dask scheduler answers there ({err}). Expected an address such as "
            "tcp://10.0.0.1:8786, as the scheduler prints it."
        ) from err
    with client:
        if not _is_private(client.scheduler.address):
            _LOGGER.warning(
                "--scheduler %s is not encrypted: whoever reaches its port can run programs as its user. See "
                "'Encrypted connections' in the page on clusters.",
                address,
            )
        yield Cluster(client, _Connection(client, address).look)


def _is_private(address: str) -> bool:
    """Whether the connection to a scheduler is encrypted, or within this process."""
    return address.startswith(("tls://", "inproc://"))


@dataclass
class _Connection:
    """The connection to a scheduler that is not ours."""

    client: Client
    address: str
    _begun: float = field(default_factory=time.monotonic)
    _asked: bool = False
    _looked: float = field(default_factory=time.monotonic)
    _silent: SilentWorkers = field(default_factory=SilentWorkers)

    def look(self) -> None:
        """Raise UserError when the scheduler is gone; say once, after a while, that it has no worker."""
        if self.client.status not in ("running", "connecting"):
            raise UserError(
                f"--scheduler {self.address}: the scheduler is gone. What is done stays. Start it and its workers "
                "again, then run the same command again."
            )
        if time.monotonic() - self._looked > POLL_MILLISECONDS / 1000 and self.client.status == "running":
            self._looked = time.monotonic()
            workers = self.client.scheduler_info(n_workers=-1)["workers"]
            self._silent.warn({name: about["last_seen"] for name, about in workers.items()})
        if not self._asked and time.monotonic() - self._begun > MAX_SECONDS_WITHOUT_WORKER:
            self._asked = True
            if not self.client.nthreads():
                _LOGGER.warning("--scheduler %s has no worker. Waiting for one: dask worker %s", *[self.address] * 2)
