from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal
from hypothesis import given
from hypothesis import strategies as st
from shapely import MultiPolygon, Point, box

from iota2.config.options.train import MAX_RUNS
from iota2.errors import InputError, OutputError
from iota2.io.tables.vectors import (
    field_names,
    read_parquet,
    read_samples,
    read_sqlite,
    read_vector,
    sqlite_max_columns,
    write_parquet,
    write_samples,
    write_shapefile,
    write_sqlite,
)

CRS = "EPSG:2154"


def polygons(n=3) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {
            "region": [f"région {k}" for k in range(n)],
            "code": np.arange(n),
            "share": np.arange(n) / 7,
        },
        geometry=[box(k, 0, k + 1, 1) for k in range(n)],
        crs=CRS,
    ).astype({"region": "str"})


def samples(n=4, features=3) -> gpd.GeoDataFrame:
    values = np.random.default_rng(0).random((features, n)).astype("float32") * 10_000
    columns = {f"Sentinel2_B{k}_20180511": values[k] for k in range(features)}
    frame = pd.DataFrame({"region": pd.Series(["1"] * n, dtype="str"), "code": np.arange(n), **columns})
    points = shapely.points(np.arange(n) + 600_005.5, np.full(n, 6_000_005.25))
    return gpd.GeoDataFrame(frame, geometry=points, crs=CRS)


@pytest.mark.parametrize("name", ["plain.shp", "été 地図 'q' 100%#;?.shp", "a!.zip;/b!c.shp", "x" * 200 + ".shp"])
def test_shapefile_comes_back_as_written(tmp_path, name):
    write_shapefile(polygons(), tmp_path / name)
    assert_geodataframe_equal(read_vector(tmp_path / name), polygons())
    assert sorted(f.suffix for f in (tmp_path / name).parent.iterdir()) == [
        ".cpg",
        ".dbf",
        ".prj",
        ".shp",
        ".shx",
    ]


@pytest.mark.parametrize("write", [write_shapefile, write_sqlite, write_parquet])
def test_equal_frames_give_equal_bytes(tmp_path, write):
    suffix = ".shp" if write is write_shapefile else ".sqlite"
    for folder in ("a", "b"):
        write(polygons(), tmp_path / folder / f"f{suffix}")
    found = [{f.name: f.read_bytes() for f in (tmp_path / folder).iterdir()} for folder in ("a", "b")]
    assert found[0] == found[1]


def test_shapefile_does_not_contain_the_date_of_writing(tmp_path):
    write_shapefile(polygons(), tmp_path / "f.shp")
    assert (tmp_path / "f.dbf").read_bytes()[1:4] == bytes([100, 1, 1])


def test_shapefile_over_an_older_one_leaves_none_of_its_members(tmp_path):
    (tmp_path / "f.qix").write_text("index of another geometry")
    write_shapefile(polygons(5), tmp_path / "f.shp")
    write_shapefile(polygons(2), tmp_path / "f.shp")
    assert len(read_vector(tmp_path / "f.shp")) == 2
    assert not (tmp_path / "f.qix").exists()


def test_empty_shapefile_keeps_fields_and_geometry_type(tmp_path):
    write_shapefile(polygons().iloc[:0], tmp_path / "f.shp")
    info = pyogrio.read_info(tmp_path / "f.shp")
    assert info["fields"].tolist() == ["region", "code", "share"]
    assert info["geometry_type"] == "Polygon"
    assert read_vector(tmp_path / "f.shp").crs == CRS


def test_reference_data_of_the_most_runs_fit_a_shapefile(tmp_path):
    frame = polygons(2).assign(label="x" * 254, region="y" * 254)
    frame = frame.assign(**{f"seed_{seed}": "validation" for seed in range(MAX_RUNS)})
    write_shapefile(frame, tmp_path / "reference_data.shp")
    found = read_vector(tmp_path / "reference_data.shp")
    assert list(found[f"seed_{MAX_RUNS - 1}"]) == ["validation", "validation"]


def test_text_too_long_for_a_shapefile_is_rejected(tmp_path):
    with pytest.raises(OutputError, match="260 bytes"):
        write_shapefile(polygons().assign(region="é" * 130), tmp_path / "f.shp")


def test_long_field_names_are_cut_reported_and_distinct(tmp_path):
    frame = polygons().rename(columns={"region": "classification", "code": "classifica", "share": "CLASSIFICATOR"})
    fields = write_shapefile(frame, tmp_path / "f.shp")
    assert fields == {
        "classification": "classifi_1",
        "classifica": "classifica",
        "CLASSIFICATOR": "CLASSIFI_2",
    }
    assert read_vector(tmp_path / "f.shp").columns[:3].tolist() == list(fields.values())


@given(st.lists(st.text("abAé_", min_size=1, max_size=14), unique=True, max_size=30))
def test_field_names_fit_and_differ(columns):
    fields = field_names(columns)
    assert list(fields) == columns
    assert len({name.lower() for name in fields.values()}) == len(columns)
    assert all(len(name.encode()) <= 10 for name in fields.values())


def test_sqlite_has_the_documented_table(tmp_path):
    write_sqlite(samples(), tmp_path / "s.sqlite")
    with closing(sqlite3.connect(tmp_path / "s.sqlite")) as connection:
        cursor = connection.execute("select * from output")
        assert [c[0] for c in cursor.description] == [
            "ogc_fid",
            "GEOMETRY",
            *samples().columns.drop("geometry"),
        ]
        rows = cursor.fetchall()
    assert [row[0] for row in rows] == [1, 2, 3, 4]
    assert [shapely.from_wkb(row[1]) for row in rows] == samples().geometry.tolist()


def test_sqlite_comes_back_as_written_reals_as_float64(tmp_path):
    write_sqlite(samples(), tmp_path / "s.sqlite")
    found = read_sqlite(tmp_path / "s.sqlite")
    assert_geodataframe_equal(found.astype(samples().dtypes), samples())


@pytest.mark.parametrize("suffix", [".sqlite", ".parquet"])
def test_samples_without_rows_keep_columns_and_crs(tmp_path, suffix):
    path = tmp_path / f"s{suffix}"
    write_samples(samples().iloc[:0], path)
    found = read_samples(path)
    assert found.columns.tolist() == samples().columns.tolist()
    assert len(found) == 0
    assert found.crs == CRS


@pytest.mark.parametrize("name", ["été 地図 'q' 100%#;?.sqlite", "été 地図 'q' 100%#;?.parquet", "a!/b.sqlite"])
def test_samples_come_back_from_odd_paths(tmp_path, name):
    write_samples(samples(), tmp_path / name)
    assert_geodataframe_equal(read_samples(tmp_path / name).astype(samples().dtypes), samples())


def test_sqlite_accepts_the_stated_number_of_columns(tmp_path):
    most = samples(2, features=sqlite_max_columns() - 2)
    write_sqlite(most, tmp_path / "s.sqlite")
    assert read_sqlite(tmp_path / "s.sqlite").columns.tolist() == most.columns.tolist()
    with pytest.raises(OutputError, match="GeoParquet"):
        write_sqlite(samples(2, features=sqlite_max_columns() - 1), tmp_path / "t.sqlite")
    assert not (tmp_path / "t.sqlite").exists()


def test_polygons_and_multipolygons_share_a_layer(tmp_path):
    frame = polygons(2)
    frame.loc[1, "geometry"] = MultiPolygon([box(5, 5, 6, 6), box(8, 8, 9, 9)])
    write_sqlite(frame, tmp_path / "p.sqlite")
    assert pyogrio.read_info(tmp_path / "p.sqlite")["geometry_type"] == "MultiPolygon"
    assert read_sqlite(tmp_path / "p.sqlite").area.tolist() == [1, 2]


def test_parquet_keeps_types(tmp_path):
    write_parquet(samples(), tmp_path / "s.parquet")
    assert_geodataframe_equal(read_parquet(tmp_path / "s.parquet"), samples())


def test_geopackage_and_its_layers_are_read(tmp_path):
    path = tmp_path / "p.gpkg"
    pyogrio.write_dataframe(polygons(), path, layer="first")
    assert len(read_vector(path)) == 3
    pyogrio.write_dataframe(polygons(2), path, layer="second")
    assert len(read_vector(path, "second")) == 2
    with pytest.raises(InputError, match=r"found 2.*first, second"):
        read_vector(path)
    with pytest.raises(InputError, match="no layer 'third'"):
        read_vector(path, "third")


def test_file_without_crs_is_rejected_with_the_remedy(tmp_path):
    gpd.GeoDataFrame({"a": [1]}, geometry=[Point(0, 0)], crs=CRS).to_file(tmp_path / "p.shp")
    (tmp_path / "p.prj").unlink()
    with pytest.raises(
        InputError, match=r"reference system is not set\. Assign the .* system of its coordinates to the file"
    ):
        read_vector(tmp_path / "p.shp")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04" * 99])
def test_other_files_than_vector_files_are_rejected(tmp_path, content):
    (tmp_path / "p.shp").write_bytes(content)
    with pytest.raises(InputError, match=r"p\.shp: cannot be read"):
        read_vector(tmp_path / "p.shp")
    with pytest.raises(InputError, match=r"p\.shp: cannot be read"):
        read_parquet(tmp_path / "p.shp")


def test_shapefile_cut_short_is_rejected(tmp_path):
    write_shapefile(polygons(50), tmp_path / "p.shp")
    with open(tmp_path / "p.shp", "r+b") as file:
        file.truncate(1000)
    with pytest.raises(InputError, match=r"p\.shp"):
        read_vector(tmp_path / "p.shp")


def test_table_without_geometry_is_rejected(tmp_path):
    pyogrio.write_dataframe(pd.DataFrame({"a": [1]}), tmp_path / "p.gpkg")
    with pytest.raises(InputError, match="without geometry"):
        read_vector(tmp_path / "p.gpkg")


def _elsewhere(path) -> str:
    """A text file that refers to another file."""
    layer = f'<OGRVRTLayer name="p"><SrcDataSource>{path}</SrcDataSource></OGRVRTLayer>'
    return f"<OGRVRTDataSource>{layer}</OGRVRTDataSource>"


@pytest.mark.parametrize("name", ["a.shp", "a.gpkg", "a.gml", "a.vrt", "a.geojson"])
@pytest.mark.parametrize(
    "before",
    ["", "\n", '{"type": "FeatureCollection", "features": []}', '{"a": "b"} '],
    ids=["alone", "blank", "geojson", "json"],
)
def test_text_files_that_refer_to_other_files_are_rejected(tmp_path, name, before):
    write_shapefile(polygons(), tmp_path / "p.shp")
    (tmp_path / name).write_text(before + _elsewhere(tmp_path / "p.shp"))
    with pytest.raises(InputError, match=rf"{name}: .*read"):
        read_vector(tmp_path / name)


def test_text_files_with_gdal_pipelines_are_rejected(tmp_path):
    write_shapefile(polygons(), tmp_path / "p.shp")
    command = f"gdal vector pipeline ! read {tmp_path / 'p.shp'} ! filter"
    (tmp_path / "a.json").write_text(f'{{"type": "gdal_streamed_alg", "command_line": "{command}"}}')
    with pytest.raises(InputError, match="cannot be read"):
        read_vector(tmp_path / "a.json")


@pytest.mark.parametrize("name", ["a.geojson", "a b;é!.json"])
def test_geojson_is_read(tmp_path, name):
    polygons().to_crs("EPSG:4326").to_file(tmp_path / "a.geojson", driver="GeoJSON")
    (tmp_path / "a.geojson").rename(tmp_path / name)
    assert len(read_vector(tmp_path / name)) == len(polygons())


@pytest.mark.parametrize("path", ["absent.shp", "/vsicurl/http://localhost/a.shp", "PG:host=localhost"])
def test_only_local_files_are_opened(path):
    with pytest.raises(InputError, match="does not exist"):
        read_vector(path)
    with pytest.raises(InputError, match="does not exist"):
        read_parquet(path)


WRITES_TOO_MUCH = """
import resource, sys
import geopandas as gpd
from shapely import box
from iota2.errors import OutputError
from iota2.io.tables.vectors import write_shapefile

path, rows, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
frame = gpd.GeoDataFrame({"a": range(rows)}, geometry=[box(i, 0, i + 1, 1) for i in range(rows)], crs="EPSG:2154")
resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
try:
    write_shapefile(frame, path)
except OutputError as err:
    print(err)
else:
    print("written")
"""
"""Files that grow beyond a limit fail as on a full disk; so few features are written when the file is closed."""


@pytest.mark.parametrize(
    ("most", "message"), [(0, "disk full?"), (60, "disk full?"), (450, "disk full?"), (9999, "written")]
)
def test_an_incomplete_shapefile_does_not_get_its_final_name(tmp_path: Path, most: int, message: str) -> None:
    path = tmp_path / "few.shp"
    command = [sys.executable, "-c", WRITES_TOO_MUCH, path, "3", str(most)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.strip().endswith(message)
    assert path.exists() == (message == "written")
    assert all(member.stem == "few" for member in tmp_path.iterdir())
