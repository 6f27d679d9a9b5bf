"""Removal of small patches from a label raster, for a minimum mapping unit.

A patch is a connected component of pixels with one label. The smallest patch, among several that of the lowest rank, is
given the label with the longest common border, and so on, until all patches have the minimum size. Patches that have
a lower key (size, rank) than all their neighbours can be changed at the same time with the same result: nothing that
determines the new label of such a patch changes before its turn. In one such round, a pixel depends only on pixels at a
distance below twice the minimum size, so that rasters of any size are processed block by block, with a halo.

The rank of a patch is a pseudo-random number from the position of its first pixel in the raster. With ranks in the
order of positions, a regular pattern would need as many rounds as it has rows.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numba import njit

from iota2.compute.patches import Patches, patches_of

MAX_UNIT_PIXELS = 10_000
"""Largest minimum size of patches: larger ones need more memory for a block than most machines have."""
Connectivity = Literal[4, 8]
"""Number of neighbours of a pixel in a patch: 4 (common edges), or 8 (also common corners)."""


class Regularised(NamedTuple):
    """Labels after some rounds."""

    labels: np.ndarray
    """(y, x) labels."""
    small: np.ndarray
    """(y, x) bool: pixels of patches below the minimum size that a further round would change."""


def regularised(labels: np.ndarray, minimum: int, *, connectivity: Connectivity = 4) -> np.ndarray:
    """The labels (y, x) without patches of fewer than ``minimum`` pixels, except patches that touch no other label.

    ``labels``: unsigned integers, 0 without label; these pixels never change, and their value is never assigned. The
    label of a changed patch is that with the most contacts between a pixel of the patch and a neighbouring pixel; among
    several, the smallest.
    """
    return regularised_block(labels, minimum, connectivity=connectivity, rounds=labels.size + 1).labels


def regularised_block(
    labels: np.ndarray,
    minimum: int,
    *,
    connectivity: Connectivity = 4,
    rounds: int = 1,
    corner: tuple[int, int] = (0, 0),
) -> Regularised:
    """A block of a raster after some rounds; its outer ``halo_of(minimum, rounds)`` pixels are not defined.

    ``corner``: row and column of the block in the raster; they may be negative, with label 0 outside the raster.
    """
    if connectivity not in (4, 8):
        raise ValueError(f"the connectivity is {connectivity}; expected 4 or 8")
    out = labels.copy()
    small = np.zeros(out.shape, np.bool_)
    changed = True
    while changed and rounds > 0:
        changed = _one_round(out, minimum, connectivity == 8, corner, small)
        rounds -= 1
    if changed:
        _mark_small(out, minimum, connectivity == 8, small)
    return Regularised(out, small)


def halo_of(minimum: int, rounds: int) -> int:
    """Pixels around a block that its result after some rounds, and its small patches, depend on."""
    return (2 * rounds + 1) * minimum


def _one_round(labels: np.ndarray, minimum: int, diagonal: bool, corner: tuple[int, int], small: np.ndarray) -> bool:
    """Change the patches with the lowest keys of their neighbourhoods in place; whether any changed."""
    patches = patches_of(labels, diagonal=diagonal)
    small[:] = False
    return bool(_relabel(labels, patches, minimum, diagonal, corner))


def _mark_small(labels: np.ndarray, minimum: int, diagonal: bool, small: np.ndarray) -> None:
    """Mark the pixels of patches below the minimum size that touch another label."""
    first, size = patches_of(labels, diagonal=diagonal)
    touching = np.zeros(labels.size, np.bool_)
    _mark_touching(labels, first, diagonal, touching)
    np.logical_and(size[first] < minimum, touching[first], out=small)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _rank(row: int, col: int) -> np.uint64:
    """Pseudo-random number of a position in the raster (splitmix64: Steele, Lea and Flood, 2014); all differ."""
    bits = (np.uint64(row) << np.uint64(32)) ^ np.uint64(col)
    bits += np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _steps(diagonal: bool) -> np.ndarray:
    """Rows and columns (neighbour, 2) from a pixel to its neighbours."""
    steps = np.array([(-1, 0), (0, -1), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)])
    return steps if diagonal else steps[:4]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _relabel(labels: np.ndarray, patches: Patches, minimum: int, diagonal: bool, corner: tuple[int, int]) -> bool:
    """Change the small patches whose keys are lower than those of all their neighbours; whether any changed."""
    height, width = labels.shape
    first, size = patches
    steps, changed = _steps(diagonal), False
    pixels = np.empty(max(1, minimum), np.int64)
    seen = np.zeros(height * width, np.bool_)
    contacts = np.zeros(65536, np.int64)
    # Labels change during the loop, but not those of pixels next to a patch that is yet to be changed in this round.
    for here in range(height * width):
        y, x = here // width, here % width
        if labels[y, x] == 0 or first[y, x] != here or size[here] >= minimum:
            continue
        count = _collect(first, here, steps, pixels, seen)
        if _is_lowest(labels, patches, pixels[:count], steps, corner):
            label = _new_label(labels, first, pixels[:count], steps, contacts)
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
def _is_lowest(
    labels: np.ndarray, patches: Patches, pixels: np.ndarray, steps: np.ndarray, corner: tuple[int, int]
) -> bool:
    """Whether the key of a patch, given by its pixels, is lower than those of all neighbours with a label."""
    height, width = labels.shape
    first, size = patches
    (top, left), own = corner, pixels[0]
    rank = _rank(top + own // width, left + own % width)
    for i in range(len(pixels)):
        y, x = pixels[i] // width, pixels[i] % width
        for k in range(len(steps)):
            row, col = y + steps[k, 0], x + steps[k, 1]
            if 0 <= row < height and 0 <= col < width and labels[row, col] != 0:
                other = first[row, col]
                if size[other] < size[own]:
                    return False
                tie = other != own and size[other] == size[own]
                if tie and _rank(top + other // width, left + other % width) < rank:
                    return False
    return True


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _new_label(
    labels: np.ndarray, first: np.ndarray, pixels: np.ndarray, steps: np.ndarray, contacts: np.ndarray
) -> int:
    """The label with the most contacts to a patch, given by its pixels; 0 without a neighbour with a label.

    ``contacts`` (65536,) contains zeros, also afterwards.
    """
    height, width = labels.shape
    own, best = pixels[0], 0
    for change in (1, 0):
        for i in range(len(pixels)):
            y, x = pixels[i] // width, pixels[i] % width
            for k in range(len(steps)):
                row, col = y + steps[k, 0], x + steps[k, 1]
                if 0 <= row < height and 0 <= col < width and labels[row, col] != 0 and first[row, col] != own:
                    label = labels[row, col]
                    if change == 1:
                        contacts[label] += 1
                        more = contacts[label] - contacts[best]
                        if best == 0 or more > 0 or (more == 0 and label < best):
                            best = label
                    else:
                        contacts[label] = 0
    return best


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _mark_touching(labels: np.ndarray, first: np.ndarray, diagonal: bool, touching: np.ndarray) -> None:
    """Mark, at their first pixels, the patches that touch another label."""
    height, width = labels.shape
    steps = _steps(diagonal)
    for y in range(height):
        for x in range(width):
            if labels[y, x] == 0:
                continue
            for k in range(len(steps)):
                row, col = y + steps[k, 0], x + steps[k, 1]
                inside = 0 <= row < height and 0 <= col < width
                if inside and labels[row, col] != 0 and labels[row, col] != labels[y, x]:
                    touching[first[y, x]] = True
