from __future__ import annotations

import math

import numpy as np
import pytest
from pyproj import Geod

from iota2.io.files.crs import sliver_area, units_per_metre


def test_units_per_metre_of_metres_and_feet():
    assert units_per_metre("EPSG:2154", 6_600_000) == 1
    assert units_per_metre("EPSG:2263") == pytest.approx(3937 / 1200)


@pytest.mark.parametrize("latitude", [-60, 0, 45, 70])
def test_a_length_in_degrees_is_exact_along_the_parallel_and_longer_in_other_directions(latitude):
    degrees = 1000 * units_per_metre("EPSG:4326", latitude)
    geod = Geod(ellps="WGS84")
    assert geod.inv(0, latitude, degrees, latitude)[2] == pytest.approx(1000, rel=0.005)
    assert geod.inv(0, latitude, 0, latitude + degrees)[2] >= 0.99 * 1000


def test_degrees_per_metre_are_limited_near_the_pole_and_for_nan():
    assert units_per_metre("EPSG:4326", 90) == units_per_metre("EPSG:4326", math.nan) < 1e-4


def test_the_sliver_area_is_the_same_in_square_metres():
    assert sliver_area("EPSG:2154") == 1e-6
    assert sliver_area("EPSG:2263") == pytest.approx(1e-6 * (3937 / 1200) ** 2)
    assert math.sqrt(sliver_area("EPSG:4326")) == pytest.approx(1e-3 / (6_371_000 * np.pi / 180))
