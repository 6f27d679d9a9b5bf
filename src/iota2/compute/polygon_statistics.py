"""Statistics of the pixels of polygons: pixels of each class, and values of rasters over the pixels of a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from iota2.compute.scan_lines import PixelRuns


class Spread(NamedTuple):
    """Statistics of some values of each polygon, (polygon,) float64; NaN without values."""

    mean: np.ndarray
    std: np.ndarray
    least: np.ndarray
    most: np.ndarray


@dataclass(frozen=True, eq=False)
class PolygonSums:
    """Sums over pixels of polygons, by class and raster, to which blocks are added in any order.

    Sums of whole numbers are exact up to 2^53, so that the order of blocks does not change them.
    """

    pixels: np.ndarray
    """(polygon,) int64: all pixels."""
    counts: np.ndarray
    """(polygon, class) int64: pixels of each class."""
    number: np.ndarray
    """(raster, polygon, class) int64: pixels with a value."""
    total: np.ndarray
    """(raster, polygon, class) float64: sum of the values, and below of their squares."""
    squares: np.ndarray
    least: np.ndarray
    """(raster, polygon, class) float64: smallest value, infinity without values; and below the largest."""
    most: np.ndarray

    @staticmethod
    def zeros(polygons: int, classes: int, rasters: int) -> PolygonSums:
        """Sums without pixels."""
        shape = rasters, polygons, classes
        return PolygonSums(
            np.zeros(polygons, np.int64),
            np.zeros((polygons, classes), np.int64),
            np.zeros(shape, np.int64),
            np.zeros(shape),
            np.zeros(shape),
            np.full(shape, np.inf),
            np.full(shape, -np.inf),
        )

    def add(self, runs: PixelRuns, corner: tuple[int, int], classes: np.ndarray, values: np.ndarray) -> None:
        """Add the pixels of a block that are in ``runs`` of the whole raster.

        ``corner``: row and column of the block. ``classes``: (y, x) int, positions of classes, -1 for none. ``values``:
        (raster, y, x) float, NaN without value. Pixels without class count in ``pixels`` only.
        """
        first, last = np.searchsorted(runs.row, [corner[0], corner[0] + classes.shape[0]])
        some = tuple(one[first:last] for one in runs)
        sums = self.number, self.total, self.squares, self.least, self.most
        _add(some, corner, (classes, values.astype(np.float64, copy=False)), (self.pixels, self.counts), sums)

    def majority(self, own: np.ndarray) -> np.ndarray:
        """(polygon,) position of the class with most pixels.

        In a tie, that of the polygon's ``own`` class (polygon,) if it is one of them, else the first; ``own`` without
        pixels.
        """
        if not self.counts.size:  # no polygons, or no classes in the map
            return own
        best = self.counts.argmax(axis=1)
        rows = np.arange(len(own))
        return np.where(self.counts[rows, own] == self.counts[rows, best], own, best)

    def shares(self) -> np.ndarray:
        """(polygon, class) float64: percent of the pixels with a class; NaN without such pixels."""
        every = self.counts.sum(axis=1, keepdims=True)
        return np.divide(100.0 * self.counts, every, out=np.full(self.counts.shape, np.nan), where=every > 0)

    def spread(self, raster: int, position: np.ndarray) -> Spread:
        """Statistics of a raster over the pixels of one class of each polygon, at ``position`` (polygon,)."""
        at = raster, np.arange(len(position)), position
        return _spread(self.number[at], self.total[at], self.squares[at], self.least[at], self.most[at])

    def whole_spread(self, raster: int) -> Spread:
        """Statistics of a raster over the pixels of all classes."""
        number, total, squares = (one[raster].sum(axis=1) for one in (self.number, self.total, self.squares))
        least, most = self.least[raster].min(axis=1, initial=np.inf), self.most[raster].max(axis=1, initial=-np.inf)
        return _spread(number, total, squares, least, most)


def sums_bytes(classes: int, rasters: int) -> int:
    """Bytes of the sums of a polygon."""
    one = PolygonSums.zeros(1, classes, rasters)
    return sum(array.nbytes for array in vars(one).values())


def _spread(number: np.ndarray, total: np.ndarray, squares: np.ndarray, least: np.ndarray, most: np.ndarray) -> Spread:
    """Statistics of values from their number, sum, sum of squares, smallest and largest; NaN without values."""
    n = np.where(number > 0, number, np.nan)
    # in this form, the variance of equal whole numbers is exactly 0
    variance = np.maximum(n * squares - total**2, 0) / n**2
    known = number > 0
    return Spread(total / n, np.sqrt(variance), np.where(known, least, np.nan), np.where(known, most, np.nan))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add(runs: Any, corner: Any, block: Any, out: Any, sums: Any) -> None:
    """Add the pixels of a block, its classes and values; ``runs`` are those of its rows.

    ``out``: pixels and counts. ``sums``: number, total, squares, least and most.
    """
    rows, polygons, firsts, ends = runs
    classes, values = block
    pixels, counts = out
    number, total, squares, least, most = sums
    (top, left), width = corner, classes.shape[1]
    for run in range(len(rows)):
        y, polygon = rows[run] - top, polygons[run]
        for x in range(max(firsts[run] - left, 0), min(ends[run] - left, width)):
            pixels[polygon] += 1
            of = classes[y, x]
            if of < 0:
                continue
            counts[polygon, of] += 1
            for raster in range(values.shape[0]):
                value = values[raster, y, x]
                if np.isnan(value):
                    continue
                number[raster, polygon, of] += 1
                total[raster, polygon, of] += value
                squares[raster, polygon, of] += value * value
                least[raster, polygon, of] = min(least[raster, polygon, of], value)
                most[raster, polygon, of] = max(most[raster, polygon, of], value)
