"""Tables of polygons that are written a few rows at a time: GeoParquet and GeoPackage."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyogrio
import shapely
from pyarrow import compute as pc
from pyarrow import parquet
from pyproj import CRS

from iota2.core.files import require_regular
from iota2.core.grid import short_crs
from iota2.errors import InputError
from iota2.io.files.atomic import replacing
from iota2.io.tables.vectors import sqlite_max_columns, without_separators

GEOMETRY = "geometry"
"""Column of the polygons in a GeoParquet file; it is the last one."""
_GROUP_BYTES = 8 << 20
"""Bytes of a row group, which is the unit of reading and writing."""
_POLYGON_BYTES, _INDEXED_BYTES = 384, 800
"""Bytes of a polygon with its identifiers and class in GeoParquet and in a GeoPackage, in estimates."""
_KIND = "MultiPolygon"
_METADATA = b"geo"
_VERSION = "1.0.0"
"""Version of the GeoParquet specification."""
_COMPRESSION = "zstd"
_DATE = "2000-01-01T00:00:00.000Z"
"""Constant date of writing in GeoPackages, so that equal content gives equal bytes."""


def polygon_bytes(values: int) -> int:
    """Estimated bytes of a polygon with a number of float32 ``values`` in GeoParquet."""
    return _POLYGON_BYTES + 4 * values


def geopackage_bytes(values: int) -> int:
    """The same in a GeoPackage, which stores float64 and an index."""
    return _INDEXED_BYTES + 9 * min(values, sqlite_max_columns())


def group_rows(values: int) -> int:
    """Number of polygons with ``values`` float32 each that are suitable as a row group."""
    return max(1, _GROUP_BYTES // polygon_bytes(values))


def write_polygons(empty: gpd.GeoDataFrame, frames: Iterable[gpd.GeoDataFrame], path: Path) -> None:
    """Write a GeoParquet file with a row group for each frame; equal frames give equal bytes.

    ``empty`` has no rows, and the CRS, the columns and the data types of all frames. NaN becomes null. All geometries
    are written as multipolygons.
    """
    bounds = []
    with replacing(path) as part, _writer(part, _table(empty).schema) as writer:
        for frame in frames:
            writer.write_table(_table(frame))
            bounds.append(shapely.total_bounds(frame.geometry.to_numpy()))
        writer.add_key_value_metadata({_METADATA: _metadata(CRS.from_user_input(empty.crs), bounds)})


def read_some_polygons(path: Path, column: str, values: Sequence[int]) -> gpd.GeoDataFrame:
    """The rows of a file of ``write_polygons`` with some ``values`` of a ``column``: this column and the geometry.

    InputError if the file is missing or damaged.
    """
    header = _header(path)
    wanted = pa.array(values, header.schema_arrow.field(column).type)
    parts = [table.filter(pc.is_in(table[column], wanted)) for table in _row_groups(path, [column, GEOMETRY])]
    found = pa.concat_tables([header.schema_arrow.remove_metadata().empty_table().select([column, GEOMETRY]), *parts])
    polygons = shapely.from_wkb(found[GEOMETRY].to_numpy())
    return gpd.GeoDataFrame({column: found[column].to_numpy()}, geometry=polygons, crs=_crs(header))


def join_polygons(sources: Sequence[Path], path: Path) -> None:
    """Write one GeoParquet file with the rows of all ``sources``, files of ``write_polygons`` with the same columns.

    InputError if a source is missing or damaged.
    """
    headers = [_header(source) for source in sources]
    schema, crs = headers[0].schema_arrow.remove_metadata(), _crs(headers[0])
    bounds = [_bounds(header) for header in headers]
    with replacing(path) as part, _writer(part, schema) as writer:
        for source in sources:
            for table in _row_groups(source, schema.names):
                writer.write_table(table)
        writer.add_key_value_metadata({_METADATA: _metadata(crs, bounds)})


def write_geopackage(source: Path, path: Path, layer: str) -> list[str]:
    """Write the rows of a file of ``write_polygons`` as a GeoPackage, and return the columns that do not fit.

    Equal content gives equal bytes. A GeoPackage has at most ``sqlite_max_columns`` columns, whose names differ not
    only in upper and lower case; the first columns are written.
    """
    header = _header(source)
    crs = _crs(header)
    names = [name for name in header.schema_arrow.names if name != GEOMETRY]
    kept = _fitting(names)
    schema = pa.schema([header.schema_arrow.field(name) for name in (*kept, GEOMETRY)])
    rows = (batch for table in _row_groups(source, schema.names) for batch in table.to_batches())
    _write_layer(pa.RecordBatchReader.from_batches(schema, rows), crs, path, layer)
    return [name for name in names if name not in kept]


def write_small_geopackage(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    """Write all rows as a GeoPackage; equal frames give equal bytes."""
    _write_layer(_table(frame).to_reader(), CRS.from_user_input(frame.crs), path, layer)


def _write_layer(rows: pa.RecordBatchReader, crs: CRS, path: Path, layer: str) -> None:
    with replacing(path) as part, without_separators(part) as plain, _constant_date():
        pyogrio.write_arrow(
            rows,
            plain,
            layer=layer,
            driver="GPKG",
            geometry_name=GEOMETRY,
            geometry_type=_KIND,
            crs=short_crs(crs.to_wkt()),
            layer_options={"GEOMETRY_NAME": "geom"},
        )


def _fitting(names: Sequence[str]) -> list[str]:
    """The first names that a GeoPackage can have together."""
    different: dict[str, str] = {}
    for name in names:
        different.setdefault(name.lower(), name)
    return [*different.values()][: sqlite_max_columns()]


@contextmanager
def _constant_date() -> Iterator[None]:
    """A constant date of writing for GDAL in pyogrio."""
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _DATE})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def _writer(path: Path, schema: pa.Schema) -> parquet.ParquetWriter:
    # a stored schema of Arrow would hide the metadata of GeoParquet, which are known at the end, from pyarrow
    return parquet.ParquetWriter(path, schema, compression=_COMPRESSION, store_schema=False)


def _table(frame: gpd.GeoDataFrame) -> pa.Table:
    """The attributes and, as the last column, the geometry in WKB; without metadata."""
    attributes = pd.DataFrame(frame.drop(columns=frame.geometry.name))
    table = pa.Table.from_pandas(attributes, preserve_index=False).replace_schema_metadata()
    return table.append_column(GEOMETRY, pa.array(shapely.to_wkb(_multi(frame.geometry.to_numpy())), pa.binary()))


def _multi(geometries: np.ndarray) -> np.ndarray:
    """The geometries as multipolygons, without heights."""
    out: np.ndarray = shapely.force_2d(geometries)
    single = shapely.get_type_id(out) == shapely.GeometryType.POLYGON
    out[single] = shapely.multipolygons(out[single], indices=np.arange(single.sum()))
    return out


def _metadata(crs: CRS, bounds: Sequence[np.ndarray]) -> str:
    """The metadata of GeoParquet; ``bounds``: those of parts of the rows, NaN without rows."""
    column: dict[str, Any] = {"encoding": "WKB", "geometry_types": [], "crs": crs.to_json_dict()}
    known = np.array([one for one in bounds if np.isfinite(one).all()])
    if len(known):
        box = [*known[:, :2].min(axis=0).tolist(), *known[:, 2:].max(axis=0).tolist()]
        column |= {"geometry_types": [_KIND], "bbox": box}
    return json.dumps({"version": _VERSION, "primary_column": GEOMETRY, "columns": {GEOMETRY: column}})


def _header(path: Path) -> parquet.ParquetFile:
    """The footer of a file; InputError if it is missing or damaged, or has no metadata of GeoParquet."""
    try:
        require_regular(path)
        with parquet.ParquetFile(path) as file:
            if _METADATA in (file.metadata.metadata or {}):
                return file
    except (OSError, pa.ArrowException) as err:
        raise InputError(f"{path}: cannot be read as GeoParquet ({err}). Run the step that makes it again") from err
    raise InputError(f"{path}: has no metadata of GeoParquet. Run the step that makes it again")


def _column(header: parquet.ParquetFile) -> Any:
    return json.loads(header.metadata.metadata[_METADATA])["columns"][GEOMETRY]


def _crs(header: parquet.ParquetFile) -> CRS:
    return CRS.from_json_dict(_column(header)["crs"])


def _bounds(header: parquet.ParquetFile) -> np.ndarray:
    return np.array(_column(header).get("bbox", [np.nan] * 4))


def _row_groups(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the row groups of a file."""
    with parquet.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=list(columns))
