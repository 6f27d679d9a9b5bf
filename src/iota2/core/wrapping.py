"""Line wrapping for a terminal: between words, never inside a path, a quoted text or a command."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

MIN_WRAP_COLUMNS = 20
"""Minimum width of a terminal for wrapping; lines for narrower terminals are not wrapped."""
_UNBREAKABLE = re.compile(
    r"(?:iota2 (?:run|check|plan|why|status|verify|demo)|Iota2\.py) .*"  # a command that the user copies
    r"|[(\[]*'[^']*'\S*"
    r'|[(\[]*"[^"]*"\S*'
    r"|\S+"
)
_PATH_END_PUNCTUATION = ".,;:)]"
"""Punctuation that may follow a path in a sentence."""


def wrapped(text: str, width: int, *, exists: Callable[[str], bool] = lambda path: False) -> str:
    """The text in lines of at most ``width`` characters; a path, quoted text or command may be longer.

    Continuation lines are indented by four. ``exists`` returns whether a path exists, so that paths with blanks are not
    broken.
    """
    if width < MIN_WRAP_COLUMNS:
        return text
    return "\n".join(_wrapped_line(line, width, exists) for line in text.split("\n"))


def _wrapped_line(line: str, width: int, exists: Callable[[str], bool]) -> str:
    if len(line) <= width:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    lines, current = [], indent
    for part in _unbreakable_parts(line.strip(), exists):
        if current.strip() and len(current) + 1 + len(part) > width:
            lines.append(current)
            current = f"{indent}    "
        current += part if not current.strip() else f" {part}"
    return "\n".join([*lines, current])


def _unbreakable_parts(line: str, exists: Callable[[str], bool]) -> Iterator[str]:
    """Words, paths, quoted texts and commands of a line."""
    words = _UNBREAKABLE.findall(line)
    while words:
        length = _path_length(words, exists) if "/" in words[0] else 1
        yield " ".join(words[:length])
        del words[:length]


def _path_length(words: list[str], exists: Callable[[str], bool], max_words: int = 12) -> int:
    """Number of words of the path at the beginning: the longest one that exists, or 1."""
    for count in range(min(max_words, len(words)), 1, -1):
        path = " ".join(words[:count])
        if exists(path[path.index("/") :].rstrip(_PATH_END_PUNCTUATION)):
            return count
    return 1
