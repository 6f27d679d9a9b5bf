"""Labels: normalisation, similarity, invisible differences and misread encodings."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iota2.core.labels import difference, misread, most_similar, normalised, quoted_with_code_points, whole_number

FORET = "For\u00eat dense"


@pytest.mark.parametrize(
    "written",
    [
        "Fore\u0302t dense",
        "For\u00eat\u00a0dense",
        "For\u00eat\u202fdense",
        "  For\u00eat \t dense ",
        "For\u00eat\u3000dense\u00a0",
        "\ufeffFor\u00eat dense",
        "For\u00adêt dense",
        "For\u200bêt dense",
        "For\u00eat\u2060 dense\u200e",
        "Fore\u200d\u0302t\ndense",
        "For\u00eat\u3164 dense\uffa0",
        "\u115fFor\u00eat dense",
    ],
)
def test_spellings_that_look_the_same_have_the_same_normalised_label(written):
    assert normalised(written) == FORET


@pytest.mark.parametrize("other", ["Foret dense", "forêt dense", "Forêt-dense", "Forêt  dense2", "Fοrêt dense"])
def test_spellings_that_look_different_have_different_normalised_labels(other):
    assert normalised(other) != FORET


@given(st.text(max_size=20))
def test_normalisation_is_idempotent(text):
    once = normalised(text)
    assert normalised(once) == once
    assert normalised(unicodedata.normalize("NFD", once)) == once


@pytest.mark.parametrize(
    ("label", "number"),
    [
        ("11", 11), ("0011", 11), ("11.0", 11), (" 11", 11), ("11.", 11), ("+11", 11), ("\u00a011.000", 11), ("0", 0),
        ("-3", -3), ("1234567890", 1234567890),
        ("", None), ("11.5", None), ("11a", None), ("1 1", None), ("1e3", None), ("½", None), ("²", None), ("٣", None),
        ("1" * 19, None), ("0x1f", None), ("1_000", None), ("-", None),
    ],
)  # fmt: skip
def test_whole_numbers_are_recognised(label, number):
    assert whole_number(label) == number


def test_invisible_characters_are_shown_as_code_points():
    assert quoted_with_code_points("Fore\u0302t\u00a0d\u200b") == "'Fore<U+0302>t<U+00A0>d<U+200B>'"
    assert quoted_with_code_points("forêt 森林") == "'forêt 森林'"


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ("Forêt", "forêt", "in case"),
        ("Foret", "Forêt", "U+00EA"),
        ("l'eau", "l\u2019eau", "U+2019"),
        ("eau", "e\u0430u", "U+0430"),
    ],
)
def test_differences_are_described_with_code_points(one, other, message):
    assert message in difference(one, other)
    assert most_similar(other, ["urbain", one, "prairie"]) == one


def test_a_dissimilar_label_is_not_suggested():
    assert most_similar("urbain", ["prairie", "forêt"]) is None


@pytest.mark.parametrize("encoding", ["cp1252", "iso-8859-1", "cp850", "cp437"])
@pytest.mark.parametrize("text", ["Forêt", "blé", "œuvre"])
def test_utf_8_decoded_with_another_encoding_is_recognised(encoding, text):
    try:
        wrong = text.encode("utf-8").decode(encoding)
    except UnicodeDecodeError:
        pytest.skip("not decodable")
    assert misread(wrong) == text


@pytest.mark.parametrize(
    "text", ["Forêt", "blé d'été", "Ärger", "ÃO PAULO", "森林", "prairie", "São", "Ñandú", "€uro", "Å"]
)
def test_correct_words_are_not_taken_for_misread(text):
    assert misread(text) is None


@pytest.mark.parametrize("label", ["\u0661\u0661", "\uff11\uff11", "\u0967\u0967"])
def test_digits_of_other_scripts_are_compared_with_ascii_digits(label):
    assert most_similar(label, ["12", "11", "211"]) == "11"
    assert "U+" in difference("11", label)
    assert whole_number(label) is None
