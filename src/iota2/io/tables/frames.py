"""Construction and concatenation of GeoDataFrames."""

from __future__ import annotations

from collections.abc import Sequence

import geopandas as gpd
import pandas as pd
from shapely.geometry.base import BaseGeometry

from iota2.io.files.crs import to_crs


def polygon_frame(polygons: Sequence[BaseGeometry], crs: object, target: str, **attributes: object) -> gpd.GeoDataFrame:
    """One row for each polygon, reprojected from ``crs`` to ``target``, with the same ``attributes`` on every row."""
    columns = {name: [value] * len(polygons) for name, value in attributes.items()}
    return to_crs(gpd.GeoDataFrame(columns, geometry=list(polygons), crs=crs), target)


def concatenated(frames: Sequence[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """All rows of the frames, in this order; without any row, an empty frame with the columns of the first frame."""
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return frames[0]
    return gpd.GeoDataFrame(pd.concat(filled, ignore_index=True), crs=filled[0].crs)
