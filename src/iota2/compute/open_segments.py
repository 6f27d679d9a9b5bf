"""Accumulation of pieces of segments until a segment is complete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from iota2.compute.segment_statistics import SegmentPieces, merged_pieces

_NONE = -1
"""End of the list of the stored pieces of a segment."""
_LEAST_ROWS = 256
"""Rows of the smallest store."""
_GROWTH = 1.5
"""Factor by which the store grows."""


class OpenSegments:
    """Pieces of segments that have pixels outside the blocks so far.

    Blocks are added in any order. The result of each segment is that of ``merged_pieces`` in the order of cells. Only
    pieces of incomplete segments are stored.
    """

    def __init__(self, pixels: np.ndarray, features: int, statistics: Sequence[str]) -> None:
        """``pixels``: (segment,) number of pixels of each segment in all blocks and elsewhere, of numbers from 1."""
        self._left = np.array(pixels, np.int64)
        """Pixels of each segment that no block had so far."""
        self._last = np.full(len(self._left), _NONE, np.int64)
        """Row of the last stored piece of each segment, or ``_NONE``."""
        self._store = SegmentPieces.empty(features, statistics)
        self._former = np.zeros(0, np.int64)
        """Row of the piece of the same segment that was stored before that of each row, or ``_NONE``."""
        self._free = np.zeros(0, np.int64)
        """Rows of the store that are not in use."""

    def __len__(self) -> int:
        """Number of stored pieces."""
        return len(self._store) - len(self._free)

    def add(self, pieces: SegmentPieces) -> SegmentPieces:
        """Add the pieces of a block, and return the statistics of the segments that it completes, by number.

        ValueError if a segment has more pixels than the number given to the constructor.
        """
        index = pieces.segment.astype(np.int64) - 1
        np.subtract.at(self._left, index, pieces.pixels)
        left = self._left[index]
        if len(left) and left.min() < 0:
            raise ValueError(f"segment {pieces.segment[left.argmin()]} has {-left.min()} pixels more than expected")
        complete = left == 0
        stored = self._taken(np.unique(index[complete]))
        self._put(pieces.take(~complete))
        of_block = pieces.take(complete)
        if not len(stored):
            return merged_pieces([of_block])
        return merged_pieces([_ordered(SegmentPieces.concatenated([stored, of_block]))])

    def rest(self) -> SegmentPieces:
        """Take out all pieces of segments that are not complete, in order."""
        return _ordered(self._taken(np.flatnonzero(self._last != _NONE)))

    def _put(self, pieces: SegmentPieces) -> None:
        if len(pieces) > len(self._free):
            self._enlarge(len(self) + len(pieces))
        rows, self._free = np.split(self._free, [len(pieces)])
        for stored, added in zip(self._store.arrays, pieces.arrays, strict=True):
            stored[rows] = added
        _link(pieces.segment, rows, self._last, self._former)

    def _taken(self, index: np.ndarray) -> SegmentPieces:
        """Take out the stored pieces of the segments at these positions."""
        rows = _unlinked(index, self._last, self._former)
        self._free = np.concatenate([rows, self._free])
        return self._store.take(rows)

    def _enlarge(self, least: int) -> None:
        old, new = len(self._store), max(least, _LEAST_ROWS, int(_GROWTH * len(self._store)))
        self._store = SegmentPieces(*(_with_rows(array, new) for array in self._store.arrays))
        self._former = _with_rows(self._former, new)
        self._free = np.concatenate([self._free, np.arange(old, new)])


def _ordered(pieces: SegmentPieces) -> SegmentPieces:
    return pieces.take(np.lexsort((pieces.cell, pieces.segment)))


def _with_rows(array: np.ndarray, rows: int) -> np.ndarray:
    """The array with further rows at its end, whose values are arbitrary."""
    larger = np.empty((rows, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _link(segment: Any, rows: Any, last: Any, former: Any) -> None:
    """Append rows of the store to the lists of their segments."""
    for k in range(len(rows)):
        index = np.int64(segment[k]) - 1
        former[rows[k]] = last[index]
        last[index] = rows[k]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _unlinked(index: Any, last: Any, former: Any) -> Any:
    """Rows of the store of all pieces of some segments, whose lists become empty."""
    count = 0
    for one in index:
        row = last[one]
        while row != _NONE:
            count, row = count + 1, former[row]
    rows = np.empty(count, np.int64)
    count = 0
    for one in index:
        row, last[one] = last[one], _NONE
        while row != _NONE:
            rows[count] = row
            count, row = count + 1, former[row]
    return rows
