"""What a person is told of the content of a folder of a sensor."""

from __future__ import annotations

import os
import re
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
from iota2.terminal.sensors import product_path, series_made


def recognized_text(found: Recognized) -> str:
    """What lies in a folder, for a terminal."""
    what = "folder of one tile" if found.is_tile else counted(len(found.tiles), "tile folder")
    lines = [f"{found.spec.section}, {what}: {found.folder}", ""]
    for tile in found.tiles:
        lines += [*_tile_lines(found.spec, tile), ""]
    if found.ignored:
        lines += [*_ignored_entries(found.ignored), ""]
    return "\n".join([*lines, *(_usable(found) if found.usable else _place(found))]).rstrip()


def _tile_lines(spec: SensorSpec, tile: TileFolder) -> Iterator[str]:
    products = tile.products
    days = f", {products[0].day} to {products[-1].day}" if products else ""
    yield f"{tile.tile}: {counted(len(products), 'product')}{days}"
    yield from _calendar(products)
    made = series_made(spec)
    for one in made:
        if several := several_a_day([product.day for product in products if _is_of(one, product)]):
            whose = f"{one.name}: " * (len(made) > 1)
            yield from wrapped(f"{whose}{several}: their clear pixels are averaged", indent="  ")
    yield from facts(
        [*_lattices(tile.grids), *_units(spec, products), *_series(spec, products), *_less(spec, products)]
    )
    yield from _incomplete(spec, products)
    if tile.ignored:
        yield from _ignored_entries(tile.ignored, indent="  ")
    if tile.problems:
        yield "  these would stop a run as well:" if any(not p.complete for p in products) else "  would stop a run:"
        for problem in tile.problems:
            yield from wrapped(problem, indent="    ")


def _calendar(products: Sequence[Product]) -> Iterator[str]:
    """The days of the products, a line for each month; ``!`` marks those that are not complete."""
    for month, members in groupby(products, key=lambda product: f"{product.day:%Y-%m}"):
        days = " ".join(f"{product.day:%d}{' ' if product.complete else '!'}" for product in members)
        yield f"  {month}  {days}".rstrip()


def _lattices(grids: Mapping[str, GeoBox]) -> Iterator[tuple[str, str]]:
    """The lattices of bands and masks, the finest first."""
    for grid in sorted(dict.fromkeys(grids.values()), key=resolution):
        (width, height), names = resolution(grid), " ".join(name for name, other in grids.items() if other == grid)
        size = f"{width:g}" if width == height else f"{width:g} × {height:g}"
        yield "lattice", f"{crs_name(grid)}, {grid.shape.x} wide, {grid.shape.y} high, pixels of {size}: {names}"


def _units(spec: SensorSpec, products: Sequence[Product]) -> Iterator[tuple[str, str]]:
    """How the metadata of the products turn file values into product units."""
    band = spec.bands[0].name
    counts = Counter(product.scaling[band] for product in products if band in product.scaling)
    told = [
        f"file value × {scale:g} {'−' if offset < 0 else '+'} {abs(offset):g} ({counted(count, 'product')})"
        for (scale, offset), count in counts.items()
    ]
    if told:
        yield "units", ", ".join(told)


def _series(spec: SensorSpec, products: Sequence[Product]) -> Iterator[tuple[str, str]]:
    """How many products each series has, when a sensor makes several."""
    several = series_made(spec)
    if len(several) > 1 and products:
        counts = ((one.name, sum(_is_of(one, product) for product in products)) for one in several)
        yield "series", ", ".join(f"{name} ({counted(count, 'product')})" for name, count in counts)


def _is_of(series: SensorSpec, product: Product) -> bool:
    """Whether a product belongs to a series of its sensor."""
    if series.products == "folders":
        return True
    return any(re.match(series.product, os.path.basename(path)) for path in product.files.values())


def _less(spec: SensorSpec, products: Sequence[Product]) -> Iterator[tuple[str, str]]:
    """Masks that are not needed and that some products lack."""
    every = counted(len(products), "product")
    whole = spec.with_stand_ins
    for mask in whole.masks:
        stand_ins = [one.name for one in whole.stand_ins(mask.name)]
        count = sum(not any(name in product.files for name in (mask.name, *stand_ins)) for product in products)
        used = sum(mask.name in product.files for product in products) if mask.instead_of else 0
        if used:
            yield "instead", f"{mask.file} for {mask.instead_of} in {used} of {every}"
        elif count and not mask.instead_of and (mask.optional or (mask.spare and count == len(products))):
            yield "not needed", f"{mask.name}, which {count} of {every} lack"


def _incomplete(spec: SensorSpec, products: Sequence[Product]) -> Iterator[str]:
    """The products that are not complete, by what they lack; then what is wrong with their files."""
    if all(product.complete for product in products):
        return
    yield "  not complete (!), which would stop a run:"
    lacking = sorted((p for p in products if p.missing), key=lambda product: product.missing)
    for missing, members in groupby(lacking, key=lambda product: product.missing):
        names = [product.name for product in members]
        yield f"    {len(names)} of {counted(len(products), 'product')} without"
        yield from facts([(pattern, _content(spec, pattern)) for pattern in missing], indent="      ")
        yield from one_by_one(names, indent="    ")
    for told in dict.fromkeys(told for product in products for told in (*product.damage, *product.problems)):
        yield from wrapped(told, indent="    ")


def _content(spec: SensorSpec, pattern: str) -> str:
    """What is in the file of a pattern."""
    return " ".join(item.name for item in spec.parts if item.file == pattern) or "scale and offset"


def _ignored_entries(entries: Mapping[str, str], *, indent: str = "") -> Iterator[str]:
    """Ignored entries, by reason."""
    yield f"{indent}ignored:"
    ordered = sorted(entries, key=lambda name: (entries[name], name))
    for reason, members in groupby(ordered, key=lambda name: entries[name]):
        yield from wrapped(f"{reason}:", indent=f"{indent}  ")
        yield from one_by_one(list(members), indent=f"{indent}    ")


def _usable(found: Recognized) -> Iterator[str]:
    """The options with which a run could start."""
    spec, folder = found.spec, found.sensor_folder
    yield "A run could start with these images:"
    if spec.section == RADAR:
        yield f"  [Paths] Output = {folder}  in the INI file of chain.s1_path"
    elif path_key(spec):
        yield f"  chain.{path_key(spec)} : '{folder}'"
    else:
        yield f"  chain.user_sensors : {{ '{spec.name}' : {{ 'path' : '{folder}', 'description' : … }} }}"
    yield from wrapped(f"chain.list_tile : '{' '.join(tile.tile for tile in found.tiles)}'", indent="  ")


def _place(found: Recognized) -> Iterator[str]:
    """Where products must lie, when none was found."""
    others = found.tiles[0].other_tiles if found.is_tile else ()
    if found.is_tile and not found.tiles[0].products and others:
        yield "No product of this tile was found, but of others. Each tile has a folder of its own:"
        yield from one_by_one([os.path.join(found.folder, tile) for tile in others], indent="  ")
    elif not any(tile.products for tile in found.tiles):
        yield f"No product of {found.spec.section} was found. Products lie like this:"
        yield f"  <folder of the sensor>/{product_path(found.spec)}"
        deeper = [tile.folder for tile in found.tiles if ONE_LEVEL_TOO_DEEP in tile.ignored.values()]
        if deeper:
            yield "There are some one level deeper. If this is the folder of the sensor, ask about it:"
            yield f"  {deeper[0]}"


def recognized_json(found: Recognized) -> dict[str, Any]:
    """What lies in a folder, as plain values."""
    return {
        "section": found.spec.section,
        "folder": found.sensor_folder,
        "usable": found.usable,
        "tiles": [_tile_json(tile) for tile in found.tiles],
        "passed_over": dict(found.ignored),
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
        "lattices": {name: _lattice_json(grid) for name, grid in tile.grids.items()},
        "passed_over": dict(tile.ignored),
        "problems": list(tile.problems),
    }


def _lattice_json(grid: GeoBox) -> dict[str, Any]:
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
