"""Smoothing of lines: points at quarters, and corners that have to stay."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine

from iota2.compute.coverage.smoothing import ROUNDS, smooth
from tests.compute.coverage.drawn import lines_of

PIXELS = Affine.identity()
UPPER = [(0, 0), (16, 0), (16, 4), (8, 12), (0, 4)]
LOWER = [(0, 4), (8, 12), (16, 4), (16, 16), (0, 16)]
CORNER = (8.0, 12.0)
SEGMENT = 128**0.5


def test_a_corner_becomes_the_points_at_quarters_of_its_segments() -> None:
    """Chaikin (1974): after one round, the length of a segment is a half and a quarter."""
    lines = lines_of([[UPPER], [LOWER]], [CORNER])
    found = smooth(lines, PIXELS, SEGMENT - 0.01)
    upper, lower = found.to_polygons(found.points)
    assert upper.exterior.coords[:-1] == [(0, 0), (16, 0), (16, 4), (10, 10), (6, 10), (0, 4)]
    assert lower.exterior.coords[:-1] == [(0, 4), (6, 10), (10, 10), (16, 4), (16, 16), (0, 16)]


def test_segments_up_to_the_length_are_not_divided() -> None:
    lines = lines_of([[UPPER], [LOWER]], [CORNER])
    assert smooth(lines, PIXELS, SEGMENT) is lines
    assert smooth(lines, PIXELS, 0) is lines


def test_the_length_is_in_units_of_the_map() -> None:
    lines = lines_of([[UPPER], [LOWER]], [CORNER])
    transform = Affine.rotation(20) * Affine.scale(10, -10)
    assert smooth(lines, transform, SEGMENT * 10 + 0.1) is lines
    assert len(smooth(lines, transform, SEGMENT * 10 - 0.1).points) == len(lines.points) + 1


def test_the_number_of_rounds_is_limited() -> None:
    pixel = [(4.0, 4.0), (12.0, 4.0), (12.0, 12.0), (4.0, 12.0)]
    lines = lines_of([[[(0, 0), (16, 0), (16, 16), (0, 16)], pixel[::-1]], [pixel]], pixel)
    found = smooth(lines, PIXELS, 1e-9)
    around, island = found.to_polygons(found.points)
    assert len(island.exterior.coords) - 1 == 4 * 2**ROUNDS
    # limit of the removed area, 1/6 of the triangles at the corners: Riesenfeld (1975), quadratic B-splines
    assert island.area == pytest.approx(64 * 5 / 6, rel=1e-3)
    assert around.area + island.area == 256


def test_fixed_vertices_and_straight_lines_stay() -> None:
    upper = [(0, 0), (16, 0), (16, 4), (12, 4), (8, 4), (4, 8), (0, 4)]
    lower = [(0, 4), (4, 8), (8, 4), (12, 4), (16, 4), (16, 16), (0, 16)]
    lines = lines_of([[upper], [lower]], [(12.0, 4.0), (4.0, 8.0)])
    found = smooth(lines, PIXELS, 3)
    assert found.points[~found.free].tolist() == lines.points[~lines.free].tolist()
    assert np.count_nonzero(found.points[:, 1] == 4) == np.count_nonzero(lines.points[:, 1] == 4)
    assert [12, 4] in found.points.tolist()
    assert [4, 8] not in found.points.tolist()


def test_a_corner_stays_if_it_would_meet_another_line() -> None:
    """A pixel in the corner touches the side that would replace it."""
    for x, blocked in ((8, True), (3, False)):
        y = 10.0 if blocked else 6.0
        pixel = [(x, y), (x + 0.5, y), (x + 0.5, y - 1), (x, y - 1)]
        lines = lines_of([[UPPER, pixel], [LOWER], [pixel[::-1]]], [CORNER])
        found = smooth(lines, PIXELS, SEGMENT - 0.01)
        assert (list(CORNER) in found.points.tolist()) == blocked
        assert shapely.coverage_is_valid(found.to_polygons(found.points))


def test_corners_of_one_segment_are_cut_at_once() -> None:
    upper = [(0, 0), (16, 0), (16, 4), (12, 4), (12, 8), (4, 8), (4, 4), (0, 4)]
    lower = [(0, 4), (4, 4), (4, 8), (12, 8), (12, 4), (16, 4), (16, 16), (0, 16)]
    lines = lines_of([[upper], [lower]], [(12, 4), (12, 8), (4, 8), (4, 4)])
    found = smooth(lines, PIXELS, 7)
    polygons = found.to_polygons(found.points)
    expected = [(12, 5), (12, 7), (10, 8), (6, 8), (4, 7)]
    assert [one for one in polygons[0].exterior.coords if one in expected] == [(12, 7), (10, 8), (6, 8), (4, 7)]
    assert shapely.coverage_is_valid(polygons)
    assert np.ptp(found.points, axis=0).tolist() == [16, 16]
