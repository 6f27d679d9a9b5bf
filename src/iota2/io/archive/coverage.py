"""Share of a tile that images cover, from their grids alone."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from iota2.core.grid import crs_name
from iota2.io.files.crs import to_crs


def covered_share(tile: GeoBox, images: GeoBox) -> float:
    """Share (0 to 1) of the area of a tile that the grid of its images covers; the images may have another CRS.

    The outline of the tile is transformed to the CRS of the images. The share is 0 when this is impossible.
    """
    outline = _outline(tile, crs_name(images))
    if not np.isfinite(outline.bounds).all():
        return 0.0
    return float(outline.intersection(shapely.box(*images.boundingbox.bbox)).area / outline.area)


def bounds_in(images: GeoBox, crs: str) -> str:
    """Description of the bounds of a grid in another CRS, for messages."""
    bounds = _outline(images, crs).bounds
    if not np.isfinite(bounds).all():
        return f"no valid coordinates in {crs}"
    left, bottom, right, top = (f"{bound:.4f}" if abs(bound) < 1000 else f"{bound:.0f}" for bound in bounds)
    return f"x {left} to {right}, y {bottom} to {top}"


def _outline(grid: GeoBox, crs: str) -> shapely.Geometry:
    return to_crs(gpd.GeoSeries([grid.extent.geom], crs=crs_name(grid)), crs).iloc[0]
