"""Suggestions for misspelt names."""

from __future__ import annotations

import pytest

from iota2.core.words import choice_meant, did_you_mean, nearest, normalised_name, without_backticks

OPTIONS = ("s2_path", "l8_path", "ground_truth", "cloud_threshold", "classifier", "runs", "seed", "NDVI", "B11", "B2")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("grnd_truth", "ground_truth"),
        ("groundTruth", "ground_truth"),
        ("GROUND-TRUTH", "ground_truth"),
        ("classifer", "classifier"),
        ("cloud_treshold", "cloud_threshold"),
        ("S2Pathh", "s2_path"),
        ("rnus", "runs"),
        ("run", "runs"),
        ("NDBI", "NDVI"),
    ],
)
def test_a_misspelt_name_is_recognised(word: str, meant: str) -> None:
    assert nearest(word, OPTIONS) == meant
    assert did_you_mean(word, OPTIONS) == f"; did you mean '{meant}'?"


@pytest.mark.parametrize(
    "word", ["testPath", "s3_path", "l5_path", "B12", "B1", "path", "x", "", "mode", "truth", "class", "x" * 10_000]
)
def test_a_dissimilar_name_is_not_suggested(word: str) -> None:
    assert nearest(word, OPTIONS) is None
    assert did_you_mean(word, OPTIONS) == ""


def test_of_names_that_differ_only_in_spelling_the_first_is_suggested() -> None:
    assert nearest("arg_trai", ["arg_train", "argTrain"]) == "arg_train"
    assert (
        normalised_name("splitGroundTruth")
        == normalised_name("split_ground_truth")
        == normalised_name("Split Ground-truth")
    )


@pytest.mark.parametrize(
    ("word", "meant"),
    [("valid", "validation"), ("VAL", "validation"), ("samplings", "sampling"), ("mosaic_of_tiles", "mosaic")],
)
def test_a_choice_is_suggested_for_its_beginning(word: str, meant: str) -> None:
    assert choice_meant(word, ["init", "sampling", "validation", "mosaic"]) == f"; did you mean '{meant}'?"


@pytest.mark.parametrize("word", ["", "v", "regression", "mos"])
def test_no_choice_is_suggested_for_an_ambiguous_or_unknown_beginning(word: str) -> None:
    assert choice_meant(word, ["validation", "mosaic", "mosaictiles"]) == ""


def test_without_names_there_is_no_suggestion() -> None:
    assert nearest("classifier", []) is None


def test_sentences_in_markdown_are_printed_without_backticks() -> None:
    assert without_backticks("Made with `chain.proj`, in `proj`.") == "Made with chain.proj, in proj."
