"""Atomic writing: a file is written under a temporary name in the same folder, synced, then renamed.

A file under its final name is therefore always complete. Names in progress start with a dot and hold host, process and
``.part``: ``.map.node7-4711-0c1f9a2e.part.tif``. Names are unique across hosts, so an attempt that is
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

from iota2.core.files import MAX_NAME_BYTES, error_path
from iota2.core.words import json_printable

SHAPEFILE_SUFFIXES = (
    ".shp", ".shx", ".dbf", ".prj", ".cpg", ".qix", ".qpj", ".sbn", ".sbx", ".shp.xml", ".idm", ".ind",
)  # fmt: skip
"""Suffixes of the files of a shapefile."""
ADDRESS_CHARACTERS = frozenset(";!")
"""Separators in addresses (URLs, archives); temporary names contain none of them."""
_IN_PROGRESS = re.compile(r"\..+\.[A-Za-z0-9-]+-\d+-[0-9a-f]{8}\.(part|scratch|old)(?![A-Za-z0-9])", re.DOTALL)
"""Pattern at the beginning of temporary names; libraries append suffixes for files of their own."""
_LONGEST_HOST = 64
_before_replacing: ContextVar[Callable[[], object] | None] = ContextVar("_before_replacing", default=None)


@contextmanager
def asking_first(allowed: Callable[[], object]) -> Iterator[None]:
    """Within the context, ``allowed`` is called just before a file is renamed; an exception prevents that."""
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
    """A temporary path in the same folder, with the same suffix; renamed to ``path`` when the body succeeds.

    Parent folders are made. After an error the temporary file is removed and ``path`` is unchanged. The body
    must write the file (FileNotFoundError otherwise).
    """
    final = Path(path)
    part = part_name(final)
    _prepare(part)
    try:
        with error_path(final, part):
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

    The old main file is removed first and the new one is put in place last, so that a shapefile with a main file is
    always complete. Members of an older shapefile of this name (indices, code pages) that were not written again
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
    """Replace ``final`` by the shapefile written in ``folder``."""
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
    """An empty temporary folder in the same parent; replaces ``path`` when the body succeeds.

    After an error ``path`` is unchanged. When the process is killed between the two renames, it is missing.
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
    """Restore the old folder unless the new one is in place; then remove the old one."""
    if old.exists() and not final.exists():
        os.replace(old, final)
    _remove(old)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 with one final newline; the bytes are the same on all systems."""
    with replacing(path) as part:
        part.write_bytes((text.rstrip("\n") + "\n").encode())


def write_json(path: str | Path, value: Any, *, sort: bool = False) -> None:
    """Write plain ``value`` as readable JSON, keys as given or sorted.

    Raises ValueError for NaN and infinities, which JSON does not have: use None.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=sort, allow_nan=False)
    write_text(path, json_printable(text))


def part_name(path: Path, word: str = "part") -> Path:
    """A unique temporary name for ``path``: hidden, with ``word`` before the suffix, by which drivers recognise the
    format."""
    host = re.sub("[^A-Za-z0-9-]", "-", socket.gethostname())[:_LONGEST_HOST] or "host"
    ending = f".{host}-{os.getpid()}-{secrets.token_hex(4)}.{word}{path.suffix}"
    name = f".{path.stem}{ending}"
    if len(name.encode()) > MAX_NAME_BYTES or ADDRESS_CHARACTERS & set(name):
        name = f".{hashlib.sha256(path.name.encode()).hexdigest()[:32]}{ending}"
    return path.with_name(name)


def in_progress(name: str) -> bool:
    """Whether a name is a temporary one of ``part_name``, or of a library's companion file."""
    return _IN_PROGRESS.match(name) is not None


def remove_leftovers(root: str | Path) -> int:
    """Remove all temporary files and folders below ``root``, without following links, and return their number.

    Called when no other process should be writing there; one that still does fails when it renames its file. Files that
    cannot be removed are left.
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
    """Remove a file or folder if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Flush the content of a file, or the entries of a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
