"""Execution of the jobs of a plan on an engine, with retries."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from uuid import uuid4

from distributed import Client, KilledWorker, as_completed

from iota2.core.graph import Resources, Step
from iota2.core.words import printable
from iota2.runs.plan.jobs import Job, Plan
from iota2.runs.records.lock import lock_text
from iota2.runs.records.verdicts import Verdict
from iota2.runs.workers.heartbeat import read_heartbeat
from iota2.runs.workers.job import SUCCESSFUL, JobResult, Task, run_task

_LOGGER = logging.getLogger(__name__)
SCHEDULER_SETTINGS = {"distributed.scheduler.worker-saturation": 1.0, "distributed.scheduler.allowed-failures": 0}
"""Settings of our schedulers: an idle worker gets a job, and Dask does not retry jobs whose worker died."""
MIN_RETRIES_AFTER_DEATH = 2
"""Minimum number of retries of a job whose worker died, most often because a machine failed."""
POLL_SECONDS = 0.1
"""Period of checks while waiting for a result."""
FETCH_TIMEOUT_SECONDS = 2.0
"""Timeout of fetching a result from a worker, which may have died."""
ResultCallback = Callable[[JobResult], None]
"""Callback for each job's result, on arrival."""


@dataclass(frozen=True)
class Retry:
    """Settings for retries of jobs that failed or whose worker died: each has twice the memory and threads.

    A job whose worker died has at least ``MIN_RETRIES_AFTER_DEATH`` retries.
    """

    allowed: int = 0
    memory: int = 1 << 40
    """Maximum memory of a job, bytes."""
    threads: int = 1 << 10

    def allows(self, result: JobResult, tried: int) -> bool:
        """Whether a job with this result after ``tried`` retries gets another one."""
        return result.state == "failed" and tried < (
            max(self.allowed, MIN_RETRIES_AFTER_DEATH) if result.worker_died else self.allowed
        )

    def next_resources(self, use: Resources) -> Resources:
        """Resources of the next attempt, at least those of the last one."""
        memory, threads = min(2 * use.memory, self.memory), min(2 * use.threads, self.threads)
        return replace(use, memory=max(use.memory, memory), threads=max(use.threads, threads))


@dataclass(frozen=True)
class Cores:
    """Processor cores that an engine has for its jobs."""

    shared: int = 1
    """Cores of this machine that all workers share; 1 if they cannot be assigned to another worker."""
    own: int = 1
    """Cores of each worker that no other worker uses."""

    def threads(self, jobs: int) -> int:
        """Threads of each of ``jobs`` jobs that run at the same time, without more threads than cores in all."""
        return max(1, self.own, self.shared // max(1, jobs))


class Engine(Protocol):
    """Executor of tasks that returns results as they arrive."""

    @property
    def cores(self) -> Cores:
        """Cores for the threads of jobs."""
        ...

    def submit(self, task: Task, needed: Sequence[JobResult]) -> None:
        """Queue a task, with the results of the tasks that it needs."""
        ...

    def next(self) -> JobResult:
        """Wait for the next result; called only while tasks are queued or running."""
        ...


@dataclass
class DebugEngine:
    """Engine that runs all jobs in this process, one after the other, for debugging."""

    cores: Cores = Cores()
    _queue: deque[tuple[Task, Sequence[JobResult]]] = field(default_factory=deque)

    def submit(self, task: Task, needed: Sequence[JobResult]) -> None:
        """See ``Engine.submit``."""
        self._queue.append((task, needed))

    def next(self) -> JobResult:
        """See ``Engine.next``."""
        return run_task(*self._queue.popleft())


@dataclass
class DaskEngine:
    """Engine with workers of a Dask scheduler.

    All jobs have keys of one group, so that Dask keeps waiting jobs on the scheduler. Jobs that wait on a worker
    would count as failed if it dies, although they have not run.
    """

    client: Client
    require_workers: Callable[[], object] = bool
    """Raises an error if no more workers can start; called repeatedly while waiting for a result."""
    cores: Cores = Cores()
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
                    result: JobResult = future.result(timeout=FETCH_TIMEOUT_SECONDS)
                except TimeoutError:  # the worker may have died with the result, without a replacement
                    self.require_workers()
                else:
                    return result
            if future.status == "error":
                return _not_run(sent[0], future.exception())
            # The worker died before the result was fetched, or the connection to the scheduler is lost, which the
            # wait below detects. The future is released so that the job does not run twice.
            future.release()
            time.sleep(POLL_SECONDS)
            self._wait_until(lambda: True)
            self.submit(*sent)

    def _wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until ``ready`` and connected; raises the errors of ``require_workers``."""
        self.require_workers()
        while not ready() or self.client.status == "connecting":
            with self._pool.thread_condition:
                self._pool.thread_condition.wait(POLL_SECONDS)
            self.require_workers()


def _not_run(task: Task, error: BaseException) -> JobResult:
    """Result of a job for which Dask reports an error; errors of the job itself are results already."""
    if isinstance(error, KilledWorker):
        return _worker_death(task)
    return JobResult(task.id, "failed", message=f"the worker could not run the job: {error!r}")


def _worker_death(task: Task) -> JobResult:
    """Result of a job whose worker died, with its last heartbeat."""
    hint = f"last line of its log: {line}" if (line := _last_line(task)) else "see its log"
    message = f"its worker died in all attempts: out of memory, killed, or ended by code that it called ({hint})"
    beat = read_heartbeat(task.root, task.id)
    result = JobResult(task.id, "failed", message=message, worker_died=True)
    if beat is None:
        return result
    return replace(
        result,
        message=f"{message}; peak memory {beat.peak} MiB",
        seconds=beat.seen - beat.started,
        started=beat.started,
        worker=beat.worker,
        peak=beat.peak,
    )


def _last_line(task: Task) -> str:
    """The last line of the log of a task, which may name code that ended its process; empty without log."""
    try:
        with open(f"{task.log}.out", encoding="utf-8", errors="replace") as log:
            return printable("".join(deque(log, 1)).strip())
    except OSError:
        return ""


def execute(
    plan: Plan,
    verdicts: Mapping[str, Verdict],
    engine: Engine,
    watch: ResultCallback,
    use: Resources,
    *,
    step_resources: Mapping[str, Resources] | None = None,
    fixed_threads: Collection[str] = (),
    retry: Retry | None = None,
    level: str = "INFO",
) -> dict[str, JobResult]:
    """Run the jobs of ``plan`` that are not fresh; a failed job blocks dependent jobs only.

    Returns all results, which are also passed to ``watch`` on arrival. ``use``: resources of a job, except of the
    steps in ``step_resources``. Jobs of threaded steps, except ``fixed_threads``, also use the cores of idle workers.
    """
    retry = retry or Retry()
    jobs = {job.id: job for job in plan.jobs if verdicts[job.id].state != "fresh"}
    order = _JobOrder(jobs)
    given = step_resources or {}
    attempts = {id_: (0, given.get(job.step.name, use)) for id_, job in jobs.items()}
    idle = _IdleCores(engine.cores, [job.step for job in jobs.values() if job.step.name not in fixed_threads])
    results: dict[str, JobResult] = {}
    lock = lock_text(plan.root)
    running = 0

    def start(id_: str) -> None:
        needed = [results[need] for need in order.needs[id_]]
        tried, share = attempts[id_]
        if not tried:
            share = replace(share, threads=max(share.threads, idle.threads(jobs[id_].step)))
        task = _task(jobs[id_], plan, verdicts[id_], share, level)
        engine.submit(replace(task, attempt=tried + 1, lock=lock), needed)

    for id_ in order.ready():
        start(id_)
        running += 1
    while running:
        result = engine.next()
        tried, used = attempts[result.id]
        if retry.allows(result, tried):
            attempts[result.id] = tried + 1, retry.next_resources(used)
            share, reason = attempts[result.id][1], "its worker died" if result.worker_died else result.message
            details = result.id, reason, share.memory >> 20, share.threads
            _LOGGER.warning("%s: %s. Trying again, with %d MiB for its arrays and %d threads.", *details)
            start(result.id)
            continue
        running -= 1
        results[result.id] = result
        idle.ended(jobs[result.id].step)
        watch(result)
        if result.state in SUCCESSFUL:
            for id_ in order.after(result.id):
                start(id_)
                running += 1
        else:
            for id_ in order.blocked(result.id):
                results[id_] = JobResult(id_, "blocked", message=f"needs {result.id}")
                idle.blocked(jobs[id_].step)
                watch(results[id_])
    return results


class _IdleCores:
    """Assignment of the cores of idle workers to jobs of threaded steps (``Step.max_threads`` above 1), at their start.

    The cores are divided by the number of jobs of the step that have not ended, and those of other threaded steps that
    run or wait for a worker. Jobs of other steps are short and are not counted. Jobs that become ready while this one
    runs therefore find their core free.
    """

    def __init__(self, cores: Cores, steps: Sequence[Step]) -> None:
        self._cores = cores
        self._left = Counter(step.name for step in steps if step.max_threads > 1)
        self._started: Counter[str] = Counter()

    def threads(self, step: Step) -> int:
        """Threads of a job of the step, which starts now."""
        if step.name not in self._left:
            return 1
        self._started[step.name] += 1
        others = self._started.total() - self._started[step.name]
        return min(step.max_threads, self._cores.threads(self._left[step.name] + others))

    def ended(self, step: Step) -> None:
        """Note the end of a job that was started."""
        if step.name in self._left:
            self._left[step.name] -= 1
            self._started[step.name] -= 1

    def blocked(self, step: Step) -> None:
        """Note that a job of the step will not start."""
        if step.name in self._left:
            self._left[step.name] -= 1


class _JobOrder:
    """Order of jobs by their needs."""

    def __init__(self, jobs: Mapping[str, Job]) -> None:
        self.needs = {id_: tuple(need for need in job.needs if need in jobs) for id_, job in jobs.items()}
        self._missing = {id_: len(needs) for id_, needs in self.needs.items()}
        self._children: dict[str, list[str]] = {id_: [] for id_ in jobs}
        self._blocked: set[str] = set()
        for id_, needs in self.needs.items():
            for need in needs:
                self._children[need].append(id_)

    def ready(self) -> list[str]:
        """Jobs without needs."""
        return [id_ for id_, missing in self._missing.items() if not missing]

    def after(self, id_: str) -> list[str]:
        """Jobs that become ready after the success of this one."""
        for child in self._children[id_]:
            self._missing[child] -= 1
        return [child for child in self._children[id_] if not self._missing[child]]

    def blocked(self, id_: str) -> list[str]:
        """Jobs that cannot run because this one failed, each returned once."""
        found: list[str] = []
        queue = [id_]
        while queue:
            for child in self._children[queue.pop()]:
                if child not in self._blocked:
                    self._blocked.add(child)
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
