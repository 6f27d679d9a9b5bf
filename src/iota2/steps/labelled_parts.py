"""Labelled parts of the segments of all tiles, with their classes and sides of the split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from iota2.core.graph import Paths
from iota2.core.tables import CODE, ORIGIN, REGION, seed_column
from iota2.io.tables.segment_labels import NUMBER, TILE
from iota2.io.tables.segments import LabelledParts, Segments, SharedSegments
from iota2.io.tables.vectors import read_vector
from iota2.steps.located_segments import located_segments


@dataclass(frozen=True, eq=False)
class SegmentParts:
    """Labelled parts of segments of all tiles; arrays are (part,)."""

    segment: np.ndarray
    """Row of ``places``."""
    polygon: np.ndarray
    code: np.ndarray
    side: np.ndarray
    pixels: np.ndarray
    places: pd.DataFrame
    """Home tile, number and region of each segment."""


def labelled_parts(inp: Paths, seed: int) -> SegmentParts:
    """The labelled parts inside regions; the parts of a segment in several tiles have one segment."""
    shared, frames = SharedSegments.read(inp.shared), []
    for key, path in inp.each("tables"):
        segments = located_segments(Segments.read(path), shared, key.tile)
        found = LabelledParts.read(inp.at("parts", tile=key.tile))
        frame = segments.iloc[found.segment - 1].assign(**{ORIGIN: found.polygon, "pixels": found.pixels})
        frames.append(frame)
    rows = pd.concat(frames, ignore_index=True)
    rows = rows[rows[REGION] >= 0]
    keys = [TILE, NUMBER, REGION]
    places = rows[keys].drop_duplicates().sort_values(keys).reset_index(drop=True)
    segment = rows[keys].merge(places.reset_index(), on=keys, how="left")["index"].to_numpy()
    polygons = read_vector(inp.reference).set_index(ORIGIN)
    polygon = rows[ORIGIN].to_numpy()
    side, code = (polygons[name].loc[polygon].to_numpy() for name in (seed_column(seed), CODE))
    return SegmentParts(segment, polygon, code.astype(np.int64), side, rows["pixels"].to_numpy(), places)
