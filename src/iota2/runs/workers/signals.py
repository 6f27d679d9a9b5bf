"""Termination of a process on SIGTERM, in any state."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import cache
from typing import NoReturn

import psutil

from iota2.errors import EXIT_INTERRUPTED

GRACE_SECONDS = 30.0
"""Time for a clean end, which a blocking library call prevents, such as opening a file on a dead network disk."""


def end_on_sigterm() -> None:
    """Install a handler of SIGTERM that ends this process like Ctrl-C, and kills it after ``GRACE_SECONDS``.

    It also works if SIGINT is ignored, as in background jobs of a script. Must be called in the main thread. A forked
    process has the handler, but is only killed if it calls this function again.
    """
    signal.set_wakeup_fd(_signal_pipe(), warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: object) -> NoReturn:
    """Raise KeyboardInterrupt, as for Ctrl-C; further signals are ignored."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    raise KeyboardInterrupt


@cache
def _signal_pipe() -> int:
    """A pipe for signal numbers and a thread that reads it, because a blocked main thread cannot run handlers."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    threading.Thread(target=_end_after_grace, args=(reader,), daemon=True, name="iota2-sigterm").start()
    return writer


def _leave_signal_pipe() -> None:
    """In a forked process: write no more signals to the pipe of its parent, which would end the parent."""
    if _signal_pipe.cache_info().currsize:
        signal.set_wakeup_fd(-1)
        os.close(_signal_pipe())
        _signal_pipe.cache_clear()


os.register_at_fork(after_in_child=_leave_signal_pipe)


def _end_after_grace(reader: int) -> None:
    while signal.SIGTERM not in os.read(reader, 64):
        pass
    time.sleep(GRACE_SECONDS)
    os.write(2, f"Killed: the process did not end within {GRACE_SECONDS:.0f} s after SIGTERM.\n".encode())
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(EXIT_INTERRUPTED)
