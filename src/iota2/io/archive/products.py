"""Series of a sensor on a tile, from consistent products; only image headers are read."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
from odc.geo import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from iota2.compute.valid import nodata_of
from iota2.core.files import first_listing_error
from iota2.core.grid import aligned_grid, crs_name, resolution, with_pixel_size
from iota2.core.scene import Acquisition, SensorScene
from iota2.core.sensor import BandSpec, MaskRule, SensorSpec
from iota2.core.words import all_problems, counted, some
from iota2.errors import ConfigError, InputError, system_text
from iota2.io.archive.folders import FolderListing, FoundProduct, list_products, only_file, piece_of, tile_folder
from iota2.io.archive.grids import common_grids, extent_in, misfits
from iota2.io.archive.headers import Header, HeaderReader
from iota2.io.archive.mask_notes import mask_notes
from iota2.io.archive.metadata import read_scaling
from iota2.io.archive.nodata import HeadersByProduct, contradictions, hidden_values, tag_notes, with_nodata_tags
from iota2.io.archive.optional_files import read_available_parts
from iota2.io.archive.pixel_types import type_notes
from iota2.io.archive.product import Product
from iota2.io.archive.value_range import out_of_range_values, unrepresentable_nodata
from iota2.io.archive.versions import superseded, version_notes, version_of

SCAN_THREADS = 4
"""Number of threads that read headers; they mostly wait for the disk."""
_NO_PRODUCT_HAS_IT = (
    ". If these images have other file names, correct the name in the sensor description, or describe the images in a "
    "new one (docs/howto/add-a-sensor.md)"
)
"""Further remedy if all products lack a file."""


def scan_tile(
    spec: SensorSpec,
    root: str | Path,
    tile: str,
    *,
    threads: int = SCAN_THREADS,
    skip_damaged: bool = False,
    damaged: Mapping[str, str] | None = None,
    kept: Collection[str] = (),
) -> tuple[SensorScene, tuple[str, ...]]:
    """The series of one sensor on one tile, and notes on ignored entries and products.

    Products are folders, or groups of files, in the tile's folder below ``root``. Their names match the sensor's
    pattern, and contain this tile if they contain a tile. The series is sorted by day and name and includes all dates:
    the caller selects the period. Raises InputError with all problems: no such tile folder, no product, missing files,
    several files for one pattern, files that cannot be opened, grids that differ between dates or do not fit the
    reference band.

    ``skip_damaged`` leaves out, with a note: products with a damaged or truncated file, incomplete products, products
    with other grids than most dates, and the products in ``damaged`` (reason by name). Bands that are not ``kept``
    (empty: all are kept) may be missing.
    """
    spec = spec.with_alternative_masks
    listing = list_products(spec, tile_folder(spec, root, tile), tile)
    listing.require_products(spec, tile)
    notes, where, headers = listing.notes(spec, tile), f"{spec.section}, tile {tile}", HeaderReader()
    spec, products, part_notes = read_available_parts(
        spec, kept, where, lambda one: read_products(one, listing, headers, threads=threads)
    )
    scene, left_out = build_series(spec, products, listing.folder, tile, skip_damaged=skip_damaged, damaged=damaged)
    return scene, (*notes, *part_notes, *left_out)


def build_series(
    spec: SensorSpec,
    products: Sequence[Product],
    folder: str,
    tile: str,
    *,
    skip_damaged: bool = False,
    damaged: Mapping[str, str] | None = None,
) -> tuple[SensorScene, tuple[str, ...]]:
    """The series of some products, sorted by day and name, and notes on products that are left out; see ``scan_tile``.

    ``folder``: location of the products in messages.
    """
    where = f"{spec.section}, tile {tile}"
    notes: tuple[str, ...] = ()
    if skip_damaged:
        products, notes = _usable_products(spec, products, damaged or {}, tile)
    products, older = newest(products)
    notes = (*notes, *version_notes(where, older))
    found = headers_by_product(products)
    notes = (*notes, *(f"{where}: {message}." for message in (*tag_notes(spec, found), *type_notes(spec, found))))
    grids, problems = check_products(spec, products, folder, tile)
    if problems:
        described = out_of_range_values(spec, [product.headers for product in products])
        reported = {
            *_missing_files(products, folder, tile),
            *described,
            *contradictions(spec, found),
        }  # these messages contain their own remedies
        remedy = (
            ""
            if reported.issuperset(problems)
            else f"Download or copy the files again, remove these products from {folder}, or set "
            "chain.skip_damaged_products to True."
        )
        raise InputError(all_problems(where, problems, remedy))
    spec = with_nodata_tags(spec, found)
    notes = (
        *notes,
        *(f"{where}: {message}" for message in unrepresentable_nodata(spec, [product.headers for product in products])),
    )
    notes = (*notes, *mask_notes(where, spec, [product.files for product in products]))
    used = {name for product in products for name in product.files}
    masks = tuple(mask for mask in spec.masks if not mask.instead_of or mask.name in used)
    return SensorScene(replace(spec, masks=masks), _acquisitions(spec, products, grids), grids), notes


def headers_by_product(products: Sequence[Product]) -> HeadersByProduct:
    """Files and headers of some products, by product name."""
    return {product.name: (product.files, product.headers) for product in products}


def read_products(
    spec: SensorSpec, listing: FolderListing, headers: HeaderReader, *, threads: int = SCAN_THREADS
) -> list[Product]:
    """The products of a tile folder, with the headers of their files."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda product: _read_product(spec, product, headers), listing.found))


def newest(products: Sequence[Product]) -> tuple[list[Product], dict[str, str]]:
    """Products that are not superseded; and the name of the product used instead of each superseded product."""
    old = superseded([product.version for product in products])
    older = {products[number].name: products[used].name for number, used in old.items()}
    return [product for number, product in enumerate(products) if number not in old], older


def check_products(
    spec: SensorSpec, products: Sequence[Product], folder: str, tile: str
) -> tuple[Mapping[str, GeoBox], list[str]]:
    """The common grids of all dates by band or mask, and all problems that prevent a series."""
    problems = [
        *_missing_files(products, folder, tile),
        *(p for product in products for p in (*product.problems, *product.damage, *product.unreached)),
    ]
    grids, others = products_on_common_grids(spec, products, tile)
    return grids, [*problems, *others]


def products_on_common_grids(
    spec: SensorSpec, products: Sequence[Product], tile: str
) -> tuple[Mapping[str, GeoBox], list[str]]:
    """The common grids of all dates by band or mask, and problems of products that are valid individually."""
    grids, odd = common_grids(spec, _by_name(spec, products))
    shown = {product.name: _grids(product) for product in products} if spec.varying_extent else {tile: grids}
    odd = odd or [misfit for name, those in shown.items() for misfit in misfits(spec, those, name)]
    found = headers_by_product(products)
    against = contradictions(spec, found)
    spec = with_nodata_tags(spec, found)
    impossible = out_of_range_values(spec, [product.headers for product in products])
    return grids, [
        *_differing_band_counts(spec, products),
        *_mixed_kinds(products),
        *against,
        *impossible,
        *(odd or _without_nodata(spec, products, grids)),
    ]


def _grids(product: Product) -> dict[str, GeoBox]:
    """Grid of each band and mask of a product."""
    return {name: header.grid for name, header in product.headers.items()}


def _without_nodata(spec: SensorSpec, products: Sequence[Product], grids: Mapping[str, GeoBox]) -> list[str]:
    """Problems of bands with different extents and without a no-data value for the area outside a file."""
    types = {
        band.name: product.headers[band.name].types[band.index - 1]
        for product in products
        for band in spec.bands
        if band.name in product.headers and extent_in(product.headers[band.name].grid, grids[band.name])
    }
    return [
        f"{name}: its files have different extents, so pixels of type {kind} need a nodata value within their range. "
        "Add it to the sensor description"
        for name, kind in types.items()
        if nodata_of(np.dtype(kind), spec.nodata_of(name)) is None
    ]


def several_a_day(days: Iterable[date], shown: int = 3) -> str:
    """Description of the days with several products, with the first ``shown`` days; empty when there are none."""
    counts = {day: count for day, count in sorted(Counter(days).items()) if count > 1}
    if len(counts) == 1:
        ((day, count),) = counts.items()
        return f"{count} products of {day}"
    return f"several products of each of {len(counts)} days ({some([*map(str, counts)], shown)})" if counts else ""


def native_geobox(scene: SensorScene) -> GeoBox:
    """Native grid of the tile: the grid of the sensor's reference band."""
    return scene.grids[scene.spec.reference.name]


def working_geobox(
    native: GeoBox, *, spatial_resolution: tuple[float, float] | None, working_grid: str, proj: str
) -> GeoBox:
    """Grid on which a tile is processed.

    With ``working_grid`` "native", the grid keeps the CRS and upper-left corner of ``native``. With "proj", it is the
    smallest grid in the CRS ``proj`` that covers the tile and has pixel edges at multiples of the pixel size.

    ``spatial_resolution`` is the pixel size (x, y) in the units of ``proj``; a native grid in other units keeps its
    pixel size. None keeps the native pixel size; ConfigError if the two CRS then have different units.
    """
    same_units = CRS(proj).units == CRS(crs_name(native)).units
    if spatial_resolution is None and not same_units:
        text = f"required, since the units of {proj} differ from those of the images"
        raise ConfigError.about(("chain", "spatial_resolution"), text)
    if working_grid == "native":
        return with_pixel_size(native, (same_units and spatial_resolution) or resolution(native))
    corners = native.boundingbox
    transformer = Transformer.from_crs(crs_name(native), proj, always_xy=True)
    bounds = transformer.transform_bounds(corners.left, corners.bottom, corners.right, corners.top, densify_pts=101)
    return aligned_grid(bounds, spatial_resolution or resolution(native), proj)


def _read_product(spec: SensorSpec, found: FoundProduct, images: HeaderReader) -> Product:
    """A product with its files and headers."""
    files: dict[str, str] = {}
    problems: list[str] = []
    absent: set[str] = set()
    for pattern, items in _by_pattern(spec).items():
        if all(stands_in(spec, item, files) for item in items):
            continue
        path = only_file(found, pattern, problems)
        if path:
            files |= {item.name: path for item in items}
        elif path is None:
            absent.add(pattern)
    version = version_of(spec, found.name, piece_of(found, spec.pieces))
    if absent and found.files is None and (blocked := first_listing_error(found.folder)):
        damaged = system_text(blocked).rstrip(".")
        return Product(found.name, found.day, files, {}, tuple(problems), (damaged,), (), {}, version)
    missing = list(dict.fromkeys(part.file for part in spec.lacking(files) if part.file in absent))
    headers, unusable, damage = read_headers(spec, files, images)
    scaling: Mapping[str, tuple[float, float]] = {}
    if spec.metadata is not None:
        path = only_file(found, spec.metadata.file, problems)
        if path:
            try:
                scaling = read_scaling(path, spec)
            except InputError as err:
                damage.append(str(err))
        elif path is None:
            missing.append(spec.metadata.file)
    problems += unusable
    return Product(
        found.name,
        found.day,
        files,
        headers,
        tuple(problems),
        tuple(damage),
        tuple(missing),
        scaling,
        version,
        _kinds(spec, files),
    )


def _kinds(spec: SensorSpec, files: Mapping[str, str]) -> frozenset[str]:
    """Kinds of the images of a product, from the groups ``kind…`` of the pattern.

    Empty for products with their own folders, and for patterns without such groups.
    """
    names = [os.path.basename(files[band.name]) for band in spec.bands if band.name in files]
    matches = [match for match in (spec.match(name) for name in names) if match]
    groups = [group for group in sorted(re.compile(spec.product).groupindex) if group.startswith("kind")]
    if spec.products == "folders" or not groups:
        return frozenset()
    return frozenset(" ".join((match[group] or "").strip("_").upper() for group in groups).strip() for match in matches)


def _mixed_kinds(products: Sequence[Product]) -> list[str]:
    """A problem when products are of several kinds, which must not be mixed."""
    by_kind: dict[str, list[str]] = {}
    for product in products:
        for kind in sorted(product.kinds):
            by_kind.setdefault(kind, []).append(product.name)
    if len(by_kind) < 2:
        return []
    kinds = [
        f"{counted(len(names), 'product')} {f'with {kind}' if kind else 'without a kind'} (first: {names[0]})"
        for kind, names in by_kind.items()
    ]
    return [f"a series must not mix images of several kinds; its file names are of {', '.join(kinds)}"]


def stands_in(spec: SensorSpec, item: BandSpec | MaskRule, files: Mapping[str, str]) -> bool:
    """Whether ``item`` is an alternative of a mask that already has a file in ``files``."""
    mask = item.instead_of if isinstance(item, MaskRule) else ""
    return bool(mask) and any(name in files for name in (mask, *(one.name for one in spec.alternatives_of(mask))))


def read_headers(
    spec: SensorSpec, files: Mapping[str, str], images: HeaderReader
) -> tuple[dict[str, Header], list[str], list[str]]:
    """Headers of the files of a product by band or mask, reasons why files are unusable, and messages on damaged files.

    ``files``: path by band or mask. A file that several bands or masks share is opened once.
    """
    headers: dict[str, Header] = {}
    problems: list[str] = []
    damage: list[str] = []
    items = [item for item in spec.parts if item.name in files]
    for path in dict.fromkeys(files[item.name] for item in items):
        sharing = [item for item in items if files[item.name] == path]
        try:
            header, unusable = images.read(path, max(getattr(item, "index", 1) for item in sharing))
        except InputError as err:
            damage.append(str(err))
            continue
        problems += unusable
        headers |= {item.name: header for item in sharing if header}
    return headers, problems, damage


def _by_pattern(spec: SensorSpec) -> dict[str, list[BandSpec | MaskRule]]:
    """Bands and masks of a sensor by the pattern of their file."""
    items: dict[str, list[BandSpec | MaskRule]] = {}
    for item in spec.parts:
        items.setdefault(item.file, []).append(item)
    return items


def _usable_products(
    spec: SensorSpec, products: Sequence[Product], known: Mapping[str, str], tile: str
) -> tuple[list[Product], tuple[str, ...]]:
    """Products that can be used together, and notes on damaged, incomplete and inconsistent products.

    ``known``: reasons by name of products that are known to be damaged. InputError when no product is left.
    """
    where = f"{spec.section}, tile {tile}"
    damage = {product.name: (*product.damage, *filter(None, [known.get(product.name)])) for product in products}
    notes = [f"{where}: left out, damaged: {name} ({faults[0]})" for name, faults in damage.items() if faults]
    sound = [product for product in products if not damage[product.name]]
    partial = {product.name: fault for product in sound if (fault := _incomplete(product))}
    whole = [product for product in sound if product.name not in partial]
    odd = _inconsistent_products(spec, whole, tile)
    for what, reasons in (("incomplete", partial), ("inconsistent with other dates", odd)):
        if reasons:
            listed = some([f"{name} ({reason})" for name, reason in reasons.items()])
            notes.append(f"{where}: left out, {what}: {counted(len(reasons), 'product')}: {listed}")
    left = [product for product in whole if product.name not in odd]
    if not left:
        raise InputError(
            all_problems(f"{where}: every product is damaged or incomplete", notes, "Download or copy them again.")
        )
    return left, tuple(notes)


def _incomplete(product: Product) -> str:
    """First problem or missing file of a product, in words; empty when there is none.

    Files that a server does not deliver are not considered.
    """
    lacks = [f"lacks {pattern}" for pattern in product.missing]
    return next(iter((*product.problems, *lacks)), "")


def _inconsistent_products(spec: SensorSpec, products: Sequence[Product], tile: str) -> dict[str, str]:
    """First difference by name of each product with files that differ from those of most dates."""
    _, problems = products_on_common_grids(spec, products, tile) if products else ({}, [])
    found = {}
    for product in products:
        own = [
            problem for problem in problems if any(problem.startswith(f"{path}: ") for path in product.files.values())
        ]
        if own:
            found[product.name] = own[0]
    return found


def _missing_files(products: Sequence[Product], folder: str, tile: str) -> list[str]:
    """One message for all patterns without files in the same products."""
    patterns = dict.fromkeys(pattern for product in products for pattern in product.missing)
    lacking: dict[tuple[str, ...], list[str]] = {}
    for pattern in patterns:
        names = tuple(product.name for product in products if pattern in product.missing)
        lacking.setdefault(names, []).append(pattern)
    sentences = []
    for names, of_these in lacking.items():
        many = len(products) > 1
        who = (
            f"{len(names)} of {len(products)} products of {tile} lack" if many else f"the only product of {tile} lacks"
        )
        some_have_it = f", remove these products from {folder}, or set chain.skip_damaged_products to True"
        remedy = some_have_it if len(names) < len(products) else _NO_PRODUCT_HAS_IT
        sentences.append(f"{who} {some(of_these, 20)} (first: {names[0]}). Restore the files{remedy}")
    return sentences


def _differing_band_counts(spec: SensorSpec, products: Sequence[Product]) -> list[str]:
    """Problems of files with another number of bands than on most dates; their bands may be in another order."""
    problems = []
    for item in spec.parts:
        found = [
            (len(product.headers[item.name].types), product) for product in products if item.name in product.headers
        ]
        usual = Counter(count for count, _ in found).most_common(1)
        problems += [
            f"{product.files[item.name]}: has {count} bands, {usual[0][0]} on the other dates"
            for count, product in found
            if count != usual[0][0]
        ]
    return list(dict.fromkeys(problems))


def _by_name(spec: SensorSpec, products: Sequence[Product]) -> dict[str, list[tuple[GeoBox, str]]]:
    """Grid and path of all files, by band or mask."""
    return {
        item.name: [
            (product.headers[item.name].grid, product.files[item.name])
            for product in products
            if item.name in product.headers
        ]
        for item in spec.parts
    }


def _acquisitions(
    spec: SensorSpec, products: Sequence[Product], grids: Mapping[str, GeoBox]
) -> tuple[Acquisition, ...]:
    """Acquisitions in the order of the products.

    The key of the first acquisition of a day is ``YYYYMMDD``; those of further ones are ``YYYYMMDD.1`` …
    """
    seen: Counter[date] = Counter()
    hidden = hidden_values(spec, headers_by_product(products))
    found = []
    for product in products:
        number = seen[product.day]
        seen[product.day] += 1
        key = f"{product.day:%Y%m%d}" + (f".{number}" if number else "")
        bands = {band.name: product.files[band.name] for band in spec.bands}
        masks = {mask.name: product.files[mask.name] for mask in spec.masks if mask.name in product.files}
        formats = {
            item.name: product.headers[item.name].format_of(getattr(item, "index", 1))
            for item in spec.parts
            if item.name in bands or item.name in masks
        }
        extents = {
            name: extent
            for name, header in product.headers.items()
            if (extent := extent_in(header.grid, grids[name])) is not None
        }
        of_files = product.scaling, extents, hidden.get(product.name, {})
        found.append(Acquisition(spec.name, product.day, key, product.name, bands, masks, formats, *of_files))
    return tuple(found)
