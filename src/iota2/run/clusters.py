"""Workers that are not processes of this machine's own: jobs of SLURM or PBS, and those of a scheduler that runs."""

from __future__ import annotations

import logging
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import dask
from distributed import Client, Status
from tornado.ioloop import PeriodicCallback

from iota2.errors import UserError
from iota2.run.execute import ONE_AT_A_TIME, Cluster
from iota2.run.resources import Worker

if TYPE_CHECKING:
    from dask_jobqueue.core import JobQueueCluster

System = Literal["slurm", "pbs"]
COMMANDS = {"slurm": "sbatch", "pbs": "qsub"}
WORKERS = 10
"""Cluster jobs by default."""
LOOK_MILLISECONDS = 5_000
"""How often lost workers are looked for, and others asked for in their place."""
CONNECT_SECONDS = 20
_LOGGER = logging.getLogger(__name__)
_QUIET = {"slurm": ["-o /dev/null", "-e /dev/null"], "pbs": ["-o /dev/null", "-e /dev/null"]}


@dataclass(frozen=True)
class Queue:
    """How workers are asked for."""

    system: System
    workers: int
    worker: Worker
    logs: Path
    """Folder for what workers say, on a disk that they share with this machine."""
    account: str | None = None
    partition: str | None = None


@contextmanager
def queued_workers(queue: Queue) -> Iterator[Cluster]:
    """Workers that are jobs of SLURM or PBS; one that is lost, or reaches its time limit, is asked for again.

    Raises UserError when the system's command is not here or refuses.
    """
    command = COMMANDS[queue.system]
    if shutil.which(command) is None:
        raise UserError(
            f"engine {queue.system}: there is no command {command!r} on this machine. Start the run where jobs are "
            "submitted from, or use another engine: local, or --scheduler ADDRESS."
        )
    queue.logs.mkdir(parents=True, exist_ok=True)
    logging.getLogger("distributed").setLevel(logging.ERROR)
    with dask.config.set(ONE_AT_A_TIME), job_queue(queue) as cluster, Client(cluster) as client:
        try:
            cluster.sync(_submit, cluster, queue.workers)
        except RuntimeError as err:
            raise UserError(f"engine {queue.system}: {command} refused a worker.\n{err}") from err
        look = PeriodicCallback(lambda: _replace_lost(cluster, queue), LOOK_MILLISECONDS)
        cluster.loop.add_callback(look.start)
        try:
            yield Cluster(client)
        finally:
            cluster.loop.add_callback(look.stop)


async def _submit(cluster: JobQueueCluster, workers: int) -> None:
    """Submit jobs until there are so many. RuntimeError when one is refused, which is then as if never asked for."""
    while len(cluster.worker_spec) < workers:
        cluster.worker_spec.update(cluster.new_worker_spec())
    try:
        await cluster._correct_state()
    except RuntimeError:
        refused = [name for name, job in cluster.workers.items() if job.status is Status.created]
        for name in refused:
            cluster._created.discard(cluster.workers.pop(name))
        raise


async def _replace_lost(cluster: JobQueueCluster, queue: Queue) -> None:
    """Submit a job in the place of each that has been lost; a refusal is only told, there may be workers left."""
    try:
        await _submit(cluster, queue.workers)
    except RuntimeError as err:
        _LOGGER.warning("%s refused a worker; going on with those there are.\n%s", COMMANDS[queue.system], err)


def job_queue(queue: Queue) -> JobQueueCluster:
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
        "python": shlex.quote(sys.executable),
        "worker_extra_args": ["--memory-limit", "0", "--no-dashboard"],
        "job_extra_directives": [*site, *_QUIET[queue.system]],
        "job_script_prologue": [*prologue, f"exec >> {log} 2>&1"],
        "scheduler_options": {"dashboard_address": "127.0.0.1:0"},
    }
    megabytes = -(-worker.memory // (1 << 20))
    if queue.system == "slurm":
        return SLURMCluster(job_cpu=worker.threads, job_mem=f"{megabytes}M", **common)
    return PBSCluster(resource_spec=f"select=1:ncpus={worker.threads}:mem={megabytes}mb", **common)


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


@contextmanager
def running_scheduler(address: str) -> Iterator[Cluster]:
    """The workers of a Dask scheduler that already runs; it goes on when the run ends."""
    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as err:
        raise UserError(
            f"--scheduler {address}: no Dask scheduler answers there ({err}). Expected an address such as "
            "tcp://10.0.0.1:8786, as the scheduler prints it."
        ) from err
    with client:
        yield Cluster(client)
