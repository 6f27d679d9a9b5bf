"""Running one job where it is placed: its logs, its outputs, its record, what became of it."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

from iota2.core.graph import JobContext
from iota2.errors import Iota2Error
from iota2.io.environ import gdal_environment, limit_threads
from iota2.run.damage import Damage, damage_of
from iota2.run.ledger import Record, relative, stamp_of
from iota2.run.peak import forget_peak, peak_mib

State = Literal["done", "kept", "failed", "blocked"]
"""``kept``: what it reads turned out as it was, so its outputs stand."""
WELL: tuple[State, ...] = ("done", "kept")


@dataclass(frozen=True)
class JobResult:
    """What became of one job."""

    id: str
    state: State
    seconds: float = 0.0
    message: str = ""
    """The first thing to read when it failed."""
    record: Record | None = None
    """What the outputs were made from; None when it did not end well."""
    damage: Damage | None = None
    """The product whose pixels could not be read, when that is why it failed."""
    started: float = 0.0
    """Seconds since 1970, by the clock of the worker; 0 when it did not run."""
    worker: str = ""
    """Host and process where it ran."""


@dataclass(frozen=True)
class Task:
    """What is sent to a worker: the step's function and all that it gets."""

    id: str
    run: Callable[[JobContext], None]
    context: JobContext
    root: Path
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    version: int
    params: str
    """Digest of the parameters."""
    known: Mapping[str, str]
    """Digests of the inputs that no job of this run makes."""
    record: Record | None
    """Of an earlier run; the job is kept when its inputs are still those. None: it runs in any case."""
    log: Path
    """Path of the log without suffix: ``logs/<Step>/<task>``."""
    level: str = "INFO"


def run_task(task: Task, needed: Sequence[JobResult] = ()) -> JobResult:
    """Run the task, or keep what it made when its inputs are as they were. Never raises but for interrupts.

    ``needed`` are the results, all well, of the jobs of this run whose outputs it reads.
    """
    if not task.root.is_dir():
        here = f"{task.root} is not there on {socket.gethostname()}, where the worker runs"
        return JobResult(task.id, "failed", message=f"{here}: workers must share the disk of chain.output_path")
    inputs = _inputs(task, needed)
    if task.record is not None and task.record.inputs == inputs:
        return JobResult(task.id, "kept", record=task.record)
    started, begun, worker = time.perf_counter(), time.time(), f"{socket.gethostname()}:{os.getpid()}"
    forget_peak()
    with _logged(task):
        try:
            _run(task)
            record = _record(task, inputs, time.perf_counter() - started)
        except Exception as error:
            print(_explain(error), file=sys.stderr)
            seconds, message = time.perf_counter() - started, str(error) or repr(error)
            return JobResult(task.id, "failed", seconds, message, None, damage_of(error), begun, worker)
        print(f"done in {record.seconds:.2f} s; peak memory of the process {record.peak} MiB")
    return JobResult(task.id, "done", record.seconds, record=record, started=begun, worker=worker)


def _inputs(task: Task, needed: Sequence[JobResult]) -> dict[str, str]:
    """Digest of every input: known before, or made by the jobs before."""
    made = {path: stamp.checksum for result in needed if result.record for path, stamp in result.record.outputs.items()}
    names = [relative(path, task.root) for path in task.inputs]
    return {name: made[name] if name in made else task.known[name] for name in names}


def _record(task: Task, inputs: Mapping[str, str], seconds: float) -> Record:
    """The record of a job that has just made its outputs."""
    outputs = {relative(path, task.root): stamp_of(path) for path in task.outputs}
    return Record(task.id, task.version, task.params, inputs, outputs, round(seconds, 3), peak_mib())


def _run(task: Task) -> None:
    """Call the step's function within its thread limit and see that every output is there."""
    for path in task.outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
    with limit_threads(task.context.use.threads), gdal_environment(threads=task.context.use.threads):
        task.run(task.context)
    missing = [str(path) for path in task.outputs if not path.exists()]
    if missing:
        raise RuntimeError(f"{task.id} ended without making {', '.join(missing)}")


def _explain(error: Exception) -> str:
    """The message alone for what we say on purpose, with the traceback for our defects."""
    if isinstance(error, Iota2Error):
        return f"{type(error).__name__}: {error}"
    return "".join(traceback.format_exception(error))


@contextlib.contextmanager
def _logged(task: Task) -> Iterator[None]:
    """Send what the job prints and logs to its ``.out`` and ``.err``."""
    task.log.parent.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("iota2")
    with (
        open(f"{task.log}.out", "w", encoding="utf-8", buffering=1) as out,
        open(f"{task.log}.err", "w", encoding="utf-8", buffering=1) as err,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        handlers = [_handler(out, task.level), _handler(err, "WARNING")]
        logger.setLevel(task.level)
        propagate, logger.propagate = logger.propagate, False
        for handler in handlers:
            logger.addHandler(handler)
        print(f"{task.id} {dict(task.context.key)}")
        try:
            yield
        finally:
            logger.propagate = propagate
            for handler in handlers:
                logger.removeHandler(handler)


def _handler(stream: TextIO, level: str) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    return handler
