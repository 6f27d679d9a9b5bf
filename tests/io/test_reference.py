from __future__ import annotations

import logging

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from shapely import MultiPolygon, Point, Polygon, box

from iota2.errors import InputError
from iota2.io.tables.reference import read_reference, read_regions

CRS = "EPSG:2154"
X, Y = 600_000, 6_300_000


def square(x, y=0, side=10):
    return box(X + x, Y + y, X + x + side, Y + y + side)


def write(path, geometries, crs=CRS, **columns):
    """Write a file with one row for each geometry of any type."""
    frame = gpd.GeoDataFrame(columns, geometry=list(geometries), crs=crs)
    pyogrio.write_dataframe(frame, path, geometry_type=None if path.suffix == ".shp" else "Unknown")
    return path


@pytest.fixture
def gpkg(tmp_path):
    return tmp_path / "reference.gpkg"


def test_labels_rows_and_crs_of_a_clean_file(gpkg):
    write(gpkg, [square(0), square(20)], code=[11, 12], note=["a", "b"])
    data = read_reference(gpkg, "code", CRS)
    assert data.frame.columns.tolist() == ["originfid", "label", "geometry"]
    assert data.frame.originfid.tolist() == [0, 1]
    assert data.frame.label.tolist() == [11, 12]
    assert data.frame.label.dtype == np.int64
    assert data.frame.crs == CRS
    assert (data.kind, data.notes) == ("integer", ())


def test_any_crs_is_reprojected(gpkg):
    write(gpkg, [square(0)], code=[1])
    degrees = gpd.read_file(gpkg).to_crs(4326)
    pyogrio.write_dataframe(degrees, gpkg.with_suffix(".shp"))
    found = read_reference(gpkg.with_suffix(".shp"), "code", CRS).frame
    assert found.geometry[0].symmetric_difference(square(0)).area < 1e-3


def test_text_labels_keep_their_leading_zeros(gpkg):
    write(gpkg, [square(0), square(20)], code=["011", "forêt"])
    data = read_reference(gpkg, "code", CRS)
    assert data.kind == "text"
    assert data.frame.label.tolist() == ["011", "forêt"]


def test_whole_numbers_stored_as_reals_are_integers(gpkg):
    data = read_reference(write(gpkg, [square(0), square(20)], code=[11.0, 65535.0]), "code", CRS)
    assert (data.kind, data.frame.label.tolist()) == ("integer", [11, 65535])


def test_numbers_that_are_not_class_codes_are_listed_with_their_rows(gpkg):
    values = [1.0, 0.0, -3.0, 2.5, 65536.0, np.nan]
    write(gpkg, [square(20 * k) for k in range(6)], code=values)
    with pytest.raises(InputError, match=r"4 labels .* 0, -3, 2\.5, 65536 \(row 1, 2, 3, 4\)"):
        read_reference(gpkg, "code", CRS)


def test_dates_are_rejected_as_labels(gpkg):
    write(gpkg, [square(0)], code=np.array(["2018-05-11"], "datetime64[ms]"))
    with pytest.raises(InputError, match="neither whole numbers nor text"):
        read_reference(gpkg, "code", CRS)


@pytest.mark.parametrize("labels", [[1, None, 2], ["a", None, "b"], ["a", "", "b"]])
def test_polygon_without_label_is_left_out_and_reported(gpkg, labels):
    data = read_reference(write(gpkg, [square(20 * k) for k in range(3)], code=labels), "code", CRS)
    assert data.frame.originfid.tolist() == [0, 2]
    assert data.notes == ("reference.gpkg: 1 polygon without label left out (row 1)",)


def test_polygon_without_geometry_is_left_out_and_reported(gpkg):
    data = read_reference(write(gpkg, [None, square(0), Polygon()], code=[1, 2, 3]), "code", CRS)
    assert data.frame.originfid.tolist() == [1]
    assert data.notes == ("reference.gpkg: 2 polygons without geometry left out (row 0, 2)",)


def test_points_and_lines_are_rejected(gpkg):
    line = shapely.LineString([(X, Y), (X + 1, Y)])
    write(gpkg, [square(0), line, Point(X, Y), line], code=[1, 1, 1, 1])
    with pytest.raises(
        InputError, match=r"2 features are of type LineString.*\(row 1, 3\)\n1 feature is of type Point"
    ):
        read_reference(gpkg, "code", CRS)


def test_points_without_a_rule_are_rejected_with_the_option(gpkg):
    write(gpkg, [Point(X, Y), shapely.MultiPoint([(X, Y), (X + 1, Y)])], code=[1, 1])
    with pytest.raises(InputError, match=r"set chain\.points to 'pixel' .* or to 'buffer'"):
        read_reference(gpkg, "code", CRS)


def test_lines_are_rejected_with_the_remedy(gpkg):
    write(gpkg, [shapely.LineString([(X, Y), (X + 1, Y)])], code=[1])
    with pytest.raises(InputError, match="Lines have no area"):
        read_reference(gpkg, "code", CRS)


def test_points_are_rejected_as_regions(gpkg):
    write(gpkg, [Point(X, Y)], region=["a"])
    with pytest.raises(InputError) as caught:
        read_regions(gpkg, "region", CRS)
    assert "chain.points" not in str(caught.value)


def test_all_problems_are_reported_at_once(gpkg):
    write(gpkg, [Point(X, Y), square(0)], code=[1, 0])
    with pytest.raises(InputError) as caught:
        read_reference(gpkg, "code", CRS)
    assert "Point" in str(caught.value)
    assert "whole number" in str(caught.value)


def test_bow_tie_is_repaired_and_reported(gpkg):
    bow_tie = Polygon([(X, Y), (X + 2, Y + 2), (X + 2, Y), (X, Y + 2)])
    data = read_reference(write(gpkg, [square(50), bow_tie], code=[1, 1]), "code", CRS)
    assert data.frame.area.tolist() == pytest.approx([100, 2])
    assert data.frame.is_valid.all()
    assert data.notes == ("reference.gpkg: 1 invalid polygon repaired (row 1)",)


def test_collapsed_polygon_is_left_out_and_reported(gpkg):
    line = Polygon([(X, Y), (X + 1, Y), (X + 2, Y)])
    data = read_reference(write(gpkg, [line, square(50)], code=[1, 1]), "code", CRS)
    assert data.frame.originfid.tolist() == [1]
    assert "without any remaining area left out (row 0)" in data.notes[-1]


def test_multipolygon_is_one_unit_and_z_is_dropped(gpkg):
    multi = MultiPolygon([square(0), square(50)])
    high = shapely.force_3d(square(100), 7)
    data = read_reference(write(gpkg, [multi, high], code=[1, 2]), "code", CRS)
    assert data.frame.area.tolist() == [200, 100]
    assert not data.frame.has_z.any()
    assert data.notes == ()


def test_same_polygon_twice_is_kept_once(gpkg):
    data = read_reference(write(gpkg, [square(0), square(50), square(0)], code=[1, 2, 1]), "code", CRS)
    assert data.frame.originfid.tolist() == [0, 1]
    assert data.notes == ("reference.gpkg: 1 polygon identical to an earlier one left out (row 2)",)


def test_an_overlap_of_one_label_stays_with_the_first_polygon_and_is_reported(gpkg):
    data = read_reference(write(gpkg, [square(0), square(5)], code=["a", "a"]), "code", CRS)
    assert data.frame.area.tolist() == [100, 50]
    assert data.notes == (
        "reference.gpkg: 1 overlap (50 square units) of polygons of one label: "
        "the area stays with the first (rows 0 and 1)",
    )


def test_an_overlap_of_two_labels_is_removed_from_both_and_reported(gpkg):
    data = read_reference(write(gpkg, [square(0), square(5), square(50)], code=[1, 2, 3]), "code", CRS)
    assert data.frame.area.tolist() == [50, 50, 100]
    assert "1 overlap (50 square units) of polygons of different labels" in data.notes[0]


def test_polygons_covered_by_another_label_are_left_out(gpkg):
    data = read_reference(write(gpkg, [square(0), square(0), square(50)], code=[1, 2, 3]), "code", CRS)
    assert data.frame.originfid.tolist() == [2]
    assert data.frame.index.tolist() == [0]
    assert "2 polygons without any remaining area left out (row 0, 1)" in data.notes[1]


def test_neighbours_that_share_an_edge_are_untouched(gpkg):
    data = read_reference(write(gpkg, [square(0), square(10)], code=[1, 2]), "code", CRS)
    assert data.notes == ()
    assert data.frame.geometry.tolist() == [square(0), square(10)]


def test_missing_field_names_those_that_exist(gpkg):
    write(gpkg, [square(0)], code=[1], crop=["a"])
    with pytest.raises(InputError, match=r"no field 'class'; the fields are code, crop$"):
        read_reference(gpkg, "class", CRS)


@pytest.mark.parametrize("read", [read_reference, read_regions])
def test_a_misspelled_field_is_reported_with_the_nearest_one(gpkg, read):
    write(gpkg, [square(0)], code=[1], crop=["a"])
    with pytest.raises(InputError, match=r"no field 'cod'; the fields are code, crop; did you mean 'code'\?$"):
        read(gpkg, "cod", CRS)


def test_field_is_found_in_another_case_or_cut_by_the_format(tmp_path):
    path = write(tmp_path / "reference.shp", [square(0)], CLASSIFICA=[7])
    for field in ("classifica", "classification"):
        data = read_reference(path, field, CRS)
        assert data.frame.label.tolist() == [7]
        assert data.notes == (f"reference.shp: field 'CLASSIFICA' is used for {field!r}",)


def test_no_remaining_polygon_is_an_error_with_the_reasons(gpkg):
    write(gpkg, [square(0), square(0)], code=[1, 2])
    with pytest.raises(InputError, match=r"(?s)no polygon is left.*different labels.*row 0, 1"):
        read_reference(gpkg, "code", CRS)


def test_file_without_polygons_is_an_error(gpkg):
    frame = gpd.GeoDataFrame({"code": np.array([], int)}, geometry=[], crs=CRS)
    pyogrio.write_dataframe(frame, gpkg, geometry_type="Polygon")
    with pytest.raises(InputError, match="contains no polygon"):
        read_reference(gpkg, "code", CRS)
    with pytest.raises(InputError, match="no polygon"):
        read_regions(gpkg, "code", CRS)


def test_polygon_without_valid_coordinates_in_the_crs_is_left_out(gpkg):
    write(gpkg, [box(2, 45, 2.1, 45.1), box(0, 90, 1, 95)], crs="EPSG:4326", code=[1, 2])
    data = read_reference(gpkg, "code", "EPSG:3857")
    assert data.frame.originfid.tolist() == [0]
    assert "without valid coordinates in EPSG:3857 left out (row 1)" in data.notes[0]


@pytest.mark.parametrize("far", [1e30, 1e150, -1e11])
def test_a_polygon_with_damaged_coordinates_is_left_out(gpkg, far):
    damaged = Polygon([(X, Y), (X + 10, Y), (X + 10, far), (X, Y)])
    data = read_reference(write(gpkg, [damaged, square(50)], code=[1, 2]), "code", CRS)
    assert data.frame.originfid.tolist() == [1]
    assert "1 polygon without valid coordinates in EPSG:2154 left out (row 0)" in data.notes[0]


def lost(data):
    amounts: dict = {}
    for one in data.lost:
        polygons, area = amounts.get((one.label, one.reason), (0, 0))
        amounts[one.label, one.reason] = polygons + one.polygons, round(area + one.area, 6)
    return amounts


def test_losses_of_each_class_are_counted_by_reason(gpkg):
    geometry = [square(0), square(5), square(50), square(50), square(55), square(100), square(100), None, square(150)]
    write(gpkg, geometry, code=[1, 1, 2, 2, 3, 1, 3, 2, 1])
    data = read_reference(gpkg, "code", CRS)
    assert lost(data) == {
        (2, "no_geometry"): (1, 0),
        (2, "duplicate"): (1, 100),
        (1, "same_label"): (0, 50),
        (1, "two_labels"): (1, 100),
        (2, "two_labels"): (0, 50),
        (3, "two_labels"): (1, 150),
    }
    assert data.frame.area.sum() == 100 + 50 + 50 + 50 + 100


def test_a_class_without_remaining_polygons_is_named(gpkg):
    write(gpkg, [square(0), square(0), square(50), None], code=["blé", "maïs", "bois", "eau"])
    data = read_reference(gpkg, "code", CRS)
    message = [warning.split(":")[1].strip() for warning in data.warnings]
    assert message == [f"class {label!r} is lost" for label in ("blé", "maïs", "eau")]
    assert "(1 shared by polygons of different classes or values)" in data.warnings[0]


# ------------------------------------------------------------------------------------------ regions


def test_regions_are_dissolved_by_name(gpkg):
    write(gpkg, [square(0), square(50), square(10)], region=["west", "east", "west"])
    found = read_regions(gpkg, "region", CRS)
    assert found.region.tolist() == ["east", "west"]
    assert found.area.tolist() == [100, 200]
    assert found.crs == CRS


@pytest.mark.parametrize("values", [[1, 2], [1.0, 2.0], ["1", "2"]])
def test_region_names_are_text(gpkg, values):
    found = read_regions(write(gpkg, [square(0), square(10)], region=values), "region", CRS)
    assert found.region.tolist() == ["1", "2"]


@pytest.mark.parametrize("name", ["../out", "a/b", "..", ".hidden", "a\\b", "a\nb", "-rf", "a:b", "x" * 61, "a.", " a"])
def test_region_names_that_are_invalid_in_file_names_are_rejected(gpkg, name):
    with pytest.raises(InputError, match="cannot be part of a file name"):
        read_regions(write(gpkg, [square(0)], region=[name]), "region", CRS)


@pytest.mark.parametrize("name", ["1", "Région 2", "a_b-c.d", "平野", "Causses (nord)"])
def test_usual_region_names_are_accepted(gpkg, name):
    assert read_regions(write(gpkg, [square(0)], region=[name]), "region", CRS).region.tolist() == [name]


def test_overlapping_regions_are_named(gpkg):
    write(gpkg, [square(0), square(5), square(50)], region=["a", "b", "c"])
    with pytest.raises(InputError, match=r"regions 'a' and 'b' overlap \(50 square units\)"):
        read_regions(gpkg, "region", CRS)


def test_regions_that_share_an_edge_do_not_overlap_after_reprojection(gpkg):
    line = np.array([(X + 300 * k + 0.1, Y + 1000 * k + 0.3) for k in range(60)])
    west = Polygon([*line, (X - 90_000, Y + 59_000), (X - 90_000, Y)])
    east = Polygon([*line, (X + 90_000, Y + 59_000), (X + 90_000, Y)])
    found = read_regions(write(gpkg, [west, east], region=["w", "e"]), "region", "EPSG:32631")
    assert found.geometry[0].intersection(found.geometry[1]).area < 1


def test_three_regions_with_a_long_common_border_do_not_overlap_after_reprojection(gpkg):
    corner = (2.15, 44)
    one = Polygon([(1, 43), (1, 45), (2, 45), (2.3, 43)])
    two = Polygon([(2, 45), corner, (4, 44), (4, 45)])
    three = Polygon([corner, (2.3, 43), (4, 43), (4, 44)])
    write(gpkg, [one, two, three], crs="EPSG:4326", region=["1", "2", "3"])
    found = read_regions(gpkg, "region", CRS).geometry
    shared = [found[i].intersection(found[j]).area for i, j in ((0, 1), (0, 2), (1, 2))]
    assert max(shared) < 1e-6
    assert found.is_valid.all()


def test_an_overlap_of_regions_within_the_tolerance_is_assigned_to_the_first_by_name(gpkg):
    write(gpkg, [square(100, side=100.00001), square(0, side=100.00001)], region=["b", "a"])
    found = read_regions(gpkg, "region", CRS)
    assert found.region.tolist() == ["a", "b"]
    assert found.geometry[0].intersection(found.geometry[1]).area == 0
    assert found.geometry[0].equals(square(0, side=100.00001))


def test_regions_lacking_name_or_geometry_are_rejected_together(gpkg):
    write(gpkg, [square(0), None, Point(X, Y)], region=[None, "b", "c"])
    with pytest.raises(InputError) as caught:
        read_regions(gpkg, "region", CRS)
    assert all(word in str(caught.value) for word in ("no value", "no geometry", "Point"))


def test_repaired_regions_are_logged(gpkg, caplog):
    bow_tie = Polygon([(X, Y), (X + 2, Y + 2), (X + 2, Y), (X, Y + 2)])
    with caplog.at_level(logging.WARNING):
        assert read_regions(write(gpkg, [bow_tie], region=["a"]), "region", CRS).area.tolist() == pytest.approx([2])
    assert "1 invalid polygon repaired (row 0)" in caplog.text
