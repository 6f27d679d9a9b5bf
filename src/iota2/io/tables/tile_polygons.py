"""Tiles as polygons of a vector file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from iota2.core.files import MAX_TILE_BYTES, is_folder_name
from iota2.core.words import counted, did_you_mean, some
from iota2.errors import InputError
from iota2.io.files.crs import to_crs
from iota2.io.tables.reference import feature_names, matching_field, rows_text
from iota2.io.tables.vector_crs import require_no_degrees
from iota2.io.tables.vector_source import vector_source
from iota2.io.tables.vectors import read_vector


def read_tile_polygons(path: str | Path, field: str, crs: str, tiles: Collection[str]) -> dict[str, shapely.Polygon]:
    """The polygons of tiles in ``crs``, by name, in the order of the file.

    ``tiles``: the tiles to read; all if it is empty. Raises InputError for tiles that are not in the file, else with
    all problems of names, and of the polygons of the tiles to read: each must be a single polygon, and no two may be
    equal.
    """
    table = read_vector(path)
    require_no_degrees(table, vector_source(path).file)
    column, _ = matching_field(table, field, path)
    names = feature_names(table[column])
    missing = names.isna().to_numpy()
    require_tiles(tiles, names.dropna().tolist())
    problems = [f"{counted(missing.sum(), 'feature')} without name (row {rows_text(missing)})"] if missing.any() else []
    problems += tile_name_problems(names.dropna().tolist())
    wanted = names.isin(tiles).to_numpy() if tiles else ~missing
    found = gpd.GeoDataFrame({"tile": names[wanted]}, geometry=table.geometry[wanted].force_2d(), crs=table.crs)
    problems += _shape_problems(found)
    if not len(table):
        problems.append("no polygon")
    if problems:
        raise InputError("\n".join([f"{path}: cannot be used as a grid of tiles", *problems]))
    moved = to_crs(found.geometry, crs)
    polygons = dict(zip(found["tile"], map(_single, moved), strict=True))
    if lost := [tile for tile, shape in polygons.items() if not np.isfinite(shape.bounds).all()]:
        raise InputError(f"{path}: tiles {some(lost)} have no valid coordinates in {crs}. Correct chain.proj")
    return polygons


def require_tiles(tiles: Collection[str], known: Sequence[str]) -> None:
    """InputError about ``chain.list_tile`` if it has tiles that are not in a grid with the tiles ``known``."""
    unknown = [tile for tile in tiles if tile not in known]
    if unknown:
        hint = did_you_mean(unknown[0], known) or f"; the tiles are {some(known, 10)}"
        raise InputError.about(("chain", "list_tile"), f"{some(unknown)} not in the grid of tiles{hint}")


def tile_name_problems(names: Sequence[str]) -> list[str]:
    """Problems of names of tiles: invalid ones, and names that differ only in case."""
    problems = [
        f"{name[:40]!r} is no valid tile name; expected a folder name without blanks, commas, '/' and '..', of at most "
        f"{MAX_TILE_BYTES} bytes"
        for name in dict.fromkeys(names)
        if len(name.encode()) > MAX_TILE_BYTES or not is_folder_name(name) or {*name} & {" ", ","}
    ]
    spellings = Counter(name.lower() for name in names)
    repeated = [name for name in dict.fromkeys(names) if spellings[name.lower()] > 1]
    if repeated:
        problems.append(
            f"several features have the same tile name, ignoring case: {some(repeated)}; give each another name"
        )
    return problems


def _shape_problems(tiles: gpd.GeoDataFrame) -> list[str]:
    """Tiles whose geometry is missing, is not a single polygon, or equals that of another tile."""
    problems = []
    shapes: dict[bytes, str] = {}
    for name, shape in zip(tiles["tile"], tiles.geometry, strict=True):
        if shape is None or shape.is_empty:
            problems.append(f"tile {name} has no geometry; draw its polygon")
        elif shape.geom_type not in ("Polygon", "MultiPolygon"):
            problems.append(f"tile {name} is a {shape.geom_type}; expected a polygon")
        elif len(shapely.get_parts(shape)) > 1:
            parts = len(shapely.get_parts(shape))
            problems.append(f"tile {name} has {parts} polygons; expected one. Divide it into tiles of different names")
        elif (other := shapes.setdefault(_single(shape).normalize().wkb, name)) != name:
            problems.append(f"tiles {other} and {name} have the same polygon; remove one of them")
    return problems


def _single(shape: shapely.Geometry) -> shapely.Polygon:
    """The polygon of a geometry with one part."""
    return shapely.get_parts(shape)[0]
