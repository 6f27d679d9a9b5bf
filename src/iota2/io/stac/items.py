"""STAC items from a folder, a file, a catalog or an API."""

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

from iota2.core.files import blocked_below, read_bytes
from iota2.core.words import all_problems, nearest, some
from iota2.errors import InputError, remedy_of, system_text
from iota2.io.files.addresses import is_remote, without_secrets
from iota2.io.files.remote import MAX_DOCUMENT_BYTES, fetch, response_to, session

MAX_ITEMS = 100_000
"""Maximum number of items, or documents, read from an API or a catalog."""
MAX_SHOWN = 3
"""Number of rejected items of which a note shows the problem."""


@dataclass(frozen=True)
class Search:
    """Selection of items."""

    source: str
    """Folder or file of items, file of a catalog, or address of any of these or of an API."""
    collections: tuple[str, ...]
    start: date | None = None
    end: date | None = None
    bbox: tuple[float, float, float, float] | None = None
    """West, south, east and north in degrees: search area for an API."""
    remote: bool = False
    """Whether addresses on web servers are read."""
    skip_damaged: bool = False
    """Whether invalid items and documents are left out with a note."""


@dataclass(frozen=True, eq=False)
class FoundItem:
    """An item and its location."""

    item: pystac.Item
    base: str
    """Path or address of the document with the item; relative file names of the item start there."""

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
class _FoundItems:
    """Items found so far, and ignored items."""

    search: Search
    items: dict[tuple[str, str], tuple[FoundItem, dict[str, Any]]] = field(default_factory=dict)
    passed: Counter[str] = field(default_factory=Counter)
    """Number of ignored documents or items by reason."""
    problems: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Problems of invalid items and documents that are left out."""
    doubtful: set[tuple[str, str]] = field(default_factory=set)
    """Items that are left out because they exist in two versions."""
    undated: list[str] = field(default_factory=list)
    """Ids of items without a day."""
    collections: Counter[str] = field(default_factory=Counter)
    """Number of items by collection, wanted or not."""

    def add(self, content: Any, base: str) -> None:
        """Add an item, or note why it is ignored."""
        if not isinstance(content, dict) or _kind(content) != "Feature":
            self.passed["features that are not STAC items"] += 1
            return
        try:
            found = _item(content, base)
        except InputError as err:
            self.wrong(str(err))
            return
        collection, search = found.collection, self.search
        self.collections[collection] += 1
        if collection not in search.collections:
            self.passed[f"of collection {collection}" if collection else "of no collection"] += 1
        elif found.known_day is None:
            self.passed["without a datetime"] += 1
            self.undated.append(found.item.id)
        elif (search.start and found.day < search.start) or (search.end and found.day > search.end):
            self.passed["before start_date or after end_date"] += 1
        else:
            known, same = self.items.setdefault((collection, found.item.id), (found, content))
            if same != content:
                self.doubtful.add((collection, found.item.id))
                self.wrong(
                    f"item {found.item.id} of {collection} is in {without_secrets(known.base)} "
                    f"and in {without_secrets(base)}, and not the same; keep one"
                )

    def wrong(self, problem: str) -> None:
        """Note a problem of an item or of a local document; it is left out, or raises InputError."""
        (self.left_out if self.search.skip_damaged else self.problems).append(problem)

    @property
    def found(self) -> list[FoundItem]:
        """Items without conflicting duplicates, by collection, day and name."""
        sure = [one for key, (one, _) in self.items.items() if key not in self.doubtful]
        return sorted(sure, key=lambda one: (one.collection, one.day, one.item.id))


def read_items(search: Search) -> tuple[tuple[FoundItem, ...], tuple[str, ...]]:
    """The items of the wanted collections and days, by collection, day and name; and notes on ignored items.

    Raises InputError with all unreadable documents, invalid items and conflicting duplicates, and when a wanted
    collection has no item at all while others have some. With ``skip_damaged``, invalid items and files are left out
    with a note, unless none is left.
    """
    harvest = _FoundItems(search)
    if os.path.isdir(search.source):
        _from_folder(harvest)
    else:
        content = _read(search.source, search)
        if _is_api(content):
            _from_api(harvest)
        else:
            _from_documents(harvest, content)
    found = harvest.found
    if harvest.problems or (harvest.left_out and not found):
        raise InputError(all_problems("STAC items", [*harvest.problems, *harvest.left_out]))
    unseen = _missing_collections(harvest)
    if unseen:
        raise InputError("\n".join(unseen))
    named = {"without a datetime": f" ({some(sorted(harvest.undated), MAX_SHOWN)})"}
    notes = [
        f"STAC items: ignored, {why}: {count}{named.get(why, '')}" for why, count in sorted(harvest.passed.items())
    ]
    if harvest.left_out:
        examples = "; ".join(harvest.left_out[:MAX_SHOWN]) + "; …" * (len(harvest.left_out) > MAX_SHOWN)
        notes.append(f"STAC items: left out, damaged: {len(harvest.left_out)}: {examples}")
    return tuple(found), tuple(notes)


def _missing_collections(harvest: _FoundItems) -> list[str]:
    """A message for each wanted collection without items, with collections of similar names."""
    wanted = harvest.search.collections
    others = [name for name in harvest.collections if name and name not in wanted]
    messages = []
    for name in wanted:
        if others and name not in harvest.collections:
            near = nearest(name, others) or others[0]
            count = harvest.collections[near]
            items = f"{count} items are" if count > 1 else "1 item is"
            more = f" (others: {some([other for other in others if other != near])})" if len(others) > 1 else ""
            messages.append(
                f"chain.stac_items.collections: {without_secrets(harvest.search.source)} has no item of collection "
                f"{name!r}; {items} of {near!r}, which is not requested{more}. Did you mean it?"
            )
    return messages


def _from_folder(harvest: _FoundItems) -> None:
    """The items in all JSON files of a folder; its catalogs are ignored, since they only list items of the folder."""
    if blocked := blocked_below(harvest.search.source):
        raise InputError(f"STAC items: {system_text(blocked)}")
    for path in sorted(Path(harvest.search.source).rglob("*")):
        if path.suffix.lower() in (".json", ".geojson") and not path.is_dir():
            try:
                content = _read(str(path), harvest.search)
                kind = _kind(content)
                for item in _items_in(content, kind):
                    harvest.add(item, str(path))
            except InputError as err:
                harvest.wrong(str(err))
                continue
            if kind == "":
                harvest.passed["JSON files that are not STAC items"] += 1


def _from_documents(harvest: _FoundItems, content: dict[str, Any]) -> None:
    """The items in a document, and in documents linked as children or items."""
    pending, seen = [(harvest.search.source, content)], {harvest.search.source}
    if not _kind(content):
        raise InputError(f"{harvest.search.source}: is no STAC item, list of items, catalog or API.")
    while pending:
        base, content = pending.pop()
        for item in _items_in(content, _kind(content)):
            harvest.add(item, base)
        for href in _links(content):
            try:
                address = absolute(href, base)
                if address not in seen and len(seen) < MAX_ITEMS:
                    seen.add(address)
                    pending.append((address, _read(address, harvest.search)))
            except InputError as err:
                if is_remote(base) or is_remote(href):  # what a server does not give is not damaged
                    harvest.problems.append(str(err))
                else:
                    harvest.wrong(str(err))
    if len(seen) == MAX_ITEMS:
        harvest.problems.append(f"{harvest.search.source}: links to {MAX_ITEMS} documents or more; give a part of it")


def _from_api(harvest: _FoundItems) -> None:
    """The items that an API finds for the collections, days and area."""
    search = harvest.search
    lacking = [
        name
        for name, value in (("start_date", search.start), ("end_date", search.end), ("bbox", search.bbox))
        if value is None
    ]
    if lacking:
        raise InputError(f"chain.stac_items: {search.source} is an API, which needs {' and '.join(lacking)}; give it.")
    with session() as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore", PystacClientWarning)  # about links and conformance that are not needed here
        try:
            client = Client.open(search.source, stac_io=_ApiIO(opened))
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
        raise InputError(f"{search.source}: has {MAX_ITEMS} items or more; give a smaller bbox or fewer days.")
    for content in contents:
        harvest.add(content, search.source)


class _ApiIO(StacApiIO):
    """Requests of pystac-client, bounded in size and time like all requests, without secrets in messages."""

    def __init__(self, opened: requests.Session) -> None:
        super().__init__()
        self.session.close()
        self.session = opened

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """Text of a response."""
        if (method or "GET").upper() == "POST":
            request = requests.Request("POST", href, headers=headers, json=parameters or {})
        else:
            request = requests.Request("GET", href, headers=headers, params=parameters or {})
        return response_to(self.session, request).decode("utf-8", "replace")


# ------------------------------------------------------------------------------------------------------- documents


_INVALID_DOCUMENT = (pystac.STACError, AttributeError, KeyError, TypeError, ValueError, RecursionError)
"""Exceptions of pystac for documents that violate the specification."""


def _read(source: str, search: Search) -> dict[str, Any]:
    """The JSON object of a document. InputError when it cannot be read, or is an address while ``remote`` is off."""
    if is_remote(source) and not search.remote:
        raise InputError(f"{without_secrets(source)}: is an address; set stac_items.remote to True, or download it.")
    try:
        content = json.loads(fetch(source) if is_remote(source) else _bytes_of(source))
    except OSError as err:
        raise InputError(f"{source}: cannot be read: {err.strerror}. {remedy_of(err)}.") from err
    except (ValueError, RecursionError) as err:
        raise InputError(f"{without_secrets(source)}: is no JSON ({err}). Get it again, or take it away.") from err
    return content if isinstance(content, dict) else {}


def _bytes_of(path: str) -> bytes:
    if os.stat(path).st_size > MAX_DOCUMENT_BYTES:
        raise InputError(
            f"{path}: has more than {MAX_DOCUMENT_BYTES >> 20} MiB, which no list of items here may have; split it."
        )
    return read_bytes(path, MAX_DOCUMENT_BYTES)


def _is_api(content: Mapping[str, Any]) -> bool:
    """Whether a document is the landing page of an API with item search."""
    conforms = content.get("conformsTo")
    return isinstance(conforms, list) and any("item-search" in str(one) for one in conforms)


def _kind(content: Mapping[str, Any]) -> str:
    """``Feature``, ``FeatureCollection``, ``Catalog`` or ``Collection``; empty for anything else."""
    kind = content.get("type")
    if kind == "FeatureCollection" and isinstance(content.get("features"), list):
        return kind
    return str(kind) if kind in ("Feature", "Catalog", "Collection") and "stac_version" in content else ""


def _items_in(content: dict[str, Any], kind: str) -> Sequence[Any]:
    """Items embedded in a document."""
    found: dict[str, Sequence[Any]] = {"Feature": [content], "FeatureCollection": content.get("features", ())}
    return found.get(kind, ())


def _links(content: Mapping[str, Any]) -> Iterable[str]:
    """Links of a catalog, a collection or a page of items to further documents with items."""
    wanted = {"Catalog": ("child", "item"), "Collection": ("child", "item"), "FeatureCollection": ("next",)}
    links = content.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") in wanted.get(_kind(content), ()):
            yield str(link.get("href", ""))


def _item(content: dict[str, Any], base: str) -> FoundItem:
    """An item without its links, so that no further document is read for it."""
    try:
        item = pystac.Item.from_dict({**content, "links": []}, migrate=False)
        if not (isinstance(item.id, str) and item.id and item.id.isprintable()):
            raise ValueError("its id is no plain text")
    except _INVALID_DOCUMENT as err:
        raise InputError(
            f"{without_secrets(base)}: item {content.get('id')!r}: is not valid: {without_secrets(repr(err))}"
        ) from err
    return FoundItem(item, base)


def absolute(href: str, base: str) -> str:
    """Path or address relative to the document that names it.

    InputError for one that must not be read: a local file named by a remote document, or an address other than of files
    and web servers.
    """
    found = make_absolute_href(href, base, start_is_dir=False)
    if is_remote(found):
        return found
    if found.startswith("file:///"):
        found = unquote(found.removeprefix("file://"))
    if not href or "://" in found or found.startswith("/vsi"):
        raise InputError(f"{without_secrets(found)}: only files and addresses with http or https are read")
    if is_remote(base):
        raise InputError(f"{found}: a document of a web server must not name files of this machine")
    return os.path.abspath(found)
