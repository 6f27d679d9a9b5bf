"""Line wrapping between words only."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from iota2.core.wrapping import MIN_WRAP_COLUMNS, wrapped

PATH = "/data/archive/of/a/project/SENTINEL2A_20180317-105703-705_L2A_T31TDJ_D_V1-7_FRE_B4.tif"


def test_lines_break_between_words_and_continue_indented() -> None:
    text = f"  line 11: chain.data_field: {PATH}: no field 'coded'; the fields are code, name, area, perimeter"
    lines = wrapped(text, 60).split("\n")
    assert lines[0] == "  line 11: chain.data_field:"
    assert lines[1] == f"      {PATH}:", "a path is longer than the terminal and stays whole"
    assert lines[2] == "      no field 'coded'; the fields are code, name, area,"
    assert lines[3] == "      perimeter"


def test_quoted_texts_and_commands_are_not_broken() -> None:
    text = "it is written 'a name of several words' here. Fix it, then: iota2 run '/data/my folder/a.cfg' --restart"
    lines = [line.strip() for line in wrapped(text, 40).split("\n")]
    assert lines[-1] == "iota2 run '/data/my folder/a.cfg' --restart"
    assert lines[0] == "it is written 'a name of several words'"


def test_an_existing_path_with_blanks_is_not_broken() -> None:
    text = "the file (/data/my own folder/truth.shp), of all that were given, cannot be read in this place"
    there = wrapped(text, 30, exists={"/data/my own folder/truth.shp"}.__contains__).split("\n")
    assert "    (/data/my own folder/truth.shp)," in there
    assert len(max(there, key=len)) > 30
    assert all(len(line) <= 30 for line in wrapped(text, 30).split("\n"))


@given(st.text(alphabet="ab '\"/.:\n(", max_size=200), st.integers(0, 60))
def test_no_character_is_lost_and_short_lines_are_unchanged(text: str, width: int) -> None:
    found = wrapped(text, width)
    assert found.replace("\n", "").replace(" ", "") == text.replace("\n", "").replace(" ", "")
    if width < MIN_WRAP_COLUMNS or all(len(line) <= width for line in text.split("\n")):
        assert found == text
