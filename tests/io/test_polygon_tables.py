"""Polygons in GeoParquet and GeoPackage: content, metadata, equal bytes."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from pyarrow import parquet
from pyproj import CRS

from iota2.errors import InputError
from iota2.io.tables.polygon_layers import geopackage_bytes, write_geopackage
from iota2.io.tables.polygon_tables import group_rows, join_polygons, polygon_bytes, write_polygons
from iota2.io.tables.vectors import sqlite_max_columns

NAMES = ['blé & "maïs"', "'; --", None, "水"]


def polygons(first: int, count: int, extra: Sequence[str] = (), crs: str = "EPSG:2154") -> gpd.GeoDataFrame:
    """Squares, every second one with a hole, from a position in a row of squares; no value for the third."""
    squares = [
        shapely.box(10 * k, 0, 10 * k + 10, 10)
        if k % 2
        else shapely.MultiPolygon([shapely.box(10 * k, 0, 10 * k + 2, 2), shapely.box(10 * k + 4, 4, 10 * k + 6, 6)])
        for k in range(first, first + count)
    ]
    missing = np.arange(first, first + count) % 4 == 2
    columns: dict[str, Any] = {
        "segment": np.arange(first, first + count) + 2**40,
        "name": pd.array([NAMES[k % 4] for k in range(first, first + count)], "string"),
        "code": pd.array(np.where(missing, None, 7), "Int32"),
        "value": np.where(missing, np.nan, 1.5).astype(np.float32),
    }
    columns |= {name: np.arange(count, dtype=np.float32) for name in extra}
    return gpd.GeoDataFrame(columns, geometry=np.array(squares, object), crs=crs)


def write(path: Path, sizes: Sequence[int], extra: Sequence[str] = (), first: int = 0) -> Path:
    starts = first + np.cumsum([0, *sizes])
    write_polygons(polygons(0, 0, extra), (polygons(*one, extra) for one in zip(starts, sizes, strict=False)), path)
    return path


def metadata(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(parquet.read_schema(path).metadata[b"geo"])
    return found


def test_polygons_are_read_as_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [3, 2])
    found, given = gpd.read_parquet(path), polygons(0, 5)
    assert found.crs == given.crs
    assert set(found.geom_type) == {"MultiPolygon"}
    assert shapely.equals(found.geometry.to_numpy(), given.geometry.to_numpy()).all()
    for name in ("segment", "name", "code", "value"):
        assert (
            found[name].astype(object).where(found[name].notna(), None).tolist()
            == given[name].astype(object).where(given[name].notna(), None).tolist()
        )
    file = parquet.ParquetFile(path)
    assert [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)] == [3, 2]


def test_the_metadata_are_those_of_geoparquet(tmp_path: Path) -> None:
    found = metadata(write(tmp_path / "a.parquet", [3, 2]))
    column = found["columns"]["geometry"]
    assert (found["version"], found["primary_column"], column["encoding"]) == ("1.0.0", "geometry", "WKB")
    assert column["geometry_types"] == ["MultiPolygon"]
    assert column["bbox"] == [0, 0, 46, 10]
    assert CRS.from_json_dict(column["crs"]).to_epsg() == 2154


def test_files_of_several_tiles_are_joined(tmp_path: Path) -> None:
    parts = [
        write(tmp_path / "a.parquet", [3, 1]),
        write(tmp_path / "b.parquet", []),
        write(tmp_path / "c.parquet", [2], first=4),
    ]
    join_polygons(parts, tmp_path / "all.parquet")
    assert (tmp_path / "all.parquet").read_bytes() == write(tmp_path / "d.parquet", [3, 1, 2]).read_bytes()


@pytest.mark.parametrize("joined", [False, True])
def test_a_file_without_polygons_has_all_columns(tmp_path: Path, joined: bool) -> None:
    path = write(tmp_path / "a.parquet", [])
    if joined:
        join_polygons([path, path], tmp_path / "b.parquet")
        path = tmp_path / "b.parquet"
    found = gpd.read_parquet(path)
    assert (len(found), [*found.columns]) == (0, ["segment", "name", "code", "value", "geometry"])
    assert "bbox" not in metadata(path)["columns"]["geometry"]
    assert write_geopackage(path, tmp_path / "a.gpkg", "segments") == []
    assert pyogrio.read_info(tmp_path / "a.gpkg")["features"] == 0


def test_a_geopackage_has_the_rows_of_the_table(tmp_path: Path) -> None:
    path = tmp_path / "a;b!.gpkg"
    assert write_geopackage(write(tmp_path / "a.parquet", [3, 2]), path, "segments") == []
    target = tmp_path / "plain.gpkg"
    target.write_bytes(path.read_bytes())
    found, given = pyogrio.read_dataframe(target, layer="segments"), polygons(0, 5)
    assert found.crs == given.crs
    assert pyogrio.read_info(target)["geometry_type"] == "MultiPolygon"
    assert shapely.equals(found.geometry.to_numpy(), given.geometry.to_numpy()).all()
    assert found["segment"].tolist() == given["segment"].tolist()
    with closing(sqlite3.connect(target)) as file:
        rows = file.execute("SELECT name, code, value FROM segments").fetchall()
        (indexed,) = file.execute("SELECT count(*) FROM rtree_segments_geom").fetchone()
    assert rows == [('blé & "maïs"', 7, 1.5), ("'; --", 7, 1.5), (None, None, None), ("水", 7, 1.5), (NAMES[0], 7, 1.5)]
    assert indexed == 5


def test_equal_polygons_give_equal_bytes(tmp_path: Path) -> None:
    first = write(tmp_path / "a.parquet", [400, 20])
    write_geopackage(first, tmp_path / "a.gpkg", "segments")
    time.sleep(1.1)  # GDAL writes the time of the day
    second = write(tmp_path / "b.parquet", [400, 20])
    write_geopackage(second, tmp_path / "b.gpkg", "segments")
    assert first.read_bytes() == second.read_bytes()
    assert (tmp_path / "a.gpkg").read_bytes() == (tmp_path / "b.gpkg").read_bytes()


def test_a_geopackage_has_the_first_columns_that_fit(tmp_path: Path) -> None:
    most = sqlite_max_columns() - 4
    names = [f"f{k}" for k in range(most + 2)]
    names[1] = "F0"
    omitted = write_geopackage(write(tmp_path / "a.parquet", [3], names), tmp_path / "a.gpkg", "segments")
    assert omitted == ["F0", names[-1]]
    found = pyogrio.read_dataframe(tmp_path / "a.gpkg")
    assert len(found.columns) == 4 + most + 1
    assert found[names[-2]].tolist() == [0, 1, 2]


def test_a_damaged_table_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [3])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"a\.parquet: cannot be read as GeoParquet"):
        join_polygons([path], tmp_path / "b.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(path)
    with pytest.raises(InputError, match="has no metadata of GeoParquet"):
        write_geopackage(path, tmp_path / "b.gpkg", "segments")
    with pytest.raises(InputError, match="Run the step that makes it again"):
        join_polygons([tmp_path / "none.parquet"], tmp_path / "b.parquet")
    assert [one.name for one in tmp_path.iterdir()] == ["a.parquet"]


def test_row_groups_have_a_limited_size() -> None:
    assert 10_000 < group_rows(30) < 20_000
    assert group_rows(10**9) == 1


@pytest.mark.parametrize("values", [0, 200])
def test_the_size_of_files_is_estimated(tmp_path: Path, values: int) -> None:
    """Of polygons of 29 vertices and random features; pages of SQLite may be half empty."""
    count, rng = 3000, np.random.default_rng(0)
    discs = shapely.buffer(shapely.points(rng.uniform(0, 1e5, (count, 2))), 40, quad_segs=7)
    columns = {"segment": np.arange(count)} | {
        f"f{k}": rng.normal(size=count).astype(np.float32) for k in range(values)
    }
    table = gpd.GeoDataFrame(columns, geometry=discs, crs=2154)
    write_polygons(table[:0], [table], tmp_path / "a.parquet")
    write_geopackage(tmp_path / "a.parquet", tmp_path / "a.gpkg", "segments")
    sizes = [(tmp_path / name).stat().st_size / count for name in ("a.parquet", "a.gpkg")]
    for size, estimate in zip(sizes, [polygon_bytes(values), geopackage_bytes(values)], strict=True):
        assert 0.6 < size / estimate < 1.7
