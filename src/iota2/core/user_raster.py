"""Rasters of the user that are cut to tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from odc.geo.geobox import GeoBox

Method = Literal["copy", "nearest", "mode", "bilinear", "average"]
"""Method of resampling; ``copy`` for aligned pixels of the same size."""
Resampling = Literal["continuous", "categorical", "nearest", "bilinear", "average", "mode"]
"""Kind of a raster, which determines the method on each grid, or a method."""


@dataclass(frozen=True)
class RasterSource:
    """A raster, and how it is read."""

    path: str
    resampling: Resampling
    nodata: float | None
    """No-data value of all bands; NaN for floating-point rasters without a value, None for others."""


@dataclass(frozen=True)
class UserRaster:
    """A raster of the user, with the properties of its file."""

    name: str
    """Name of the file without extension, and of its files on the tiles."""
    source: RasterSource
    grid: GeoBox
    dtype: str
    bands: int
    reason: str
    """Why the raster is resampled as ``source.resampling``."""
    alpha_bands: tuple[int, ...] = ()
    """Numbers of the bands of transparency in the file, from 1, which are not among its ``bands``."""

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel of all bands."""
        return self.bands * np.dtype(self.dtype).itemsize
