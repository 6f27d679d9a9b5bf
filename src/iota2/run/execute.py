"""Placing the jobs of a plan on workers: one executor, one submission path, several engines."""

from __future__ import annotations

import logging
import signal
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from uuid import uuid4

import dask
from distributed import Client, KilledWorker, LocalCluster, as_completed

from iota2.core.graph import Resources
from iota2.run.job import WELL, JobResult, Task, run_task
from iota2.run.ledger import Verdict
from iota2.run.plan import Job, Plan

ONE_AT_A_TIME = {"distributed.scheduler.worker-saturation": 1.0}
"""Settings of a scheduler that gives a worker no job before it is free."""
Watch = Callable[[JobResult], None]
"""Called with each job's result, as it comes."""


@dataclass(frozen=True)
class Retry:
    """How a job that failed, or whose worker died, is tried again: with twice the memory and threads each time."""

    allowed: int = 0
    memory: int = 1 << 40
    """Bytes; most that a job gets."""
    threads: int = 1 << 10

    def again(self, use: Resources) -> Resources:
        """Resources of the next attempt."""
        return replace(use, memory=min(2 * use.memory, self.memory), threads=max(1, min(2 * use.threads, self.threads)))


class Engine(Protocol):
    """Takes tasks that are ready to run, and gives their results back as they come."""

    def submit(self, task: Task, needed: Sequence[JobResult]) -> None:
        """Take a task with the results of those that it needs."""
        ...

    def next(self) -> JobResult:
        """Wait for the next result; only called while a task is under way."""
        ...


@dataclass
class Debug:
    """Everything in this process, one job after the other: for a debugger."""

    _queue: deque[tuple[Task, Sequence[JobResult]]] = field(default_factory=deque)

    def submit(self, task: Task, needed: Sequence[JobResult]) -> None:
        """See ``Engine.submit``."""
        self._queue.append((task, needed))

    def next(self) -> JobResult:
        """See ``Engine.next``."""
        return run_task(*self._queue.popleft())


@dataclass
class Cluster:
    """Workers behind a Dask scheduler.

    All jobs are of one group of keys: then Dask keeps those that wait with the scheduler. On a worker they would share
    the blame for its death, and be given up after some deaths without ever having run.
    """

    client: Client
    _pool: Any = field(default_factory=as_completed)
    _group: str = field(default_factory=lambda: f"iota2-{uuid4().hex}")
    _tasks: dict[Any, tuple[Task, Sequence[JobResult]]] = field(default_factory=dict)
    _sent: int = 0

    def submit(self, task: Task, needed: Sequence[JobResult]) -> None:
        """See ``Engine.submit``."""
        self._sent += 1
        key = (self._group, task.id, self._sent)
        self._tasks[key] = task, needed
        self._pool.add(self.client.submit(run_task, task, tuple(needed), key=key, pure=False))

    def next(self) -> JobResult:
        """See ``Engine.next``."""
        future = next(self._pool)
        id_ = str(future.key[1])
        sent = self._tasks.pop(future.key)
        if future.status == "finished":
            result: JobResult = future.result()
            return result
        if future.status in ("lost", "pending"):  # its worker died before the result was fetched
            self.submit(*sent)
            return self.next()
        error = future.exception()
        if isinstance(error, KilledWorker):
            return JobResult(id_, "failed", message="its worker died each time it was tried: out of memory, or killed")
        return JobResult(id_, "failed", message=f"its worker could not run it: {error!r}")


@contextmanager
def local_cluster(workers: int) -> Iterator[Cluster]:
    """Dask workers on this machine: processes with one thread of ours each.

    Ctrl-C goes to every process of a terminal's group; here only the main one may hear it, and it ends the others.
    """
    logging.getLogger("distributed").setLevel(logging.ERROR)
    with (
        dask.config.set(ONE_AT_A_TIME),
        tempfile.TemporaryDirectory(prefix="iota2-") as scratch,
        _deaf_children() as listen_again,
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,
            dashboard_address="127.0.0.1:0",
            local_directory=scratch,
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster) as client,
    ):
        listen_again()
        yield Cluster(client)


@contextmanager
def _deaf_children() -> Iterator[Callable[[], object]]:
    """Threads and processes started from here on do not get Ctrl-C; the yielded function lets this thread hear it
    again, and an interrupt that came meanwhile arrives then."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def listen_again() -> object:
        return signal.pthread_sigmask(signal.SIG_SETMASK, former)

    try:
        yield listen_again
    finally:
        listen_again()


def execute(
    plan: Plan,
    verdicts: Mapping[str, Verdict],
    engine: Engine,
    watch: Watch,
    use: Resources,
    *,
    shares: Mapping[str, Resources] | None = None,
    retry: Retry | None = None,
    level: str = "INFO",
) -> dict[str, JobResult]:
    """Run the jobs of ``plan`` that are not fresh; a job that fails blocks those that need it, all else goes on.

    Each result goes to ``watch`` as it comes, and into the answer. ``shares`` are the resources of steps that do not
    get ``use``.
    """
    retry = retry or Retry()
    jobs = {job.id: job for job in plan.jobs if verdicts[job.id].state != "fresh"}
    order = _Order(jobs)
    given = shares or {}
    attempts = {id_: (0, given.get(job.step.name, use)) for id_, job in jobs.items()}
    results: dict[str, JobResult] = {}
    under_way = 0

    def start(id_: str) -> None:
        needed = [results[need] for need in order.needs[id_]]
        engine.submit(_task(jobs[id_], plan, verdicts[id_], attempts[id_][1], level), needed)

    for id_ in order.ready():
        start(id_)
        under_way += 1
    while under_way:
        result = engine.next()
        tried, used = attempts[result.id]
        if result.state == "failed" and tried < retry.allowed:
            attempts[result.id] = tried + 1, retry.again(used)
            start(result.id)
            continue
        under_way -= 1
        results[result.id] = result
        watch(result)
        if result.state in WELL:
            for id_ in order.after(result.id):
                start(id_)
                under_way += 1
        else:
            for id_ in order.blocked(result.id):
                results[id_] = JobResult(id_, "blocked", message=f"needs {result.id}")
                watch(results[id_])
    return results


class _Order:
    """Which jobs are ready once others have ended."""

    def __init__(self, jobs: Mapping[str, Job]) -> None:
        self.needs = {id_: tuple(need for need in job.needs if need in jobs) for id_, job in jobs.items()}
        self._missing = {id_: len(needs) for id_, needs in self.needs.items()}
        self._children: dict[str, list[str]] = {id_: [] for id_ in jobs}
        self._lost: set[str] = set()
        for id_, needs in self.needs.items():
            for need in needs:
                self._children[need].append(id_)

    def ready(self) -> list[str]:
        """Jobs that need no other."""
        return [id_ for id_, missing in self._missing.items() if not missing]

    def after(self, id_: str) -> list[str]:
        """Jobs that have become ready because this one has ended well."""
        for child in self._children[id_]:
            self._missing[child] -= 1
        return [child for child in self._children[id_] if not self._missing[child]]

    def blocked(self, id_: str) -> list[str]:
        """Jobs that cannot run any more because this one has not ended well, each told once."""
        found: list[str] = []
        queue = [id_]
        while queue:
            for child in self._children[queue.pop()]:
                if child not in self._lost:
                    self._lost.add(child)
                    found.append(child)
                    queue.append(child)
        return found


def _task(job: Job, plan: Plan, verdict: Verdict, use: Resources, level: str) -> Task:
    return Task(
        id=job.id,
        run=job.step.run,
        context=job.context(use),
        root=plan.root,
        inputs=job.inputs,
        outputs=job.outputs,
        version=job.step.version,
        params=verdict.params,
        known=verdict.known,
        record=verdict.record if verdict.state == "open" else None,
        log=plan.root / "logs" / job.step.name / job.task,
        level=level,
    )
