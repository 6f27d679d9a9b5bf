"""Polygons of a shapefile, GeoPackage, SQLite or GeoJSON file, read in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
from pyogrio.raw import open_arrow
from pyproj import CRS

from iota2.errors import InputError
from iota2.io.tables.polygon_batches import (
    SAMPLE_SIZE,
    SCAN_SIZE,
    Bounds,
    PolygonBatch,
    SegmentsHeader,
    batch,
    lacks_geometry,
    require_polygons,
)
from iota2.io.tables.polygon_ids import NUMBERS, TEXT, id_column
from iota2.io.tables.vector_crs import require_no_degrees
from iota2.io.tables.vectors import OpenLayer, open_layer, read_open_layer, reading_errors


@contextmanager
def vector_polygons(path: str | Path, id_field: str | None) -> Iterator[VectorPolygons]:
    """The layer of polygons that ``path`` selects; see ``read_vector`` for formats and errors.

    InputError, too, for a layer of other geometries or without features, and for an unsuitable ``id_field``.
    """
    with open_layer(path) as opened:
        yield VectorPolygons(*_header(opened, id_field), opened)


def _header(opened: OpenLayer, id_field: str | None) -> tuple[SegmentsHeader, str]:
    """The header, and the column of the feature numbers; empty for files that do not store them."""
    sample = read_open_layer(opened, columns=[], max_features=SAMPLE_SIZE)
    if sample.empty:
        raise InputError(f"{opened.file}: layer {opened.name!r} has no features; expected polygons")
    require_no_degrees(sample, opened.file)
    with reading_errors(opened):
        info = pyogrio.read_info(opened.source, layer=opened.name, force_total_bounds=True)
    require_polygons([info["geometry_type"] or "Unknown"], opened.file)
    contents = {name: _content(kind) for name, kind in zip(info["fields"], info["dtypes"], strict=True)}
    name, notes = id_column(id_field, contents, opened.file)
    bounds = info["total_bounds"]
    known = bounds is not None and bool(np.isfinite(bounds).all())
    around: Any = tuple(map(float, bounds)) if known else None
    header = SegmentsHeader(opened.file, CRS.from_user_input(sample.crs), around, name, notes)
    return header, info["fid_column"]


def _content(kind: str) -> str:
    """Content of a column, for ``id_column``, from the name of its data type in pyogrio."""
    if kind.startswith("list"):
        return "lists"
    other = {"b": "true and false", "M": "dates", "O": TEXT}
    return other.get(np.dtype(kind).kind, NUMBERS)


@dataclass(frozen=True)
class VectorPolygons:
    """A layer that GDAL reads; see ``PolygonLayer``."""

    header: SegmentsHeader
    fid_column: str
    """Column of the feature numbers; empty if the file does not store them."""
    opened: OpenLayer

    def without_geometry(self) -> int:
        """See PolygonLayer."""
        return self._scan[1]

    def ids(self, *, geometry: bool) -> Iterator[tuple[pa.Array, np.ndarray]]:
        """See PolygonLayer."""
        column = self.header.id_column
        assert column is not None, "the layer has a column of ids"
        for names, found in self._arrow([column], None, SCAN_SIZE, geometry=geometry):
            there = ~lacks_geometry(found.column(names[1])) if geometry else np.ones(len(found), bool)
            yield found.column(column), there

    def batches(self, around: Bounds | None, size: int) -> Iterator[PolygonBatch]:
        """See PolygonLayer."""
        column = self.header.id_column
        rows = self._scan[0]
        for names, found in self._arrow([column] if column else [], around, size):
            ids = found.column(column) if column else None
            yield batch(self.header, rows.of(found.column(names[0]).to_numpy()), found.column(names[1]), ids)

    @cached_property
    def _scan(self) -> tuple[RowNumbers, int]:
        """Row numbers of all features, and the number of those without geometry.

        With a spatial filter, GDAL returns features in the order of an index, and none without geometry.
        """
        rows, missing = RowNumbers(), 0
        for names, found in self._arrow([], None, SCAN_SIZE):
            rows.append(found.column(names[0]).to_numpy())
            missing += int(lacks_geometry(found.column(names[1])).sum())
        return rows, missing

    def _arrow(
        self, columns: Sequence[str], around: Bounds | None, size: int, *, geometry: bool = True
    ) -> Iterator[tuple[tuple[str, str], pa.RecordBatch]]:
        """Tables with the columns, and the names of their columns of feature number and geometry.

        Without ``around``, features are in the order of the file.
        """
        # without any filter, GDAL returns wrong numbers if the file states a wrong number of features
        every = self.fid_column.replace('"', '""')
        with (
            reading_errors(self.opened),
            _arrow_errors(self.opened),
            open_arrow(
                self.opened.source,
                layer=self.opened.name,
                columns=list(columns),
                bbox=around,
                read_geometry=geometry,
                where=f'"{every}" IS NOT NULL' if every and around is None else None,
                return_fids=True,
                batch_size=size,
                use_pyarrow=True,
            ) as (meta, reader),
        ):
            names: Any = (meta["fid_column"] or "OGC_FID", meta["geometry_name"] or "wkb_geometry")
            for found in reader:
                yield names, found


@contextmanager
def _arrow_errors(opened: OpenLayer) -> Iterator[None]:
    """Raise InputError for errors of GDAL that pyarrow passes on: OSErrors without a number, and its own ones."""
    try:
        yield
    except (OSError, pa.ArrowException) as err:
        if isinstance(err, OSError) and err.errno is not None:
            raise
        raise InputError(
            f"{opened.file}: layer {opened.name!r} cannot be read ({err}). The file is damaged: create or copy it again"
        ) from err


@dataclass
class RowNumbers:
    """Number of the row, from 1, of each feature number of GDAL; features are stored as runs of successive numbers."""

    _features: list[int] = field(default_factory=list)
    """First feature number of each run."""
    _rows: list[int] = field(default_factory=list)
    """Row of the first feature of each run."""
    _next_feature: int = -1
    _next_row: int = 1

    def append(self, features: np.ndarray) -> None:
        """Add the feature numbers of further rows."""
        if not len(features):
            return
        starts = np.flatnonzero(features != np.concatenate([[self._next_feature], features[:-1] + 1]))
        self._features.extend(features[starts].tolist())
        self._rows.extend((starts + self._next_row).tolist())
        self._next_feature, self._next_row = int(features[-1]) + 1, self._next_row + len(features)

    def of(self, features: np.ndarray) -> np.ndarray:
        """(feature,) int64 rows of features."""
        first, rows = np.array(self._features, np.int64), np.array(self._rows, np.int64)
        order = np.argsort(first)
        run = order[np.searchsorted(first, features, side="right", sorter=order) - 1]
        result: np.ndarray = rows[run] + features - first[run]
        return result
