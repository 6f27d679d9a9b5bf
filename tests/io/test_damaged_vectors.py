"""Damaged vector files are rejected with the cause; polygons with invalid coordinates are left out."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from iota2.errors import InputError
from iota2.io.files.crs import to_crs
from iota2.io.tables.reference import read_reference
from iota2.io.tables.vectors import read_vector, write_shapefile


def geojson(path: Path, ring: list[list[float]]) -> Path:
    feature = {"type": "Feature", "properties": {"code": 1}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
    return path


def test_a_ring_that_is_not_closed_is_named(tmp_path: Path) -> None:
    path = geojson(tmp_path / "a.geojson", [[0, 0], [0, 1], [1, 1], [1, 0.5]])
    with pytest.raises(InputError, match=r"a\.geojson: layer 'a' has a geometry that cannot be read .*Repair the file"):
        read_vector(path)


@pytest.mark.parametrize("length", [4, 10, 27])
def test_a_shapefile_with_an_incomplete_header_is_truncated(length: int, tmp_path: Path) -> None:
    path = tmp_path / "a.shp"
    write_shapefile(gpd.GeoDataFrame({"code": [1]}, geometry=[shapely.box(0, 0, 9, 9)], crs=2154), path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match="is truncated"):
        read_vector(path)


@pytest.mark.parametrize(
    ("before", "after"),
    [("Lambert_Conformal_Conic", "Lambert_Conformal_Cone"), ("6378137", "-1"), ("44.0", "440"), ("44", "1e400")],
)
def test_a_damaged_crs_is_reported_or_understood(before: str, after: str, tmp_path: Path) -> None:
    path = tmp_path / "a.shp"
    write_shapefile(gpd.GeoDataFrame({"code": [1]}, geometry=[shapely.box(0, 0, 9, 9)], crs=2154), path)
    projection = path.with_suffix(".prj")
    projection.write_text(projection.read_text(encoding="utf-8").replace(before, after, 1), encoding="utf-8")
    try:
        read_reference(path, "code", "EPSG:32631")
    except InputError as err:
        assert "a.shp" in str(err)  # noqa: PT017 - whether it is understood is a matter of the library's version


def test_a_polygon_with_impossible_coordinates_is_left_out_with_a_note(tmp_path: Path) -> None:
    shapes = [shapely.box(600000, 6300000, 600100, 6300100), shapely.Polygon([(0, 0), (1e300, 0), (0, 1e18)])]
    frame = gpd.GeoDataFrame({"code": [1, 1]}, geometry=shapes, crs=2154)
    moved = to_crs(frame, "EPSG:32631")
    assert np.isfinite(shapely.bounds(moved.geometry.to_numpy())).all(axis=1).tolist() == [True, False]
    frame.to_file(tmp_path / "a.gpkg")
    reference = read_reference(tmp_path / "a.gpkg", "code", "EPSG:32631")
    assert len(reference.frame) == 1
    assert any("without valid coordinates in EPSG:32631" in note for note in reference.notes)


def test_edges_are_divided_as_before_and_empty_and_absent_geometries_stay(tmp_path: Path) -> None:
    shapes = gpd.GeoSeries([shapely.box(600000, 6300000, 605000, 6305000), shapely.Polygon(), None], crs=2154)
    moved = to_crs(shapes, "EPSG:4326")
    assert shapely.get_num_coordinates(moved.iloc[0]) == 4 * 5 + 1
    assert moved.iloc[1].is_empty
    assert moved.iloc[2] is None
