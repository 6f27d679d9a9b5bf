"""Jinja environment of the pages, their scripts and addresses.

Values are escaped, including control characters; undefined values are errors.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from functools import cache
from urllib.parse import quote

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


@cache
def asset(name: str) -> str:
    """Text of a file of the folder ``assets``, with ``\\n`` as line ends."""
    loader = PackageLoader("iota2.report", "assets")
    return loader.get_source(Environment(autoescape=True), name)[0].replace("\r\n", "\n")


def script_policy(scripts: Iterable[str], *, images: bool = False) -> str:
    """Content security policy of a page: its styles, and only these scripts, which are identified by digest.

    ``images``: whether the page contains pictures.
    """
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    embedded = "img-src data:; " if images else ""
    return f"default-src 'none'; {embedded}style-src 'self' file: 'unsafe-inline'; script-src {allowed}"


def link(path: str) -> str:
    """A relative path as a URL; colons are escaped, so that no path becomes a ``javascript:`` URL."""
    return quote(path, safe="/", errors="surrogateescape")


def png_uri(png: bytes) -> str:
    """A PNG as the address of an embedded picture."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _printable(value: object) -> object:
    """The value, with control characters escaped in text; markup is unchanged."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
