"""``logs.zip``: all that somebody needs who is asked why a run failed, and nothing of the environment."""

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
"""The time that a zip gives to files without one."""


def write_archive(root: Path, configuration: Path) -> Path:
    """Write the archive of an output folder, and say where it is.

    It holds the logs, the states and reasons of the jobs, the configuration file and versions. Links are passed over:
    nothing from outside of the output folder gets in but the configuration. No environment variable is asked for.
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
    """Versions of the program, of Python, of the system, and of the libraries that are there."""
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
    """Every file below a folder, links not followed."""
    if folder.is_symlink():
        return
    for place, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names))


def _content(path: Path) -> bytes | None:
    """The bytes of a plain file; None of a link, of anything else, or when it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read() if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
