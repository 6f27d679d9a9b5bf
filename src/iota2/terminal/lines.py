"""Text wrapped to lines of a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

WIDTH = 100
"""Columns of a line; longer words are not broken."""
MAX_SHOWN = 8
"""Maximum number of names in a list."""


def wrapped(text: str, *, indent: str = "", hanging: int = 2) -> list[str]:
    """Lines of at most ``WIDTH`` columns, all but the first indented by ``hanging`` more; words are not broken."""
    more = indent + " " * hanging
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=more, break_long_words=False, break_on_hyphens=False
    )


def facts(pairs: Iterable[tuple[str, str]], *, indent: str = "  ") -> Iterator[str]:
    """Terms and their explanations in two columns; a repeated term is left blank."""
    pairs = list(pairs)
    wide, last = max((len(word) for word, _ in pairs), default=0), ""
    for word, text in pairs:
        first, *more = wrapped(text, indent=indent + " " * (wide + 2), hanging=0)
        yield f"{indent}{'' if word == last else word:{wide}}  {first.lstrip()}"
        yield from more
        last = word


def one_by_one(names: Sequence[str], *, indent: str = "    ") -> Iterator[str]:
    """One line for each name; only the first names if there are many."""
    shown = names if len(names) <= MAX_SHOWN + 1 else names[:MAX_SHOWN]
    yield from (f"{indent}{name}" for name in shown)
    if len(shown) < len(names):
        yield f"{indent}… and {len(names) - len(shown)} more"
