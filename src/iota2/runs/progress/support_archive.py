"""``logs.zip``: diagnostics of a run for a support request, without environment variables."""

from __future__ import annotations

import json
import os
import platform
import stat
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from iota2 import __version__, layout
from iota2.io.files.atomic import replacing

LIBRARIES = ("numpy", "numba", "rasterio", "pyproj", "shapely", "geopandas", "pyogrio", "scikit-learn", "dask")
_FILES = (layout.STATUS, layout.REASONS, layout.DAMAGED)
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The earliest time of a zip entry, used for all files."""


def write_archive(root: Path, configuration: Path) -> Path:
    """Write the archive of an output folder; returns its path.

    The archive contains logs, states and reasons of jobs, the configuration file and versions. Links are skipped, so
    that only the configuration comes from outside the output folder. No environment variables are read.
    """
    target = root / layout.LOGS_ZIP.path
    with replacing(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (*_below(root / "logs"), *(root / artifact.path for artifact in _FILES)):
            content = _content(path)
            if content is not None:
                archive.writestr(_entry(path.relative_to(root).as_posix()), content)
        archive.writestr(_entry(f"configuration{configuration.suffix}"), _content(configuration) or b"")
        archive.writestr(_entry("versions.json"), json.dumps(versions(), indent=2))
    return target


def versions() -> dict[str, str]:
    """Versions of the program, Python, the system and the installed libraries."""
    found = {"iota2": __version__, "python": platform.python_version(), "system": platform.platform()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EARLIEST)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _below(folder: Path) -> Iterator[Path]:
    """All files below a folder, without following links."""
    if folder.is_symlink():
        return
    for place, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names))


def _content(path: Path) -> bytes | None:
    """The bytes of a regular file; None for links, other kinds of files and unreadable files."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read() if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
