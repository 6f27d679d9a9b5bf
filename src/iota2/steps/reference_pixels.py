"""Pixels of the map in the validation polygons of a tile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely

from iota2.compute.polygons import squares_touch
from iota2.compute.validation import count_pixels
from iota2.core.graph import Paths
from iota2.core.grid import Block, pixel_centres, resolution
from iota2.core.tables import CODE, ORIGIN, PolygonCounts
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


def outlines_of(pieces: gpd.GeoDataFrame, reference: gpd.GeoDataFrame) -> dict[int, shapely.Geometry]:
    """Outlines of the polygons that ``pieces`` were cut from, by row of the reference data.

    Cuts at the border of a tile, a region or the clear area are not edges: the polygon continues behind the cut.
    """
    whole = reference[reference[ORIGIN].isin(pieces[ORIGIN])]
    edges = shapely.boundary(whole.geometry.to_numpy())
    shapely.prepare(edges)
    return dict(zip(whole[ORIGIN].astype(int), edges, strict=True))


def polygon_pixels(
    pixels: ValidationPixels, outlines: Mapping[int, shapely.Geometry], produced: np.ndarray, block: Block
) -> PolygonCounts:
    """Number of pixels of a block by polygon, class of the map and contact with the edge of the polygon."""
    size, origin = resolution(block.geobox), pixels.origins
    x, y = pixel_centres(block.geobox, pixels.rows, pixels.cols)
    edge = np.zeros(len(origin), dtype=bool)
    order = np.argsort(origin, kind="stable")
    for some in np.split(order, np.flatnonzero(np.diff(origin[order])) + 1) if len(order) else []:
        edge[some] = squares_touch(outlines[int(origin[some[0]])], x[some], y[some], size)
    return count_pixels(origin, pixels.codes, produced[pixels.rows, pixels.cols], edge)
