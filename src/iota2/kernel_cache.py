"""Folder of the compiled code of functions with ``njit(cache=True)``: one for each state of their source.

numba compiles a function again when its own file has changed, but not when a function of another file that it calls
has, and it cannot read its cache after a class in it was moved or renamed (numba documentation, *Caching*). So code of
another version of the program must never be in the folder.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PREFIX = "iota2-compiled-"
_MAX_AGE_DAYS = 7
"""Age after which folders of other versions are removed."""


def use_own_folder(package: Path) -> None:
    """Set NUMBA_CACHE_DIR, unless the user has, to the folder of the functions in ``package``.

    It is in the installation, in the user's cache if that is read-only, or else in the folder for temporary files. A
    folder that a parent process chose is not used: that process may run another version.
    """
    if (given := os.environ.get("NUMBA_CACHE_DIR")) and not Path(given).name.startswith(_PREFIX):
        return
    name = _PREFIX + _digest(package / "compute")
    places = (folder / name for folder in (package / "__pycache__", *_user_cache()))
    folder = str(next(filter(_made, places), None) or _private_folder(name))
    os.environ["NUMBA_CACHE_DIR"] = folder
    if numba := sys.modules.get("numba"):  # it has read the variable already
        numba.config.CACHE_DIR = folder


def _user_cache() -> Iterator[Path]:
    """Folder of the user's cache for this program; none for a user without home folder."""
    given = Path(os.environ.get("XDG_CACHE_HOME") or ".")
    if given.is_absolute():  # others have to be ignored: XDG Base Directory Specification
        yield given / "iota2"
        return
    with suppress(RuntimeError):
        yield Path("~/.cache").expanduser() / "iota2"


def _digest(folder: Path) -> str:
    """Digest of the files with compiled functions."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        source = path.read_bytes()
        if b"njit" in source:
            found.update(f"{path.relative_to(folder).as_posix()} {len(source)}\n".encode() + source)
    return found.hexdigest()[:16]


def _made(folder: Path) -> bool:
    """Whether the folder is there and is this user's; if it is new, old folders of other versions are removed."""
    try:
        folder.mkdir(mode=0o755, parents=True)
    except FileExistsError:
        return _is_own(folder)
    except OSError:
        return False
    for other in folder.parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another process may remove it
            if other.stat().st_mtime < time.time() - _MAX_AGE_DAYS * 86400:
                shutil.rmtree(other, ignore_errors=True)
    return True


def _private_folder(name: str) -> Path:
    """A folder for temporary files that only this user can write."""
    folder = Path(tempfile.gettempdir(), f"{name}-{os.getuid()}")
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        if _is_own(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix=_PREFIX))


def _is_own(folder: Path) -> bool:
    """Whether this is a folder that only this user can write: compiled code is executed."""
    seen = folder.lstat()
    own = stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.getuid() and not seen.st_mode & 0o022
    return own and os.access(folder, os.W_OK)
