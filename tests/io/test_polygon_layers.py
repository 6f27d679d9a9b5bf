"""Polygons in formats of other programs: content, styles, equal bytes, files without rows."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from zipfile import ZipFile

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely

from iota2.io.tables import polygon_layers
from iota2.io.tables.polygon_layers import write_flatgeobuf, write_geopackage, write_pmtiles, write_zipped_shapefile
from iota2.io.tables.polygon_tables import RowGroup, polygon_groups, read_row_group, write_polygons
from iota2.io.tables.vectors import read_vector

X, Y = 560_000, 6_280_000
WRITERS = {
    ".fgb": lambda source, path: write_flatgeobuf(source, path, "cover"),
    ".pmtiles": lambda source, path: write_pmtiles(source, path, "cover"),
    ".zip": lambda source, path: write_zipped_shapefile(source, path, "<qgis/>"),
    ".gpkg": lambda source, path: write_geopackage(source, path, "cover", "<qgis/>"),
}


def frame(first: int, count: int) -> gpd.GeoDataFrame:
    numbers = np.arange(first, first + count)
    columns = {
        "Classe": numbers.astype(np.uint16),
        "name": pd.array([f"blé n° {k}" for k in numbers], "string"),
        "Confidence": np.where(numbers % 3 == 2, np.nan, 1.5 * numbers).astype(np.float32),
        "deciduous forest": numbers.astype(np.float32),
        "deciduous woods": numbers.astype(np.float32),
    }
    squares = shapely.box(X + 20 * numbers, Y, X + 20 * numbers + 20, Y + 20)
    return gpd.GeoDataFrame(columns, geometry=squares, crs="EPSG:2154")


def table(folder: Path, sizes: tuple[int, ...] = (3, 0, 2)) -> Path:
    starts = np.cumsum([0, *sizes])
    path = folder / "table.parquet"
    write_polygons(frame(0, 0), (frame(*one) for one in zip(starts, sizes, strict=False)), path)
    return path


def test_row_groups_have_bounds_and_are_read_one_by_one(tmp_path: Path) -> None:
    source = table(tmp_path)
    first, second = polygon_groups(source, ["Classe"])
    assert (first.rows, first.bounds, first.first) == (3, (X, Y, X + 60, Y + 20), (0,))
    assert (second.rows, second.bounds, second.first) == (2, (X + 60, Y, X + 100, Y + 20), (3,))
    found = read_row_group(second, ["Classe"])
    assert found["Classe"].tolist() == [3, 4]
    assert found.crs == "EPSG:2154"
    assert tuple(found.total_bounds) == second.bounds


def test_a_flatgeobuf_has_all_rows_and_columns(tmp_path: Path) -> None:
    write_flatgeobuf(table(tmp_path), tmp_path / "a.fgb", "cover")
    found = pyogrio.read_dataframe(tmp_path / "a.fgb").sort_values("Classe")
    expected = frame(0, 5)
    assert found["name"].tolist() == expected["name"].tolist()
    np.testing.assert_array_equal(found["Confidence"], expected["Confidence"])
    assert shapely.equals(found.geometry.to_numpy(), expected.geometry.to_numpy()).all()
    assert pyogrio.read_info(tmp_path / "a.fgb")["crs"] == "EPSG:2154"


def test_pmtiles_show_all_polygons_on_the_last_zoom_level(tmp_path: Path) -> None:
    write_pmtiles(table(tmp_path), tmp_path / "a.pmtiles", "cover")
    found = pyogrio.read_dataframe(tmp_path / "a.pmtiles")
    assert set(found["Classe"]) == {0, 1, 2, 3, 4}
    exact = frame(0, 5).to_crs("EPSG:3857").total_bounds
    np.testing.assert_allclose(found.total_bounds, exact, atol=2)


def test_a_shapefile_is_complete_in_a_zip_file(tmp_path: Path) -> None:
    fields = write_zipped_shapefile(table(tmp_path), tmp_path / "dept_31.zip", "<qgis/>")
    with ZipFile(tmp_path / "dept_31.zip") as archive:
        endings = (".shp", ".shx", ".dbf", ".prj", ".cpg", ".qml", "_columns.csv")
        names = {f"dept_31{ending}" for ending in endings}
        assert set(archive.namelist()) == names
        archive.extractall(tmp_path / "out")
    found = read_vector(tmp_path / "out" / "dept_31.shp")
    assert fields["deciduous forest"] == "deciduous"
    assert fields["deciduous woods"] != fields["deciduous forest"]
    listed = pd.read_csv(tmp_path / "out" / "dept_31_columns.csv").set_index("field")["column"]
    assert {listed[field]: field for field in listed.index} == fields
    assert [*found.columns] == [*fields.values(), "geometry"]
    assert found["name"].tolist() == [f"blé n° {k}" for k in range(5)]
    assert found["Classe"].tolist() == [0, 1, 2, 3, 4]
    assert found["Confidence"].isna().tolist() == [False, False, True, False, False]
    assert not list(tmp_path.glob(".*"))


def test_a_large_shapefile_is_divided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polygon_layers, "MAX_SHAPEFILE_BYTES", 100)
    write_zipped_shapefile(table(tmp_path), tmp_path / "a.zip")
    with ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path / "out")
    assert [len(read_vector(tmp_path / "out" / f"a_{k}.shp")) for k in (1, 2)] == [3, 2]
    assert len(list((tmp_path / "out").glob("*.shp"))) == 2


def test_parts_of_shapefiles_are_as_large_as_possible() -> None:
    def group(number: int, rows: int, size: int) -> RowGroup:
        return RowGroup(Path("a"), number, rows, size, (0, 0, 1, 1), ())

    most = polygon_layers.MAX_SHAPEFILE_BYTES
    half = [group(k, 1, most // 2) for k in range(3)]
    wide = group(3, most // polygon_layers._FIELD_BYTES // 10, 5)
    assert polygon_layers._parts([*half, wide], 10) == [[0, 1], [2], [3]]
    assert polygon_layers._parts([], 10) == [[]]


def test_a_geopackage_contains_its_default_style(tmp_path: Path) -> None:
    write_geopackage(table(tmp_path), tmp_path / "a.gpkg", "cover", "<qgis>é</qgis>")
    with closing(sqlite3.connect(tmp_path / "a.gpkg")) as file:
        query = "SELECT f_table_name, f_geometry_column, useAsDefault, styleQML FROM layer_styles"
        assert file.execute(query).fetchall() == [("cover", "geom", 1, "<qgis>é</qgis>")]
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert file.execute("PRAGMA user_version").fetchone() == (10200,)
    assert len(read_vector(tmp_path / "a.gpkg")) == 5  # the table of styles is not a second layer
    listed = dict(pyogrio.list_layers(tmp_path / "a.gpkg"))
    assert listed == {"cover": "MultiPolygon", "layer_styles": None}


@pytest.mark.parametrize("suffix", WRITERS)
def test_equal_polygons_give_equal_bytes(tmp_path: Path, suffix: str) -> None:
    source, write = table(tmp_path, (300, 200)), WRITERS[suffix]
    write(source, tmp_path / f"a{suffix}")
    first = (tmp_path / f"a{suffix}").read_bytes()
    time.sleep(1.1)
    write(source, tmp_path / f"a{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == first


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_table_without_polygons_is_written(tmp_path: Path, suffix: str) -> None:
    write: Callable[[Path, Path], object] = WRITERS[suffix]
    path = tmp_path / f"a{suffix}"
    write(table(tmp_path, ()), path)
    if suffix == ".pmtiles":
        assert path.stat().st_size == 0
    else:
        shown = f"/vsizip/{path}/a.shp" if suffix == ".zip" else path
        layer = pyogrio.list_layers(shown)[0][0]
        assert len(pyogrio.read_dataframe(shown, layer=layer)) == 0
