"""Import of the module that draws figures."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from iota2 import report


def figures_module() -> ModuleType:
    """The module that draws; it is imported here because Matplotlib takes a fifth of the start time of a command."""
    with _without_local_settings():
        from iota2.report.results import figures  # noqa: PLC0415

    return figures


def value_figures_module() -> ModuleType:
    """The module that draws figures of a quantity; imported here for the same reason."""
    with _without_local_settings():
        from iota2.report.quantity import figures  # noqa: PLC0415

    return figures


@contextmanager
def _without_local_settings() -> Iterator[None]:
    """Context in which Matplotlib can be imported without reading a ``matplotlibrc`` of the working folder."""
    if "matplotlib" in sys.modules:
        yield
        return
    here = os.open(".", os.O_PATH)
    try:
        os.chdir(Path(report.__file__).parent)
        yield
    finally:
        os.fchdir(here)
        os.close(here)
