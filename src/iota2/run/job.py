"""Running one job where it is placed: its logs, its outputs, what became of it."""

from __future__ import annotations

import contextlib
import logging
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

from iota2.core.graph import JobContext
from iota2.errors import Iota2Error
from iota2.io.environ import gdal_environment, limit_threads

State = Literal["done", "failed", "blocked"]


@dataclass(frozen=True)
class JobResult:
    """What became of one job."""

    id: str
    state: State
    seconds: float = 0.0
    message: str = ""
    """The first thing to read when it failed."""


@dataclass(frozen=True)
class Task:
    """What is sent to a worker: the step's function and all that it gets."""

    id: str
    run: Callable[[JobContext], None]
    context: JobContext
    outputs: tuple[Path, ...]
    log: Path
    """Path of the log without suffix: ``logs/<Step>/<task>``."""
    level: str = "INFO"


def run_task(task: Task, *needed: JobResult) -> JobResult:
    """Run the task unless one of the jobs it needs did not end well. Never raises but for interrupts."""
    lost = [result.id for result in needed if result.state != "done"]
    if lost:
        return JobResult(task.id, "blocked", message=f"needs {lost[0]}")
    started = time.perf_counter()
    with _logged(task):
        try:
            _run(task)
        except Exception as error:
            logging.getLogger("iota2").debug("failed", exc_info=True)
            print(_explain(error), file=sys.stderr)
            return JobResult(task.id, "failed", time.perf_counter() - started, str(error) or repr(error))
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"done in {seconds:.2f} s; peak memory of the process so far {peak:.0f} MiB")
    return JobResult(task.id, "done", seconds)


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
