"""Tables of polygons in GeoParquet, written and read a few rows at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely
from pyarrow import compute as pc
from pyarrow import parquet
from pyproj import CRS

from iota2.core.files import require_regular
from iota2.errors import InputError
from iota2.io.files.atomic import replacing

GEOMETRY = "geometry"
"""Column of the polygons in a GeoParquet file; it is the last one."""
_GROUP_BYTES = 8 << 20
"""Bytes of a row group, which is the unit of reading and writing."""
_POLYGON_BYTES = 384
"""Bytes of a polygon with its identifiers and class, in estimates."""
KIND = "MultiPolygon"
"""Type of all geometries."""
_METADATA, _BOUNDS = b"geo", b"iota2:bounds"
"""Keys of the metadata of GeoParquet, and of the bounds of each row group."""
_VERSION = "1.0.0"
"""Version of the GeoParquet specification."""
_COMPRESSION = "zstd"


def polygon_bytes(values: int) -> int:
    """Estimated bytes of a polygon with a number of float32 ``values`` in GeoParquet."""
    return _POLYGON_BYTES + 4 * values


def group_rows(values: int) -> int:
    """Number of polygons with ``values`` float32 each that are suitable as a row group."""
    return max(1, _GROUP_BYTES // polygon_bytes(values))


def write_polygons(empty: gpd.GeoDataFrame, frames: Iterable[gpd.GeoDataFrame], path: Path) -> None:
    """Write a GeoParquet file with a row group for each frame with rows; equal frames give equal bytes.

    ``empty`` has no rows, and the CRS, the columns and the data types of all frames. NaN becomes null. All geometries
    are written as multipolygons.
    """
    bounds = []
    with replacing(path) as part, _writer(part, arrow_table(empty).schema) as writer:
        for frame in frames:
            if len(frame):
                writer.write_table(arrow_table(frame))
                bounds.append(shapely.total_bounds(frame.geometry.to_numpy()))
        writer.add_key_value_metadata(_metadata(CRS.from_user_input(empty.crs), bounds))


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


class RowGroup(NamedTuple):
    """A row group of a file of ``write_polygons``."""

    path: Path
    number: int
    rows: int
    bytes: int
    """Size of the geometries."""
    bounds: tuple[float, float, float, float]
    """x0, y0, x1, y1."""
    first: tuple[Any, ...]
    """Smallest value of some columns."""


def polygon_groups(path: Path, columns: Sequence[str] = ()) -> list[RowGroup]:
    """The row groups of a file of ``write_polygons``, with the smallest values of some ``columns``.

    InputError if the file is missing or damaged.
    """
    header = _header(path)
    places = [header.schema_arrow.names.index(name) for name in columns]
    groups = [header.metadata.row_group(number) for number in range(header.num_row_groups)]
    return [
        RowGroup(
            path,
            number,
            group.num_rows,
            group.column(len(header.schema_arrow.names) - 1).total_uncompressed_size,
            bounds,
            tuple(group.column(place).statistics.min for place in places),
        )
        for number, (group, bounds) in enumerate(zip(groups, _bounds(header), strict=True))
    ]


def read_row_group(group: RowGroup, columns: Sequence[str]) -> gpd.GeoDataFrame:
    """The rows of a row group: some ``columns`` and the geometry."""
    with parquet.ParquetFile(group.path) as file:
        found = file.read_row_group(group.number, columns=[*columns, GEOMETRY])
    polygons = shapely.from_wkb(found[GEOMETRY].to_numpy())
    return gpd.GeoDataFrame(
        {name: found[name].to_numpy() for name in columns}, geometry=polygons, crs=_crs(_header(group.path))
    )


def polygon_rows(path: Path, columns: Sequence[str], groups: Sequence[int] | None = None) -> pa.RecordBatchReader:
    """The rows of a file of ``write_polygons``, row group by row group: some ``columns`` and the geometry.

    ``groups``: numbers of row groups; None for all.
    """
    header = _header(path)
    schema = pa.schema([header.schema_arrow.field(name) for name in (*columns, GEOMETRY)])
    rows = (batch for table in _row_groups(path, schema.names, groups) for batch in table.to_batches())
    return pa.RecordBatchReader.from_batches(schema, rows)


def polygon_columns(path: Path, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Yield some columns of each row group of a file of ``write_polygons``, without geometry."""
    _header(path)
    for table in _row_groups(path, columns):
        yield table.to_pandas()


class PolygonHeader(NamedTuple):
    """What a file of ``write_polygons`` contains."""

    crs: CRS
    columns: tuple[str, ...]
    """Names of the columns, without the geometry."""
    rows: int


def polygon_header(path: Path) -> PolygonHeader:
    """CRS, columns and number of rows of a file of ``write_polygons``; InputError if it is missing or damaged."""
    header = _header(path)
    names = tuple(name for name in header.schema_arrow.names if name != GEOMETRY)
    return PolygonHeader(_crs(header), names, header.metadata.num_rows)


def join_polygons(sources: Sequence[Path], path: Path) -> None:
    """Write one GeoParquet file with the rows of all ``sources``, files of ``write_polygons`` with the same columns.

    InputError if a source is missing or damaged.
    """
    headers = [_header(source) for source in sources]
    schema, crs = headers[0].schema_arrow.remove_metadata(), _crs(headers[0])
    bounds = [group for header in headers for group in _bounds(header)]
    with replacing(path) as part, _writer(part, schema) as writer:
        for source in sources:
            for table in _row_groups(source, schema.names):
                writer.write_table(table)
        writer.add_key_value_metadata(_metadata(crs, bounds))


def _writer(path: Path, schema: pa.Schema) -> parquet.ParquetWriter:
    # a stored schema of Arrow would hide the metadata of GeoParquet, which are known at the end, from pyarrow
    return parquet.ParquetWriter(path, schema, compression=_COMPRESSION, store_schema=False)


def arrow_table(frame: gpd.GeoDataFrame) -> pa.Table:
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


def _metadata(crs: CRS, bounds: Sequence[Sequence[float]]) -> dict[bytes, str]:
    """The metadata of a file; ``bounds``: those of each row group."""
    column: dict[str, Any] = {"encoding": "WKB", "geometry_types": [], "crs": crs.to_json_dict()}
    groups = np.array(bounds, np.float64).reshape(-1, 4)
    if len(groups):
        box = [*groups[:, :2].min(axis=0).tolist(), *groups[:, 2:].max(axis=0).tolist()]
        column |= {"geometry_types": [KIND], "bbox": box}
    geo = {"version": _VERSION, "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
    return {_METADATA: json.dumps(geo), _BOUNDS: json.dumps(groups.tolist())}


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


def _bounds(header: parquet.ParquetFile) -> list[tuple[float, float, float, float]]:
    """The bounds of each row group."""
    return [tuple(bounds) for bounds in json.loads(header.metadata.metadata[_BOUNDS])]


def _row_groups(path: Path, columns: Sequence[str], groups: Sequence[int] | None = None) -> Iterator[pa.Table]:
    """Yield the row groups of a file, or some of them."""
    with parquet.ParquetFile(path) as file:
        for group in range(file.num_row_groups) if groups is None else groups:
            yield file.read_row_group(group, columns=list(columns))
