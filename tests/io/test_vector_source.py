"""Layers of vector files: tables of QGIS are ignored, and one of several layers must be selected."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
from shapely import Point, box

from iota2.errors import InputError
from iota2.io.tables.reference import read_reference, read_regions
from iota2.io.tables.vector_source import vector_source, with_choice
from iota2.io.tables.vectors import read_vector

CRS = "EPSG:2154"
X, Y = 600_000, 6_300_000


def polygons(n: int = 2) -> gpd.GeoDataFrame:
    squares = [box(X + 20 * k, Y, X + 20 * k + 10, Y + 10) for k in range(n)]
    return gpd.GeoDataFrame({"code": range(1, n + 1), "region": [f"r{k}" for k in range(n)]}, geometry=squares, crs=CRS)


def with_qgis_tables(path: Path) -> Path:
    """A GeoPackage with one layer, and with styles, a project and a plain table."""
    pyogrio.write_dataframe(polygons(), path, layer="parcelles")
    for name in ("layer_styles", "qgis_projects", "notes de terrain"):
        pyogrio.write_dataframe(
            pd.DataFrame({"f_table_name": ["parcelles"], "styleQML": ["<qgis/>"]}), path, layer=name
        )
    return path


def two_layers(path: Path) -> Path:
    pyogrio.write_dataframe(polygons(2), path, layer="Parcelles 2018")
    pyogrio.write_dataframe(polygons(3), path, layer="autre")
    return path


@pytest.mark.parametrize("read", [lambda p: read_reference(p, "code", CRS), lambda p: read_regions(p, "region", CRS)])
def test_a_geopackage_with_the_tables_of_qgis_is_read(tmp_path, read):
    read(with_qgis_tables(tmp_path / "q.gpkg"))


def test_a_sqlite_file_with_a_plain_table_is_read(tmp_path):
    pyogrio.write_dataframe(polygons(), tmp_path / "q.sqlite", layer="parcelles", driver="SQLite")
    pyogrio.write_dataframe(
        pd.DataFrame({"a": [1]}), tmp_path / "q.sqlite", layer="plain", driver="SQLite", append=True
    )
    assert len(read_vector(tmp_path / "q.sqlite")) == 2


def test_several_layers_are_reported_with_the_form_to_select_one(tmp_path):
    path = two_layers(tmp_path / "q.gpkg")
    with pytest.raises(InputError, match=r"found 2 \(Parcelles 2018, autre\)\. Choose one .*q\.gpkg\|layername=Parc"):
        read_vector(path)


def test_layers_of_several_types_are_named_with_them(tmp_path):
    path = two_layers(tmp_path / "q.gpkg")
    pyogrio.write_dataframe(gpd.GeoDataFrame({"a": [1]}, geometry=[Point(X, Y)], crs=CRS), path, layer="points")
    with pytest.raises(InputError, match=r"found 3 .*of types Polygon, Point"):
        read_vector(path)


@pytest.mark.parametrize(
    ("choice", "rows"),
    [
        ("|layername=autre", 3),
        ("|layername=Parcelles 2018", 2),
        (" | layername = Parcelles 2018 ", 2),
        ("|layername='Parcelles 2018'", 2),
        ("|LAYERNAME=parcelles 2018", 2),
        ("|layerid=0", 2),
        ("|layerid=1", 3),
        ("|layername=autre|layerid=1", 3),
    ],
)
def test_the_form_of_qgis_chooses_a_layer(tmp_path, choice, rows):
    two_layers(tmp_path / "q.gpkg")
    assert len(read_vector(f"{tmp_path / 'q.gpkg'}{choice}")) == rows
    assert len(read_reference(Path(f"{tmp_path / 'q.gpkg'}{choice}"), "code", CRS).frame) == rows


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("|layername=autres", "no layer 'autres'; the layers are Parcelles 2018, autre; did you mean 'autre'"),
        ("|layerid=7", "no layer number 7; they are counted from 0"),
        ("|layerid=one", "layerid=one cannot be used; expected"),
        ("|layername=", "layername= cannot be used"),
        ("|layername=autre|subset=code = 1", "filters are not supported"),
        ("|layername=autre|geometrytype=Polygon", "geometrytype=Polygon cannot be used"),
    ],
)
def test_an_invalid_choice_is_rejected_with_the_available_layers(tmp_path, choice, message):
    with pytest.raises(InputError) as caught:
        read_vector(f"{two_layers(tmp_path / 'q.gpkg')}{choice}")
    assert message in str(caught.value)


def test_a_selected_table_without_geometry_is_rejected(tmp_path):
    with pytest.raises(InputError, match="'layer_styles' is a table without geometry"):
        read_vector(f"{with_qgis_tables(tmp_path / 'q.gpkg')}|layername=layer_styles")


def test_tables_without_geometry_are_rejected_by_name(tmp_path):
    pyogrio.write_dataframe(pd.DataFrame({"a": [1]}), tmp_path / "q.gpkg", layer="notes")
    with pytest.raises(InputError, match=r"only tables without geometry \(notes\)"):
        read_vector(tmp_path / "q.gpkg")


def test_a_file_with_a_bar_in_its_name_is_that_file(tmp_path):
    for name in ("a|b.gpkg", "a|layername=b.gpkg"):
        pyogrio.write_dataframe(polygons(), tmp_path / "plain.gpkg", layer="p")
        (tmp_path / "plain.gpkg").rename(tmp_path / name)
        assert len(read_vector(tmp_path / name)) == 2
    assert len(read_vector(f"{tmp_path / 'a|b.gpkg'}|layername=p")) == 2


@pytest.mark.parametrize("name", ["p.shp", "a;b!.shp", "p.geojson"])
def test_a_file_of_one_layer_is_named_like_its_file(tmp_path, name):
    driver = "GeoJSON" if name.endswith("json") else "ESRI Shapefile"
    polygons().to_crs(4326).to_file(tmp_path / f"plain{Path(name).suffix}", driver=driver)
    for member in tmp_path.glob("plain.*"):
        member.rename(tmp_path / f"{Path(name).stem}{member.suffix}")
    assert len(read_vector(f"{tmp_path / name}|layername={Path(name).stem}")) == 2


def test_a_source_is_equal_after_conversion_to_a_path_and_back():
    for text in ("/a/b.gpkg", "/a/b.gpkg|layername=c d", "/a/b.gpkg|layerid=3"):
        source = vector_source(text)
        assert with_choice(source.file, source.choice) == text
        assert source.file == Path("/a/b.gpkg")
