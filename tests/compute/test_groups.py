"""Groups of polygons are not divided, and the split is as close to the ratio as groups allow."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from iota2.compute.groups import group_numbers, merged_groups
from iota2.compute.neighbours import linked_groups
from iota2.compute.sampling import split_polygons

worlds = st.lists(
    st.tuples(st.sampled_from((1, 2, 3)), st.sampled_from(("a", "b", None)), st.integers(0, 12)), max_size=40
)


def split(world: list[tuple[int, str | None, int]], together: bool = True, **options: object) -> list[np.ndarray]:
    labels, regions, groups = zip(*world, strict=True) if world else ((), (), ())
    given: dict = {"ratio": 0.5, "runs": 2, "random_seed": 0} | options
    return split_polygons(labels, regions, **given, together=group_numbers(groups) if together else None)


@given(worlds, st.floats(0.05, 0.95))
def test_groups_are_on_one_side_and_every_used_polygon_has_a_side(world, ratio):
    for side in split(world, ratio=ratio):
        found: dict[int, set[str]] = {}
        for (_, region, group), where in zip(world, side.tolist(), strict=True):
            assert (where == "unused") == (region is None)
            if region is not None:
                found.setdefault(group, set()).add(where)
        assert all(len(sides) == 1 for sides in found.values())


@given(worlds, st.floats(0.05, 0.95), st.integers(0, 5))
def test_groups_of_one_polygon_give_the_split_without_groups(world, ratio, seed):
    alone = [(label, region, k) for k, (label, region, _) in enumerate(world)]
    for one, other in zip(
        split(alone, ratio=ratio, random_seed=seed),
        split(alone, together=False, ratio=ratio, random_seed=seed),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@given(worlds, st.floats(0.05, 0.95))
def test_a_class_with_two_or_more_separate_groups_is_on_both_sides(world, ratio):
    own = [(label, region, 100 * label + 10000 * (region == "b") + group) for label, region, group in world]
    for side in split(own, ratio=ratio):
        for key in {(label, region) for label, region, _ in own if region}:
            members = [k for k, one in enumerate(own) if one[:2] == key]
            sides = {str(side[k]) for k in members}
            groups = {own[k][2] for k in members}
            assert sides == ({"learn", "validation"} if len(groups) > 1 else {"learn"})


def test_equal_groups_give_the_ratio_and_unequal_ones_the_nearest_possible():
    even = [(1, "a", k // 4) for k in range(400)]
    for side in split(even, ratio=0.3):
        assert (side == "learn").sum() == 120
    uneven = [(1, "a", min(k, 10)) for k in range(100)]  # ten single polygons, one group of ninety
    for side in split(uneven, ratio=0.5):
        assert (side == "learn").sum() in (*range(5, 11), *range(90, 96))


def test_the_class_with_the_fewest_groups_decides_on_shared_groups():
    world = [(1, "a", 0), (1, "a", 1)] + [(2, "a", 0)] * 5 + [(2, "a", 1)] * 5 + [(2, "a", k) for k in range(2, 12)]
    for side in split(world):
        assert sorted(side[:2]) == ["learn", "validation"]
        assert (side[2:] == "learn").sum() == 10


def test_the_split_depends_on_the_seed_only():
    world = [(1, "a", k // 3) for k in range(60)]
    first, second = split(world)
    assert (first != second).any()
    np.testing.assert_array_equal(first, split(world)[0])
    np.testing.assert_array_equal(second, split(world, random_seed=1)[0])


def test_each_none_is_a_separate_group():
    assert group_numbers(["p", None, "p", 1, None, 1.0]).tolist() == [0, 1, 0, 2, 3, 2]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20))
def test_merged_groups_are_the_connected_components(pairs):
    one, other = (np.array(values) for values in zip(*pairs, strict=True))
    found = merged_groups([one, other])
    for grouping in (one, other):
        assert all(len(set(found[grouping == number])) == 1 for number in grouping)
    for number in set(found):  # a search along the groupings reaches the whole group
        reached, members = {int(np.flatnonzero(found == number)[0])}, set(np.flatnonzero(found == number).tolist())
        while True:
            more = {k for k in range(len(one)) for j in reached if one[k] == one[j] or other[k] == other[j]}
            if more <= reached:
                break
            reached |= more
        assert reached == members


def boxes(*left: float) -> np.ndarray:
    return np.array([shapely.box(x, 0, x + 10, 10) for x in left])


def test_polygons_of_a_class_within_the_distance_are_linked():
    polygons = boxes(0, 60, 120, 300, 110, 360)
    labels = np.array([1, 1, 1, 1, 2, 1])
    assert group_numbers(linked_groups(polygons, labels, 50).tolist()).tolist() == [0, 0, 0, 1, 2, 1]
    assert len(set(linked_groups(polygons, labels, 49.9).tolist())) == 6


def test_a_distance_of_zero_links_polygons_that_touch():
    assert len(set(linked_groups(boxes(0, 10, 20.001), np.array([1, 1, 1]), 0).tolist())) == 2


@pytest.mark.parametrize("distance", [0.0, 20.0, 100.0])
def test_learning_and_validation_polygons_of_a_class_are_further_apart_than_the_distance(distance):
    rng = np.random.default_rng(5)
    polygons = np.array([shapely.box(x, y, x + 20, y + 20) for x, y in rng.uniform(0, 3000, (300, 2))])
    labels = rng.integers(1, 4, 300)
    together = merged_groups([linked_groups(polygons, labels, distance)])
    (side,) = split_polygons(labels.tolist(), ["a"] * 300, ratio=0.5, runs=1, random_seed=0, together=together)
    for label in (1, 2, 3):
        learn, validation = (polygons[(side == name) & (labels == label)] for name in ("learn", "validation"))
        assert shapely.distance(learn[:, None], validation[None]).min() > distance


def test_without_polygons_there_are_no_groups():
    nothing = np.zeros(0, np.int64)
    assert len(merged_groups([nothing])) == len(group_numbers([])) == len(linked_groups(boxes(), nothing, 5)) == 0


# ---- polygons reserved for the fusion of runs


@given(worlds, st.floats(0.01, 0.99), st.booleans())
def test_reserved_polygons_are_those_of_whole_groups_and_the_same_for_all_seeds(world, share, together):
    first, second = split(world, together, reserved_share=share)
    np.testing.assert_array_equal(first == "fusion", second == "fusion")
    aside = first == "fusion"
    assert not any(aside[k] for k, (_, region, _) in enumerate(world) if region is None)
    if together:
        groups = np.array([group for _, _, group in world], int)
        used = np.array([region is not None for _, region, _ in world], bool)
        assert not set(groups[aside]) & set(groups[used & ~aside])
    for key in {(label, region) for label, region, _ in world if region}:
        members = [k for k, one in enumerate(world) if one[:2] == key]
        left = {world[k][2] if together else k for k in members if not aside[k]}
        if aside[members].any():
            assert len(left) >= 2
            assert {"learn", "validation"} <= set(first[members]) or together
        elif not together:
            assert len(members) < 3


@pytest.mark.parametrize(("count", "share", "expected"), [(100, 0.1, 10), (3, 0.1, 1), (5, 0.99, 3), (2, 0.5, 0)])
def test_the_share_of_each_class_and_region_is_reserved(count, share, expected):
    world = [(label, region, 0) for label in (1, 2) for region in ("a", "b") for _ in range(count)]
    for side in split(world, together=False, reserved_share=share):
        for first in range(0, len(world), count):
            assert (side[first : first + count] == "fusion").sum() == expected


def test_large_groups_are_reserved_only_if_the_others_suffice():
    world = [(1, "a", group) for group in range(3) for _ in range(10)]
    assert {(side == "fusion").sum() for side in split(world, reserved_share=0.1)} == {10}
    assert {(side == "fusion").sum() for side in split(world[:20], reserved_share=0.1)} == {0}


def test_without_a_share_nothing_is_reserved_and_the_seed_selects_the_polygons():
    world = [(1, "a", k) for k in range(50)]
    assert not any((side == "fusion").any() for side in split(world))
    one, other = (split(world, reserved_share=0.2, random_seed=seed)[0] == "fusion" for seed in (0, 7))
    assert (one != other).any()
