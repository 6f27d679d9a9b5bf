"""Chunked writing and merging of sample tables, which can be larger than memory.

The file formats are those of ``write_samples`` in ``io.tables.vectors``.
"""

from __future__ import annotations

import errno
import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet
from shapely import to_wkb

from iota2.errors import InputError
from iota2.io.files.atomic import link_or_copy, replacing
from iota2.io.tables.samples import ROWS_PER_READ, immutable_uri, quoted_columns
from iota2.io.tables.vectors import TABLE, write_sqlite

ROWS_PER_GROUP = 8192
"""Number of rows of a row group in GeoParquet files."""
PAGE_BYTES = 16384
"""Page size of SQLite files; reading takes twice the time if rows are larger than a page."""
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_FAST_PRAGMAS = ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE")
"""Pragmas for a temporary SQLite file that is discarded after an error."""


def write_points(
    points: gpd.GeoDataFrame, names: Sequence[str], values: np.ndarray, rows: np.ndarray, path: Path
) -> None:
    """Write ``points`` with their attributes and features, in the format of ``write_samples``.

    ``names``: names of the features. ``values``: (row, feature) array. ``rows``: for each point, its row in ``values``.
    Little additional memory is needed. Equal points and values give equal bytes.
    """
    write = {".sqlite": _write_sqlite, ".parquet": _write_parquet}[path.suffix]
    with replacing(path) as part:
        write(points, names, values, rows, part)


def merge_tables(paths: Sequence[Path], path: Path) -> None:
    """Concatenate tables with the same columns, with little memory. A single SQLite table is linked, or copied.

    Raises InputError when a table is missing or damaged, or when columns differ.
    """
    merge = {".sqlite": _merge_sqlite, ".parquet": _merge_parquet}[path.suffix]
    if merge is _merge_sqlite and len(paths) == 1:
        _rows(paths[0])  # an InputError if it cannot be read
        link_or_copy(paths[0], path)
        return
    with replacing(path) as part:
        merge(paths, part)


def _with_features(points: gpd.GeoDataFrame, names: Sequence[str], values: np.ndarray) -> gpd.GeoDataFrame:
    features = pd.DataFrame(values, columns=list(names), index=points.index)
    return gpd.GeoDataFrame(pd.concat([points, features], axis=1))


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    """Convert errors of reading the table ``path`` to InputError; a full disk is not an error of the table."""
    if not path.is_file():
        raise InputError(f"{path}: does not exist. Extract the samples again")
    try:
        yield
    except (sqlite3.Error, pa.ArrowException, OSError, ValueError) as err:
        if getattr(err, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL or getattr(err, "errno", None) in _DISK_FULL:
            raise
        raise InputError(f"{path}: cannot be read as a table of samples ({err}). Extract the samples again") from err


# ------------------------------------------------------------------------------------------ SQLite


def _write_sqlite(
    points: gpd.GeoDataFrame, names: Sequence[str], values: np.ndarray, rows: np.ndarray, path: Path
) -> None:
    """Write an SQLite file: GDAL creates the tables, then SQL inserts the rows, which takes half the time of GDAL."""
    write_sqlite(_with_features(points.iloc[:0], names, values[:0]), path)
    attributes = [name for name in points.columns if name != points.geometry.name]
    plain = [points[name].astype(object).where(points[name].notna(), None).tolist() for name in attributes]
    columns = ("GEOMETRY", *attributes, *names)
    insert = f"INSERT INTO {TABLE} ({quoted_columns(columns)}) VALUES ({', '.join('?' * len(columns))})"
    with _opened(path) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("VACUUM")
        connection.execute("BEGIN")
        for first in range(0, len(points), ROWS_PER_READ):
            some = slice(first, first + ROWS_PER_READ)
            shapes = to_wkb(points.geometry.array[some]).tolist()
            beside = zip(shapes, *(column[some] for column in plain), strict=True)
            features = values[rows[some]].tolist()
            connection.executemany(insert, (a + tuple(b) for a, b in zip(beside, features, strict=True)))
        connection.execute("COMMIT")


def _merge_sqlite(paths: Sequence[Path], path: Path) -> None:
    """Copy the first table that has rows, and insert the rows of all later ones."""
    first = next((k for k, one in enumerate(paths) if _rows(one)), 0)
    shutil.copyfile(paths[first], path)
    with _opened(path) as connection:
        names = _columns(connection, "main")
        columns = quoted_columns([name for name in names if name != "ogc_fid"])
        for one in paths[first + 1 :]:
            with _read_errors(one):
                connection.execute("ATTACH ? AS other", (immutable_uri(one),))
                if set(_columns(connection, "other")) != set(names):
                    raise ValueError("its columns differ from those of the other tables")
                connection.execute("BEGIN")
                found = f"SELECT {columns} FROM other.{TABLE} ORDER BY ogc_fid"
                connection.execute(f"INSERT INTO main.{TABLE} ({columns}) {found}")
                connection.execute("COMMIT")
                connection.execute("DETACH other")


def _rows(path: Path) -> int:
    """Number of rows of an SQLite table."""
    with _read_errors(path), closing(sqlite3.connect(immutable_uri(path), uri=True)) as connection:
        return int(connection.execute(f"SELECT COUNT(*) FROM {TABLE}").fetchone()[0])


def _columns(connection: sqlite3.Connection, database: str) -> list[str]:
    return [name for _, name, *_ in connection.execute(f"PRAGMA {database}.table_info({TABLE})")]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """An existing SQLite file, opened for writing."""
    with closing(sqlite3.connect(path.resolve().as_uri(), uri=True, isolation_level=None)) as connection:
        for how in _FAST_PRAGMAS:
            connection.execute(f"PRAGMA {how}").fetchall()
        yield connection


# ------------------------------------------------------------------------------------------ GeoParquet


def _write_parquet(
    points: gpd.GeoDataFrame, names: Sequence[str], values: np.ndarray, rows: np.ndarray, path: Path
) -> None:
    schema = _schema(points, names)
    with parquet.ParquetWriter(path, schema) as writer:
        for first in range(0, max(1, len(points)), ROWS_PER_GROUP):
            some = slice(first, first + ROWS_PER_GROUP)
            frame = _with_features(points.iloc[some], names, values[rows[some]])
            table = pa.table(frame.to_arrow(index=False, geometry_encoding="WKB"))
            writer.write_table(table.cast(schema))


def _schema(points: gpd.GeoDataFrame, names: Sequence[str]) -> pa.Schema:
    """The schema of geopandas, without the bounding box, which is not known before all rows are written."""
    file = BytesIO()
    _with_features(points.iloc[:1], names, np.zeros((len(points.iloc[:1]), len(names)), np.float32)).to_parquet(
        file, index=False
    )
    schema = parquet.read_schema(file)
    geo = json.loads(schema.metadata[b"geo"])
    for column in geo["columns"].values():
        column.pop("bbox", None)
    return schema.with_metadata({b"geo": json.dumps(geo).encode()})


def _merge_parquet(paths: Sequence[Path], path: Path) -> None:
    """Concatenate GeoParquet files; tables without rows are skipped, since their text columns have no type."""
    schemas = {}
    for one in paths:
        with _read_errors(one), parquet.ParquetFile(one) as file:
            schemas[one] = file.schema_arrow, file.metadata.num_rows
    filled = [one for one in paths if schemas[one][1]] or paths[:1]
    schema = schemas[filled[0]][0]
    with parquet.ParquetWriter(path, schema) as writer:
        for one in filled:
            with _read_errors(one), parquet.ParquetFile(one) as file:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group).cast(schema))
