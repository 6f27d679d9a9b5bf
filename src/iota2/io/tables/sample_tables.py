"""Chunked writing, merging and extension of sample tables, which can be larger than memory.

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
from shapely import from_wkb, get_coordinates, to_wkb

from iota2.core.tables import AUGMENTED
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


def row_count(path: Path) -> int:
    """Number of rows of a table. InputError as for merging."""
    return {".sqlite": _rows, ".parquet": _parquet_rows}[path.suffix](path)


def append_rows(path: Path, others: Sequence[tuple[Path, np.ndarray]], target: Path) -> None:
    """Write the table ``path`` followed by some rows of other tables with the same columns, with little memory.

    ``others``: tables with the positions of their rows, ascending. Errors are those of ``merge_tables``.
    """
    append = {".sqlite": _append_sqlite, ".parquet": _append_parquet}[target.suffix]
    with replacing(target) as part:
        append(path, others, part)


def append_samples(path: Path, names: Sequence[str], values: np.ndarray, parents: np.ndarray, target: Path) -> None:
    """Write the table ``path`` followed by new samples, with a last column ``augmented``: 0, and 1 for new samples.

    ``names``: names of the features. ``values``: (new, feature) array. ``parents``: for each new sample, the position
    of the sample from which it gets its point and its other attributes. Errors are those of ``merge_tables``.
    """
    append = {".sqlite": _append_samples_sqlite, ".parquet": _append_samples_parquet}[target.suffix]
    with replacing(target) as part:
        append(path, names, values, parents, part)


def read_points(path: Path) -> np.ndarray:
    """(row, 2) float64: coordinates of the points of a table, in the order of the file. InputError as for merging."""
    with _read_errors(path):
        if path.suffix == ".parquet":
            shapes = parquet.read_table(path, columns=["geometry"])["geometry"].to_numpy()
        else:
            with closing(sqlite3.connect(immutable_uri(path), uri=True)) as connection:
                shapes = [row[0] for row in connection.execute(f"SELECT GEOMETRY FROM {TABLE} ORDER BY ogc_fid")]
        return get_coordinates(from_wkb(shapes)).reshape(-1, 2)


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


def _append_sqlite(path: Path, others: Sequence[tuple[Path, np.ndarray]], target: Path) -> None:
    """Copy the table, and insert the rows of the other tables by their identifiers.

    A table without rows is replaced by an emptied copy of another one, since its text columns have no type.
    """
    typed = path if _rows(path) else next((one for one, rows in others if len(rows)), path)
    shutil.copyfile(typed, target)
    with _opened(target) as connection:
        if typed != path:
            connection.execute(f"DELETE FROM {TABLE}")
            connection.execute("VACUUM")
        names = _columns(connection, "main")
        columns = quoted_columns([name for name in names if name != "ogc_fid"])
        for one, rows in others:
            with _read_errors(one):
                connection.execute("ATTACH ? AS other", (immutable_uri(one),))
                if set(_columns(connection, "other")) != set(names):
                    raise ValueError("its columns differ from those of the other tables")
                insert = f"INSERT INTO main.{TABLE} ({columns}) SELECT {columns} FROM other.{TABLE} WHERE ogc_fid = ?"
                identifiers = _identifiers(connection, "other")
                connection.execute("BEGIN")
                connection.executemany(insert, ((identifiers[row],) for row in rows.tolist()))
                connection.execute("COMMIT")
                connection.execute("DETACH other")


def _append_samples_sqlite(
    path: Path, names: Sequence[str], values: np.ndarray, parents: np.ndarray, target: Path
) -> None:
    """Copy the table, add the column, and insert new samples with the attributes of their parents."""
    _rows(path)
    shutil.copyfile(path, target)
    with _opened(target) as connection:
        features = set(names)
        kept = [name for name in _columns(connection, "main") if name not in features and name != "ogc_fid"]
        connection.execute(f"ALTER TABLE {TABLE} ADD COLUMN {AUGMENTED} INTEGER NOT NULL DEFAULT 0")
        columns = quoted_columns([*kept, *names, AUGMENTED])
        found = f"SELECT {quoted_columns(kept)}, {', '.join('?' * len(names))}, 1 FROM {TABLE} WHERE ogc_fid = ?"
        identifiers = _identifiers(connection, "main")
        connection.execute("BEGIN")
        for first in range(0, len(values), ROWS_PER_READ):
            some = slice(first, first + ROWS_PER_READ)
            pairs = zip(values[some].tolist(), parents[some].tolist(), strict=True)
            rows = ((*features_of_row, identifiers[parent]) for features_of_row, parent in pairs)
            connection.executemany(f"INSERT INTO {TABLE} ({columns}) {found}", rows)
        connection.execute("COMMIT")


def _identifiers(connection: sqlite3.Connection, database: str) -> list[int]:
    """Identifiers of the rows in the order of the file."""
    return [row[0] for row in connection.execute(f"SELECT ogc_fid FROM {database}.{TABLE} ORDER BY ogc_fid")]


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


def _append_parquet(path: Path, others: Sequence[tuple[Path, np.ndarray]], target: Path) -> None:
    """Concatenate the table and rows of the others, with the schema of the first one that has rows."""
    whole = [(path, np.arange(_parquet_rows(path))), *others]
    filled = [(one, rows) for one, rows in whole if len(rows)] or whole[:1]
    with parquet.ParquetFile(filled[0][0]) as file:
        schema = file.schema_arrow
    with parquet.ParquetWriter(target, schema) as writer:
        for one, rows in filled:
            with _read_errors(one), parquet.ParquetFile(one) as file:
                first = 0
                for group in range(file.num_row_groups):
                    end = first + file.metadata.row_group(group).num_rows
                    within = rows[np.searchsorted(rows, first) : np.searchsorted(rows, end)] - first
                    if len(within) or not len(rows):
                        writer.write_table(file.read_row_group(group).take(pa.array(within)).cast(schema))
                    first = end


def _append_samples_parquet(
    path: Path, names: Sequence[str], values: np.ndarray, parents: np.ndarray, target: Path
) -> None:
    """Copy the table with the new column, then write new samples with the attributes of their parents."""
    with _read_errors(path), parquet.ParquetFile(path) as file:
        schema = file.schema_arrow.append(pa.field(AUGMENTED, pa.int8()))
        position = {name: k for k, name in enumerate(names)}
        kept = file.read([name for name in file.schema_arrow.names if name not in position])
        with parquet.ParquetWriter(target, schema) as writer:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                flag = pa.array(np.zeros(len(table), np.int8))
                writer.write_table(table.append_column(AUGMENTED, flag).cast(schema))
            for first in range(0, len(values), ROWS_PER_GROUP):
                some = slice(first, first + ROWS_PER_GROUP)
                rows = kept.take(pa.array(parents[some])).append_column(
                    AUGMENTED, pa.array(np.ones(len(parents[some]), np.int8))
                )
                columns = [
                    pa.array(values[some, position[name]]) if name in position else rows[name] for name in schema.names
                ]
                writer.write_table(pa.table(columns, names=schema.names).cast(schema))


def _parquet_rows(path: Path) -> int:
    """Number of rows of a GeoParquet table."""
    with _read_errors(path), parquet.ParquetFile(path) as file:
        return int(file.metadata.num_rows)
