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
