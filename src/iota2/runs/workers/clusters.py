"""Workers on clusters: jobs of SLURM or PBS, and workers of a running Dask scheduler."""

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
from iota2.runs.workers.connections import (
    LOOPBACK,
    NO_ROUTES,
    NoHttpScheduler,
    remove_left_over,
    run_certificates,
    security,
)
from iota2.runs.workers.execute import SCHEDULER_SETTINGS, Cores, DaskEngine
from iota2.runs.workers.resources import WorkerResources

if TYPE_CHECKING:
    from dask_jobqueue.core import JobQueueCluster

System = Literal["slurm", "pbs"]
SUBMIT_COMMANDS = {"slurm": "sbatch", "pbs": "qsub"}
DEFAULT_CLUSTER_WORKERS = 10
"""Default number of workers on a cluster."""
POLL_MILLISECONDS = 5_000
"""Period of checks for lost workers, which are replaced."""
MAX_FAILED_STARTS = 3
"""Maximum number of consecutive jobs for one worker that end before the worker connects."""
MAX_REJECTIONS = 360
"""Maximum number of consecutive checks (half an hour) with a rejected job, in a run without workers."""
CONNECT_SECONDS = 20
"""Timeout of the connection to a running scheduler."""
MAX_SECONDS_WITHOUT_WORKER = 15.0
"""Time after which a scheduler without workers is reported."""
MAX_LINE_CHARACTERS = 300
"""Maximum length of a line of a log in a message."""
MAX_SILENCE_SECONDS = 60.0
"""Time without a message from a worker before a warning; Dask removes the worker after five minutes."""
_LOGGER = logging.getLogger(__name__)
_ENVIRONMENT = ["export PYTHONSAFEPATH=1", "export DASK_DISTRIBUTED__WORKER__HTTP__ROUTES='[]'"]
"""Environment in which a worker imports nothing from its working folder and its web server has no pages."""
_NO_LOG_DIRECTIVES = {"slurm": ["-o /dev/null", "-e /dev/null"], "pbs": ["-o /dev/null", "-e /dev/null"]}


@dataclass(frozen=True)
class Queue:
    """Settings of the jobs that provide workers."""

    system: System
    workers: int
    worker: WorkerResources
    logs: Path
    """Folder for logs of workers, on a disk shared with this machine."""
    certificates: Path
    """Folder for the certificates of the run, on the same shared disk."""
    account: str | None = None
    partition: str | None = None


@contextmanager
def queued_workers(queue: Queue) -> Iterator[DaskEngine]:
    """Workers as jobs of SLURM or PBS; lost workers, and those at their time limit, are replaced.

    Connections are encrypted with certificates that only the current user can read.

    Raises UserError if the submit command is missing or rejects a job. Waiting for a result raises UserError if no
    more workers can start.
    """
    command = SUBMIT_COMMANDS[queue.system]
    if shutil.which(command) is None:
        raise UserError(
            f"engine {queue.system}: there is no command {command!r} on this machine. Start the run on a host that can "
            "submit jobs, or use another engine: local, or --scheduler ADDRESS."
        )
    queue.logs.mkdir(parents=True, exist_ok=True)
    remove_left_over(queue.certificates)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with (
        dask.config.set({**SCHEDULER_SETTINGS, **NO_ROUTES}),
        run_certificates(queue.certificates) as certificates,
        job_queue(queue, certificates) as cluster,
        Client(cluster) as client,
    ):
        workers = _QueuedWorkers(cluster, queue)
        cluster.scheduler.add_plugin(workers, name="iota2-workers")
        try:
            cluster.sync(workers.submit)
        except RuntimeError as err:
            raise UserError(
                f"engine {queue.system}: {command} rejected a job for a worker. Correct the settings of the "
                f"cluster, such as queue and account, and check that this machine can submit jobs.\n{err}"
            ) from err
        poll = PeriodicCallback(workers.check, POLL_MILLISECONDS)
        cluster.loop.add_callback(poll.start)
        try:
            yield DaskEngine(client, workers.require_workers, Cores(own=queue.worker.threads))
        finally:
            cluster.loop.add_callback(poll.stop)


@dataclass
class UnresponsiveWorkers:
    """Monitor of workers that are frozen or disconnected; each is reported once."""

    _warned: set[str] = field(default_factory=set)

    def warn(self, last_seen: Mapping[str, float]) -> None:
        """Warn about workers without recent messages; ``last_seen``: seconds since 1970 by name or address."""
        silent = {name for name, seen in last_seen.items() if time.time() - seen > MAX_SILENCE_SECONDS}
        for name in sorted(silent - self._warned):
            _LOGGER.warning(
                "worker %s has not responded for %d s: it may be suspended or disconnected. Resume or end it; after "
                "five minutes Dask removes it and assigns its job to another worker.",
                *(name, MAX_SILENCE_SECONDS),
            )
        self._warned = silent


class _QueuedWorkers(SchedulerPlugin):
    """Supervisor of workers in a queue: each worker has a slot, and a lost worker is replaced.

    Dask reports connected workers that are lost. Jobs that end before their worker connects are found by querying the
    queue. A slot with ``MAX_FAILED_STARTS`` such jobs in a row is removed; without slots the run ends.
    """

    def __init__(self, cluster: JobQueueCluster, queue: Queue) -> None:
        self._cluster = cluster
        self._queue = queue
        self._slots = queue.workers
        self._connected: set[str] = set()
        self._failed_starts: Counter[str] = Counter()
        self._rejected = 0
        self._failure = ""
        self._unresponsive = UnresponsiveWorkers()

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """Note that a worker has connected."""
        name = str(scheduler.workers[worker].name)
        self._connected.add(name)
        del self._failed_starts[name]

    def require_workers(self) -> None:
        """Raise UserError if no more workers can start."""
        if self._failure:
            remedy = "Completed jobs are kept. Fix the problem, then run the same command again."
            raise UserError(f"engine {self._queue.system}: {self._failure}. {remedy}")

    async def submit(self) -> None:
        """Submit a job for each empty slot. RuntimeError for a rejected job, whose slot stays empty."""
        cluster = self._cluster
        self._connected &= set(cluster.workers)
        while len(cluster.worker_spec) < self._slots:
            cluster.worker_spec.update(cluster.new_worker_spec())
        try:
            await cluster._correct_state()
        except RuntimeError:
            rejected = [name for name, job in cluster.workers.items() if job.status is Status.created]
            for name in rejected:
                cluster._created.discard(cluster.workers.pop(name))
            raise

    async def check(self) -> None:
        """Replace workers that are lost or never connected."""
        await self._clear_failed_starts()
        self._unresponsive.warn({name: worker.last_seen for name, worker in self._cluster.scheduler.workers.items()})
        if self._cluster.status is not Status.running or self._failure:
            return
        try:
            await self.submit()
        except RuntimeError as err:
            self._note_rejection(err)
        else:
            self._rejected = 0

    def _note_rejection(self, err: RuntimeError) -> None:
        """Report a rejected job once; the run ends only if all attempts fail for a long time without workers."""
        command = SUBMIT_COMMANDS[self._queue.system]
        if not self._rejected:
            _LOGGER.warning(
                "%s rejects a job; continuing with the existing workers and trying again.\n%s", command, err
            )
        self._rejected += 1
        if self._rejected >= MAX_REJECTIONS and not self._cluster.workers:
            self._failure = f"there are no workers left, and {command} has rejected jobs for a long time ({err})"

    async def _clear_failed_starts(self) -> None:
        """Remove jobs that ended before their worker connected from their slots, and count them."""
        ended = await self._ended_early()
        if not ended:
            return
        for name in ended:
            job = self._cluster.workers.pop(name)
            self._cluster._created.discard(job)
            self._failed_starts[name] += 1
            if self._failed_starts[name] >= MAX_FAILED_STARTS:
                del self._cluster.worker_spec[name]
                self._slots -= 1
        failed = f"{len(ended)} of its jobs ended before their workers connected"
        log = self._log_of(job.job_id)
        if not self._slots:
            self._failure = f"{failed}, {MAX_FAILED_STARTS} times in a row, and there are no other workers; {log}"
        else:
            _LOGGER.warning("%s: %s; %s. Requesting %d workers.", self._queue.system, failed, log, self._slots)

    async def _ended_early(self) -> list[str]:
        """Slots whose job ended before its worker connected; none if the queue does not respond."""
        jobs = {name: job for name, job in self._cluster.workers.items() if name not in self._connected and job.job_id}
        if not jobs:
            return []
        try:
            listed = await next(iter(jobs.values()))._call(_list_command(self._queue.system))
        except (RuntimeError, OSError):
            return []
        listed_jobs = set(re.findall(r"^\d+", listed, re.MULTILINE))
        return [
            name
            for name, job in jobs.items()
            if job.job_id not in listed_jobs and name not in self._connected and self._cluster.workers.get(name) is job
        ]

    def _log_of(self, job: str) -> str:
        """The path of a job's log, and its last line."""
        logs = sorted(self._queue.logs.glob(f"worker-{job}.*log"))
        if not logs:
            return f"job {job} has no log: check that nodes can access {self._queue.logs}"
        lines = logs[0].read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        return f"log of the last one: {logs[0]}, which ends: {last[:MAX_LINE_CHARACTERS]}"


def _list_command(system: System) -> list[str]:
    """The command that lists the numbers of this user's waiting and running jobs, one per line."""
    if system == "slurm":
        return ["squeue", "--noheader", "--me", "--format", "%A"]
    return ["qselect", "-u", getpass.getuser()]


def job_queue(queue: Queue, certificates: Path) -> JobQueueCluster:
    """The Dask cluster without workers; each job is one process with one thread for tasks.

    The memory limit of Dask is off: the queue has one, and a paused worker would never resume. The shell redirects the
    output of a worker to a file, because paths in directives cannot contain all characters.
    """
    # Imported here because dask-jobqueue replaces the handler of Ctrl-C on import.
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
        "walltime": _walltime(worker.seconds),
        "account": queue.account,
        "queue": queue.partition,
        "job_name": "iota2",
        "python": f"{shlex.quote(sys.executable)} -P",
        "worker_extra_args": ["--memory-limit", "0", "--no-dashboard", "--dashboard-address", f"{LOOPBACK}:0"],
        "job_extra_directives": [*site, *_NO_LOG_DIRECTIVES[queue.system]],
        "job_script_prologue": [f"exec >> {log} 2>&1", *_ENVIRONMENT, *prologue],
        "scheduler_cls": NoHttpScheduler,
        "scheduler_options": {"dashboard": False},
        "security": security(certificates, _ScriptSecurity),
        "protocol": "tls://",
        "silence_logs": False,  # otherwise Dask changes shared log handlers
    }
    megabytes = -(-worker.memory // (1 << 20))
    if queue.system == "slurm":
        return SLURMCluster(job_cpu=worker.threads, job_mem=f"{megabytes}M", **common)
    return PBSCluster(resource_spec=f"select=1:ncpus={worker.threads}:mem={megabytes}mb", **common)


class _ScriptSecurity(Security):
    """Security settings whose paths are quoted for the job script of workers."""

    def get_tls_config_for_role(self, role: str) -> dict[str, Any]:
        """As in ``Security``, with quoted paths for workers."""
        found: dict[str, Any] = super().get_tls_config_for_role(role)
        return {name: shlex.quote(path) if role == "worker" and path else path for name, path in found.items()}


def _walltime(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


@contextmanager
def running_scheduler(address: str) -> Iterator[DaskEngine]:
    """The workers of a running Dask scheduler, which continues after the run."""
    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except TypeError as err:  # raised by Dask for missing certificates
        raise UserError(
            f"--scheduler {address}: the connection cannot be encrypted ({err}). Set the certificates in the "
            "configuration of Dask, distributed.comm.tls."
        ) from err
    except (OSError, ValueError) as err:
        raise UserError(
            f"--scheduler {address}: no Dask scheduler responds ({err}). Expected an address such as "
            "tcp://10.0.0.1:8786, as the scheduler prints it."
        ) from err
    with client:
        if not _is_private(client.scheduler.address):
            _LOGGER.warning(
                "--scheduler %s is not encrypted: anyone who can reach its port can run programs as its user. See "
                "'Encrypted connections' on the page on clusters.",
                address,
            )
        yield DaskEngine(client, _Connection(client, address).check)


def _is_private(address: str) -> bool:
    """Whether the connection to a scheduler is encrypted or within this process."""
    return address.startswith(("tls://", "inproc://"))


@dataclass
class _Connection:
    """The connection to an external scheduler."""

    client: Client
    address: str
    _started: float = field(default_factory=time.monotonic)
    _workers_checked: bool = False
    _checked: float = field(default_factory=time.monotonic)
    _unresponsive: UnresponsiveWorkers = field(default_factory=UnresponsiveWorkers)

    def check(self) -> None:
        """Raise UserError if the scheduler is gone; warn once, after a while, if it has no workers."""
        if self.client.status not in ("running", "connecting"):
            raise UserError(
                f"--scheduler {self.address}: the scheduler is gone. Completed jobs are kept. Start it and its workers "
                "again, then run the same command again."
            )
        if time.monotonic() - self._checked > POLL_MILLISECONDS / 1000 and self.client.status == "running":
            self._checked = time.monotonic()
            workers = self.client.scheduler_info(n_workers=-1)["workers"]
            self._unresponsive.warn({name: about["last_seen"] for name, about in workers.items()})
        if not self._workers_checked and time.monotonic() - self._started > MAX_SECONDS_WITHOUT_WORKER:
            self._workers_checked = True
            if not self.client.nthreads():
                _LOGGER.warning("--scheduler %s has no workers. Start one with: dask worker %s", *[self.address] * 2)
