"""Execution of one job on a worker: logs, outputs, record, result."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TextIO

from iota2.chains.user_builders import position_of
from iota2.core.graph import JobContext
from iota2.core.words import printable
from iota2.errors import REMEDIES, Iota2Error, message_of, system_text
from iota2.io.files.atomic import checking_before_replacing, remove
from iota2.io.files.gdal import gdal_environment, limit_threads
from iota2.runs.records.damage import Damage, damage_of
from iota2.runs.records.lock import require_lock
from iota2.runs.records.records import Record
from iota2.runs.records.stamps import members, stamp_of, stat_stamp
from iota2.runs.records.state import remove_obstacle
from iota2.runs.workers.heartbeat import Heartbeat, beating, read_heartbeat
from iota2.runs.workers.peak_memory import peak_mib, reset_peak

State = Literal["done", "kept", "failed", "blocked"]
"""``kept``: the inputs turned out unchanged, so the outputs are still valid."""
FileState = tuple[bool, int, int]
"""Whether a file or folder exists, with its size and time."""
SUCCESSFUL: tuple[State, ...] = ("done", "kept")


@dataclass(frozen=True)
class JobResult:
    """Result of one job."""

    id: str
    state: State
    seconds: float = 0.0
    message: str = ""
    """Error message of a failed job."""
    record: Record | None = None
    """Record of inputs and outputs; None for an unsuccessful job."""
    damage: Damage | None = None
    """The damaged product that made the job fail."""
    started: float = 0.0
    """Seconds since 1970, by the clock of the worker; 0 if the job did not run."""
    worker: str = ""
    """Host and process of the job."""
    peak: int = 0
    """Peak memory of the process in MiB, also of a failed attempt; 0 if unknown."""
    worker_died: bool = False
    """Whether the worker died during the job."""


@dataclass(frozen=True)
class Task:
    """A job in the form that is sent to a worker: the step's function with all arguments."""

    id: str
    run: Callable[[JobContext], None]
    context: JobContext
    root: Path
    reads: tuple[str, ...]
    makes: tuple[str, ...]
    """Inputs and outputs, relative to ``root``."""
    version: int
    params: str
    """Digest of the parameters."""
    known: Mapping[str, str]
    """Digests of the inputs that no job of this run makes."""
    record: Record | None
    """Record of an earlier run: the job is kept if the inputs are the same. None: the job runs in any case."""
    log: Path
    """Path of the log without suffix: ``logs/<Step>/<task>``."""
    level: str = "INFO"
    attempt: int = 1
    """Number of the attempt, from 1; logs of retries are appended to that of the first attempt."""
    lock: str = ""
    """Text of the lock of the run; outputs are discarded if another run has locked the folder since."""


def run_task(task: Task, needed: Sequence[JobResult] = ()) -> JobResult:
    """Run the task, or keep its outputs if its inputs are unchanged. Raises nothing except interrupts.

    ``needed``: successful results of the jobs of this run whose outputs the task reads.
    """
    if not task.root.is_dir():
        here = f"{task.root} does not exist on {socket.gethostname()}, the host of the worker"
        return JobResult(task.id, "failed", message=f"{here}: workers must share the disk of chain.output_path")
    inputs = _inputs(task, needed)
    if task.record is not None and task.record.inputs == inputs:
        return JobResult(task.id, "kept", record=task.record)
    started, begun, worker = time.perf_counter(), time.time(), f"{socket.gethostname()}:{os.getpid()}"
    died = read_heartbeat(task.root, task.id)
    reset_peak()

    def failed(error: BaseException, message: str = "") -> JobResult:
        seconds, message = time.perf_counter() - started, message or position_of(error) + message_of(error)
        damage = damage_of(error) if isinstance(error, Exception) else None
        return JobResult(task.id, "failed", seconds, message, None, damage, begun, worker, peak_mib())

    result: JobResult | None = None
    try:
        with _logged(task, died), beating(task.root, task.id, worker):
            try:
                _run(task)
                record = _record(task, inputs, time.perf_counter() - started)
            except (Exception, SystemExit) as error:
                result = failed(error)
                print(printable(_explain(error)), file=sys.stderr)
                print(f"failed after {result.seconds:.2f} s; peak memory of the process {result.peak} MiB")
                return result
            print(f"done in {record.seconds:.2f} s; peak memory of the process {record.peak} MiB")
    except OSError as error:  # a full disk also prevents logs
        return result or failed(error, f"{task.log}: the log cannot be written: {system_text(error)}")
    return JobResult(task.id, "done", record.seconds, record=record, started=begun, worker=worker, peak=record.peak)


def _inputs(task: Task, needed: Sequence[JobResult]) -> dict[str, str]:
    """Digest of each input, known before the run or from the results of upstream jobs."""
    made = {path: stamp.checksum for result in needed if result.record for path, stamp in result.record.outputs.items()}
    return {name: made[name] if name in made else task.known[name] for name in task.reads}


def _record(task: Task, inputs: Mapping[str, str], seconds: float) -> Record:
    """The record of a job that has made its outputs."""
    outputs = {name: stamp_of(task.root / name) for name in task.makes}
    return Record(task.id, task.version, task.params, inputs, outputs, round(seconds, 3), peak_mib())


def _run(task: Task) -> None:
    """Call the step's function with its thread limit.

    RuntimeError for missing outputs, outputs that are no files, and changed inputs. If the function fails, outputs that
    it has written are removed, because they may be incomplete.
    """
    outputs = [task.root / name for name in task.makes]
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
    inputs = {path: _state(path) for path in (task.root / name for name in task.reads)}
    before = {path: _state(path) for path in outputs}
    try:
        _call(task)
        _require_outputs(outputs)
        changed = [str(path) for path, state in inputs.items() if _state(path) != state]
        if changed:
            raise RuntimeError(f"has changed its input {', '.join(changed)}; a step writes to its outputs only")
    except BaseException:
        _discard(task, before)
        raise


def _discard(task: Task, before: Mapping[Path, FileState]) -> None:
    """Remove the outputs that a failed job has written, unless another run uses the folder now."""
    try:
        require_lock(task.root, task.lock)
    except Exception:  # the outputs may be those of the other run
        return
    for path, state in before.items():
        if _state(path) != state:
            with contextlib.suppress(OSError):
                for member in members(path):
                    remove(member)
                remove(path)


def _state(path: Path) -> FileState:
    """Whether a file or folder exists, with its size and time."""
    return os.path.lexists(path), *stat_stamp(path)


def _call(task: Task) -> None:
    """Call the step's function with its thread limit."""
    threads, require_own_lock = task.context.use.threads, partial(require_lock, task.root, task.lock)
    require_own_lock()
    with limit_threads(threads), gdal_environment(threads=threads), checking_before_replacing(require_own_lock):
        task.run(task.context)


def _require_outputs(outputs: Sequence[Path]) -> None:
    """RuntimeError for outputs that are missing, or neither a file nor a folder with files."""
    missing = [str(path) for path in outputs if not path.exists()]
    if missing:
        raise RuntimeError(f"ended without making {', '.join(missing)}")
    for path in outputs:
        if path.is_dir() and not any(path.iterdir()):
            raise RuntimeError(f"has made an empty folder, {path}, instead of an output")
        if not path.is_dir() and not path.is_file():
            raise RuntimeError(f"has made {path}, which is neither a file nor a folder")


def _explain(error: BaseException) -> str:
    """The message of an expected error; the whole traceback for others."""
    if isinstance(error, Iota2Error):
        return f"{type(error).__name__}: {error}"
    if isinstance(error, OSError) and error.errno in REMEDIES:
        return message_of(error)
    return "".join(traceback.format_exception(error))


@contextlib.contextmanager
def _logged(task: Task, died: Heartbeat | None) -> Iterator[None]:
    """Redirect output and log messages of the job to its files ``.out`` and ``.err``.

    Text of earlier attempts of this run is kept; ``died``: last heartbeat of an attempt whose worker died.
    """
    mode: Literal["w", "a"] = "w" if task.attempt == 1 and died is None else "a"
    task.log.parent.mkdir(parents=True, exist_ok=True)
    for suffix in (".out", ".err"):
        remove_obstacle(Path(f"{task.log}{suffix}"))
    logger = logging.getLogger("iota2")
    with (
        open(f"{task.log}.out", mode, encoding="utf-8", buffering=1) as out,
        open(f"{task.log}.err", mode, encoding="utf-8", buffering=1) as err,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _faults_shown(err),
    ):
        handlers = [_handler(out, task.level), _handler(err, "WARNING")]
        level, propagate = logger.level, logger.propagate
        logger.setLevel(task.level)
        logger.propagate = False
        for handler in handlers:
            logger.addHandler(handler)
        try:
            if died is not None:
                seconds = died.seen - died.started
                print(f"worker {died.worker} died after {seconds:.0f} s; peak memory {died.peak} MiB")
            if mode == "a":
                print(f"tried again with {task.context.use.memory >> 20} MiB for arrays")
            print(printable(f"{task.id} {task.context.key.by_axis()}"))
            if task.context.use.threads > 1:
                print(f"{task.context.use.threads} threads")
            yield
        finally:
            logger.setLevel(level)
            logger.propagate = propagate
            for handler in handlers:
                logger.removeHandler(handler)


@contextlib.contextmanager
def _faults_shown(log: TextIO) -> Iterator[None]:
    """If a fault of compiled code kills this process, write the lines of Python that called it to a log."""
    if faulthandler.is_enabled():
        yield
        return
    faulthandler.enable(log, all_threads=False)
    try:
        yield
    finally:
        faulthandler.disable()


class PrintableFormatter(logging.Formatter):
    """Formatter that shows control characters as escapes."""

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter``."""
        return printable(super().format(record))


def _handler(stream: TextIO, level: str) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setLevel(level)
    handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(message)s"))
    return handler
