"""Groups of reference polygons that stay on one side of the split, and notes on their effect on the split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import geopandas as gpd
import numpy as np

from iota2.compute.groups import group_numbers, learners_wanted, merged_groups
from iota2.compute.neighbours import linked_groups
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import CODE, LEARN, ORIGIN, REGION, UNUSED, VALIDATION, seed_column
from iota2.core.words import counted, some
from iota2.errors import InputError
from iota2.io.files.crs import units_per_metre
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
    def split_distance(self) -> float | None: ...


def polygons_together(
    data: ReferenceData, home: list[str | None], field: FieldValues | None, distance: float | None
) -> np.ndarray | None:
    """Group number (polygon,) int64 of each polygon; None if no option requests groups.

    Polygons without a home region are unused and link no others.
    """
    groupings = []
    frame = data.frame
    if field is not None:
        groupings.append(group_numbers([field.values[row] for row in frame[ORIGIN]]))
    if distance is not None:
        used = np.array([region is not None for region in home])
        chain = -1 - np.arange(len(frame))  # numbers of their own
        polygons, labels = frame.geometry.to_numpy()[used], group_numbers(frame[LABEL].tolist())[used]
        chain[used] = linked_groups(polygons, labels, distance * _units(frame))
        groupings.append(chain)
    return merged_groups(groupings) if groupings else None


def _units(frame: gpd.GeoDataFrame) -> float:
    """Map units per metre; in degrees, where a degree is shortest, so that distances are never overestimated."""
    latitude = float(np.abs(frame.total_bounds[[1, 3]]).max())
    return units_per_metre(frame.crs, latitude)


def group_notes(
    frame: gpd.GeoDataFrame,
    classes: Nomenclature,
    given: SplitOptions,
    together: np.ndarray,
    field: FieldValues | None,
) -> list[str]:
    """Notes on a split by groups; ``frame`` has the sides of all seeds.

    Raises InputError when a seed has no validation or no learning polygons because groups are too large.
    """
    used = (frame[seed_column(0)] != UNUSED).to_numpy()
    groups, sizes = np.unique(together[used], return_counts=True)
    largest = int(sizes.max(initial=0))
    what = (
        f"{_options(given)}: {counted(int(used.sum()), 'polygon')} in {counted(len(groups), 'group')} that stay on one "
        f"side; the largest has {counted(largest, 'polygon')} ({100 * largest / max(1, used.sum()):.0f} %)"
    )
    divisible = any(_members(frame, *stratum).sum() > 1 for stratum in _strata(frame))
    for seed in range(given.runs) if divisible else ():
        for side, verb in ((VALIDATION, "validate"), (LEARN, "learn")):
            if not (frame[seed_column(seed)] == side).any():
                raise InputError(f"{what}. No polygon is left to {verb} for seed {seed}. {_remedy(given)}.")
    alone = sum(field.values[row] is None for row in frame[ORIGIN]) if field else 0
    missing = (
        [f"{counted(alone, 'polygon')} without value in {given.split_field!r}: each stands alone."] if alone else []
    )
    return [f"{what}.", *missing, *_share_notes(frame, classes, given, together)]


def _options(given: SplitOptions) -> str:
    said = [f"arg_train.split_field {given.split_field!r}"] if given.split_field else []
    said += [f"arg_train.split_distance {given.split_distance:g} m"] if given.split_distance is not None else []
    return " and ".join(said)


def _remedy(given: SplitOptions) -> str:
    ways = ["choose a field with more values"] if given.split_field else []
    ways += ["choose a smaller distance"] if given.split_distance is not None else []
    return " or ".join(ways).capitalize()


def _share_notes(
    frame: gpd.GeoDataFrame, classes: Nomenclature, given: SplitOptions, together: np.ndarray
) -> Iterator[str]:
    """Notes on classes of a region whose polygons cannot be split as requested, with numbers."""
    for region, code in _strata(frame):
        members = _members(frame, region, code)
        polygons = int(members.sum())
        wanted = learners_wanted(polygons, given.ratio)
        learning = [int((frame.loc[members, seed_column(seed)] == LEARN).sum()) for seed in range(given.runs)]
        off = {seed: n for seed, n in enumerate(learning) if _is_unbalanced(n, wanted, polygons)}
        if polygons < 2 or not off:
            continue
        sizes = np.unique(together[members], return_counts=True)[1]
        shown = some([f"seed {seed}: {n}" for seed, n in off.items()])
        yield (
            f"Class {classes.name(code)} ({code}), region {region}: {wanted} of {polygons} polygons should learn "
            f"({shown}), but they are in {counted(len(sizes), 'group')}, the largest of {int(sizes.max())}"
            f"{''.join(_one_sided(off.values(), polygons))}."
        )


def _strata(frame: gpd.GeoDataFrame) -> list[tuple[str, int]]:
    """Region and code of the used polygons."""
    return sorted({(str(region), int(code)) for region, code in zip(frame[REGION], frame[CODE], strict=True) if region})


def _members(frame: gpd.GeoDataFrame, region: str, code: int) -> np.ndarray:
    return ((frame[REGION] == region) & (frame[CODE] == code)).to_numpy()


def _is_unbalanced(learning: int, wanted: int, polygons: int) -> bool:
    """Whether the number of learning polygons of a class is far from the target, or all are on one side."""
    return abs(learning - wanted) > max(MAX_SHARE_DEVIATION * polygons, 0.5) or learning in (0, polygons)


def _one_sided(learning: Iterable[int], polygons: int) -> Iterator[str]:
    """Consequence of all polygons being on one side."""
    if polygons in learning:
        yield "; where all learn, nothing validates the class"
    if 0 in learning:
        yield "; where none learns, the class is not mapped"
