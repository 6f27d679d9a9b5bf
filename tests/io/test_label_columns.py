"""Labels from a column: whole numbers as text become numbers, spellings are merged, ambiguous labels are rejected."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from iota2.io.tables.label_columns import read_labels


def read(*values, path="p.gpkg"):
    return read_labels(pd.Series(values), "code", path)


@pytest.mark.parametrize("values", [["11", "0211"], [" 11", "211.0"], ["+11", "211"], ["0011", "\u00a0211"]])
def test_text_with_whole_numbers_only_becomes_numbers(values):
    found = read(*values)
    assert (found.kind, found.labels.tolist(), found.problems) == ("integer", [11, 211], [])
    assert any("whole numbers only: they are the codes of the map" in note for note in found.notes)


def test_numbers_that_are_written_differently_are_named_in_the_note():
    assert any("'0011' is 11" in note for note in read("0011", "12").notes)
    assert not any("is 11" in note for note in read("11", "12").notes)


@pytest.mark.parametrize("pair", [("0011", "11"), ("011", "0011"), ("11.0", "0011")])
def test_labels_that_differ_only_by_leading_zeros_are_rejected(pair):
    (problem,) = read(*pair, "12").problems
    assert all(repr(label) in problem for label in pair)
    assert "are all the number 11. If they are one class, use one spelling" in problem


def test_decimals_of_whole_numbers_are_ignored():
    found = read("11", "11.0", "12")
    assert (found.labels.tolist(), found.problems) == ([11, 11, 12], [])


def test_numbers_together_with_words_are_text_with_a_note():
    found = read("011", "11", "forêt")
    assert (found.kind, found.labels.tolist()) == ("text", ["011", "11", "forêt"])
    assert any("'forêt': its labels are text" in note for note in found.notes)


def test_text_with_ten_digits_stays_text_with_a_note():
    found = read("1234567890", "11")
    assert (found.kind, found.labels.tolist()) == ("text", ["1234567890", "11"])
    assert any("1234567890 exceeds 65535" in note and "codes 1, 2" in note for note in found.notes)


@pytest.mark.parametrize("bad", ["0", "-3", "00", "-0"])
def test_numbers_below_one_as_text_are_rejected_like_numbers(bad):
    (problem,) = read("11", bad).problems
    assert "not a whole number from 1 to 65535" in problem
    assert "(row 1)" in problem


@pytest.mark.parametrize("code", [1234567890, 65536, 2**40])
def test_codes_too_large_for_a_map_are_rejected_with_the_remedy(code):
    (problem,) = read(11, code).problems
    assert f"{code} (row 1)" in problem
    assert "codes of the map have 16 bits. Use smaller codes, or a text field" in problem


def test_whole_reals_are_numbers_and_nothing_else_is():
    assert read(11.0, np.nan, 12.0).labels.tolist() == [11, None, 12]
    assert read(11.5, 12.0).problems
    assert read(np.inf, 12.0).problems


def test_spellings_of_one_label_are_merged_with_counts():
    found = read("Forêt", "Fore\u0302t", "Forêt", "blé")
    assert found.labels.tolist() == ["Forêt", "Forêt", "Forêt", "blé"]
    (note,) = found.notes
    assert "'Forêt' (2 polygons), 'Fore<U+0302>t' (1 polygon)" in note


def test_a_normalised_label_is_reported():
    (note,) = read("Forêt\u00a0dense", "blé").notes
    assert "'Forêt<U+00A0>dense' is 'Forêt dense' (1 polygon)" in note


@pytest.mark.parametrize("blank", ["", "  ", "\u00a0", "\u200b", None])
def test_a_label_of_invisible_characters_is_missing(blank):
    assert read("a", blank).labels.tolist() == ["a", None]


@pytest.mark.parametrize(("path", "message"), [("p.shp", "p.cpg"), ("p.gpkg", "export the file again")])
def test_a_label_in_a_wrong_encoding_is_rejected_with_the_correct_text(tmp_path, path, message):
    (problem,) = read("ForÃªt", "bois", path=tmp_path / path).problems
    assert "'ForÃªt' looks like 'Forêt'" in problem
    assert message in problem


@pytest.mark.parametrize("value", [[1, 2], [], np.array([1, 2]), {"a": 1}, ("a",)])
def test_lists_are_rejected_as_labels(value):
    (problem,) = read("11", value).problems
    assert problem.startswith("field 'code' contains neither whole numbers nor text but ")
    assert "ndarray" not in problem
