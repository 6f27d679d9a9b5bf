"""Losses of reference data by class: CSV, sentences and warnings."""

from __future__ import annotations

import pytest

from iota2.core.losses import (
    REASONS,
    Amount,
    ClassLosses,
    losses_csv,
    losses_line,
    parse_losses,
    samples_text,
    warnings,
)


def losses(code=11, drawn=1000, usable=900, samples=400, **lost):
    amounts = {"drawn": Amount(40, drawn), "usable": Amount(36, usable), "samples": Amount(0, samples)}
    amounts["validation"] = Amount(18, 300)
    return ClassLosses(code, "blé", amounts | {reason: Amount(*found) for reason, found in lost.items()})


def test_losses_survive_a_csv_round_trip():
    written = (losses(), losses(12, outside_tiles=(2, 30), selection=(0, 7)), ClassLosses(13, "a,b", {}))
    read = parse_losses(losses_csv(written))
    assert [(one.code, one.label, dict(one.losses), one.of("drawn")) for one in read] == [
        (one.code, one.label, dict(one.losses), one.of("drawn")) for one in written
    ]


def test_labels_like_spreadsheet_formulas_are_escaped():
    assert "'=1+1" in losses_csv([ClassLosses(1, "=1+1", {})])


def titled(code):
    return f"Class Blé ({code})"


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        ({"samples": 0}, True),
        ({"samples": 9}, True),
        ({"samples": 10}, False),
        ({"usable": 49, "samples": 20}, True),
        ({"usable": 50, "samples": 20}, False),
        ({}, False),
    ],
)
def test_nearly_lost_classes_cause_a_warning(given, warned):
    assert bool(warnings({0: [losses(**given)]}, str)) == warned


def test_a_warning_contains_class_counts_reasons_and_seeds():
    given = {"samples": 3, "outside_tiles": (30, 800), "no_pixel": (6, 0), "selection": (0, 90)}
    (message,) = warnings({0: [losses()], 1: [losses(**given)], 2: [losses(**given)]}, titled)
    assert message == (
        "Class Blé (11) is nearly lost: 3 pixels for learning, of 40 polygons, 1,000 pixels drawn (seed 1, 2). Lost: "
        "30 polygons (800 pixels) outside the tiles; 6 polygons without a pixel centre (thinner than a pixel); 90 "
        "pixels not selected by arg_train.sample_selection."
    )


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_a_description(reason):
    assert f"1 polygon (1 pixel) {REASONS[reason]}" in losses_line(losses(**{reason: (1, 1)}), "x")


def test_the_text_report_has_a_line_for_each_class():
    lines = samples_text({0: [losses(), losses(12)]}, str).splitlines()
    assert lines[0] == "Reference polygons and samples (seed 0)"
    assert "areas divided by the pixel area" in lines[-1]
    assert [line.split(" ")[1:3] for line in lines[1:-1]] == [["11", "(11):"], ["12", "(12):"]]
    assert lines[1].endswith("lost: nothing")


def test_one_pixel_is_written_in_the_singular():
    (message,) = warnings({0: [losses(samples=1)]}, str)
    assert "1 pixel for learning" in message
    assert "1 pixel for learning" in losses_line(losses(samples=1), "x")


def test_a_map_without_validation_pixels_causes_a_warning():
    none = losses(validation=(0, 0))
    (message,) = warnings({0: [losses(), none], 1: [none, none], 2: [none]}, str)
    assert message.startswith("The map is not validated (seed 1, 2)")


def of_segments(samples: int = 30) -> ClassLosses:
    """Losses of a run on segments."""
    amounts = {"drawn": Amount(4, 900), "usable": Amount(4, 880), "validation": Amount(2, 400)}
    amounts |= {"both_sides": Amount(pixels=30, segments=12), "no_majority": Amount(pixels=4, segments=1)}
    amounts |= {"selection": Amount(samples=5), "samples": Amount(samples=samples)}
    return ClassLosses(11, "blé", amounts, of_segments=True)


def test_runs_on_segments_count_samples_and_segments_instead_of_pixels():
    assert losses_line(of_segments(), "Blé") == (
        "Blé (11): 4 polygons, 900 pixels drawn; 30 samples for learning, 400 pixels for validation; lost: 30 pixels "
        "(12 segments) in segments of both learning and validation polygons; 4 pixels (1 segment) in segments without "
        "a class of at least half of the labelled pixels; 5 samples not selected by arg_train.sample_selection"
    )
    (message,) = warnings({0: [of_segments(samples=1)]}, titled)
    assert message.startswith("Class Blé (11) is nearly lost: 1 sample for learning, of 4 polygons, 900 pixels drawn")
    assert not warnings({0: [of_segments(samples=10)]}, str)


def test_losses_of_runs_on_segments_have_their_own_columns():
    text = losses_csv([of_segments()])
    assert text.splitlines()[0] == "class,label,what,polygons,pixels,segments,samples"
    assert "11,blé,both_sides,0,30,12,0" in text.splitlines()
    assert "11,blé,samples,0,0,0,30" in text.splitlines()
    (read,) = parse_losses(text)
    assert (read.of_segments, read.learned, dict(read.losses)) == (True, 30, dict(of_segments().losses))
    assert "segments" not in losses_csv([losses()])
    drawn = losses_csv([ClassLosses(11, "blé", {"selection": Amount(pixels=2)})], stages=["samples"])
    assert drawn.splitlines()[1:] == ["11,blé,selection,0,2", "11,blé,samples,0,0"]
    assert not parse_losses(losses_csv([losses()]))[0].of_segments


def test_the_text_report_explains_samples_of_segments():
    assert "A sample is a segment" in samples_text({0: [of_segments()]}, str).splitlines()[-1]
    assert "segment" not in samples_text({0: [losses()]}, str)


def test_a_map_that_is_not_validated_asks_for_enough_polygons():
    none = losses(validation=(0, 0))
    assert warnings({0: [none]}, str)[-1].endswith("Draw at least two polygons of each class in each region.")
    assert warnings({0: [none]}, str, "two in each region")[-1].endswith("Draw at least two in each region.")
