"""Areas by which polygons are cut, from a vector file of the user."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from iota2.compute.polygons import evenly_divided, overlaps, polygonal, repaired
from iota2.core.grid import crs_name
from iota2.core.labels import whole_number
from iota2.core.words import counted, did_you_mean, some
from iota2.errors import InputError, InputProblems
from iota2.io.files.crs import MAX_SEGMENT_METRES, sliver_area, to_crs, units_per_metre
from iota2.io.tables.reference import (
    feature_names,
    matching_field,
    not_polygons,
    placed,
    rows_text,
    unsafe_names,
    without_geometry,
)
from iota2.io.tables.vector_crs import require_no_degrees
from iota2.io.tables.vector_source import vector_source
from iota2.io.tables.vectors import read_vector

WHOLE_MAP = "all"
"""Name of the only area without a file."""
MAX_OVERLAP = 1e-6
"""Largest overlap of two areas without a remark, as a share of the smaller one."""
_SECTION = "simplification"


@dataclass(frozen=True, eq=False)
class ClipAreas:
    """Areas in the CRS of the map, sorted by name."""

    names: tuple[str, ...]
    geometries: np.ndarray
    """(area,) valid polygons and multipolygons."""
    remarks: tuple[str, ...] = ()
    """Sentences on features and areas that are repaired, omitted, joined or overlap."""


def read_clip_areas(path: str | Path, field: str, geobox: GeoBox, value: str | int | None = None) -> ClipAreas:
    """The areas of a file that contain parts of the map: one for each value of ``field``, or only that of ``value``.

    ``path`` may select a layer. Features with the same value are one area. Invalid polygons are repaired. Features
    without value or geometry, and areas outside the map, are omitted with a remark. A common border of two areas
    remains common in the CRS of ``geobox``. InputProblems, each with its option, for a missing field, an unknown value,
    values that cannot be part of a file name, geometries that are not polygons, and if no area is left.
    """
    table = read_vector(path)
    require_no_degrees(table, vector_source(path).file)
    column, remarks = matching_field(table, field, path)
    names = feature_names(table[column]).to_numpy()
    geometry = table.geometry.force_2d()
    void = np.array([name is None for name in names], bool) | without_geometry(geometry)
    chosen = ~void & _chosen(names, value, f"{path}: field {column!r}")
    problems = [*not_polygons(geometry[chosen]), *unsafe_names(dict.fromkeys(names[chosen]), "value")]
    if problems:
        raise InputError("\n".join([f"{path}: cannot be used as clip areas", *problems]))
    if void.any() and value is None:
        text = f"{counted(int(void.sum()), 'feature')} without geometry or value of {column!r} omitted"
        remarks.append(f"{text} (row {rows_text(void)})")
    found, polygons, more = _areas(names[chosen], geometry[chosen], geobox)
    found, polygons, outside = _on_map(found, polygons, geobox, path)
    remarks += [*more, *outside, *_overlap_remarks(found, polygons, geobox)]
    file = vector_source(path).file.name
    return ClipAreas(tuple(found), polygons, tuple(f"{file}: {remark}" for remark in remarks))


def _chosen(names: np.ndarray, value: str | int | None, what: str) -> np.ndarray:
    """(feature,) bool: whether the name is that of ``value``; numbers may be written differently."""
    if value is None:
        return np.ones(len(names), bool)
    text = str(value)
    number = whole_number(text)
    found = np.array([name == text for name in names], bool)
    if not found.any() and number is not None:
        found = np.array([name is not None and whole_number(name) == number for name in names], bool)
    if found.any():
        return found
    known = sorted({name for name in names if name is not None}, key=_order)
    hint = did_you_mean(text, known) or f"; the values are {some(known, 20) or 'missing'}"
    raise InputProblems([((_SECTION, "clipvalue"), f"{what} has no value {text!r}{hint}")])


def _order(name: str) -> tuple[int, str]:
    """Numbers by their value, then texts."""
    number = whole_number(name)
    return (1 << 62, name) if number is None else (number, name)


def _areas(names: np.ndarray, geometry: gpd.GeoSeries, geobox: GeoBox) -> tuple[list[str], np.ndarray, list[str]]:
    """Names, polygons in the CRS of the map, and remarks; empty polygons for areas without valid coordinates."""
    polygons, invalid = repaired(geometry.to_numpy())
    moved, _ = repaired(_moved(polygons, geometry.crs, geobox))
    found = sorted(set(names), key=_order)
    joined = np.array([shapely.union_all(moved[names == name]) for name in found] + [None], object)[:-1]
    several = [name for name in found if (names == name).sum() > 1]
    remarks = []
    if invalid.any():
        remarks.append(f"{counted(int(invalid.sum()), 'invalid polygon')} repaired ({some(list(names[invalid]))})")
    if several:
        remarks.append(f"features with the same value are one area: {some(several)}")
    return found, polygonal(joined), remarks


def _moved(polygons: np.ndarray, crs: object, geobox: GeoBox) -> np.ndarray:
    """Polygons in the CRS of the map; empty ones for those without valid coordinates there."""
    target = crs_name(geobox)
    frame = gpd.GeoSeries(polygons, crs=crs)
    if frame.crs != target:
        # divided here, a little below the length at which to_crs divides edges, so that common edges remain common
        divided = evenly_divided(polygons, 0.99 * MAX_SEGMENT_METRES * units_per_metre(frame.crs))
        frame = to_crs(gpd.GeoSeries(divided, crs=crs), target)
    moved: np.ndarray = np.where(placed(frame.to_numpy()), frame.to_numpy(), shapely.Polygon())
    return moved


def _on_map(
    names: list[str], polygons: np.ndarray, geobox: GeoBox, path: str | Path
) -> tuple[list[str], np.ndarray, list[str]]:
    """The areas that contain a part of the map, and a remark on the others; InputError without such an area."""
    extent = shapely.box(*geobox.boundingbox.bbox)
    inside = shapely.relate_pattern(polygons, extent, "T********") if len(names) else np.zeros(0, bool)
    if not inside.any():
        where = some(names, 20) or "no feature has a geometry and a value"
        raise InputError(f"{path}: no area contains a part of the map ({where}). Use a file of areas on the map")
    lost = [name for name, kept in zip(names, inside, strict=True) if not kept]
    remarks = [f"areas outside the map are omitted: {some(lost)}"] if lost else []
    return [name for name, kept in zip(names, inside, strict=True) if kept], polygons[inside], remarks


def _overlap_remarks(names: list[str], polygons: np.ndarray, geobox: GeoBox) -> list[str]:
    one, other, shared = overlaps(polygons, smallest=sliver_area(crs_name(geobox)))
    area = shapely.area(polygons)
    large = shared > MAX_OVERLAP * np.minimum(area[one], area[other])
    pairs = [f"{names[i]} and {names[j]}" for i, j in zip(one[large], other[large], strict=True)]
    return [f"areas overlap, polygons there are in both: {some(pairs)}"] if pairs else []
