"""The command line in processes that are quick to start: forked from one in which the program is loaded already.

Each call is a whole process of its own, with its own user, limits and exit code, and is killed when it takes too long.
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
DAC = 0b110
"""Bits of the capabilities by which root reads and writes whatever the permissions say."""
PATIENCE = 30.0
"""Seconds that a command may take unless a test says less."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    """Its exit code; minus the signal that killed it."""
    out: str
    err: str
    seconds: float
    peak: int
    """Largest memory of the process, bytes."""

    @property
    def output(self) -> str:
        """Standard output and errors, one after the other."""
        return self.out + self.err


class Commands:
    """A process with the program loaded, which forks for each command."""

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
        seconds: float = PATIENCE,
        folder: Path | None = None,
        files: int | None = None,
    ) -> Outcome:
        """Run ``iota2 <words>`` in ``folder``, with at most ``files`` open files; ``bound`` by permissions as users are
        who are not root."""
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
        self._server.communicate(timeout=PATIENCE)


@contextmanager
def commands() -> Iterator[Commands]:
    """Commands that are quick to start."""
    started = Commands()
    try:
        yield started
    finally:
        started.close()


# ------------------------------------------------------------------------------------------------- in the process


def _serve() -> None:
    from iota2 import cli  # noqa: F401, PLC0415 - loaded once, for all that are forked

    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(_forked(asked)), flush=True)


def _forked(asked: dict[str, Any]) -> dict[str, Any]:
    """Fork, run, wait, and say how it ended."""
    said = [os.memfd_create(name) for name in ("out", "err")]
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _run(asked, said)
    status, used = _waited(child, started + asked["seconds"])
    texts = [os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace") for file in said]
    for file in said:
        os.close(file)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "out": texts[0],
        "err": texts[1],
        "seconds": time.monotonic() - started,
        "peak": used.ru_maxrss << 10,
    }


def _waited(child: int, until: float) -> tuple[int, resource.struct_rusage]:
    """Wait for the process, and kill it with all that it started when the time is over."""
    while True:
        ended, status, used = os.wait4(child, os.WNOHANG)
        if ended:
            return status, used
        if time.monotonic() > until:
            os.killpg(child, signal.SIGKILL)
            _, status, used = os.wait4(child, 0)
            return status, used
        time.sleep(0.002)


def _run(asked: dict[str, Any], said: Sequence[int]) -> None:
    """The command in the forked process, which ends with it."""
    code = 99
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(said[0], 1)
        os.dup2(said[1], 2)
        os.chdir(asked["folder"])
        if asked["files"] is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (asked["files"], asked["files"]))
        if asked["bound"]:
            _give_up_capabilities()
        sys.argv = ["iota2", *asked["words"]]
        from iota2 import cli  # noqa: PLC0415 - loaded already

        code = cli.guarded(cli.app, debug=False)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _give_up_capabilities() -> None:
    """Permissions hold from here on, for root too."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    for kind in range(3):  # effective, permitted, inheritable
        sets[kind] &= ~DAC
    if libc.capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")


if __name__ == "__main__":
    _serve()
