"""Assignment of overlap areas to tiles, and of polygons to regions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from iota2.compute.polygons import polygonal

BORDER_METRES = 600.0
"""Width of the border of a tile in which an overlapping tile is preferred, because images may lack data there."""


def tile_priority(footprints: Mapping[str, BaseGeometry]) -> list[str]:
    """Tile names sorted by upper-left corner: from top to bottom, then from left to right, then by name."""
    bounds = {tile: footprint.bounds for tile, footprint in footprints.items()}
    return sorted(footprints, key=lambda tile: (-bounds[tile][3], bounds[tile][0], tile))


def tile_envelopes(
    footprints: Mapping[str, BaseGeometry], buffer: float, *, smallest: float
) -> dict[str, BaseGeometry]:
    """The area assigned to each tile: a partition of the union of the footprints, in order of ``tile_priority``.

    An area that several tiles cover is assigned to the first of these tiles. Exception: the strip within ``buffer`` of
    the edge of a tile is assigned to a later tile if one covers it. A tile without any area gets an empty polygon.
    Footprints are valid polygons or multipolygons in one CRS; ``buffer`` is in its units. Parts with an area of at most
    ``smallest`` are rounding errors and dropped.
    """
    # Why there are no gaps: the last tile that covers a point always keeps it, since no later tile covers the point.
    # Therefore the point is in the envelope of this tile or of an earlier one. Envelopes are disjoint because earlier
    # envelopes are subtracted.
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
    """Union of the candidates that intersect ``near``."""
    return shapely.union_all([geometry for geometry in candidates if geometry.intersects(near)])


def home_regions(polygons: np.ndarray, regions: Mapping[str, BaseGeometry]) -> list[str | None]:
    """The region with the largest share of each polygon; on a tie the first by name, None outside all regions."""
    best = np.zeros(len(polygons))
    home: list[str | None] = [None] * len(polygons)
    for name, found, areas in _shared_areas(polygons, regions):
        for k, area in zip(found, areas, strict=True):
            if area > best[k]:
                best[k], home[k] = area, name
    return home


def polygons_in_regions(
    polygons: np.ndarray, regions: Mapping[str, BaseGeometry], smallest: float = 0.0
) -> dict[str, np.ndarray]:
    """By region, which polygons have more than the area ``smallest`` in it, (polygon,) bool."""
    inside = {name: np.zeros(len(polygons), bool) for name in sorted(regions)}
    for name, found, areas in _shared_areas(polygons, regions):
        inside[name][found[areas > smallest]] = True
    return inside


def _shared_areas(
    polygons: np.ndarray, regions: Mapping[str, BaseGeometry]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield name of a region, positions of the polygons that meet it, and their areas in it; sorted by name."""
    tree = shapely.STRtree(polygons)
    for name in sorted(regions):
        found = np.sort(tree.query(regions[name], predicate="intersects"))
        yield name, found, _shared_area(polygons[found], regions[name])


def _shared_area(polygons: np.ndarray, region: BaseGeometry) -> np.ndarray:
    """Area of each polygon inside ``region``; intersections are computed only for polygons on its edge."""
    shapely.prepare(region)
    inside = shapely.covers(region, polygons)
    area = shapely.area(polygons)
    # regions have many vertices and polygons are small: cut the region to the polygon's bounds first
    near = [shapely.clip_by_rect(region, *polygon.bounds) for polygon in polygons[~inside]]
    area[~inside] = shapely.area(shapely.intersection(polygons[~inside], shapely.make_valid(near)))
    return area
