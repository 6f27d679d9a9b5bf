"""The files that Python opens, from its audit events."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from iota2.io.files import gdal

_active: list[list[tuple[str, str]]] = []


def _record(event: str, given: tuple[object, ...]) -> None:
    if event == "open" and _active and isinstance(given[0], str | os.PathLike):
        opener = str(sys._getframe(1).f_globals.get("__name__"))
        for opened in _active:
            opened.append((os.fspath(given[0]), opener))


sys.addaudithook(_record)


@contextmanager
def opened_files() -> Iterator[list[tuple[str, str]]]:
    """The files opened inside the context: path and opening module, in the order of opening."""
    opened: list[tuple[str, str]] = []
    _active.append(opened)
    try:
        yield opened
    finally:
        _active.remove(opened)


def rasters_of(opened: list[tuple[str, str]], folder: str | os.PathLike[str]) -> list[str]:
    """The files below a folder that were opened as rasters; their first bytes are checked before GDAL opens them."""
    return [path for path, opener in opened if opener == gdal.__name__ and path.startswith(os.fspath(folder))]
