from __future__ import annotations

import geopandas as gpd
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely import Polygon, box

from iota2.errors import InputError, InputProblems, MissingField
from iota2.io.tables.clip_areas import read_clip_areas

X, Y = 560_000, 6_280_000
MAP = GeoBox((100, 200), Affine(20, 0, X, 0, -20, Y + 2000), "EPSG:2154")


def left() -> Polygon:
    return box(X, Y, X + 1500, Y + 2000)


def right() -> Polygon:
    return box(X + 1500, Y, X + 4000, Y + 2000)


def write(folder, geometries, crs="EPSG:2154", **columns) -> str:
    frame = gpd.GeoDataFrame(columns, geometry=list(geometries), crs="EPSG:2154")
    path = folder / "areas.gpkg"
    (frame if crs == "EPSG:2154" else frame.to_crs(crs)).to_file(path, engine="pyogrio")
    return str(path)


def test_one_area_for_each_value_in_the_order_of_numbers(tmp_path):
    path = write(tmp_path, [right(), left()], dep=[31, 9])
    found = read_clip_areas(path, "dep", MAP)
    assert found.names == ("9", "31")
    assert [one.bounds[0] for one in found.geometries] == [X, X + 1500]
    assert found.remarks == ()


def test_features_of_one_value_are_one_area(tmp_path):
    path = write(tmp_path, [left(), right()], dep=["31", "31"])
    found = read_clip_areas(path, "dep", MAP)
    assert found.names == ("31",)
    assert found.geometries[0].equals(box(X, Y, X + 4000, Y + 2000))
    assert "same value are one area: 31" in found.remarks[0]


@pytest.mark.parametrize(("values", "value"), [([31, 9], 31), (["31", "9"], 31), (["031", "9"], 31), (["a", "b"], "a")])
def test_one_value_can_be_chosen(tmp_path, values, value):
    found = read_clip_areas(write(tmp_path, [left(), right()], dep=values), "dep", MAP, value)
    assert found.names == (str(values[0]),)
    assert found.geometries[0].equals(left())


def test_an_unknown_value_is_a_problem_of_its_option(tmp_path):
    path = write(tmp_path, [left(), right()], dep=[31, 9])
    with pytest.raises(InputProblems, match="no value '32'; the values are 9, 31") as caught:
        read_clip_areas(path, "dep", MAP, 32)
    assert caught.value.found[0][0] == ("simplification", "clipvalue")


def test_an_unknown_field_is_a_problem(tmp_path):
    with pytest.raises(MissingField, match="no field 'code'; the fields are dep"):
        read_clip_areas(write(tmp_path, [left()], dep=[1]), "code", MAP)


def test_areas_outside_the_map_empty_ones_and_those_without_value_are_omitted(tmp_path):
    beside = box(X + 4000, Y, X + 5000, Y + 2000)  # has only a border in common with the map
    path = write(tmp_path, [left(), beside, Polygon(), right()], dep=["a", "b", "c", None])
    found = read_clip_areas(path, "dep", MAP)
    assert found.names == ("a",)
    assert any("2 features without geometry or value" in remark for remark in found.remarks)
    assert any("outside the map are omitted: b" in remark for remark in found.remarks)


def test_no_area_on_the_map_is_an_error(tmp_path):
    path = write(tmp_path, [box(X - 500, Y, X - 400, Y + 10)], dep=["a"])
    with pytest.raises(InputError, match=r"no area contains a part of the map \(a\)"):
        read_clip_areas(path, "dep", MAP)
    with pytest.raises(InputError, match="no feature has a geometry and a value"):
        read_clip_areas(write(tmp_path, [Polygon()], dep=["a"]), "dep", MAP)


def test_an_invalid_area_is_repaired(tmp_path):
    bow = Polygon([(X, Y), (X + 1000, Y + 1000), (X + 1000, Y), (X, Y + 1000)])
    found = read_clip_areas(write(tmp_path, [bow], dep=["a"]), "dep", MAP)
    assert found.geometries[0].is_valid
    assert found.geometries[0].area == pytest.approx(500_000)
    assert "1 invalid polygon repaired (a)" in found.remarks[0]


def test_lines_and_names_with_separators_are_refused(tmp_path):
    with pytest.raises(InputError, match="of type LineString, expected polygons"):
        read_clip_areas(write(tmp_path, [shapely.LineString(left().exterior.coords)], dep=["a"]), "dep", MAP)
    with pytest.raises(InputError, match="values 'Ain', 'ain' differ only in upper and lower case"):
        read_clip_areas(write(tmp_path, [left(), right()], dep=["Ain", "ain"]), "dep", MAP)
    assert read_clip_areas(write(tmp_path, [left(), right()], dep=["Ain", "ain"]), "dep", MAP, "ain").names == ("ain",)
    with pytest.raises(InputError, match="value 'a/b' cannot be part of a file name"):
        read_clip_areas(write(tmp_path, [left()], dep=["a/b"]), "dep", MAP)


def test_overlapping_areas_are_reported(tmp_path):
    path = write(tmp_path, [left().buffer(100), right()], dep=["a", "b"])
    assert read_clip_areas(path, "dep", MAP).remarks[0].endswith("polygons there are in both: a and b")


def test_a_common_border_stays_common_in_another_projection(tmp_path):
    slanted = [(X + 1500, Y - 3000), (X + 1800, Y + 4000)]
    one = Polygon([(X - 9000, Y - 3000), slanted[0], slanted[1], (X - 9000, Y + 4000)])
    other = Polygon([slanted[1], slanted[0], (X + 9000, Y - 3000), (X + 9000, Y + 4000)])
    path = write(tmp_path, [one, other], crs="EPSG:4326", dep=["a", "b"])
    found = read_clip_areas(path, "dep", MAP)
    assert found.remarks == ()
    assert shapely.coverage_is_valid(found.geometries)
    assert found.geometries[0].distance(shapely.Point(slanted[0])) < 1e-3
    assert min(map(len, (one.exterior.coords for one in found.geometries))) > 20
