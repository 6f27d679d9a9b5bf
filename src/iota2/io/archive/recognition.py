"""Recognised products in a sensor folder, and ignored entries with the reasons."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from odc.geo.geobox import GeoBox

from iota2.core.sensor import SensorSpec
from iota2.errors import InputError
from iota2.io.archive.folders import list_products
from iota2.io.archive.headers import HeaderReader
from iota2.io.archive.optional_files import read_available_parts
from iota2.io.archive.product import Product
from iota2.io.archive.products import newest, products_on_common_grids, read_products
from iota2.io.archive.rejected import near_miss, nested, products_among, rejection_reason


@dataclass(frozen=True)
class TileFolder:
    """Content of a tile folder, as a run would read it."""

    tile: str
    folder: str
    products: tuple[Product, ...]
    """Sorted by day and name."""
    grids: Mapping[str, GeoBox]
    """Common grid of all dates, by band or mask."""
    ignored: Mapping[str, str]
    """Reason by name of each entry that is not used."""
    other_tiles: tuple[str, ...]
    """Names of other tiles with products in the folder."""
    problems: tuple[str, ...]
    """Problems that would stop a run, other than incomplete products."""

    @property
    def usable(self) -> bool:
        """Whether a run could use the tile."""
        return bool(self.products) and not self.problems and all(product.complete for product in self.products)


@dataclass(frozen=True)
class Recognized:
    """Content of a sensor folder."""

    spec: SensorSpec
    folder: str
    tiles: tuple[TileFolder, ...]
    ignored: Mapping[str, str]
    """Reason by name of each entry that is not a tile folder."""
    is_tile: bool
    """Whether the given folder is the folder of one tile."""

    @property
    def sensor_folder(self) -> str:
        """The folder to name in a configuration."""
        return os.path.dirname(self.folder) if self.is_tile else self.folder

    @property
    def usable(self) -> bool:
        """Whether a run could use all tiles."""
        return bool(self.tiles) and all(tile.usable for tile in self.tiles)


def recognize(spec: SensorSpec, folder: str | Path) -> Recognized:
    """Content of a sensor folder with its tile folders, or of one tile folder; only image headers are read.

    Raises InputError when the folder does not exist, cannot be listed, or is itself a product.
    """
    path = os.path.abspath(folder)
    try:
        names = sorted(os.listdir(path))
        if products_among(spec, os.path.dirname(path), [os.path.basename(path)]):
            raise InputError(f"{path} is a product; expected the folder of its tile, {os.path.dirname(path)}.")
        if _is_tile_folder(spec, path, names):
            tile = _tile_of(spec, os.path.basename(path)) or os.path.basename(path)
            return Recognized(spec, path, (_recognize_tile(spec, path, tile),), {}, is_tile=True)
        return _recognize_tiles(spec, path, names)
    except OSError as err:
        raise InputError(f"{err.filename}: {err.strerror}; expected a folder with images of {spec.section}.") from err


def _is_tile_folder(spec: SensorSpec, path: str, names: list[str]) -> bool:
    """Whether a folder directly contains products, or entries with names similar to those of products."""
    if products_among(spec, path, names):
        return True
    return not any(nested(spec, path, name) for name in names) and any(near_miss(spec, path, name) for name in names)


def _recognize_tiles(spec: SensorSpec, path: str, names: list[str]) -> Recognized:
    """Content of the folders of all tiles."""
    tiles, ignored = [], {}
    for name in names:
        inner, tile = os.path.join(path, name), _tile_of(spec, name)
        if not os.path.isdir(inner):
            ignored[name] = near_miss(spec, path, name) or "a file, not a tile folder"
        elif tile is None:
            ignored[name] = f"its name is not that of a tile folder ({_template(spec)})"
        else:
            found = _recognize_tile(spec, inner, tile)
            if found.products or any(_hints(spec, inner, entry) for entry in found.ignored):
                tiles.append(found)
            else:
                ignored[name] = "it contains no product" if os.listdir(inner) else "it is empty"
    return Recognized(spec, path, tuple(tiles), ignored, is_tile=False)


def _hints(spec: SensorSpec, folder: str, name: str) -> bool:
    """Whether an entry suggests that its folder is a tile folder."""
    return bool(near_miss(spec, folder, name) or nested(spec, folder, name))


def _recognize_tile(spec: SensorSpec, folder: str, tile: str) -> TileFolder:
    """Content of the folder of one tile."""
    listing, headers = list_products(spec, folder, tile), HeaderReader()
    spec, read, _ = read_available_parts(
        spec.with_alternative_masks, (), "", lambda one: read_products(one, listing, headers)
    )
    found, older = newest(read)
    products = tuple(found)
    grids, problems = products_on_common_grids(spec, products, tile)
    strays = {name: rejection_reason(spec, folder, name) for name in listing.strays}
    others = {name: match["tile"] for name in listing.foreign if (match := spec.match(name))}
    ignored = strays | {name: f"of another tile, {other}" for name, other in others.items()}
    ignored |= {name: f"an older version of {used}, which is used" for name, used in older.items()}
    tiles = tuple(sorted(set(others.values())))
    return TileFolder(tile, folder, products, grids, ignored, tiles, (*listing.undated, *problems))


def _template(spec: SensorSpec) -> str:
    return spec.tile_folder.format(tile="T31TCJ", mgrs="31TCJ")


def _tile_of(spec: SensorSpec, name: str) -> str | None:
    """Name of the tile with this folder name; None when it is not the name of a tile folder."""
    before, after = re.split(r"\{(?:tile|mgrs)\}", spec.tile_folder)
    if not (name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after)):
        return None
    tile = name.removeprefix(before).removesuffix(after)
    return f"T{tile}" if "{mgrs}" in spec.tile_folder and re.fullmatch(r"\d{2}[A-Z]{3}", tile) else tile
