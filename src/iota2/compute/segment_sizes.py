"""Number and size of the segments of all tiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SegmentSizes:
    """Segments with pixels in the regions; a segment in several tiles counts at one of them."""

    tiles: Mapping[str, int]
    """Number of segments by tile."""
    median: float
    """Median number of pixels; NaN without segments."""

    @property
    def count(self) -> int:
        """Number of segments."""
        return sum(self.tiles.values())

    @property
    def largest_tile(self) -> str:
        """The tile with most segments, of equal ones the first."""
        return max(self.tiles, key=lambda tile: self.tiles[tile])


def segment_sizes(by_tile: Iterable[tuple[str, np.ndarray]]) -> SegmentSizes:
    """From the name of each tile and the pixels (segment,) of its segments; segments without pixels do not count."""
    tiles, sizes = dict[str, int](), Counter[int]()
    for tile, pixels in by_tile:
        inside = pixels[pixels > 0]
        tiles[tile] = len(inside)
        found, counts = np.unique(inside, return_counts=True)
        sizes.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
    return SegmentSizes(tiles, _median(sizes))


def _median(sizes: Mapping[int, int]) -> float:
    """Median of values that occur a number of times; NaN without values."""
    values = np.array(sorted(sizes), np.int64)
    last = np.cumsum([sizes[int(value)] for value in values])
    if not len(values):
        return float("nan")
    middle = (last[-1] - 1) // 2, last[-1] // 2
    return float(values[np.searchsorted(last, middle, side="right")].mean())
