"""The command line in processes that start fast: forked from a process in which the program is already imported.

Each call is a separate process with its own permissions, limits and exit code; it is killed after a time limit.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ROOT_ACCESS = 0b110
"""Bits of the capabilities CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, by which root ignores file permissions."""
TIME_LIMIT_SECONDS = 30.0
"""Default time limit of a command."""


@dataclass(frozen=True)
class Outcome:
    """Result of a command."""

    code: int
    """Exit code; the negative signal number if the process was killed."""
    out: str
    err: str
    seconds: float
    peak: int
    """Peak memory of the process in bytes."""

    @property
    def output(self) -> str:
        """Standard output, followed by standard error."""
        return self.out + self.err


class Commands:
    """A process that has imported the program and forks for each command."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.forked"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(
        self,
        *words: object,
        bound: bool = False,
        seconds: float = TIME_LIMIT_SECONDS,
        folder: Path | None = None,
        files: int | None = None,
    ) -> Outcome:
        """Run ``iota2 <words>`` in ``folder`` with at most ``files`` open files.

        ``bound``: whether file permissions apply, as for users other than root.
        """
        asked = {
            "words": [str(word) for word in words],
            "bound": bound,
            "seconds": seconds,
            "folder": str(folder or ROOT),
            "files": files,
        }
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        return Outcome(**json.loads(self._server.stdout.readline()))

    def close(self) -> None:
        """End the process."""
        self._server.communicate(timeout=TIME_LIMIT_SECONDS)


@contextmanager
def commands() -> Iterator[Commands]:
    """Context with a process that runs commands."""
    started = Commands()
    try:
        yield started
    finally:
        started.close()


# ------------------------------------------------------------------------------------------------- in the process


def _serve() -> None:
    from iota2 import cli  # noqa: F401, PLC0415 - imported once for all forked processes

    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(_forked(asked)), flush=True)


def _forked(asked: dict[str, Any]) -> dict[str, Any]:
    """Run a command in a forked process; returns the fields of ``Outcome``."""
    outputs = [os.memfd_create(name) for name in ("out", "err")]
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _run(asked, outputs)
    status, used = _waited(child, started + asked["seconds"])
    texts = [os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace") for file in outputs]
    for file in outputs:
        os.close(file)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "out": texts[0],
        "err": texts[1],
        "seconds": time.monotonic() - started,
        "peak": used.ru_maxrss << 10,
    }


def _waited(child: int, until: float) -> tuple[int, resource.struct_rusage]:
    """Wait for the process; kill it and its children at the time limit."""
    while True:
        ended, status, used = os.wait4(child, os.WNOHANG)
        if ended:
            return status, used
        if time.monotonic() > until:
            os.killpg(child, signal.SIGKILL)
            _, status, used = os.wait4(child, 0)
            return status, used
        time.sleep(0.002)


def _run(asked: dict[str, Any], outputs: Sequence[int]) -> None:
    """Run the command in the forked process, then exit. ``outputs``: file descriptors of its output and errors."""
    code = 99
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(outputs[0], 1)
        os.dup2(outputs[1], 2)
        os.chdir(asked["folder"])
        if asked["files"] is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (asked["files"], asked["files"]))
        if asked["bound"]:
            _give_up_capabilities()
        sys.argv = ["iota2", *asked["words"]]
        from iota2 import cli  # noqa: PLC0415 - already imported

        code = cli.guarded(cli.app, debug=False)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _give_up_capabilities() -> None:
    """From here on, file permissions also apply to root."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    for kind in range(3):  # effective, permitted, inheritable
        sets[kind] &= ~ROOT_ACCESS
    if libc.capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")


if __name__ == "__main__":
    _serve()
