"""Reference points become polygons of one pixel: the pixel that contains them, or a square around them."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from shapely import MultiPoint, Point, box

from iota2.io.files.crs import to_crs
from iota2.io.rasters.rasterize import pixels_inside
from iota2.io.tables.point_areas import PointRule, outline, with_areas
from iota2.io.tables.reference import read_reference

UTM, LAMBERT = "EPSG:32631", "EPSG:2154"
GRID = GeoBox((100, 120), Affine(10, 0, 400_000, 0, -10, 4_900_000), UTM)
EAST = GeoBox((100, 120), Affine(20, 0, 401_100, 0, -20, 4_900_000), UTM)
inside = st.tuples(st.floats(1.0, 1199.0), st.floats(1.0, 999.0))


def rule(area, crs=UTM, **grids):
    grids = grids or {"west": GRID}
    return PointRule(area, grids, {tile: outline(grid, crs) for tile, grid in grids.items()})


def areas(points, area, crs=UTM, **grids):
    return with_areas(gpd.GeoSeries(points, crs=crs), rule(area, crs, **grids))


def test_pixel_is_the_one_that_contains_the_point():
    (found,) = areas([Point(400_013, 4_899_999)], "pixel")
    assert found.equals(box(400_010, 4_899_990, 400_020, 4_900_000))


def test_buffer_is_half_a_pixel_to_each_side():
    (found,) = areas([Point(400_013, 4_899_983)], "buffer")
    assert found.equals(box(400_008, 4_899_978, 400_018, 4_899_988))


@given(st.lists(inside, min_size=1, max_size=20))
@pytest.mark.parametrize("crs", [UTM, LAMBERT])
def test_pixel_gives_each_point_the_pixel_under_it_in_any_projection(crs, offsets):
    points = gpd.GeoSeries([Point(400_000 + x, 4_900_000 - y) for x, y in offsets], crs=UTM)
    polygons = to_crs(with_areas(to_crs(points, crs), rule("pixel", crs)), UTM)
    for point, polygon in zip(points, polygons, strict=True):
        _, rows, cols = pixels_inside(gpd.GeoDataFrame(geometry=[polygon], crs=UTM), GRID)
        expected = (~GRID.affine) @ (point.x, point.y)
        near = [abs(expected[0] - round(expected[0])) < 1e-3, abs(expected[1] - round(expected[1])) < 1e-3]
        assert len(rows) == 1
        if not any(near):
            assert (cols[0], rows[0]) == tuple(np.floor(expected))


def test_a_point_on_an_edge_is_in_one_pixel():
    (found,) = areas([Point(400_010, 4_899_990)], "pixel")
    assert found.equals(box(400_010, 4_899_980, 400_020, 4_899_990))


def test_points_get_the_pixels_of_their_tile():
    first, second = areas([Point(400_013, 4_899_999), Point(402_013, 4_899_999)], "pixel", west=GRID, east=EAST)
    assert (first.area, second.area) == (100, 400)


@pytest.mark.parametrize("area", ["pixel", "buffer"])
def test_points_outside_all_tiles_get_a_square_around_them(area):
    (found,) = areas([Point(0, 0)], area)
    assert found.covers(Point(0, 0))
    assert found.area == 100


def test_a_multipoint_is_one_unit_and_polygons_stay():
    polygon = box(400_100, 4_899_900, 400_150, 4_899_950)
    multi, same = areas([MultiPoint([(400_003, 4_899_997), (400_053, 4_899_997)]), polygon], "pixel")
    assert multi.geom_type == "MultiPolygon"
    assert multi.area == 200
    assert same.equals(polygon)


def write(path, points, crs=LAMBERT):
    frame = gpd.GeoDataFrame({"code": range(1, len(points) + 1)}, geometry=points, crs=UTM).to_crs(crs)
    frame.to_file(path)
    return path


@pytest.mark.parametrize("area", ["pixel", "buffer"])
@pytest.mark.parametrize("crs", [LAMBERT, UTM, "EPSG:4326"])
def test_reference_points_are_read_with_a_note(tmp_path, area, crs):
    path = write(tmp_path / "p.gpkg", [Point(400_013, 4_899_983), Point(400_555, 4_899_555)], crs)
    data = read_reference(path, "code", LAMBERT, rule(area, LAMBERT))
    assert shapely.area(data.frame.geometry.to_numpy()) == pytest.approx([100, 100], rel=0.01)
    assert any("2 points" in note and f"chain.points: {area}" in note for note in data.notes)


def test_points_of_two_classes_in_one_pixel_are_left_out(tmp_path):
    path = write(tmp_path / "p.gpkg", [Point(400_013, 4_899_983), Point(400_014, 4_899_984), Point(400_500, 4_899_500)])
    data = read_reference(path, "code", LAMBERT, rule("pixel", LAMBERT))
    assert data.frame["label"].tolist() == [3]
    assert len(data.warnings) == 2


def test_points_and_polygons_of_one_file_are_read_together(tmp_path):
    path = write(tmp_path / "p.gpkg", [Point(400_013, 4_899_983), box(400_500, 4_899_500, 400_530, 4_899_530)], UTM)
    assert len(read_reference(path, "code", UTM, rule("pixel")).frame) == 2
