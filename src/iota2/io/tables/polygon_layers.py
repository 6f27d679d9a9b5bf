"""Polygons in formats of other programs: GeoPackage, zipped shapefile, FlatGeobuf, PMTiles."""

from __future__ import annotations

import csv
import io
import logging
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import geopandas as gpd
import pyarrow as pa
import pyogrio
from pyproj import CRS

from iota2.core.grid import short_crs
from iota2.core.words import spreadsheet_safe
from iota2.io.files.atomic import remove, replacing, temporary_path, write_text
from iota2.io.tables.polygon_tables import (
    GEOMETRY,
    KIND,
    RowGroup,
    arrow_table,
    polygon_groups,
    polygon_header,
    polygon_rows,
)
from iota2.io.tables.vectors import DBF_DATE, field_names, sqlite_max_columns, without_separators

_POLYGON_BYTES = 800
"""Bytes of a polygon with its identifiers, class and index in a GeoPackage, in estimates."""
_DATE = "2000-01-01T00:00:00.000Z"
"""Constant date of writing in GeoPackages, so that equal content gives equal bytes."""
_GEOPACKAGE_VERSION = "1.2"
"""Version of the format; older QGIS warns of a later one."""
MAX_SHAPEFILE_BYTES = 1_900_000_000
"""Largest size of geometries, and of attributes, of a shapefile: many programs read 2 GiB at most."""
_FIELD_BYTES = 80
"""Bytes of a field of a shapefile, at most; texts of up to 80 bytes are stored with this size."""
_ZOOMS = {"MINZOOM": "5", "MAXZOOM": "13"}
"""Zoom levels of PMTiles: on the last one, a unit of the coordinates is about a metre."""
_STYLES = """
CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT, f_table_schema TEXT,
f_table_name TEXT, f_geometry_column TEXT, styleName TEXT, styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN,
description TEXT, owner TEXT, ui TEXT, update_time DATETIME)
"""
"""Table of styles of a GeoPackage as QGIS creates it: it opens a layer with its default style."""

log = logging.getLogger(__name__)


def geopackage_bytes(values: int) -> int:
    """Estimated bytes of a polygon with ``values`` in a GeoPackage, which stores float64 and an index."""
    return _POLYGON_BYTES + 9 * min(values, sqlite_max_columns())


def write_geopackage(source: Path, path: Path, layer: str, style: str = "") -> list[str]:
    """Write the rows of a file of ``write_polygons`` as a GeoPackage, and return the columns that do not fit.

    Equal content gives equal bytes. A GeoPackage has at most ``sqlite_max_columns`` columns, whose names differ not
    only in upper and lower case; the first columns are written. ``style``: text of a QGIS style, which is stored in
    the file.
    """
    crs, names, _ = polygon_header(source)
    kept = _fitting(names)
    _write_geopackage(polygon_rows(source, kept), crs, path, (layer, style))
    return [name for name in names if name not in kept]


def write_small_geopackage(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    """Write all rows as a GeoPackage; equal frames give equal bytes."""
    _write_geopackage(arrow_table(frame).to_reader(), CRS.from_user_input(frame.crs), path, (layer, ""))


def write_flatgeobuf(source: Path, path: Path, layer: str) -> None:
    """Write the rows of a file of ``write_polygons`` as FlatGeobuf, with a spatial index; all columns fit."""
    crs, names, _ = polygon_header(source)
    with replacing(path) as part:
        _write_layer(polygon_rows(source, names), crs, part, (layer, "FlatGeobuf"))


def write_pmtiles(source: Path, path: Path, layer: str) -> None:
    """Write the rows of a file of ``write_polygons`` as tiles for maps in the web; an empty file without rows.

    Coordinates are rounded to a 4096th of a tile, so that polygons are not exact: for display only.
    """
    crs, names, rows = polygon_header(source)
    with replacing(path) as part:
        if rows == 0:
            part.touch()
            return
        # with several threads, the order of the tiles in the file differs from run to run
        with _gdal_options(GDAL_NUM_THREADS="1"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "At least one tile exceeded", RuntimeWarning)
            options = {"dataset_options": {**_ZOOMS, "NAME": layer}}
            _write_layer(polygon_rows(source, names), crs, part, (layer, "PMTiles"), options)


def write_zipped_shapefile(source: Path, path: Path, style: str = "") -> Mapping[str, str]:
    """Write the rows of a file of ``write_polygons`` as a shapefile in a zip file; return the field name by column.

    The shapefile has the name of the zip file. Above ``MAX_SHAPEFILE_BYTES`` it is divided into several ones, with _1,
    _2 … at the end of the name. ``style``: text of a QGIS style for each of them. If names are shortened, a table with
    those of fields and columns is added. Equal content gives equal bytes.
    """
    folder = temporary_path(path.with_suffix(""))
    folder.mkdir(parents=True)
    fields = field_names(polygon_header(source).columns)
    try:
        parts = _parts(polygon_groups(source), len(fields))
        names = [path.stem] if len(parts) == 1 else [f"{path.stem}_{k}" for k in range(1, len(parts) + 1)]
        for name, groups in zip(names, parts, strict=True):
            _write_shapefile(source, groups, folder / f"{name}.shp", fields)
            if style:
                (folder / f"{name}.qml").write_text(style, encoding="utf-8")
        if [*fields] != [*fields.values()]:
            write_text(folder / f"{path.stem}_columns.csv", _columns_csv(fields))
        with replacing(path) as part, ZipFile(part, "w") as archive:
            for member in sorted(folder.iterdir()):
                _add(archive, member)
    finally:
        remove(folder)
    return fields


def _columns_csv(fields: Mapping[str, str]) -> str:
    """Table of field names and columns."""
    text = io.StringIO()
    rows = [("field", "column"), *((field, spreadsheet_safe(column)) for column, field in fields.items())]
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _parts(groups: Sequence[RowGroup], fields: int) -> list[list[int]]:
    """Numbers of the row groups of each shapefile; a single one without row groups."""
    parts: list[list[int]] = [[]]
    size = 0
    for group in groups:
        added = max(group.bytes, group.rows * fields * _FIELD_BYTES)
        if parts[-1] and size + added > MAX_SHAPEFILE_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(group.number)
        size += added
    return parts


def _write_shapefile(source: Path, groups: Sequence[int], path: Path, fields: Mapping[str, str]) -> None:
    rows = polygon_rows(source, [*fields], groups)
    renamed = pa.schema([field.with_name(fields.get(field.name, field.name)) for field in rows.schema])
    batches = (pa.RecordBatch.from_arrays(batch.columns, schema=renamed) for batch in rows)
    options = {"layer_options": {"DBF_DATE_LAST_UPDATE": DBF_DATE, "ENCODING": "UTF-8"}}
    reader = pa.RecordBatchReader.from_batches(renamed, batches)
    _write_layer(reader, polygon_header(source).crs, path, (path.stem, "ESRI Shapefile"), options)


def _add(archive: ZipFile, member: Path) -> None:
    """Add a file, with a constant date."""
    entry = ZipInfo(member.name, (2000, 1, 1, 0, 0, 0))
    entry.compress_type, entry.external_attr = ZIP_DEFLATED, 0o644 << 16
    entry.file_size = member.stat().st_size
    with open(member, "rb") as content, archive.open(entry, "w") as target:
        while piece := content.read(1 << 20):
            target.write(piece)


def _write_geopackage(rows: pa.RecordBatchReader, crs: CRS, path: Path, named: tuple[str, str]) -> None:
    """Write a layer with a style; ``named``: its name, and the style, which may be empty."""
    layer, style = named
    options = {"layer_options": {"GEOMETRY_NAME": "geom"}, "dataset_options": {"VERSION": _GEOPACKAGE_VERSION}}
    with replacing(path) as part:
        with _gdal_options(OGR_CURRENT_DATE=_DATE):
            _write_layer(rows, crs, part, (layer, "GPKG"), options)
        if style:
            _store_style(part, layer, style)


def _store_style(path: Path, layer: str, style: str) -> None:
    """Add the default style of a layer to a GeoPackage."""
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(_STYLES)
        file.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change, srs_id) "
            "VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?, 0)",
            (_DATE,),
        )
        file.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, "
            "styleQML, styleSLD, useAsDefault, description, owner, update_time) "
            "VALUES ('', '', ?, 'geom', ?, ?, '', 1, '', '', ?)",
            (layer, layer, style, _DATE),
        )


def _write_layer(
    rows: pa.RecordBatchReader,
    crs: CRS,
    path: Path,
    written: tuple[str, str],
    options: Mapping[str, Any] | None = None,
) -> None:
    """Write rows to a file; ``written``: name of the layer, driver of GDAL."""
    layer, driver = written
    with without_separators(path) as plain:
        pyogrio.write_arrow(
            rows,
            plain,
            layer=layer,
            driver=driver,
            geometry_name=GEOMETRY,
            geometry_type=KIND,
            crs=short_crs(crs.to_wkt()),
            **(options or {}),
        )


def _fitting(names: Sequence[str]) -> list[str]:
    """The first names that a GeoPackage can have together."""
    different: dict[str, str] = {}
    for name in names:
        different.setdefault(name.lower(), name)
    return [*different.values()][: sqlite_max_columns()]


@contextmanager
def _gdal_options(**options: str) -> Iterator[None]:
    """Options of GDAL in pyogrio."""
    pyogrio.set_gdal_config_options(options)
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options(dict.fromkeys(options))
