"""Files of validation pixels of a map of a quantity."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from iota2.compute.value_accuracy import ValuePixels
from iota2.io.tables.array_files import read_arrays, write_arrays

_NAMES = ("polygon", "region", "true", "mapped", "width")


def write_value_pixels(found: ValuePixels, path: Path) -> None:
    """Write validation pixels; equal pixels give equal bytes."""
    write_arrays(path, **{name: getattr(found, name) for name in _NAMES})


def read_value_pixels(paths: Iterable[Path]) -> ValuePixels:
    """The validation pixels of some files, one after the other; InputError if one cannot be read."""
    parts = [
        read_arrays(path, _NAMES, what="validation pixels", remedy="Run the step regressionValidation again")
        for path in paths
    ]
    return ValuePixels(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
