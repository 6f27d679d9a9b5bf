"""Regions with few polygons of a quantity: numbers, remarks, and groups of values that are split together."""

from __future__ import annotations

import numpy as np
import pytest

from iota2.compute.conformal import MIN_GROUPS
from iota2.compute.few_polygons import RegionPolygons, few_polygons_texts, polygons_by_region
from iota2.compute.quantiles import GROUPS, joined_groups
from iota2.compute.sampling import split_polygons


def test_numbers_are_those_of_the_seed_with_fewest() -> None:
    inside = {"a": np.array([True, True, True, False]), "b": np.array([False, False, True, True])}
    sides = [np.array(["learn", "learn", "validation", "both"]), np.array(["learn", "validation", "learn", "unused"])]
    found = polygons_by_region(inside, sides, np.array([1.0, 1.0, 2.0, 3.0]), np.array([7, 7, 8, 9]))
    assert found["a"] == RegionPolygons(learning=2, groups=1, values=1, validation=1)
    assert found["b"] == RegionPolygons(learning=1, groups=1, values=1, validation=0)


def test_a_region_with_one_polygon_has_one_value_no_interval_and_no_accuracy() -> None:
    found = {"1": RegionPolygons(30, 30, 30, 31), "2": RegionPolygons(1, 1, 1, 0)}
    (text,) = few_polygons_texts(found, 0.5)
    assert text.startswith(
        "Region 2 has few polygons, 1 for learning and 0 for validation: the map has one value there"
    )
    assert (
        "its values have no interval, which needs 9 learning polygons; the accuracy of the map does not cover" in text
    )
    assert text.endswith("Draw at least 23 polygons there, or merge the region with another one.")


@pytest.mark.parametrize(
    ("found", "expected", "unexpected"),
    [
        (RegionPolygons(3, 3, 3, 3), "is learned from the values of only 3 polygons", "does not cover"),
        (RegionPolygons(20, 4, 20, 9), "9 learning polygons, not of 4 groups kept together", "values of only"),
        (RegionPolygons(9, 9, 9, 0), "the accuracy of the map does not cover it", "no interval"),
    ],
)
def test_a_remark_has_the_consequences_of_the_lack(found: RegionPolygons, expected: str, unexpected: str) -> None:
    (text,) = few_polygons_texts({"1": found}, 1.0)
    assert expected in text
    assert unexpected not in text
    assert "merge" not in text, "there is no other region"


def test_the_number_of_polygons_that_is_asked_for_is_enough_for_any_values() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        strata = joined_groups(rng.integers(1, GROUPS + 1, 23), 4)
        (side,) = split_polygons(strata.tolist(), ["1"] * 23, ratio=0.5, runs=1, random_seed=seed)
        assert (side == "learn").sum() >= MIN_GROUPS
        assert polygons_by_region({"1": np.ones(23, bool)}, [side], np.arange(23.0))["1"].enough


@pytest.mark.parametrize(
    ("sizes", "joined"),
    [
        ({1: 4, 2: 4, 3: 5}, {1: 1, 2: 2, 3: 3}),
        ({1: 1, 2: 6, 3: 5}, {1: 1, 2: 1, 3: 3}),
        ({1: 9, 2: 2, 3: 5}, {1: 1, 2: 2, 3: 2}),
        ({1: 1, 2: 1, 4: 1, 5: 1}, {1: 1, 2: 1, 4: 1, 5: 1}),
        ({2: 1, 5: 1}, {2: 2, 5: 2}),
        ({3: 1}, {3: 3}),
        ({}, {}),
    ],
)
def test_small_groups_are_joined_with_the_smaller_neighbour(sizes: dict[int, int], joined: dict[int, int]) -> None:
    groups = np.array([group for group, size in sizes.items() for _ in range(size)], np.int64)
    expected = [joined[group] for group in groups.tolist()]
    shuffled = np.random.default_rng(0).permutation(len(groups))
    assert joined_groups(groups[shuffled], 4).tolist() == np.array(expected, np.int64)[shuffled].tolist()
