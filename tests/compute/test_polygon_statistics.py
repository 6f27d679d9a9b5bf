from __future__ import annotations

import numpy as np
import pytest
import shapely

from iota2.compute.polygon_statistics import PolygonSums, sums_bytes
from iota2.compute.polygons import centres_inside
from iota2.compute.scan_lines import pixel_runs

SHAPE, CLASSES = (60, 70), 4
X, Y = np.arange(SHAPE[1]) + 0.5, -(np.arange(SHAPE[0]) + 0.5)


@pytest.fixture
def world(rng=None):
    rng = np.random.default_rng(3)
    classes = rng.integers(-1, CLASSES, SHAPE)
    confidence = rng.integers(0, 101, SHAPE).astype(float)
    validity = np.where(rng.random(SHAPE) < 0.1, np.nan, rng.normal(20, 5, SHAPE))
    points = shapely.points(rng.uniform(0, 70, 25), rng.uniform(-60, 0, 25))
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.union_all(points), extend_to=shapely.box(0, -60, 70, 0)))
    polygons = np.array([*cells, shapely.box(1.6, -1.9, 1.9, -1.6)], object)  # the last one has no pixel
    return classes, np.stack([confidence, validity]), polygons


def added(classes, values, polygons, shape) -> PolygonSums:
    sums, runs = PolygonSums.zeros(len(polygons), CLASSES, len(values)), pixel_runs(polygons, X, Y)
    for top in range(0, SHAPE[0], shape[0]):
        for left in range(0, SHAPE[1], shape[1]):
            window = slice(top, top + shape[0]), slice(left, left + shape[1])
            sums.add(runs, (top, left), classes[window], values[:, *window])
    return sums


def test_shares_and_statistics_equal_counting_pixels(world):
    classes, values, polygons = world
    sums = added(classes, values, polygons, SHAPE)
    own = np.zeros(len(polygons), int)
    majority, shares = sums.majority(own), sums.shares()
    for k, polygon in enumerate(polygons[:-1]):
        inside = centres_inside(polygon, X, Y)
        counts = np.bincount(classes[inside & (classes >= 0)], minlength=CLASSES)
        assert sums.pixels[k] == inside.sum()
        np.testing.assert_array_equal(sums.counts[k], counts)
        np.testing.assert_allclose(shares[k], 100 * counts / counts.sum(), rtol=1e-15)
        assert counts[majority[k]] == counts.max()
        for raster in range(2):
            for chosen, found in (
                (inside & (classes == majority[k]), sums.spread(raster, majority)),
                (inside & (classes >= 0), sums.whole_spread(raster)),
            ):
                kept = values[raster][chosen]
                kept = kept[np.isfinite(kept)]
                expected = (kept.mean(), kept.std(), kept.min(), kept.max())
                np.testing.assert_allclose([one[k] for one in found], expected, rtol=1e-12)
    assert sums.pixels[:-1].sum() == np.prod(SHAPE)


def test_a_polygon_without_pixels_has_no_statistics(world):
    sums = added(*world, SHAPE)
    assert sums.pixels[-1] == 0
    assert np.isnan(sums.shares()[-1]).all()
    assert all(np.isnan(one[-1]) for one in (*sums.whole_spread(0), *sums.spread(1, np.zeros(26, int))))


def test_blocks_do_not_change_sums(world):
    classes, values, polygons = world
    values = np.nan_to_num(np.rint(values))
    whole, parts = (added(classes, values, polygons, shape) for shape in (SHAPE, (7, 16)))
    for name, found in vars(whole).items():
        np.testing.assert_array_equal(found, vars(parts)[name])


def test_the_class_of_the_polygon_wins_a_tie_and_then_the_first():
    sums = PolygonSums.zeros(3, 3, 0)
    sums.counts[:] = [[2, 5, 5], [2, 5, 5], [0, 0, 0]]
    np.testing.assert_array_equal(sums.majority(np.array([2, 0, 1])), [2, 1, 1])


def test_equal_values_have_no_spread():
    sums = PolygonSums.zeros(1, 1, 1)
    runs = pixel_runs(np.array([shapely.box(0, -60, 70, 0)]), X, Y)
    sums.add(runs, (0, 0), np.zeros(SHAPE, int), np.full((1, *SHAPE), 37.0))
    assert tuple(one[0] for one in sums.spread(0, np.zeros(1, int))) == (37, 0, 37, 37)


def test_no_polygons_and_no_rasters():
    sums = PolygonSums.zeros(0, 3, 0)
    sums.add(pixel_runs(np.zeros(0, object), X, Y), (0, 0), np.zeros(SHAPE, int), np.zeros((0, *SHAPE)))
    assert sums.shares().shape == (0, 3)
    assert len(sums.majority(np.zeros(0, int))) == 0
    assert len(PolygonSums.zeros(0, 0, 1).majority(np.zeros(0, int))) == 0, "a map without class"


def test_bytes_of_a_polygon():
    assert sums_bytes(10, 2) == 8 + 8 * 10 + 5 * 8 * 2 * 10
