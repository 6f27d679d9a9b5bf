"""Position of an excerpt of a raster for a picture."""

from __future__ import annotations

import numpy as np

from iota2.compute.placement import Range


def excerpt(shape: tuple[int, int], rows: np.ndarray, cols: np.ndarray, size: int) -> tuple[Range, Range]:
    """Rows and columns of an excerpt where many of the given pixels are, of at most ``size`` rows and columns.

    It is centred on the mean of the pixels in the square of half its size that contains most of them, or without pixels
    on the raster, and moved to be inside the raster. ``rows`` and ``cols`` are (pixel,) int64.
    """
    centre = shape[0] // 2, shape[1] // 2
    if len(rows):
        side = max(1, size // 2)
        square = (rows // side) * (shape[1] // side + 1) + cols // side
        own = square == np.bincount(square).argmax()
        centre = int(rows[own].mean()), int(cols[own].mean())
    return _around(centre[0], shape[0], size), _around(centre[1], shape[1], size)


def _around(centre: int, length: int, size: int) -> Range:
    start = max(0, min(centre - size // 2, length - size))
    return start, min(length, start + size)
