from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Polygon, box

from iota2.compute.polygons import centres_inside
from iota2.compute.scan_lines import pixel_runs

X, Y = 500_005.0 + 10 * np.arange(20), 4_799_995.0 - 10 * np.arange(17)
steps = st.one_of(st.integers(-4, 24).map(float), st.integers(-4, 24).map(lambda k: k + 0.5), st.floats(-4, 24))
corners = st.lists(st.tuples(steps, steps), min_size=3, max_size=7)
shapes = st.one_of(
    corners.map(Polygon),
    st.lists(corners.map(Polygon), max_size=3).map(MultiPolygon),
    st.tuples(corners, corners).map(lambda both: Polygon(both[0], [both[1]])),
    st.just(Polygon()),
)


def on_grid(polygons) -> np.ndarray:
    """Polygons in pixels, on the grid of ``X`` and ``Y``."""
    found = np.array([*polygons, None], dtype=object)[:-1]
    return shapely.transform(found, lambda at: at * [10, -10] + [500_000, 4_800_000])


def inside(runs, polygon: int) -> np.ndarray:
    out = np.zeros((len(Y), len(X)), int)
    for row, number, first, last in zip(*runs, strict=True):
        if number == polygon:
            out[row, first:last] += 1
    return out


@given(st.lists(shapes, max_size=6))
@settings(max_examples=200, deadline=None)
def test_runs_have_the_pixels_whose_centre_is_in_the_polygon_once(found):
    polygons = on_grid(found)
    runs = pixel_runs(polygons, X, Y)
    for k, polygon in enumerate(polygons):
        np.testing.assert_array_equal(inside(runs, k), centres_inside(polygon, X, Y))


def test_runs_are_in_the_order_of_rows_and_grow_beyond_the_first_table():
    polygons = on_grid([box(0, 0, 20, 17)] * 100)
    runs = pixel_runs(polygons, X, Y)
    assert len(runs.row) == 1700
    np.testing.assert_array_equal(runs.row, np.repeat(np.arange(17), 100))
    np.testing.assert_array_equal(runs.polygon, np.tile(np.arange(100), 17))
    assert set(runs.first) == {0}
    assert set(runs.end) == {20}


def test_no_polygon_has_no_runs():
    assert all(len(one) == 0 for one in pixel_runs(on_grid([]), X, Y))
    assert all(len(one) == 0 for one in pixel_runs(on_grid([Polygon(), box(30, 30, 40, 40)]), X, Y))
