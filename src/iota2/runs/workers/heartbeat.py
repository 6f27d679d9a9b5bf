"""Heartbeats of long jobs: small files, written by the process of a job and removed when it ends.

A remaining file belongs to a job whose worker died, and contains its last memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from iota2 import layout
from iota2.core.files import read_text
from iota2.core.words import json_text
from iota2.runs.workers.peak_memory import peak_mib

HEARTBEAT_FOLDER = PurePosixPath(layout.UNDER_WAY.path).parent
FIRST_SECONDS, PERIOD_SECONDS = 1.0, 3.0
"""Time until the first heartbeat, so that short jobs write nothing, and time between the following."""


@dataclass(frozen=True)
class Heartbeat:
    """State of a running job."""

    id: str
    worker: str
    """Host and process."""
    started: float
    """Seconds since 1970, by the clock of the worker."""
    seen: float
    """Time of the heartbeat, by the same clock."""
    peak: int
    """Peak memory of the process so far, MiB."""


def heartbeat_file(root: Path, job: str) -> Path:
    """Heartbeat file of a job, named by a digest, because tile names can have any length."""
    step = job.split("/", maxsplit=1)[0]
    return root / HEARTBEAT_FOLDER / f"{step}-{hashlib.blake2b(os.fsencode(job), digest_size=6).hexdigest()}.json"


def read_heartbeat(root: Path, job: str) -> Heartbeat | None:
    """The last heartbeat of a job; None for a job that is not running or has just started."""
    return _read(heartbeat_file(root, job))


def read_heartbeats(root: Path) -> dict[str, Heartbeat]:
    """The last heartbeats of all running jobs, by job."""
    try:
        names = sorted(os.listdir(root / HEARTBEAT_FOLDER))
    except OSError:
        return {}
    found = [
        _read(root / HEARTBEAT_FOLDER / name) for name in names if name.endswith(".json") and not name.startswith(".")
    ]
    return {beat.id: beat for beat in found if beat is not None}


def clear_heartbeats(root: Path) -> None:
    """Remove heartbeats of an earlier run."""
    for file in (root / HEARTBEAT_FOLDER).glob("*.json"):
        file.unlink(missing_ok=True)


@contextlib.contextmanager
def beating(root: Path, job: str, worker: str) -> Iterator[None]:
    """Write heartbeats while the body runs. A full disk does not stop the job."""
    path, ended, started = heartbeat_file(root, job), threading.Event(), time.time()

    def beat() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})  # the main thread handles them
        wait = FIRST_SECONDS
        while not ended.wait(wait):
            _write(path, Heartbeat(job, worker, started, time.time(), peak_mib()))
            wait = PERIOD_SECONDS

    thread = threading.Thread(target=beat, name="iota2 heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _write(path: Path, beat: Heartbeat) -> None:
    """Replace the file atomically, without sync because nothing depends on it."""
    part = path.with_name(f".{path.name}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json_text(asdict(beat)), encoding="utf-8", errors="replace")
        os.replace(part, path)


def _read(path: Path) -> Heartbeat | None:
    try:
        beat = Heartbeat(**json.loads(read_text(path)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    texts, numbers = (beat.id, beat.worker), (beat.started, beat.seen, beat.peak)
    sound = all(type(text) is str for text in texts) and all(type(number) in (int, float) for number in numbers)
    return beat if sound else None
