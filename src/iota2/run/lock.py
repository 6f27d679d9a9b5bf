"""One run at a time in an output folder."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from iota2 import layout
from iota2.errors import OutputError

LOCK = layout.LOCK.path


@dataclass(frozen=True)
class Holder:
    """The process that holds a folder."""

    host: str
    pid: int
    started: float
    """When the process began, seconds since 1970: another process may get its number later."""

    @property
    def alive(self) -> bool:
        """Whether it may still run; of a process on another host one cannot know, so yes."""
        if self.host != socket.gethostname():
            return True
        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) < 1
        except psutil.NoSuchProcess:
            return False


def holder(root: Path) -> Holder | None:
    """Who holds the folder; None when nobody does, or when the lock cannot be read."""
    try:
        return Holder(**json.loads((root / LOCK).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def locked(root: Path) -> Iterator[str | None]:
    """Hold the folder while the body runs; yields a message when the lock of a dead run was taken over.

    Raises OutputError, naming host and process, when another run holds it.
    """
    path = root / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    message = None
    try:
        _take(path)
    except FileExistsError:
        former = holder(root)
        if former is not None and former.alive:
            raise OutputError(
                f"{root}: another run works here (process {former.pid} on {former.host}). Wait for it, or give another "
                f"chain.output_path. If it is dead for sure, remove {path}."
            ) from None
        path.unlink(missing_ok=True)
        _take(path)
        message = f"The run that held {root} (process {former.pid if former else '?'}) is gone; going on from there."
    try:
        yield message
    finally:
        path.unlink(missing_ok=True)


def _take(path: Path) -> None:
    """Make the lock file; FileExistsError when it is there."""
    me = Holder(socket.gethostname(), os.getpid(), psutil.Process().create_time())
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(me), file)
