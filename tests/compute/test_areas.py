from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import Point, box

from iota2.compute.areas import home_regions, polygons_in_regions, tile_envelopes, tile_priority

corner = st.integers(0, 5000)
side = st.integers(100, 4000)
rectangles = st.builds(lambda x, y, w, h: box(x, y, x + w, y + h), corner, corner, side, side)


def test_priority_is_top_rows_first_then_left_then_name():
    footprints = {"d": box(0, 0, 1, 5), "c": box(3, 0, 4, 9), "b": box(1, 0, 4, 9), "a": box(1, 2, 4, 9)}
    assert tile_priority(footprints) == ["a", "b", "c", "d"]


def test_overlap_belongs_to_the_first_tile_except_the_strip_along_its_edge():
    footprints = {"west": box(0, 0, 10_000, 10_000), "east": box(8000, 0, 18_000, 10_000)}
    envelopes = tile_envelopes(footprints, 600, smallest=1e-6)
    assert envelopes["west"].equals(
        box(0, 0, 10_000, 10_000) - box(9400, 0, 10_000, 10_000) - box(8000, 0, 10_000, 600)
        - box(8000, 9400, 10_000, 10_000)
    )  # fmt: skip
    assert envelopes["east"].area == 18_000 * 10_000 - envelopes["west"].area


def test_edges_that_no_other_tile_covers_are_kept():
    footprint = box(0, 0, 10_000, 10_000)
    assert tile_envelopes({"only": footprint}, 600, smallest=1e-6)["only"].equals(footprint)


def test_envelopes_do_not_depend_on_the_order_of_the_mapping():
    footprints = {"a": box(0, 0, 5000, 5000), "b": box(3000, 0, 8000, 5000), "c": box(2000, 3000, 7000, 8000)}
    again = tile_envelopes(dict(reversed(footprints.items())), 600, smallest=1e-6)
    for tile, envelope in tile_envelopes(footprints, 600, smallest=1e-6).items():
        assert envelope.equals(again[tile])


@given(st.lists(rectangles, min_size=1, max_size=6), st.integers(0, 900))
def test_envelopes_partition_the_union_of_the_footprints(footprints, buffer):
    envelopes = tile_envelopes({f"t{k}": rectangle for k, rectangle in enumerate(footprints)}, buffer, smallest=1e-6)
    union = shapely.union_all(footprints)
    owned = list(envelopes.values())
    assert sum(envelope.area for envelope in owned) == pytest.approx(union.area, abs=1e-2)
    assert shapely.symmetric_difference(shapely.union_all(owned), union).area == pytest.approx(0, abs=1e-2)
    assert max((a.intersection(b).area for a, b in combinations(owned, 2)), default=0) < 1e-2


def test_home_region_has_the_largest_share():
    regions = {"west": box(0, 0, 10, 10), "east": box(10, 0, 20, 10)}
    polygons = np.array(
        [box(1, 1, 2, 2), box(9, 1, 12, 2), box(8, 1, 11, 2), box(9, 1, 11, 2), box(30, 1, 31, 2), box(20, 0, 21, 1)]
    )
    assert home_regions(polygons, regions) == ["west", "east", "west", "east", None, None]


def test_home_region_agrees_with_intersection_areas():
    rng = np.random.default_rng(3)
    polygons = shapely.buffer(shapely.points(rng.random((60, 2)) * 20), rng.random(60) * 4)
    regions = {"a": Point(6, 6).buffer(7), "b": Point(14, 14).buffer(8) - Point(6, 6).buffer(7)}
    for polygon, home in zip(polygons, home_regions(polygons, regions), strict=True):
        areas = {name: polygon.intersection(region).area for name, region in regions.items()}
        best = max(areas, key=lambda name: areas[name])
        assert home == (best if areas[best] > 0 else None)


def test_without_polygons_there_are_no_home_regions():
    assert home_regions(np.array([], dtype=object), {"a": box(0, 0, 1, 1)}) == []


def test_a_polygon_is_in_each_region_that_it_shares_area_with():
    regions = {"west": box(0, 0, 10, 10), "east": box(10, 0, 20, 10), "far": box(90, 0, 99, 9)}
    polygons = np.array([box(1, 1, 2, 2), box(9, 1, 12, 2), box(9.99, 1, 12, 2), box(20, 0, 21, 1), box(30, 1, 31, 2)])
    found = polygons_in_regions(polygons, regions, smallest=0.1)
    assert {name: inside.tolist() for name, inside in found.items()} == {
        "east": [False, True, True, False, False],
        "far": [False] * 5,
        "west": [True, True, False, False, False],
    }
