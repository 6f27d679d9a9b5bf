"""Placing the jobs of a plan on workers: one executor, one submission path, several engines."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from uuid import uuid4

from distributed import Client, KilledWorker, as_completed

from iota2.core.graph import Resources
from iota2.run.plan.jobs import Job, Plan
from iota2.run.records.lock import lock_text
from iota2.run.records.verdicts import Verdict
from iota2.run.workers.heartbeat import read_heartbeat
from iota2.run.workers.job import WELL, JobResult, Task, run_task

_LOGGER = logging.getLogger(__name__)
OUR_SCHEDULER = {"distributed.scheduler.worker-saturation": 1.0, "distributed.scheduler.allowed-failures": 0}
"""Settings of a scheduler that gives a worker no job before it is free, and leaves it to us whether a job whose worker
died is tried again."""
MIN_RETRIES_AFTER_DEATH = 2
"""How often a job whose worker died is tried again at least: most often it is the death of a machine, not its fault."""
POLL_SECONDS = 0.1
FETCH_SECONDS = 2.0
Watch = Callable[[JobResult], None]
"""Called with each job's result, as it comes."""


@dataclass(frozen=True)
class Retry:
    """How a job that failed, or whose worker died, is tried again: with twice the memory and threads each time.

    One whose worker died is tried again ``MIN_RETRIES_AFTER_DEATH`` times, or more when ``allowed`` is.
    """

    allowed: int = 0
    memory: int = 1 << 40
    """Bytes; most that a job gets."""
    threads: int = 1 << 10

    def allows(self, result: JobResult, tried: int) -> bool:
        """Whether a job that did not end well after ``tried`` further attempts gets another one."""
        return result.state == "failed" and tried < (
            max(self.allowed, MIN_RETRIES_AFTER_DEATH) if result.lost else self.allowed
        )

    def again(self, use: Resources) -> Resources:
        """Resources of the next attempt, never less than those of the last one."""
        memory, threads = min(2 * use.memory, self.memory), min(2 * use.threads, self.threads)
        return replace(use, memory=max(use.memory, memory), threads=max(use.threads, threads))


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
    the blame for its death without ever having run.
    """

    client: Client
    require_workers: Callable[[], object] = bool
    """Raises when no worker can come any more; called every now and then while a result is waited for."""
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
        while True:
            self._wait_until(self._pool.has_ready)
            future = next(self._pool)
            sent = self._tasks.pop(future.key)
            while future.status == "finished":
                try:
                    result: JobResult = future.result(timeout=FETCH_SECONDS)
                except TimeoutError:  # its worker may have died with the result, and no other be there
                    self.require_workers()
                else:
                    return result
            if future.status == "error":
                return _not_run(sent[0], future.exception())
            # Its worker died before the result was fetched, or the connection to the scheduler is lost: that shows in
            # a moment, and then there may be nobody to send it to. Let go, it is not run twice.
            future.release()
            time.sleep(POLL_SECONDS)
            self._wait_until(lambda: True)
            self.submit(*sent)

    def _wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait; what ``require_workers`` raises ends it."""
        self.require_workers()
        while not ready() or self.client.status == "connecting":
            with self._pool.thread_condition:
                self._pool.thread_condition.wait(POLL_SECONDS)
            self.require_workers()


def _not_run(task: Task, error: BaseException) -> JobResult:
    """A job for which Dask gives an error: its own errors are results."""
    if isinstance(error, KilledWorker):
        return _died(task)
    return JobResult(task.id, "failed", message=f"its worker could not run it: {error!r}")


def _died(task: Task) -> JobResult:
    """A job whose worker died, with what it told of itself at last."""
    message, told = (
        "its worker died each time it was tried: out of memory, or killed",
        read_heartbeat(task.root, task.id),
    )
    lost = JobResult(task.id, "failed", message=message, lost=True)
    if told is None:
        return lost
    return replace(
        lost,
        message=f"{message}; it had reached {told.peak} MiB",
        seconds=told.seen - told.started,
        started=told.started,
        worker=told.worker,
        peak=told.peak,
    )


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
    lock = lock_text(plan.root)
    under_way = 0

    def start(id_: str) -> None:
        needed = [results[need] for need in order.needs[id_]]
        tried, share = attempts[id_]
        task = _task(jobs[id_], plan, verdicts[id_], share, level)
        engine.submit(replace(task, attempt=tried + 1, lock=lock), needed)

    for id_ in order.ready():
        start(id_)
        under_way += 1
    while under_way:
        result = engine.next()
        tried, used = attempts[result.id]
        if retry.allows(result, tried):
            attempts[result.id] = tried + 1, retry.again(used)
            again, reason = attempts[result.id][1], "its worker died" if result.lost else result.message
            told = result.id, reason, again.memory >> 20, again.threads
            _LOGGER.warning("%s: %s. Trying again, with %d MiB for its arrays and %d threads.", *told)
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
        reads=job.reads,
        makes=job.makes,
        version=job.step.version,
        params=verdict.params,
        known=verdict.known,
        record=verdict.record if verdict.state == "open" else None,
        log=plan.root / "logs" / job.step.name / job.task,
        level=level,
    )
