"""Rasterising of polygons, and polygonising of masks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
from numpy.typing import DTypeLike
from odc.geo.geobox import GeoBox
from rasterio import features
from rasterio.io import MemoryFile
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from iota2.compute.polygons import centres_inside, eroded
from iota2.core.grid import blocks

_WINDOW = (1024, 1024)
"""Rows and columns of the windows of work."""


def rasterize(
    shapes: Iterable[tuple[BaseGeometry, float]], geobox: GeoBox, dtype: DTypeLike, fill: float = 0
) -> np.ndarray:
    """(y, x) array with the value of the last polygon that a pixel's centre is in, else ``fill``.

    Polygons are in the CRS of ``geobox``. The result of a pixel does not depend on the rest of the grid:
    blocks equal the whole. A centre on an edge common to two polygons is in one of them. Empty geometries
    burn nothing.
    """
    burned = np.full(geobox.shape, fill, dtype=dtype)
    for geometry, value in shapes:
        window = _window(geometry, geobox)
        if window is not None:
            burned[window][_inside(geometry, geobox[window])] = value
    return burned


def pixels_inside(frame: gpd.GeoDataFrame, geobox: GeoBox) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(polygon position in the frame, row, column) of the pixels whose centre is in a polygon.

    All int64, sorted by row and column. A pixel in several polygons belongs to the first. Works in
    windows around each polygon; memory depends on the number of pixels found, not on the size of the grid.
    """
    width = geobox.shape[1]
    owners, places = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for k, geometry in enumerate(frame.geometry):
        for (top, left), inside in _windows_inside(geometry, geobox):
            row, col = np.nonzero(inside)
            places.append((row + top) * width + col + left)
            owners.append(np.full(len(row), k, np.int64))
    place, first = np.unique(np.concatenate(places), return_index=True)
    return np.concatenate(owners)[first], place // width, place % width


def mask_polygons(path: str | Path) -> list[BaseGeometry]:
    """Polygons, in the CRS of the file, of the connected pixels that are 1 in the first band.

    Pixels that only touch at a corner are not connected.
    """
    with rasterio.open(path) as dataset:
        return _polygonised(dataset)


def polygons_at_least(path: str | Path, n: int, erosion: float) -> list[BaseGeometry]:
    """``mask_polygons`` of the pixels whose first band is ``n`` or more, eroded by ``erosion`` map units."""
    with rasterio.open(path) as dataset, MemoryFile() as memory:
        profile = {
            "driver": "GTiff", "dtype": "uint8", "nbits": 1, "count": 1, "compress": "deflate", "tiled": True,
            "width": dataset.width, "height": dataset.height,
            "crs": dataset.crs, "transform": dataset.transform,
        }  # fmt: skip
        with memory.open(**profile) as mask:
            for _, window in mask.block_windows(1):
                mask.write((dataset.read(1, window=window) >= n).astype(np.uint8), 1, window=window)
        with memory.open() as mask:
            polygons = np.array(_polygonised(mask), dtype=object)
    return [polygon for polygon in eroded(polygons, erosion) if not polygon.is_empty]


def _polygonised(dataset: rasterio.DatasetReader) -> list[BaseGeometry]:
    band = rasterio.band(dataset, 1)
    found = features.shapes(band, mask=band, connectivity=4, transform=dataset.transform)
    return [shape(geometry) for geometry, value in found if value == 1]


def _windows_inside(geometry: BaseGeometry, geobox: GeoBox) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """Windows that together cover the geometry: (row, column) of the upper-left corner, inside (y, x)."""
    around = _window(geometry, geobox)
    if around is None:
        return
    rows, cols = around
    for block in blocks("", geobox[around], _WINDOW):
        yield (rows.start + block.rows[0], cols.start + block.cols[0]), _inside(geometry, block.geobox)


def _window(geometry: BaseGeometry, geobox: GeoBox) -> tuple[slice, slice] | None:
    """Rows and columns of ``geobox`` that the geometry's bounds meet; None if there are none."""
    if geometry.is_empty:
        return None
    x0, y0, x1, y1 = geometry.bounds
    height, width = geobox.shape
    affine = geobox.affine
    left, right = (x0 - affine.c) / affine.a, (x1 - affine.c) / affine.a
    top, bottom = (y1 - affine.f) / affine.e, (y0 - affine.f) / affine.e
    first_row, last_row = max(0, int(np.floor(top)) - 1), min(height, int(np.ceil(bottom)) + 1)
    first_col, last_col = max(0, int(np.floor(left)) - 1), min(width, int(np.ceil(right)) + 1)
    if first_row >= last_row or first_col >= last_col:
        return None
    return slice(first_row, last_row), slice(first_col, last_col)


def _inside(geometry: BaseGeometry, geobox: GeoBox) -> np.ndarray:
    """(y, x) bool: the centre of the pixel is in the polygon."""
    height, width = geobox.shape
    affine = geobox.affine
    x = affine.c + (np.arange(width) + 0.5) * affine.a
    y = affine.f + (np.arange(height) + 0.5) * affine.e
    return centres_inside(geometry, x, y)
