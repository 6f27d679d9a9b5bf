"""Report on the products recognised in a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from odc.geo.geobox import GeoBox

from iota2.config.options.sensors import RADAR
from iota2.config.sensors import path_key
from iota2.core.grid import crs_name, resolution
from iota2.core.sensor import SensorSpec
from iota2.core.words import counted
from iota2.io.archive.product import Product
from iota2.io.archive.products import several_a_day
from iota2.io.archive.recognition import Recognized, TileFolder
from iota2.io.archive.rejected import ONE_LEVEL_TOO_DEEP
from iota2.terminal.lines import facts, one_by_one, wrapped
from iota2.terminal.sensors import product_path


def recognized_text(found: Recognized, description: str = "…") -> str:
    """Products recognised in a folder, for a terminal; ``description``: path of a description that is not built in."""
    what = "folder of one tile" if found.is_tile else counted(len(found.tiles), "tile folder")
    lines = [f"{found.spec.section}, {what}: {found.folder}", ""]
    for tile in found.tiles:
        lines += [*_tile_lines(found.spec, tile), ""]
    if found.ignored:
        lines += [*_ignored(found.ignored), ""]
    return "\n".join([*lines, *(_options(found, description) if found.usable else _expected_location(found))]).rstrip()


def _tile_lines(spec: SensorSpec, tile: TileFolder) -> Iterator[str]:
    products = tile.products
    days = f", {products[0].day} to {products[-1].day}" if products else ""
    yield f"{tile.tile}: {counted(len(products), 'product')}{days}"
    yield from _calendar(products)
    made = spec.series
    for one in made:
        if several := several_a_day([product.day for product in products if _belongs_to(one, product)]):
            whose = f"{one.name}: " * (len(made) > 1)
            yield from wrapped(f"{whose}{several}: their clear pixels are averaged", indent="  ")
    yield from facts(
        [*_grids(tile.grids), *_units(spec, products), *_series(spec, products), *_missing_masks(spec, products)]
    )
    yield from _incomplete(spec, products)
    if tile.ignored:
        yield from _ignored(tile.ignored, indent="  ")
    if tile.problems:
        yield "  other problems:" if any(not p.complete for p in products) else "  problems:"
        for problem in tile.problems:
            yield from wrapped(problem, indent="    ")


def _calendar(products: Sequence[Product]) -> Iterator[str]:
    """The days of the products, a line for each month; ``!`` marks incomplete products."""
    for month, members in groupby(products, key=lambda product: f"{product.day:%Y-%m}"):
        days = " ".join(f"{product.day:%d}{' ' if product.complete else '!'}" for product in members)
        yield f"  {month}  {days}".rstrip()


def _grids(grids: Mapping[str, GeoBox]) -> Iterator[tuple[str, str]]:
    """The grids of bands and masks, the finest first."""
    for grid in sorted(dict.fromkeys(grids.values()), key=resolution):
        (width, height), names = resolution(grid), " ".join(name for name, other in grids.items() if other == grid)
        size = f"{width:g}" if width == height else f"{width:g} × {height:g}"
        yield "grid", f"{crs_name(grid)}, {grid.shape.x} wide, {grid.shape.y} high, pixels of {size}: {names}"


def _units(spec: SensorSpec, products: Sequence[Product]) -> Iterator[tuple[str, str]]:
    """Conversion of file values to product units, from the metadata of the products."""
    band = spec.bands[0].name
    counts = Counter(product.scaling[band] for product in products if band in product.scaling)
    conversions = [
        f"file value × {scale:g} {'−' if offset < 0 else '+'} {abs(offset):g} ({counted(count, 'product')})"
        for (scale, offset), count in counts.items()
    ]
    if conversions:
        yield "units", ", ".join(conversions)


def _series(spec: SensorSpec, products: Sequence[Product]) -> Iterator[tuple[str, str]]:
    """Number of products of each series, if a sensor has several series."""
    several = spec.series
    if len(several) > 1 and products:
        counts = ((one.name, sum(_belongs_to(one, product) for product in products)) for one in several)
        yield "series", ", ".join(f"{name} ({counted(count, 'product')})" for name, count in counts)


def _belongs_to(series: SensorSpec, product: Product) -> bool:
    """Whether a product belongs to a series of its sensor."""
    if series.products == "folders":
        return True
    return any(series.match(os.path.basename(path)) for path in product.files.values())


def _missing_masks(spec: SensorSpec, products: Sequence[Product]) -> Iterator[tuple[str, str]]:
    """Optional masks that some products lack."""
    every = counted(len(products), "product")
    whole = spec.with_alternative_masks
    for mask in whole.masks:
        alternatives_of = [one.name for one in whole.alternatives_of(mask.name)]
        count = sum(not any(name in product.files for name in (mask.name, *alternatives_of)) for product in products)
        used = sum(mask.name in product.files for product in products) if mask.instead_of else 0
        if used:
            yield "instead", f"{mask.file} for {mask.instead_of} in {used} of {every}"
        elif count and not mask.instead_of and (mask.optional or (mask.spare and count == len(products))):
            yield "optional", f"{mask.name}: missing in {count} of {every}"


def _incomplete(spec: SensorSpec, products: Sequence[Product]) -> Iterator[str]:
    """Incomplete products by missing files, then the problems of their files."""
    if all(product.complete for product in products):
        return
    yield "  incomplete (!); a run would stop:"
    incomplete = sorted((p for p in products if p.missing), key=lambda product: product.missing)
    for missing, members in groupby(incomplete, key=lambda product: product.missing):
        names = [product.name for product in members]
        yield f"    missing in {len(names)} of {counted(len(products), 'product')}:"
        yield from facts([(pattern, _content(spec, pattern)) for pattern in missing], indent="      ")
        yield from one_by_one(names, indent="    ")
    for problem in dict.fromkeys(text for product in products for text in (*product.damage, *product.problems)):
        yield from wrapped(problem, indent="    ")


def _content(spec: SensorSpec, pattern: str) -> str:
    """Content of the file of a pattern: names of its bands and masks."""
    return " ".join(item.name for item in spec.parts if item.file == pattern) or "scale and offset"


def _ignored(entries: Mapping[str, str], *, indent: str = "") -> Iterator[str]:
    """Ignored entries by reason."""
    yield f"{indent}ignored:"
    ordered = sorted(entries, key=lambda name: (entries[name], name))
    for reason, members in groupby(ordered, key=lambda name: entries[name]):
        yield from wrapped(f"{reason}:", indent=f"{indent}  ")
        yield from one_by_one(list(members), indent=f"{indent}    ")


def _options(found: Recognized, description: str) -> Iterator[str]:
    """The options for a run with these images."""
    spec, folder = found.spec, found.sensor_folder
    yield "These images can be used. Options:"
    if spec.section == RADAR:
        yield f"  [Paths] Output = {folder}  in the INI file of chain.s1_path"
    elif path_key(spec):
        yield f"  chain.{path_key(spec)} : '{folder}'"
    else:
        yield f"  chain.user_sensors : {{ '{spec.name}' : {{ 'path' : '{folder}', 'description' : '{description}' }} }}"
    yield from wrapped(f"chain.list_tile : '{' '.join(tile.tile for tile in found.tiles)}'", indent="  ")


def _expected_location(found: Recognized) -> Iterator[str]:
    """The expected location of products, if none was found."""
    others = found.tiles[0].other_tiles if found.is_tile else ()
    if found.is_tile and not found.tiles[0].products and others:
        yield "Only products of other tiles were found. Each tile needs a separate folder:"
        yield from one_by_one([os.path.join(found.folder, tile) for tile in others], indent="  ")
    elif not any(tile.products for tile in found.tiles):
        yield f"No product of {found.spec.section} was found. Expected location of products:"
        yield f"  <folder of the sensor>/{product_path(found.spec)}"
        deeper = [tile.folder for tile in found.tiles if ONE_LEVEL_TOO_DEEP in tile.ignored.values()]
        if deeper:
            yield "Products were found one level deeper. If this is the folder of the sensor, give it instead:"
            yield f"  {deeper[0]}"


def recognized_json(found: Recognized) -> dict[str, Any]:
    """Products recognised in a folder, as values for JSON."""
    return {
        "section": found.spec.section,
        "folder": found.sensor_folder,
        "usable": found.usable,
        "tiles": [_tile_json(tile) for tile in found.tiles],
        "ignored": dict(found.ignored),
    }


def _tile_json(tile: TileFolder) -> dict[str, Any]:
    days = [product.day.isoformat() for product in tile.products]
    return {
        "tile": tile.tile,
        "folder": tile.folder,
        "usable": tile.usable,
        "dates": len(set(days)),
        "first": min(days, default=None),
        "last": max(days, default=None),
        "products": [_product_json(product) for product in tile.products],
        "grids": {name: _grid_json(grid) for name, grid in tile.grids.items()},
        "ignored": dict(tile.ignored),
        "problems": list(tile.problems),
    }


def _grid_json(grid: GeoBox) -> dict[str, Any]:
    return {
        "crs": crs_name(grid),
        "rows": grid.shape.y,
        "columns": grid.shape.x,
        "resolution": list(resolution(grid)),
        "bounds": list(grid.boundingbox.bbox),
    }


def _product_json(product: Product) -> dict[str, Any]:
    return {
        "name": product.name,
        "date": product.day.isoformat(),
        "files": dict(product.files),
        "missing": list(product.missing),
        "problems": [*product.damage, *product.problems],
        "scaling": {band: list(pair) for band, pair in product.scaling.items()},
    }
