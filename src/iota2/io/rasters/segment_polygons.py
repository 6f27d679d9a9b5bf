"""Polygons of the segments of a raster, along the edges of its pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from rasterio.features import shapes

from iota2.core.grid import blocks
from iota2.io.rasters.files import TILE_PIXELS, RasterReader


def segment_polygons(
    path: Path, wanted: np.ndarray, count: int, areas: Sequence[Path] = ()
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield numbers, ascending, and multipolygons of some segments of a raster, in its CRS.

    ``wanted``: (segment,) bool, of the numbers from 1; each has pixels. Each time, ``count`` segments are yielded, from
    the top of the raster to its bottom; the last time, the remaining ones. Only the rows of these segments are read.
    ``areas``: rasters on the same grid; if there are any, only pixels that are not 0 in one of them count, and segments
    without such pixels are omitted.
    """
    with ExitStack() as stack:
        raster, *masks = (stack.enter_context(RasterReader(one)) for one in (path, *areas))
        first, last = _rows(raster, len(wanted))
        numbers = np.flatnonzero(wanted) + 1
        numbers = numbers[np.argsort(first[numbers - 1], kind="stable")]
        chosen = np.zeros(len(wanted) + 1, bool)
        for begin in range(0, len(numbers), count):
            some = np.sort(numbers[begin : begin + count])
            geobox = raster.geobox[int(first[some - 1].min()) : int(last[some - 1].max()) + 1, :]
            values = raster.read(geobox)
            chosen[some] = True
            inside = chosen[values]
            chosen[some] = False
            if masks:
                inside &= np.logical_or.reduce([mask.read(geobox) > 0 for mask in masks])
            if inside.any():
                yield _multipolygons(values, inside, geobox.affine)


def _rows(raster: RasterReader, segments: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last row of each segment, (segment,) int64; -1 without pixels."""
    first, last = np.full(segments + 1, -1), np.full(segments + 1, -1)
    for block in blocks("", raster.geobox, (TILE_PIXELS, raster.geobox.shape[1])):
        for row, numbers in enumerate(raster.read(block.geobox), start=block.rows[0]):
            first[numbers[first[numbers] < 0]] = row
            last[numbers] = row
    return first[1:], last[1:]


def _multipolygons(numbers: np.ndarray, inside: np.ndarray, transform: Affine) -> tuple[np.ndarray, np.ndarray]:
    """Different ``numbers`` (y, x) of pixels ``inside`` (y, x) bool, ascending, and their multipolygons."""
    # GDAL reads no unsigned numbers of 32 bits
    found = [*shapes(numbers.astype(np.int32), inside, connectivity=4, transform=transform)]
    found.sort(key=_number)  # stable, so that the polygons of a segment keep the order of GDAL
    polygons = [polygon["coordinates"] for polygon, _ in found]
    rings = [*chain.from_iterable(polygons)]
    different, parts = np.unique(np.array([_number(one) for one in found], np.int64), return_counts=True)
    vertices = np.array([*chain.from_iterable(rings)], np.float64).reshape(-1, 2)
    offsets = [*map(_offsets, ([*map(len, rings)], [*map(len, polygons)], parts))]
    return different, shapely.from_ragged_array(shapely.GeometryType.MULTIPOLYGON, vertices, tuple(offsets))


def _number(found: tuple[Any, float]) -> float:
    return found[1]


def _offsets(lengths: Any) -> np.ndarray:
    """Position of the first item of each group of items, and their number."""
    return np.append(0, np.cumsum(lengths, dtype=np.int64))
