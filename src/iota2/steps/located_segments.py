"""Home tile, number and region of the segments of a tile; those in several tiles have one home."""

from __future__ import annotations

import numpy as np
import pandas as pd

from iota2.io.tables.segment_labels import NUMBER, REGION, TILE
from iota2.io.tables.segments import Segments, SharedSegments


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
