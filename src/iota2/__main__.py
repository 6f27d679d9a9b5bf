"""Where both commands, and ``python -m iota2``, begin: the program is loaded here, and quickly.

Loading makes some million objects that live to the end. Looking for garbage among them, again and again while they
come and once more when the process ends, would take a third of the time of a run that has nothing to do.
"""

from __future__ import annotations

import atexit
import gc
from types import ModuleType


def _commands() -> ModuleType:
    gc.disable()
    from iota2 import cli  # noqa: PLC0415 - what is loaded here is what takes long

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
