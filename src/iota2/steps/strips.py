"""Rasters of a tile from those of its strips."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from iota2.core.graph import Resources
from iota2.core.grid import blocks
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.steps.blocks import copy_shape


def join_strips(parts: Iterable[Path], path: Path, profile: RasterProfile, use: Resources) -> None:
    """Write a raster on the tile's grid from its strips."""
    shape = copy_shape(use, profile.pixel_bytes)
    with RasterWriter(path, profile) as writer:
        for part in parts:
            with RasterReader(part) as reader:
                for block in blocks("", reader.geobox, shape):
                    writer.write(block, reader.read_bands(block.geobox))
