"""The classes of a synthetic world in two levels."""

from __future__ import annotations

from collections.abc import Mapping

from iota2.testing.classes import LandClass
from iota2.testing.files import WorldFiles
from iota2.testing.world import World

GROUPS: Mapping[str, tuple[str, str, tuple[int, ...]]] = {
    "cultures annuelles": ("annual_crops", "#ffd24d", (11, 12)),
    "cultures pérennes": ("orchards_vineyards", "#b975b0", (221, 222)),
    "surfaces en herbe": ("grassland", "#a8d982", (34, 211)),
    "forêts": ("forest", "#0f6b25", (31, 32)),
    "surfaces artificielles": ("built", "#c82846", (41,)),
    "surfaces en eau": ("water", "#286edc", (51,)),
}
"""Alias, colour and codes of the classes of each group."""
ALIASES: Mapping[int, str] = {
    11: "summer_crops", 12: "winter_crops", 31: "deciduous", 32: "conifers", 34: "dry_grass", 41: "built", 51: "water",
    211: "meadows", 221: "orchards", 222: "vineyards",
}  # fmt: skip


def write_levels(world: World, files: WorldFiles) -> None:
    """Write the file of ``simplification.nomenclature``, with the classes of the world."""
    classes = {one.code: one for one in world.landscape.classes}
    used = {name: group for name, group in GROUPS.items() if any(code in classes for code in group[2])}
    numbers = {name: number for number, name in enumerate(used, start=1)}
    groups = [
        f'    "{name}" : {{ code : {numbers[name]}, alias : "{alias}", color : "{color}" }}'
        for name, (alias, color, _) in used.items()
    ]
    lowest = [
        _line(classes[code], numbers[name]) for name, (_, _, codes) in used.items() for code in codes if code in classes
    ]
    lines = ["# Two levels of classes: groups, and the classes of the map.", "Classes :", "{", "  Level1 :", "  {"]
    lines += [*groups, "  }", "  Level2 :", "  {", *lowest, "  }", "}"]
    files.levels.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _line(one: LandClass, group: int) -> str:
    color = "#{:02x}{:02x}{:02x}".format(*one.color)
    values = f'code : {one.code}, alias : "{ALIASES[one.code]}", color : "{color}", parent : {group}'
    return f'    "{one.name}" : {{ {values} }}'
