"""How the templates of all pages are read: names and values are escaped, and one that is missing is an error."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment() -> Environment:
    """A new environment, to which a page adds its own filters."""
    return Environment(
        loader=PackageLoader("iota2.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
