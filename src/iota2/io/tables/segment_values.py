"""Values of the features of segments, passed from their computation to training and classification.

A Parquet file has a row for each segment, in ascending order of numbers, and a float32 column for each value.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Literal

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from iota2.core.files import require_regular
from iota2.errors import InputError
from iota2.io.files.atomic import replacing

GROUP_BYTES = 16 << 20
"""Bytes of a row group, which is the unit of reading and writing."""
_NUMBERS: dict[str, np.dtype] = {"segment": np.dtype("uint32"), "pixels": np.dtype("int64"), "seen": np.dtype("int64")}
"""Columns before the values."""
_REMEDY = "Compute the values of the segments again"


@dataclass(frozen=True, eq=False)
class SegmentValues:
    """Values of some segments."""

    segment: np.ndarray
    """(segment,) uint32: number of the segment."""
    pixels: np.ndarray
    """(segment,) int64: its pixels."""
    seen: np.ndarray
    """(segment,) int64: its pixels whose features count."""
    values: np.ndarray
    """(segment, name) float32."""

    def take(self, rows: np.ndarray) -> SegmentValues:
        """The segments at some positions, or where ``rows`` is True."""
        return SegmentValues(*(getattr(self, one.name)[rows] for one in fields(self)))


class SegmentValuesWriter:
    """Writes segments that are added in any order; made by ``segment_values_writer``."""

    def __init__(self, names: Sequence[str], scratch: IO[bytes]) -> None:
        """``scratch``: an empty file for the values, in the order in which they are added."""
        self._names, self._scratch = list(names), scratch
        self._numbers = [tuple(np.zeros(0, kind) for kind in _NUMBERS.values())]

    def add(self, found: SegmentValues) -> None:
        """Add some segments. ValueError if they do not have a value for each name."""
        if found.values.shape != (len(found.segment), len(self._names)):
            raise ValueError(f"values {found.values.shape} of {len(found.segment)} segments, {len(self._names)} names")
        self._numbers.append((found.segment, found.pixels, found.seen))
        self._scratch.write(np.ascontiguousarray(found.values, np.float32).data)

    def write(self, path: Path) -> None:
        """Write all segments in ascending order. ValueError if a segment was added twice."""
        numbers = [np.concatenate(column) for column in zip(*self._numbers, strict=True)]
        order = np.argsort(numbers[0], kind="stable")
        twice = np.flatnonzero(np.diff(numbers[0][order].astype(np.int64)) == 0)
        if len(twice):
            raise ValueError(f"segment {numbers[0][order[twice[0]]]} was added twice")
        schema = pa.schema(
            [(name, pa.from_numpy_dtype(kind)) for name, kind in _NUMBERS.items()]
            + [(name, pa.float32()) for name in self._names]
        )
        self._scratch.flush()
        with parquet.ParquetWriter(
            path, schema, compression="none", use_dictionary=False, write_statistics=["segment"]
        ) as writer:
            for begin in range(0, len(order), self._group_rows):
                some = order[begin : begin + self._group_rows]
                columns = [*(column[some] for column in numbers), *np.ascontiguousarray(self._values(some).T)]
                writer.write_batch(pa.record_batch([pa.array(one) for one in columns], schema=schema))

    @property
    def _group_rows(self) -> int:
        row = sum(kind.itemsize for kind in _NUMBERS.values()) + 4 * len(self._names)
        return max(1, GROUP_BYTES // row)

    def _values(self, rows: np.ndarray) -> np.ndarray:
        """(row, name) float32: some rows of the scratch file, which is mapped only meanwhile, to limit the memory."""
        shape = sum(len(segment) for segment, *_ in self._numbers), len(self._names)
        if not shape[0] or not shape[1]:
            return np.zeros((len(rows), shape[1]), np.float32)
        found: np.ndarray = np.memmap(self._scratch, np.float32, "r", shape=shape)[rows]
        return np.array(found)


@contextmanager
def segment_values_writer(path: Path, names: Sequence[str]) -> Iterator[SegmentValuesWriter]:
    """A writer of segments with a value for each of ``names``; the file is written when the body succeeds.

    Equal segments, added in any order, give equal bytes. Values are in an unnamed temporary file until then, so that
    memory does not depend on their number.
    """
    with tempfile.TemporaryFile() as scratch:
        writer = SegmentValuesWriter(names, scratch)
        yield writer
        with replacing(path) as part:
            writer.write(part)


def read_batches(path: Path, names: Sequence[str]) -> Iterator[SegmentValues]:
    """Yield all segments in ascending order, with the values of ``names`` in this order, about 16 MiB at a time.

    InputError if the file is missing or damaged, or lacks a column.
    """
    with _opened(path) as file:
        _require_columns(path, file, names)
        for group in range(file.num_row_groups):
            yield _read_group(file, group, names)


def read_segments(path: Path, segments: np.ndarray, names: Sequence[str]) -> SegmentValues:
    """Those of ``segments`` that are in the file, in ascending order, with the values of ``names`` in this order.

    Row groups without any of them are not read. Errors as in ``read_batches``.
    """
    wanted = np.unique(segments)
    found = [[*(np.zeros(0, kind) for kind in _NUMBERS.values()), np.zeros((0, len(names)), np.float32)]]
    with _opened(path) as file:
        _require_columns(path, file, names)
        for group in range(file.num_row_groups):
            limits = file.metadata.row_group(group).column(0).statistics
            first, last = np.searchsorted(wanted, limits.min), np.searchsorted(wanted, limits.max, side="right")
            if first < last:
                whole = _read_group(file, group, names)
                rows = np.isin(whole.segment, wanted[first:last], assume_unique=True)
                found.append([getattr(whole, one.name)[rows] for one in fields(whole)])
    return SegmentValues(*(np.concatenate(column) for column in zip(*found, strict=True)))


class ValuesByNumber:
    """Values of segments for reading in any order; made by ``values_by_number``."""

    def __init__(self, scratch: IO[bytes], shape: tuple[int, int]) -> None:
        """``scratch``: an empty file; ``shape``: largest number of a segment, and number of values."""
        self._scratch, self._shape, self._known = scratch, shape, np.zeros(shape[0], bool)
        _reserve(scratch, 4 * shape[0] * shape[1])

    def add(self, found: SegmentValues) -> None:
        """Add some segments."""
        rows = found.segment.astype(np.int64) - 1
        if len(rows):
            self._values("r+")[rows] = found.values
            self._known[rows] = True

    def of(self, numbers: np.ndarray) -> np.ndarray:
        """(segment, name) float32: the values of some numbers (segment,); NaN for segments that were not added."""
        values = np.full((len(numbers), self._shape[1]), np.nan, np.float32)
        known = self._known[numbers - 1]
        if known.any():
            values[known] = self._values("r")[numbers[known] - 1]
        return values

    def _values(self, mode: Literal["r", "r+"]) -> np.memmap:
        """All values; they are mapped only while some are used, to limit the memory."""
        return np.memmap(self._scratch, np.float32, mode, shape=self._shape)


def _reserve(file: IO[bytes], size: int) -> None:
    """Set the size of an empty file, and allocate its blocks: a full disk would end the process when it is mapped."""
    if size and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)


@contextmanager
def values_by_number(paths: Iterable[Path], names: Sequence[str], largest: int) -> Iterator[ValuesByNumber]:
    """The values of ``names`` of all segments in some files, for reading in any order.

    ``largest``: largest number of a segment. Each file is read once, to an unnamed temporary file of 4 bytes for each
    value and number (in the folder ``TMPDIR``): to read scattered segments from the files would decode them again and
    again. Errors as in ``read_batches``; OSError if the disk is full.
    """
    with tempfile.TemporaryFile() as scratch:
        values = ValuesByNumber(scratch, (largest, len(names)))
        for path in paths:
            for found in read_batches(path, names):
                values.add(found)
        yield values


def _read_group(file: parquet.ParquetFile, group: int, names: Sequence[str]) -> SegmentValues:
    table = file.read_row_group(group, columns=[*_NUMBERS, *names])
    values = np.empty((table.num_rows, len(names)), np.float32)
    for column, name in zip(values.T, names, strict=True):
        column[:] = table[name].to_numpy()
    segment, pixels, seen = (table[name].to_numpy() for name in _NUMBERS)
    return SegmentValues(segment, pixels, seen, values)


@contextmanager
def _opened(path: Path) -> Iterator[parquet.ParquetFile]:
    """The open file; errors of opening and reading it become InputError."""
    try:
        require_regular(path)
        with parquet.ParquetFile(path) as file:
            if file.schema_arrow.names[: len(_NUMBERS)] != list(_NUMBERS):
                raise ValueError(f"its first columns are not {', '.join(_NUMBERS)}")
            yield file
    except FileNotFoundError as err:
        raise InputError(f"{path}: does not exist. {_REMEDY}") from err
    except (OSError, ValueError, pa.ArrowException) as err:
        reason = " ".join(str(err).split())  # those of Arrow have several lines
        raise InputError(f"{path}: cannot be read as values of segments ({reason}). {_REMEDY}") from err


def _require_columns(path: Path, file: parquet.ParquetFile, names: Sequence[str]) -> None:
    known = set(file.schema_arrow.names)
    missing = [name for name in names if name not in known]
    if missing:
        raise InputError(f"{path}: lacks {len(missing)} of {len(names)} columns (first: {missing[0]}). {_REMEDY}")
