"""In which type, and in which pieces, the files of a series are decoded, given their formats."""

from __future__ import annotations

from typing import Any

import numpy as np

from iota2.compute.valid import kept_type
from iota2.core.scene import SensorScene

PIECE = 1 << 18
"""Pixels below which what a file stores together is joined with its neighbours to one piece."""
LOW = 16
"""Rows of a low strip, at most."""


def stored_type(sensor: SensorScene, name: str) -> np.dtype[Any]:
    """The common type of the files of one band, as it is resampled, or of a mask, which keeps all its bits."""
    found = [np.dtype(file.dtype) for file in sensor.formats(name)]
    return kept_type(*found) if name in sensor.spec.band_names else np.result_type(*found)


def piece_shape(shape: tuple[int, int], stored: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of a piece: what is stored together, or some of it beside each other."""
    rows, cols = stored
    while rows * cols < PIECE and (rows < shape[0] or cols < shape[1]):
        rows, cols = 2 * rows, (2 * cols if cols < shape[1] else cols)
    return min(rows, shape[0]), min(cols, shape[1])
