from __future__ import annotations

import numpy as np
import pytest
import shapely
from pyproj import CRS, Geod, Transformer
from shapely import Polygon, box

from iota2.compute.geodesic import geodesic_areas


def parcels(x: float, y: float, side: float) -> np.ndarray:
    """A square, one with a hole, a triangle and an empty polygon."""
    square = box(x, y, x + side, y + side)
    hole = box(x + 0.2 * side, y + 0.3 * side, x + 0.6 * side, y + 0.5 * side)
    triangle = Polygon([(x, y), (x + side, y), (x, y + side)])
    return np.array([square, square.difference(hole), triangle, Polygon()], object)


def equal_area(polygons: np.ndarray, crs: str, longest: float) -> np.ndarray:
    """Areas in an equal-area projection around the polygons, with divided edges."""
    degrees = Transformer.from_crs(crs, CRS(crs).geodetic_crs, always_xy=True)
    middle = shapely.union_all(polygons).centroid
    x, y = degrees.transform(middle.x, middle.y)
    ellipsoid = CRS(crs).ellipsoid
    axes = f"+a={ellipsoid.semi_major_metre} +rf={ellipsoid.inverse_flattening}"
    local = CRS.from_proj4(f"+proj=laea +lon_0={x} +lat_0={y} {axes}")
    there = Transformer.from_crs(CRS(crs).geodetic_crs, local, always_xy=True)
    divided = shapely.segmentize(polygons, longest)
    moved = shapely.transform(divided, lambda at: np.column_stack(there.transform(*degrees.transform(*at.T))))
    return shapely.area(moved)


@pytest.mark.parametrize(
    ("crs", "x", "y", "side", "longest"),
    [
        ("EPSG:2154", 560_000, 6_280_000, 20_000, 50),
        ("EPSG:32631", 300_000, 4_800_000, 10_000, 50),
        ("EPSG:4326", 2.0, 43.0, 0.2, 0.0005),
        ("EPSG:2225", 6_000_000, 2_000_000, 30_000, 150),  # US survey feet
    ],
)
def test_areas_equal_those_of_an_equal_area_projection(crs, x, y, side, longest):
    polygons = parcels(x, y, side)
    np.testing.assert_allclose(geodesic_areas(polygons, crs), equal_area(polygons, crs, longest), rtol=1e-7)


def test_a_degree_at_the_equator_equals_the_library():
    expected = Geod(ellps="WGS84").geometry_area_perimeter(shapely.segmentize(box(0, 0, 1, 1), 0.001))[0]
    np.testing.assert_allclose(geodesic_areas(np.array([box(0, 0, 1, 1)]), "EPSG:4326"), abs(expected), rtol=1e-7)


def test_no_polygons():
    found = geodesic_areas(np.zeros(0, object), "EPSG:2154")
    assert (found.shape, found.dtype) == ((0,), np.float64)
