"""Which products of a series are older versions of an acquisition that is there in a newer one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from iota2.core.sensor import SensorSpec
from iota2.core.words import counted, some

GROUP = "version"
"""Begins the names of the groups of a product's pattern that hold what tells versions of one acquisition apart:
``version``, ``version_2`` …, in the order of their weight."""
DRIFT = timedelta(seconds=5)
"""By less than this may the sensing times of one piece differ when it was processed anew."""
ONE_DELIVERY = timedelta(days=1)
"""Products of one baseline that were made within this time are pieces of an acquisition, when nothing else tells."""
_TIME = re.compile(r"\d{8}T\d{6}$")


@dataclass(frozen=True)
class Title:
    """What tells which acquisition a product shows, and in which version."""

    name: str
    """The name that its producer gave it."""
    acquisition: str
    """The name without its versions: satellite, time, tile."""
    versions: tuple[str, ...]
    """By weight."""
    piece: str = ""
    """The piece of the acquisition, such as a datastrip; empty when it is not told."""

    @property
    def dated(self) -> tuple[tuple[tuple[int, str], ...], ...]:
        """What orders versions by all but the first of what tells them."""
        return self.rank[1:]

    @property
    def own(self) -> bool:
        """Whether its version is no baseline but the number that Sen2Cor writes when it is run by its users."""
        return bool(self.versions) and re.fullmatch(r"99\d\d", self.versions[0]) is not None

    @cached_property
    def rank(self) -> tuple[tuple[tuple[int, str], ...], ...]:
        """What orders versions: numbers in them by value, so that V1-10 comes after V1-9."""
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
    """Positions of products that are not to be used, each with that of the newest version of the same acquisition.

    Pieces of one acquisition, such as the two products of a tile at the border of datastrips, are all used. A name that
    is there twice counts once.
    """
    members: dict[str, list[int]] = {}
    for number, title in enumerate(titles):
        members.setdefault(title.acquisition, []).append(number)
    found = {}
    for group in members.values():
        # such a number is not above those of baselines: which is newer tells the time of processing
        own = any(titles[number].own for number in group)
        order = sorted(group, key=lambda number: (titles[number].dated if own else titles[number].rank, -number))
        for at, number in enumerate(order):
            newer = [other for other in order[at + 1 :] if _same_ground(titles[number], titles[other])]
            if newer:
                found[number] = newer[-1]
    return found


def _same_ground(one: Title, other: Title) -> bool:
    """Whether two products of an acquisition are versions of one another, not pieces of it."""
    if one.name == other.name:
        return True
    anew = one.versions[:1] != other.versions[:1]
    if one.piece and other.piece:
        return one.piece == other.piece or (anew and _apart(one.piece, other.piece) < DRIFT)
    return anew or all(_apart(*pair) >= ONE_DELIVERY for pair in zip(one.versions, other.versions, strict=True))


def _apart(one: str, other: str) -> timedelta:
    """The time between two texts that end in one; endless when one does not, or when they are the same."""
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
    """A sentence on products that are older versions, each with the one that is used."""
    if not left_out:
        return ()
    names = [f"{older} ({newer} is used)" for older, newer in left_out.items()]
    return (f"{where}: not used, older versions: {counted(len(names), 'product')}: {some(names)}",)
