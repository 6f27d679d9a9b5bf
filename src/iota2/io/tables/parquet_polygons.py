"""Polygons of a GeoParquet file, read in batches."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import shapely
from pyarrow import parquet
from pyproj import CRS
from pyproj.exceptions import CRSError

from iota2.core.files import require_regular
from iota2.errors import InputError, system_text
from iota2.io.tables.polygon_batches import (
    SAMPLE_SIZE,
    SCAN_SIZE,
    Bounds,
    PolygonBatch,
    SegmentsHeader,
    batch,
    geometry_errors,
    intersecting,
    lacks_geometry,
    require_polygons,
)
from iota2.io.tables.polygon_ids import NUMBERS, TEXT, id_column
from iota2.io.tables.vector_crs import require_fitting_crs, require_no_degrees

_DEFAULT_CRS = "OGC:CRS84"
"""CRS of a file whose metadata have no CRS."""
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


@contextmanager
def parquet_polygons(path: Path, id_field: str | None) -> Iterator[ParquetPolygons]:
    """The polygons of a GeoParquet file.

    Raises InputError for another file, one without CRS, with coordinates that contradict it or other geometries, and
    for an unsuitable ``id_field``.
    """
    if not path.exists():
        raise InputError(f"{path}: does not exist")
    with _reading_errors(path):
        require_regular(path)
        file = parquet.ParquetFile(path)
    with file:
        yield ParquetPolygons(*_header(path, file, id_field), file)


@contextmanager
def _reading_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        reason = system_text(err) if err.errno else str(err)
        raise InputError(f"{path}: cannot be read as GeoParquet: {reason}") from err
    except pa.ArrowException as err:
        raise InputError(f"{path}: cannot be read as GeoParquet ({err})") from err


def _header(path: Path, file: parquet.ParquetFile, id_field: str | None) -> tuple[SegmentsHeader, str, str | None]:
    """The header, the column of the geometry, and the column of their bounds if there is one."""
    schema = file.schema_arrow
    name, column = _geometry_column(path, schema)
    require_polygons(column.get("geometry_types", []), path)
    if column.get("encoding") != "WKB":
        raise InputError(
            f"{path}: its geometries have the encoding {column.get('encoding')!r}, which is not supported. Export it "
            "with the encoding WKB, which is the default of most programs"
        )
    if not file.metadata.num_rows:
        raise InputError(f"{path}: has no features; expected polygons")
    corners = column.get("covering", {}).get("bbox", {})
    covering = corners["xmin"][0] if all(len(corners.get(one, [])) == 2 for one in _CORNERS) else None
    contents = {one.name: _content(one.type) for one in schema if one.name not in (name, covering)}
    ids, notes = id_column(id_field, contents, path)
    box = column.get("bbox")
    bounds = (*box[:2], *box[len(box) // 2 :][:2]) if box and np.isfinite(box).all() else None
    header = SegmentsHeader(path, _crs(path, column, _sample(path, file, name)), bounds, ids, notes)
    return header, name, covering


def _geometry_column(path: Path, schema: pa.Schema) -> tuple[str, Mapping[str, Any]]:
    """Name and metadata of the column with the geometries."""
    try:
        geo = json.loads((schema.metadata or {})[b"geo"])
        name = geo["primary_column"]
        return name, geo["columns"][name]
    except (KeyError, TypeError, ValueError) as err:
        raise InputError(
            f"{path}: is not a GeoParquet file: its metadata name no geometry column. Export the polygons as "
            "GeoParquet or GeoPackage"
        ) from err


def _sample(path: Path, file: parquet.ParquetFile, geometry: str) -> np.ndarray:
    """The first geometries."""
    with _reading_errors(path), geometry_errors(path):
        first = next(file.iter_batches(SAMPLE_SIZE, columns=[geometry]))
        return np.asarray(shapely.from_wkb(first.column(0).to_numpy(zero_copy_only=False)))


def _crs(path: Path, column: Mapping[str, Any], sample: np.ndarray) -> CRS:
    """The CRS of the metadata; InputError if it is missing or contradicted by the coordinates of ``sample``."""
    stated = column.get("crs", _DEFAULT_CRS)
    try:
        crs = None if stated is None else CRS.from_user_input(stated)
    except CRSError as err:
        raise InputError(f"{path}: the coordinate reference system cannot be read ({err}). Export it again") from err
    frame = gpd.GeoDataFrame(geometry=sample, crs=crs)
    require_fitting_crs(frame, path)
    require_no_degrees(frame, path)
    return CRS.from_user_input(crs)


def _content(kind: pa.DataType) -> str:
    """Content of a column, for ``id_column``."""
    if pa.types.is_dictionary(kind):
        return _content(kind.value_type)
    contents = {
        NUMBERS: pa.types.is_integer(kind) or pa.types.is_floating(kind),
        TEXT: pa.types.is_string(kind) or pa.types.is_large_string(kind),
        "true and false": pa.types.is_boolean(kind),
        "dates": pa.types.is_temporal(kind),
        "binary values": pa.types.is_binary(kind) or pa.types.is_large_binary(kind),
        "no value": pa.types.is_null(kind),
    }
    return next((content for content, true in contents.items() if true), f"values of type {kind}")


def _decoded(values: pa.Array) -> pa.Array:
    """The values of a column that may be a dictionary, as categories of pandas are."""
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


@dataclass(frozen=True)
class ParquetPolygons:
    """An open GeoParquet file; see ``PolygonLayer``."""

    header: SegmentsHeader
    geometry: str
    """Column of the geometries."""
    covering: str | None
    """Column of the bounds of each geometry; None if there is none."""
    file: parquet.ParquetFile

    def without_geometry(self) -> int:
        """See PolygonLayer."""
        with _reading_errors(self.header.file):
            return sum(
                int(lacks_geometry(some.column(0)).sum()) for some in self.file.iter_batches(columns=[self.geometry])
            )

    def ids(self, *, geometry: bool) -> Iterator[tuple[pa.Array, np.ndarray]]:
        """See PolygonLayer."""
        column = self.header.id_column
        with _reading_errors(self.header.file):
            for found in self.file.iter_batches(SCAN_SIZE, columns=[column, *([self.geometry] if geometry else [])]):
                there = ~lacks_geometry(found.column(self.geometry)) if geometry else np.ones(len(found), bool)
                yield _decoded(found.column(column)), there

    def batches(self, around: Bounds | None, size: int) -> Iterator[PolygonBatch]:
        """See PolygonLayer; with a column of bounds, groups of rows outside are not read."""
        end = 0
        for group in range(self.file.num_row_groups):
            first, end = end, end + self.file.metadata.row_group(group).num_rows
            if around is not None and not self._group_meets(group, around):
                continue
            for found in self._tables(group, size):
                rows = np.arange(first + 1, first + 1 + len(found))
                first += len(found)
                near = self._near(found, around)
                if near.any():
                    yield self._batch(found.filter(pa.array(near)), rows[near])

    def _tables(self, group: int, size: int) -> Iterator[pa.RecordBatch]:
        columns = [self.geometry, self.header.id_column, self.covering]
        wanted = [name for name in columns if name is not None]
        with _reading_errors(self.header.file):
            yield from self.file.iter_batches(size, row_groups=[group], columns=wanted)

    def _batch(self, found: pa.RecordBatch, rows: np.ndarray) -> PolygonBatch:
        column = self.header.id_column
        return batch(self.header, rows, found.column(self.geometry), _decoded(found.column(column)) if column else None)

    def _near(self, found: pa.RecordBatch, around: Bounds | None) -> np.ndarray:
        """(row,) bool: whether the bounds of the row intersect ``around``; True without a column of bounds."""
        if around is None or self.covering is None:
            return np.ones(len(found), bool)
        bounds = found.column(self.covering)
        corners = [bounds.field(one).to_numpy(zero_copy_only=False).astype(float) for one in _CORNERS]
        return intersecting(np.stack(corners, axis=1), around)

    def _group_meets(self, group: int, around: Bounds) -> bool:
        """Whether rows of a group may intersect ``around``, by the statistics of the column of bounds."""
        if self.covering is None:
            return True
        row_group = self.file.metadata.row_group(group)
        columns = (row_group.column(k) for k in range(row_group.num_columns))
        known = {one.path_in_schema: one.statistics for one in columns if one.statistics and one.statistics.has_min_max}
        low, high = _CORNERS[:2], _CORNERS[2:]
        if not all(f"{self.covering}.{one}" in known for one in _CORNERS):
            return True
        first = [known[f"{self.covering}.{one}"].min for one in low]
        last = [known[f"{self.covering}.{one}"].max for one in high]
        return bool(intersecting(np.array([[*first, *last]]), around)[0])
