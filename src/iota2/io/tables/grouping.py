"""Groups of reference polygons that stay on one side of the split, and notes on their effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import geopandas as gpd
import numpy as np

from iota2.compute.groups import group_numbers, learners_wanted, merged_groups
from iota2.compute.neighbours import linked_groups
from iota2.core.tables import CODE, LEARN, ORIGIN, REGION, UNUSED, VALIDATION, seed_column
from iota2.core.words import counted, some
from iota2.errors import InputError
from iota2.io.files.crs import isotropic
from iota2.io.tables.reference import LABEL, FieldValues, ReferenceData

MAX_SHARE_DEVIATION = 0.1
"""Maximum deviation of the learning share of a class from the ratio before a note is written."""


class SplitOptions(Protocol):
    """The options of the split."""

    @property
    def ratio(self) -> float: ...
    @property
    def runs(self) -> int: ...
    @property
    def split_field(self) -> str | None: ...
    @property
    def split_distance(self) -> float | None:
        """Metres."""


def polygon_groups(
    data: ReferenceData, home: list[str | None], field: FieldValues | None, distance: float | None
) -> np.ndarray | None:
    """Group number (polygon,) int64 of each polygon; None if no option requests groups.

    ``home``: region of each polygon; None for unused polygons, which do not connect others. ``distance``: metres.
    """
    groupings = []
    frame = data.frame
    if field is not None:
        groupings.append(group_numbers([field.values[row] for row in frame[ORIGIN]]))
    if distance is not None:
        used = np.array([region is not None for region in home])
        chain = -1 - np.arange(len(frame))  # a separate group for each unused polygon
        polygons, units = isotropic(frame.geometry.to_numpy()[used], frame.crs)
        chain[used] = linked_groups(polygons, group_numbers(frame[LABEL].tolist())[used], distance * units)
        groupings.append(chain)
    return merged_groups(groupings) if groupings else None


def group_notes(
    frame: gpd.GeoDataFrame,
    titles: Mapping[tuple[str, int], str],
    given: SplitOptions,
    groups: np.ndarray,
    field: FieldValues | None,
) -> list[str]:
    """Notes on a split by groups; ``frame`` has the sides of all seeds, ``groups`` the group numbers (polygon,).

    The codes of the frame are those of the strata: classes, or groups of values. ``titles``: subject of a sentence
    about each stratum, by region and code.

    Raises InputError when a seed has no validation or no learning polygons because groups are too large.
    """
    used = (frame[seed_column(0)] != UNUSED).to_numpy()
    numbers, sizes = np.unique(groups[used], return_counts=True)
    largest = int(sizes.max(initial=0))
    summary = (
        f"{_options(given)}: {counted(int(used.sum()), 'polygon')} in {counted(len(numbers), 'group')} that stay on "
        f"one side; the largest has {counted(largest, 'polygon')} ({100 * largest / max(1, used.sum()):.0f} %)"
    )
    divisible = any(_members(frame, *stratum).sum() > 1 for stratum in _strata(frame))
    for seed in range(given.runs) if divisible else ():
        for side, purpose in ((VALIDATION, "validation"), (LEARN, "learning")):
            if not (frame[seed_column(seed)] == side).any():
                raise InputError(f"{summary}. No polygon is left for {purpose} with seed {seed}. {_remedy(given)}.")
    ungrouped = sum(field.values[row] is None for row in frame[ORIGIN]) if field else 0
    missing = (
        [f"{counted(ungrouped, 'polygon')} without value in {given.split_field!r}: each is a separate group."]
        if ungrouped
        else []
    )
    return [f"{summary}.", *missing, *_share_notes(frame, titles, given, groups)]


def _options(given: SplitOptions) -> str:
    """The options that request groups, with their values."""
    options = [f"arg_train.split_field {given.split_field!r}"] if given.split_field else []
    options += [f"arg_train.split_distance {given.split_distance:g} m"] if given.split_distance is not None else []
    return " and ".join(options)


def _remedy(given: SplitOptions) -> str:
    """What the user can do about groups that are too large."""
    ways = ["choose a field with more values"] if given.split_field else []
    ways += ["choose a smaller distance"] if given.split_distance is not None else []
    return " or ".join(ways).capitalize()


def _share_notes(
    frame: gpd.GeoDataFrame, titles: Mapping[tuple[str, int], str], given: SplitOptions, groups: np.ndarray
) -> Iterator[str]:
    """Notes on strata whose learning share in a region is far from the requested ratio."""
    for region, code in _strata(frame):
        members = _members(frame, region, code)
        polygons = int(members.sum())
        wanted = learners_wanted(polygons, given.ratio)
        learning = [int((frame.loc[members, seed_column(seed)] == LEARN).sum()) for seed in range(given.runs)]
        unbalanced = {seed: n for seed, n in enumerate(learning) if _is_unbalanced(n, wanted, polygons)}
        if polygons < 2 or not unbalanced:
            continue
        sizes = np.unique(groups[members], return_counts=True)[1]
        shown = some([f"seed {seed}: {n}" for seed, n in unbalanced.items()])
        yield (
            f"{titles[region, code]}, region {region}: {wanted} of {polygons} polygons "
            f"should be used for learning (actual numbers: {shown}), but the polygons are in "
            f"{counted(len(sizes), 'group')}, the largest of {int(sizes.max())}"
            f"{''.join(_one_sided(unbalanced.values(), polygons))}."
        )


def _strata(frame: gpd.GeoDataFrame) -> list[tuple[str, int]]:
    """Regions and class codes that occur together in used polygons."""
    return sorted({(str(region), int(code)) for region, code in zip(frame[REGION], frame[CODE], strict=True) if region})


def _members(frame: gpd.GeoDataFrame, region: str, code: int) -> np.ndarray:
    """Which polygons are of the class in the region, (polygon,) bool."""
    return ((frame[REGION] == region) & (frame[CODE] == code)).to_numpy()


def _is_unbalanced(learning: int, wanted: int, polygons: int) -> bool:
    """Whether the number of learning polygons of a class is far from the target, or all are on one side."""
    return abs(learning - wanted) > max(MAX_SHARE_DEVIATION * polygons, 0.5) or learning in (0, polygons)


def _one_sided(learning: Iterable[int], polygons: int) -> Iterator[str]:
    """Consequences if all polygons of a class are on one side of the split."""
    if polygons in learning:
        yield "; with all polygons used for learning, it is not validated"
    if 0 in learning:
        yield "; with no polygon used for learning, it is not learned"
