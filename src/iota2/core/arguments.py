"""Messages about arguments of a wrong type."""

from __future__ import annotations

import os
from collections.abc import Iterable

from iota2.errors import InputError


def require_kind(value: object, kinds: type | tuple[type, ...], what: str, expected: str) -> None:
    """Raise InputError, with the type of the value and what to give instead, unless it is of one of these types."""
    if not isinstance(value, kinds):
        raise InputError(f"{what} is of type {type(value).__name__}. Give {expected}.")


def require_path(value: object, what: str, expected: str) -> None:
    """Raise InputError unless a value is a path, as text or as an object."""
    require_kind(value, (str, os.PathLike), what, expected)
    if isinstance(value, str | os.PathLike) and "\0" in os.fsdecode(value):
        raise InputError(f"{what} contains a NUL character. Give {expected}.")


def require_names(value: object, what: str, expected: str) -> None:
    """Raise InputError unless a value is a text or several texts."""
    require_kind(value, Iterable, what, expected)
    if isinstance(value, Iterable):
        for name in value:
            require_kind(name, (str, os.PathLike), f"{what}: {name!r}", expected)
