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


def _order(count: int, ratio: float, rng: np.random.Generator) -> np.ndarray:
    """Positions of ``count`` groups in the order of their assignment."""
    if count == 0:
        return np.zeros(0, np.int64)
    first = rng.choice(count, size=learners_wanted(count, ratio), replace=False)
    return np.concatenate([first, rng.permutation(np.setdiff1d(np.arange(count), first))])
