"""Pixels of the map in the validation polygons of a tile."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np

from iota2.core.graph import Paths
from iota2.core.grid import Block
from iota2.core.tables import CODE, ORIGIN
from iota2.io.rasters.rasterize import rasterize
from iota2.io.tables.frames import concatenated
from iota2.io.tables.vectors import read_sqlite


@dataclass(frozen=True, eq=False)
class ValidationPixels:
    """Pixels of a block of the map from which the accuracy is computed, (pixel,) each; a pixel may occur repeatedly."""

    rows: np.ndarray
    cols: np.ndarray
    origins: np.ndarray
    """``originfid`` of the polygon, int64."""
    codes: np.ndarray
    """Class code of the polygon."""


def pixels_in(polygons: gpd.GeoDataFrame, position: np.ndarray) -> ValidationPixels:
    """All pixels of a block with their centre in a polygon. ``position``: from ``rasterize_positions``."""
    rows, cols = np.nonzero(position)
    polygon = position[rows, cols].astype(np.int64) - 1
    origins = polygons[ORIGIN].to_numpy().astype(np.int64)[polygon]
    return ValidationPixels(rows, cols, origins, polygons[CODE].to_numpy()[polygon])


def pixels_at(points: gpd.GeoDataFrame, block: Block) -> ValidationPixels:
    """The pixels of a block that contain selected points; ``points`` are in the projection of the block."""
    affine = block.geobox.affine
    cols = np.floor((points.geometry.x.to_numpy() - affine.c) / affine.a).astype(np.int64)
    rows = np.floor((points.geometry.y.to_numpy() - affine.f) / affine.e).astype(np.int64)
    height, width = block.shape
    inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    origins, codes = points[ORIGIN].to_numpy().astype(np.int64), points[CODE].to_numpy()
    return ValidationPixels(rows[inside], cols[inside], origins[inside], codes[inside])


def rasterize_positions(polygons: gpd.GeoDataFrame, block: Block) -> np.ndarray:
    """For each pixel, the position in ``polygons`` (from 1) of the polygon that contains it, (y, x) uint32; else 0."""
    near = np.sort(polygons.sindex.query(block.geobox.extent.geom))
    return rasterize(zip(polygons.geometry.iloc[near], near + 1, strict=True), block.geobox, "uint32")


def selected_points(inp: Paths) -> gpd.GeoDataFrame | None:
    """Centres of the selected validation pixels; None if all pixels of the polygons count."""
    if "selection" not in inp:
        return None
    return concatenated([read_sqlite(path) for path in inp.all("selection").values()])
