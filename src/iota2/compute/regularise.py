"""Removal of small patches from a label raster, for a minimum mapping unit.

A patch is a connected component of pixels with one label. The smallest patch, among several that of the lowest rank, is
given the label with the longest common border, and so on, until all patches have the minimum size. Patches that have
a lower key (size, rank) than all their neighbours can be changed at the same time with the same result: nothing that
determines the new label of such a patch changes before its turn. This is a round. Patches only grow. They are found
once; afterwards, a round visits only the small ones, and joins them to neighbours.

Rasters of any size are processed block by block, with a halo. Small patches at the sides of a block depend on pixels
beyond it: they are open, and so are their small neighbours after one round, and so on. Open patches do not change. A
large patch never becomes open, since it never changes. All other pixels of a block are as in the whole raster.

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

from iota2.compute.patches import patches_of, root_of, unite

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
Sides = tuple[bool, bool, bool, bool]
"""Top, bottom, left and right."""
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
    """Labels of a block."""

    labels: np.ndarray
    """(y, x) labels."""
    open: np.ndarray
    """(y, x) bool: pixels whose labels depend on pixels beyond the block, and are not defined."""


class _State(NamedTuple):
    """Labels and patches after a round."""

    labels: np.ndarray
    """(y, x) labels."""
    first: np.ndarray
    """(pixel,) int32: forest of the pixels of each patch, whose root is the first pixel."""
    size: np.ndarray
    """(pixel,) int32: number of pixels of the patch that begins at the pixel."""
    marks: np.ndarray
    """(pixel,) bool: False after each round."""
    open: np.ndarray
    """(pixel,) bool: whether the patch that begins at the pixel, if it is small, is open."""


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
    return regularised_block(labels, minimum, connectivity=connectivity, groups=groups).labels


def regularised_block(
    labels: np.ndarray,
    minimum: int,
    *,
    connectivity: Connectivity = 4,
    corner: tuple[int, int] = (0, 0),
    sides: Sides = (False, False, False, False),
    groups: Groups | None = None,
) -> Regularised:
    """A block of a raster as in the result for the raster, apart from pixels that are open.

    ``corner``: row and column of the block in the raster; they may be negative, with label 0 outside the raster.
    ``sides``: those beyond which the raster continues.
    """
    if connectivity not in (4, 8):
        raise ValueError(f"the connectivity is {connectivity}; expected 4 or 8")
    out = labels.copy()
    marks, is_open = np.zeros(out.size, np.bool_), np.zeros(out.size, np.bool_)
    numbers, rule = (np.zeros(_LABELS, np.uint16), _ANY) if groups is None else (groups.numbers, _RULES[groups.only])
    given = _Round(minimum, _STEPS[connectivity], corner, numbers, rule)
    first, size = patches_of(out, diagonal=connectivity == 8)
    state = _State(out, first.reshape(-1), size, marks, is_open)
    left = _small_patches(state, minimum)
    _open_at_sides(state, minimum, sides)
    while len(left):
        opened = is_open[left]
        _open_neighbours(state, left[opened], given)
        left = _next_round(state, left[~opened], given)
    _mark_open_pixels(state, minimum)
    return Regularised(out, marks.reshape(out.shape))


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
def _small_patches(state: _State, minimum: int) -> np.ndarray:
    """(patch,) int32: first pixels of the patches below the minimum size."""
    width = state.labels.shape[1]
    count, found = 0, np.empty(len(state.size), np.int32)
    for here in range(len(state.size)):
        if 0 < state.size[here] < minimum and state.labels[here // width, here % width] != 0:
            found[count] = here
            count += 1
    return found[:count]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _next_round(state: _State, left: np.ndarray, given: _Round) -> np.ndarray:
    """Change the patches whose keys are lower than those of all their neighbours, among those that are ``left``: the
    first pixels of small patches. Returns those that are left after the round, also open ones."""
    _join_changed(state, _relabel(state, left, given), given.steps)
    count = 0
    for here in left:
        if here >= 0 and state.first[here] == here and state.size[here] < given.minimum:
            left[count] = here
            count += 1
    return left[:count]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _relabel(state: _State, left: np.ndarray, given: _Round) -> np.ndarray:
    """Change labels in one round; the changed pixels. In ``left``, -1 replaces patches that will never change."""
    labels, width = state.labels, state.labels.shape[1]
    pixels = np.empty(state.size[left].sum(), np.int32)
    contacts, total = np.zeros(_LABELS, np.int64), 0
    # Labels change during the loop, but not those of pixels next to a patch that is yet to be changed in this round.
    for k in range(len(left)):
        count = 0 if state.open[left[k]] else _collect(state, left[k], given, pixels[total:], lowest=True)
        if count > 0:
            patch = pixels[total : total + count]
            label = _new_label(labels, patch, given, contacts)
            if label == 0:
                left[k] = -1
                continue
            for pixel in patch:
                labels[pixel // width, pixel % width] = label
            total += count
    return pixels[:total]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _collect(state: _State, here: int, given: _Round, pixels: np.ndarray, lowest: bool) -> int:
    """Write the pixels of the patch that begins at ``here`` to ``pixels``; their number, or 0 if it has to be the
    ``lowest`` and the key of a neighbour with a label that counts is lower."""
    labels, first, _, marks, _ = state
    height, width = labels.shape
    own = labels[here // width, here % width]
    pixels[0] = here
    marks[here] = True
    count, done, lower = 1, 0, False
    while done < count and not lower:
        y, x = pixels[done] // width, pixels[done] % width
        done += 1
        for k in range(len(given.steps)):
            row, col = y + given.steps[k, 0], x + given.steps[k, 1]
            if not (0 <= row < height and 0 <= col < width) or labels[row, col] == 0:
                continue
            pixel = row * width + col
            other = root_of(first, pixel)
            if other == here:
                if not marks[pixel]:
                    marks[pixel] = True
                    pixels[count] = pixel
                    count += 1
            elif lowest and _counts(labels[row, col], own, given) and _is_lower(state, other, here, given):
                lower = True
                break
    for k in range(count):
        marks[pixels[k]] = False
    return 0 if lower else count


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _is_lower(state: _State, other: int, here: int, given: _Round) -> bool:
    """Whether the patch that begins at ``other`` has a lower key, size and rank, than that which begins at ``here``."""
    more, width, (top, left) = state.size[other] - state.size[here], state.labels.shape[1], given.corner
    if more != 0:
        return more < 0
    rank = _rank(top + here // width, left + here % width)
    return bool(_rank(top + other // width, left + other % width) < rank)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _join_changed(state: _State, changed: np.ndarray, steps: np.ndarray) -> None:
    """Join changed pixels, with the patches to which they belong, to neighbouring patches of their new label."""
    labels, first, size, _, _ = state
    height, width = labels.shape
    for pixel in changed:
        y, x = pixel // width, pixel % width
        for k in range(len(steps)):
            row, col = y + steps[k, 0], x + steps[k, 1]
            if 0 <= row < height and 0 <= col < width and labels[row, col] == labels[y, x]:
                one, other = root_of(first, pixel), root_of(first, row * width + col)
                if one != other:
                    unite(first, one, other)
                    size[min(one, other)] += size[max(one, other)]
                    state.open[min(one, other)] |= state.open[max(one, other)]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _new_label(labels: np.ndarray, pixels: np.ndarray, given: _Round, contacts: np.ndarray) -> int:
    """The label with the most contacts to a patch, given by its pixels; 0 without a neighbour with a label that counts.

    ``contacts`` (65536,) contains zeros, also afterwards.
    """
    height, width = labels.shape
    here, best = pixels[0], 0
    own = labels[here // width, here % width]
    for change in (1, 0):
        for i in range(len(pixels)):
            y, x = pixels[i] // width, pixels[i] % width
            for k in range(len(given.steps)):
                row, col = y + given.steps[k, 0], x + given.steps[k, 1]
                if not (0 <= row < height and 0 <= col < width):
                    continue
                label = labels[row, col]
                if label == 0 or label == own:  # noqa: PLR1714
                    continue
                if change == 0:
                    contacts[label] = 0
                elif _counts(label, own, given):
                    contacts[label] += 1
                    if best == 0 or _is_better(label, best, own, given, contacts):
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
def _open_at_sides(state: _State, minimum: int, sides: Sides) -> None:
    """Open the small patches at these sides of the block."""
    height, width = state.labels.shape
    top, bottom, left, right = sides
    for y in range(height):
        for x in range(width):
            if (top and y == 0) or (bottom and y == height - 1) or (left and x == 0) or (right and x == width - 1):
                here = root_of(state.first, y * width + x)
                state.open[here] = state.labels[y, x] != 0 and state.size[here] < minimum


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _open_neighbours(state: _State, border: np.ndarray, given: _Round) -> None:
    """Open the small neighbours, with labels that count, of patches that were opened in the round before."""
    labels, first, size, _, is_open = state
    height, width = labels.shape
    pixels = np.empty(given.minimum, np.int32)
    for here in border:
        own = labels[here // width, here % width]
        for i in range(_collect(state, here, given, pixels, lowest=False)):
            y, x = pixels[i] // width, pixels[i] % width
            for k in range(len(given.steps)):
                row, col = y + given.steps[k, 0], x + given.steps[k, 1]
                if 0 <= row < height and 0 <= col < width and labels[row, col] != 0:
                    other = root_of(first, row * width + col)
                    if size[other] < given.minimum and _counts(labels[row, col], own, given):
                        is_open[other] = True


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _mark_open_pixels(state: _State, minimum: int) -> None:
    """Mark the pixels of open patches."""
    for pixel in range(len(state.marks)):
        here = root_of(state.first, pixel)
        state.marks[pixel] = state.open[here] and state.size[here] < minimum
