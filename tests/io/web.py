"""A local web server with range requests, and a small STAC API."""

from __future__ import annotations

import json
import re
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PAGE = 2
"""Items that the API gives at once."""


@dataclass
class Web:
    """A folder on the server, and the faults of the server that a test sets."""

    folder: Path
    address: str = ""
    stamps: bool = True
    """Answers have an ETag."""
    pieces: bool = True
    """Parts of files are given."""
    refused: int = 0
    """Status that is answered instead of the next ``refusals`` answers; 0 refuses nothing."""
    refusals: int = 10**6
    redirected: Mapping[str, str] = field(default_factory=dict)
    """Path to the address that it is answered with."""
    login: str = ""
    """Name and password that are asked for, ``name:password``."""
    items: list[dict[str, Any]] = field(default_factory=list)
    """What the API at ``/api`` finds."""
    breaking: bool = False
    """The server ends every answer in the middle."""
    sent: int = 0
    """Bytes of files that were sent."""
    posting: bool = True
    """The API takes searches by POST."""
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    """Method, path and searched parameters of what was asked for."""

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"


@contextmanager
def serving(folder: Path) -> Iterator[Web]:
    """A server of a folder, until the context ends."""
    web = Web(folder)

    class Handler(_Handler):
        site = web

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    site: Web
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        parameters = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self._stopped(parts.path, parameters):
            return
        if parts.path.startswith("/api"):
            parameters |= {"collections": parameters.get("collections", "").split(",")}
            parameters |= {"bbox": [float(number) for number in parameters.get("bbox", "0").split(",")]}
            self._api(parts.path, parameters)
        else:
            self._file(self.site.folder / unquote(parts.path).lstrip("/"))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        parameters = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._stopped(self.path, parameters):
            self._api(self.path, parameters)

    def _stopped(self, path: str, parameters: Any) -> bool:
        """Whether the response is an error or a redirection."""
        site = self.site
        site.requests.append((self.command, path, parameters))
        if site.refused and site.refusals > 0:
            site.refusals -= 1
            self._answer(site.refused, b"")
        elif site.login and self.headers.get("Authorization") != f"Basic {b64encode(site.login.encode()).decode()}":
            self._answer(401, b"", {"WWW-Authenticate": "Basic"})
        elif path in site.redirected:
            self._answer(302, b"", {"Location": site.redirected[path]})
        else:
            return False
        return True

    def _file(self, path: Path) -> None:
        if not path.is_file():
            self._answer(404, b"")
            return
        content, stat = path.read_bytes(), path.stat()
        headers = {"ETag": f'"{stat.st_mtime_ns}-{stat.st_size}"'} if self.site.stamps else {}
        wanted = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None or not self.site.pieces:
            self._answer(200, content, headers)
            return
        first = int(wanted[1])
        last = min(int(wanted[2] or len(content) - 1), len(content) - 1)
        if first > last:
            self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        else:
            headers |= {"Content-Range": f"bytes {first}-{last}/{len(content)}", "Accept-Ranges": "bytes"}
            self._answer(206, content[first : last + 1], headers)

    def _api(self, path: str, parameters: Mapping[str, Any]) -> None:
        """The landing page, or a page of search results (STAC API 1.0.0, core and item search)."""
        root = self.site.url("api")
        if path == "/api":
            conforms = [f"https://api.stacspec.org/v1.0.0/{part}" for part in ("core", "item-search")]
            links = [{"rel": "root", "href": root}, {"rel": "search", "href": f"{root}/search", "method": "GET"}]
            posting = {"rel": "search", "type": "application/geo+json", "href": f"{root}/search", "method": "POST"}
            links += [posting] * self.site.posting
            page = {"type": "Catalog", "stac_version": "1.0.0", "id": "made-up", "description": "x", "links": links}
            self._json({**page, "conformsTo": conforms})
        elif path == "/api/search" and (self.site.posting or self.command == "GET"):
            self._json(self._found(root, parameters))
        else:
            self._answer(404, b"")

    def _found(self, root: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        start, end = (text[:10] for text in parameters["datetime"].split("/"))
        west, south, east, north = parameters["bbox"]
        found = [
            item
            for item in self.site.items
            if item["collection"] in parameters["collections"]
            and start <= item["properties"]["datetime"][:10] <= end
            and item["bbox"][0] <= east
            and item["bbox"][2] >= west
            and item["bbox"][1] <= north
            and item["bbox"][3] >= south
        ]
        begin = int(parameters.get("token", 0))
        page = {"type": "FeatureCollection", "features": found[begin : begin + PAGE], "links": []}
        if begin + PAGE < len(found):
            following = {**parameters, "token": begin + PAGE}
            link: dict[str, Any] = {"rel": "next", "href": f"{root}/search", "method": "POST", "body": following}
            if self.command == "GET":
                query = self.path.partition("?")[2]
                query = re.sub(r"&token=\d+", "", query)
                link = {"rel": "next", "href": f"{root}/search?{query}&token={begin + PAGE}", "method": "GET"}
            page["links"] = [link]
        return page

    def _json(self, content: Any) -> None:
        self._answer(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.close_connection |= self.site.breaking
            self.site.sent += self.wfile.write(content[: len(content) // 2] if self.site.breaking else content)

    def log_message(self, *_: Any) -> None:
        """Write no log."""
