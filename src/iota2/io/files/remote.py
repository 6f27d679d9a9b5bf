"""Requests to web servers: small documents, and the state of files. Pixels are read by GDAL."""

from __future__ import annotations

import re
from dataclasses import dataclass

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from iota2.errors import InputError
from iota2.io.files.addresses import RETRIES, TIMEOUT, masked

SCHEMES = ("http", "https")
_BUSY = (429, 500, 502, 503, 504)
"""HTTP status codes after which a request is repeated."""
DOCUMENT = 64 << 20
"""Bytes of a document, at most."""
_HEAD = 64
_CHUNK = 1 << 16


@dataclass(frozen=True)
class RemoteState:
    """The state of a file on a server."""

    size: int
    stamp: str
    """Its ETag, else its time of modification; empty when the server gives neither."""
    head: bytes
    """Its first bytes."""


def session() -> requests.Session:
    """A session of HTTP requests that are repeated while a server is busy."""
    retry = Retry(RETRIES, connect=1, backoff_factor=0.3, status_forcelist=_BUSY, raise_on_status=False)
    opened = requests.Session()
    for scheme in SCHEMES:
        opened.mount(f"{scheme}://", HTTPAdapter(max_retries=retry))
    return opened


def answer_to(opened: requests.Session, request: requests.Request, limit: int = DOCUMENT) -> bytes:
    """The body of the response to a request. InputError for no response, an error, or more than ``limit`` bytes."""
    address, body = masked(str(request.url)), bytearray()
    try:
        prepared = opened.prepare_request(request)
        settings = opened.merge_environment_settings(prepared.url or "", {}, True, None, None)
        with opened.send(prepared, timeout=TIMEOUT, **settings) as answer:
            if not answer.ok:
                raise InputError(f"{address}: the server answers {answer.status_code} {answer.reason}.")
            for chunk in answer.iter_content(_CHUNK):
                body += chunk
                if len(body) > limit:
                    raise InputError(f"{address}: has more than {limit >> 20} MiB, which no such document has.")
    except requests.RequestException as err:
        raise InputError(f"{address}: cannot be read: {_reason(err)}.") from err
    return bytes(body)


def fetch(address: str, limit: int = DOCUMENT) -> bytes:
    """The document at an address; see ``answer_to``."""
    with session() as opened:
        return answer_to(opened, requests.Request("GET", address), limit)


def remote_state(address: str, opened: requests.Session) -> RemoteState:
    """The state of a file on a server; only its first bytes are requested.

    InputError when it does not exist, or when the server does not support range requests, which reading of pixels
    needs.
    """
    headers = {"Range": f"bytes=0-{_HEAD - 1}", "Accept-Encoding": "identity"}
    try:
        with opened.get(address, headers=headers, timeout=TIMEOUT, stream=True) as answer:
            if not answer.ok:
                raise InputError(f"{masked(address)}: the server answers {answer.status_code} {answer.reason}.")
            size = re.fullmatch(r"bytes \d+-\d+/(\d+)", answer.headers.get("Content-Range", ""))
            if answer.status_code != requests.codes.partial_content or size is None:
                raise InputError(
                    f"{masked(address)}: the server gives files only as a whole, so pixels cannot be read piece by "
                    "piece. Download the files and give the folder of the copies."
                )
            stamp = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
            return RemoteState(int(size[1]), stamp, next(answer.iter_content(_HEAD), b""))
    except (requests.RequestException, OSError) as err:
        raise InputError(f"{masked(address)}: cannot be read: {_reason(err)}.") from err


def _reason(err: Exception) -> str:
    """The reason why a request failed, in few words and without secrets."""
    first = err.args[0] if err.args else err
    return masked(str(getattr(first, "reason", None) or first)).rstrip(".")
