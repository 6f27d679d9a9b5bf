"""Pixels of superpixels with selected pixels, passed from their extraction to the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from iota2.io.tables.array_files import read_arrays, write_arrays


@dataclass(frozen=True, eq=False)
class SuperpixelPixels:
    """Selected pixels of a part of a tile, and all pixels of their superpixels that have a clear date."""

    position: np.ndarray
    """(selected,) int64: row of each selected pixel in the table of selected pixels."""
    segment: np.ndarray
    """(selected,) int64: number of its superpixel on the tile; 0 without clear date."""
    pixel_segment: np.ndarray
    """(pixel,) int64: number of the superpixel of each pixel."""
    values: np.ndarray
    """(pixel, feature) float32."""


_NAMES = tuple(one.name for one in fields(SuperpixelPixels))


def write_superpixels(found: SuperpixelPixels, path: Path) -> None:
    """Write the pixels as uncompressed arrays; equal pixels give equal bytes."""
    write_arrays(path, **{name: getattr(found, name) for name in _NAMES})


def read_superpixels(path: Path) -> SuperpixelPixels:
    """The pixels that ``write_superpixels`` wrote; InputError if they are missing or damaged."""
    what = "pixels of superpixels"
    return SuperpixelPixels(*read_arrays(path, _NAMES, what=what, remedy="Extract the samples again"))


def merged(parts: Sequence[Sequence[SuperpixelPixels]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Superpixels of the samples, superpixels of the pixels, and values of the pixels.

    ``parts``: by tile, the pixels of its parts. Samples are in the order of tiles and of the selection; those without
    clear date are left out. Superpixels are numbered from 0; one that is in several parts has several numbers.
    """
    samples, numbers, values, count = [], [], [], 0
    for tile in parts:
        found, positions = [], []
        for part in tile:
            ids = np.unique(part.pixel_segment)
            clear = part.segment > 0
            found.append(count + np.searchsorted(ids, part.segment[clear]))
            positions.append(part.position[clear])
            numbers.append(count + np.searchsorted(ids, part.pixel_segment))
            values.append(part.values)
            count += len(ids)
        order = np.argsort(np.concatenate(positions), kind="stable")
        samples.append(np.concatenate(found)[order])
    return np.concatenate(samples), np.concatenate(numbers), np.concatenate(values)
