from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Point, Polygon, box

from iota2.compute.first_polygons import FirstPolygons
from iota2.compute.polygons import centres_inside

# corners on centres, on pixel edges, and anywhere, inside and outside the grid
steps = st.one_of(st.integers(-4, 24).map(float), st.integers(-4, 24).map(lambda k: k + 0.5), st.floats(-4, 24))
corners = st.lists(st.tuples(steps, steps), min_size=3, max_size=7)
rings = corners.map(Polygon)  # most of them intersect themselves
shapes = st.one_of(
    rings,
    st.lists(rings, max_size=3).map(MultiPolygon),
    st.tuples(corners, corners).map(lambda both: Polygon(both[0], [both[1]])),
    st.just(Polygon()),
)
X, Y = 500_005.0 + 10 * np.arange(20), 4_799_995.0 - 10 * np.arange(17)


def array(*polygons) -> np.ndarray:
    return np.array([*polygons, None], dtype=object)[:-1]


def moved(polygons) -> np.ndarray:
    """Polygons in pixels, on the grid of ``X`` and ``Y``."""
    return shapely.transform(array(*polygons), lambda at: at * [10, -10] + [500_000, 4_800_000])


def burned(polygons, ranks, *, x=X, y=Y, batch=100) -> FirstPolygons:
    raster = FirstPolygons(np.zeros((len(y), len(x)), np.uint32), x, y)
    for first in range(0, len(polygons), batch):
        raster.add(polygons[first : first + batch], np.array(ranks[first : first + batch], np.int64))
    return raster


@given(st.lists(shapes, max_size=6), st.randoms(use_true_random=False), st.integers(1, 6))
@settings(max_examples=300, deadline=None)
def test_each_pixel_belongs_to_the_polygon_of_lowest_rank_that_contains_its_centre(found, random, batch):
    polygons, ranks = moved(found), random.sample(range(100), len(found))
    inside = np.array([centres_inside(one, X, Y) for one in polygons]).reshape(len(found), len(Y), len(X))
    expected = np.zeros((len(Y), len(X)), int)
    for k in np.argsort(ranks)[::-1]:
        expected[inside[k]] = k + 1
    raster = burned(polygons, ranks, batch=batch)
    np.testing.assert_array_equal(raster.numbers, expected)
    won = np.bincount(expected.ravel(), minlength=len(found) + 1)[1:]
    np.testing.assert_array_equal(raster.won, won)
    np.testing.assert_array_equal(raster.lost, inside.sum(axis=(1, 2)) - won)
    np.testing.assert_array_equal(raster.ranks, ranks)


@given(st.lists(shapes, min_size=1, max_size=4), st.integers(0, 16), st.integers(0, 19))
@settings(deadline=None)
def test_window_equals_the_same_part_of_the_grid(found, row, column):
    polygons, ranks = moved(found), range(len(found))
    part = burned(polygons, ranks, x=X[column:], y=Y[row : row + 5])
    np.testing.assert_array_equal(part.numbers, burned(polygons, ranks).numbers[row : row + 5, column:])


def test_centre_on_a_common_edge_is_in_one_polygon():
    quarters = moved([box(-1, 9.5, 5.5, 20), box(5.5, 9.5, 30, 20), box(-1, -1, 5.5, 9.5), box(5.5, -1, 30, 9.5)])
    raster = burned(quarters, range(4))
    assert raster.lost.sum() == 0
    assert raster.won.sum() == X.size * Y.size


def test_holes_and_parts_are_respected():
    ring = Point(10, 8).buffer(5) - Point(10, 8).buffer(2)
    raster = burned(moved([MultiPolygon([ring, box(0, 0, 1, 1)])]), [0])
    assert raster.numbers[0, 0] == raster.numbers[8, 6] == 1
    assert raster.numbers[8, 10] == 0


def test_third_coordinate_is_ignored():
    flat, high = moved([box(2, 2, 5, 5)]), shapely.force_3d(moved([box(2, 2, 5, 5)]), 7)
    np.testing.assert_array_equal(burned(high, [0]).numbers, burned(flat, [0]).numbers)


@pytest.mark.parametrize("polygons", [[], [Polygon()], [box(100, 100, 120, 120)], [box(4.6, 4.6, 5.4, 5.4)]])
def test_polygons_without_a_centre_win_nothing(polygons):
    raster = burned(moved(polygons), range(len(polygons)))
    assert not raster.numbers.any()
    assert raster.won.tolist() == raster.lost.tolist() == [0] * len(polygons)
