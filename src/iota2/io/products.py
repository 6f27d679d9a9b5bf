"""Which products of a sensor lie in a tile folder, and whether their files fit together. Only headers are
read."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from odc.geo import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.io import DatasetReader

from iota2.core.grid import aligned, rescaled, resolution
from iota2.core.scene import Acquisition, SensorScene
from iota2.core.sensor import BandSpec, MaskRule, SensorSpec
from iota2.errors import ConfigError, InputError, MissingTile
from iota2.io.environ import crs_name, open_raster, raster_lattice
from iota2.io.lattices import common_grids, extent_in, misfits
from iota2.io.metadata import read_scaling

SCAN_THREADS = 4
"""Headers are read by this many threads: most of the time is spent waiting for the disk."""


@dataclass(frozen=True)
class _Product:
    """A product folder and what was found in it, or what is wrong with it."""

    name: str
    day: date
    files: Mapping[str, str]
    """Band or mask name to path."""
    grids: Mapping[str, GeoBox]
    counts: Mapping[str, int]
    """Band or mask name to the number of bands of its file."""
    problems: tuple[str, ...]
    damage: tuple[str, ...]
    """Files that cannot be read, and why."""
    missing: tuple[str, ...]
    """Patterns that match no file."""
    scaling: Mapping[str, tuple[float, float]]
    """(scale, offset) of each band, when the product's metadata say them."""


def scan_tile(
    spec: SensorSpec,
    root: str | Path,
    tile: str,
    *,
    threads: int = SCAN_THREADS,
    skip_damaged: bool = False,
    damaged: Mapping[str, str] | None = None,
) -> tuple[SensorScene, tuple[str, ...]]:
    """The series of one sensor on one tile, and notes on what was passed over.

    Products are the folders of ``<root>/<tile>/`` whose names match the sensor's pattern (and the tile, when
    the name tells it), sorted by day and name. Raises InputError with all problems at once: no such tile
    folder, no product, missing files, several files for one pattern, files that cannot be opened, lattices
    that differ between dates or do not fit the reference band. Dates outside of the season are the caller's
    matter. With ``skip_damaged`` a product with a file that cannot be opened, or that is cut short, is left out and
    noted, and so are those of ``damaged``: names of products known to be so, with the reason.
    """
    folder = _tile_folder(spec, root, tile)
    found, notes = _list_products(spec, folder, tile)
    with ThreadPoolExecutor(threads) as pool:
        products = list(pool.map(lambda product: _read_product(spec, product), found))
    if skip_damaged:
        products, left_out = _whole(products, damaged or {}, f"{spec.section}, tile {tile}")
        notes = (*notes, *left_out)
    problems = [
        *_missing_files(products, folder, tile),
        *(p for product in products for p in (*product.problems, *product.damage)),
        *_other_counts(spec, products),
    ]
    grids, odd = common_grids(spec, _by_name(spec, products))
    problems += odd or misfits(spec, grids, tile)
    if problems:
        raise InputError(_all_problems(f"{spec.section}, tile {tile}", problems))
    return SensorScene(spec, _acquisitions(spec, products, grids), grids), notes


def native_geobox(scene: SensorScene) -> GeoBox:
    """The lattice of the sensor's reference band: the native lattice of the tile."""
    return scene.grids[scene.spec.reference.name]


def working_geobox(
    native: GeoBox, *, spatial_resolution: tuple[float, float] | None, working_grid: str, proj: str
) -> GeoBox:
    """The lattice on which a tile is processed.

    ``working_grid`` ``native`` keeps the native CRS and upper-left corner; ``proj`` gives the lattice in the
    CRS ``proj`` that covers the tile and whose pixel edges are multiples of the pixel size.
    ``spatial_resolution`` is (x, y) in the units of ``proj``: a native lattice of other units keeps its pixel size.
    None keeps the native pixel size, which ConfigError refuses when the two CRS have different units.
    """
    same_units = CRS(proj).units == CRS(crs_name(native)).units
    if spatial_resolution is None and not same_units:
        raise ConfigError(
            [f"chain.spatial_resolution: needed, since the units of {proj} differ from those of the images"]
        )
    if working_grid == "native":
        return rescaled(native, (same_units and spatial_resolution) or resolution(native))
    corners = native.boundingbox
    transformer = Transformer.from_crs(crs_name(native), proj, always_xy=True)
    bounds = transformer.transform_bounds(corners.left, corners.bottom, corners.right, corners.top, densify_pts=101)
    return aligned(bounds, spatial_resolution or resolution(native), proj)


def _tile_folder(spec: SensorSpec, root: str | Path, tile: str) -> str:
    """Absolute path of the tile's folder; it must lie in the sensor's folder."""
    base = os.path.abspath(root)
    if tile in ("", ".", "..") or os.path.basename(tile) != tile:
        raise InputError(f"{spec.section}: {tile!r} is no name of a tile folder.")
    if not os.path.isdir(base):
        raise InputError(f"{spec.section}: the folder of the images {base} does not exist.")
    folder = os.path.join(base, spec.tile_folder.format(tile=tile, mgrs=tile.removeprefix("T")))
    if not os.path.isdir(folder):
        tiles = sorted(entry.name for entry in os.scandir(base) if entry.is_dir())
        there = f"it has {_some(tiles, 10)}" if tiles else "it has no folder at all"
        raise MissingTile(
            f"{spec.section}: no folder for tile {tile} in {base}; {there}. "
            "Correct the list of tiles or the path of the images."
        )
    return folder


@dataclass(frozen=True)
class _Found:
    """A product that lies in a tile folder."""

    day: date
    name: str
    folder: str
    files: tuple[str, ...] | None = None
    """Names of its files in the folder; None when the folder is its own."""


def _list_products(spec: SensorSpec, folder: str, tile: str) -> tuple[list[_Found], tuple[str, ...]]:
    """The products of a tile folder, sorted by (day, name), and notes on other entries."""
    found: dict[str, _Found] = {}
    strays, foreign, problems = [], [], []
    whole = spec.products == "folders"
    for name in sorted(os.listdir(folder)):
        match = re.match(spec.product, name)
        path = os.path.join(folder, name)
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in spec.ignore):
            continue
        if match is None or os.path.isdir(path) != whole:
            strays.append(name)
        elif match.groupdict().get("tile") not in (None, tile, tile.removeprefix("T")):
            foreign.append(name)
        else:
            day = _day(match["date"])
            problems += [] if day else [f"{name}: {match['date']} is no date (YYYYMMDD expected)"]
            if whole:
                found[name] = _Found(day or date.min, name, path)
            else:
                product = match.groupdict().get("product") or match["date"]
                files = found[product].files if product in found else None
                found[product] = _Found(day or date.min, product, folder, (*(files or ()), name))
    if problems:
        raise InputError(_all_problems(f"{spec.section}, tile {tile}", problems))
    if not found:
        raise MissingTile(
            f"{spec.section}: no product of tile {tile} in {folder}; names must match {spec.product}. "
            + (f"It holds {_some(strays + foreign)}." if strays or foreign else "It is empty.")
        )
    what = "product folders" if whole else "files of a product"
    notes = [f"{spec.section}, tile {tile}: passed over, no {what}: {_some(strays)}"] if strays else []
    notes += [f"{spec.section}, tile {tile}: passed over, of another tile: {_some(foreign)}"] if foreign else []
    return sorted(found.values(), key=lambda product: (product.day, product.name)), tuple(notes)


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None


def _read_product(spec: SensorSpec, found: _Found) -> _Product:
    """Files and lattices of one product."""
    folder = found.folder
    files: dict[str, str] = {}
    grids: dict[str, GeoBox] = {}
    counts: dict[str, int] = {}
    problems: list[str] = []
    damage: list[str] = []
    missing: list[str] = []
    for item in spec.parts:
        paths = _matching(found, item.file)
        if len(paths) > 1:
            problems.append(f"{folder}: {len(paths)} files match {item.file}: {_some(paths)}; exactly one is expected")
        elif paths:
            files[item.name] = os.path.join(folder, paths[0])
            try:
                problems += _read_header(item, files[item.name], grids, counts)
            except InputError as err:
                damage.append(str(err))
        elif not getattr(item, "optional", False):
            missing.append(item.file)
    scaling: Mapping[str, tuple[float, float]] = {}
    if spec.metadata is not None:
        paths = _matching(found, spec.metadata.file)
        if len(paths) == 1:
            try:
                scaling = read_scaling(os.path.join(folder, paths[0]), spec)
            except InputError as err:
                damage.append(str(err))
        else:
            missing.append(spec.metadata.file)
    return _Product(
        found.name, found.day, files, grids, counts, _once(problems), _once(damage), tuple(missing), scaling
    )


def _matching(found: _Found, pattern: str) -> list[str]:
    """The files of a product that match a pattern, relative to its folder."""
    if found.files is None:
        return sorted(glob.glob(pattern, root_dir=found.folder, recursive=True))
    return sorted(name for name in found.files if fnmatch.fnmatchcase(name, pattern))


def _once(sentences: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sentences))


def _whole(products: Sequence[_Product], known: Mapping[str, str], where: str) -> tuple[list[_Product], list[str]]:
    """The products without damage, and a note on each of the others; InputError when none is left."""
    damage = {product.name: (*product.damage, *filter(None, [known.get(product.name)])) for product in products}
    whole = [product for product in products if not damage[product.name]]
    notes = [f"{where}: left out, damaged: {name} ({told[0]})" for name, told in damage.items() if told]
    if not whole:
        raise InputError(_all_problems(f"{where}: every product is damaged, none is left", notes))
    return whole, notes


def _read_header(item: BandSpec | MaskRule, path: str, grids: dict[str, GeoBox], counts: dict[str, int]) -> list[str]:
    """Note the lattice of a file in ``grids``, its number of bands in ``counts``; what is wrong with its header.

    Raises InputError when the file is damaged.
    """
    with open_raster(path) as source:
        problems = _header_problems(source, getattr(item, "index", 1))
        if _ends_early(source):
            raise InputError(f"{path}: is cut short: its last pixels are missing. Download or copy it again")
        if not problems:
            grids[item.name], counts[item.name] = raster_lattice(source), source.count
    return [f"{path}: {problem}" for problem in problems]


def _header_problems(source: DatasetReader, index: int) -> list[str]:
    """What makes a raster useless: too few bands, no CRS, not north up."""
    problems = []
    if source.count < index:
        problems.append(f"has {source.count} band(s), band {index} is needed")
    if source.crs is None:
        problems.append("has no coordinate system")
    transform = source.transform
    if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
        problems.append(f"is not north up (geotransform {transform.to_gdal()})")
    return problems


def _ends_early(source: DatasetReader) -> bool:
    """Whether a TIFF's last block lies beyond the end of the file."""
    rows, cols = source.block_shapes[-1]
    last = f"{(source.width - 1) // cols}_{(source.height - 1) // rows}"
    found = [source.get_tag_item(f"BLOCK_{what}_{last}", "TIFF", bidx=source.count) for what in ("OFFSET", "SIZE")]
    return None not in found and int(found[0]) + int(found[1]) > os.path.getsize(source.name)


def _missing_files(products: Sequence[_Product], folder: str, tile: str) -> list[str]:
    """One sentence for each pattern that some products lack."""
    patterns = dict.fromkeys(pattern for product in products for pattern in product.missing)
    sentences = []
    for pattern in patterns:
        lacking = [product.name for product in products if pattern in product.missing]
        sentences.append(
            f"{len(lacking)} of {len(products)} products of {tile} lack {pattern} (first: {lacking[0]}). "
            f"Restore the files, or move these product folders out of {folder}"
        )
    return sentences


def _other_counts(spec: SensorSpec, products: Sequence[_Product]) -> list[str]:
    """Files whose number of bands is not that of most dates: their bands may be others than described."""
    problems = []
    for item in spec.parts:
        found = [(product.counts[item.name], product) for product in products if item.name in product.counts]
        usual = Counter(count for count, _ in found).most_common(1)
        problems += [
            f"{product.files[item.name]}: has {count} bands, {usual[0][0]} on the other dates"
            for count, product in found
            if count != usual[0][0]
        ]
    return list(dict.fromkeys(problems))


def _by_name(spec: SensorSpec, products: Sequence[_Product]) -> dict[str, list[tuple[GeoBox, str]]]:
    """Lattice and path of the files of each band and mask."""
    return {
        item.name: [
            (product.grids[item.name], product.files[item.name]) for product in products if item.name in product.grids
        ]
        for item in spec.parts
    }


def _acquisitions(
    spec: SensorSpec, products: Sequence[_Product], grids: Mapping[str, GeoBox]
) -> tuple[Acquisition, ...]:
    """Acquisitions in the order of the products; further ones of a day get the keys ``YYYYMMDD.1`` …"""
    seen: Counter[date] = Counter()
    found = []
    for product in products:
        number = seen[product.day]
        seen[product.day] += 1
        key = f"{product.day:%Y%m%d}" + (f".{number}" if number else "")
        bands = {band.name: product.files[band.name] for band in spec.bands}
        masks = {mask.name: product.files[mask.name] for mask in spec.masks if mask.name in product.files}
        extents = {
            name: extent for name, grid in product.grids.items() if (extent := extent_in(grid, grids[name])) is not None
        }
        found.append(Acquisition(spec.name, product.day, key, product.name, bands, masks, product.scaling, extents))
    return tuple(found)


def _all_problems(where: str, problems: Iterable[str], shown: int = 20) -> str:
    """One message of all problems, the first ``shown`` of them in full."""
    lines = list(problems)
    more = [f"… and {len(lines) - shown} more"] if len(lines) > shown else []
    return "\n".join([f"{where}: {len(lines)} problem(s)", *(f"  {line}" for line in [*lines[:shown], *more])])


def _some(names: Sequence[str], shown: int = 5) -> str:
    """A list of names that does not get long."""
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {rest} more" if rest > 0 else "")
