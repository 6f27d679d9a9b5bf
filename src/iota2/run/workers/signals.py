"""How a process ends when it gets SIGTERM, in any state."""

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
"""Time for a clean end. A call into a library that never returns, such as the opening of a file on a dead network disk,
keeps Python from it."""


def end_on_sigterm() -> None:
    """From now on SIGTERM ends this process: as Ctrl-C does, or without more ado after ``GRACE_SECONDS``.

    Also when SIGINT is ignored, as in background jobs of a script. To be called in the main thread.
    """
    signal.set_wakeup_fd(_watcher(), warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: object) -> NoReturn:
    """A request to end is like Ctrl-C; a second one does not disturb the end."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    raise KeyboardInterrupt


@cache
def _watcher() -> int:
    """A pipe for the numbers of signals, and a thread that reads it: the handler above waits for the main thread."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    threading.Thread(target=_end_after_grace, args=(reader,), daemon=True, name="iota2-sigterm").start()
    return writer


def _end_after_grace(reader: int) -> None:
    while signal.SIGTERM not in os.read(reader, 64):
        pass
    time.sleep(GRACE_SECONDS)
    os.write(2, f"Ended, since nothing happened for {GRACE_SECONDS:.0f} s after SIGTERM.\n".encode())
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(EXIT_INTERRUPTED)
