"""How processes that tests start take signals, whatever the tests themselves inherited (``nohup make test &``)."""

from __future__ import annotations

import signal


def heard() -> None:
    """Before a process is executed: Ctrl-C and requests to end are heard, as when a person starts it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def ignored_interrupts() -> None:
    """Before a process is executed: Ctrl-C is ignored, as in background jobs of a script."""
    heard()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
