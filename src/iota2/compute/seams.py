"""Change of class across borders in a map, compared with that near them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy  # imports its submodules on first use

from iota2.compute.intervals import BOOTSTRAP_REPLICATES, Bounds, including, percentiles, unresolved_range

NEAR_PIXELS = (2, 10)
"""First and last row of pixels, counted from the border, whose pairs are compared with those across it."""
HALO = NEAR_PIXELS[1] + 1
"""Pixels around a block that its counts depend on."""
CELL_PIXELS = 64
"""Side of the square cells of the map that the bootstrap draws."""
MIN_CELLS = 5
"""Minimum number of cells with pairs across the border for an interval."""
_MAX_CELLS_AT_ONCE = 2_000_000
"""Maximum number of drawn cells in memory during the bootstrap."""

Core = tuple[slice, slice]
"""Rows and columns of a block without its halo."""


@dataclass(frozen=True, eq=False)
class SeamCounts:
    """Numbers of adjacent pixels by cell of the map: sums over blocks give the counts of the map."""

    cell: np.ndarray
    """(cell, 2) int64: row and column of each cell, ascending."""
    pairs: np.ndarray
    """(cell, 2, 2) int64: across the border and near it; all pairs and those with different classes."""

    @classmethod
    def none(cls) -> SeamCounts:
        """No pairs."""
        return cls(np.zeros((0, 2), np.int64), np.zeros((0, 2, 2), np.int64))


@dataclass(frozen=True)
class Seam:
    """Change of class across the borders of a map. Undefined values are None."""

    pairs_across: int
    different_across: int
    pairs_near: int
    different_near: int
    score: float | None
    """Share of pairs with different classes across the border, divided by the share near it."""
    score_bounds: Bounds | None
    """95 % interval over the cells."""
    difference: float | None
    """Share across the border minus the share near it."""
    difference_bounds: Bounds | None
    undefined: str = ""
    """Reason why there is no score, a sentence without full stop."""

    @property
    def share_across(self) -> float | None:
        """Share of pairs across the border with different classes."""
        return self.different_across / self.pairs_across if self.pairs_across else None

    @property
    def share_near(self) -> float | None:
        """Share of pairs near the border with different classes."""
        return self.different_near / self.pairs_near if self.pairs_near else None


@dataclass(frozen=True, eq=False)
class Borders:
    """The borders between zones in a block with its halo; all arrays are (y, x)."""

    zones: np.ndarray
    """Integers from 1; 0 outside all zones."""
    others: np.ndarray
    """Integers: pairs across a border of these zones are not counted as near pairs."""
    near: np.ndarray
    """Bool: in the rows ``NEAR_PIXELS`` from a border of ``zones``."""

    coinciding: bool
    """Whether pairs across a border of ``zones`` that is also one of ``others`` are counted."""

    @classmethod
    def of(cls, zones: np.ndarray, others: np.ndarray, *, coinciding: bool) -> Borders:
        """The borders of ``zones``, with or without those that they share with ``others``."""
        return cls(zones, others, near_border(zones), coinciding)


def near_border(zones: np.ndarray) -> np.ndarray:
    """Pixels (y, x) bool in the rows ``NEAR_PIXELS`` from a border between zones.

    ``zones``: (y, x) integers; 0 is outside all zones and has no border. Rows are counted in all directions, diagonals
    included; the first row is next to the border.
    """
    border = np.zeros(zones.shape, bool)
    for first, second in _adjacent():
        one, other = zones[first], zones[second]
        differ = (one != other) & (one > 0) & (other > 0)
        border[first] |= differ
        border[second] |= differ
    if not border.any():
        return border
    nearest, last = (
        scipy.ndimage.maximum_filter(border, size=2 * row - 1, mode="constant")
        for row in (NEAR_PIXELS[0] - 1, NEAR_PIXELS[1])
    )
    return np.asarray(last & ~nearest)


def _adjacent() -> tuple[tuple[Core, Core], ...]:
    """Slices of the first and second pixels of horizontal and of vertical pairs."""
    every, but_last, but_first = slice(None), slice(None, -1), slice(1, None)
    return ((every, but_last), (every, but_first)), ((but_last, every), (but_first, every))


def count_seams(labels: np.ndarray, borders: Borders, core: Core, origin: tuple[int, int]) -> SeamCounts:
    """Pairs of horizontally and vertically adjacent labelled pixels across and near borders.

    ``labels``: (y, x) class codes, 0 without label. All arrays have a halo of ``HALO`` pixels, as far as the map
    extends, around the block ``core``. ``origin``: row and column of the first pixel of the arrays on the map. Each
    pair belongs to the block and cell of its left or upper pixel.
    """
    zones, others, near = borders.zones, borders.others, borders.near
    rows, cols = (np.arange(size) + first for size, first in zip(labels.shape, origin, strict=True))
    own = np.zeros(labels.shape, bool)
    own[core] = True
    found = [SeamCounts.none()]
    for first, second in _adjacent():
        known = own[first] & (labels[first] > 0) & (labels[second] > 0) & (zones[first] > 0) & (zones[second] > 0)
        border, same = zones[first] != zones[second], others[first] == others[second]
        across = known & border & (same | borders.coinciding)
        beside = known & ~border & same & near[first] & near[second]
        for place, chosen in enumerate((across, beside)):
            row, col = np.nonzero(chosen)
            differ = labels[first][row, col] != labels[second][row, col]
            found.append(_by_cell(rows[row] // CELL_PIXELS, cols[col] // CELL_PIXELS, differ, place))
    return sum_seams(found)


def _by_cell(row: np.ndarray, col: np.ndarray, differ: np.ndarray, place: int) -> SeamCounts:
    """Counts of pairs by the row and column of their cell."""
    cell, at = np.unique(np.stack([row, col], axis=1).astype(np.int64), axis=0, return_inverse=True)
    pairs = np.zeros((len(cell), 2, 2), np.int64)
    at = at.reshape(-1)
    pairs[:, place, 0] = np.bincount(at, minlength=len(cell))
    pairs[:, place, 1] = np.bincount(at[differ], minlength=len(cell))
    return SeamCounts(cell, pairs)


def sum_seams(counts: Iterable[SeamCounts]) -> SeamCounts:
    """Sum of the counts of several blocks, in any order."""
    each = [SeamCounts.none(), *counts]
    cell, at = np.unique(np.concatenate([one.cell for one in each]), axis=0, return_inverse=True)
    pairs = np.zeros((len(cell), 2, 2), np.int64)
    np.add.at(pairs, at.reshape(-1), np.concatenate([one.pairs for one in each]))
    return SeamCounts(cell, pairs)


def seam(counts: SeamCounts, rng: np.random.Generator, replicates: int = BOOTSTRAP_REPLICATES) -> Seam:
    """Change of class across the border, with intervals by a bootstrap over the cells of the map.

    Neighbouring pairs are correlated, so whole cells are drawn with replacement [Efron & Tibshirani 1993]. If few cells
    contain pairs of different classes, or of equal ones, the intervals include the values that follow from the
    ``unresolved_range`` of each share. With fewer than ``MIN_CELLS`` cells with pairs across the border, there is no
    interval.
    """
    total = counts.pairs.sum(axis=0)
    values = _shares(total[None].astype(float))
    score, difference = (None if math.isnan(value[0]) else float(value[0]) for value in values)
    bounds: tuple[Bounds | None, Bounds | None] = (None, None)
    if score is not None and np.count_nonzero(counts.pairs[:, 0, 0]) >= MIN_CELLS:
        drawn = [np.concatenate(kind) for kind in zip(*_replicates(counts, rng, replicates), strict=True)]
        (low, high), (low_near, high_near) = (_unresolved_share(counts.pairs[:, place]) for place in (0, 1))
        scores, differences = (low / high_near, high / low_near), (low - high_near, high - low_near)
        bounds = including(percentiles(drawn[0]), *scores), including(percentiles(drawn[1]), *differences)
    (across, different_across), (near, different_near) = total.tolist()
    return Seam(across, different_across, near, different_near, score, bounds[0], difference, bounds[1], _reason(total))


def _unresolved_share(pairs: np.ndarray) -> Bounds:
    """Unresolved range of the share of pairs with different classes; ``pairs`` (cell, all or different), not all 0."""
    every, different = pairs[pairs[:, 0] > 0].T
    few = min(int(np.count_nonzero(different)), int(np.count_nonzero(different < every)))
    return unresolved_range(float(different.sum() / every.sum()), len(every), few)


def _shares(total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Score and difference of ``total`` (draw, place, all or different); NaN where undefined."""
    across, near = (_ratio(total[:, place, 1], total[:, place, 0]) for place in (0, 1))
    return _ratio(across, near), across - near


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _replicates(
    counts: SeamCounts, rng: np.random.Generator, replicates: int
) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Scores and differences of drawn cells, in batches."""
    cells = len(counts.cell)
    flat, at_once = counts.pairs.reshape(cells, 4).astype(float), max(1, _MAX_CELLS_AT_ONCE // cells)
    for start in range(0, replicates, at_once):
        weights = rng.multinomial(cells, np.full(cells, 1 / cells), size=min(at_once, replicates - start))
        yield _shares((weights @ flat).reshape(-1, 2, 2))


def _reason(total: np.ndarray) -> str:
    """Reason why the score is undefined; empty if it is defined."""
    (across, _), (near, different_near) = total.tolist()
    if across == 0:
        return "no two adjacent pixels with a class lie on different sides of a border"
    if near == 0:
        return f"no two adjacent pixels with a class lie {NEAR_PIXELS[0]} to {NEAR_PIXELS[1]} pixels from a border"
    return "" if different_near else "the class never changes near the borders, so there is nothing to compare with"
