"""Simplification of lines: what is removed, and what has to stay."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from iota2.compute.coverage.cells import LineOptions, cell_polygons
from iota2.compute.coverage.simplification import simplify
from tests.compute.coverage.drawn import lines_of
from tests.compute.coverage.test_cells import PIXELS


def test_the_smallest_triangle_is_removed_first() -> None:
    """Worked by hand: triangles of 1, 2 and 3; without the first, that of 2 becomes 3."""
    upper = [(0, 0), (8, 0), (8, 4), (6, 3), (4, 4), (2, 3.5), (0, 4)]
    free = [(6.0, 3.0), (4.0, 4.0), (2.0, 3.5)]
    lower = [(0, 4), (2, 3.5), (4, 4), (6, 3), (8, 4), (8, 8), (0, 8)]
    lines = lines_of([[upper], [lower]], free)
    for tolerance, kept in ((0.9, 3), (1.01, 2), (1.99**0.5, 2), (3.1**0.5, 0)):
        found = simplify(lines, tolerance)
        polygons = found.to_polygons(found.points)
        assert len(found.points) - 6 == kept, tolerance
        assert shapely.coverage_is_valid(polygons)
        assert shapely.area(polygons).sum() == 64


def test_a_vertex_stays_if_its_triangle_contains_another_vertex() -> None:
    """A pixel in a bend of a line would be on the other side of the straight line."""
    upper = [(0, 0), (10, 0), (10, 2), (5, 7), (0, 2)]
    lower = [(0, 2), (5, 7), (10, 2), (10, 9), (0, 9)]
    pixel = [(4, 3), (5, 3), (5, 4), (4, 4)]
    lines = lines_of([[upper, pixel[::-1]], [lower], [pixel]], [(5, 7)])
    found = simplify(lines, 50)
    assert found.points.tolist() == lines.points.tolist()
    without = simplify(lines_of([[upper], [lower]], [(5, 7)]), 50)
    assert [5, 7] not in without.points.tolist()


def test_an_island_keeps_three_vertices() -> None:
    pixel = [(4.0, 4.0), (5.0, 4.0), (5.0, 5.0), (4.0, 5.0)]
    lines = lines_of([[[(0, 0), (9, 0), (9, 9), (0, 9)], pixel[::-1]], [pixel]], pixel)
    found = simplify(lines, 100)
    around, island = found.to_polygons(found.points)
    assert (around.area, island.area) == (80.5, 0.5)
    assert len(island.exterior.coords) == 4


def test_two_lines_between_the_same_nodes_do_not_become_one() -> None:
    lens = [(2.0, 4.0), (4.0, 3.0), (6.0, 4.0), (4.0, 5.0)]
    upper = [(0, 0), (8, 0), (8, 4), (6, 4), (4, 3), (2, 4), (0, 4)]
    lower = [(0, 4), (2, 4), (4, 5), (6, 4), (8, 4), (8, 8), (0, 8)]
    found = simplify(lines_of([[upper], [lens], [lower]], [(4, 3), (4, 5)]), 100)
    polygons = found.to_polygons(found.points)
    assert shapely.area(polygons).tolist() == [32, 2, 30]
    assert shapely.coverage_is_valid(polygons)


def test_without_tolerance_nothing_changes() -> None:
    lines = lines_of([[[(0, 0), (9, 0), (9, 9)]]], [])
    assert simplify(lines, 0) is lines
    assert simplify(lines, 10).points.tolist() == lines.points.tolist()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(3, 60), st.floats(0.1, 30))
def test_vertices_are_those_of_shapely_if_no_triangle_contains_another(seed: int, count: int, tolerance: float) -> None:
    """Lines from left to right, far apart: a triangle contains no vertex, and no two triangles have one area."""
    rng = np.random.default_rng(seed)
    heights = 100 * np.arange(5)[:, np.newaxis] + rng.integers(0, 20 * 2**16, (5, count)) / 2**16
    lines = [[*enumerate(line.tolist())] for line in heights]
    rings = [[upper + lower[::-1]] for upper, lower in pairwise(lines)]
    drawn = lines_of(rings, [place for line in lines[1:-1] for place in line[1:-1]])
    found = simplify(drawn, tolerance)
    expected = shapely.coverage_simplify(drawn.to_polygons(drawn.points), tolerance, simplify_boundary=False)
    polygons = found.to_polygons(found.points)
    assert shapely.coverage_is_valid(polygons)
    np.testing.assert_array_equal(
        shapely.to_wkb(shapely.normalize(polygons)), shapely.to_wkb(shapely.normalize(expected))
    )


@pytest.mark.parametrize("tolerance", [0.8, 2.0, 5.0])
def test_a_map_has_as_many_vertices_as_by_shapely(tolerance: float) -> None:
    """Lines with triangles of equal areas, some of which contain other vertices."""
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(202, 202)), 4)
    labels = np.digitize(noise, np.quantile(noise, [0.3, 0.6])).astype(np.uint8) + 1
    drawn = cell_polygons(labels, (0, 0), PIXELS, LineOptions(cut_corners=True)).polygons
    expected = shapely.coverage_simplify(drawn, tolerance, simplify_boundary=False)
    found = cell_polygons(labels, (0, 0), PIXELS, LineOptions(cut_corners=True, tolerance=tolerance)).polygons
    assert shapely.coverage_is_valid(found)
    assert shapely.coverage_is_valid(expected)
    assert shapely.get_num_coordinates(found).sum() == pytest.approx(shapely.get_num_coordinates(expected).sum(), 0.02)
