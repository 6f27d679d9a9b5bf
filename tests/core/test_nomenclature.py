"""The classes of a run: parsing, building and problems."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from iota2.core.nomenclature import build_nomenclature, parse_colors, parse_nomenclature
from iota2.errors import InputError, InputProblems


def build(names: str, colors: str, labels):
    return build_nomenclature(parse_nomenclature(names, "names.txt"), parse_colors(colors, "colors.txt"), labels)


def problems(names: str, colors: str, labels) -> list[str]:
    with pytest.raises(InputError) as caught:
        build(names, colors, labels)
    return str(caught.value).split("\n")[1:]


def test_integer_labels_are_the_codes_in_ascending_order():
    found = build("forêt: 31\n  prairie :211 \n", "211 255 85 0\n31\t0   120 0\n", [211, 31, 211])
    assert found.codes == found.labels == (31, 211)
    assert found.names == ("forêt", "prairie")
    assert found.colors == ((0, 120, 0), (255, 85, 0))
    assert (found.dtype, found.warnings) == ("uint8", ())
    assert found.name(31) == "forêt"
    assert found.color(211) == (255, 85, 0)
    assert found.color_table == {0: (0, 0, 0, 0), 31: (0, 120, 0, 255), 211: (255, 85, 0, 255)}


def test_text_labels_are_numbered_from_one_in_sorted_order():
    found = build("Dense forest:dense forest\nWater:eau\n", "dense forest 0 99 0\neau 0 0 255", ["eau", "dense forest"])
    assert found.labels == ("dense forest", "eau")
    assert found.codes == (1, 2)
    assert found.code("eau") == 2


def test_numbers_as_text_are_text_labels():
    found = build("a:12\nb:2\n", "12 1 1 1\n2 2 2 2", ["2", "12"])
    assert (found.labels, found.codes, found.names) == (("12", "2"), (1, 2), ("a", "b"))


@pytest.mark.parametrize("label", ["Fore\u0302t dense", "For\u00eat\u00a0dense", "\u200bFor\u00eat  dense"])
@pytest.mark.parametrize("where", ["names", "colors"])
def test_labels_of_both_files_are_normalised(label, where):
    plain = "For\u00eat dense"
    names, colors = (label, plain) if where == "names" else (plain, label)
    found = build(f"bois:{names}\n", f"{colors} 0 99 0\n", [plain])
    assert (found.labels, found.names, found.colors) == ((plain,), ("bois",), ((0, 99, 0),))


@pytest.mark.parametrize("label", ["0011", "11.0", "+11", "\u00a011"])
def test_all_spellings_of_a_whole_number_are_read_in_both_files(label):
    assert build(f"a:{label}", f"{label} 1 2 3", [11]).codes == (11,)


@pytest.mark.parametrize(
    ("there", "message"),
    [
        ("forêt", "differ in case"),
        ("Foret", "'e' against 'ê' (U+00EA)"),
        ("Forêts", "'s' against nothing"),
        ("F\u043erêt", "(U+043E) against 'o'"),
    ],
)
def test_a_missing_label_is_reported_with_the_most_similar_entry(there, message):
    found = problems(f"blé:blé\nbois:{there}", "blé 1 1 1\nForêt 2 2 2", ["blé", "Forêt"])
    assert len(found) == 1
    assert f"Line 2 has {there!r}: they differ in" in found[0] or message in found[0]
    assert message in found[0]


def test_an_entry_of_another_class_in_use_is_not_suggested():
    found = problems("a:prairie 1", "prairie 1 1 1 1\nprairie 2 2 2 2", ["prairie 1", "prairie 2"])
    assert "Line" not in found[0].replace("Add a line", "")


def test_two_lines_with_the_same_label_are_rejected_in_any_spelling():
    assert "already on line 1" in problems("a:Forêt\nb:Fore\u0302t", "Forêt 1 1 1", ["Forêt"])[0]
    assert "already on line 1" in problems("a:11\nb:011", "11 1 1 1", [11])[0]


def test_byte_order_mark_comments_blank_lines_and_windows_newlines_are_ignored():
    found = build(
        "\ufeff# my classes\r\n\r\nurbain: dense:1\r\n  # more\r\n森林:2",
        "\ufeff1 1 2 3\r\n#\r\n2 4 5 6\r\n",
        [1, 2],
    )
    assert found.names == ("urbain: dense", "森林")


def test_entries_of_classes_not_in_use_are_ignored():
    found = build("a:1\nb:2\n", "0 0 0 0\n1 1 1 1\n2 2 2 2", [2])
    assert found.codes == (2,)
    assert found.warnings == ("Class a (1) of the nomenclature has no usable polygon: it will not be on the map.",)


def test_one_warning_names_all_classes_without_polygon():
    found = build("a:1\nb:2\nc:3", "2 1 1 1", [2])
    assert found.warnings == (
        "Classes a (1), c (3) of the nomenclature have no usable polygon: they will not be on the map.",
    )
    assert build("a:x\nb:y", "x 1 1 1", ["x"]).warnings[0].startswith("Class b (y) of the nomenclature has no")
    assert build("b:2", "2 1 1 1\n3 0 0 0", [2]).warnings == (), "a colour may have no class"


def test_all_problems_are_reported_at_once_with_file_and_line():
    found = problems(
        "a:1\nnonsense\n:7\nb:1\nc:0\nd:70000\ne:-+5",
        "1 256 0 0\n2 1 2\n3 1 2 3 4\n4 1 1 1\n04 2 2 2",
        [1, 4, 9],
    )
    expected = [
        "names.txt, line 2: expected 'name:label'",
        "names.txt, line 3: expected 'name:label'",
        "colors.txt, line 1: expected three whole numbers",
        "colors.txt, line 2: expected 'label R G B'",
        "colors.txt, line 3: expected 'label R G B'",
        "names.txt, line 4: label 1 is already on line 1",
        "names.txt, line 5: label '0' is no whole number",
        "names.txt, line 6: label '70000'",
        "names.txt, line 7: label '-+5'",
        "colors.txt, line 5: label 4 is already on line 4",
        "names.txt: no name for label 4 of the reference data. Add a line 'name:4'",
        "names.txt: no name for label 9",
        "colors.txt: no colour for label 1 of the reference data. Add a line '1 R G B'",
        "colors.txt: no colour for label 9",
    ]
    assert len(found) == len(expected)
    for line, start in zip(found, expected, strict=True):
        assert line.strip().startswith(start)


@pytest.mark.parametrize("label", [0, -3, 65536])
def test_labels_out_of_range_are_rejected(label):
    assert any(f"Label {label} of the reference data" in line for line in problems("", "", [label]))


def test_mixed_and_absent_labels_are_rejected():
    assert any("numbers and others text" in line for line in problems("a:1", "1 1 1 1", [1, "x"]))
    assert any("contain no class" in line for line in problems("a:1", "1 1 1 1", []))


def test_names_with_control_characters_are_rejected():
    assert "control character" in problems("a\x00b:1", "1 1 1 1", [1])[0]


def test_equal_colours_and_equal_names_cause_warnings():
    found = build("a:1\na:2\nb:3", "1 5 5 5\n2 6 6 6\n3 5 5 5", [1, 2, 3])
    assert [w.split(".")[0] for w in found.warnings] == [
        "Classes 1, 2 have the same name (a)",
        "Classes 1, 3 have the same colour (5 5 5)",
    ]


def test_names_that_look_the_same_cause_a_warning():
    found = build("Fore\u0302t:1\nFor\u00eat\u00a0:2", "1 5 5 5\n2 6 6 6", [1, 2])
    assert "Classes 1, 2 have the same name" in found.warnings[0]


def test_codes_above_255_need_uint16_and_cause_a_warning():
    assert build("a:255", "255 1 1 1", [255]).dtype == "uint8"
    found = build("a:256", "256 1 1 1", [256])
    assert found.dtype == "uint16"
    assert "256, exceeds 255" in found.warnings[0]


def test_unknown_codes_raise_key_error():
    found = build("a:1", "1 1 1 1", [1])
    for look in (found.name, found.color, found.code):
        with pytest.raises(KeyError):
            look(2)


names = st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1).filter(
    lambda s: s[0] != "#"
)
colors = st.tuples(*[st.integers(0, 255)] * 3)


@given(st.dictionaries(st.integers(1, 65535), st.tuples(names, colors), min_size=1, max_size=30))
def test_written_classes_are_read_back(classes):
    found = build(
        "\n".join(f"{name} : {label}" for label, (name, _) in classes.items()),
        "\n".join(f"{label} {r} {g} {b}" for label, (_, (r, g, b)) in classes.items()),
        classes,
    )
    assert {c: (n, k) for c, n, k in zip(found.codes, found.names, found.colors, strict=True)} == classes


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("label", [211, 1597, 65535])
def test_a_geotiff_keeps_codes_and_colours_for_uint8_and_uint16(tmp_path, label):
    found = build(f"a:{label}", f"{label} 255 85 0", [label])
    values = np.full((4, 5), label, dtype=found.dtype)
    options = {"driver": "GTiff", "height": 4, "width": 5, "count": 1, "dtype": found.dtype}
    with rasterio.open(tmp_path / "map.tif", "w", photometric="palette", **options) as file:
        file.write_colormap(1, found.color_table)
        file.write(values, 1)
    with rasterio.open(tmp_path / "map.tif") as file:
        assert file.colormap(1)[label] == (255, 85, 0, 255)
        np.testing.assert_array_equal(file.read(1), values)


def test_each_problem_has_the_option_of_its_file_even_if_both_options_name_one_file() -> None:
    text = "a:1\nb:2\n"
    with pytest.raises(InputProblems) as caught:
        build_nomenclature(parse_nomenclature(text, "one.txt"), parse_colors(text, "one.txt"), [1, 2, 0])
    options = [option for (_, option), _ in caught.value.found]
    assert options == ["color_table", "data_field", "nomenclature_path"]


def test_a_file_without_valid_lines_is_not_reported_to_lack_labels() -> None:
    message = problems("a:1\nb:2\n", "a:1\nb\n", [1, 2])
    assert len(message) == 2
    assert all("expected 'label R G B'" in text or "three whole numbers" in text for text in message)


def test_a_nomenclature_and_a_colour_table_in_the_place_of_the_other_are_reported_in_one_line_each() -> None:
    names, colors = "# classes\nwheat field:1\na:2\n", "1 0 0 0\n2 255 0 0\n"
    assert [line.strip() for line in problems(colors, names, [1, 2])] == [
        "names.txt: looks like a colour table ('label R G B'); are chain.nomenclature_path and chain.color_table "
        "swapped?",
        "colors.txt: looks like a nomenclature ('name:label'); are chain.nomenclature_path and chain.color_table "
        "swapped?",
    ]
    assert len(problems(colors + "3 0 0\n", "1 0 0 0\n2 0 0 0", [1, 2])) == 3, "the lines of no colour table"
