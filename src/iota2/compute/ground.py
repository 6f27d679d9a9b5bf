"""Parts of reference polygons that cannot be used: outside tiles, images, clear dates or regions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import shapely


@dataclass(frozen=True)
class GroundLoss:
    """Area that polygons lose for one reason."""

    area: np.ndarray
    """(polygon,) square map units."""
    whole: np.ndarray
    """(polygon,) bool: nothing is left of the polygon after this loss."""


def ground_losses(
    polygons: np.ndarray,
    usable: np.ndarray,
    *,
    tiles: shapely.Geometry,
    imaged: shapely.Geometry,
    regions: shapely.Geometry,
    smallest: float,
) -> Mapping[str, GroundLoss]:
    """What valid polygons lose by reason (``core.losses``), in the order in which it is lost.

    ``usable`` is what of each polygon is imaged and clear often enough, before regions are looked at. Areas up to
    ``smallest`` are rounding. A polygon is lost whole for the first reason that leaves nothing of it.
    """
    whole = shapely.area(polygons)
    clear = np.minimum(shapely.area(usable), whole)
    short = whole - clear > smallest
    on_tiles, with_images = whole.copy(), whole.copy()
    on_tiles[short] = _shared(polygons[short], tiles)
    with_images[short] = np.minimum(_shared(polygons[short], imaged), on_tiles[short])
    with_images = np.maximum(with_images, clear)
    on_tiles = np.maximum(on_tiles, with_images)
    stages = {
        "outside_tiles": on_tiles,
        "no_image": with_images,
        "cloud_threshold": clear,
        "outside_regions": np.minimum(_shared(usable, regions), clear),
    }
    found, left = {}, whole
    for reason, after in stages.items():
        lost = left - after
        area = np.where(lost > smallest, lost, 0.0)
        found[reason] = GroundLoss(area, (left > smallest) & (after <= smallest))
        left = after
    return found


def _shared(polygons: np.ndarray, ground: shapely.Geometry) -> np.ndarray:
    """(polygon,) area inside ``ground``; only polygons on its edge cost an intersection."""
    shapely.prepare(ground)
    area = shapely.area(polygons)
    edge = ~shapely.covers(ground, polygons) & (area > 0)
    area[edge] = shapely.area(shapely.intersection(polygons[edge], ground))
    return area


def usable_ground(envelope: shapely.Geometry, clear: shapely.Geometry) -> shapely.Geometry:
    """The ground of a tile from which samples may be taken, prepared: its own, where enough dates are clear."""
    ground = shapely.intersection(envelope, clear)
    shapely.prepare(ground)
    return ground
