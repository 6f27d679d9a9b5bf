from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iota2.compute.sampling import (
    BOTH,
    SelectionOptions,
    choose,
    class_targets,
    labels_without_count,
    parse_class_counts,
    split_polygons,
    unvalidated,
)
from iota2.core.tables import LEARN, UNUSED, VALIDATION
from iota2.errors import InputError

pixels = st.dictionaries(st.integers(1, 99), st.integers(0, 10_000), min_size=1, max_size=12)


def split(labels, regions, *, ratio=0.5, runs=1, seed=7, split_ground_truth=True):
    return split_polygons(
        labels, regions, ratio=ratio, runs=runs, random_seed=seed, split_ground_truth=split_ground_truth
    )


@given(st.integers(1, 40), st.floats(0.01, 0.99))
def test_number_of_learning_polygons_is_rounded_half_to_even_with_one_on_each_side(n, ratio):
    (side,) = split([1] * n, ["1"] * n, ratio=ratio)
    learners = int((side == LEARN).sum())
    assert learners + int((side == VALIDATION).sum()) == n
    assert learners == (1 if n == 1 else min(max(round(n * ratio), 1), n - 1))


def test_half_of_five_is_two():
    (side,) = split([1] * 5, ["1"] * 5)
    assert (side == LEARN).sum() == 2


def test_each_class_of_each_region_is_split_separately():
    labels, regions = [1, 1, 2, 2, 1, 1, 2, 2], ["a"] * 4 + ["b"] * 4
    for side in split(labels, regions, runs=5):
        assert [(side[k : k + 2] == LEARN).sum() for k in range(0, 8, 2)] == [1, 1, 1, 1]


def test_split_of_a_class_does_not_depend_on_other_classes_or_regions():
    alone = split([1] * 20, ["a"] * 20)[0]
    among = split([1] * 20 + [2] * 9 + [1] * 9, ["a"] * 29 + ["b"] * 9)[0]
    assert (alone == among[:20]).all()


def test_seed_k_is_the_first_seed_of_random_seed_plus_k():
    labels, regions = [1] * 30, ["a"] * 30
    runs = split(labels, regions, runs=3, seed=5)
    assert (runs[2] == split(labels, regions, seed=7)[0]).all()
    assert (runs[0] != runs[1]).any()


def test_split_draws_all_polygons_equally_often():
    runs = split([1] * 10, ["a"] * 10, ratio=0.3, runs=2000)
    frequency = np.mean([side == LEARN for side in runs], axis=0)
    assert np.abs(frequency - 0.3).max() < 0.05


def test_single_polygon_learns_and_is_reported():
    labels, regions = [1, 2, 2, 1], ["a", "a", "a", "b"]
    (side,) = split(labels, regions, ratio=0.1)
    assert side[0] == side[3] == LEARN
    assert unvalidated(labels, regions) == [("a", 1), ("b", 1)]


def test_polygons_outside_all_regions_are_unused():
    (side,) = split(["x", "x"], ["a", None])
    assert side.tolist() == [LEARN, UNUSED]
    assert unvalidated(["x", "x"], ["a", None]) == [("a", "x")]


def test_without_split_every_polygon_is_on_both_sides():
    (side,) = split([1, 2, 2], ["a", "a", None], split_ground_truth=False)
    assert side.tolist() == [BOTH, BOTH, UNUSED]


def test_without_polygons_the_split_is_empty():
    assert [side.tolist() for side in split([], [], runs=2)] == [[], []]


def test_class_counts_are_read_by_label():
    assert parse_class_counts("11,5\n\n 012 , 7\n", "counts.csv") == {"11": 5, "012": 7}


def test_all_malformed_lines_of_class_counts_are_reported():
    with pytest.raises(InputError, match=r"counts\.csv") as caught:
        parse_class_counts("11,5\n12\n13,-1\n11,6\n14,x,3", "counts.csv")
    assert [f"line {k}" in str(caught.value) for k in range(1, 6)] == [False, True, True, True, True]


@pytest.mark.parametrize("header", ["label,count", "code,pixels"])
def test_a_header_of_a_table_of_counts_is_named(header):
    with pytest.raises(InputError) as caught:
        parse_class_counts(f"\n{header}\n11,5\nwood,many\n", "counts.csv")
    first, second = str(caught.value).splitlines()[1:]
    assert first.startswith(f"line 2: '{header}' is not 'label,count' with a count from 0 to ")
    assert first.endswith("; a header is not expected: if it is one, remove the line")
    assert "header" not in second


def test_labels_without_count_are_found():
    assert labels_without_count({"12": 0}, (11, 12, 31), "counts.csv") == ["11", "31"]
    assert labels_without_count({}, (), "counts.csv") == []


def test_counts_of_unknown_labels_are_reported_with_the_nearest_label():
    with pytest.raises(InputError, match=r"counts\.csv") as caught:
        labels_without_count({"prairies": 5, "forêt": 1, "xyz": 2}, ("forêt", "prairie"), "counts.csv")
    assert str(caught.value).splitlines()[1:] == [
        "label 'prairies' is not in the reference data; did you mean 'prairie'?",
        "label 'xyz' is not in the reference data; the labels are forêt, prairie",
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (SelectionOptions(strategy="percent", amount=0.1), {1: 100, 2: 1, 3: 0}),
        (SelectionOptions(strategy="constant", amount=20), {1: 20, 2: 4, 3: 0}),
        (SelectionOptions(strategy="smallest"), {1: 4, 2: 4, 3: 0}),
        (SelectionOptions(strategy="total", amount=502), {1: 500, 2: 2, 3: 0}),
        (SelectionOptions(strategy="byclass", counts_file="f"), {1: 30, 2: 4, 3: 0}),
    ],
)
def test_targets_of_each_strategy(options, expected):
    assert class_targets(options, {1: 1000, 2: 4, 3: 0}, {"1": 30, "2": 9}) == expected


@given(pixels, st.integers(0, 20_000))
def test_total_is_exact_and_proportional_within_one_pixel(counts, total):
    targets = class_targets(SelectionOptions(strategy="total", amount=total), counts)
    everything = sum(counts.values())
    assert sum(targets.values()) == min(total, everything)
    assert all(targets[c] <= counts[c] for c in counts)
    if total < everything:
        assert all(abs(targets[c] - total * counts[c] / everything) < 1 for c in counts)


@given(
    st.integers(0, 300),
    st.integers(0, 400),
    st.sampled_from(["random", "periodic"]),
    st.integers(0, 9),
    st.integers(0, 99),
)
def test_chosen_positions_are_distinct_sorted_and_of_the_requested_number(available, target, sampler, jitter, seed):
    options = SelectionOptions(sampler, jitter)
    positions = choose(options, available, target, np.random.default_rng(seed))
    assert positions.dtype == np.int64
    assert len(positions) == min(available, target)
    assert (np.diff(positions) > 0).all()
    assert ((positions >= 0) & (positions < available)).all()


def test_periodic_sampler_has_regular_steps_and_bounded_jitter():
    rng = np.random.default_rng(1)
    assert choose(SelectionOptions("periodic"), 20, 5, rng).tolist() == [0, 4, 8, 12, 16]
    moved = choose(SelectionOptions("periodic", 2), 20_000, 5000, rng) - np.arange(0, 20_000, 4)
    assert set(moved) == {0, 1, 2}


def test_random_sampler_takes_every_pixel_equally_often():
    rng = np.random.default_rng(2)
    hits = np.bincount(np.concatenate([choose(SelectionOptions(), 20, 5, rng) for _ in range(4000)]), minlength=20)
    assert np.abs(hits / 4000 - 0.25).max() < 0.04
