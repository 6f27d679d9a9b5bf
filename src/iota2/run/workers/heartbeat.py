"""What a job that takes long tells of itself while it runs: a small file, written by its process, removed when it ends.

A file that stays is of a job whose worker died: it says how much memory it had at last.
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
from iota2.run.workers.peak_memory import peak_mib

FOLDER = PurePosixPath(layout.UNDER_WAY.path).parent
FIRST, EVERY = 1.0, 3.0
"""Seconds until a job first tells, so that short jobs write nothing, and from then on."""


@dataclass(frozen=True)
class Heartbeat:
    """A job at one instant."""

    id: str
    worker: str
    """Host and process."""
    started: float
    """Seconds since 1970, by the clock of the worker."""
    seen: float
    """When this was written."""
    peak: int
    """Largest memory of the process so far, MiB."""


def file_of(root: Path, job: str) -> Path:
    """Where a job tells; by a digest, as names of jobs hold names of tiles of any length."""
    step = job.split("/", maxsplit=1)[0]
    return root / FOLDER / f"{step}-{hashlib.blake2b(os.fsencode(job), digest_size=6).hexdigest()}.json"


def read_heartbeat(root: Path, job: str) -> Heartbeat | None:
    """What a job told last; None when it has ended, is short, or has not begun."""
    return _read(file_of(root, job))


def read_heartbeats(root: Path) -> dict[str, Heartbeat]:
    """The jobs that tell of themselves, by name."""
    try:
        names = sorted(os.listdir(root / FOLDER))
    except OSError:
        return {}
    found = [_read(root / FOLDER / name) for name in names if name.endswith(".json") and not name.startswith(".")]
    return {told.id: told for told in found if told is not None}


def clear_heartbeats(root: Path) -> None:
    """Remove what an earlier run left."""
    for told in (root / FOLDER).glob("*.json"):
        told.unlink(missing_ok=True)


@contextlib.contextmanager
def beating(root: Path, job: str, worker: str) -> Iterator[None]:
    """Tell of the job while the body runs. A disk that takes nothing more is no reason to stop the job."""
    path, ended, started = file_of(root, job), threading.Event(), time.time()

    def tell() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})  # the main thread hears them
        wait = FIRST
        while not ended.wait(wait):
            _write(path, Heartbeat(job, worker, started, time.time(), peak_mib()))
            wait = EVERY

    thread = threading.Thread(target=tell, name="iota2 under way", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _write(path: Path, told: Heartbeat) -> None:
    """Replace the file as a whole; not synced, as nothing depends on it."""
    part = path.with_name(f".{path.name}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json_text(asdict(told)), encoding="utf-8", errors="replace")
        os.replace(part, path)


def _read(path: Path) -> Heartbeat | None:
    try:
        told = Heartbeat(**json.loads(read_text(path)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    texts, numbers = (told.id, told.worker), (told.started, told.seen, told.peak)
    sound = all(type(text) is str for text in texts) and all(type(number) in (int, float) for number in numbers)
    return told if sound else None
