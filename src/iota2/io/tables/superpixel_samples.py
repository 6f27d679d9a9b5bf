"""Pixels of superpixels with selected pixels, passed from their extraction to the training."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iota2.core.files import require_regular
from iota2.errors import InputError
from iota2.io.files.atomic import replacing


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


def write_superpixels(found: SuperpixelPixels, path: Path) -> None:
    """Write the pixels as uncompressed arrays; equal pixels give equal bytes."""
    with replacing(path) as part, part.open("wb") as file:
        np.savez(
            file,
            position=found.position,
            segment=found.segment,
            pixel_segment=found.pixel_segment,
            values=found.values,
        )


def read_superpixels(path: Path) -> SuperpixelPixels:
    """The pixels that ``write_superpixels`` wrote; InputError if they are missing or damaged."""
    try:
        require_regular(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = ("position", "segment", "pixel_segment", "values")
            return SuperpixelPixels(*(arrays[name] for name in names))
    except (OSError, TypeError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as err:
        raise InputError(f"{path}: cannot be read as pixels of superpixels ({err}). Extract the samples again") from err


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
