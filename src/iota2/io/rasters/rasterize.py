"""Rasterisation of polygons, and conversion of masks to polygons."""

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

_WINDOW_SHAPE = (1024, 1024)
"""Rows and columns of the windows in which large polygons are rasterised."""


def rasterize(
    shapes: Iterable[tuple[BaseGeometry, float]], geobox: GeoBox, dtype: DTypeLike, fill: float = 0
) -> np.ndarray:
    """(y, x) values: that of the last polygon that contains the centre of the pixel, else ``fill``.

    ``shapes``: polygons, in the CRS of ``geobox``, with their values. The value of a pixel does not depend on the
    extent of the grid: blocks are equal to the same part of the whole grid. A centre on a common edge of two polygons
    is in exactly one of them. Empty geometries have no effect.
    """
    burned = np.full(geobox.shape, fill, dtype=dtype)
    for geometry, value in shapes:
        window = _window(geometry, geobox)
        if window is not None:
            burned[window][_inside(geometry, geobox[window])] = value
    return burned


def pixels_inside(frame: gpd.GeoDataFrame, geobox: GeoBox) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position of the polygon in the frame, row and column of all pixels with their centre in a polygon.

    The arrays are int64 and sorted by row and column. A pixel in several polygons belongs to the first. Each polygon is
    rasterised in windows: memory depends on the number of pixels found, not on the size of the grid.
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
    """Polygons, in the CRS of the file, around connected pixels with value 1 in the first band.

    Pixels that only touch at a corner are not connected.
    """
    with rasterio.open(path) as dataset:
        return _polygonised(dataset)


def polygons_at_least(path: str | Path, n: int, erosion: float) -> list[BaseGeometry]:
    """Polygons around connected pixels of at least ``n`` in the first band, eroded by ``erosion`` map units."""
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
    """Windows that cover the geometry: (row, column) of the upper-left pixel, and ``_inside`` of the window."""
    around = _window(geometry, geobox)
    if around is None:
        return
    rows, cols = around
    for block in blocks("", geobox[around], _WINDOW_SHAPE):
        yield (rows.start + block.rows[0], cols.start + block.cols[0]), _inside(geometry, block.geobox)


def _window(geometry: BaseGeometry, geobox: GeoBox) -> tuple[slice, slice] | None:
    """Rows and columns of ``geobox`` within the geometry's bounds; None if there are none."""
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
