"""Number of sub-models of a region, and their polygons."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iota2.compute.submodels import learning_polygons, models_of, submodel_count, submodel_names, submodel_places


def test_a_region_has_a_model_for_each_part_of_the_learning_area() -> None:
    assert submodel_count(0.1, 0.1, [50]) == 1
    assert submodel_count(0.1001, 0.1, [50]) == 2
    assert submodel_count(1.0, 0.1, [50, 3]) == 10
    assert submodel_count(5.0, 0.1, [7, 3]) == 7, "no more models than polygons of the most frequent class"
    assert submodel_count(5.0, 0.1, []) == 1


def test_names_of_sub_models() -> None:
    assert submodel_names(1) == ("",)
    assert submodel_names(3) == ("f1", "f2", "f3")
    assert models_of(["1", "1", "b", "1"], np.array([0, 1, 5, 4]), {"1": 3}) == ["1f1", "1f2", "b", "1f2"]


def test_learning_polygons_by_region_and_label() -> None:
    labels, regions = ["wheat", "wheat", "wheat", "water", "water"], ["1", "1", "1", "1", None]
    assert learning_polygons(labels, regions, 1) == {"1": {"wheat": 3, "water": 1}}
    assert learning_polygons(labels, regions, 0.5) == {"1": {"wheat": 2, "water": 1}}
    assert learning_polygons(labels, regions, 1, 0.1) == {"1": {"wheat": 2, "water": 1}}, "one is reserved"


polygons = st.lists(
    st.tuples(st.sampled_from([1, 2, 11]), st.sampled_from(["1", "2", None]), st.sampled_from(["learn", "validation"])),
    max_size=60,
)


@given(polygons, st.integers(1, 5), st.integers(0, 3))
def test_the_polygons_of_each_class_and_all_polygons_are_divided_evenly(
    given_polygons: list[tuple[int, str | None, str]], count: int, seed: int
) -> None:
    labels, regions, sides = ([row[k] for row in given_polygons] for k in range(3))
    places = submodel_places(labels, regions, sides, random_seed=seed)  # type: ignore[arg-type]
    for home in ("1", "2"):
        for side in ("learn", "validation"):
            members = [k for k in range(len(labels)) if (regions[k], sides[k]) == (home, side)]
            _require_even(places[members], count)
            for label in set(labels):
                _require_even(places[[k for k in members if labels[k] == label]], count)


def _require_even(places: np.ndarray, count: int) -> None:
    numbers = Counter(dict.fromkeys(range(count), 0))
    numbers.update((places % count).tolist())
    assert max(numbers.values()) - min(numbers.values()) <= 1


def test_the_division_is_random_and_depends_on_the_seed_only() -> None:
    labels, regions, sides = [1] * 40, ["1"] * 40, ["learn"] * 40
    first, again, other = (submodel_places(labels, regions, sides, random_seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first != np.arange(40)).any()
    assert sorted(first) == list(range(40))
    assert submodel_places([], [], [], random_seed=0).shape == (0,)


@pytest.mark.parametrize("home", [None, "1"])
def test_polygons_outside_all_regions_have_place_0(home: str | None) -> None:
    assert submodel_places([3], [home], ["learn"], random_seed=0).tolist() == [0]
