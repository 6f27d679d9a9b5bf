"""Jinja environment of the pages: values are escaped, including control characters; undefined values are errors."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from iota2.core.words import printable


def environment() -> Environment:
    """A new environment; pages add their own filters."""
    return Environment(
        loader=PackageLoader("iota2.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _printable(value: object) -> object:
    """The value, with control characters escaped in text; markup is unchanged."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
