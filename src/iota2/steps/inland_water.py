"""Water outside the polygons of inland water, which becomes the class of the sea."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from iota2.errors import InputError
from iota2.io.files.crs import to_crs
from iota2.io.rasters.rasterize import rasterize
from iota2.io.tables.reference import not_polygons
from iota2.io.tables.vector_source import with_choice
from iota2.io.tables.vectors import read_vector


@dataclass(frozen=True)
class Sea:
    """How water outside the polygons of inland water is found."""

    inland: Path
    layer: str
    water: int
    code: int


def inland_polygons(sea: Sea, crs: str) -> np.ndarray:
    """The polygons of inland water in the CRS of the map; InputError for other geometries."""
    path = with_choice(sea.inland, sea.layer)
    table = read_vector(path, columns=[])
    if problems := not_polygons(table.geometry):
        raise InputError("\n".join([f"{path}: cannot be used as inland water", *problems]))
    moved = to_crs(table, crs).geometry.to_numpy()
    parts: np.ndarray = shapely.get_parts(moved[~(shapely.is_missing(moved) | shapely.is_empty(moved))])
    return parts[np.isfinite(shapely.bounds(parts)).all(axis=1)]


def mark_sea(labels: np.ndarray, geobox: GeoBox, inland: np.ndarray, sea: Sea) -> None:
    """Replace water outside the polygons of inland water by the code of the sea."""
    water = labels == sea.water
    if water.any():
        near = inland[shapely.intersects(inland, shapely.box(*geobox.boundingbox.bbox))]
        inside = rasterize(((polygon, 1) for polygon in near), geobox, np.uint8)
        labels[water & (inside == 0)] = sea.code
