"""Atomic writing: a file is written under a temporary name in the same folder, synced, then renamed.

A file under its final name is therefore always complete. A temporary name starts with a dot and contains the host, the
process and ``.part``: ``.map.node7-4711-0c1f9a2e.part.tif``. Temporary names are unique across hosts. A process that is
wrongly considered dead therefore cannot overwrite the files of its successor. The files of a killed process are
recognised by their names and removed.
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
ADDRESS_SEPARATORS = frozenset(";!")
"""Characters at which GDAL and pyogrio split a path; temporary names contain none of them."""
_TEMPORARY_NAME = re.compile(r"\..+\.[A-Za-z0-9-]+-\d+-[0-9a-f]{8}\.(part|scratch|old)(?![A-Za-z0-9])", re.DOTALL)
"""Start of temporary names; libraries append suffixes for their sidecar files."""
_MAX_HOST_CHARACTERS = 64
"""Maximum number of characters of the host in a temporary name."""
_before_replacing: ContextVar[Callable[[], object] | None] = ContextVar("_before_replacing", default=None)


@contextmanager
def checking_before_replacing(check: Callable[[], object]) -> Iterator[None]:
    """Within the context, call ``check`` before each replacement of a file; its exception prevents the replacement."""
    former = _before_replacing.set(check)
    try:
        yield
    finally:
        _before_replacing.reset(former)


def _check_before_replacing() -> None:
    check = _before_replacing.get()
    if check is not None:
        check()


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path in the same folder, with the same suffix; renamed to ``path`` when the body succeeds.

    Parent folders are created. After an error the temporary file is removed and ``path`` is unchanged.
    FileNotFoundError when the body does not write the file.
    """
    final = Path(path)
    part = temporary_path(final)
    _prepare(part)
    try:
        with error_path(final, part):
            yield part
            _sync(part)
            _check_before_replacing()
            os.replace(part, final)
            _sync(final.parent)
    except BaseException:
        remove(part)
        raise


@contextmanager
def replacing_shapefile(path: str | Path) -> Iterator[Path]:
    """Like ``replacing``, for all files of a shapefile: those with the stem of the yielded path.

    The old main file is removed first and the new one is renamed last. A shapefile with a main file is therefore always
    complete. Files of an older shapefile of this name (indices, code pages) that were not written again are removed.
    """
    final = Path(path)
    folder = temporary_path(final.with_suffix(""))
    _prepare(folder)
    folder.mkdir()
    try:
        yield folder / f"part{final.suffix}"
        _move_members(folder, final)
    finally:
        remove(folder)


def _move_members(folder: Path, final: Path) -> None:
    """Replace ``final`` by the shapefile written in ``folder``."""
    members = sorted(folder.iterdir(), key=lambda member: (member.suffix == final.suffix, member.name))
    for member in members:
        _sync(member)
    _check_before_replacing()
    for suffix in SHAPEFILE_SUFFIXES:
        final.with_name(final.stem + suffix).unlink(missing_ok=True)
    for member in members:
        os.replace(member, final.with_name(final.stem + member.name.removeprefix("part")))
    _sync(final.parent)


@contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """An empty temporary folder in the same parent folder; replaces ``path`` when the body succeeds.

    After an error ``path`` is unchanged. ``path`` is missing if the process is killed between the two renames.
    """
    final = Path(path)
    part, old = temporary_path(final), temporary_path(final, "old")
    _prepare(part)
    part.mkdir()
    try:
        yield part
        for member in (*part.rglob("*"), part):
            _sync(member)
        _check_before_replacing()
        if final.exists():
            os.replace(final, old)
        os.replace(part, final)
        _sync(final.parent)
    finally:
        remove(part)
        _put_back(old, final)


def _put_back(old: Path, final: Path) -> None:
    """Restore the old folder unless the new one is in place; then remove the old one."""
    if old.exists() and not final.exists():
        os.replace(old, final)
    remove(old)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 with one final newline; the bytes do not depend on the operating system."""
    with replacing(path) as part:
        part.write_bytes((text.rstrip("\n") + "\n").encode())


def write_json(path: str | Path, value: Any, *, sort: bool = False) -> None:
    """Write ``value`` (dicts, lists, text, numbers, None) as indented JSON, with keys as given or sorted.

    Raises ValueError for NaN and infinities, which JSON cannot represent: use None.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=sort, allow_nan=False)
    write_text(path, json_printable(text))


def link_or_copy(source: Path, path: str | Path) -> None:
    """Make ``path`` another name of the file ``source``, or a copy on file systems without hard links.

    Files are replaced, never changed, so the link keeps this content.
    """
    with replacing(path) as part:
        hard_link_or_copy(source, part)


def hard_link_or_copy(source: str | Path, path: str | Path) -> None:
    """``link_or_copy`` for a ``path`` in a folder that is itself written atomically; it must not exist."""
    try:
        os.link(source, path)
    except OSError:
        shutil.copyfile(source, path)


def temporary_path(path: Path, word: str = "part") -> Path:
    """A unique hidden path in the folder of ``path``, with ``word`` before the suffix.

    The suffix is kept, since drivers recognise the format by it.
    """
    host = re.sub("[^A-Za-z0-9-]", "-", socket.gethostname())[:_MAX_HOST_CHARACTERS] or "host"
    ending = f".{host}-{os.getpid()}-{secrets.token_hex(4)}.{word}{path.suffix}"
    name = f".{path.stem}{ending}"
    if len(name.encode()) > MAX_NAME_BYTES or ADDRESS_SEPARATORS & set(name):
        name = f".{hashlib.sha256(path.name.encode()).hexdigest()[:32]}{ending}"
    return path.with_name(name)


def is_temporary(name: str) -> bool:
    """Whether a name is from ``temporary_path``, or of a library's sidecar file to such a name."""
    return _TEMPORARY_NAME.match(name) is not None


def remove_leftovers(root: str | Path) -> int:
    """Remove all temporary files and folders below ``root`` and return their number; links are not followed.

    No other process should be writing there: it would fail when it renames its file. Files that cannot be removed are
    left.
    """
    count = 0
    for place, folders, names in os.walk(root):
        for name in (*folders, *names):
            if is_temporary(name):
                count += 1
                with suppress(OSError):
                    remove(Path(place, name))
        folders[:] = [name for name in folders if not is_temporary(name)]
    return count


def _prepare(part: Path) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)


def remove(path: Path) -> None:
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
