"""One feature with its origin."""

from __future__ import annotations

from typing import NamedTuple

VALUE, DIFFERENCE = "value", "difference"
"""Kinds of features of one date; the other kinds are ``STATISTIC_NAMES``."""


class Feature(NamedTuple):
    """A feature with its origin."""

    name: str
    series: str
    """Band, index, expression, layer, or function of the user."""
    date: str = ""
    """Key of its date, for a difference of the later one; empty without date."""
    kind: str = VALUE

    @property
    def undated(self) -> str:
        """The name without the date at its end: the same for all dates of a series."""
        return self.name.removesuffix(f"_{self.date}") if self.date else self.name
