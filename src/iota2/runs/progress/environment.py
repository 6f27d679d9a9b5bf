"""Environment of a run: versions, machine, commit. Environment variables are excluded; they may contain secrets."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import rasterio

import iota2

LIBRARIES = (
    "numpy", "scipy", "scikit-learn", "numba", "rasterio", "pyproj", "geopandas", "shapely", "pyogrio", "pyarrow",
    "pandas", "odc-geo", "dask", "distributed", "pydantic", "matplotlib", "jinja2",
)  # fmt: skip

Rows = tuple[tuple[str, str], ...]


def environment(output: Path) -> tuple[tuple[str, Rows], ...]:
    """Titled tables of names and values."""
    return ("Program", _program()), ("Machine of the main process", _machine(output)), ("Libraries", _libraries())


def _program() -> Rows:
    package = Path(iota2.__file__).resolve().parent
    return (
        ("iota2", iota2.__version__),
        ("Commit", _commit(package.parents[1])),
        ("Python", platform.python_version()),
        ("Installed in", str(package)),
    )


def _commit(checkout: Path) -> str:
    """The commit of the sources; a text if they are not a git checkout or git fails."""
    if not (checkout / ".git").exists():
        return "not a git checkout"
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _machine(output: Path) -> Rows:
    return (
        ("Host", socket.gethostname()),
        ("System", platform.platform()),
        ("Cores", str(os.cpu_count())),
        ("Memory", f"{psutil.virtual_memory().total / 2**30:.1f} GiB"),
        ("Free disk space for outputs", f"{shutil.disk_usage(output).free / 2**30:.1f} GiB"),
    )


def _libraries() -> Rows:
    found = [(name, _version(name)) for name in LIBRARIES]
    return (*found, ("GDAL", rasterio.__gdal_version__))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
