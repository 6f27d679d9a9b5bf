"""State files of runs, which are recreated if damaged.

None of them is needed to resume a run: a damaged file counts as absent. Each command reports it once, with the
consequence ``lost``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from iota2.core.files import read_text, require_regular
from iota2.errors import OutputError
from iota2.io.files.atomic import temporary_path

T = TypeVar("T")
MAX_BYTES = 256 << 20
"""Maximum size of a state file, enough for a million images."""


class Unsound(ValueError):
    """The content of a state file is invalid."""


@dataclass(frozen=True)
class StateFile(Generic[T]):
    """A state file."""

    path: str
    """Relative to the output folder."""
    parse: Callable[[str], T]
    """The content from its text; raises ``Unsound`` or another error of ``DAMAGE`` for invalid text."""
    absent: Callable[[], T]
    """Content of an absent file."""
    lost: str
    """Consequence of a missing file, a sentence."""

    def load(self, root: Path) -> T:
        """The content; for a damaged file, that of an absent one."""
        try:
            return self.parse(read_text(root / self.path, max_bytes=MAX_BYTES))
        except DAMAGE:
            return self.absent()

    def damage_note(self, root: Path) -> str:
        """Description of the damage; empty for a valid or absent file."""
        path = root / self.path
        try:
            if not os.path.lexists(path):
                return ""
            self.parse(read_text(path, max_bytes=MAX_BYTES))
        except DAMAGE as err:
            detail = err if isinstance(err, ValueError) else "unexpected content"
            reason = err.strerror if isinstance(err, OSError) else f"is damaged ({detail})"
            return f"{path}: {reason}. {self.lost}"
        return ""


DAMAGE = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""Errors of reading a damaged state file, from the system or from invalid content."""


def require(valid: bool, text: str) -> None:
    """Raise ``Unsound`` with a text unless the content is valid."""
    if not valid:
        raise Unsound(text)


def texts_by_name(content: Any) -> dict[str, str]:
    """The content as texts by name; ``Unsound`` for other content."""
    require(isinstance(content, dict), "expected an object")
    require(all(isinstance(value, str) for value in content.values()), "expected texts only")
    return dict(content)


def remove_obstacle(path: Path) -> None:
    """Remove a pipe, socket, device, broken link or empty folder from the path of a state file.

    OutputError for a folder that is not empty.
    """
    try:
        require_regular(path)
    except FileNotFoundError:
        if path.is_symlink():
            path.unlink()
    except OSError:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            path.unlink()
            return
        try:
            path.rmdir()
        except OSError as err:
            raise OutputError(
                f"{path}: is a folder that is not empty; expected a file. Move it, then run again."
            ) from err


def put_file(path: Path, text: str) -> None:
    """Replace a file atomically, without sync: the next run recreates a file lost in a power cut."""
    remove_obstacle(path)
    part = temporary_path(path)
    part.write_text(text, encoding="utf-8", errors="replace")
    os.replace(part, path)
