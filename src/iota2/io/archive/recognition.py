"""What would be recognized in a folder of a sensor, what would not, and why."""

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
from iota2.io.archive.optional_files import read_kept
from iota2.io.archive.products import Product, newest, products_on_common_grids, read_products
from iota2.io.archive.rejected import near_miss, nested, products_among, rejection_reason


@dataclass(frozen=True)
class TileFolder:
    """A tile folder as a run would see it."""

    tile: str
    folder: str
    products: tuple[Product, ...]
    """Sorted by day and name."""
    grids: Mapping[str, GeoBox]
    """By band or mask, the lattice that all dates share."""
    passed_over: Mapping[str, str]
    """Entries that are no products of the tile, and why."""
    other_tiles: tuple[str, ...]
    """Tiles of the products of other tiles among these."""
    problems: tuple[str, ...]
    """What would stop a run beside products that are not complete."""

    @property
    def usable(self) -> bool:
        """Whether a run could start."""
        return bool(self.products) and not self.problems and all(product.complete for product in self.products)


@dataclass(frozen=True)
class Recognized:
    """The content of a folder of a sensor."""

    spec: SensorSpec
    folder: str
    tiles: tuple[TileFolder, ...]
    passed_over: Mapping[str, str]
    """Entries that are no tile folders, and why."""
    is_tile: bool
    """The folder that was asked about is that of one tile."""

    @property
    def sensor_folder(self) -> str:
        """The folder that a configuration names."""
        return os.path.dirname(self.folder) if self.is_tile else self.folder

    @property
    def usable(self) -> bool:
        """Whether a run over all its tiles could start."""
        return bool(self.tiles) and all(tile.usable for tile in self.tiles)


def recognize(spec: SensorSpec, folder: str | Path) -> Recognized:
    """Look into the folder of a sensor with its tile folders, or into one tile folder; only headers are read.

    Raises InputError when there is no such folder, it cannot be listed, or it is a product.
    """
    path = os.path.abspath(folder)
    try:
        names = sorted(os.listdir(path))
        if products_among(spec, os.path.dirname(path), [os.path.basename(path)]):
            raise InputError(f"{path} is a product. Give the folder of its tile, {os.path.dirname(path)}.")
        if _is_tile_folder(spec, path, names):
            tile = _tile_of(spec, os.path.basename(path)) or os.path.basename(path)
            return Recognized(spec, path, (_look(spec, path, tile),), {}, is_tile=True)
        return _look_at_all(spec, path, names)
    except OSError as err:
        raise InputError(f"{err.filename}: {err.strerror}. Give a folder with images of {spec.section}.") from err


def _is_tile_folder(spec: SensorSpec, path: str, names: list[str]) -> bool:
    """Whether products lie in a folder, or what may become products, and not one level deeper."""
    if products_among(spec, path, names):
        return True
    return not any(nested(spec, path, name) for name in names) and any(near_miss(spec, path, name) for name in names)


def _look_at_all(spec: SensorSpec, path: str, names: list[str]) -> Recognized:
    """What lies in the folders of all tiles."""
    tiles, passed_over = [], {}
    for name in names:
        inner, tile = os.path.join(path, name), _tile_of(spec, name)
        if not os.path.isdir(inner):
            passed_over[name] = near_miss(spec, path, name) or "a file, no tile folder"
        elif tile is None:
            passed_over[name] = f"its name is not that of a tile folder ({_template(spec)})"
        else:
            found = _look(spec, inner, tile)
            if found.products or any(_hints(spec, inner, entry) for entry in found.passed_over):
                tiles.append(found)
            else:
                passed_over[name] = "no product lies in it" if os.listdir(inner) else "it is empty"
    return Recognized(spec, path, tuple(tiles), passed_over, is_tile=False)


def _hints(spec: SensorSpec, folder: str, name: str) -> bool:
    """Whether an entry shows that its folder is meant to hold products."""
    return bool(near_miss(spec, folder, name) or nested(spec, folder, name))


def _look(spec: SensorSpec, folder: str, tile: str) -> TileFolder:
    """What lies in the folder of one tile."""
    listing, headers = list_products(spec, folder, tile), HeaderReader()
    spec, read, _ = read_kept(spec.with_stand_ins, (), "", lambda one: read_products(one, listing, headers))
    found, older = newest(read)
    products = tuple(found)
    grids, problems = products_on_common_grids(spec, products, tile)
    strays = {name: rejection_reason(spec, folder, name) for name in listing.strays}
    others = {name: match["tile"] for name in listing.foreign if (match := spec.match(name))}
    passed_over = strays | {name: f"of another tile, {other}" for name, other in others.items()}
    passed_over |= {name: f"an older version of {used}, which is used" for name, used in older.items()}
    tiles = tuple(sorted(set(others.values())))
    return TileFolder(tile, folder, products, grids, passed_over, tiles, (*listing.undated, *problems))


def _template(spec: SensorSpec) -> str:
    return spec.tile_folder.format(tile="T31TCJ", mgrs="31TCJ")


def _tile_of(spec: SensorSpec, name: str) -> str | None:
    """The tile whose folder has this name."""
    before, after = re.split(r"\{(?:tile|mgrs)\}", spec.tile_folder)
    if not (name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after)):
        return None
    tile = name.removeprefix(before).removesuffix(after)
    return f"T{tile}" if "{mgrs}" in spec.tile_folder and re.fullmatch(r"\d{2}[A-Z]{3}", tile) else tile
