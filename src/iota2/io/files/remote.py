"""HTTP requests for small documents and for the state of files; pixels are read by GDAL."""

from __future__ import annotations

import re
from dataclasses import dataclass

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from iota2.errors import InputError
from iota2.io.files.addresses import MAX_RETRIES, TIMEOUT_SECONDS, without_secrets

SCHEMES = ("http", "https")
_BUSY_STATUS_CODES = (429, 500, 502, 503, 504)
"""HTTP status codes after which a request is repeated."""
MAX_DOCUMENT_BYTES = 64 << 20
"""Maximum size of a document."""
_HEAD_BYTES = 64
"""Number of bytes read from the start of a file to recognise its format."""
_CHUNK_BYTES = 1 << 16
"""Number of bytes of a document received at a time."""


@dataclass(frozen=True)
class RemoteState:
    """Size, version and first bytes of a file on a server."""

    size: int
    """Size in bytes."""
    stamp: str
    """ETag, else time of modification; empty when the server provides neither."""
    head: bytes
    """First bytes."""


def session() -> requests.Session:
    """An HTTP session that repeats requests while a server is busy."""
    retry = Retry(
        MAX_RETRIES, connect=1, backoff_factor=0.3, status_forcelist=_BUSY_STATUS_CODES, raise_on_status=False
    )
    client = requests.Session()
    for scheme in SCHEMES:
        client.mount(f"{scheme}://", HTTPAdapter(max_retries=retry))
    return client


def response_to(client: requests.Session, request: requests.Request, limit: int = MAX_DOCUMENT_BYTES) -> bytes:
    """The body of the response to a request; InputError for no response, an error, or more than ``limit`` bytes."""
    address, body = without_secrets(str(request.url)), bytearray()
    try:
        prepared = client.prepare_request(request)
        settings = client.merge_environment_settings(prepared.url or "", {}, True, None, None)
        with client.send(prepared, timeout=TIMEOUT_SECONDS, **settings) as response:
            if not response.ok:
                raise InputError(f"{address}: the server responded {response.status_code} {response.reason}.")
            for chunk in response.iter_content(_CHUNK_BYTES):
                body += chunk
                if len(body) > limit:
                    raise InputError(f"{address}: exceeds {limit >> 20} MiB, the maximum size of a document.")
    except requests.RequestException as err:
        raise InputError(f"{address}: cannot be read: {_reason(err)}.") from err
    return bytes(body)


def fetch(address: str, limit: int = MAX_DOCUMENT_BYTES) -> bytes:
    """The document at an address; see ``response_to``."""
    with session() as client:
        return response_to(client, requests.Request("GET", address), limit)


def remote_state(address: str, client: requests.Session) -> RemoteState:
    """The state of a file on a server; only its first bytes are requested.

    InputError when the file does not exist, or when the server does not support range requests, by which pixels are
    read.
    """
    headers = {"Range": f"bytes=0-{_HEAD_BYTES - 1}", "Accept-Encoding": "identity"}
    try:
        with client.get(address, headers=headers, timeout=TIMEOUT_SECONDS, stream=True) as response:
            if not response.ok:
                raise InputError(
                    f"{without_secrets(address)}: the server responded {response.status_code} {response.reason}."
                )
            size = re.fullmatch(r"bytes \d+-\d+/(\d+)", response.headers.get("Content-Range", ""))
            if response.status_code != requests.codes.partial_content or size is None:
                raise InputError(
                    f"{without_secrets(address)}: the server does not support range requests, so pixels cannot be read "
                    "block by block. Download the files and use the folder of the copies."
                )
            stamp = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
            return RemoteState(int(size[1]), stamp, next(response.iter_content(_HEAD_BYTES), b""))
    except (requests.RequestException, OSError) as err:
        raise InputError(f"{without_secrets(address)}: cannot be read: {_reason(err)}.") from err


def _reason(err: Exception) -> str:
    """A short reason why a request failed, without secrets."""
    first = err.args[0] if err.args else err
    return without_secrets(str(getattr(first, "reason", None) or first)).rstrip(".")
