"""Entry points of both commands and of ``python -m iota2``.

The imports create about a million long-lived objects. Garbage collection during the imports and at the end of the
process would take a third of the time of a run in which all jobs are up to date, so it skips these objects.
"""

from __future__ import annotations

import atexit
import gc
import sys
from types import ModuleType


def _commands() -> ModuleType:
    """The module ``iota2.cli``, imported without garbage collection."""
    gc.disable()
    from iota2 import cli  # noqa: PLC0415 - imported while garbage collection is off

    gc.freeze()
    gc.enable()
    atexit.register(gc.freeze)
    return cli


def main() -> None:
    """Entry point of ``iota2``."""
    _call("main")


def legacy_main() -> None:
    """Entry point of ``Iota2.py``."""
    _call("legacy_main")


def _call(name: str) -> None:
    """Call a function of ``iota2.cli``. If Ctrl-C ends the imports or the call, exit without a traceback."""
    try:
        getattr(_commands(), name)()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)  # errors.EXIT_INTERRUPTED, which may not have been imported


if __name__ == "__main__":
    main()
