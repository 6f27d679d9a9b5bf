"""Statistics of the bands of large rasters, computed block by block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numba import njit

CELL = 64
"""Width and height of the cells whose sums are combined. Shapes of blocks are multiples of it, so that the result does
not depend on them."""


@dataclass(frozen=True, eq=False)
class BandStatistics:
    """Statistics of each band, all arrays (band,) float64; those of a band without values are NaN.

    Two parts are combined by the formulas of Chan, Golub and LeVeque (1979, Updating formulae and a pairwise algorithm
    for computing sample variances).
    """

    count: np.ndarray
    """Number of values."""
    minimum: np.ndarray
    maximum: np.ndarray
    mean: np.ndarray
    squares: np.ndarray
    """Sum of the squared differences from the mean."""

    @staticmethod
    def empty(bands: int) -> BandStatistics:
        """Statistics of bands without values."""
        minimum, maximum, mean = (np.full(bands, np.nan) for _ in range(3))
        return BandStatistics(np.zeros(bands), minimum, maximum, mean, np.zeros(bands))

    @staticmethod
    def gathered(bands: int, parts: Iterable[tuple[Sequence[int], BandStatistics]]) -> BandStatistics:
        """Statistics of all bands from those of some: pairs of their positions and their statistics. Bands that are in
        no part are without values."""
        whole = BandStatistics.empty(bands)
        for positions, part in parts:
            for one in fields(part):
                getattr(whole, one.name)[list(positions)] = getattr(part, one.name)
        return whole

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of the population."""
        with np.errstate(invalid="ignore", divide="ignore"):
            deviation: np.ndarray = np.sqrt(self.squares / self.count)
        return deviation

    def merged(self, other: BandStatistics) -> BandStatistics:
        """The statistics of both parts together."""
        count = self.count + other.count
        share = other.count / np.maximum(count, 1)
        mean, added = np.where(self.count > 0, self.mean, 0.0), np.where(other.count > 0, other.mean, 0.0)
        apart = np.where((self.count > 0) & (other.count > 0), added - mean, 0.0)
        return BandStatistics(
            count,
            np.fmin(self.minimum, other.minimum),
            np.fmax(self.maximum, other.maximum),
            np.where(self.count > 0, mean + apart * share, np.where(other.count > 0, added, np.nan)),
            self.squares + other.squares + apart**2 * self.count * share,
        )

    def to_json(self) -> dict[str, list[float | None]]:
        """The statistics as values for JSON, None for NaN."""
        return {
            one.name: [None if np.isnan(value) else float(value) for value in getattr(self, one.name)]
            for one in fields(self)
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> BandStatistics:
        """The statistics written by ``to_json``, to the last bit."""
        return cls(**{one.name: np.array(content[one.name], np.float64) for one in fields(cls)})


class RasterStatistics:
    """Statistics of a raster whose blocks are added row by row, from left to right.

    The result is the same to the last bit for any shape of blocks, provided that rows and columns of their upper-left
    pixels are multiples of ``CELL``.
    """

    def __init__(self, bands: int, nodata: float) -> None:
        self._none = self._total = BandStatistics.empty(bands)
        self._nodata = nodata
        self._lines: dict[int, BandStatistics] = {}
        """Statistics of each row of cells of the current row of blocks, by its first row."""
        self._top = 0

    def add(self, row: int, col: int, values: np.ndarray) -> None:
        """Add a block (band, y, x) whose upper-left pixel is at ``row`` and ``col`` of the raster.

        ValueError if these are not multiples of ``CELL``. Values that are ``nodata`` or NaN do not count.
        """
        if row % CELL or col % CELL:
            raise ValueError(f"a block at row {row}, column {col}; expected multiples of {CELL}")
        if row != self._top:
            self._fold()
            self._top = row
        found = _cell_statistics(np.ascontiguousarray(values), float(self._nodata), CELL)
        for i, j in np.ndindex(found.shape[0], found.shape[1]):
            line = row + CELL * i
            self._lines[line] = self._lines.get(line, self._none).merged(BandStatistics(*found[i, j]))

    def result(self) -> BandStatistics:
        """The statistics of all blocks so far."""
        self._fold()
        return self._total

    def _fold(self) -> None:
        for line in sorted(self._lines):
            self._total = self._total.merged(self._lines[line])
        self._lines.clear()


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _cell_statistics(values: Any, nodata: float, size: int) -> Any:
    """(cell row, cell column, field, band) float64: the fields of ``BandStatistics`` of each cell of a block."""
    bands, height, width = values.shape
    down, across = (height + size - 1) // size, (width + size - 1) // size
    out = np.empty((down, across, 5, bands), np.float64)
    for i in range(down):
        for j in range(across):
            bottom, right = min((i + 1) * size, height), min((j + 1) * size, width)
            for b in range(bands):
                count, total = 0, 0.0
                least, most = np.inf, -np.inf
                for y in range(i * size, bottom):
                    for x in range(j * size, right):
                        value = np.float64(values[b, y, x])
                        if value == nodata or np.isnan(value):
                            continue
                        count += 1
                        total += value
                        least, most = min(least, value), max(most, value)
                mean = total / count if count else np.nan
                squares = 0.0
                for y in range(i * size, bottom):
                    for x in range(j * size, right):
                        value = np.float64(values[b, y, x])
                        if value == nodata or np.isnan(value):
                            continue
                        squares += (value - mean) ** 2
                out[i, j, 0, b] = count
                out[i, j, 1, b] = least if count else np.nan
                out[i, j, 2, b] = most if count else np.nan
                out[i, j, 3, b] = mean
                out[i, j, 4, b] = squares
    return out
