"""The synthetic landscape on other grids: displaced images, and a finer reference image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.core.grid import resolution, shift_corrected
from iota2.testing.world import World


@dataclass(frozen=True)
class WorldOnGrid(World):
    """A synthetic landscape with images on another grid."""

    grid: GeoBox

    @property
    def geobox(self) -> GeoBox:
        return self.grid


def displaced(world: World, right: float, down: float) -> WorldOnGrid:
    """The landscape in images that are displaced by ``right`` and ``down`` pixels."""
    width, height = resolution(world.geobox)
    return WorldOnGrid(world.options, world.landscape, shift_corrected(world.geobox, (right * width, down * height)))


def finer(world: World, factor: int) -> WorldOnGrid:
    """The landscape in images with ``factor`` pixels per original pixel along each axis."""
    return WorldOnGrid(world.options, world.landscape, world.geobox.zoom_out(1 / factor))


def mean_of(values: np.ndarray, factor: int) -> np.ndarray:
    """Means of blocks of ``factor`` x ``factor`` pixels; ``values`` (y, x)."""
    rows, cols = (length // factor for length in values.shape)
    means: np.ndarray = values.reshape(rows, factor, cols, factor).mean(axis=(1, 3))
    return means
