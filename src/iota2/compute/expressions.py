"""Expressions of the bands of one date, as users write them in ``additional_features``."""

from __future__ import annotations


def split_expressions(text: str) -> tuple[str, ...]:
    """The expressions of a text that separates them by commas; commas between parentheses belong to a function."""
    depth, start, found = 0, 0, []
    for position, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            found.append(text[start:position])
            start = position + 1
    return tuple(stripped for part in (*found, text[start:]) if (stripped := part.strip()))
