"""Text as lines of a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

WIDTH = 100
"""Columns; words that are longer are not cut."""
MAX_SHOWN = 8
"""Names of one kind that are written out."""


def wrapped(text: str, *, indent: str = "", hanging: int = 2) -> list[str]:
    """Lines no wider than the terminal, all but the first indented by ``hanging`` more; words and paths stay whole."""
    more = indent + " " * hanging
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=more, break_long_words=False, break_on_hyphens=False
    )


def facts(pairs: Iterable[tuple[str, str]], *, indent: str = "  ") -> Iterator[str]:
    """Words and what they stand for, in two columns; a word that comes again is not written again."""
    pairs = list(pairs)
    wide, last = max((len(word) for word, _ in pairs), default=0), ""
    for word, text in pairs:
        first, *more = wrapped(text, indent=indent + " " * (wide + 2), hanging=0)
        yield f"{indent}{'' if word == last else word:{wide}}  {first.lstrip()}"
        yield from more
        last = word


def one_by_one(names: Sequence[str], *, indent: str = "    ") -> Iterator[str]:
    """The names, a line each; the first of them when there are many."""
    shown = names if len(names) <= MAX_SHOWN + 1 else names[:MAX_SHOWN]
    yield from (f"{indent}{name}" for name in shown)
    if len(shown) < len(names):
        yield f"{indent}… and {len(names) - len(shown)} more"
