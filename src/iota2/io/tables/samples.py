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

ROWS_TOGETHER = 1024
"""Rows of an SQLite table read at once."""
COLUMNS_TOGETHER = 16
"""Columns of a GeoParquet file read at once; as float32 they fill a cache line."""


def read_columns(path: Path, columns: Sequence[str], dtype: DTypeLike = np.float32) -> np.ndarray:
    """(row, column) contiguous array from a file of ``write_samples``, in the order of the file.

    A null is NaN, and an error when whole numbers are asked for. Additional memory is small. Raises
    InputError when the file is missing or damaged, or has no such column.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    read = {".sqlite": _read_sqlite, ".parquet": _read_parquet}[path.suffix]
    try:
        return read(path, columns, np.dtype(dtype))
    except (sqlite3.Error, pa.ArrowException, OSError, TypeError, ValueError) as err:
        raise InputError(f"{path}: cannot be read as a table of samples ({err}). Extract the samples again") from err


def _read_sqlite(path: Path, columns: Sequence[str], dtype: np.dtype) -> np.ndarray:
    """By chunks of rows: SQLite stores row by row."""
    with closing(sqlite3.connect(unchanging(path), uri=True)) as connection:
        _require(columns, [name for _, name, *_ in connection.execute(f"PRAGMA table_info({TABLE})")], path)
        count = connection.execute(f"SELECT COUNT(*) FROM {TABLE}").fetchone()[0]
        values = np.empty((count, len(columns)), dtype)
        rows = connection.execute(f"SELECT {listed(columns)} FROM {TABLE} ORDER BY ogc_fid")
        for first in range(0, count, ROWS_TOGETHER):
            values[first : first + ROWS_TOGETHER] = rows.fetchmany(ROWS_TOGETHER)
    return values


def unchanging(path: Path) -> str:
    """The URI of an SQLite file that is immutable: opened without a lock."""
    return f"{path.resolve().as_uri()}?mode=ro&immutable=1"


def listed(columns: Sequence[str]) -> str:
    """Column names quoted for SQL."""
    return ", ".join('"{}"'.format(name.replace('"', '""')) for name in columns)


def _read_parquet(path: Path, columns: Sequence[str], dtype: np.dtype) -> np.ndarray:
    """By chunks of columns: Parquet stores column by column."""
    with parquet.ParquetFile(path) as file:
        _require(columns, file.schema_arrow.names, path)
        values = np.empty((file.metadata.num_rows, len(columns)), dtype)
        for first in range(0, len(columns), COLUMNS_TOGETHER):
            names = list(columns[first : first + COLUMNS_TOGETHER])
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
            f"{path}: no column {missing[0]!r} ({len(missing)} of the {len(columns)} expected are missing). Extract "
            "the samples again with the present configuration"
        )
