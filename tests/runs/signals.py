"""Signal handlers of processes that tests start, independent of those of the tests (``nohup make test &``)."""

from __future__ import annotations

import signal


def default_signals() -> None:
    """Restore the default handlers before a process is executed, as on a terminal."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def ignored_sigint() -> None:
    """Ignore SIGINT before a process is executed, as in background jobs of a script."""
    default_signals()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
