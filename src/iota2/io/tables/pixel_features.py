"""Features of selected pixels of a part of a tile, passed from their extraction to the tables of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iota2.errors import InputError
from iota2.io.tables.array_files import read_arrays, write_arrays


@dataclass(frozen=True, eq=False)
class PixelFeatures:
    """Features of some pixels of a selection."""

    position: np.ndarray
    """(pixel,) int64: row of the pixel in the table of selected pixels, from 0."""
    values: np.ndarray
    """(pixel, feature) float32. For pixels without a clear date, only those of layers have a meaning."""
    clear: np.ndarray
    """(pixel,) bool: whether the pixel has a clear date."""


def write_pixel_features(found: PixelFeatures, path: Path) -> None:
    """Write the features as uncompressed arrays; equal features give equal bytes."""
    write_arrays(path, position=found.position, values=found.values, clear=found.clear)


def read_pixel_features(paths: Sequence[Path], count: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (pixel, feature) float32 of all ``count`` pixels of a selection, and whether each has a clear date.

    ``paths``: files of all parts of the tile. Raises InputError for a missing or damaged file, and if the pixels of the
    files are not those of the selection.
    """
    values = np.zeros((count, features), np.float32)
    clear = np.zeros(count, bool)
    times = np.zeros(count, np.int64)
    for path in paths:
        part = _read(path, count, features)
        values[part.position], clear[part.position] = part.values, part.clear
        times += np.bincount(part.position, minlength=count)
    if (times != 1).any():
        wrong = int(np.flatnonzero(times != 1)[0])
        raise InputError(
            f"{', '.join(path.name for path in paths)} in {paths[0].parent}: selected pixel {wrong} of {count} occurs "
            f"{times[wrong]} times; expected once. Extract the samples again"
        )
    return values, clear


def read_all_pixels(paths: Sequence[Path], features: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (pixel, feature) float32 of all pixels of a selection, in its order, and whether each has a clear date.

    ``paths``: files of all parts of the tile, which together contain all pixels of the selection. Errors as in
    ``read_pixel_features``.
    """
    return read_pixel_features(paths, sum(_count(path) for path in paths), features)


def read_clear_pixels(paths: Sequence[Path], features: int) -> np.ndarray:
    """Features (pixel, feature) float32 of the pixels with a clear date; see ``read_all_pixels``."""
    values, clear = read_all_pixels(paths, features)
    return values[clear]


def _count(path: Path) -> int:
    (position,) = _arrays(path, "position")
    return len(position)


def _read(path: Path, count: int, features: int) -> PixelFeatures:
    found = PixelFeatures(*_arrays(path, "position", "values", "clear"))
    pixels = len(found.position)
    if found.values.shape != (pixels, features) or not ((found.position >= 0) & (found.position < count)).all():
        raise InputError(
            f"{path}: has values {found.values.shape}, expected {features} features of some of {count} pixels. Extract "
            "the samples again"
        )
    return found


def _arrays(path: Path, *names: str) -> tuple[np.ndarray, ...]:
    return read_arrays(path, names, what="features of pixels", remedy="Extract the samples again")
