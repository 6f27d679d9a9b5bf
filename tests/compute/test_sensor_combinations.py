"""Combinations of sensors that see pixels, and the models that predict them."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iota2.compute.sensor_combinations import (
    by_preference,
    count_combinations,
    enough_samples,
    first_subset,
    named_counts,
    summed,
    trainable,
    wanted_combinations,
)

SENSORS = ("A", "B", "C")
FEATURES = {"A": 5, "B": 2, "C": 2}
EVERY = [names for size in (1, 2, 3) for names in combinations(SENSORS, size)]


@pytest.mark.parametrize("shape", [(4, 5), (0, 5)])
def test_pixels_are_counted_by_the_sensors_that_see_them(shape: tuple[int, int]) -> None:
    seen = np.random.default_rng(1).random((3, *shape)) < 0.5
    found = named_counts(count_combinations(seen), SENSORS)
    expected = Counter(
        tuple(name for name, one in zip(SENSORS, pixel, strict=True) if one) for pixel in seen.reshape(3, -1).T.tolist()
    )
    assert found == dict(expected)


def test_tables_are_summed_over_tiles_and_for_the_sensors_of_the_recipe() -> None:
    west = {(): 3, ("A",): 1, ("A", "X"): 2, ("X",): 9}
    east = {("A", "B"): 4, ("X", "B"): 1}
    assert summed([west, east], SENSORS) == {("A",): 3, ("A", "B"): 4, ("B",): 1}
    assert summed([], SENSORS) == {}


def test_more_features_come_first_and_then_the_first_sensors() -> None:
    expected = [("A", "B", "C"), ("A", "B"), ("A", "C"), ("A",), ("B", "C"), ("B",), ("C",)]
    assert by_preference(reversed(EVERY), FEATURES) == expected


def test_common_combinations_get_a_model_and_rare_ones_that_of_a_subset() -> None:
    pixels = {("A", "B", "C"): 900, ("A", "B"): 99, ("A",): 1}
    assert wanted_combinations(pixels, FEATURES, 0.01) == [("A", "B", "C"), ("A", "B"), ("A",)], "A has no other model"
    pixels = {("A", "B", "C"): 900, ("A",): 99, ("A", "C"): 1}
    found = wanted_combinations(pixels, FEATURES, 0.01)
    assert found == [("A", "B", "C"), ("A",)]
    assert first_subset(("A", "C"), found) == ("A",)
    assert wanted_combinations({}, FEATURES, 0.01) == [("A", "B", "C")]


def test_samples_are_too_few_only_if_others_have_more() -> None:
    every = np.repeat([1, 2, 3], 100)
    assert enough_samples(every, every)
    assert enough_samples(np.array([1, 2]), np.array([1, 2])), "few samples, but all of them"
    assert not enough_samples(every[:0], every), "no sample"
    assert enough_samples(every[::10], every), "10 of each class"
    assert not enough_samples(every[::10][1:], every), "fewer than 10 per class"
    assert not enough_samples(every[:200], every), "a third of the samples is of another class"
    rare = np.append(every, [4] * 33)
    assert enough_samples(every, rare), "a rare class does not prevent a model"
    assert not enough_samples(every, np.append(rare, 4)), "more than a tenth of the samples"
    assert enough_samples(every[:0], every[:0])


def test_a_combination_without_enough_samples_uses_the_model_of_fewer_sensors() -> None:
    pixels = {("A", "B", "C"): 50, ("A", "B"): 30, ("B",): 20}
    few = {("A", "B"): (5, False)}
    assert trainable(pixels, FEATURES, 0.0, lambda names: few.get(names, (100, True))) == [("A", "B", "C"), ("B",)]
    alone = {("B",): (5, False), ("A", "B", "C"): (0, False)}
    found = trainable(pixels, FEATURES, 0.0, lambda names: alone.get(names, (100, True)))
    assert found == [("A", "B"), ("B",)], "B has no subset, so few samples must do"
    counts = {("A", "B", "C"): 5, ("A", "B"): 6, ("B",): 8}
    assert trainable(pixels, FEATURES, 0.0, lambda names: (counts[names], False)) == [("B",)], "most samples"


def test_without_samples_of_a_combination_its_first_subset_with_samples_is_used() -> None:
    pixels = {("A", "B", "C"): 90, ("B", "C"): 10}
    none = {("B", "C"): (0, "none"), ("B",): (0, "none")}
    found = trainable(pixels, FEATURES, 0.0, lambda names: none.get(names, (100, "")))
    assert found == [("A", "B", "C"), ("C",)]


@settings(deadline=None, max_examples=200)
@given(
    counts=st.lists(st.integers(0, 50), min_size=7, max_size=7),
    seen=st.lists(st.integers(0, 7), min_size=1, max_size=60),
    share=st.sampled_from([0.0, 0.001, 0.1, 0.5, 1.0]),
)
def test_every_pixel_has_a_model_if_one_of_its_sensors_sees_a_sample(
    counts: list[int], seen: list[int], share: float
) -> None:
    pixels = {names: count for names, count in zip(EVERY, counts, strict=True) if count}
    codes = np.arange(len(seen)) % 3
    flags = {name: np.array([number >> bit & 1 for number in seen], bool) for bit, name in enumerate(SENSORS)}

    def count(names: tuple[str, ...]) -> tuple[int, bool]:
        rows = np.logical_and.reduce([flags[name] for name in names])
        return int(rows.sum()), enough_samples(codes[rows], codes)

    found = trainable(pixels, FEATURES, share, count)
    assert found == by_preference(found, FEATURES)
    assert all(count(names)[0] > 0 for names in found)
    for names in pixels:
        sampled = any(flags[name].any() for name in names)
        assert (first_subset(names, found) is not None) == sampled
    if all(number == 7 for number in seen):
        assert found[0] == SENSORS, "the model of all sensors, as without further models"
