"""The output folder: how it is made, marked, and only ever emptied when all in it is ours."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from iota2 import layout
from iota2.errors import OutputError
from iota2.io.atomic import SHAPEFILE_SUFFIXES, write_text
from iota2.run.lock import LOCK

MADE = layout.OUTPUTS.path
"""Every path that runs in this folder have set out to make, one per line."""
_IN_PROGRESS = (".part", ".scratch", ".old")
_COMPANIONS = (".aux.xml", ".ovr")
"""What viewers write beside rasters."""


def require_writable(root: Path) -> None:
    """Raise OutputError when the folder, or the first folder above it that exists, cannot be written to."""
    place = next(folder for folder in (root, *root.parents) if folder.exists())
    if not os.access(place, os.W_OK):
        raise OutputError(f"chain.output_path: {place} cannot be written to. Choose another folder.")


def claim(root: Path) -> None:
    """Make the output folder and its mark. Raises OutputError, and touches nothing, when it is somebody else's."""
    if root.exists() and not root.is_dir():
        raise OutputError(f"chain.output_path: {root} is a file, a folder is needed.")
    entries = sorted(entry.name for entry in root.iterdir()) if root.exists() else []
    if entries and layout.MARK not in entries:
        raise OutputError(
            f"chain.output_path: {root} is not empty and was not made by this program (it holds "
            f"{', '.join(entries[:3])}). Choose another folder, or empty it yourself."
        )
    try:
        (root / layout.MARK).mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise OutputError(f"chain.output_path: cannot write into {root} ({err.strerror}).") from err


def prepare(root: Path, outputs: Iterable[Path], *, remove: bool) -> None:
    """Make the folders of a claimed output; with ``remove``, take what earlier runs made away first.

    ``outputs`` are the files and folders that this run may make. Raises OutputError, and removes nothing, when the
    folder holds anything that no run here has set out to make.
    """
    made = set(_made(root))
    if remove:
        _remove(root, made)
        made = set()
    made |= {path.relative_to(root).as_posix() for path in outputs}
    for folder in layout.FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    write_text(root / MADE, "\n".join(sorted(made)))


def _made(root: Path) -> list[str]:
    path = root / MADE
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _remove(root: Path, made: set[str]) -> None:
    """Remove all but the lock and what is known of damaged inputs; refuse when anything is not ours."""
    if root.resolve() in (Path("/"), Path.home()):
        raise OutputError(f"chain.remove_output_path: {root} is never emptied. Choose another output folder.")
    foreign = [name for name in _files(root) if not _is_own(name, made)]
    if foreign:
        raise OutputError(
            f"chain.remove_output_path: {root} holds files that this program did not make "
            f"({', '.join(foreign[:3])}); nothing was removed. Move them away or choose another output folder."
        )
    for entry in sorted(root.iterdir()):
        if entry.name != layout.MARK:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    for entry in (root / layout.MARK).iterdir():
        if entry not in (root / LOCK, root / layout.DAMAGED.path):  # what is known of the archive holds for any run
            entry.unlink()


def _files(root: Path) -> Iterator[str]:
    """Every file and link below the folder, links not followed."""
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(root).as_posix()


def _is_own(name: str, made: set[str]) -> bool:
    """Whether runs in this folder make files of this name, or viewers beside them."""
    path = Path(name)
    if path.parts[0] in (layout.MARK, "logs") or name in (layout.STATUS.path, layout.LOGS_ZIP.path):
        return True
    in_progress = path.name.startswith(".") and any(word in path.name for word in _IN_PROGRESS)
    plain = name
    for ending in _COMPANIONS:
        plain = plain.removesuffix(ending)
    shapefile = any(name.endswith(s) and f"{name.removesuffix(s)}.shp" in made for s in SHAPEFILE_SUFFIXES)
    inside = any(parent.as_posix() in made for parent in path.parents)
    return in_progress or plain in made or shapefile or inside
