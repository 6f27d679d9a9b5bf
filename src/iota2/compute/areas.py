"""Assignment of areas to tiles and regions where these overlap."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from iota2.compute.polygons import polygonal


def tile_priority(footprints: Mapping[str, BaseGeometry]) -> list[str]:
    """Tile names sorted by upper-left corner: from top to bottom, then from left to right, then by name."""
    bounds = {tile: footprint.bounds for tile, footprint in footprints.items()}
    return sorted(footprints, key=lambda tile: (-bounds[tile][3], bounds[tile][0], tile))


def tile_envelopes(
    footprints: Mapping[str, BaseGeometry], buffer: float, *, smallest: float
) -> dict[str, BaseGeometry]:
    """The area assigned to each tile, in order of priority: a partition of the union of the footprints.

    An area that several tiles cover is assigned to the first of them (``tile_priority``), save for the strip within
    ``buffer`` of its own edge, which it leaves to a later tile that covers it. A tile left with nothing gets
    an empty polygon. Footprints are valid polygons or multipolygons in one CRS; ``buffer`` is in its units, and
    ``smallest`` the area up to which a part is rounding.
    """
    # No gap opens: of the tiles that cover a point, the last never gives it up, since no later tile covers
    # it. So the point is in what that tile keeps, and hence in its envelope or in the one of an earlier tile.
    # Envelopes are disjoint because earlier ones are taken away.
    order = tile_priority(footprints)
    envelopes: dict[str, BaseGeometry] = {}
    for rank, tile in enumerate(order):
        footprint = footprints[tile]
        later = _union([footprints[other] for other in order[rank + 1 :]], footprint)
        core = footprint.buffer(-buffer, join_style="mitre")
        kept = core.union(footprint.difference(later))
        owned = kept.difference(_union(list(envelopes.values()), footprint))
        envelopes[tile] = polygonal(np.array([owned]), smallest=smallest)[0]
    return envelopes


def _union(candidates: list[BaseGeometry], near: BaseGeometry) -> BaseGeometry:
    """Union of the candidates that meet ``near``."""
    return shapely.union_all([geometry for geometry in candidates if geometry.intersects(near)])


def home_regions(polygons: np.ndarray, regions: Mapping[str, BaseGeometry]) -> list[str | None]:
    """The region that holds most of each polygon; the first by name on a tie, None outside all regions."""
    best = np.zeros(len(polygons))
    home: list[str | None] = [None] * len(polygons)
    tree = shapely.STRtree(polygons)
    for name in sorted(regions):
        found = np.sort(tree.query(regions[name], predicate="intersects"))
        for k, area in zip(found, _shared_area(polygons[found], regions[name]), strict=True):
            if area > best[k]:
                best[k], home[k] = area, name
    return home


def _shared_area(polygons: np.ndarray, region: BaseGeometry) -> np.ndarray:
    """Area of each polygon inside ``region``; only those on its edge cost an intersection."""
    shapely.prepare(region)
    inside = shapely.covers(region, polygons)
    area = shapely.area(polygons)
    # regions have many vertices and polygons are small: cut the region to the polygon's bounds first
    near = [shapely.clip_by_rect(region, *polygon.bounds) for polygon in polygons[~inside]]
    area[~inside] = shapely.area(shapely.intersection(polygons[~inside], shapely.make_valid(near)))
    return area
