"""Nomenclatures of several levels: the file of ``simplification.nomenclature``.

The file has one section, ``Classes``, with a dictionary for each level from the highest to the lowest, by name of the
class::

    Classes : {
      Level1 : { "Urban" : { code : 100, alias : "urban", color : "#ae0000" } }
      Level2 : { "Dense" : { code : 1, alias : "dense", color : "#ff0000", parent : 100 } }
    }

``parent`` is the code or the name of a class of the level above. Codes of the lowest level are the values of the map.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from iota2.config.syntax.cfg import read_cfg
from iota2.config.syntax.document import Node, read_text
from iota2.config.syntax.yaml_reader import read_yaml, written_in_yaml
from iota2.core.class_levels import ClassLevels
from iota2.core.nomenclature import MAX_CODE, Color, Nomenclature
from iota2.core.words import did_you_mean, some
from iota2.errors import ConfigError

SECTION = "Classes"
_KEYS = ("code", "alias", "color", "parent")
_HEX = re.compile(r"#[0-9A-Fa-f]{6}")
_FORM = f'expected the section {SECTION} with Level1, Level2 …, each with classes such as "Water": {{code: 5, …}}'
_ALIAS = re.compile(r"\w+")


@dataclass(frozen=True)
class _Class:
    """A class of a level; with problems, invalid values are 0, empty or black."""

    name: str
    line: int
    code: int
    alias: str
    color: Color
    parent: int | str | None
    known_parent: bool = True
    """Whether ``parent`` is what the file says; False for an invalid one."""

    def is_parent(self, given: int | str | None) -> bool:
        """Whether ``given`` is the code or the name of the class."""
        return given == self.code or (isinstance(given, str) and given.lower() == self.name.lower())


def read_levels(path: Path) -> ClassLevels:
    """The classes of a file; ConfigError with all problems, each with its line."""
    problems: list[str] = []
    levels = [[*_classes(level, problems)] for level in _levels(path)]
    problems += _structure_problems(levels)
    if problems:
        raise ConfigError(problems, source=str(path))
    return _class_levels(levels)


def _levels(path: Path) -> list[Mapping[str, Node]]:
    """The classes of each level by name, from the highest."""
    document = (read_yaml if written_in_yaml(path) else read_cfg)(read_text(path), path)
    section = next((one for one in document.sections if one.name.lower() == SECTION.lower()), None)
    levels = list(section.options.values()) if section is not None else []
    if not levels:
        raise ConfigError([f"has no levels of classes; {_FORM}"], source=str(path))
    if wrong := [level for level in levels if not isinstance(level.value, Mapping) or not level.value]:
        raise ConfigError([f"line {level.line}: a level without classes; {_FORM}" for level in wrong], source=str(path))
    return [level.value for level in levels if isinstance(level.value, Mapping)]


def _classes(level: Mapping[str, Node], problems: list[str]) -> Iterator[_Class]:
    """The classes of a level; their problems are added."""
    for name, node in level.items():
        problems += [f"line {node.line}: class {name!r}: {text}" for text in _class_problems(name, node)]
        plain = node.plain()
        given = plain if isinstance(plain, dict) else {}
        code, alias, parent = given.get("code"), str(given.get("alias", "")), given.get("parent")
        known = isinstance(plain, dict) and isinstance(parent, int | str | None)
        yield _Class(
            name,
            node.line,
            code if _is_code(code) else 0,
            alias if _ALIAS.fullmatch(alias) else "",
            _color(given.get("color")) or (0, 0, 0),
            parent if known else None,
            known,
        )


def _is_code(given: Any) -> TypeGuard[int]:
    return type(given) is int and 1 <= given <= MAX_CODE


def _class_problems(name: str, node: Node) -> Iterator[str]:
    """Problems of one class."""
    given = node.plain()
    if not isinstance(given, dict):
        yield f"expected a dictionary of {', '.join(_KEYS)}, got {given!r}"
        return
    for key in given:
        if key not in _KEYS:
            hint = did_you_mean(key, _KEYS) or f"; expected some of {', '.join(_KEYS)}"
            yield f"unknown key {key!r}{hint}"
    for key in ("code", "alias", "color"):
        if key not in given:
            yield f"{key} is missing"
    if "code" in given and not _is_code(given["code"]):
        yield f"code is {given['code']!r}; expected a whole number from 1 to {MAX_CODE}"
    if not isinstance(given.get("parent"), int | str | None):
        yield f"parent is {given['parent']!r}; expected the code or the name of a class of the level above"
    if "alias" in given and not _ALIAS.fullmatch(str(given["alias"])):
        yield f"alias is {given['alias']!r}; expected letters, digits and _, because columns are named by it"
    if "color" in given and _color(given["color"]) is None:
        yield f"color is {given['color']!r}; expected a text such as '#1f78b4', or red, green and blue from 0 to 255"


def _color(given: Any) -> Any:
    """Red, green and blue of a text or list; None if it is no colour."""
    if isinstance(given, str):
        if not _HEX.fullmatch(given):
            parts = given.split()
            return _color([int(part) for part in parts]) if all(part.isdecimal() for part in parts) else None
        return int(given[1:3], 16), int(given[3:5], 16), int(given[5:7], 16)
    sound = isinstance(given, list) and len(given) == 3 and all(type(one) is int and 0 <= one <= 255 for one in given)
    return tuple(given) if sound else None


def _structure_problems(levels: Sequence[Sequence[_Class]]) -> Iterator[str]:
    """Repeated codes and aliases of a level, and parents that do not exist, as far as the values are valid."""
    for classes in levels:
        for key in ("code", "alias"):
            values = [str(getattr(one, key) or "").lower() for one in classes]
            for one, value in zip(classes, values, strict=True):
                first = classes[values.index(value)]
                if value and first is not one:
                    yield f"line {one.line}: class {one.name!r}: {key} {value} is that of {first.name!r}; change one"
    for one in levels[0]:
        if one.parent is not None:
            yield f"line {one.line}: class {one.name!r}: parent has no meaning in the highest level; remove it"
    for above, classes in itertools.pairwise(levels):
        yield from _parent_problems(above, classes)


def _parent_problems(above: Sequence[_Class], classes: Sequence[_Class]) -> Iterator[str]:
    """Classes without parent, and parents without class; invalid codes and parents may be those that are missing."""
    known = some([f"{one.code} ({one.name})" for one in above if one.code], 10)
    codes_known = all(one.code for one in above)
    for one in classes:
        if one.parent is None and one.known_parent:
            lacks = "parent is missing"
        elif one.parent is not None and codes_known and not any(other.is_parent(one.parent) for other in above):
            lacks = f"parent {one.parent!r} does not exist"
        else:
            continue
        yield f"line {one.line}: class {one.name!r}: {lacks}; expected a class of the level above: {known}"
    parents_known = all(one.known_parent and one.parent is not None for one in classes)
    for other in above if codes_known and parents_known else ():
        if not any(other.is_parent(one.parent) for one in classes):
            yield f"line {other.line}: class {other.name!r}: no class of the level below has it as parent"


def _class_levels(levels: Sequence[Sequence[_Class]]) -> ClassLevels:
    """The classes of the lowest level by code, with those above."""
    lowest = sorted(levels[-1], key=lambda one: one.code)
    levels_above: list[tuple[str, ...]] = []
    current = lowest
    for above in levels[-2::-1]:
        current = [next(other for other in above if other.is_parent(one.parent)) for one in current]
        levels_above.insert(0, tuple(one.name for one in current))
    codes = tuple(one.code for one in lowest)
    names, colors = tuple(one.name for one in lowest), tuple(one.color for one in lowest)
    return ClassLevels(
        Nomenclature(codes, names, colors, codes), tuple(one.alias for one in lowest), tuple(levels_above)
    )
