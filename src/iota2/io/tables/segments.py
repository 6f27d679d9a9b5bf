"""Tables of the segments of a tile, of segments in several tiles, of labelled parts, and of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from iota2.compute.segments import SegmentCounts
from iota2.io.tables.array_files import read_arrays, write_arrays


@dataclass(frozen=True, eq=False)
class _Table:
    """Arrays that are stored together."""

    what: ClassVar[str]
    """The content, for messages."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def take(self, rows: np.ndarray) -> Self:
        """The rows at some positions, or where ``rows`` is True."""
        return type(self)(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})

    def write(self, path: Path) -> None:
        """Write the arrays; equal tables give equal bytes."""
        write_arrays(path, **{one.name: getattr(self, one.name) for one in fields(self)})

    @classmethod
    def read(cls, path: Path) -> Self:
        """The table that ``write`` wrote; InputError for a missing or damaged file."""
        names = [one.name for one in fields(cls)]
        return cls(*read_arrays(path, names, what=cls.what, remedy="Run the step that makes it again"))


@dataclass(frozen=True, eq=False)
class Segments(_Table):
    """The segments of a tile; segment ``n`` of the raster is in row ``n - 1``."""

    what = "a table of segments"
    identifier: np.ndarray
    """(segment,) int64: id in the user's file; of computed segments, the number in the tile (other tiles repeat it)."""
    pixels: np.ndarray
    """(segment,) int64: pixels that count: of the user's segments, those in the area of the map that the tile
    contributes; of computed ones, all. Both inside the regions."""
    region: np.ndarray
    """(segment,) int16: position of its region among the regions of the run by priority; -1 without pixels."""
    place: np.ndarray
    """(segment,) int64: number of its first pixel in that area on the grid of the tile, in scan order; -1 without."""
    present: np.ndarray
    """(segment,) bool: whether it has pixels in the area of the tile that is classified."""
    mapped: np.ndarray
    """(segment,) int64: pixels in the area of the map that the tile contributes: 0 for segments that are only in the
    margin. Equal to ``pixels`` for the user's segments."""

    @classmethod
    def of(cls, identifier: np.ndarray, counts: SegmentCounts) -> Segments:
        """The segments with their counts."""
        return cls(identifier=identifier, **counts._asdict())

    @staticmethod
    def concatenated(tables: Sequence[Segments]) -> Segments:
        """The rows of all tables."""
        every = (*tables, Segments.of(np.zeros(0, np.int64), SegmentCounts.empty(0)))
        names = [one.name for one in fields(Segments)]
        return Segments(**{name: np.concatenate([getattr(one, name) for one in every]) for name in names})


@dataclass(frozen=True, eq=False)
class SharedSegments(_Table):
    """Segments in several tiles: a row for each segment and tile, sorted by identifier, then in the order of tiles."""

    what = "a table of segments in several tiles"
    identifier: np.ndarray
    """(row,) int64."""
    tile: np.ndarray
    """(row,) text: name of the tile."""
    number: np.ndarray
    """(row,) int64: number of the segment in the raster of the tile."""
    pixels: np.ndarray
    """(row,) int64: pixels of the segment in all tiles."""
    region: np.ndarray
    """(row,) int16: region of the segment, as in ``Segments``."""
    home: np.ndarray
    """(row,) bool: whether the tile is the home of the segment: the tile with most of its pixels, of equal ones the
    first."""

    def of_tile(self, tile: str) -> SharedSegments:
        """The rows of a tile."""
        return self.take(self.tile == tile)

    def numbers_in(self, tile: str) -> np.ndarray:
        """(row,) int64: numbers in a tile of its segments."""
        return self.of_tile(tile).number


@dataclass(frozen=True, eq=False)
class LabelledParts(_Table):
    """Parts of segments inside reference polygons; part ``n`` of the raster is in row ``n - 1``."""

    what = "a table of labelled parts of segments"
    segment: np.ndarray
    """(part,) int64: number of the segment in the raster of the tile."""
    polygon: np.ndarray
    """(part,) int64: ``originfid`` of the polygon."""
    pixels: np.ndarray
    """(part,) int64."""
    place: np.ndarray
    """(part,) int64: number of its first pixel on the grid of the tile, in scan order."""


@dataclass(frozen=True, eq=False)
class SegmentClasses(_Table):
    """Predictions of the segments of a tile, in the order of the table of segments."""

    what = "a table of classes of segments"
    label: np.ndarray
    """(segment,) class code; 0 without."""
    confidence: np.ndarray
    """(segment,) float32, 0..1."""
    probabilities: np.ndarray
    """(segment, class) float32; (segment, 0) if they are not requested."""


@dataclass(frozen=True, eq=False)
class LabelPredictions(_Table):
    """Predictions of labelled segments of a region by models that have not learned from their labels."""

    what = "a table of predictions of labelled segments"
    tile: np.ndarray
    """(segment,) text: home tile."""
    number: np.ndarray
    """(segment,) int64: number of the segment in the raster of its home tile."""
    side: np.ndarray
    """(segment,) text: side of the split."""
    label: np.ndarray
    """(segment,) int64 class code; 0 without prediction."""
    probabilities: np.ndarray
    """(segment, class) float32."""
