"""The text of ``fusion_options``: legacy spellings, the method as a single word, errors that name the word."""

from __future__ import annotations

import pytest

from iota2.config.fusion_options import FusionOptions, read_fusion_options

MAJORITY = FusionOptions("majorityvoting", None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, MAJORITY),
        ("", MAJORITY),
        ("  ", MAJORITY),
        ("-nodatalabel 0 -method majorityvoting", MAJORITY),
        ("-nodatalabel 0 -undecidedlabel 0", MAJORITY),
        ("majorityvoting", MAJORITY),
        ("mean", FusionOptions("mean", None)),
        ("-method mean", FusionOptions("mean", None)),
        ("-method  dempstershafer", FusionOptions("dempstershafer", "precision")),
        ("dempstershafer", FusionOptions("dempstershafer", "precision")),
        ("-method dempstershafer -method.dempstershafer.mob kappa", FusionOptions("dempstershafer", "kappa")),
        ("-method.dempstershafer.mob recall -method dempstershafer", FusionOptions("dempstershafer", "recall")),
    ],
)
def test_a_text_is_read(text, expected):
    assert read_fusion_options(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vote", r"-method vote is unknown.*expected one of majorityvoting, dempstershafer, mean"),
        ("-method majorityvotin", r"-method majorityvotin is unknown; did you mean .*majorityvoting"),
        ("-method dempstershafer -method.dempstershafer.mob oa", r"mob oa is unknown; expected one of precision"),
        ("-method mean -method.dempstershafer.mob recall", r"requires -method dempstershafer; got mean"),
        ("-nodatalabel 255", r"-nodatalabel 255; expected 0"),
        ("-undecidedlabel 99", r"-undecidedlabel 99; expected 0"),
        ("-nodatalabels 0", r"unknown option -nodatalabels; did you mean .*nodatalabel"),
        ("-out map.tif -method mean", r"-out is set by iota2"),
        ("-method", r"no value for method"),
        ("mean recall", r"do not start with a name"),
    ],
)
def test_an_unknown_word_is_an_error(text, message):
    with pytest.raises(ValueError, match=message):
        read_fusion_options(text)
