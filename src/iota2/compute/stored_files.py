"""Data types of the files of a series, and pieces in which they are decoded."""

from __future__ import annotations

from typing import Any

import numpy as np

from iota2.compute.valid import kept_type
from iota2.core.scene import SensorScene

MIN_PIECE_PIXELS = 1 << 18
"""Minimum number of pixels of a piece; smaller tiles or strips are decoded together with adjacent ones."""
MAX_LOW_STRIP_ROWS = 16
"""Maximum number of rows of a low strip, whose memory is negligible."""


def stored_type(sensor: SensorScene, name: str) -> np.dtype[Any]:
    """Common data type of the files of a band (as resampled) or of a mask (with all bits)."""
    found = [np.dtype(file.dtype) for file in sensor.formats(name)]
    return kept_type(*found) if name in sensor.spec.band_names else np.result_type(*found)


def piece_shape(shape: tuple[int, int], stored: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of a piece: one tile or strip, or several adjacent ones."""
    rows, cols = stored
    while rows * cols < MIN_PIECE_PIXELS and (rows < shape[0] or cols < shape[1]):
        rows, cols = 2 * rows, (2 * cols if cols < shape[1] else cols)
    return min(rows, shape[0]), min(cols, shape[1])
