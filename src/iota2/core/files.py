"""Reading of regular files of limited size.

Opening a named pipe blocks until another process writes to it, and a device may never end. Such files raise OSError,
like unreadable files.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_TEXT_BYTES = 64 << 20
"""Maximum size of a text file in bytes: configurations, tables, metadata, records of runs."""
MAX_TILE_BYTES = 150
"""Maximum length of a tile name in bytes. Output file names have other parts in addition."""
MAX_NAME_BYTES = 255
"""Maximum length of a file name in bytes, on common file systems."""

_KINDS = (
    (stat.S_ISFIFO, "is a named pipe (FIFO)"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
    (stat.S_ISDIR, "is a folder"),
)


def without_dots(path: Path) -> Path:
    """The path without ``..``. As in the operating system, ``..`` after a symbolic link is the parent of the link's
    target. Links that no ``..`` follows are kept."""
    if ".." not in path.parts:
        return path
    found = Path(path.anchor)
    for part in path.parts[len(found.parts) :]:
        if part != "..":
            found /= part
        elif found.name in ("", ".."):  # the parent of the root is the root; leading .. of a relative path are kept
            found = found if found.anchor else found / part
        else:
            found = (Path(os.path.realpath(found)) if found.is_symlink() else found).parent
    return found


def is_folder_name(name: str) -> bool:
    """Whether ``name``, which is not empty, is a single folder name, without path separators."""
    return name.isprintable() and ".." not in name and not set("/\\") & set(name) and name[0] not in ".-"


def require_regular(path: str | Path) -> None:
    """Raise OSError unless ``path`` is a regular file or a link to one. The file is not opened."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError as err:
        if os.path.islink(path):
            raise OSError(errno.ENOENT, "is a broken symbolic link", os.fspath(path)) from err
        raise
    if stat.S_ISREG(mode):
        return
    kind = next((word for is_kind, word in _KINDS if is_kind(mode)), "is no regular file")
    number = errno.EISDIR if stat.S_ISDIR(mode) else errno.ENXIO
    raise OSError(number, f"{kind}; expected a file", os.fspath(path))


def read_bytes(path: str | Path, max_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """The content of a regular file. OSError for any other kind of file, and for a file larger than ``max_bytes``."""
    require_regular(path)
    with open(path, "rb", opener=_without_waiting) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(max_bytes + 1) if size <= max_bytes else b""
    if max(size, len(content)) > max_bytes:
        text = f"has {size:,} bytes; expected at most {max_bytes:,} for this kind of file"
        raise OSError(errno.EFBIG, text, os.fspath(path))
    return content


def read_text(
    path: str | Path, encoding: str = "utf-8", errors: str = "strict", max_bytes: int = MAX_TEXT_BYTES
) -> str:
    """The text of a regular file, with normalised newlines. Raises OSError like ``read_bytes``, and UnicodeDecodeError
    for bytes that are invalid in ``encoding``."""
    text = read_bytes(path, max_bytes).decode(encoding, errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def require_listable(folder: str | Path) -> None:
    """Raise OSError unless a folder can be listed and its files can be opened."""
    os.scandir(folder).close()
    if not os.access(folder, os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(folder))


def first_listing_error(folder: str | Path) -> OSError | None:
    """The first error on listing a folder or its subfolders; None without error. ``glob`` skips such folders
    silently."""
    found: list[OSError] = []
    for place, _, _ in os.walk(folder, onerror=found.append):
        if found:
            break
        try:
            require_listable(place)
        except OSError as err:
            return err
    return found[0] if found else None


@contextmanager
def error_path(path: str | Path, *aliases: str | Path) -> Iterator[None]:
    """A context in which OSErrors without a path (full disk), or with one of ``aliases``, get the path ``path``."""
    try:
        yield
    except OSError as err:
        if err.filename is None or any(err.filename in (alias, os.fspath(alias)) for alias in aliases):
            err.filename = os.fspath(path)
        raise


def _without_waiting(path: str, flags: int) -> int:
    """Open a file without blocking, in case a pipe has replaced it since the check."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
