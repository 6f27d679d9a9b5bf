"""Accuracy and changed pixels of the stages of a map, and their file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from iota2.compute.map_stages import (
    BorderAccuracy,
    MapStages,
    Stage,
    StageAccuracy,
    change,
    count_changes,
    count_labels,
    map_stages_from_json,
    stage_accuracy,
    sum_pixels,
)
from iota2.compute.seams import Seam
from iota2.compute.validation import count_pixels
from iota2.core.random import generator

PAIRS = st.tuples(st.integers(0, 6), st.integers(0, 6)).flatmap(
    lambda shape: st.tuples(*[arrays.arrays(np.uint8, shape, elements=st.integers(0, 3))] * 2)
)


@given(PAIRS, st.integers(1, 4))
def test_changes_of_strips_add_up_to_those_of_a_loop(maps: tuple[np.ndarray, np.ndarray], rows: int) -> None:
    before, after = maps
    strips = [count_changes(before[k : k + rows], after[k : k + rows]) for k in range(0, len(before), rows)]
    found = change("first", "second", strips)
    both = [(int(a), int(b)) for a, b in zip(before.ravel(), after.ravel(), strict=True) if a and b]
    assert found.pixels == len(both)
    assert found.changed == sum(a != b for a, b in both)
    assert {(a, b): n for a, b, n in found.classes} == {pair: both.count(pair) for pair in both if pair[0] != pair[1]}
    assert [n for _, _, n in found.classes] == sorted((n for _, _, n in found.classes), reverse=True)


@given(PAIRS, st.integers(1, 4))
def test_pixels_of_strips_add_up_to_those_of_the_map(maps: tuple[np.ndarray, np.ndarray], rows: int) -> None:
    labels, _ = maps
    found = sum_pixels(count_labels(labels[k : k + rows]) for k in range(0, len(labels), rows))
    values = labels.ravel().tolist()
    assert found == {code: values.count(code) for code in (1, 2, 3) if code in values}


def test_accuracy_counts_classified_pixels_of_polygons() -> None:
    polygon = np.repeat([7, 8, 9], [4, 2, 2])
    reference, produced = np.array([1, 1, 1, 1, 2, 2, 2, 2]), np.array([1, 1, 2, 0, 2, 2, 0, 0])
    counts = count_pixels(polygon, reference, produced, np.zeros(8))
    found = stage_accuracy(counts, (1, 2, 5), generator(0))
    assert (found.polygons, found.pixels, found.overall) == (2, 5, 0.8)
    assert found.f_scores == {1: 0.8, 2: 0.8, 5: None}
    low, high = found.overall_bounds or (1, 0)
    assert 0 <= low < 0.8 < high <= 1


def test_accuracy_without_pixels_is_undefined() -> None:
    nothing = count_pixels(*np.zeros((4, 0)))
    found = stage_accuracy(nothing, (1, 2), generator(0))
    assert found == StageAccuracy(0, 0, None, None, {1: None, 2: None})


@pytest.mark.parametrize("bounds", [None, (0.9, 1.5)])
def test_stages_survive_their_file(bounds: tuple[float, float] | None) -> None:
    seam = Seam(10, 4, 20, 7, 1.14, bounds, 0.05, bounds)
    nothing = Seam(0, 0, 20, 7, None, None, None, None, "no border")
    accuracy = StageAccuracy(3, 50, 0.9, bounds, {1: 0.8, 11: None})
    stages = (
        Stage("before", "Before", seam, nothing, accuracy, {1: 300, 11: 20}),
        Stage("final", "Final map", nothing, seam, accuracy),
    )
    changes = (change("before", "final", [count_changes(np.array([[1, 1, 2]]), np.array([[1, 2, 1]]))]),)
    given = MapStages(2, 1, stages, changes, (BorderAccuracy(100.0, {"before": accuracy, "final": accuracy}),))
    assert map_stages_from_json(json.loads(json.dumps(given.to_json()))) == given
