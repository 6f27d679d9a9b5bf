"""Detection of superseded products: older versions of acquisitions that also exist in a newer version."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from iota2.core.sensor import SensorSpec
from iota2.core.words import counted, some

VERSION_GROUP_PREFIX = "version"
"""Prefix of the groups of a product pattern with version numbers: ``version``, ``version_2`` …, the most significant
first."""
MAX_TIME_DIFFERENCE = timedelta(seconds=5)
"""Maximum difference of the sensing time of one piece between two processings."""
MAX_DELIVERY_TIME = timedelta(days=1)
"""Products of one baseline that were processed within this time are considered pieces of one acquisition, unless their
names differ otherwise."""
_TIME = re.compile(r"\d{8}T\d{6}$")


@dataclass(frozen=True)
class ProductVersion:
    """Acquisition and version of a product, from its name."""

    name: str
    """Name of the product given by its producer."""
    acquisition: str
    """The name without version numbers: satellite, time, tile."""
    versions: tuple[str, ...]
    """Version numbers, the most significant first."""
    piece: str = ""
    """The piece of the acquisition, such as a datastrip; empty when unknown."""

    @property
    def rank_after_baseline(self) -> tuple[tuple[tuple[int, str], ...], ...]:
        """Sort key of the version without its most significant number, the baseline."""
        return self.rank[1:]

    @property
    def self_processed(self) -> bool:
        """Whether a user processed the product: Sen2Cor then writes a number instead of the baseline."""
        return bool(self.versions) and re.fullmatch(r"99\d\d", self.versions[0]) is not None

    @cached_property
    def rank(self) -> tuple[tuple[tuple[int, str], ...], ...]:
        """Sort key of the version: numbers are compared by value, so that V1-10 follows V1-9."""
        return tuple(
            tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.findall(r"\d+|\D+", version))
            for version in self.versions
        )


def version_of(spec: SensorSpec, name: str, piece: str = "") -> ProductVersion:
    """Acquisition and version of a product, from its name.

    For a sensor without versions in product names, each name is an acquisition of its own.
    """
    match = spec.match(name) if spec.products == "folders" else None
    groups = sorted(group for group in match.re.groupindex if group.startswith(VERSION_GROUP_PREFIX)) if match else []
    if match is None or not groups:
        return ProductVersion(name, name, (), piece)
    kept = list(name)
    for group in groups:
        start, end = match.span(group)
        kept[start:end] = [""] * (end - start)
    return ProductVersion(name, "".join(kept), tuple(match[group] or "" for group in groups), piece)


def superseded(products: Sequence[ProductVersion]) -> dict[int, int]:
    """Positions of superseded products, each with the position of the product that replaces it.

    This is the newest version of the same acquisition. Pieces of one acquisition, such as the two products of a tile at
    the border of datastrips, do not replace each other. Of products with the same name, one is used.
    """
    members: dict[str, list[int]] = {}
    for number, version in enumerate(products):
        members.setdefault(version.acquisition, []).append(number)
    found = {}
    for group in members.values():
        # the number of Sen2Cor cannot be compared with baselines: the processing time decides which is newer
        self_processed = any(products[number].self_processed for number in group)
        order = sorted(
            group,
            key=lambda number: (
                products[number].rank_after_baseline if self_processed else products[number].rank,
                -number,
            ),
        )
        for at, number in enumerate(order):
            newer = [other for other in order[at + 1 :] if _are_versions(products[number], products[other])]
            if newer:
                found[number] = newer[-1]
    return found


def _are_versions(one: ProductVersion, other: ProductVersion) -> bool:
    """Whether two products of one acquisition are versions of the same data, not different pieces."""
    if one.name == other.name:
        return True
    anew = one.versions[:1] != other.versions[:1]
    if one.piece and other.piece:
        return one.piece == other.piece or (anew and _time_between(one.piece, other.piece) < MAX_TIME_DIFFERENCE)
    return anew or all(
        _time_between(*pair) >= MAX_DELIVERY_TIME for pair in zip(one.versions, other.versions, strict=True)
    )


def _time_between(one: str, other: str) -> timedelta:
    """Difference of the times at the end of two texts; the maximum when one has none, or when the texts are equal."""
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
    """A note on superseded products, with the products used instead; empty when there are none."""
    if not left_out:
        return ()
    names = [f"{older} ({newer} is used)" for older, newer in left_out.items()]
    return (f"{where}: not used, older versions: {counted(len(names), 'product')}: {some(names)}",)
