"""The output folder: how it is made, marked, and only ever emptied when it is ours."""

from __future__ import annotations

import shutil
from pathlib import Path

from iota2 import layout
from iota2.errors import OutputError

_OWN_FILES = (layout.MARK, layout.STATUS.path)


def prepare(root: Path, *, remove: bool, regions: str) -> None:
    """Make the output folder with its mark and folders; with ``remove``, take what an earlier run made away first.

    ``regions`` is the base name of the region vector. Raises OutputError, and touches nothing, when the folder holds
    files and carries no mark, or, before removing, when it holds anything that this program does not make.
    """
    if root.exists() and not root.is_dir():
        raise OutputError(f"chain.output_path: {root} is a file, a folder is needed.")
    entries = sorted(entry.name for entry in root.iterdir()) if root.exists() else []
    if entries and layout.MARK not in entries:
        raise OutputError(
            f"chain.output_path: {root} is not empty and was not made by this program (it holds "
            f"{', '.join(entries[:3])}). Choose another folder, or empty it yourself."
        )
    if remove:
        _remove(root, entries, regions)
    try:
        for folder in layout.FOLDERS:
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / layout.MARK).write_text("This folder is an output of iota2.\n", encoding="utf-8")
    except OSError as err:
        raise OutputError(f"chain.output_path: cannot write into {root} ({err.strerror}).") from err


def _remove(root: Path, entries: list[str], regions: str) -> None:
    """Remove what this program makes at the top of ``root``; refuse when there is anything else."""
    if root.resolve() in (Path("/"), Path.home()):
        raise OutputError(f"chain.remove_output_path: {root} is never removed. Choose another output folder.")
    foreign = [name for name in entries if not _is_own(name, regions)]
    if foreign:
        raise OutputError(
            f"chain.remove_output_path: {root} holds files that this program did not make "
            f"({', '.join(foreign[:3])}); nothing was removed. Move them away or choose another output folder."
        )
    for name in sorted(entries, key=lambda name: name == layout.MARK):
        path = root / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _is_own(name: str, regions: str) -> bool:
    own_folders = {folder.split("/")[0] for folder in layout.FOLDERS}
    vectors = tuple(f"{stem}." for stem in ("reference_data", "MyRegion", regions))
    return name in own_folders or name in _OWN_FILES or name.startswith(vectors)
