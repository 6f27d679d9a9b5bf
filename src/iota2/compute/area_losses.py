"""Unusable areas of reference polygons: outside tiles, images or regions, or without enough clear dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import shapely


@dataclass(frozen=True)
class AreaLoss:
    """Areas of polygons that are unusable for one reason."""

    area: np.ndarray
    """(polygon,) square map units."""
    whole: np.ndarray
    """(polygon,) bool: no usable area is left after this loss."""


def area_losses(
    polygons: np.ndarray,
    usable: np.ndarray,
    *,
    tiles: shapely.Geometry,
    imaged: shapely.Geometry,
    regions: shapely.Geometry,
    smallest: float,
    unclear: str,
) -> Mapping[str, AreaLoss]:
    """Unusable area of valid polygons by reason (key of ``core.losses.REASONS``), in the order of the checks.

    ``usable`` are the parts of the polygons that have images and enough clear dates, inside or outside regions;
    ``unclear`` is the reason of areas without enough of them: ``never_clear`` if one is enough, or ``cloud_threshold``.
    Areas up to ``smallest`` are rounding errors. ``whole`` is set for the first reason that leaves no usable area.
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
        unclear: clear,
        "outside_regions": np.minimum(_shared(usable, regions), clear),
    }
    found, left = {}, whole
    for reason, after in stages.items():
        lost = left - after
        area = np.where(lost > smallest, lost, 0.0)
        found[reason] = AreaLoss(area, (left > smallest) & (after <= smallest))
        left = after
    return found


def _shared(polygons: np.ndarray, mask: shapely.Geometry) -> np.ndarray:
    """(polygon,) area inside ``mask``; intersections are computed only for polygons on its edge."""
    shapely.prepare(mask)
    area = shapely.area(polygons)
    edge = ~shapely.covers(mask, polygons) & (area > 0)
    area[edge] = shapely.area(shapely.intersection(polygons[edge], mask))
    return area


def usable_area(envelope: shapely.Geometry, clear: shapely.Geometry) -> shapely.Geometry:
    """The area of a tile for sampling, as a prepared geometry: its envelope where enough dates are ``clear``."""
    area = shapely.intersection(envelope, clear)
    shapely.prepare(area)
    return area
