"""Superseded products: older versions of an acquisition that also exists in a newer version."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from iota2.core.sensor import SensorSpec
from iota2.core.words import counted, some

GROUP = "version"
"""Prefix of the groups in a product pattern that distinguish versions of one acquisition: ``version``, ``version_2`` …,
the most significant first."""
MAX_DRIFT = timedelta(seconds=5)
"""Maximum difference between the sensing times of one piece after reprocessing."""
MAX_DELIVERY_TIME = timedelta(days=1)
"""Products of one baseline made within this time are pieces of an acquisition, unless their names say otherwise."""
_TIME = re.compile(r"\d{8}T\d{6}$")


@dataclass(frozen=True)
class Title:
    """Acquisition and version of a product, from its name."""

    name: str
    """The producer's name of the product."""
    acquisition: str
    """The name without versions: satellite, time, tile."""
    versions: tuple[str, ...]
    """Version numbers, the most significant first."""
    piece: str = ""
    """The piece of the acquisition, such as a datastrip; empty when unknown."""

    @property
    def dated(self) -> tuple[tuple[tuple[int, str], ...], ...]:
        """Sort key of the version without its most significant part."""
        return self.rank[1:]

    @property
    def own(self) -> bool:
        """Whether the version is not a baseline but the number that Sen2Cor writes when run by users."""
        return bool(self.versions) and re.fullmatch(r"99\d\d", self.versions[0]) is not None

    @cached_property
    def rank(self) -> tuple[tuple[tuple[int, str], ...], ...]:
        """Sort key of versions: numbers compare by value, so that V1-10 follows V1-9."""
        return tuple(
            tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.findall(r"\d+|\D+", version))
            for version in self.versions
        )


def title_of(spec: SensorSpec, name: str, piece: str = "") -> Title:
    """The title of a product by its name. A sensor whose names tell no versions has one for each product."""
    match = spec.match(name) if spec.products == "folders" else None
    groups = sorted(group for group in match.re.groupindex if group.startswith(GROUP)) if match else []
    if match is None or not groups:
        return Title(name, name, (), piece)
    kept = list(name)
    for group in groups:
        start, end = match.span(group)
        kept[start:end] = [""] * (end - start)
    return Title(name, "".join(kept), tuple(match[group] or "" for group in groups), piece)


def superseded(titles: Sequence[Title]) -> dict[int, int]:
    """Positions of superseded products, each with the position of the newest version of the same acquisition.

    Pieces of one acquisition, such as the two products of a tile at the border of datastrips, are all used. Repeated
    names count once.
    """
    members: dict[str, list[int]] = {}
    for number, title in enumerate(titles):
        members.setdefault(title.acquisition, []).append(number)
    found = {}
    for group in members.values():
        # such numbers are not comparable with those of baselines: the time of processing decides which is newer
        own = any(titles[number].own for number in group)
        order = sorted(group, key=lambda number: (titles[number].dated if own else titles[number].rank, -number))
        for at, number in enumerate(order):
            newer = [other for other in order[at + 1 :] if _are_versions(titles[number], titles[other])]
            if newer:
                found[number] = newer[-1]
    return found


def _are_versions(one: Title, other: Title) -> bool:
    """Whether two products of an acquisition are versions of each other, not pieces."""
    if one.name == other.name:
        return True
    anew = one.versions[:1] != other.versions[:1]
    if one.piece and other.piece:
        return one.piece == other.piece or (anew and _time_between(one.piece, other.piece) < MAX_DRIFT)
    return anew or all(
        _time_between(*pair) >= MAX_DELIVERY_TIME for pair in zip(one.versions, other.versions, strict=True)
    )


def _time_between(one: str, other: str) -> timedelta:
    """Time between the times at the end of two texts; infinite when one has none, or when the texts are equal."""
    times = [match and _moment(match[0]) for match in map(_TIME.search, (one, other))]
    if one == other or times[0] is None or times[1] is None:
        return timedelta.max
    return abs(times[0] - times[1])


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%S")
    except ValueError:
        return None


def version_notes(where: str, left_out: Mapping[str, str]) -> tuple[str, ...]:
    """A message for each superseded product, with the product used instead."""
    if not left_out:
        return ()
    names = [f"{older} ({newer} is used)" for older, newer in left_out.items()]
    return (f"{where}: not used, older versions: {counted(len(names), 'product')}: {some(names)}",)
