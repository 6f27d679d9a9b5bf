"""The user's segmentation, a raster or polygons, as a raster of segment numbers on the grid of a tile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile

import geopandas as gpd
import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from pyproj import CRS

from iota2.compute.first_polygons import FirstPolygons
from iota2.core.grid import blocks, crs_name, pixel_centres
from iota2.core.words import counted
from iota2.errors import InputError
from iota2.io.files.crs import to_crs
from iota2.io.files.gdal import is_raster
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.io.rasters.segment_raster import SegmentRaster, segment_raster
from iota2.io.tables.parquet_polygons import parquet_polygons
from iota2.io.tables.polygon_batches import PolygonLayer, SegmentsHeader, bounds_in, intersecting, require_ids
from iota2.io.tables.vector_polygons import vector_polygons
from iota2.io.tables.vector_source import vector_source

_RASTER_SUFFIXES = (".tif", ".tiff", ".jp2")
_PARQUET_SUFFIXES = (".parquet", ".geoparquet")
_POLYGON_BYTES = 16 << 10
"""Memory of a polygon while it is read, reprojected and rasterised: its WKB, its geometries, its vertices."""
_BATCH_SIZES = (64, 65536)
"""Minimum and maximum number of polygons in memory."""
_PIXEL_BYTES = 16
"""Memory of a pixel while its segment number is written."""
_MERGE_LEAST = 1 << 20
"""Number of ids that are collected before equal ones are merged."""


@dataclass(frozen=True)
class UserSegments:
    """The segments with pixels on a tile, in the order of their numbers in the raster, from 1."""

    ids: np.ndarray
    """(segment,) int64 ids in the user's file, ascending."""
    notes: tuple[str, ...]
    """Texts about polygons and pixels that were treated in a way that the user may not expect."""


def check_user_segments(source: str | Path, id_field: str | None) -> SegmentsHeader:
    """The projection and bounds of a segmentation, from the headers of its file.

    InputError if the file cannot be used; see ``write_user_segments``. The ids of polygons are read. Errors of single
    geometries, and of pixels of a raster, are not detected.
    """
    if _is_raster(source):
        with segment_raster(source) as raster:
            box, crs = raster.geobox.boundingbox.bbox, CRS.from_user_input(crs_name(raster.geobox))
            return SegmentsHeader(Path(source), crs, box, None, _unused(source, id_field))
    with _polygons(source, id_field) as layer:
        require_ids(layer)
        return layer.header


def write_user_segments(
    source: str | Path, id_field: str | None, geobox: GeoBox, out: Path, memory: int
) -> UserSegments:
    """Write the segments of a tile as a raster, uint32 on ``geobox``: numbers from 1 in the order of ids, 0 outside.

    ``source`` is a GeoTIFF or JPEG 2000 file whose values are ids (0 and no-data: no segment), or a shapefile,
    GeoPackage, SQLite, GeoJSON or GeoParquet file with polygons. ``id_field`` is the field with the ids of polygons;
    None uses the number of the row in the file, from 1. Text may be whole numbers. Equal ids are one segment. A pixel
    in several polygons belongs to the first in the file.

    ``memory`` limits the bytes of polygons and blocks in memory; the raster is in a scratch file of 4 bytes for each
    pixel. Raises InputError if the file cannot be used.
    """
    if _is_raster(source):
        with segment_raster(source) as raster:
            found = _write_ids(raster, geobox, out)
            return replace(found, notes=(*_unused(source, id_field), *found.notes))
    with _polygons(source, id_field) as layer:
        return _write_polygons(layer, geobox, out, memory)


def has_polygons(source: str | Path) -> bool:
    """Whether a segmentation is a file of polygons, not a raster."""
    return not _is_raster(source)


def user_polygons(
    source: str | Path, id_field: str | None, geobox: GeoBox, ids: np.ndarray, count: int
) -> Iterator[tuple[np.ndarray, gpd.GeoSeries]]:
    """Yield positions in ``ids``, ascending, and the polygons of the file with these ids, as they are in the file.

    ``ids``: (segment,) int64, ascending, of segments of ``write_user_segments`` on ``geobox``. About ``count`` segments
    are yielded at a time. Several polygons with the same id that meet the grid are a multipolygon. InputError as for
    ``write_user_segments``.
    """
    with _polygons(source, id_field) as layer:
        crs, parts = layer.header.crs, np.zeros(len(ids), np.int64)
        for at, _ in _wanted(layer, geobox, ids, count):
            parts += np.bincount(at, minlength=len(ids))
        waiting, several = [_NOTHING], [_NOTHING]
        for at, polygons in _wanted(layer, geobox, ids, count):
            single = parts[at] == 1
            several.append((at[~single], polygons[~single]))
            waiting.append((at[single], polygons[single]))
            if sum(len(some) for some, _ in waiting) >= count:
                yield _in_order(waiting, crs)
                waiting = [_NOTHING]
        if any(len(at) for at, _ in (*waiting, *several)):
            yield _in_order([*waiting, _united(several)], crs)


_NOTHING = np.zeros(0, np.int64), np.zeros(0, object)
"""Positions and polygons of no segment."""


def _wanted(
    layer: PolygonLayer, geobox: GeoBox, ids: np.ndarray, count: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions in ``ids`` and polygons of a layer that may meet a grid."""
    around = bounds_in(geobox, layer.header.crs)
    for found in layer.batches(around, count) if len(ids) else ():
        near = found if around is None else found.intersecting(around)
        at = np.minimum(np.searchsorted(ids, near.ids), len(ids) - 1)
        own = ids[at] == near.ids
        yield at[own], near.polygons[own]


def _joined(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """All positions and polygons, sorted by position; those of one position in the given order."""
    at, polygons = (np.concatenate(both) for both in zip(*parts, strict=True))
    order = np.argsort(at, kind="stable")
    return at[order], polygons[order]


def _in_order(parts: Sequence[tuple[np.ndarray, np.ndarray]], crs: CRS) -> tuple[np.ndarray, gpd.GeoSeries]:
    at, polygons = _joined(parts)
    return at, gpd.GeoSeries(polygons, crs=crs)


def _united(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Different positions, and the polygons of each as one multipolygon."""
    at, polygons = _joined(parts)
    found, which = np.unique(at, return_inverse=True)
    single, owner = shapely.get_parts(polygons, return_index=True)
    return found, shapely.multipolygons(single, indices=which[owner])


def _is_raster(source: str | Path) -> bool:
    return Path(source).suffix.lower() in _RASTER_SUFFIXES or is_raster(source)


def _unused(source: str | Path, id_field: str | None) -> tuple[str, ...]:
    """A note on an ``id_field`` of a raster."""
    return (f"{source}: is a raster, so the field {id_field!r} is not used",) if id_field else ()


def _polygons(source: str | Path, id_field: str | None) -> AbstractContextManager[PolygonLayer]:
    """The polygons of a vector file."""
    chosen = vector_source(source)
    suffix = chosen.file.suffix.lower()
    if suffix == ".gml":
        raise InputError(
            f"{chosen.file}: GML is not supported, since its projection often cannot be read. Convert it to a "
            f"GeoPackage: ogr2ogr {chosen.file.stem}.gpkg {chosen.file.name}, and check its projection"
        )
    if suffix not in _PARQUET_SUFFIXES:
        return vector_polygons(source, id_field)
    if chosen.choice:
        raise InputError(f"{chosen.file}: GeoParquet has no layers; use the path without '|{chosen.choice}'")
    return parquet_polygons(chosen.file, id_field)


# ------------------------------------------------------------------------------------------ rasters


def _write_ids(raster: SegmentRaster, geobox: GeoBox, out: Path) -> UserSegments:
    """Read the raster twice: first for the ids of the tile, then for their numbers."""
    ids = _ids(raster, geobox)
    with RasterWriter(out, RasterProfile(geobox, "uint32", nodata=0)) as writer:
        for block, values in raster.blocks(geobox):
            first, lengths = _runs(values)
            found = np.searchsorted(ids, first) + 1
            found[first == 0] = 0
            writer.write(block, np.repeat(found.astype(np.uint32), lengths).reshape(values.shape))
    note = raster.note(geobox)
    return UserSegments(ids, (note,) if note else ())


def _ids(raster: SegmentRaster, geobox: GeoBox) -> np.ndarray:
    """All ids of a tile but 0, ascending."""
    parts, waiting = [np.zeros(0, np.int64)], 0
    for _, values in raster.blocks(geobox):
        parts.append(np.unique(_runs(values)[0]))
        waiting += len(parts[-1])
        if waiting > max(_MERGE_LEAST, len(parts[0])):
            parts, waiting = [np.unique(np.concatenate(parts))], 0
    ids = np.unique(np.concatenate(parts))
    return ids[ids != 0]


def _runs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Value and length of each run of equal values, in the order of pixels."""
    flat = values.ravel()
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    return flat[starts], np.diff(starts, append=len(flat))


# ------------------------------------------------------------------------------------------ polygons


@dataclass
class _Tally:
    """Numbers of polygons of a tile, for notes."""

    invalid: int = 0
    not_transformed: int = 0

    def notes(self, without_geometry: int) -> Iterator[str]:
        if without_geometry:
            yield f"{counted(without_geometry, 'feature')} of the file without geometry: ignored"
        if self.not_transformed:
            yield (
                f"{counted(self.not_transformed, 'polygon')} with coordinates outside the projection of the tile: "
                "ignored"
            )
        if self.invalid:
            yield (
                f"{counted(self.invalid, 'polygon')} not valid (a border crosses itself): pixels enclosed an even "
                "number of times are outside"
            )


def _write_polygons(layer: PolygonLayer, geobox: GeoBox, out: Path, memory: int) -> UserSegments:
    with TemporaryFile() as scratch:
        numbers = np.memmap(scratch, np.uint32, "w+", shape=tuple(geobox.shape))
        raster, tally = FirstPolygons(numbers, *_centres(geobox)), _Tally()
        ids, within = _burn(layer, geobox, raster, tally, memory)
        won = raster.won > 0
        found, which = np.unique(ids[won], return_inverse=True)
        local = np.zeros(len(ids) + 1, np.uint32)
        local[1:][won] = which + 1
        _write_numbers(numbers, local, geobox, out, memory)
    notes = (
        *layer.header.notes,
        *tally.notes(layer.without_geometry()),
        *_polygon_notes(raster, within),
        *_id_notes(ids),
    )
    return UserSegments(found, notes)


def _centres(geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of the columns and of the rows of a grid."""
    height, width = geobox.shape
    x, _ = pixel_centres(geobox, np.zeros(width), np.arange(width))
    _, y = pixel_centres(geobox, np.arange(height), np.zeros(height))
    return x, y


def _burn(
    layer: PolygonLayer, geobox: GeoBox, raster: FirstPolygons, tally: _Tally, memory: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rasterise the polygons that meet a tile; returns their ids, and whether each lies within the tile."""
    box, crs = geobox.boundingbox.bbox, layer.header.crs
    around = bounds_in(geobox, crs)
    size = int(np.clip(memory // _POLYGON_BYTES, *_BATCH_SIZES))
    ids, within = [np.zeros(0, np.int64)], [np.zeros(0, bool)]
    for found in layer.batches(around, size):
        near = found if around is None else found.intersecting(around)
        polygons = to_crs(gpd.GeoSeries(near.polygons, crs=crs), crs_name(geobox)).to_numpy()
        bounds = shapely.bounds(polygons)
        finite = np.isfinite(bounds).all(axis=1)
        tally.not_transformed += int((~finite).sum())
        here = finite & intersecting(bounds, box)
        tally.invalid += int((~shapely.is_valid(near.polygons[here])).sum())
        raster.add(polygons[here], near.rows[here])
        ids.append(near.ids[here])
        x0, y0, x1, y1 = bounds[here].T
        within.append((x0 >= box[0]) & (y0 >= box[1]) & (x1 <= box[2]) & (y1 <= box[3]))
    return np.concatenate(ids), np.concatenate(within)


def _write_numbers(numbers: np.ndarray, local: np.ndarray, geobox: GeoBox, out: Path, memory: int) -> None:
    """Write the number of the segment of each pixel, from the number of its polygon."""
    height, width = geobox.shape
    rows = int(np.clip(memory // (_PIXEL_BYTES * width), 1, height))
    with RasterWriter(out, RasterProfile(geobox, "uint32", nodata=0)) as writer:
        for block in blocks("", geobox, (rows, width)):
            writer.write(block, local[numbers[slice(*block.rows)]])


def _polygon_notes(raster: FirstPolygons, within: np.ndarray) -> Iterator[str]:
    """Notes on polygons without pixels, and on overlaps."""
    small = int(((raster.won + raster.lost == 0) & within).sum())
    if small:
        yield f"{counted(small, 'polygon')} without the centre of a pixel: no segment"
    overlapping, hidden = raster.lost > 0, (raster.lost > 0) & (raster.won == 0)
    if overlapping.any():
        yield (
            f"{counted(int(overlapping.sum()), 'polygon')} overlapping earlier ones of the file in "
            f"{counted(int(raster.lost.sum()), 'pixel')}, which belong to the first polygon"
            + (f"; {hidden.sum()} of them without any other pixel" if hidden.any() else "")
        )


def _id_notes(ids: np.ndarray) -> Iterator[str]:
    """A note on ids of several polygons."""
    _, counts = np.unique(ids, return_counts=True)
    several = int((counts > 1).sum())
    if several:
        yield (
            f"{counted(several, 'id')} of several polygons ({int(counts[counts > 1].sum())} polygons): all polygons "
            "with an id are one segment"
        )
