"""The files in which runs keep what they know of themselves: read if they are sound, made anew if they are not.

None of them is needed to resume: a file that is damaged, or is no regular file, counts as absent.
What that costs stands in ``lost``, and is reported once for each command.
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
from iota2.io.files.atomic import part_name

T = TypeVar("T")
MOST = 256 << 20
"""Bytes of the largest state file: what runs keep of a million images."""


class Unsound(ValueError):
    """The content of a state file is not what runs write."""


@dataclass(frozen=True)
class StateFile(Generic[T]):
    """One of these files."""

    path: str
    """Relative to the output folder."""
    parse: Callable[[str], T]
    """The content from its text; raises ``Unsound``, or what a text of another kind makes it raise."""
    absent: Callable[[], T]
    """What stands for a file that is absent."""
    lost: str
    """What happens without the file, a sentence."""

    def load(self, root: Path) -> T:
        """The content; that of an absent file when it is damaged."""
        try:
            return self.parse(read_text(root / self.path, most=MOST))
        except DAMAGE:
            return self.absent()

    def ailment(self, root: Path) -> str:
        """What is wrong with the file; empty when it is sound, or not there."""
        path = root / self.path
        try:
            if not os.path.lexists(path):
                return ""
            self.parse(read_text(path, most=MOST))
        except DAMAGE as err:
            told = err if isinstance(err, ValueError) else "its content is of another kind"
            reason = err.strerror if isinstance(err, OSError) else f"is damaged ({told})"
            return f"{path}: {reason}. {self.lost}"
        return ""


DAMAGE = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What reading a damaged state file raises: that of the system, and of texts of another kind."""


def require(sound: bool, told: str) -> None:
    """Raise ``Unsound`` unless the content is sound."""
    if not sound:
        raise Unsound(told)


def texts_by_name(content: Any) -> dict[str, str]:
    """The content, which must be texts by name."""
    require(isinstance(content, dict), "expected an object")
    require(all(isinstance(value, str) for value in content.values()), "expected texts only")
    return dict(content)


def make_way(path: Path) -> None:
    """Take away what is in the place of a state file and is no file: pipes, sockets, devices, broken links and empty
    folders. OutputError for a folder that is not empty."""
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
                f"{path}: is a folder, a file is expected, and it is not empty. Move it away, then run again."
            ) from err


def put_file(path: Path, text: str) -> None:
    """Replace a file as a whole. It is not synced: what a power cut takes, the next run writes again."""
    make_way(path)
    part = part_name(path)
    part.write_text(text, encoding="utf-8", errors="replace")
    os.replace(part, path)


# ---------------------------------------------------------------------------------------------- inputs and outputs
