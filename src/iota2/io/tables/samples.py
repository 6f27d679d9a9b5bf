"""Chunked reading of columns of sample tables into arrays."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike
from pyarrow import parquet

from iota2.errors import InputError
from iota2.io.tables.vectors import TABLE

ROWS_PER_READ = 1024
"""Number of rows of an SQLite table that are read at once."""
COLUMNS_PER_READ = 16
"""Number of columns of a GeoParquet file that are read at once; as float32, 16 values fill a cache line."""


def read_columns(path: Path, columns: Sequence[str], dtype: DTypeLike = np.float32) -> np.ndarray:
    """(row, column) contiguous array of the given columns from a file of ``write_samples``, in the order of the file.

    Null values are NaN. Little additional memory is needed. Raises InputError when the file is missing or damaged,
    lacks a column, or has null values and ``dtype`` is an integer type.
    """
    if not path.is_file():
        raise InputError(f"{path}: does not exist. Extract the samples again")
    read = {".sqlite": _read_sqlite, ".parquet": _read_parquet}[path.suffix]
    try:
        return read(path, columns, np.dtype(dtype))
    except (sqlite3.Error, pa.ArrowException, OSError, TypeError, ValueError) as err:
        raise InputError(f"{path}: cannot be read as a table of samples ({err}). Extract the samples again") from err


def column_names(path: Path) -> list[str]:
    """Names of the attributes of a file of ``write_samples``, without identifier and geometry; InputError as above."""
    if not path.is_file():
        raise InputError(f"{path}: does not exist. Extract the samples again")
    try:
        if path.suffix == ".parquet":
            names = list(parquet.read_schema(path).names)
        else:
            with closing(sqlite3.connect(immutable_uri(path), uri=True)) as connection:
                names = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({TABLE})")]
    except (sqlite3.Error, pa.ArrowException, OSError) as err:
        raise InputError(f"{path}: cannot be read as a table of samples ({err}). Extract the samples again") from err
    return [name for name in names if name.lower() not in ("ogc_fid", "geometry")]


def _read_sqlite(path: Path, columns: Sequence[str], dtype: np.dtype) -> np.ndarray:
    """Read chunks of rows, since SQLite stores row by row."""
    with closing(sqlite3.connect(immutable_uri(path), uri=True)) as connection:
        _require(columns, [name for _, name, *_ in connection.execute(f"PRAGMA table_info({TABLE})")], path)
        count = connection.execute(f"SELECT COUNT(*) FROM {TABLE}").fetchone()[0]
        values = np.empty((count, len(columns)), dtype)
        rows = connection.execute(f"SELECT {quoted_columns(columns)} FROM {TABLE} ORDER BY ogc_fid")
        for first in range(0, count, ROWS_PER_READ):
            values[first : first + ROWS_PER_READ] = rows.fetchmany(ROWS_PER_READ)
    return values


def immutable_uri(path: Path) -> str:
    """URI by which SQLite opens a file as immutable, without a lock."""
    return f"{path.resolve().as_uri()}?mode=ro&immutable=1"


def quoted_columns(columns: Sequence[str]) -> str:
    """Column names quoted for SQL and separated by commas."""
    return ", ".join('"{}"'.format(name.replace('"', '""')) for name in columns)


def _read_parquet(path: Path, columns: Sequence[str], dtype: np.dtype) -> np.ndarray:
    """Read chunks of columns, since Parquet stores column by column."""
    with parquet.ParquetFile(path) as file:
        _require(columns, file.schema_arrow.names, path)
        values = np.empty((file.metadata.num_rows, len(columns)), dtype)
        for first in range(0, len(columns), COLUMNS_PER_READ):
            names = list(columns[first : first + COLUMNS_PER_READ])
            table = file.read(names, use_threads=False)
            for k, name in enumerate(names, first):
                if table[name].null_count and dtype.kind != "f":
                    raise TypeError(f"a row without {name}")
                values[:, k] = table[name].to_numpy()
    return values


def _require(columns: Collection[str], found: Collection[str], path: Path) -> None:
    missing = [name for name in columns if name not in set(found)]
    if missing:
        raise InputError(
            f"{path}: lacks column {missing[0]!r} ({len(missing)} of {len(columns)} expected columns are missing). "
            "Extract the samples again with the current configuration"
        )
