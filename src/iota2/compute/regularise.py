"""Removal of small patches from a label raster, for a minimum mapping unit.

A patch is a connected component of pixels with one label. The smallest patch, among several that of the lowest rank, is
given the label with the longest common border, and so on, until all patches have the minimum size. Patches that have
a lower key (size, rank) than all their neighbours can be changed at the same time with the same result: nothing that
determines the new label of such a patch changes before its turn. In one such round, a pixel depends only on pixels at a
distance below twice the minimum size, so that rasters of any size are processed block by block, with a halo.

Classes can have groups (``Groups``): neighbours of the group of a patch are then preferred, or the only ones.

The rank of a patch is a pseudo-random number from the position of its first pixel in the raster. With ranks in the
order of positions, a regular pattern would need as many rounds as it has rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numba import njit

from iota2.compute.patches import Patches, patches_of

MAX_UNIT_PIXELS = 10_000
"""Largest minimum size of patches: larger ones need more memory for a block than most machines have."""
_LABELS = 65536
"""Number of possible labels."""
_ANY, _FIRST, _ONLY = range(3)
"""What groups mean: nothing, preference, restriction."""
_RULES = {False: _FIRST, True: _ONLY}
_SIDES = np.array([(-1, 0), (0, -1), (0, 1), (1, 0)])
_STEPS = {4: _SIDES, 8: np.concatenate([_SIDES, [(-1, -1), (-1, 1), (1, -1), (1, 1)]])}
"""Rows and columns (neighbour, 2) from a pixel to its neighbours, by their number."""
Connectivity = Literal[4, 8]
"""Number of neighbours of a pixel in a patch: 4 (common edges), or 8 (also common corners)."""


@dataclass(frozen=True)
class Groups:
    """Groups of classes, and what they mean for the new label of a patch."""

    numbers: np.ndarray
    """(65536,) uint16: group of each label."""
    only: bool
    """Whether a patch keeps its group: only neighbours of its group count. Otherwise they are preferred: others count
    only for a patch without such neighbours."""

    @staticmethod
    def of(groups: Mapping[int, int], *, only: bool) -> Groups:
        """The groups of these labels; all other labels are in group 0."""
        numbers = np.zeros(_LABELS, np.uint16)
        for label, group in groups.items():
            numbers[label] = group
        return Groups(numbers, only)


class Regularised(NamedTuple):
    """Labels after some rounds."""

    labels: np.ndarray
    """(y, x) labels."""
    small: np.ndarray
    """(y, x) bool: pixels of patches below the minimum size that a further round would change."""


class _Round(NamedTuple):
    """Settings of a round."""

    minimum: int
    steps: np.ndarray
    """Rows and columns (neighbour, 2) from a pixel to its neighbours."""
    corner: tuple[int, int]
    groups: np.ndarray
    """(65536,) group of each label."""
    rule: int
    """``_ANY``, ``_FIRST`` or ``_ONLY``."""


def regularised(
    labels: np.ndarray, minimum: int, *, connectivity: Connectivity = 4, groups: Groups | None = None
) -> np.ndarray:
    """The labels (y, x) without patches of fewer than ``minimum`` pixels, except patches that touch no other label.

    ``labels``: unsigned integers, 0 without label; these pixels never change, and their value is never assigned. The
    label of a changed patch is that with the most contacts between a pixel of the patch and a neighbouring pixel; among
    several, the smallest. ``groups``: which neighbours count; all without groups.
    """
    rounds = labels.size + 1
    return regularised_block(labels, minimum, connectivity=connectivity, rounds=rounds, groups=groups).labels


def regularised_block(
    labels: np.ndarray,
    minimum: int,
    *,
    connectivity: Connectivity = 4,
    rounds: int = 1,
    corner: tuple[int, int] = (0, 0),
    groups: Groups | None = None,
) -> Regularised:
    """A block of a raster after some rounds; its outer ``halo_of(minimum, rounds)`` pixels are not defined.

    ``corner``: row and column of the block in the raster; they may be negative, with label 0 outside the raster.
    """
    if connectivity not in (4, 8):
        raise ValueError(f"the connectivity is {connectivity}; expected 4 or 8")
    out = labels.copy()
    small = np.zeros(out.shape, np.bool_)
    numbers, rule = (np.zeros(_LABELS, np.uint16), _ANY) if groups is None else (groups.numbers, _RULES[groups.only])
    given = _Round(minimum, _STEPS[connectivity], corner, numbers, rule)
    diagonal, changed = connectivity == 8, True
    while changed and rounds > 0:
        changed = bool(_relabel(out, patches_of(out, diagonal=diagonal), given))
        rounds -= 1
    if changed:
        _mark_small(out, patches_of(out, diagonal=diagonal), given, small)
    return Regularised(out, small)


def halo_of(minimum: int, rounds: int) -> int:
    """Pixels around a block that its result after some rounds, and its small patches, depend on."""
    return (2 * rounds + 1) * minimum


def _mark_small(labels: np.ndarray, patches: Patches, given: _Round, small: np.ndarray) -> None:
    """Mark the pixels of patches below the minimum size that touch another label that counts."""
    first, size = patches
    touching = np.zeros(labels.size, np.bool_)
    _mark_touching(labels, first, given, touching)
    np.logical_and(size[first] < given.minimum, touching[first], out=small)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _rank(row: int, col: int) -> np.uint64:
    """Pseudo-random number of a position in the raster (splitmix64: Steele, Lea and Flood, 2014); all differ."""
    bits = (np.uint64(row) << np.uint64(32)) ^ np.uint64(col)
    bits += np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _counts(label: int, own: int, given: _Round) -> bool:
    """Whether a neighbouring label, not 0, may be the new one of a patch with the label ``own``."""
    return given.rule != _ONLY or given.groups[label] == given.groups[own]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _relabel(labels: np.ndarray, patches: Patches, given: _Round) -> bool:
    """Change the small patches whose keys are lower than those of all their neighbours; whether any changed."""
    height, width = labels.shape
    first, size = patches
    changed = False
    pixels = np.empty(max(1, given.minimum), np.int64)
    seen = np.zeros(height * width, np.bool_)
    contacts = np.zeros(_LABELS, np.int64)
    # Labels change during the loop, but not those of pixels next to a patch that is yet to be changed in this round.
    for here in range(height * width):
        y, x = here // width, here % width
        if labels[y, x] == 0 or first[y, x] != here or size[here] >= given.minimum:
            continue
        count = _collect(first, here, given.steps, pixels, seen)
        if _is_lowest(labels, patches, pixels[:count], given):
            label = _new_label(labels, first, pixels[:count], given, contacts)
            for k in range(count if label > 0 else 0):
                labels[pixels[k] // width, pixels[k] % width] = label
                changed = True
    return changed


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _collect(first: np.ndarray, here: int, steps: np.ndarray, pixels: np.ndarray, seen: np.ndarray) -> int:
    """Write the pixels of the patch that begins at ``here`` to ``pixels``, and mark them as ``seen``; their number."""
    height, width = first.shape
    pixels[0] = here
    seen[here] = True
    count, done = 1, 0
    while done < count:
        y, x = pixels[done] // width, pixels[done] % width
        done += 1
        for k in range(len(steps)):
            row, col = y + steps[k, 0], x + steps[k, 1]
            if 0 <= row < height and 0 <= col < width and first[row, col] == here and not seen[row * width + col]:
                seen[row * width + col] = True
                pixels[count] = row * width + col
                count += 1
    return count


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _is_lowest(labels: np.ndarray, patches: Patches, pixels: np.ndarray, given: _Round) -> bool:
    """Whether the key of a patch, given by its pixels, is lower than those of all neighbours with a label that
    counts."""
    height, width = labels.shape
    first, size = patches
    (top, left), own = given.corner, pixels[0]
    of_patch = labels[own // width, own % width]
    rank = _rank(top + own // width, left + own % width)
    for i in range(len(pixels)):
        y, x = pixels[i] // width, pixels[i] % width
        for k in range(len(given.steps)):
            row, col = y + given.steps[k, 0], x + given.steps[k, 1]
            inside = 0 <= row < height and 0 <= col < width and labels[row, col] != 0
            if inside and _counts(labels[row, col], of_patch, given):
                other = first[row, col]
                if size[other] < size[own]:
                    return False
                tie = other != own and size[other] == size[own]
                if tie and _rank(top + other // width, left + other % width) < rank:
                    return False
    return True


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _new_label(labels: np.ndarray, first: np.ndarray, pixels: np.ndarray, given: _Round, contacts: np.ndarray) -> int:
    """The label with the most contacts to a patch, given by its pixels; 0 without a neighbour with a label that counts.

    ``contacts`` (65536,) contains zeros, also afterwards.
    """
    height, width = labels.shape
    own, best = pixels[0], 0
    of_patch = labels[own // width, own % width]
    for change in (1, 0):
        for i in range(len(pixels)):
            y, x = pixels[i] // width, pixels[i] % width
            for k in range(len(given.steps)):
                row, col = y + given.steps[k, 0], x + given.steps[k, 1]
                if not (0 <= row < height and 0 <= col < width) or labels[row, col] == 0 or first[row, col] == own:
                    continue
                label = labels[row, col]
                if change == 0:
                    contacts[label] = 0
                elif _counts(label, of_patch, given):
                    contacts[label] += 1
                    if best == 0 or _is_better(label, best, of_patch, given, contacts):
                        best = label
    return best


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _is_better(label: int, best: int, own: int, given: _Round, contacts: np.ndarray) -> bool:
    """Whether a label suits a patch with the label ``own`` better than the best so far."""
    if given.rule == _FIRST:
        preferred = given.groups[label] == given.groups[own]
        if preferred != (given.groups[best] == given.groups[own]):
            return preferred
    more = contacts[label] - contacts[best]
    return more > 0 or (more == 0 and label < best)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _mark_touching(labels: np.ndarray, first: np.ndarray, given: _Round, touching: np.ndarray) -> None:
    """Mark, at their first pixels, the patches that touch another label that counts."""
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            label = labels[y, x]
            if label == 0:
                continue
            for k in range(len(given.steps)):
                row, col = y + given.steps[k, 0], x + given.steps[k, 1]
                if not (0 <= row < height and 0 <= col < width):
                    continue
                other = labels[row, col]
                if other != 0 and other != label and _counts(other, label, given):  # noqa: PLR1714
                    touching[first[y, x]] = True
