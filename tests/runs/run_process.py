"""Background processes of tests, and the progress of a run in such a process."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from iota2 import layout

END_SECONDS = 20
"""Time for a process to end after SIGTERM."""


@contextmanager
def background(command: Sequence[object], log: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Run a process while the body runs; its output goes to the file ``log``."""
    with open(log, "wb") as file:
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
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def recorded(root: Path) -> list[str]:
    """Lines of the records, one for each successful job."""
    path = root / layout.RECORDS.path
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def wait_for_records(root: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until a run in progress has recorded ``count`` jobs."""
    while len(recorded(root)) < count:
        if process.poll() is not None:
            raise AssertionError(process.communicate()[0])
        time.sleep(0.1)
