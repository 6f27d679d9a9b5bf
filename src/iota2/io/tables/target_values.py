"""The file of the values of reference polygons."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from iota2.core.tables import ORIGIN
from iota2.errors import InputError
from iota2.io.files.atomic import write_text

_HEADER = f"{ORIGIN},value"


def write_target_values(origins: np.ndarray, values: np.ndarray, path: Path) -> None:
    """Write the value of each polygon, by row of the reference data, without loss of digits."""
    lines = [f"{origin},{value!r}" for origin, value in zip(origins.tolist(), values.tolist(), strict=True)]
    write_text(path, "\n".join([_HEADER, *lines]) + "\n")


def read_target_values(path: Path) -> Mapping[int, float]:
    """The values of polygons from a file of ``write_target_values``; InputError for another file."""
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    if head != _HEADER:
        raise InputError(f"{path}: expected the header {_HEADER}. Run the step referenceData again")
    return {int(origin): float(value) for origin, value in (line.split(",") for line in lines)}
