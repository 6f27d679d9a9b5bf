"""Blending of the values of regions near their borders."""

from __future__ import annotations

import numpy as np

from iota2.compute.predict import Estimates


class ValueBlend:
    """The values of the models of regions near borders, and the widths of their intervals, weighted by pixel.

    ``add`` regions in a fixed order, then take ``result``. A pixel with a weight of one region only keeps its value
    exactly. A model without a value in a pixel does not count there. The width is NaN if a model that counts has no
    interval.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._sums = np.zeros((2, *shape))
        self._weights = np.zeros(shape)
        self._regions = np.zeros(shape, np.uint16)
        self._last = np.full((2, *shape), np.nan, np.float32)

    def add(self, found: Estimates, weights: np.ndarray) -> None:
        """Add the estimates of a region with its weights (y, x); of no effect where a weight is 0."""
        used = (weights > 0) & ~np.isnan(found.values)
        both = np.stack([found.values, found.widths])
        self._sums += np.where(used, both * weights, 0.0)
        self._weights += np.where(used, weights, 0.0)
        self._regions += used
        self._last = np.where(used, both, self._last)

    def result(self) -> Estimates:
        """The weighted means; NaN in pixels without a value."""
        with np.errstate(invalid="ignore"):
            means = self._sums / np.where(self._weights > 0, self._weights, np.nan)
        return Estimates(*np.where(self._regions == 1, self._last, means).astype(np.float32))
