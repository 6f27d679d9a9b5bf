"""Search for products and their files in the folder of a tile, by file names."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from iota2.core.files import require_listable
from iota2.core.sensor import SensorSpec
from iota2.core.words import all_problems, counted, some
from iota2.errors import InputError, MissingTile, system_text
from iota2.io.archive.rejected import main_reason, product_names, products_among, why_unusable
from iota2.io.archive.specs import builtin_specs


def tile_folder(spec: SensorSpec, root: str | Path, tile: str) -> str:
    """Absolute path of the tile's folder in the sensor's folder ``root``.

    MissingTile when there is none; InputError when ``root`` is wrong or the folder cannot be listed.
    """
    base, name = folder_of_tiles(spec.section, root, tile), spec.folder_of(tile)
    folder = os.path.join(base, name)
    if not os.path.isdir(folder):
        _require_folder_of_tiles(spec, base)
        raise no_folder(spec.section, base, tile, f" ({name})" * (name != tile))
    _require_listable(spec.section, folder)
    return folder


def _require_folder_of_tiles(spec: SensorSpec, base: str) -> None:
    """Raise InputError when a folder that should contain tile folders contains products.

    The message does not depend on the tile, so that it is reported once.
    """
    products = products_among(spec, base, sorted(os.listdir(base)))
    if products and len(products) >= len({*folders_in(base)} - {*products}):
        raise InputError(
            f"{spec.section}: {base} is the folder of one tile, with {counted(len(products), 'product')}; expected a "
            f"folder that contains tile folders. If {os.path.basename(base)} is the name of the tile, set the path to "
            f"{os.path.dirname(base)}; otherwise move the products to a folder with the name of their tile."
        )


def folder_of_tiles(section: str, root: str | Path, tile: str) -> str:
    """Absolute path of the folder that contains the tile folders.

    InputError when it does not exist or cannot be listed, or when ``tile`` is not a valid folder name.
    """
    base = os.path.abspath(root)
    if tile in ("", ".", "..") or os.path.basename(tile) != tile:
        raise InputError(f"{section}: {tile!r} is not a valid name of a tile folder. Correct it.")
    if not os.path.isdir(base):
        raise InputError(f"{section}: the folder {base} does not exist. Correct the path.")
    _require_listable(section, base)
    return base


def _require_listable(section: str, folder: str) -> None:
    """Raise InputError unless the content of a folder can be listed and opened."""
    try:
        require_listable(folder)
    except OSError as err:
        raise InputError(f"{section}: {system_text(err)}") from err


def folders_in(base: str) -> list[str]:
    """Names of the subfolders of a folder, sorted."""
    return sorted(name for name in os.listdir(base) if os.path.isdir(os.path.join(base, name)))


def no_folder(section: str, base: str, tile: str, named: str = "") -> MissingTile:
    """Error for a tile whose folder ``named`` does not exist in ``base``."""
    folders = folders_in(base)
    there = f"it contains {some(folders, 10)}" if folders else "it contains no folder"
    return MissingTile(
        f"{section}: no folder for tile {tile}{named} in {base}; {there}{_tile_meant(tile, folders)} Correct the name "
        "of the tile or the path of the images.",
        other_tiles=bool(folders),
    )


def _tile_meant(tile: str, folders: Iterable[str]) -> str:
    """Suggestion of folders for a misspelled tile name, as the end of a sentence.

    Names that differ by case or by the leading T are suggested, also when ``tile`` is a list of names. Other names
    belong to other tiles.
    """
    parts = {part.lower().removeprefix("t") for part in re.split(r"[;:|+&]", tile)}
    meant = [name for name in folders if name.lower().removeprefix("t") in parts]
    if len(meant) > 1:
        return f"; separate names of tiles by blanks or commas: '{' '.join(meant)}'."
    return f"; did you mean '{meant[0]}'?" if meant else "."


@dataclass(frozen=True)
class FoundProduct:
    """A product in a tile folder."""

    day: date
    name: str
    folder: str
    files: tuple[str, ...] | None = None
    """Names of the product's files in the tile folder; None when the product has its own folder."""
    any_case: bool = False
    """Whether the case of file names is ignored."""


@dataclass(frozen=True)
class FolderListing:
    """Entries of a tile folder, sorted into products and others by their names."""

    folder: str
    found: tuple[FoundProduct, ...]
    """Products, sorted by day and name."""
    strays: tuple[str, ...]
    """Names of entries that are not products."""
    foreign: tuple[str, ...]
    """Names of products of other tiles."""
    undated: tuple[str, ...]
    """Problems of products with an invalid date."""

    def require_products(self, spec: SensorSpec, tile: str) -> None:
        """Raise an error for invalid dates, or when there is no product.

        InputError when there are entries that look like products: archives, products one folder level too deep, or
        products of another tile. MissingTile when there are no such entries.
        """
        if self.undated:
            remedy = f"Correct these names, or remove the products from {self.folder}."
            raise InputError(all_problems(f"{spec.section}, tile {tile}", self.undated, remedy))
        if self.found:
            return
        none = f"{spec.section}: no product of tile {tile} in {self.folder}; {product_names(spec)}. It contains"
        unusable = {name: why for name in self.strays if (why := why_unusable(spec, self.folder, name))}
        unusable |= dict.fromkeys(self.foreign, "of another tile")
        if unusable:
            message = f"{none} {some([*unusable])} (the first: {next(iter(unusable.values()))})."
            remedy = "Put its products there; remove the folder if the tile has none."
            raise InputError(f"{message} {remedy}{self._explained(spec)}")
        if self.strays:
            reason = main_reason(spec, self.folder, self.strays)
            raise MissingTile(f"{none} {some(self.strays)} ({reason}).{self._explained(spec)}")
        raise MissingTile(f"{none} nothing else.")

    def _explained(self, spec: SensorSpec) -> str:
        """The command that lists the products found, for a built-in sensor."""
        if spec.section not in builtin_specs():
            return ""
        return f" `iota2 sensors {spec.section} {shlex.quote(self.folder)}` explains what is found."

    def notes(self, spec: SensorSpec, tile: str) -> tuple[str, ...]:
        """Notes on ignored entries."""
        where = f"{spec.section}, tile {tile}: ignored,"
        what = "product folders" if spec.products == "folders" else "files of a product"
        groups = ((f"not {what}", self.strays), ("of another tile", self.foreign))
        return tuple(f"{where} {why}: {some(names)}" for why, names in groups if names)


def list_products(spec: SensorSpec, folder: str, tile: str) -> FolderListing:
    """The products and other entries of a tile folder, without entries that the sensor description ignores."""
    found: dict[str, FoundProduct] = {}
    strays, foreign, undated = [], [], []
    in_folders, any_case = spec.products == "folders", bool(re.compile(spec.product).flags & re.IGNORECASE)
    for name in sorted(os.listdir(folder)):
        match = spec.match(name)
        path = os.path.join(folder, name)
        if any(_matches_glob(name, pattern, any_case) for pattern in spec.ignore) or spec.matches_other_series(name):
            continue
        if match is None or os.path.isdir(path) != in_folders:
            strays.append(name)
        elif _plain(match.groupdict().get("tile") or tile) != _plain(tile):
            foreign.append(name)
        elif (day := _day(match["date"])) is None:
            undated.append(f"{name}: {match['date']} is not a date (YYYYMMDD or YYYYDDD expected)")
        elif in_folders:
            found[name] = FoundProduct(day, name, path)
        else:
            name_of_it = _product_of(match)
            product = name_of_it.casefold() if any_case else name_of_it
            known = found.get(product, FoundProduct(day, name_of_it, folder, (), any_case))
            if known.day != day:
                undated.append(f"{name}: its day differs from that of other files of {product} ({known.day:%Y%m%d})")
            found[product] = replace(known, files=(*(known.files or ()), name))
    products = sorted(found.values(), key=lambda product: (product.day, product.name))
    return FolderListing(folder, tuple(products), tuple(strays), tuple(foreign), tuple(undated))


def _product_of(match: re.Match[str]) -> str:
    """Product name of a file: the groups ``product``, ``product_2`` … of the pattern, else the date."""
    texts = [match[group] for group in sorted(match.re.groupindex) if group.startswith("product")]
    return "_".join(text for text in texts if text) or match["date"]


def _plain(tile: str) -> str:
    """Tile name in upper case and without leading T, for comparisons."""
    return tile.upper().removeprefix("T")


def _matches_glob(name: str, pattern: str, any_case: bool) -> bool:
    """Whether a name matches a glob."""
    return fnmatch.fnmatchcase(name.lower(), pattern.lower()) if any_case else fnmatch.fnmatchcase(name, pattern)


def _day(text: str) -> date | None:
    """Date from ``YYYYMMDD`` or from ``YYYYDDD``, where DDD is the day of the year; None for an invalid date."""
    try:
        day = datetime.strptime(text, "%Y%j" if len(text) == 7 else "%Y%m%d").date()
    except ValueError:
        return None
    return day if text.startswith(str(day.year)) else None  # strptime accepts day 366 in every year


def only_file(found: FoundProduct, pattern: str, problems: list[str]) -> str | None:
    """Path of the only file of a product that matches a pattern; None without a match.

    For several matches, the result is empty and ``problems`` gets a message.
    """
    names = _matching(found, pattern)
    if len(names) > 1:
        problems.append(f"{found.folder}: {len(names)} files match {pattern}: {some(names)}; exactly one is expected")
        return ""
    return os.path.join(found.folder, names[0]) if names else None


def _matching(found: FoundProduct, pattern: str) -> list[str]:
    """Files of a product that match a pattern, relative to its folder."""
    if found.files is None:
        return sorted(glob.glob(pattern, root_dir=found.folder, recursive=True))
    return sorted(name for name in found.files if _matches_glob(name, pattern, found.any_case))


def piece_of(found: FoundProduct, pattern: str) -> str:
    """Identifier of the piece of an acquisition that a product contains, such as a granule.

    It is the name of the first entry that matches ``pattern``; empty without a match.
    """
    names = _matching(found, pattern) if pattern else []
    return os.path.basename(names[0]) if names else ""
