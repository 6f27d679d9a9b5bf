"""The few forms of Markdown that the reference pages are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MADE = "<!-- made by docs/generate.py; change the program, not this page -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; vertical bars in cells are escaped."""
    lines = [list(head), ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def code(text: object) -> str:
    """Text as code; nothing for nothing."""
    return f"`{text}`" if str(text) else ""


def codes(texts: Iterable[object]) -> str:
    """Several pieces of code in a row, separated by commas."""
    return ", ".join(code(text) for text in texts)


def sentence(docstring: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((docstring or "").strip().split("\n\n")[0].split()).replace("``", "`")
