"""Copies of samples between models: rules of the user, warnings, and draws that depend on nothing else."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iota2.compute.sample_copies import (
    ALL,
    Copy,
    CopyCount,
    CopyRule,
    applicable,
    drawn,
    parse_copy_rules,
    repeated,
    shortage,
)
from iota2.compute.submodels import models_by_name
from iota2.errors import InputError

REGIONS = ("1", "2", "mountain")
MODELS = models_by_name({name: [name] for name in REGIONS})
SPLIT = models_by_name({"1": ["1f1", "1f2"], "2": ["2"]})
CLASSES = {11: 11, 12: 12, 31: 31}
TEXTS = {"Forêt dense": 1, "maize": 2}


def test_rules_are_read_with_their_lines():
    rules = parse_copy_rules("# source,destination,class,quantity\n1,2,11,-1\n\n2, mountain ,011, 5 \n", "copies.csv")
    assert rules == (CopyRule(2, "1", "2", "11", ALL), CopyRule(4, "2", "mountain", "011", 5))
    assert parse_copy_rules("", "copies.csv") == ()


def test_all_malformed_lines_are_reported_with_their_numbers():
    text = "1,2,11\n1,2,11,-2\n1,2,11,many\n,2,11,4\n1,2,11,4\n1,2,11,5\n1,2,11,4,5"
    with pytest.raises(InputError) as error:
        parse_copy_rules(text, "copies.csv")
    lines = str(error.value).splitlines()
    assert lines[0].startswith("copies.csv: ")
    assert [line.split(":")[0] for line in lines[1:]] == [f"line {k}" for k in (1, 2, 3, 4, 6, 7)]
    assert "copies the same class as line 5" in lines[5]


def checked(text: str, classes: dict = CLASSES, models: dict = MODELS) -> tuple[tuple[Copy, ...], list[str]]:
    return applicable(parse_copy_rules(text, "c.csv"), models, classes, "c.csv")


def test_rules_of_unknown_models_or_classes_are_ignored_with_the_nearest_name():
    rules, warnings = checked("1,2,11,3\n1,montain,11,3\n9,1,11,3\n2,2,11,3\n1,2,13,3\n")
    assert rules == (Copy("1", "2", 11, 3),)
    for warning, line, words in zip(
        warnings,
        (2, 3, 4, 5),
        (
            "no region or model 'montain'; did you mean 'mountain'?",
            "no region or model '9'; expected one of 1, 2, mountain",
            "source and destination are the same, 2",
            "label '13' is not in the reference data; the labels are 11, 12, 31",
        ),
        strict=True,
    ):
        assert warning.startswith(f"c.csv, line {line} is ignored: ")
        assert words in warning


def test_a_region_means_all_its_models() -> None:
    assert checked("2,1,11,3\n1,2,12,-1\n", models=SPLIT) == (
        (Copy("1", "2", 12, ALL), Copy("2", "1f1", 11, 3), Copy("2", "1f2", 11, 3)),
        [],
    )


def test_single_models_of_a_region_can_be_named() -> None:
    found, warnings = checked("2,1,11,3\n2,1f2,11,9\n1f1,1,11,5\n1,1f2,12,4\n1,1,11,5\n2,1f3,11,1\n", models=SPLIT)
    assert found == (
        Copy("1", "1f2", 12, 4),
        Copy("1f1", "1f2", 11, 5),
        Copy("2", "1f1", 11, 3),
        Copy("2", "1f2", 11, 9),
    )
    assert "line 5 is ignored: source and destination are the same, 1." in warnings[0]
    assert "line 6 is ignored: there is no region or model '1f3'; expected one of 1, 1f1, 1f2, 2." in warnings[1]


def test_classes_are_named_by_the_labels_of_the_user():
    rules, warnings = checked("1,2,Forêt dense,3\n1,2,Maize,4\n", TEXTS)
    assert rules == (Copy("1", "2", 1, 3),)
    assert "did you mean 'maize'?" in warnings[0]


def test_one_class_in_two_spellings_is_one_rule():
    assert checked("1,2,11,3\n1,2,011,7\n1,2,12,7\n1,2,012,-1\n")[0] == (Copy("1", "2", 11, 7), Copy("1", "2", 12, ALL))


def test_the_order_of_lines_has_no_effect():
    lines = ["1,2,11,3", "1,2,12,-1", "2,1,11,4", "mountain,2,11,2"]
    found = {checked("\n".join(order))[0] for order in permutations(lines)}
    assert len(found) == 1


codes_of_models = st.fixed_dictionaries(
    {name: st.lists(st.sampled_from((11, 12, 31)), max_size=30).map(np.array) for name in REGIONS}
)


@given(codes_of_models, st.integers(-1, 40), st.integers(0, 5))
def test_a_rule_draws_its_quantity_of_the_class_once_each(codes, quantity, seed):
    rule = Copy("1", "2", 11, quantity)
    rows = drawn({rule: codes["1"]}, seed=seed)[rule]
    available = np.flatnonzero(codes["1"] == 11)
    assert len(rows) == (len(available) if quantity == ALL else min(quantity, len(available)))
    assert sorted(set(rows.tolist())) == rows.tolist()
    assert np.isin(rows, available).all()


@given(codes_of_models, st.permutations([Copy("1", "2", 11, 3), Copy("2", "1", 12, 2), Copy("1", "mountain", 11, 3)]))
def test_a_draw_depends_on_its_own_rule_only(codes, rules):
    of_rules = {rule: codes[rule.source] for rule in rules}
    together = drawn(of_rules, seed=1)
    for rule in rules:
        np.testing.assert_array_equal(together[rule], drawn({rule: of_rules[rule]}, seed=1)[rule])


def test_draws_differ_between_seeds_and_destinations():
    one, other = Copy("1", "2", 11, 20), Copy("1", "mountain", 11, 20)
    codes = dict.fromkeys([one, other], np.full(200, 11))
    rows = drawn(codes, seed=0)
    assert rows[one].tolist() != rows[other].tolist() != drawn(codes, seed=1)[one].tolist()


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3))), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)))
)
def test_repeated_points_are_those_seen_before(own, others):
    seen, expected = set(own), []
    for point in others:
        expected.append(point in seen)
        seen.add(point)
    found = repeated(np.array(own, float).reshape(-1, 2), np.array(others, float).reshape(-1, 2))
    assert found.tolist() == expected


def test_missing_samples_are_reported():
    rule = Copy("1", "2", 11, 10)
    assert shortage(CopyCount(rule, 12, 10, 0), "maize") == ""
    assert shortage(CopyCount(rule, 4, 4, 0), "maize") == (
        "model 2 requests 10 samples of class maize of model 1: all 4 are copied."
    )
    assert "all samples of class maize of model 1: it has none" in shortage(
        CopyCount(Copy("1", "2", 11, ALL), 0, 0, 0), "maize"
    )
    assert shortage(CopyCount(Copy("1", "2", 11, 0), 0, 0, 0), "maize") == ""


def test_a_header_is_named_as_such():
    with pytest.raises(InputError, match="remove the header"):
        parse_copy_rules("source,destination,class,quantity\n1,2,11,5\n", "copies.csv")
    with pytest.raises(InputError) as error:
        parse_copy_rules("1,2,11,5\n1,2,12,many\n", "copies.csv")
    assert str(error.value).endswith("-1 for all samples")
