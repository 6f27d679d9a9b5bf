"""The made-up world seen on another grid: displaced images, and a finer image to align them with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.core.grid import resolution, shift_corrected
from iota2.testing.world import World


@dataclass(frozen=True)
class Seen(World):
    """A world whose bands are those of a grid of its own."""

    grid: GeoBox

    @property
    def geobox(self) -> GeoBox:
        return self.grid


def displaced(world: World, right: float, down: float) -> Seen:
    """The world as images show it that lie so many pixels too far right and down."""
    width, height = resolution(world.geobox)
    return Seen(world.options, world.landscape, shift_corrected(world.geobox, (right * width, down * height)))


def finer(world: World, factor: int) -> Seen:
    """The world with so many pixels for one along each axis."""
    return Seen(world.options, world.landscape, world.geobox.zoom_out(1 / factor))


def mean_of(values: np.ndarray, factor: int) -> np.ndarray:
    """Means of ``factor`` x ``factor`` pixels."""
    rows, cols = (length // factor for length in values.shape)
    means: np.ndarray = values.reshape(rows, factor, cols, factor).mean(axis=(1, 3))
    return means
