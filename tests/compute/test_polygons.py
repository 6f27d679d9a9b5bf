from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import GeometryCollection, LineString, MultiPolygon, Point, Polygon, box

from iota2.compute.polygons import (
    centres_inside,
    duplicates,
    eroded,
    evenly_divided,
    is_polygonal,
    overlaps,
    polygonal,
    repaired,
    separated,
)

small = st.integers(0, 12)
rectangles = st.builds(lambda x, y, w, h: box(x, y, x + 1 + w, y + 1 + h), small, small, small, small)
labelled = st.lists(st.tuples(rectangles, st.integers(1, 3)), max_size=7)


def array(*geometries) -> np.ndarray:
    result = np.empty(len(geometries), dtype=object)
    result[:] = geometries
    return result


def test_polygonal_keeps_only_polygons_of_any_collection():
    square, far = box(0, 0, 1, 1), box(5, 5, 6, 6)
    mixed = GeometryCollection([MultiPolygon([square, far]), LineString([(0, 0), (9, 9)]), Point(3, 3)])
    found = polygonal(array(mixed, LineString([(0, 0), (1, 1)]), None, square))
    assert [g.geom_type for g in found] == ["MultiPolygon", "Polygon", "Polygon", "Polygon"]
    assert [g.area for g in found] == [2, 0, 0, 1]


def test_only_polygons_are_polygonal():
    found = is_polygonal(array(box(0, 0, 1, 1), MultiPolygon([box(0, 0, 1, 1)]), Point(0, 0), None))
    assert found.tolist() == [True, True, False, False]


def test_repaired_bow_tie_is_two_triangles():
    bow_tie = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    found, invalid = repaired(array(bow_tie, box(0, 0, 1, 1), Polygon([(0, 0), (1, 1), (2, 2)])))
    assert invalid.tolist() == [True, False, True]
    assert shapely.is_valid(found).all()
    assert [g.area for g in found] == [2, 1, 0]
    assert found[0].geom_type == "MultiPolygon"


def test_duplicates_have_the_same_geometry_and_label():
    square, turned = box(0, 0, 1, 1), Polygon([(1, 1), (0, 1), (0, 0), (1, 0)])
    assert duplicates(array(square, turned, square, box(0, 0, 1, 2)), [1, 1, 2, 1]).tolist() == [
        False, True, False, False,
    ]  # fmt: skip


def test_neighbours_with_a_common_edge_do_not_overlap():
    one, other, area = overlaps(array(box(0, 0, 1, 1), box(1, 0, 2, 1), box(0.5, 0, 1.5, 1)), smallest=0.1)
    assert list(zip(one, other, area, strict=True)) == [(0, 2, 0.5), (1, 2, 0.5)]


def test_overlap_of_one_label_stays_with_the_first_polygon():
    result = separated(array(box(0, 0, 2, 1), box(1, 0, 3, 1)), ["wheat", "wheat"], smallest=1e-6)
    assert [g.bounds for g in result.polygons] == [(0, 0, 2, 1), (2, 0, 3, 1)]
    assert result.same[2].tolist() == [1]
    assert result.different[2].tolist() == []


def test_overlap_of_two_labels_is_removed_from_both():
    result = separated(array(box(0, 0, 2, 1), box(1, 0, 3, 1)), [1, 2], smallest=1e-6)
    assert [g.bounds for g in result.polygons] == [(0, 0, 1, 1), (2, 0, 3, 1)]
    assert result.different[2].tolist() == [1]


def test_equal_polygons_with_two_labels_leave_no_area():
    result = separated(array(box(0, 0, 1, 1), box(0, 0, 1, 1)), [1, 2], smallest=1e-6)
    assert shapely.is_empty(result.polygons).all()


@given(labelled)
def test_each_area_is_assigned_by_the_labels_of_its_polygons(items):
    polygons, labels = array(*(polygon for polygon, _ in items)), [label for _, label in items]
    found = separated(polygons, labels, smallest=1e-6).polygons
    assert all(a.intersection(b).area == pytest.approx(0, abs=1e-6) for a, b in combinations(found, 2))
    for x, y in np.argwhere(np.ones((26, 26))) + 0.5:
        claims = [k for k, polygon in enumerate(polygons) if polygon.contains(Point(x, y))]
        owners = [k for k, polygon in enumerate(found) if polygon.contains(Point(x, y))]
        assert owners == (claims[:1] if len({labels[k] for k in claims}) == 1 else [])


def test_areas_up_to_the_rounding_limit_are_dropped():
    polygons = array(box(0, 0, 2, 1), box(1.9, 0, 3, 1))
    assert len(separated(polygons, [1, 2], smallest=0.05).different[0]) == 1
    result = separated(polygons, [1, 2], smallest=0.11)
    assert len(result.different[0]) == 0
    assert [g.bounds for g in result.polygons] == [(0, 0, 2, 1), (1.9, 0, 3, 1)]


def test_erosion_removes_the_distance_on_every_side():
    found = eroded(array(box(0, 0, 10, 10), box(0, 0, 0.1, 10)), 0.1)
    assert found[0].bounds == pytest.approx((0.1, 0.1, 9.9, 9.9))
    assert found[1].is_empty


def test_empty_input_gives_empty_output():
    none = np.array([], dtype=object)
    assert len(separated(none, [], smallest=1e-6).polygons) == 0
    assert len(repaired(none)[0]) == len(polygonal(none)) == len(duplicates(none, [])) == 0


def test_many_neighbouring_polygons_are_separated():
    x, y = (axis.ravel() * 10.0 for axis in np.meshgrid(np.arange(100), np.arange(100)))
    polygons = shapely.box(x, y, x + 10.5, y + 10)
    result = separated(polygons, list(range(len(polygons))), smallest=1e-6)
    assert len(result.different[0]) == 99 * 100
    assert shapely.area(result.polygons[:100]) == pytest.approx([100] + [95] * 98 + [100])


def test_centres_on_edges_belong_to_the_right_and_to_the_upper_neighbour():
    x, y = np.arange(6) + 0.5, 5.5 - np.arange(6)
    quarters = [box(0, 0, 2.5, 3.5), box(2.5, 0, 6, 3.5), box(0, 3.5, 2.5, 6), box(2.5, 3.5, 6, 6)]
    owner = sum(k * centres_inside(quarter, x, y).astype(int) for k, quarter in enumerate(quarters, 1))
    expected = [[3, 3, 4, 4, 4, 4]] * 3 + [[1, 1, 2, 2, 2, 2]] * 3
    np.testing.assert_array_equal(owner, expected)


def test_centres_inside_equal_points_in_polygon():
    rng = np.random.default_rng(5)
    x, y = np.arange(50) + 0.5, 49.5 - np.arange(40)
    discs = shapely.buffer(shapely.points(rng.random((9, 2)) * 50), rng.random(9) * 9)
    shape = shapely.union_all(discs) - Point(25, 25).buffer(4)
    np.testing.assert_array_equal(centres_inside(shape, x, y), shapely.contains_xy(shape, *np.meshgrid(x, y)))
    assert not centres_inside(Polygon(), x, y).any()


def test_divided_edges_have_the_same_points_from_both_sides():
    rng = np.random.default_rng(1)
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(rng.uniform(0, 1e6, (40, 2)))))
    holed = box(2e6, 0, 3e6, 1e6).difference(box(2.2e6, 3e5, 2.7e6, 7e5))
    polygons = np.array([*cells, holed, box(2.2e6, 3e5, 2.7e6, 7e5)], object)
    assert shapely.coverage_is_valid(polygons)
    divided = evenly_divided(polygons, 777.0)
    assert shapely.coverage_is_valid(divided)
    np.testing.assert_allclose(shapely.area(divided), shapely.area(polygons), rtol=1e-12)
    for before, after in zip(polygons, divided, strict=True):
        points = shapely.get_coordinates(after)
        assert set(map(tuple, shapely.get_coordinates(before))) <= set(map(tuple, points))
    edges = np.hypot(*np.diff(shapely.get_coordinates(divided[0]), axis=0).T)
    assert edges.max() <= 777.0 * (1 + 1e-9)
    assert edges.min() > 777.0 / 4


def test_short_edges_and_empty_polygons_are_not_divided():
    polygons = np.array([box(0, 0, 1, 1), Polygon(), shapely.multipolygons([box(5, 5, 6, 6), box(7, 7, 8, 8)])], object)
    assert shapely.equals(evenly_divided(polygons, 10.0), polygons).all()
    assert len(evenly_divided(polygons[:0], 10.0)) == 0
