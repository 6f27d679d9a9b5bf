"""Numbers, areas, regions and labels of segments: groups of pixels that are classified together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np

NO_REGION = np.int16(-1)
"""Rank of pixels outside the regions, and region of segments without pixels."""
_LAST_RANK = np.iinfo(np.int16).max


def region_ranks(masks: Sequence[np.ndarray]) -> np.ndarray:
    """(y, x) int16: position of the first of the ``masks`` (y, x) bool that contains the pixel; -1 outside all."""
    ranks = np.full(masks[0].shape, NO_REGION)
    for rank in reversed(range(len(masks))):
        ranks[masks[rank]] = rank
    return ranks


class SegmentCounts(NamedTuple):
    """Pixels, regions and first pixels of the segments of a tile, counted block by block in any order."""

    pixels: np.ndarray
    """(segment,) int64: number of pixels inside the regions."""
    region: np.ndarray
    """(segment,) int16: smallest rank of the regions of its pixels; -1 without pixels."""
    place: np.ndarray
    """(segment,) int64: number of its first pixel inside the regions, in scan order; -1 without."""
    present: np.ndarray
    """(segment,) bool: whether it has pixels in the classified area."""
    mapped: np.ndarray
    """(segment,) int64: number of pixels in the area of the map that the tile contributes."""

    @staticmethod
    def empty(segments: int) -> SegmentCounts:
        """Without pixels; ``segments``: largest number in the raster."""
        return SegmentCounts(
            pixels=np.zeros(segments, np.int64),
            region=np.full(segments, NO_REGION),
            place=np.full(segments, -1, np.int64),
            present=np.zeros(segments, bool),
            mapped=np.zeros(segments, np.int64),
        )

    def add(
        self,
        numbers: np.ndarray,
        ranks: np.ndarray,
        classified: np.ndarray,
        mapped: np.ndarray,
        *,
        origin: tuple[int, int],
        width: int,
    ) -> None:
        """Add a block: ``numbers`` of segments (y, x), 0 for none, ``region_ranks`` (y, x), and two areas (y, x) bool.

        ``classified``: pixels that the tile classifies; ``mapped``: those that it contributes to the map.
        ``origin``: row and column of its upper-left pixel on the tile; ``width``: columns of the tile.
        """
        _count(numbers, ranks, (classified, mapped), (*origin, width), self)


@numba.njit(nogil=True, cache=True)
def _count(
    numbers: np.ndarray,
    ranks: np.ndarray,
    areas: tuple[np.ndarray, np.ndarray],
    place: tuple[int, int, int],
    out: SegmentCounts,
) -> None:
    (classified, mapped), (top, left, width) = areas, place
    for y in range(numbers.shape[0]):
        row = top + y
        for x in range(numbers.shape[1]):
            number, rank, column = numbers[y, x], ranks[y, x], left + x
            if number == 0:
                continue
            k = np.int64(number) - 1
            if classified[y, x]:
                out.present[k] = True
            if mapped[y, x]:
                out.mapped[k] += 1
            if rank < 0:
                continue
            at = row * width + column
            out.pixels[k] += 1
            if out.region[k] < 0 or rank < out.region[k]:
                out.region[k] = rank
            if out.place[k] < 0 or at < out.place[k]:
                out.place[k] = at


class DenseNumbers:
    """Consecutive numbers from 1 for the numbers that occur in a raster, in ascending order."""

    def __init__(self, largest: int) -> None:
        """``largest``: upper limit of the numbers."""
        self._found = np.zeros(largest + 1, bool)

    def add(self, numbers: np.ndarray) -> None:
        """Add numbers that occur; 0 does not count."""
        self._found[numbers.ravel()] = True
        self._found[0] = False

    def table(self) -> np.ndarray:
        """(number,) int64: the numbers that occur, ascending."""
        return np.flatnonzero(self._found)


def dense(numbers: np.ndarray, table: np.ndarray) -> np.ndarray:
    """uint32: 1 + the position of each number in the ascending ``table``; 0 for numbers that are not in it."""
    if not len(table):
        return np.zeros(numbers.shape, np.uint32)
    at = np.minimum(np.searchsorted(table, numbers), len(table) - 1)
    return np.where(table[at] == numbers, at + 1, 0).astype(np.uint32)


@dataclass(frozen=True, eq=False)
class SharedRows:
    """Rows of segments in several tiles, sorted by identifier, then tile; all arrays are (row,)."""

    row: np.ndarray
    """Position in the given arrays."""
    pixels: np.ndarray
    """Pixels of the segment in all tiles."""
    region: np.ndarray
    """Smallest rank of its regions in all tiles; -1 without pixels."""
    home: np.ndarray
    """bool: the tile with most of its pixels, of equal ones the first."""


def shared_rows(identifier: np.ndarray, tile: np.ndarray, pixels: np.ndarray, region: np.ndarray) -> SharedRows:
    """The segments that occur in several tiles, from a row (row,) for each segment and tile.

    ``pixels`` and ``region`` are those of ``SegmentCounts`` in the tile.
    """
    order = np.lexsort((tile, identifier))
    _, times = np.unique(identifier[order], return_counts=True)
    order = order[np.repeat(times > 1, times)]
    times = times[times > 1]
    group, starts = np.repeat(np.arange(len(times)), times), np.cumsum(times) - times
    own, rank = pixels[order], np.where(region[order] < 0, _LAST_RANK, region[order])
    if not len(order):
        return SharedRows(order, own, region[order], own > 0)
    total, most = np.add.reduceat(own, starts), np.maximum.reduceat(own, starts)
    lowest = np.minimum.reduceat(rank, starts)
    largest = np.flatnonzero((own == most[group]) & (own > 0))
    home = np.zeros(len(order), bool)
    home[largest[np.unique(group[largest], return_index=True)[1]]] = True
    ranks = np.where(lowest == _LAST_RANK, NO_REGION, lowest).astype(np.int16)
    return SharedRows(order, total[group], ranks[group], home)


@dataclass(frozen=True, eq=False)
class SegmentLabels:
    """Labels of segments with labelled pixels; all arrays are (segment,), sorted by identifier."""

    identifier: np.ndarray
    """int64."""
    code: np.ndarray
    """int64: class with most of the labelled pixels; 0 if several have as many."""
    polygon: np.ndarray
    """int64: polygon of that class with most of the pixels, of equal ones the smallest; -1 without a class."""
    labelled: np.ndarray
    """int64: labelled pixels."""
    share: np.ndarray
    """float64: share of the class among them."""


def majority_labels(identifier: np.ndarray, polygon: np.ndarray, code: np.ndarray, pixels: np.ndarray) -> SegmentLabels:
    """The class of each segment, from the labelled pixels of its parts, all (part,) int64."""
    by_class = _summed(pixels, identifier, code)
    by_polygon = _summed(pixels, identifier, code, polygon)
    ids, start = np.unique(by_class[0][0], return_index=True)
    (class_ids, classes), sums = by_class
    group = np.searchsorted(ids, class_ids)
    total = np.add.reduceat(sums, start) if len(sums) else sums
    most = np.maximum.reduceat(sums, start) if len(sums) else sums
    leads = sums == most[group]
    ties = np.bincount(group[leads], minlength=len(ids))
    chosen = np.zeros(len(ids), np.int64)
    chosen[group[leads]] = classes[leads]
    chosen[ties > 1] = 0
    return SegmentLabels(ids, chosen, _largest_polygon(ids, chosen, *by_polygon), total, most / np.maximum(total, 1))


def _summed(pixels: np.ndarray, *keys: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Distinct combinations of the keys, sorted, and the sum of the pixels of each."""
    found, which = np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)
    return tuple(found.T), np.bincount(which.ravel(), pixels, len(found)).astype(np.int64)


def _largest_polygon(ids: np.ndarray, codes: np.ndarray, keys: tuple[np.ndarray, ...], sums: np.ndarray) -> np.ndarray:
    """(segment,) int64: polygon of the chosen class with most of the pixels; -1 without a class."""
    identifier, code, polygon = keys
    group = np.searchsorted(ids, identifier)
    own = code == codes[group]
    order = np.lexsort((polygon[own], -sums[own], group[own]))
    groups, first = np.unique(group[own][order], return_index=True)
    found = np.full(len(ids), -1, np.int64)
    found[groups] = polygon[own][order][first]
    return found
