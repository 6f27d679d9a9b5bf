"""Statistics of the features of segments, computed piece by piece, so that they do not depend on blocks.

A *piece* consists of the pixels of one segment in one cell of ``CELL`` rows and columns, counted from the upper-left
pixel of the tile. Its statistics are computed in scan order. The pieces of a segment are merged in the order of cells,
row by row, by the formulas of Chan, Golub and LeVeque (1979, Updating formulae and a pairwise algorithm for computing
sample variances). The result is the same to the last bit for any shapes and order of blocks that consist of cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numba import njit

from iota2.compute.block_shapes import MIN_SHAPE
from iota2.core.recipe import FEATURE_STATISTICS, MISSING

CELL = MIN_SHAPE
"""Rows and columns of the cells. Blocks begin at multiples of them."""
_MISSING = np.float32(MISSING)
_SLOT_BITS = 1 + (CELL[0] * CELL[1] - 1).bit_length()
"""The table of the segments of a cell has 2 to this power slots, twice the largest number of segments."""


@dataclass(frozen=True, eq=False)
class SegmentPieces:
    """Statistics of pieces of segments, or of whole segments.

    A feature without any value in a piece has count, mean and squares 0, minimum infinity, maximum minus infinity.
    Arrays that the requested statistics do not need have no columns.
    """

    segment: np.ndarray
    """(piece,) uint32: number of the segment, from 1."""
    cell: np.ndarray
    """(piece,) int64: number of the cell on the tile, row by row; of merged pieces that of the first one."""
    pixels: np.ndarray
    """(piece,) int64: pixels of the segment."""
    seen: np.ndarray
    """(piece,) int64: pixels of the segment whose features count."""
    count: np.ndarray
    """(piece, feature) int32: pixels with a value."""
    mean: np.ndarray
    """(piece, feature) float64, for mean or std."""
    squares: np.ndarray
    """(piece, feature) float64, for std: sum of the squared differences from the mean."""
    minimum: np.ndarray
    """(piece, feature) float32, for min."""
    maximum: np.ndarray
    """(piece, feature) float32, for max."""

    @staticmethod
    def empty(features: int, statistics: Sequence[str], pieces: int = 0) -> SegmentPieces:
        """Pieces without pixels and values, of segment 0."""
        _require_known(statistics)
        columns = {name: features if name in statistics else 0 for name in FEATURE_STATISTICS}
        return SegmentPieces(
            segment=np.zeros(pieces, np.uint32),
            cell=np.zeros(pieces, np.int64),
            pixels=np.zeros(pieces, np.int64),
            seen=np.zeros(pieces, np.int64),
            count=np.zeros((pieces, features), np.int32),
            mean=np.zeros((pieces, max(columns["mean"], columns["std"]))),
            squares=np.zeros((pieces, columns["std"])),
            minimum=np.full((pieces, columns["min"]), np.inf, np.float32),
            maximum=np.full((pieces, columns["max"]), -np.inf, np.float32),
        )

    @staticmethod
    def concatenated(parts: Iterable[SegmentPieces]) -> SegmentPieces:
        """The pieces of at least one part, in the given order."""
        columns = zip(*(part.arrays for part in parts), strict=True)
        return SegmentPieces(*(np.concatenate(column) for column in columns))

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """The fields in order."""
        return tuple(getattr(self, one.name) for one in fields(self))

    @property
    def by_feature(self) -> tuple[np.ndarray, ...]:
        """Count, mean, squares, minimum and maximum."""
        return self.count, self.mean, self.squares, self.minimum, self.maximum

    def __len__(self) -> int:
        return len(self.segment)

    def take(self, rows: np.ndarray) -> SegmentPieces:
        """The pieces at some positions, or where ``rows`` is True."""
        return SegmentPieces(*(array[rows] for array in self.arrays))


def piece_bytes(features: int, statistics: Sequence[str]) -> int:
    """Bytes of a piece."""
    return sum(array.nbytes for array in SegmentPieces.empty(features, statistics, 1).arrays)


def block_pieces(
    values: np.ndarray,
    segments: np.ndarray,
    used: np.ndarray,
    *,
    origin: tuple[int, int],
    width: int,
    statistics: Sequence[str],
) -> SegmentPieces:
    """The pieces of segments in a block, with the requested ``statistics``, in the order of cells.

    ``values``: (feature, y, x) float32. ``segments``: (y, x) uint32, 0 for pixels without segment. ``used``: (y, x)
    bool, pixels whose features count. Values that are ``MISSING``, NaN or infinite do not count either. ``origin``: row
    and column of the block on the tile. ``width``: columns of the tile. ValueError unless the block consists of cells.
    """
    (row, col), (height, columns) = origin, segments.shape
    if row % CELL[0] or col % CELL[1] or (columns % CELL[1] and col + columns != width):
        raise ValueError(
            f"a block at row {row}, column {col} with {columns} of the {width} columns; expected multiples of {CELL}"
        )
    if values.shape[1:] != segments.shape or used.shape != segments.shape:
        raise ValueError(f"values {values.shape}, segments {segments.shape} and used {used.shape} differ in shape")
    segment, place, pixels, first, order = _pixels_of_pieces(segments, used)
    across = -(-columns // CELL[1])
    cell = (row // CELL[0] + place // across) * -(-width // CELL[1]) + col // CELL[1] + place % across
    out = SegmentPieces.empty(len(values), statistics, len(segment))
    out.segment[:], out.cell[:], out.pixels[:], out.seen[:] = segment, cell, pixels, np.diff(first)
    flat = np.ascontiguousarray(values, np.float32).reshape(len(values), height * columns)
    _fill_statistics(flat, order, first, out.by_feature)
    return out


def merged_pieces(parts: Iterable[SegmentPieces]) -> SegmentPieces:
    """One row for each segment, with all its pieces of at least one part; sorted by segment.

    Pieces are merged in the order of parts, and within a part in its order. This is the order of cells for parts of a
    tile from top to bottom, if the pieces of each segment in a part are in this order. Parts are taken one by one, so
    that no more than one of them and the result are in memory.
    """
    merged = None
    for part in parts:
        merged = _merged(SegmentPieces.concatenated([merged, part]) if merged is not None else part)
        del part
    if merged is None:
        raise ValueError("no part of pieces; expected at least one, which may be empty")
    return merged


def _merged(pieces: SegmentPieces) -> SegmentPieces:
    """One row for each segment, whose pieces are merged in the given order; sorted by segment."""
    order = np.argsort(pieces.segment, kind="stable")
    starts = np.flatnonzero(np.diff(pieces.segment[order], prepend=0))
    out = pieces.take(order[starts])
    if len(starts) == len(order):
        return out
    for total, found in ((out.pixels, pieces.pixels), (out.seen, pieces.seen)):
        total[:] = np.add.reduceat(found[order], starts)
    _merge(order, np.append(starts, len(order)), pieces.by_feature, out.by_feature)
    return out


def segment_values(merged: SegmentPieces, statistics: Sequence[str], missing: float) -> np.ndarray:
    """(segment, statistic x feature) float32: all features of the first statistic, then of the next.

    ``missing`` without any value.
    """
    _require_known(statistics)
    with np.errstate(invalid="ignore"):
        found = {
            "mean": lambda: merged.mean,
            "std": lambda: np.sqrt(merged.squares / merged.count),
            "min": lambda: merged.minimum,
            "max": lambda: merged.maximum,
        }
        columns = [np.where(merged.count > 0, found[name](), missing).astype(np.float32) for name in statistics]
    return np.concatenate(columns, axis=1)


def _require_known(statistics: Sequence[str]) -> None:
    if not statistics or not set(statistics) <= set(FEATURE_STATISTICS):
        raise ValueError(f"statistics {', '.join(statistics) or 'without name'}; expected some of {FEATURE_STATISTICS}")


# ------------------------------------------------------------------------------------------ kernels


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _pixels_of_pieces(segments: Any, used: Any) -> Any:
    """The pieces of a block, in the order of cells: segment, cell of the block, pixels; the pixels that count.

    The latter are positions in the flattened block, those of piece i from ``first[i]`` to ``first[i + 1]``, in scan
    order.
    """
    height, width = segments.shape
    down, across = -(-height // CELL[0]), -(-width // CELL[1])
    piece = np.full((height, width), -1, np.int32)
    segment, cell = np.empty(height * width, np.uint32), np.empty(height * width, np.int64)
    pixels, seen = np.zeros(height * width, np.int64), np.zeros(height * width, np.int64)
    keys, numbers = np.empty(1 << _SLOT_BITS, np.uint32), np.empty(1 << _SLOT_BITS, np.int32)
    filled = np.full(1 << _SLOT_BITS, -1, np.int64)
    shift, last_slot = np.uint64(32 - _SLOT_BITS), (1 << _SLOT_BITS) - 1
    count = 0
    for place in range(down * across):
        top, left = place // across * CELL[0], place % across * CELL[1]
        for y in range(top, min(top + CELL[0], height)):
            for x in range(left, min(left + CELL[1], width)):
                number = segments[y, x]
                if number == 0:
                    continue
                if x > left and number == segments[y, x - 1]:
                    found = piece[y, x - 1]
                else:
                    slot = np.int64(((np.uint64(number) * np.uint64(2654435769)) & np.uint64(0xFFFFFFFF)) >> shift)
                    while filled[slot] == place and keys[slot] != number:
                        slot = (slot + 1) & last_slot
                    if filled[slot] != place:
                        filled[slot], keys[slot], numbers[slot] = place, number, count
                        segment[count], cell[count] = number, place
                        count += 1
                    found = numbers[slot]
                piece[y, x] = found
                pixels[found] += 1
                seen[found] += used[y, x]
    first = np.zeros(count + 1, np.int64)
    first[1:] = np.cumsum(seen[:count])
    order, free = np.empty(first[count], np.int64), first[:count].copy()
    for y in range(height):
        for x in range(width):
            found = piece[y, x]
            if found >= 0 and used[y, x]:
                order[free[found]] = y * width + x
                free[found] += 1
    return segment[:count].copy(), cell[:count].copy(), pixels[:count].copy(), first, order


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _fill_statistics(values: Any, order: Any, first: Any, out: Any) -> None:
    """Fill the rows of ``out`` with the statistics of the pieces that ``_pixels_of_pieces`` found."""
    count, mean, squares, minimum, maximum = out
    with_mean, with_squares = mean.shape[1] > 0, squares.shape[1] > 0
    with_least, with_most = minimum.shape[1] > 0, maximum.shape[1] > 0
    found = np.empty(CELL[0] * CELL[1], np.float32)
    for feature in range(values.shape[0]):
        plane = values[feature]
        for row in range(len(first) - 1):
            n, total = 0, 0.0
            for k in range(first[row], first[row + 1]):
                value = plane[order[k]]
                valid = np.isfinite(value) and value != _MISSING
                total += value if valid else 0.0
                found[n] = value
                n += valid
            count[row, feature] = n
            if n == 0:
                continue
            if with_mean:
                centre = total / n
                mean[row, feature] = centre
                if with_squares:
                    total = 0.0
                    for k in range(n):
                        total += (np.float64(found[k]) - centre) ** 2
                    squares[row, feature] = total
            if with_least:
                least = found[0]
                for k in range(1, n):
                    least = min(least, found[k])
                minimum[row, feature] = least
            if with_most:
                most = found[0]
                for k in range(1, n):
                    most = max(most, found[k])
                maximum[row, feature] = most


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _merge(order: Any, starts: Any, pieces: Any, out: Any) -> None:
    """Merge the pieces of each segment into the row of ``out`` that already has its first piece."""
    counts, means, squares, minima, maxima = pieces
    count, mean, square, minimum, maximum = out
    for row in range(len(starts) - 1):
        for k in range(starts[row] + 1, starts[row + 1]):
            piece = order[k]
            for f in range(means.shape[1]):
                added = counts[piece, f]
                if added == 0:
                    continue
                share = added / (count[row, f] + added)
                apart = means[piece, f] - mean[row, f]
                mean[row, f] += apart * share
                if squares.shape[1]:
                    square[row, f] += squares[piece, f] + apart**2 * count[row, f] * share
            for f in range(minima.shape[1]):
                minimum[row, f] = min(minimum[row, f], minima[piece, f])
            for f in range(maxima.shape[1]):
                maximum[row, f] = max(maximum[row, f], maxima[piece, f])
            for f in range(counts.shape[1]):
                count[row, f] += counts[piece, f]
