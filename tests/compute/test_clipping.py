from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.features import shapes
from shapely import Polygon, box

from iota2.compute.clipping import clipped


def coverage(rng, side: int = 40, tolerance: float = 0.0) -> np.ndarray:
    """A valid coverage of polygons of a random raster with pixels of 20 m."""
    transform = Affine(20, 0, 500_000, 0, -20, 6_300_000)
    labels = rng.integers(1, 4, (side, side)).astype(np.uint8)
    found = [shapely.geometry.shape(one) for one, _ in shapes(labels, connectivity=4, transform=transform)]
    return shapely.coverage_simplify(shapely.coverage_clean(np.array(found, object)), tolerance)


def cells(rng, bounds, count: int) -> np.ndarray:
    """A partition of a rectangle."""
    x0, y0, x1, y1 = bounds
    points = shapely.multipoints(np.column_stack([rng.uniform(x0, x1, count), rng.uniform(y0, y1, count)]))
    return shapely.intersection(
        shapely.get_parts(shapely.voronoi_polygons(points, extend_to=box(*bounds))), box(*bounds)
    )


def rows(rng, bounds, step: float) -> np.ndarray:
    """A partition of a rectangle with stairs whose corners are multiples of ``step``: on pixels and their edges."""
    x0, y0, x1, y1 = bounds
    stairs = [(x0, (y0 + y1) / 2)]
    while stairs[-1][0] < x1:
        x, y = stairs[-1]
        right = min(x + step * rng.integers(1, 8), x1)
        stairs += [(right, y)] if right == x1 else [(right, y), (right, y + step * rng.integers(-3, 4))]
    return np.array([Polygon([*stairs, (x1, y0), (x0, y0)]), Polygon([*stairs, (x1, y1), (x0, y1)])], object)


@pytest.mark.parametrize("tolerance", [0, 15])
@pytest.mark.parametrize("seed", range(8))
def test_parts_in_neighbouring_areas_are_one_valid_coverage(seed, tolerance):
    rng = np.random.default_rng(seed)
    polygons = coverage(rng, tolerance=tolerance)
    bounds = shapely.total_bounds(polygons)
    for areas in (cells(rng, bounds, 7), rows(rng, bounds, 20), rows(rng, bounds, 10), rows(rng, bounds, 7)):
        found = [clipped(polygons, area) for area in areas]
        for parts, owner in found:
            assert shapely.coverage_is_valid(parts)
            assert (shapely.get_type_id(parts) == shapely.GeometryType.POLYGON).all()
            assert (np.diff(owner) >= 0).all()
        every = np.concatenate([parts for parts, _ in found])
        owners = np.concatenate([owner for _, owner in found])
        assert shapely.coverage_is_valid(every)
        by_owner = np.bincount(owners, shapely.area(every), minlength=len(polygons))
        np.testing.assert_allclose(by_owner, shapely.area(polygons), rtol=1e-9)


def test_a_polygon_that_touches_the_border_gets_the_vertex_of_its_neighbour():
    polygons = np.array([box(0, 0, 10, 10), box(0, 10, 10, 20)], object)
    area = Polygon([(0, 0), (10, 0), (10, 10), (5, 10), (5, 15), (0, 15)])  # leaves their common edge at x 5
    parts, owner = clipped(polygons, area)
    assert owner.tolist() == [0, 1]
    assert shapely.area(parts).tolist() == [100, 25]
    assert shapely.coverage_is_valid(parts)


def test_neighbours_keep_a_vertex_that_the_border_passes_at_the_distance_of_a_rounding_error():
    """Without it, they get points that differ by 1e-10 m."""
    places = [(0, 30), (0, 40), (50, 40), (50, 30), (20, 30)], [(0, 0), (0, 30), (20, 30), (50, 0)]
    polygons = np.array([Polygon(np.add(one, (500_000, 6_499_800))) for one in places], object)
    slope = [(500_021.4285714286, 6_499_834.285714285), (499_673.33333333343, 6_498_790)]
    area = Polygon([(499_000, 6_500_040.384615385), (499_880, 6_499_905), *slope, (499_000, 6_498_790)])
    parts, _ = clipped(polygons, area)
    assert shapely.coverage_is_valid(parts)
    assert shapely.is_valid(parts).all()
    assert shapely.area(parts).sum() == pytest.approx(area.intersection(shapely.union_all(polygons)).area, rel=1e-9)


def test_a_polygon_falls_apart_and_touching_ones_are_left_out():
    polygons = np.array([box(0, 0, 30, 1), box(30, 0, 40, 1), box(0, 1, 5, 2)], object)
    parts, owner = clipped(polygons, shapely.MultiPolygon([box(0, 0, 10, 1), box(20, 0, 30, 1)]))
    assert owner.tolist() == [0, 0]
    assert sorted(shapely.area(parts)) == [10, 10]


def test_no_polygons():
    parts, owner = clipped(np.zeros(0, object), box(0, 0, 1, 1))
    assert len(parts) == len(owner) == 0
