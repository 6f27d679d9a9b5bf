"""Addresses on web servers: recognition, hiding of secrets, timeouts."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT = (10.0, 60.0)
"""Seconds to wait for a connection, and for each piece of an answer."""
RETRIES = 3
_HIDDEN = re.compile(r"\?[^\s'\"<>]+")
_USER = re.compile(r"(?P<scheme>https?://)[^/\s@]*@", re.IGNORECASE)


def is_remote(path: str | Path) -> bool:
    """Whether a path is an address on a web server."""
    return os.fspath(path).lower().startswith(("http://", "https://"))


def masked(text: str) -> str:
    """``text`` without the secrets of its addresses: user names, passwords, and queries, which may be signatures."""
    return _HIDDEN.sub("?…", _USER.sub(r"\g<scheme>", text))


def secret_in(address: str) -> str:
    """The part of an address that may be secret, in words; empty without one."""
    parts = urlsplit(address)
    if parts.username is not None or parts.password is not None:
        return "a user name"
    return "a query" if parts.query or parts.fragment else ""
