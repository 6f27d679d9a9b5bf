"""Which files Python opens, as its audit events tell."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from iota2.io.files import gdal

_listening: list[list[tuple[str, str]]] = []


def _heard(event: str, given: tuple[object, ...]) -> None:
    if event == "open" and _listening and isinstance(given[0], str | os.PathLike):
        opener = str(sys._getframe(1).f_globals.get("__name__"))
        for opened in _listening:
            opened.append((os.fspath(given[0]), opener))


sys.addaudithook(_heard)


@contextmanager
def opened_files() -> Iterator[list[tuple[str, str]]]:
    """Path of each file that is opened meanwhile, in turn, with the module that opens it."""
    opened: list[tuple[str, str]] = []
    _listening.append(opened)
    try:
        yield opened
    finally:
        _listening.remove(opened)


def rasters_of(opened: list[tuple[str, str]], folder: str | os.PathLike[str]) -> list[str]:
    """The files below a folder that were opened as rasters: their first bytes are looked at before GDAL opens them."""
    return [path for path, opener in opened if opener == gdal.__name__ and path.startswith(os.fspath(folder))]
