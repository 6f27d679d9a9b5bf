"""Placing the jobs of a plan on workers: one executor, one submission path, several engines."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from distributed import Client, LocalCluster, as_completed

from iota2.core.graph import Resources
from iota2.run.job import JobResult, Task, run_task
from iota2.run.plan import Job, Plan

Watch = Callable[[JobResult], None]
"""Called with each job's result, as it comes."""


class Engine(Protocol):
    """Runs tasks that wait for one another and yields their results as they come."""

    def run(self, tasks: Mapping[str, tuple[Task, tuple[str, ...]]]) -> Iterator[JobResult]:
        """Run the tasks, given in an order that respects their needs, each with the ids it waits for."""
        ...


@dataclass(frozen=True)
class Debug:
    """Everything in this process, one job after the other: for a debugger."""

    def run(self, tasks: Mapping[str, tuple[Task, tuple[str, ...]]]) -> Iterator[JobResult]:
        """See ``Engine.run``."""
        results: dict[str, JobResult] = {}
        for id_, (task, needs) in tasks.items():
            results[id_] = run_task(task, *(results[need] for need in needs))
            yield results[id_]


@dataclass(frozen=True)
class Cluster:
    """A Dask scheduler: jobs are submitted all at once and Dask orders and places them."""

    client: Client

    def run(self, tasks: Mapping[str, tuple[Task, tuple[str, ...]]]) -> Iterator[JobResult]:
        """See ``Engine.run``."""
        futures: dict[str, Any] = {}
        for id_, (task, needs) in tasks.items():
            futures[id_] = self.client.submit(
                run_task, task, *(futures[need] for need in needs), key=id_, pure=False, retries=0
            )
        names = {future.key: id_ for id_, future in futures.items()}
        for future in as_completed(futures.values()):
            if future.status == "finished":
                yield future.result()
            else:
                yield JobResult(names[future.key], "failed", message=f"the worker was lost: {future.exception()!r}")


@contextmanager
def local_cluster(workers: int) -> Iterator[Cluster]:
    """Dask workers on this machine: processes with one thread of ours each."""
    logging.getLogger("distributed").setLevel(logging.ERROR)
    with (
        tempfile.TemporaryDirectory(prefix="iota2-") as scratch,
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
        yield Cluster(client)


def execute(plan: Plan, engine: Engine, watch: Watch, use: Resources, level: str = "INFO") -> dict[str, JobResult]:
    """Run every job of ``plan``; a job that fails blocks those that need it, all else goes on."""
    tasks = {job.id: (_task(job, plan, use, level), job.needs) for job in plan.jobs}
    results: dict[str, JobResult] = {}
    for result in engine.run(tasks):
        results[result.id] = result
        watch(result)
    return results


def _task(job: Job, plan: Plan, use: Resources, level: str) -> Task:
    log = plan.root / "logs" / job.step.name / job.task
    return Task(job.id, job.step.run, job.context(use), job.outputs, log, level)
