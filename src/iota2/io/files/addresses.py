"""Addresses on web servers: recognition, hiding of secrets, timeouts."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT_SECONDS = (10.0, 60.0)
"""Timeouts of connecting, and of each read of a response."""
MAX_RETRIES = 3
"""Maximum number of repetitions of a request after a temporary error of the server."""
_QUERY = re.compile(r"\?[^\s'\"<>]+")
_USER_INFO = re.compile(r"(?P<scheme>https?://)[^/\s@]*@", re.IGNORECASE)


def is_remote(path: str | Path) -> bool:
    """Whether a path is an address on a web server."""
    return os.fspath(path).lower().startswith(("http://", "https://"))


def without_secrets(text: str) -> str:
    """``text`` without user names, passwords and query strings in its addresses; a query may be a signature."""
    return _QUERY.sub("?…", _USER_INFO.sub(r"\g<scheme>", text))


def secret_in(address: str) -> str:
    """Description of the part of an address that may be secret; empty when there is none."""
    parts = urlsplit(address)
    if parts.username is not None or parts.password is not None:
        return "a user name"
    return "a query" if parts.query or parts.fragment else ""
