"""How the templates of all pages are read: names and values are escaped, their control characters too, and one that is
missing is an error."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from iota2.core.words import printable


def environment() -> Environment:
    """A new environment, to which a page adds its own filters."""
    return Environment(
        loader=PackageLoader("iota2.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: object) -> object:
    """A value as a page shows it; what is markup already stays as it is."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
