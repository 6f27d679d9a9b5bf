"""Reading of STAC items from a folder, a file, a catalog or an API."""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pystac
import requests
from pystac.utils import make_absolute_href
from pystac_client import Client
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from pystac_client.warnings import PystacClientWarning

from iota2.core.files import first_listing_error, read_bytes
from iota2.core.words import all_problems, nearest, some
from iota2.errors import InputError, remedy_of, system_text
from iota2.io.files.addresses import is_remote, without_secrets
from iota2.io.files.remote import MAX_DOCUMENT_BYTES, fetch, response_to, session

MAX_ITEMS = 100_000
"""Maximum number of items, or documents, read from an API or a catalog."""
MAX_PROBLEMS_SHOWN = 3
"""Maximum number of items that a note lists with their problems."""


@dataclass(frozen=True)
class Search:
    """Source and selection of items."""

    source: str
    """Folder or file with items, file of a catalog, or address of a file, a catalog or an API."""
    collections: tuple[str, ...]
    start: date | None = None
    end: date | None = None
    bbox: tuple[float, float, float, float] | None = None
    """Search area for an API: west, south, east and north in degrees."""
    remote: bool = False
    """Whether documents on web servers are read."""
    skip_damaged: bool = False
    """Whether invalid items and documents are left out with a note."""


@dataclass(frozen=True, eq=False)
class FoundItem:
    """An item and the location of its document."""

    item: pystac.Item
    base: str
    """Path or address of the document with the item; relative file names are relative to it."""

    @property
    def collection(self) -> str:
        """Name of the item's collection; empty without one."""
        return self.item.collection_id or ""

    @property
    def known_day(self) -> date | None:
        """Day (UTC) of ``datetime``, or of ``start_datetime`` and ``end_datetime`` when both are on the same day; else
        None."""
        properties = self.item.common_metadata
        if self.item.datetime is not None:
            return self.item.datetime.astimezone(UTC).date()
        start, end = properties.start_datetime, properties.end_datetime
        days = {moment.astimezone(UTC).date() for moment in (start, end) if moment is not None}
        return days.pop() if len(days) == 1 else None

    @property
    def day(self) -> date:
        """Acquisition day in UTC."""
        assert self.known_day is not None, "items without a day are skipped"
        return self.known_day


@dataclass
class _CollectedItems:
    """Items found so far, ignored items and problems."""

    search: Search
    items: dict[tuple[str, str], tuple[FoundItem, dict[str, Any]]] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)
    """Number of ignored documents and items by reason."""
    problems: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Problems of invalid items and documents that are left out."""
    conflicting: set[tuple[str, str]] = field(default_factory=set)
    """Items (collection, id) that are left out because their duplicates differ."""
    undated: list[str] = field(default_factory=list)
    """Ids of items without a day."""
    collections: Counter[str] = field(default_factory=Counter)
    """Number of items by collection, including collections that are not requested."""

    def add(self, content: Any, base: str) -> None:
        """Add an item, or note why it is ignored."""
        if not isinstance(content, dict) or _document_type(content) != "Feature":
            self.ignored["features that are not STAC items"] += 1
            return
        try:
            found = _item(content, base)
        except InputError as err:
            self.add_problem(str(err))
            return
        collection, search = found.collection, self.search
        self.collections[collection] += 1
        if collection not in search.collections:
            self.ignored[f"of collection {collection}" if collection else "of no collection"] += 1
        elif found.known_day is None:
            self.ignored["without a datetime"] += 1
            self.undated.append(found.item.id)
        elif (search.start and found.day < search.start) or (search.end and found.day > search.end):
            self.ignored["before start_date or after end_date"] += 1
        else:
            known, same = self.items.setdefault((collection, found.item.id), (found, content))
            if same != content:
                self.conflicting.add((collection, found.item.id))
                self.add_problem(
                    f"item {found.item.id} of {collection} is in {without_secrets(known.base)} "
                    f"and in {without_secrets(base)}, with different content; keep one"
                )

    def add_problem(self, problem: str) -> None:
        """Store a problem of an item or a local document, which is left out if damaged products are skipped."""
        (self.left_out if self.search.skip_damaged else self.problems).append(problem)

    @property
    def found(self) -> list[FoundItem]:
        """Items without conflicting duplicates, by collection, day and name."""
        sure = [one for key, (one, _) in self.items.items() if key not in self.conflicting]
        return sorted(sure, key=lambda one: (one.collection, one.day, one.item.id))


def read_items(search: Search) -> tuple[tuple[FoundItem, ...], tuple[str, ...]]:
    """The items of the requested collections and period, by collection, day and name; and notes on ignored items.

    Raises InputError with all unreadable documents, invalid items and conflicting duplicates, and when a requested
    collection has no item but other collections have some. With ``skip_damaged``, invalid items and documents are left
    out with a note; InputError if no item is left.
    """
    collected = _CollectedItems(search)
    if os.path.isdir(search.source):
        _from_folder(collected)
    else:
        content = _read(search.source, search)
        if _is_api(content):
            _from_api(collected)
        else:
            _from_documents(collected, content)
    found = collected.found
    if collected.problems or (collected.left_out and not found):
        raise InputError(all_problems("STAC items", [*collected.problems, *collected.left_out]))
    problems = _collection_problems(collected)
    if problems:
        raise InputError("\n".join(problems))
    named = {"without a datetime": f" ({some(sorted(collected.undated), MAX_PROBLEMS_SHOWN)})"}
    notes = [
        f"STAC items: ignored, {why}: {count}{named.get(why, '')}" for why, count in sorted(collected.ignored.items())
    ]
    if collected.left_out:
        more = "; …" * (len(collected.left_out) > MAX_PROBLEMS_SHOWN)
        examples = "; ".join(collected.left_out[:MAX_PROBLEMS_SHOWN]) + more
        notes.append(f"STAC items: left out, damaged: {len(collected.left_out)}: {examples}")
    return tuple(found), tuple(notes)


def _collection_problems(collected: _CollectedItems) -> list[str]:
    """A problem for each requested collection without items, with the collections that have items."""
    wanted = collected.search.collections
    others = [name for name in collected.collections if name and name not in wanted]
    messages = []
    for name in wanted:
        if others and name not in collected.collections:
            near = nearest(name, others) or others[0]
            count = collected.collections[near]
            items = f"{count} items are" if count > 1 else "1 item is"
            more = f" (others: {some([other for other in others if other != near])})" if len(others) > 1 else ""
            messages.append(
                f"chain.stac_items.collections: {without_secrets(collected.search.source)} has no item of collection "
                f"{name!r}; {items} of {near!r}, which is not requested{more}. Did you mean it?"
            )
    return messages


def _from_folder(collected: _CollectedItems) -> None:
    """Collect the items in all JSON files of a folder.

    Catalogs are ignored, since they only list items of the folder.
    """
    if blocked := first_listing_error(collected.search.source):
        raise InputError(f"STAC items: {system_text(blocked)}")
    for path in sorted(Path(collected.search.source).rglob("*")):
        if path.suffix.lower() in (".json", ".geojson") and not path.is_dir():
            try:
                content = _read(str(path), collected.search)
                kind = _document_type(content)
                for item in _items_in(content, kind):
                    collected.add(item, str(path))
            except InputError as err:
                collected.add_problem(str(err))
                continue
            if kind == "":
                collected.ignored["JSON files that are not STAC items"] += 1


def _from_documents(collected: _CollectedItems, content: dict[str, Any]) -> None:
    """Collect the items in a document, and in all documents that it links as children or items."""
    pending, seen = [(collected.search.source, content)], {collected.search.source}
    if not _document_type(content):
        raise InputError(f"{collected.search.source}: is not a STAC item, list of items, catalog or API.")
    while pending:
        base, content = pending.pop()
        for item in _items_in(content, _document_type(content)):
            collected.add(item, base)
        for href in _links(content):
            try:
                address = absolute_address(href, base)
                if address not in seen and len(seen) < MAX_ITEMS:
                    seen.add(address)
                    pending.append((address, _read(address, collected.search)))
            except InputError as err:
                if is_remote(base) or is_remote(href):  # a server error does not mean that the document is damaged
                    collected.problems.append(str(err))
                else:
                    collected.add_problem(str(err))
    if len(seen) == MAX_ITEMS:
        collected.problems.append(
            f"{collected.search.source}: links to {MAX_ITEMS} documents or more; use a part of it"
        )


def _from_api(collected: _CollectedItems) -> None:
    """Collect the items that an API finds for the collections, period and area."""
    search = collected.search
    lacking = [
        name
        for name, value in (("start_date", search.start), ("end_date", search.end), ("bbox", search.bbox))
        if value is None
    ]
    if lacking:
        text = f"{search.source} is an API; set {' and '.join(lacking)} to search it."
        raise InputError.about(("chain", "stac_items"), text)
    with session() as http, warnings.catch_warnings():
        warnings.simplefilter("ignore", PystacClientWarning)  # about links and conformance that are not needed here
        try:
            client = Client.open(search.source, stac_io=_ApiIO(http))
            post = any(link.extra_fields.get("method") == "POST" for link in client.get_links("search"))
            found = client.search(
                method="POST" if post else "GET",
                collections=list(search.collections),
                datetime=f"{search.start}/{search.end}",
                bbox=list(search.bbox or ()),
                max_items=MAX_ITEMS,
            )
            contents = list(found.items_as_dicts())
        except (APIError, NotImplementedError, *_INVALID_DOCUMENT) as err:
            raise InputError(f"{search.source}: the API cannot be searched: {without_secrets(str(err))}.") from err
    if len(contents) == MAX_ITEMS:
        raise InputError(f"{search.source}: has {MAX_ITEMS} items or more. Use a smaller bbox or a shorter period.")
    for content in contents:
        collected.add(content, search.source)


class _ApiIO(StacApiIO):
    """Requests of pystac-client with limits of size and time, and without secrets in messages."""

    def __init__(self, client: requests.Session) -> None:
        super().__init__()
        self.session.close()
        self.session = client

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """The text of the response to a request."""
        if (method or "GET").upper() == "POST":
            request = requests.Request("POST", href, headers=headers, json=parameters or {})
        else:
            request = requests.Request("GET", href, headers=headers, params=parameters or {})
        return response_to(self.session, request).decode("utf-8", "replace")


# ------------------------------------------------------------------------------------------------------- documents


_INVALID_DOCUMENT = (pystac.STACError, AttributeError, KeyError, TypeError, ValueError, RecursionError)
"""Exceptions of pystac for documents that violate the specification."""


def _read(source: str, search: Search) -> dict[str, Any]:
    """The JSON object of a document; InputError when it cannot be read, or for an address without ``remote``."""
    if is_remote(source) and not search.remote:
        raise InputError(
            f"{without_secrets(source)}: is on a web server. Set stac_items.remote to True, or download the file."
        )
    try:
        content = json.loads(fetch(source) if is_remote(source) else _bytes_of(source))
    except OSError as err:
        raise InputError(f"{source}: cannot be read: {err.strerror}. {remedy_of(err)}.") from err
    except (ValueError, RecursionError) as err:
        raise InputError(
            f"{without_secrets(source)}: is not valid JSON ({err}). Download or copy it again, or remove it."
        ) from err
    return content if isinstance(content, dict) else {}


def _bytes_of(path: str) -> bytes:
    if os.stat(path).st_size > MAX_DOCUMENT_BYTES:
        raise InputError(f"{path}: exceeds {MAX_DOCUMENT_BYTES >> 20} MiB, the maximum size of a document; split it.")
    return read_bytes(path, MAX_DOCUMENT_BYTES)


def _is_api(content: Mapping[str, Any]) -> bool:
    """Whether a document is the landing page of a STAC API with item search."""
    conforms = content.get("conformsTo")
    return isinstance(conforms, list) and any("item-search" in str(one) for one in conforms)


def _document_type(content: Mapping[str, Any]) -> str:
    """``Feature``, ``FeatureCollection``, ``Catalog`` or ``Collection``; empty for other documents."""
    kind = content.get("type")
    if kind == "FeatureCollection" and isinstance(content.get("features"), list):
        return kind
    return str(kind) if kind in ("Feature", "Catalog", "Collection") and "stac_version" in content else ""


def _items_in(content: dict[str, Any], kind: str) -> Sequence[Any]:
    """Items in a document itself."""
    found: dict[str, Sequence[Any]] = {"Feature": [content], "FeatureCollection": content.get("features", ())}
    return found.get(kind, ())


def _links(content: Mapping[str, Any]) -> Iterable[str]:
    """Links of a catalog, a collection or a page of items to further documents with items."""
    wanted = {"Catalog": ("child", "item"), "Collection": ("child", "item"), "FeatureCollection": ("next",)}
    links = content.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") in wanted.get(_document_type(content), ()):
            yield str(link.get("href", ""))


def _item(content: dict[str, Any], base: str) -> FoundItem:
    """An item without its links, so that no further document is read for it."""
    try:
        item = pystac.Item.from_dict({**content, "links": []}, migrate=False)
        if not (isinstance(item.id, str) and item.id and item.id.isprintable()):
            raise ValueError("its id is not printable text")
    except _INVALID_DOCUMENT as err:
        raise InputError(
            f"{without_secrets(base)}: item {content.get('id')!r}: is not valid: {without_secrets(repr(err))}"
        ) from err
    return FoundItem(item, base)


def absolute_address(href: str, base: str) -> str:
    """Absolute path or address of a link, which is relative to the document ``base``.

    InputError for a local file in a remote document, and for an address with another protocol than file, http and
    https.
    """
    found = make_absolute_href(href, base, start_is_dir=False)
    if is_remote(found):
        return found
    if found.startswith("file:///"):
        found = unquote(found.removeprefix("file://"))
    if not href or "://" in found or found.startswith("/vsi"):
        raise InputError(f"{without_secrets(found)}: expected a file or an address with http or https")
    if is_remote(base):
        raise InputError(f"{found}: a document from a web server must not refer to local files")
    return os.path.abspath(found)
