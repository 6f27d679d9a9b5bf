"""Nomenclatures of several levels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from iota2.config.class_levels import read_levels
from iota2.core.class_levels import single_level, unnamed_classes
from iota2.errors import ConfigError
from iota2.io.tables.class_levels import read_class_levels, write_class_levels

CFG = """\
# as in the documentation
Classes:
{
  Level1:
  {
    "Urbain": {code: 100, alias: 'Urbain', color: '#b106b1'}
    "Eaux": {code: 200, alias: 'Eaux', color: '0 0 255'}
  }
  Level2:
  {
    "Zones denses": {code: 2, alias: 'dense', color: '#ff00ff', parent: 100}
    "Fleuves": {code: 7, alias: 'fleuves', color: [0, 0, 200], parent: 'eaux'}
    "Routes": {code: 1, alias: 'routes', color: '#ff0000', parent: "Urbain"}
  }
}
"""
YAML = """\
Classes:
  Level1:
    Urbain: {code: 100, alias: Urbain, color: '#b106b1'}
    Eaux: {code: 200, alias: Eaux, color: 0 0 255}
  Level2:
    Zones denses: {code: 2, alias: dense, color: '#ff00ff', parent: 100}
    Fleuves: {code: 7, alias: fleuves, color: [0, 0, 200], parent: 200}
    Routes: {code: 1, alias: routes, color: '#ff0000', parent: 100}
"""


def written(folder: Path, text: str, name: str = "levels.cfg") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(("text", "name"), [(CFG, "levels.cfg"), (YAML, "levels.yml")])
def test_classes_are_those_of_the_lowest_level_in_the_order_of_codes(tmp_path: Path, text: str, name: str) -> None:
    found = read_levels(written(tmp_path, text, name))
    assert found.classes.codes == (1, 2, 7)
    assert found.classes.names == ("Routes", "Zones denses", "Fleuves")
    assert found.classes.colors == ((255, 0, 0), (255, 0, 255), (0, 0, 200))
    assert found.aliases == ("routes", "dense", "fleuves")
    assert found.above == (("Urbain", "Urbain", "Eaux"),)
    numbers = found.group_numbers
    assert numbers[1] == numbers[2] != numbers[7]


def test_classes_are_stored_and_read(tmp_path: Path) -> None:
    levels = read_levels(written(tmp_path, CFG))
    write_class_levels(levels, tmp_path / "classes.json")
    assert read_class_levels(tmp_path / "classes.json") == levels


def test_three_levels_give_each_class_all_its_parents(tmp_path: Path) -> None:
    text = """\
Classes: {
  Level1: { All: {code: 1, alias: a, color: '#000000'} }
  Level2: {
    Land: {code: 1, alias: l, color: '#000001', parent: 1}
    Sea: {code: 2, alias: s, color: '#000002', parent: 1} }
  Level3: {
    Crop: {code: 1, alias: c, color: '#000003', parent: Land}
    Deep: {code: 2, alias: d, color: '#000004', parent: 2} }
}"""
    found = read_levels(written(tmp_path, text))
    assert found.above == (("All", "All"), ("Land", "Sea"))
    assert {*found.group_numbers.values()} == {1}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Classes", "Clases", "has no levels of classes; expected the section Classes with Level1, Level2"),
        ("code: 2,", "code: 0,", "line 11: class 'Zones denses': code is 0; expected a whole number from 1 to 65535"),
        ("alias: 'dense'", "alais: 'dense'", "unknown key 'alais'; did you mean 'alias'?"),
        ("alias: 'dense'", "alias: 'zone dense'", "alias is 'zone dense'; expected letters, digits and _"),
        ("alias: 'dense', ", "", "line 11: class 'Zones denses': alias is missing"),
        ("alias: 'dense'", "alias: 'Routes'", "line 13: class 'Routes': alias routes is that of 'Zones denses'"),
        ("'#ff00ff'", "'red'", "color is 'red'; expected a text such as '#1f78b4'"),
        ("'0 0 255'", "'0 0 256'", "line 7: class 'Eaux': color is '0 0 256'"),
        ("code: 2,", "code: 1,", "line 13: class 'Routes': code 1 is that of 'Zones denses'; change one"),
        ("parent: 100", "parent: 300", "line 11: class 'Zones denses': parent 300 does not exist; expected a class"),
        (", parent: 100", "", "line 11: class 'Zones denses': parent is missing; expected a class of the level above"),
        ("parent: 'eaux'", "parent: 100", "line 7: class 'Eaux': no class of the level below has it as parent"),
        ("color: '#b106b1'", "color: '#b106b1', parent: 1", "parent has no meaning in the highest level"),
        ("{code: 2, alias: 'dense', color: '#ff00ff', parent: 100}", "2", "expected a dictionary of code, alias"),
    ],
)
def test_problems_are_reported_with_their_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in CFG
    with pytest.raises(ConfigError) as caught:
        read_levels(written(tmp_path, CFG.replace(old, new)))
    assert said in str(caught.value)


def test_problems_of_values_and_of_levels_are_reported_together(tmp_path: Path) -> None:
    text = CFG.replace("alias: 'dense'", "alias: 'zone dense'").replace("parent: 'eaux'", "parent: 300")
    with pytest.raises(ConfigError) as caught:
        read_levels(written(tmp_path, text.replace("code: 1,", "code: 7,")))
    problems = caught.value.problems
    assert len(problems) == 4
    for said in (
        "alias is 'zone dense'",
        "parent 300 does not exist",
        "code 7 is that of 'Fleuves'",
        "'Eaux': no class",
    ):
        assert any(said in one for one in problems), said


@pytest.mark.parametrize(
    ("old", "new"),
    [("code: 100,", "code: '100',"), ("parent: 'eaux'", "parent: [1]"), ("code: 100,", "")],
)
def test_consequences_of_an_invalid_value_are_no_problems(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_levels(written(tmp_path, CFG.replace(old, new)))
    assert len(caught.value.problems) == 1


def test_without_levels_each_class_is_a_group() -> None:
    levels = single_level(unnamed_classes([7, 3, 300]))
    assert levels.aliases == ("class_3", "class_7", "class_300")
    assert len({*levels.group_numbers.values()}) == 3
    assert len({*levels.classes.colors}) == 3


def test_equal_names_and_numbers_are_no_aliases() -> None:
    plain = unnamed_classes([1, 2])
    assert single_level(replace(plain, names=("wood", "Wood"))).aliases == ("class_1", "class_2")
    assert single_level(replace(plain, names=("wood", "2020"))).aliases == ("wood", "class_2")
