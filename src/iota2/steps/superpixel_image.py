"""The image from which superpixels are computed: principal components of the features, the same for all tiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from iota2.compute.components import GroupComponents, fit_components
from iota2.core.recipe import MISSING

COMPONENTS = 3
"""Number of components."""
WINDOWS, WINDOW_SIDE = 8, 4
"""Number of windows of pixels to which components are fitted along each axis of a tile, and their rows and columns."""
PIXELS_PER_TILE = (WINDOWS * WINDOW_SIDE) ** 2
"""Maximum number of pixels of a tile to which components are fitted."""


def fitted_places(size: int) -> np.ndarray:
    """Rows, or columns, of the pixels to which components are fitted: evenly spaced windows, or all if there are few.

    ``size``: number of rows, or columns, of the tile.
    """
    starts = (np.arange(WINDOWS) + 0.5) * size / WINDOWS - WINDOW_SIDE / 2
    found = np.unique(np.rint(starts).astype(np.int64)[:, None] + np.arange(WINDOW_SIDE))
    return found[(found >= 0) & (found < size)]


def scaled_components(x: np.ndarray) -> GroupComponents:
    """Components of samples (sample, feature) float32 without NaN, divided by one number.

    The number is the root of the sum of their variances, so that the values of all components together vary by about 1.
    """
    found = fit_components(x, np.zeros(x.shape[1], np.int64), COMPONENTS)
    spread = float(np.sqrt(found.project(x).astype(np.float64).var(axis=0).sum())) if len(x) else 0.0
    return replace(found, axes=found.axes / (spread or 1.0))


def without_nan(x: np.ndarray) -> np.ndarray:
    """The features; those of sensors without observation count as missing."""
    return np.where(np.isnan(x), np.float32(MISSING), x)
