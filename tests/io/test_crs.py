from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Geod

from iota2.io.files.crs import isotropic, pixel_metres, sliver_area, units_per_metre


def test_units_per_metre_of_metres_and_feet():
    assert units_per_metre("EPSG:2154", 6_600_000) == 1
    assert units_per_metre("EPSG:2263") == pytest.approx(3937 / 1200)


@pytest.mark.parametrize("latitude", [-60, 0, 45, 70])
def test_a_length_in_degrees_is_exact_along_the_parallel_and_longer_in_other_directions(latitude):
    degrees = 1000 * units_per_metre("EPSG:4326", latitude)
    geod = Geod(ellps="WGS84")
    assert geod.inv(0, latitude, degrees, latitude)[2] == pytest.approx(1000, rel=0.005)
    assert geod.inv(0, latitude, 0, latitude + degrees)[2] >= 0.99 * 1000


@pytest.mark.parametrize("azimuth", [0, 30, 90, 200])
@pytest.mark.parametrize("latitude", [-75, -30, 0, 45, 68])
def test_isotropic_distances_are_metres_at_each_latitude_in_all_directions(latitude, azimuth):
    geod = Geod(ellps="sphere", a=6_371_000, b=6_371_000)
    x, y, _ = geod.fwd(3, latitude, azimuth, 500)
    (start, end), units = isotropic(shapely.points([3, x], [latitude, y]), "EPSG:4326")
    assert start.distance(end) / units == pytest.approx([500, 500], rel=5e-4)


def test_isotropic_coordinates_of_a_projection_are_its_own():
    squares = shapely.box([0, 5], 0, [1, 9], 1)
    same, units = isotropic(squares, "EPSG:2263")
    assert same is squares
    assert units.tolist() == [units_per_metre("EPSG:2263")] * 2


def test_isotropic_edges_are_straight_in_degrees_and_poles_are_finite():
    (line, pole), _ = isotropic(shapely.linestrings([[[0, 40], [0.5, 41]], [[0, 89], [0, 90]]]), "EPSG:4326")
    (middle,), units = isotropic(shapely.points([[0.25, 40.5]]), "EPSG:4326")
    assert line.distance(middle) / units[0] < 0.1
    assert np.isfinite(pole.bounds).all()


def test_pixels_in_degrees_have_the_width_of_their_row():
    grid = GeoBox((3, 2), Affine(0.5, 0, 3, 0, -20, 70), "EPSG:4326")
    widths, height = pixel_metres(grid)
    degree = 6_371_000 * np.pi / 180
    assert widths == pytest.approx(0.5 * degree * np.cos(np.radians([60, 40, 20])))
    assert height == pytest.approx(20 * degree)
    plain, height = pixel_metres(GeoBox((3, 2), Affine(10, 0, 0, 0, -20, 0), "EPSG:2154"))
    assert (plain.tolist(), height) == ([10.0] * 3, 20.0)


def test_degrees_per_metre_are_limited_near_the_pole_and_for_nan():
    assert units_per_metre("EPSG:4326", 90) == units_per_metre("EPSG:4326", math.nan) < 1e-4


def test_the_sliver_area_is_the_same_in_square_metres():
    assert sliver_area("EPSG:2154") == 1e-6
    assert sliver_area("EPSG:2263") == pytest.approx(1e-6 * (3937 / 1200) ** 2)
    assert math.sqrt(sliver_area("EPSG:4326")) == pytest.approx(1e-3 / (6_371_000 * np.pi / 180))
