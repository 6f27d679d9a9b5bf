"""Classes of a map that becomes polygons, in several levels: each class belongs to one of the level above."""

from __future__ import annotations

from collections.abc import Iterable
from colorsys import hls_to_rgb
from dataclasses import dataclass

from iota2.core.nomenclature import Color, Entry, Listing, Nomenclature, Value, build_nomenclature


@dataclass(frozen=True)
class ClassLevels:
    """The classes of the lowest level, whose codes are the values of the map, and those of the levels above."""

    classes: Nomenclature
    aliases: tuple[str, ...]
    """Short name of each class, for columns of tables."""
    above: tuple[tuple[str, ...], ...] = ()
    """Names of the classes above each class, by level, from the highest; empty for a single level."""

    @property
    def group_numbers(self) -> dict[int, int]:
        """Number of the group of each code, from 1: its class of the highest level; with a single level, each code is a
        group."""
        names = self.above[0] if self.above else self.aliases
        order = {name: number for number, name in enumerate(dict.fromkeys(names), start=1)}
        return {code: order[name] for code, name in zip(self.classes.codes, names, strict=True)}


def single_level(classes: Nomenclature) -> ClassLevels:
    """Classes without levels above; their aliases are their names, or ``class_<code>`` if names are equal or only a
    number."""
    unique = len({name.lower() for name in classes.names}) == len(classes.names)
    rows = zip(classes.codes, classes.names, strict=True)
    named = (name if unique and not name.isdecimal() else f"class_{code}" for code, name in rows)
    return ClassLevels(classes, tuple(named))


def named_classes(
    codes: Iterable[int], names: Listing[str] | None, colors: Listing[Color] | None, *, origin: str
) -> Nomenclature:
    """Classes of these codes with names and colours of two files; without one of them, as ``unnamed_classes``.

    ``origin``: where the codes are from, for messages. InputProblems with all problems of the files.
    """
    plain = unnamed_classes(codes)
    names = names or _listing(plain.codes, plain.names)
    colors = colors or _listing(plain.codes, plain.colors)
    return build_nomenclature(names, colors, plain.codes, origin=origin)


def _listing(codes: Iterable[int], values: Iterable[Value]) -> Listing[Value]:
    """The content of a file with a value for each code."""
    return Listing("", tuple(Entry(0, str(code), value) for code, value in zip(codes, values, strict=True)), ())


def unnamed_classes(codes: Iterable[int]) -> Nomenclature:
    """Classes of these codes without names: the code is the name, and colours are evenly spaced hues."""
    ordered = tuple(sorted(codes))
    colors = tuple(_hue(number, len(ordered)) for number in range(len(ordered)))
    return Nomenclature(ordered, tuple(map(str, ordered)), colors, ordered)


def _hue(number: int, count: int) -> tuple[int, int, int]:
    """Colour of one of ``count`` classes: hues in equal steps, of medium brightness and saturation."""
    red, green, blue = hls_to_rgb(number / max(1, count), 0.5, 0.6)
    return round(red * 255), round(green * 255), round(blue * 255)
