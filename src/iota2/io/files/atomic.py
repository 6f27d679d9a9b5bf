"""How files get their final name: written under another name in the same folder, synced, then renamed.

A file under its final name is therefore always whole. Names in progress start with a dot and hold host, process and
``.part``: ``.map.node7-4711-0c1f9a2e.part.tif``. No two attempts share one, on whatever hosts, so an attempt that is
taken for dead cannot spoil the next one. What a killed one leaves behind is found by its name and removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from iota2.core.files import MAX_NAME_BYTES, naming
from iota2.core.words import json_printable

SHAPEFILE_SUFFIXES = (
    ".shp", ".shx", ".dbf", ".prj", ".cpg", ".qix", ".qpj", ".sbn", ".sbx", ".shp.xml", ".idm", ".ind",
)  # fmt: skip
"""Suffixes of the files that together are one shapefile."""
ADDRESS_CHARACTERS = frozenset(";!")
"""Characters that readers of addresses (URLs, archives) take for separators; none in names in progress."""
_IN_PROGRESS = re.compile(r"\..+\.[A-Za-z0-9-]+-\d+-[0-9a-f]{8}\.(part|scratch|old)(?![A-Za-z0-9])", re.DOTALL)
"""How names in progress begin; libraries put files of their own beside them, with more at the end."""
_LONGEST_HOST = 64
_before_replacing: ContextVar[Callable[[], object] | None] = ContextVar("_before_replacing", default=None)


@contextmanager
def asking_first(allowed: Callable[[], object]) -> Iterator[None]:
    """In the body, ``allowed`` is called just before a file gets its final name; what it raises prevents that."""
    former = _before_replacing.set(allowed)
    try:
        yield
    finally:
        _before_replacing.reset(former)


def _ask() -> None:
    allowed = _before_replacing.get()
    if allowed is not None:
        allowed()


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path``, with its suffix; becomes ``path`` when the body ends well.

    Parent folders are made. After an error the temporary file is removed and ``path`` is as it was. The body
    must write the file (FileNotFoundError otherwise).
    """
    final = Path(path)
    part = part_name(final)
    _prepare(part)
    try:
        with naming(final, part):
            yield part
            _sync(part)
            _ask()
            os.replace(part, final)
            _sync(final.parent)
    except BaseException:
        _remove(part)
        raise


@contextmanager
def replacing_group(path: str | Path) -> Iterator[Path]:
    """Like ``replacing`` for a shapefile: the files written beside the yielded path, with its stem, follow it.

    The old main file goes first and the new one comes last, so a family of files with a main file is always
    of one piece. Members of an older shapefile of this name (indices, code pages) that were not written again
    are removed.
    """
    final = Path(path)
    folder = part_name(final.with_suffix(""))
    _prepare(folder)
    folder.mkdir()
    try:
        yield folder / f"part{final.suffix}"
        _move_family(folder, final)
    finally:
        _remove(folder)


def _move_family(folder: Path, final: Path) -> None:
    """Put the shapefile written in ``folder`` in the place of ``final``."""
    members = sorted(folder.iterdir(), key=lambda member: (member.suffix == final.suffix, member.name))
    for member in members:
        _sync(member)
    _ask()
    for suffix in SHAPEFILE_SUFFIXES:
        final.with_name(final.stem + suffix).unlink(missing_ok=True)
    for member in members:
        os.replace(member, final.with_name(final.stem + member.name.removeprefix("part")))
    _sync(final.parent)


@contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """An empty temporary folder beside ``path``; takes its place, whole, when the body ends well.

    After an error ``path`` is as it was. Killed between the two renamings, it is missing.
    """
    final = Path(path)
    part, old = part_name(final), part_name(final, "old")
    _prepare(part)
    part.mkdir()
    try:
        yield part
        for member in (*part.rglob("*"), part):
            _sync(member)
        _ask()
        if final.exists():
            os.replace(final, old)
        os.replace(part, final)
        _sync(final.parent)
    finally:
        _remove(part)
        _put_back(old, final)


def _put_back(old: Path, final: Path) -> None:
    """The folder set aside comes back where nothing has taken its place, and is removed where something has."""
    if old.exists() and not final.exists():
        os.replace(old, final)
    _remove(old)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8, with one newline at its end, on any system with the same bytes."""
    with replacing(path) as part:
        part.write_bytes((text.rstrip("\n") + "\n").encode())


def write_json(path: str | Path, value: Any, *, sort: bool = False) -> None:
    """Write plain ``value`` as readable JSON, keys as given or sorted.

    Raises ValueError for NaN and infinities, which JSON does not have: say None.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=sort, allow_nan=False)
    write_text(path, json_printable(text))


def part_name(path: Path, word: str = "part") -> Path:
    """A name in progress for ``path``, another one at each call: hidden, with ``word`` before the suffix that drivers
    look at."""
    host = re.sub("[^A-Za-z0-9-]", "-", socket.gethostname())[:_LONGEST_HOST] or "host"
    ending = f".{host}-{os.getpid()}-{secrets.token_hex(4)}.{word}{path.suffix}"
    name = f".{path.stem}{ending}"
    if len(name.encode()) > MAX_NAME_BYTES or ADDRESS_CHARACTERS & set(name):
        name = f".{hashlib.sha256(path.name.encode()).hexdigest()[:32]}{ending}"
    return path.with_name(name)


def in_progress(name: str) -> bool:
    """Whether a file or folder is called as ``part_name`` calls them, or as libraries call what they put beside."""
    return _IN_PROGRESS.match(name) is not None


def remove_leftovers(root: str | Path) -> int:
    """Remove all that is in progress below ``root``, links not followed, and say how many files and folders that were.

    For when nobody should be writing there. A writer that lives all the same cannot put its file in place any more,
    and fails. What cannot be removed is left.
    """
    count = 0
    for place, folders, names in os.walk(root):
        for name in (*folders, *names):
            if in_progress(name):
                count += 1
                with suppress(OSError):
                    _remove(Path(place, name))
        folders[:] = [name for name in folders if not in_progress(name)]
    return count


def _prepare(part: Path) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)


def _remove(path: Path) -> None:
    """Remove a file or folder of ours, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
