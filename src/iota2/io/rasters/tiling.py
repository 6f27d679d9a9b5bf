"""Pixels of a raster on the grid of a tile, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.warp import reproject

from iota2.compute.placement import pixel_ratio, placement
from iota2.compute.tile_resampling import block_shape, source_window
from iota2.core.grid import Block, blocks, crs_name
from iota2.core.user_raster import Method
from iota2.io.rasters.files import RasterReader

_LARGE_BYTES = 4
"""Bytes of integers that float32 may not represent."""


def blocks_on_tile(
    reader: RasterReader, destination: GeoBox, method: Method, nodata: float | None
) -> Iterator[tuple[Block, np.ndarray]]:
    """All blocks of ``destination`` with the values (band, y, x) of the raster.

    Pixels that a mask or transparency excludes, with ``nodata``, or with NaN in a floating-point raster, do not
    contribute to the values of others. The result is ``nodata`` outside the raster, for ``bilinear`` and ``nearest``
    where the nearest pixel has no data, and for ``average`` and ``mode`` where no pixel of the area has data. Without
    ``nodata``, which is possible for whole numbers, the raster must cover ``destination``. Copied pixels are unchanged.
    """
    shape = block_shape(reader.geobox, destination, reader.count * reader.dtype.itemsize)
    for block in blocks("", destination, shape):
        yield (
            block,
            _nearest(reader, destination, block, nodata, unchanged=method == "copy")
            if method in ("copy", "nearest")
            else _warped(reader, destination, block, Resampling[method], nodata),
        )


def _nearest(
    reader: RasterReader, destination: GeoBox, block: Block, nodata: float | None, *, unchanged: bool
) -> np.ndarray:
    """Values of the pixels that contain the centres of those of a block.

    NaN becomes ``nodata`` unless ``unchanged``.
    """
    place = placement(reader.geobox, destination, block.rows, block.cols, "nearest")
    rows, cols = place.window
    values = place.nearest(reader.read_data(reader.geobox[slice(*rows), slice(*cols)], nodata))
    if not unchanged and nodata is not None and values.dtype.kind == "f":
        values = np.where(np.isnan(values), values.dtype.type(nodata), values)
    if nodata is not None and not place.inside.all():
        values = np.where(place.inside, values, values.dtype.type(nodata))
    return values


def _warped(
    reader: RasterReader, destination: GeoBox, block: Block, resampling: Resampling, nodata: float | None
) -> np.ndarray:
    """Values of a block by the warper of GDAL."""
    out = np.full((len(reader.data_bands), *block.shape), 0 if nodata is None else nodata, reader.dtype)
    window = source_window(reader.geobox, destination, block.rows, block.cols)
    if window is None:
        return out
    part = reader.geobox[slice(*window[0]), slice(*window[1])]
    values = reader.read_data(part, nodata)
    if nodata is not None and not math.isnan(nodata) and values.dtype.kind == "f":
        values[np.isnan(values)] = nodata
    ratio = pixel_ratio(reader.geobox, destination)
    if resampling is not Resampling.mode or values.dtype.kind not in "iu" or values.dtype.itemsize < _LARGE_BYTES:
        _reproject(values, part, out, block.geobox, resampling=resampling, nodata=nodata, ratio=ratio)
        return out
    # GDAL computes the mode as float32, which does not represent large codes: their numbers are resampled instead
    missing = values.dtype.type(0 if nodata is None else nodata)
    codes, numbers = np.unique(np.append(values.ravel(), missing), return_inverse=True)
    known, found = numbers[:-1].reshape(values.shape).astype(np.int32), np.full(out.shape, numbers[-1], np.int32)
    number = None if nodata is None else int(numbers[-1])
    _reproject(known, part, found, block.geobox, resampling=resampling, nodata=number, ratio=ratio)
    return codes[found]


def _reproject(
    values: np.ndarray,
    source: GeoBox,
    out: np.ndarray,
    destination: GeoBox,
    *,
    resampling: Resampling,
    nodata: float | None,
    ratio: tuple[float, float],
) -> None:
    """Write the bands (band, y, x) on ``destination`` to ``out``; ``ratio``: pixel sizes (y, x) of the two grids."""
    # without these options, the size of the kernel of GDAL depends on the block
    scale_y, scale_x = (1 / one for one in ratio)
    for band, result in zip(values, out, strict=True):  # GDAL treats missing values of several bands differently
        reproject(
            band,
            result,
            src_transform=source.affine,
            src_crs=crs_name(source),
            src_nodata=nodata,
            dst_transform=destination.affine,
            dst_crs=crs_name(destination),
            dst_nodata=nodata,
            resampling=resampling,
            XSCALE=scale_x,
            YSCALE=scale_y,
        )
