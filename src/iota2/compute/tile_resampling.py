"""Resampling of a raster to the grid of a tile: method, covered pixels, blocks and source windows."""

from __future__ import annotations

import math

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.compute.placement import Range, exact_coordinates, pixel_ratio, pixels_at, source_coordinates
from iota2.core.grid import share_pixels
from iota2.core.user_raster import Method, Resampling

MAX_BLOCK_PIXELS = 512
"""Maximum rows and columns of a block."""
BLOCK_BYTES = 64 << 20
"""Maximum bytes of the arrays of a block. It is constant: in the warper of GDAL, the last digits of a value depend on
the block."""
_REACH = 1.0
"""Distance in pixels from the centre of a pixel to the farthest part of its area: its corners, in any rotation between
projections."""
_BORDER_POINTS, _BORDER_MARGIN = 17, 0.01
"""Points on each side of a tile, and how far its border may be from lines between them, as a part of its size."""
_COORDINATE_BYTES = 40
"""Memory per pixel of a block while its position on the raster is computed."""


def method_of(resampling: Resampling, source: GeoBox, destination: GeoBox) -> Method:
    """The method by which a raster on ``source`` is resampled to ``destination``.

    Aligned pixels of the same size are copied. Otherwise, continuous values are interpolated bilinearly and categories
    taken from the nearest pixel; if a pixel of the destination is larger than one of the source in any direction, the
    results are the mean and the most frequent value of the area.
    """
    if source.crs == destination.crs and share_pixels(source, destination):
        return "copy"
    larger = max(pixel_ratio(source, destination)) > 1
    if resampling == "continuous":
        return "average" if larger else "bilinear"
    if resampling == "categorical":
        return "mode" if larger else "nearest"
    return resampling


def covers(source: GeoBox, destination: GeoBox) -> bool:
    """Whether the centres of all pixels of ``destination`` lie in ``source``; only its border is examined."""
    if _covers_clearly(source, destination):
        return True
    height, width = map(int, destination.shape)
    every = (0, height), (0, width)
    border = [((row, row + 1), every[1]) for row in (0, height - 1)]
    border += [(every[0], (col, col + 1)) for col in (0, width - 1)]
    size = source.shape.y, source.shape.x
    found = (pixels_at(*source_coordinates(source, destination, rows, cols), size) for rows, cols in border)
    return all((row >= 0).all() for row, _ in found)


def _covers_clearly(source: GeoBox, destination: GeoBox) -> bool:
    """Whether some points of the border of ``destination`` lie in ``source``, far enough from its own border.

    This decides most cases, and is twenty times faster than the position of each pixel.
    """
    along = np.linspace(0, 1, _BORDER_POINTS)
    zero, one = np.zeros_like(along), np.ones_like(along)
    rows = np.concatenate([zero, one, along, along]) * destination.shape.y
    cols = np.concatenate([along, along, zero, one]) * destination.shape.x
    coordinates = exact_coordinates(source, destination, rows, cols)
    margins = [_BORDER_MARGIN * np.ptp(at) + 1 for at in coordinates]
    return all(
        margin <= at.min() and at.max() <= size - margin
        for at, size, margin in zip(coordinates, source.shape, margins, strict=True)
    )


def block_shape(source: GeoBox, destination: GeoBox, pixel_bytes: int) -> tuple[int, int]:
    """Rows and columns of blocks of ``destination`` whose arrays, and those of their source windows, fit
    ``BLOCK_BYTES``; ``pixel_bytes``: bytes of a source pixel of all bands."""
    ratio = pixel_ratio(source, destination)
    rows = cols = MAX_BLOCK_PIXELS
    while _block_bytes((rows, cols), ratio, pixel_bytes) > BLOCK_BYTES and cols > 1:
        rows, cols = (rows, cols // 2) if cols >= rows else (rows // 2, cols)
    return rows, cols


def _block_bytes(shape: tuple[int, int], ratio: tuple[float, float], pixel_bytes: int) -> float:
    """Bytes of the arrays of a block and of its source window."""
    window = math.prod((pixels + 2 * _REACH) * each for pixels, each in zip(shape, ratio, strict=True))
    return math.prod(shape) * (pixel_bytes + _COORDINATE_BYTES) + window * pixel_bytes


def source_window(source: GeoBox, destination: GeoBox, rows: Range, cols: Range) -> tuple[Range, Range] | None:
    """Rows and columns of ``source`` on which a block of ``destination`` depends; None outside the raster."""
    found = []
    coordinates = source_coordinates(source, destination, rows, cols)
    for at, size, ratio in zip(coordinates, source.shape, pixel_ratio(source, destination), strict=True):
        known = at[np.isfinite(at)]
        if not len(known):
            return None
        margin = math.ceil(_REACH * ratio) + 2
        first, last = max(0, math.floor(known.min()) - margin), min(size, math.ceil(known.max()) + margin)
        if first >= last:
            return None
        found.append((first, last))
    return found[0], found[1]
