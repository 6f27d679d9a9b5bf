"""Groups of polygons that are split between learning and validation as a whole."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from iota2.core.random import generator
from iota2.core.tables import LEARN, UNUSED, VALIDATION

Label = int | str
Stratum = tuple[str, Label]
"""Region and label; the polygons of each stratum are split separately."""


def group_numbers(values: Sequence[Hashable | None]) -> np.ndarray:
    """(polygon,) int64: group number of each value; equal values form a group, each None is a separate group."""
    numbers: dict[Hashable, int] = {}
    keys = [("alone", k) if value is None else ("value", value) for k, value in enumerate(values)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def merged_groups(groupings: Sequence[np.ndarray]) -> np.ndarray:
    """(polygon,) int64: connected components of several groupings of the same polygons.

    Polygons that share a group in any grouping get the same number, directly or through other polygons. Groups are
    numbered in the order of their first polygons.
    """
    # Imported here: slow to import, and needed with an option only.
    from scipy.sparse import coo_array  # noqa: PLC0415
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    count = len(groupings[0])
    if count == 0:
        return np.zeros(0, np.int64)
    pairs = []
    for grouping in groupings:
        _, first, place = np.unique(grouping, return_index=True, return_inverse=True)
        pairs.append(np.stack([np.arange(count), first[place.reshape(-1)]]))
    one, other = np.concatenate(pairs, axis=1)
    _, found = connected_components(coo_array((np.ones(len(one), bool), (one, other)), shape=(count, count)))
    return group_numbers(found.tolist())


def split_groups(
    strata: Mapping[Stratum, np.ndarray], groups: np.ndarray, ratio: float, random_seed: int
) -> np.ndarray:
    """(polygon,) side of each polygon for one seed: LEARN, VALIDATION or UNUSED; all polygons of a group have one side.

    ``strata`` contains the positions of the polygons of each (region, label), ``groups`` the group number of each
    polygon. A polygon that is in no stratum is UNUSED. Strata are processed in ascending order of their number of
    groups; groups that an earlier stratum has assigned keep their side. The other groups of a stratum are processed in
    random order: first a draw of round(ratio x groups) of them, then the others. A group learns if this brings the
    number of learning polygons in the stratum closer to ratio x polygons. At least one group of a stratum learns and,
    with two or more groups, at least one validates, unless earlier strata have assigned all of them. If each group is a
    single polygon, the result equals that of the split without groups.
    """
    learns: dict[int, bool] = {}
    sizes = {key: _sizes(groups[members]) for key, members in strata.items()}
    for key in sorted(strata, key=lambda key: (len(sizes[key]), key)):
        _decide(learns, sizes[key], ratio, generator(random_seed, "split", *key))
    side = np.full(len(groups), UNUSED, dtype="<U10")
    for members in strata.values():
        side[members] = [LEARN if learns[int(group)] else VALIDATION for group in groups[members]]
    return side


def reserved_polygons(
    strata: Mapping[Stratum, np.ndarray], groups: np.ndarray, share: float, random_seed: int
) -> np.ndarray:
    """(polygon,) bool: the polygons that no seed uses; all polygons of a group are reserved, or none.

    Arguments are those of ``split_groups``. Strata are processed in ascending order of their number of groups. In
    random order, the groups of a stratum are reserved as long as this brings the number of its reserved polygons closer
    to round(share x polygons), at least 1. No group is reserved if it would leave less than two groups of any of its
    strata, one to learn and one to validate. If all groups are too large, so that none is reserved, the first one that
    leaves two others is reserved. A stratum with less than three groups has no reserved polygons.
    """
    sizes = {key: _sizes(groups[members]) for key, members in strata.items()}
    owners: dict[int, list[Stratum]] = {}
    for key, of_stratum in sizes.items():
        for group in of_stratum:
            owners.setdefault(group, []).append(key)
    left = {key: len(of_stratum) for key, of_stratum in sizes.items()}
    reserved: set[int] = set()

    def reserve(group: int) -> bool:
        """Reserve a group if two others are left in all of its strata; whether it is."""
        if any(left[one] <= 2 for one in owners[group]):
            return False
        reserved.add(group)
        for key in owners[group]:
            left[key] -= 1
        return True

    for key in sorted(strata, key=lambda key: (len(sizes[key]), key)):
        found = sizes[key]
        wanted = reserved_wanted(sum(found.values()), share)
        count = sum(size for group, size in found.items() if group in reserved)
        order = generator(random_seed, "fusion", *key).permutation(np.array(sorted(found), np.int64)).tolist()
        for group in order:
            nearer = abs(count + found[group] - wanted) < abs(count - wanted)
            if group not in reserved and nearer and reserve(group):
                count += found[group]
        if count == 0:
            next(filter(reserve, order), None)
    side = np.zeros(len(groups), bool)
    for members in strata.values():
        side[members] = np.isin(groups[members], sorted(reserved))
    return side


def _sizes(groups: np.ndarray) -> dict[int, int]:
    """Number of polygons of each group, sorted by group number."""
    numbers, counts = np.unique(groups, return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def _decide(learns: dict[int, bool], sizes: Mapping[int, int], ratio: float, rng: np.random.Generator) -> None:
    """Assign the groups of one stratum that are not yet in ``learns``; ``sizes`` are their numbers of polygons."""
    polygons = sum(sizes.values())
    wanted = learners_wanted(polygons, ratio)
    learning = sum(size for group, size in sizes.items() if learns.get(group, False))
    validating = sum(size for group, size in sizes.items() if not learns.get(group, True))
    undecided = [group for group in sizes if group not in learns]
    order = _order(len(undecided), ratio, rng)
    for left, k in zip(range(len(order) - 1, -1, -1), order, strict=True):
        size = sizes[undecided[k]]
        nearer = abs(learning + size - wanted) < abs(learning - wanted)
        last_chance = left == 0 and (learning == 0 or validating == 0)
        learn = learning == 0 if last_chance else nearer
        learns[undecided[k]] = learn
        learning, validating = learning + size * learn, validating + size * (not learn)


def learners_wanted(count: int, ratio: float) -> int:
    """Number of learning polygons of ``count``: round(count x ratio), half to even, from 1 to count - 1 (1 for one)."""
    return min(max(round(count * ratio), 1), max(count - 1, 1))


def reserved_wanted(count: int, share: float) -> int:
    """Number of reserved polygons of ``count``: round(share x count), from 1 to count - 2; 0 for less than three."""
    return min(max(round(share * count), 1), max(count - 2, 0))


def _order(count: int, ratio: float, rng: np.random.Generator) -> np.ndarray:
    """Positions of ``count`` groups in the order of their assignment."""
    if count == 0:
        return np.zeros(0, np.int64)
    first = rng.choice(count, size=learners_wanted(count, ratio), replace=False)
    return np.concatenate([first, rng.permutation(np.setdiff1d(np.arange(count), first))])
