"""The engine of a run, and its settings for retries and resources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iota2 import layout
from iota2.chains import chain_of
from iota2.chains.lookup import BUILDERS
from iota2.config.options.schema import Config
from iota2.runs.host import cores
from iota2.runs.options import Options
from iota2.runs.workers.clusters import DEFAULT_CLUSTER_WORKERS, Queue, queued_workers, running_scheduler
from iota2.runs.workers.execute import DebugEngine, Engine, Retry
from iota2.runs.workers.local import local_workers
from iota2.runs.workers.resources import ResourceSettings, read_resources
from iota2.runs.workers.user_code import share_builders


def retries(config: Config) -> Retry:
    """The settings for retries of failed jobs."""
    limits = config.task_retry_limits
    return Retry(limits.allowed_retry, int(limits.maximum_ram * 1e9), limits.maximum_cpu)


def configured_resources(config: Config, options: Options) -> ResourceSettings:
    """The resources of the jobs of each step, and of workers."""
    others = (step.name for builder in BUILDERS for step in builder.steps)
    return read_resources(options.resources, options.use, retries(config), chain_of(config).numbers, others)


@contextmanager
def engine(config: Config, options: Options, resources: ResourceSettings) -> Iterator[Engine]:
    """The engine that the options select; by default one worker per core of this machine."""
    if options.scheduler is not None:
        with running_scheduler(options.scheduler) as cluster:
            share_builders(cluster.client, config.builders.builders_paths)
            yield cluster
    elif options.engine in ("slurm", "pbs"):
        logs = config.chain.output_path / Path(layout.LOG_WORKER.path).parent
        certificates = config.chain.output_path / layout.MARK
        slurm = config.slurm
        with queued_workers(
            Queue(
                options.engine,
                options.workers or DEFAULT_CLUSTER_WORKERS,
                resources.worker,
                logs,
                certificates,
                slurm.account,
                slurm.partition,
            )
        ) as cluster:
            share_builders(cluster.client, config.builders.builders_paths)
            yield cluster
    elif options.engine == "debug" or options.workers == 0:
        yield DebugEngine()
    else:
        with local_workers(options.workers or cores()) as cluster:
            share_builders(cluster.client, config.builders.builders_paths)
            yield cluster


def resource_notes(config: Config, options: Options) -> tuple[str, ...]:
    """Notes on entries of a resources file without effect; ConfigError with all problems of the file."""
    return configured_resources(config, options).remarks
