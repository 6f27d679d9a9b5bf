"""Text as a person reads it: counts, lists of names, and names that hold control characters."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters but line feed and tab; marks, separators and overrides that are not seen; halves of surrogates."""


def counted(count: int, thing: str) -> str:
    """``1 date``, ``2 dates``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def some(names: Sequence[str], shown: int = 5) -> str:
    """A list of names that does not get long: the first ``shown``, and how many more there are."""
    rest = len(names) - shown
    return ", ".join(map(one_line, names[:shown])) + (f" and {rest} more" if rest > 0 else "")


def printable(text: str) -> str:
    """Text that does nothing to a terminal and can be written as UTF-8: other characters than line ends and tabs that
    control how text is shown (ESC, direction of writing) and bytes that are no character stand as escapes, ``\\\\x1b``.
    """
    return _CONTROLS.sub(_escape, text)


def one_line(text: str) -> str:
    """The same, with line ends and tabs as escapes too: for names."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def json_text(content: object, indent: int | None = None) -> str:
    """A value as JSON that does nothing to a terminal."""
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
