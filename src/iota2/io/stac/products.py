"""Products of a sensor on a tile, from STAC items."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import pystac

from iota2.core.scene import SensorScene
from iota2.core.sensor import SensorSpec
from iota2.core.words import counted
from iota2.errors import InputError, MissingTile
from iota2.io.archive.headers import HeaderReader
from iota2.io.archive.optional_files import read_available_parts
from iota2.io.archive.product import Product
from iota2.io.archive.products import SCAN_THREADS, build_series, read_headers, stands_in
from iota2.io.archive.versions import ProductVersion, version_of
from iota2.io.files.addresses import is_remote
from iota2.io.files.remote import remote_state, session
from iota2.io.stac.assets import asset_of, file_of, names_of
from iota2.io.stac.items import FoundItem
from iota2.io.stac.scaling import scaling_of

_MGRS_CELL = re.compile(r"T?(\d{1,2})([C-HJ-NP-X][A-HJ-NP-Z]{2})")
_WRS_CELL = re.compile(r"\d{6}")
"""Path and row of Landsat, three digits each."""


@dataclass(frozen=True)
class ItemsByTile:
    """Items of one sensor by tile."""

    by_tile: Mapping[str, Sequence[FoundItem]]
    """Items by tile, sorted by day and name; without tiles that have no items."""
    without_tile: Sequence[FoundItem]
    """Items with an unknown tile, in a run of several tiles."""
    elsewhere: int
    """Number of items on tiles that are not in the run."""


def items_by_tile(spec: SensorSpec, found: Sequence[FoundItem], tiles: Sequence[str]) -> ItemsByTile:
    """Assign the items of a sensor to the tiles of a run.

    The tile of an item is unknown if the item has none, or one of another tiling than the tiles of the run. If the run
    has a single tile, such items are assigned to it, like products in its folder.
    """
    named = {_plain(tile): tile for tile in tiles}
    grids = [grid for grid in (_MGRS_CELL, _WRS_CELL) if any(map(grid.fullmatch, tiles))]
    by_tile: dict[str, list[FoundItem]] = {}
    without_tile = []
    in_names = "tile" in re.compile(spec.product).groupindex
    for one in sorted(found, key=lambda one: (one.day, one.item.id)):
        item_tile = _tile_of(spec, one.item)
        if item_tile in named:
            by_tile.setdefault(named[item_tile], []).append(one)
        elif item_tile and (in_names or any(grid.fullmatch(item_tile) for grid in grids)):
            continue
        elif len(tiles) == 1:
            by_tile.setdefault(tiles[0], []).append(one)
        else:
            without_tile.append(one)
    return ItemsByTile(by_tile, without_tile, len(found) - len(without_tile) - sum(map(len, by_tile.values())))


def scan_items(
    spec: SensorSpec,
    placed: ItemsByTile,
    tile: str,
    *,
    source: str,
    remote: bool = False,
    threads: int = SCAN_THREADS,
    skip_damaged: bool = False,
    damaged: Mapping[str, str] | None = None,
    kept: Collection[str] = (),
) -> tuple[SensorScene, tuple[str, ...]]:
    """The series of one sensor on one tile from its items, and notes; with the checks and options of ``scan_tile``.

    Items with an unknown tile are left out, with a note. ``source``: origin of the items in messages. ``remote``:
    whether files may be on web servers.
    """
    where, chosen = f"{spec.section}, tile {tile}", placed.by_tile.get(tile, ())
    without_tile_note = ""
    if placed.without_tile:
        first = placed.without_tile[0].item.id
        without_tile_note = f"{counted(len(placed.without_tile), 'item')} without a known tile (first: {first})"
    if not chosen:
        others = f"it has {sum(map(len, placed.by_tile.values()))} items of this sensor on other tiles of the run and "
        others += f"{placed.elsewhere} elsewhere. Correct the list of tiles or the source"
        reason = f"{without_tile_note}: run each separately" if without_tile_note else others
        raise MissingTile(f"{where}: {source} has no item of this tile; {reason}.")

    headers = HeaderReader()

    def read(spec: SensorSpec) -> list[Product]:
        return _products(spec, chosen, headers, remote=remote, threads=threads)

    spec, products, part_notes = read_available_parts(spec, kept, where, read)
    scene, notes = build_series(spec, products, source, tile, skip_damaged=skip_damaged, damaged=damaged)
    return scene, (*((f"{where}: left out, {without_tile_note}",) if without_tile_note else ()), *part_notes, *notes)


def _products(
    spec: SensorSpec, chosen: Sequence[FoundItem], headers: HeaderReader, *, remote: bool, threads: int
) -> list[Product]:
    """Products of the given items."""
    files = [_files_of(spec, one, remote=remote) for one in chosen]
    if not any(one.problems for one in files):
        _probe_servers({path for one in files for path in one.paths.values() if is_remote(path)})
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda one, its: _product(spec, one, its, headers, remote=remote), chosen, files))


def _tile_of(spec: SensorSpec, item: pystac.Item) -> str:
    """Tile of an item, in the form of ``_plain``; empty when its properties and id contain none."""
    properties = {name: str(value) for name, value in item.properties.items() if isinstance(value, str | int)}
    match = spec.match(item.id)
    mgrs = [properties.get(f"mgrs:{part}", "") for part in ("utm_zone", "latitude_band", "grid_square")]
    path, row = properties.get("landsat:wrs_path", ""), properties.get("landsat:wrs_row", "")
    candidates = (
        properties.get("grid:code", "").partition("-")[2],
        properties.get("s2:mgrs_tile", ""),
        "".join(mgrs) if all(mgrs) else "",
        (match.groupdict().get("tile") or "") if match else "",
        f"{int(path):03}{int(row):03}" if path.isdecimal() and row.isdecimal() else "",
    )
    return _plain(next(filter(None, candidates), ""))


def _plain(tile: str) -> str:
    """Normalised tile name for comparisons; names of the MGRS tiling are without T and with two digits."""
    match = _MGRS_CELL.fullmatch(tile)
    return f"{int(match[1]):02}{match[2]}" if match else tile


@dataclass(frozen=True)
class _Files:
    """Files of a product listed by an item."""

    assets: Mapping[str, pystac.Asset]
    """Asset by band or mask."""
    paths: Mapping[str, str]
    """Path or address by band or mask."""
    missing: tuple[str, ...]
    """Descriptions of mandatory assets that the item lacks."""
    problems: tuple[str, ...]


def _files_of(spec: SensorSpec, found: FoundItem, *, remote: bool) -> _Files:
    """Files of the product of an item, not yet opened; none for an item of another sensor."""
    foreign = _wrong_satellite(spec, found.item)
    if foreign:
        return _Files({}, {}, (), (foreign,))
    assets: dict[str, pystac.Asset] = {}
    paths: dict[str, str] = {}
    absent: set[str] = set()
    problems: dict[str, str] = {}
    for part in spec.parts:
        try:
            asset = asset_of(found.item, part)
            if asset is not None and not stands_in(spec, part, paths):
                paths[part.name], assets[part.name] = file_of(asset, found, remote=remote), asset
            elif asset is None:
                absent.add(part.name)
        except InputError as err:
            problems.setdefault(str(err).rpartition(": ")[2], str(err))  # only one problem of each kind
    lacking = [part for part in spec.lacking(paths) if part.name in absent]
    missing = dict.fromkeys(f"the asset {' or '.join(names_of(part))}" for part in lacking)
    return _Files(assets, paths, tuple(missing), tuple(problems.values()))


def _wrong_satellite(spec: SensorSpec, item: pystac.Item) -> str:
    """A problem when an item is of another satellite than those of the sensor; else empty."""
    platform_name = item.properties.get("platform")
    satellite_name = platform_name if isinstance(platform_name, str) and _satellite(platform_name) else item.id
    satellite, wanted = _satellite(satellite_name), {_satellite(platform) for platform in spec.platforms}
    if not satellite or not wanted or satellite in wanted:
        return ""
    what = "its platform" if satellite_name is platform_name else "its name"
    return f"is of {satellite_name} according to {what}; {spec.section} needs {' or '.join(spec.platforms)}. Remove it"


def _satellite(name: str) -> tuple[str, str] | None:
    """Family and number of the satellite at the start of a name such as ``S2A_…``, ``LE07_…`` or ``landsat-8``."""
    match = re.match(r"(s|sentinel|l[ceotm]|landsat)[-_ ]?0?(\d)(?:[a-z]?$|[a-z]?[-_ .])", name, re.IGNORECASE)
    return (match[1][0].lower(), match[2]) if match else None


def _probe_servers(addresses: Collection[str]) -> None:
    """Request one file from each server before all others; InputError when a server fails."""
    servers = {urlsplit(address).netloc: address for address in sorted(addresses, reverse=True)}
    with session() as client:
        for address in servers.values():
            remote_state(address, client)


def _product(spec: SensorSpec, found: FoundItem, files: _Files, images: HeaderReader, *, remote: bool) -> Product:
    """Product of an item, with the headers of its files and the scaling of its values."""
    problems, scaling = [*files.problems], {}
    headers, unusable, damage = read_headers(spec, files.paths, images)
    try:
        scaling = scaling_of(spec, found, files.assets, remote=remote)
    except InputError as err:
        problems.append(str(err))
    problems = [*(f"item {found.item.id}: {problem}" for problem in problems), *unusable]
    unreached: list[str] = []
    if any(map(is_remote, files.paths.values())):  # a server error does not mean that the file is damaged
        unreached, damage = damage, []
    version = _title(spec, found.item)
    return Product(
        found.item.id,
        found.day,
        files.paths,
        headers,
        tuple(problems),
        tuple(damage),
        files.missing,
        scaling,
        version,
        unreached=tuple(unreached),
    )


def _title(spec: SensorSpec, item: pystac.Item) -> ProductVersion:
    """Acquisition and version of an item: from the name of its product, if the item contains it."""
    names = [str(item.properties.get(name, "")) for name in ("s2:product_uri", "s2:datastrip_id")]
    piece = re.search(r"_S(\d{8}T\d{6})", names[1])
    return version_of(spec, names[0] or item.id, piece[1] if piece else "")
