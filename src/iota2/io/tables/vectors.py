"""Reading and writing of vector files and point tables: shapefile, GeoPackage, SQLite, GeoParquet."""

from __future__ import annotations

import errno
import os
import sqlite3
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import geopandas as gpd
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError
from pyproj.exceptions import CRSError
from shapely.errors import ShapelyError

from iota2.core.files import require_regular
from iota2.errors import InputError, OutputError, remedy_of, system_text
from iota2.io.files.atomic import ADDRESS_SEPARATORS, SHAPEFILE_SUFFIXES, replacing, replacing_shapefile
from iota2.io.tables.shapefiles import HEADER_BYTES, SHAPEFILE_SIGNATURE, require_whole, wrong_encoding
from iota2.io.tables.vector_crs import require_fitting_crs
from iota2.io.tables.vector_source import chosen_layer, vector_source

MAX_FIELD_NAME_BYTES = 10
"""Maximum size of a field name in a shapefile."""
MAX_TEXT_BYTES = 254
"""Maximum size of a text in a shapefile."""
TABLE = "output"
"""Name of the table in the SQLite files of a run."""
DBF_DATE = "2000-01-01"
"""Constant date of writing in shapefiles, so that equal content gives equal bytes."""
_SIGNATURES = {SHAPEFILE_SIGNATURE: "", b"SQLite format 3\0": "", b"{": "GeoJSON:"}
"""First bytes of the supported formats (shapefile; GeoPackage and SQLite; GeoJSON), and the prefix of a path for GDAL.

The prefix forces the GeoJSON driver: other text formats of GDAL may refer to other files and to the network.
"""
_BLANK = b"\xef\xbb\xbf \t\r\n"
"""Byte order mark and white space that may precede the first character of a text."""
_JOURNALS = ("-journal", "-wal", "-shm")
"""Suffixes of the journal files that SQLite opens with a database."""
_QUERY_COLUMNS = 3
"""Number of columns besides attributes in GDAL's queries on an SQLite table: rowid, ogc_fid, GEOMETRY."""


# ------------------------------------------------------------------------------------------ reading


def read_vector(path: str | Path, layer: str | None = None, columns: Sequence[str] | None = None) -> gpd.GeoDataFrame:
    """The features of a local vector file, in the order of the file; null values stay null.

    ``columns`` are the attributes to read; None reads all.

    ``path`` may select a layer, see ``vector_source``. Shapefile, GeoPackage, SQLite and GeoJSON are recognised by
    their content. Raises InputError for a missing file, another format, a missing or ambiguous layer, a missing or
    damaged file of a shapefile, a table without geometry, a missing CRS, or coordinates that contradict the CRS.
    """
    with open_layer(path, layer) as opened:
        return read_open_layer(opened, columns)


@dataclass(frozen=True)
class OpenLayer:
    """A layer of a vector file, as GDAL opens it."""

    file: Path
    """The file, for messages."""
    source: str
    """Data source of GDAL."""
    name: str


@contextmanager
def open_layer(path: str | Path, layer: str | None = None) -> Iterator[OpenLayer]:
    """The layer that ``read_vector`` reads; its source can be opened within the context. Raises InputError likewise."""
    source = vector_source(path)
    if layer is not None:
        source = replace(source, layer=layer)
    file = source.file
    # must come before GDAL, which would also open network addresses
    _require_files(file)
    prefix = _prefix(file)
    require_whole(file)
    with without_separators(file) as plain:
        yield OpenLayer(file, f"{prefix}{plain}", chosen_layer(f"{prefix}{plain}", source, file))


def read_open_layer(
    opened: OpenLayer, columns: Sequence[str] | None = None, max_features: int | None = None
) -> gpd.GeoDataFrame:
    """The features of a layer, or the first of them; see ``read_vector``."""
    with reading_errors(opened):
        frame = pyogrio.read_dataframe(opened.source, layer=opened.name, columns=columns, max_features=max_features)
    if not isinstance(frame, gpd.GeoDataFrame):
        raise InputError(
            f"{opened.file}: layer {opened.name!r} is a table without geometry; expected polygons or points"
        )
    require_fitting_crs(frame, opened.file)
    return frame


def _require_files(path: Path) -> None:
    """Raise InputError unless a vector file and its companions are readable regular files.

    Companions are the other files of a shapefile, with suffixes in lower or upper case, and the journals of a database.
    """
    if not os.path.lexists(path):
        raise InputError(f"{path}: does not exist")
    try:
        for member in (path, *_companions(path)):
            require_regular(member)
            if not os.access(member, os.R_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(member))
    except OSError as err:
        raise InputError(f"{path}: cannot be read as a vector file: {system_text(err)}") from err


def _companions(path: Path) -> Iterator[Path]:
    """The companion files of a vector file."""
    shapefile = path.suffix.lower() == ".shp"
    for name in sorted(os.listdir(path.parent)):
        end = name[len(path.stem) :].lower() if name.startswith(path.stem) else ""
        if (shapefile and end in SHAPEFILE_SUFFIXES) or name in {f"{path.name}{end}" for end in _JOURNALS}:
            yield path.with_name(name)


def _prefix(path: Path) -> str:
    """The prefix of the path for GDAL; InputError for an unsupported format."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
    except OSError as err:
        raise InputError(f"{path}: cannot be read as a vector file: {err.strerror}. {remedy_of(err)}") from err
    for content in (head, head.lstrip(_BLANK)):
        for start, prefix in _SIGNATURES.items():
            if content.startswith(start):
                return prefix
    main = next((other for other in (path.with_suffix(".shp"), path.with_suffix(".SHP")) if other.is_file()), None)
    raise InputError(
        f"{path}: cannot be read as a vector file: expected a shapefile (the .shp), a GeoPackage, SQLite or GeoJSON. "
        + (
            f"Use {main.name} in the same folder"
            if main
            else "Export it to one of these formats, or, if it has one of them, copy it again"
        )
    )


@contextmanager
def without_separators(path: Path) -> Iterator[Path]:
    """An equivalent path without ``;`` and ``!``, at which pyogrio would split it."""
    if not ADDRESS_SEPARATORS & set(str(path)):
        yield path
        return
    with TemporaryDirectory() as folder:
        here = Path(folder) / "here"
        here.symlink_to(path.parent.resolve())
        if not ADDRESS_SEPARATORS & set(path.name):
            yield here / path.name
            return
        for member in path.parent.resolve().iterdir():
            if member.name.startswith(f"{path.stem}."):
                (Path(folder) / f"data{member.name.removeprefix(path.stem)}").symlink_to(member)
        yield Path(folder) / f"data{path.suffix}"


@contextmanager
def reading_errors(opened: OpenLayer) -> Iterator[None]:
    """Raise InputError for the errors of pyogrio, GDAL and shapely while a layer is read."""
    path, layer = opened.file, opened.name
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Non closed ring detected", RuntimeWarning)  # also raises an error
            warnings.filterwarnings("ignore", "Could not parse column", UserWarning)  # GeoJSON column that stays text
            yield
    except UnicodeDecodeError as err:
        raise InputError(f"{path}: {wrong_encoding(path, err)}") from err
    except ShapelyError as err:  # GEOSException is one
        raise InputError(
            f"{path}: layer {layer!r} has a geometry that cannot be read ({err}). Repair the file (in QGIS: Fix "
            "geometries), or copy it again"
        ) from err
    except (UnboundLocalError, CRSError) as err:  # pyogrio raises UnboundLocalError when GDAL has no WKT
        raise InputError(
            f"{path}: the coordinate reference system cannot be read. Assign it to the file again (in QGIS: Layer, "
            "Set Layer CRS, then export; for a shapefile: restore its .prj)"
        ) from err
    except (DataSourceError, DataLayerError, FeatureError, FieldError, GeometryError) as err:
        raise InputError(f"{path}: layer {layer!r} cannot be read ({err})") from err


def read_sqlite(path: str | Path, table: str = TABLE, columns: Sequence[str] | None = None) -> gpd.GeoDataFrame:
    """The rows of a file of ``write_sqlite``, in the order of the file; all real numbers are float64.

    ``columns`` are the attributes to read; None reads all.
    """
    return read_vector(path, table, columns)


def read_parquet(path: str | Path, columns: Sequence[str] | None = None) -> gpd.GeoDataFrame:
    """The rows of a file of ``write_parquet``; InputError for another format.

    ``columns`` are the attributes to read; None reads all.
    """
    if not Path(path).exists():
        raise InputError(f"{path}: does not exist")
    try:
        require_regular(path)
        return gpd.read_parquet(path, columns=None if columns is None else [*columns, "geometry"])
    except OSError as err:
        raise InputError(f"{path}: cannot be read as GeoParquet: {err.strerror or err}. {remedy_of(err)}") from err
    except ValueError as err:
        raise InputError(f"{path}: cannot be read as GeoParquet ({err})") from err


# ------------------------------------------------------------------------------------------ writing


def write_shapefile(frame: gpd.GeoDataFrame, path: str | Path, *, empty_type: str = "Polygon") -> Mapping[str, str]:
    """Write a shapefile (UTF-8; equal frames give equal bytes) and return the field name of each column.

    Names longer than 10 bytes are shortened by ``field_names``. A frame without rows is written with all its fields and
    the geometry type ``empty_type``. Raises OutputError for texts that are too long for a shapefile.
    """
    columns = [str(name) for name in frame.columns if name != frame.geometry.name]
    fields = field_names(columns)
    _check_texts(frame, columns, path)
    with replacing_shapefile(path) as part, without_separators(part) as plain:
        pyogrio.write_dataframe(
            frame.rename(columns=fields),
            plain,
            driver="ESRI Shapefile",
            layer_options={"DBF_DATE_LAST_UPDATE": DBF_DATE, "ENCODING": "UTF-8"},
            **_geometry_type(frame, empty_type),
        )
        if not _is_whole(Path(plain), len(frame)):
            raise OutputError(f"{path}: cannot be written completely. Is the disk full?")
    return fields


def _is_whole(path: Path, rows: int) -> bool:
    """Whether the sizes of the files match their headers: GDAL reports no error when closing fails."""
    sizes, heads = {}, {}
    for member in path.parent.glob(f"{path.stem}.*"):
        sizes[member.suffix] = member.stat().st_size
        with open(member, "rb") as file:
            heads[member.suffix] = file.read(HEADER_BYTES).ljust(HEADER_BYTES, b"\0")
    main, index = (2 * int.from_bytes(heads[suffix][24:28], "big") for suffix in (".shp", ".shx"))
    count, header, width = (int.from_bytes(heads[".dbf"][a:b], "little") for a, b in ((4, 8), (8, 10), (10, 12)))
    return (
        (main, index) == (sizes[".shp"], sizes[".shx"])
        and index == HEADER_BYTES + 8 * rows
        and count == rows
        and sizes[".dbf"] >= header + rows * width > 0
        and all(sizes.values())
    )


def field_names(columns: Iterable[str]) -> dict[str, str]:
    """Unique shapefile field names of at most 10 bytes, by column.

    Names that fit are kept. Others are shortened, and get a suffix _1, _2 … if the shortened name is already used in
    upper or lower case.
    """
    columns = list(columns)
    fitting = [name for name in columns if len(name.encode()) <= MAX_FIELD_NAME_BYTES]
    fields: dict[str, str] = {}
    taken: set[str] = set()
    for name in [*fitting, *(name for name in columns if name not in fitting)]:
        candidate, number = _cut(name, MAX_FIELD_NAME_BYTES), 0
        while candidate.lower() in taken:
            number += 1
            ending = f"_{number}"
            candidate = _cut(name, MAX_FIELD_NAME_BYTES - len(ending)) + ending
        taken.add(candidate.lower())
        fields[name] = candidate
    return {name: fields[name] for name in columns}


def _cut(name: str, size: int) -> str:
    """The longest start of ``name`` with at most ``size`` bytes, without blanks at its end, which GDAL removes."""
    return name.encode()[:size].decode(errors="ignore").rstrip()


def _check_texts(frame: gpd.GeoDataFrame, columns: list[str], path: str | Path) -> None:
    for name in columns:
        for text in frame[name]:
            if isinstance(text, str) and len(text.encode()) > MAX_TEXT_BYTES:
                raise OutputError(
                    f"{path}: {name} contains a text of {len(text.encode())} bytes ({text[:40]!r}…); the maximum in a "
                    f"shapefile is {MAX_TEXT_BYTES}. Shorten it"
                )


def write_sqlite(frame: gpd.GeoDataFrame, path: str | Path, table: str = TABLE, *, empty_type: str = "Point") -> None:
    """Write an SQLite file of one table: ogc_fid, GEOMETRY (WKB), then the other columns of the frame.

    Equal frames give equal bytes. A frame without rows keeps its columns and gets the geometry type ``empty_type``.
    Raises OutputError for more than ``sqlite_max_columns`` columns.
    """
    attributes = len(frame.columns) - 1
    if attributes > sqlite_max_columns():
        raise OutputError(
            f"{path}: has {attributes} columns, an SQLite table at most {sqlite_max_columns()}. Write GeoParquet"
        )
    with replacing(path) as part, without_separators(part) as plain:
        pyogrio.write_dataframe(
            frame,
            plain,
            layer=table,
            driver="SQLite",
            dataset_options={"SPATIALITE": "NO"},
            layer_options={"FID": "ogc_fid", "GEOMETRY_NAME": "GEOMETRY", "LAUNDER": "NO"},
            **_geometry_type(frame, empty_type),
        )


def sqlite_max_columns() -> int:
    """Maximum number of attributes of an SQLite table, without identifier and geometry."""
    with closing(sqlite3.connect(":memory:")) as connection:
        return connection.getlimit(sqlite3.SQLITE_LIMIT_COLUMN) - _QUERY_COLUMNS


def _geometry_type(frame: gpd.GeoDataFrame, empty_type: str) -> dict[str, Any]:
    """Writer options with the geometry type; polygons and multipolygons together become a layer of multipolygons."""
    if len(frame) == 0:
        return {"geometry_type": empty_type}
    kinds = {kind.removeprefix("Multi") for kind in frame.geometry.geom_type.unique()}
    multi = frame.geometry.geom_type.str.startswith("Multi").any()
    return {"geometry_type": "Multi" * bool(multi) + kinds.pop()} if len(kinds) == 1 else {}


def write_parquet(frame: gpd.GeoDataFrame, path: str | Path) -> None:
    """Write a GeoParquet file; equal frames give equal bytes."""
    with replacing(path) as part:
        frame.to_parquet(part, index=False)


def write_samples(frame: gpd.GeoDataFrame, path: str | Path) -> None:
    """Write points with features to an SQLite (``.sqlite``) or GeoParquet (``.parquet``) file."""
    {".sqlite": write_sqlite, ".parquet": write_parquet}[Path(path).suffix](frame, path)


def read_samples(path: str | Path, columns: Sequence[str] | None = None) -> gpd.GeoDataFrame:
    """The points with features from a file of ``write_samples``; ``columns``: attributes to read, None for all."""
    if Path(path).suffix == ".parquet":
        return read_parquet(path, columns)
    return read_sqlite(path, columns=columns)
