"""Text of small tables that the user writes."""

from __future__ import annotations

from pathlib import Path

from iota2.core.files import read_text
from iota2.errors import InputError, remedy_of


def read_user_table(path: Path) -> str:
    """The text of a UTF-8 file, with or without byte order mark; InputError if it cannot be read."""
    try:
        return read_text(path, "utf-8-sig")
    except OSError as err:
        raise InputError(f"{path}: cannot be read: {err.strerror}. {remedy_of(err)}.") from err
    except UnicodeDecodeError as err:
        raise InputError(f"{path}: is not UTF-8 text ({err}). Save it with the encoding UTF-8.") from err
