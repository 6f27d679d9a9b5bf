"""The folder of the demo: its files, and which of them the user has changed."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from iota2.core.files import read_text
from iota2.errors import UserError
from iota2.testing.configurations import DEMOS, Demo, config_text
from iota2.testing.files import WorldFiles
from iota2.testing.world import World
from iota2.testing.writing import write_inputs

MARK = ".iota2_demo"
"""Folder that marks a folder of the demo."""
WRITTEN = f"{MARK}/written.txt"
"""List of all files that demos have written here: SHA-256 of the content and path, one file per line."""
_NEW = f"{MARK}/new"
"""New files before they are moved to their places."""


def require_demo_folder(folder: Path) -> None:
    """UserError for a folder that is not empty and was not made by the demo."""
    entries = sorted(os.listdir(folder)) if os.path.lexists(folder) else []
    if entries and MARK not in entries:
        raise UserError(
            f"{folder} is not empty and was not made by the demo (it contains {', '.join(entries[:3])}). Choose "
            "another folder, or empty it yourself."
        )


def write_demo(world: World, folder: Path, demo: Demo = DEMOS["I2Classification"]) -> tuple[WorldFiles, list[str]]:
    """Write the world with the demo's configuration of relative paths; return also the files that are kept.

    Kept are existing files that no demo has written with their present content. The new files are complete before any
    other is replaced. Files that would not change are not touched, so that results of other demos in the folder stay
    valid. UserError, before anything is written, for a folder that ``require_demo_folder`` rejects.
    """
    require_demo_folder(folder)
    files, new = demo.files(folder), demo.files(Path(folder, _NEW))
    shutil.rmtree(new.folder, ignore_errors=True)  # of an interrupted demo
    new.folder.mkdir(parents=True)
    write_inputs(world, new.folder)
    demo.write_more(world, new)
    text = config_text(demo.text, world.options.tiles, new, world.options.sensors, relative=True)
    new.config.write_text(text, encoding="utf-8")
    kept = _move(new.folder, files.folder)
    shutil.rmtree(new.folder)
    return files, kept


def _move(new: Path, folder: Path) -> list[str]:
    """Move all files from one folder to another, except those that would replace the user's; these are returned."""
    names = sorted(path.relative_to(new).as_posix() for path in new.rglob("*") if path.is_file())
    digests = {name: _digest(new / name) for name in names}
    written = folder / WRITTEN
    earlier = set(read_text(written).splitlines()) if written.exists() else set()
    kept = []
    # The list is complete before the first file is moved, so that an interruption leaves no file of unknown origin.
    listed = earlier.union(f"{digest} {name}" for name, digest in digests.items())
    written.write_text("\n".join(sorted(listed)) + "\n", encoding="utf-8")
    for name, digest in digests.items():
        present = _digest(folder / name) if os.path.lexists(folder / name) else None
        if present == digest:
            continue
        if present is None or f"{present} {name}" in earlier:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(new / name, folder / name)
        else:
            kept.append(name)
    return kept


def _digest(path: Path) -> str:
    """SHA-256 of a file; empty for anything else."""
    if not path.is_file():
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
