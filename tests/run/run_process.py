"""Processes that run while a test does, and how far a run is that such a process makes."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from iota2 import layout

PATIENCE = 20
"""Seconds that a process has to end by itself."""


@contextmanager
def background(command: Sequence[object], said: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """A process that runs while the body does; what it says goes to the file ``said``."""
    with open(said, "wb") as file:
        process = subprocess.Popen(
            [str(word) for word in command],
            env={**os.environ, **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def recorded(root: Path) -> list[str]:
    """Lines of the records, one for each job that has ended well."""
    path = root / layout.RECORDS.path
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def wait_for_records(root: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Until so many jobs have been recorded by a run that goes on."""
    while len(recorded(root)) < count:
        if process.poll() is not None:
            raise AssertionError(process.communicate()[0])
        time.sleep(0.1)
