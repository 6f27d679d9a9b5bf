"""Sky of the synthetic world on a date: clouds, shadows, saturation and orbit edge.

The sky is drawn on the grid of the whole world, so that overlapping tiles have the same clouds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from iota2.core.random import generator

CLOUD_NODE_SPACING = 16
"""Pixels between the nodes of the cloud field."""
SHADOW_SHIFT = (-14, -10)
"""Rows and columns from a cloud to its shadow: the morning sun is in the south-east."""
DILATION_PIXELS = 2
"""Pixels by which masks are dilated."""
PERMANENT_CLOUD_RADIUS = 9
"""Radius in pixels of the permanent cloud at the centre of the world."""
CLOUD, SHADOW = 0b10011, 0b00101
"""CLM codes of a cloud (bits 0, 1, 4) and of its shadow (bits 0, 2) as MAJA writes them."""
SATURATED = 0b0111
"""SAT code at 10 m: B2, B3 and B4."""


@dataclass(frozen=True)
class Sky:
    """The sky of one date on the 10 m grid of the world; all arrays (y, x)."""

    opacity: np.ndarray
    """float32, 0 clear to 1 thick cloud."""
    shadow: np.ndarray
    """bool: shadow of a cloud."""
    saturated: np.ndarray
    """bool: saturated by sun glint; never outside the image."""
    clm: np.ndarray
    """uint8: bit 0 for any cloud or shadow; 0 outside the image."""
    edge: np.ndarray
    """bool: outside the image; constant in each 20 m pixel."""

    @property
    def invalid(self) -> np.ndarray:
        """bool: any of the masks."""
        return (self.clm != 0) | self.edge | self.saturated


@dataclass(frozen=True)
class SkyOptions:
    """Options of the sky: seed, number of dates, and which disturbances occur."""

    seed: int
    dates: int
    clouds: bool
    orbit_edge: bool
    cover: float = 0.20
    """Typical cloud cover of a date, 0 to 1."""


def make_sky(shape: tuple[int, int], options: SkyOptions, index: int) -> Sky:
    """Sky over a world of ``shape`` on date number ``index``; deterministic."""
    edge = _orbit_edge(shape, index) if options.orbit_edge else np.zeros(shape, bool)
    if options.clouds:
        opacity = _clouds(shape, _cover(options, index), generator(options.seed, "clouds", index))
        glints = generator(options.seed, "glints", index).random(shape, np.float32) < 5e-5
    else:
        opacity, glints = np.zeros(shape, np.float32), np.zeros(shape, bool)
    cloud = opacity > 0
    shadow = _shifted(cloud, SHADOW_SHIFT)
    clm = np.where(_dilated(cloud), CLOUD, 0) | np.where(_dilated(shadow), SHADOW, 0)
    return Sky(opacity, shadow, glints & ~edge, np.where(edge, 0, clm).astype(np.uint8), edge)


def _cover(options: SkyOptions, index: int) -> float:
    """Cloud cover of a date: random around the typical cover; one date is nearly overcast.

    With a typical cover of 20 %, clouds and shadows mask a quarter of the pixels.
    """
    rng = generator(options.seed, "cover")
    cover = np.clip(rng.normal(options.cover, 0.09, options.dates), 0.02, min(options.cover + 0.25, 0.97))
    if options.dates >= 4:
        cover[options.dates // 6] = 0.93
    return float(cover[index])


def _clouds(shape: tuple[int, int], cover: float, rng: np.random.Generator) -> np.ndarray:
    """Opacity of smooth clouds over a share ``cover`` of the area, and of the permanent cloud."""
    knots = (shape[0] // CLOUD_NODE_SPACING + 2, shape[1] // CLOUD_NODE_SPACING + 2)
    large, small = (ndimage.gaussian_filter(rng.standard_normal(knots), sigma) for sigma in (3.0, 1.2))
    field = large / large.std() + 0.35 * small / small.std()
    excess = (field - np.quantile(field, 1.0 - cover)).astype(np.float32)
    opacity = np.clip(2.5 * ndimage.zoom(excess, CLOUD_NODE_SPACING)[: shape[0], : shape[1]], 0.0, 1.0)
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    permanent = np.hypot(rows - shape[0] / 2, cols - shape[1] / 2) < PERMANENT_CLOUD_RADIUS
    return np.maximum(opacity, permanent.astype(np.float32))


def _orbit_edge(shape: tuple[int, int], index: int) -> np.ndarray:
    """Area outside the swath: on one date in four, alternately west and east of a slanted line."""
    if index % 4 != 1:
        return np.zeros(shape, bool)
    rows, cols = np.ogrid[: shape[0] // 2, : shape[1] // 2]
    east = cols + 0.25 * rows > shape[1] / 2 * 0.80
    west = cols + 0.25 * rows < shape[1] / 2 * 0.30
    return np.kron(west if index % 8 == 1 else east, np.ones((2, 2), bool))


def _dilated(mask: np.ndarray) -> np.ndarray:
    return ndimage.binary_dilation(mask, iterations=DILATION_PIXELS)


def _shifted(mask: np.ndarray, by: tuple[int, int]) -> np.ndarray:
    """``mask`` shifted up and left by ``by`` (negative rows and columns), filled with False."""
    moved = np.zeros_like(mask)
    moved[: by[0], : by[1]] = mask[-by[0] :, -by[1] :]
    return moved
