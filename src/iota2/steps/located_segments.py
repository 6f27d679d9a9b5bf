"""Home tile, number and region of the segments of a tile; those in several tiles have one home."""

from __future__ import annotations

import numpy as np
import pandas as pd

from iota2.config.options.schema import Config
from iota2.core.tables import REGION
from iota2.io.tables.segment_labels import NUMBER, TILE
from iota2.io.tables.segments import Segments, SharedSegments

SMALL_SEGMENT = 50
"""Assumed number of pixels of a segment of the user, in estimates of memory and time."""


def expected_segments(config: Config, pixels: float) -> float:
    """Assumed number of segments on some pixels."""
    return pixels / (config.obia.segment_size**2 if config.obia.computed else SMALL_SEGMENT)


def located_segments(table: Segments, shared: SharedSegments, tile: str) -> pd.DataFrame:
    """Home tile, number there, and region of each segment of a tile, in the order of its table.

    The region is -1 for segments without pixels inside the regions.
    """
    frame = pd.DataFrame({TILE: tile, NUMBER: np.arange(1, len(table) + 1), REGION: table.region.astype(np.int64)})
    homes = shared.take(shared.home)
    own = shared.of_tile(tile)
    own = own.take(np.isin(own.identifier, homes.identifier))
    at = np.searchsorted(homes.identifier, own.identifier)
    rows = own.number - 1
    frame.loc[rows, TILE], frame.loc[rows, NUMBER] = homes.tile[at], homes.number[at]
    frame.loc[rows, REGION] = own.region.astype(np.int64)
    return frame


def pixels_in_all_tiles(table: Segments, shared: SharedSegments, tile: str) -> np.ndarray:
    """(segment,) int64: pixels of each segment of a tile, in all tiles."""
    return _in_all_tiles(table.pixels, shared, tile)


def mapped_in_all_tiles(table: Segments, shared: SharedSegments, tile: str) -> np.ndarray:
    """(segment,) int64: pixels of each segment of a tile in the map: 0 for segments that are only in the margin.

    Equal to ``pixels_in_all_tiles`` for the user's segments.
    """
    return _in_all_tiles(table.mapped, shared, tile)


def _in_all_tiles(pixels: np.ndarray, shared: SharedSegments, tile: str) -> np.ndarray:
    # segments in several tiles are those of the user, of which only pixels in the map count
    found, own = pixels.copy(), shared.of_tile(tile)
    found[own.number - 1] = own.pixels
    return found
