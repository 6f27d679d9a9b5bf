"""Entry points of both commands and of ``python -m iota2``.

The imports create about a million long-lived objects. Garbage collection during the imports and at the end of the
process would take a third of the time of a run in which all jobs are up to date, so it skips these objects.
"""

from __future__ import annotations

import atexit
import gc
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
    _commands().main()


def legacy_main() -> None:
    """Entry point of ``Iota2.py``."""
    _commands().legacy_main()


if __name__ == "__main__":
    main()
