"""Cleaning and rasterization of labelled polygons: repairs, duplicates, overlaps, pixel centres."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

MAX_SLIVER_AREA = 1e-6
"""Square metres; overlaps and parts up to this area are rounding errors."""
_AREAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(earlier position, later position, shared area) of overlapping polygons."""


@dataclass(frozen=True)
class Separated:
    """Polygons without overlaps, and the overlaps that were removed."""

    polygons: np.ndarray
    """Geometries in the order of the input; empty polygons where no area remains."""
    same: Pairs
    """Overlaps of polygons with the same label."""
    different: Pairs
    """Overlaps of polygons with different labels."""


def is_polygonal(geometries: np.ndarray) -> np.ndarray:
    """Whether each geometry is a polygon or multipolygon; False for None."""
    return np.isin(shapely.get_type_id(geometries), _AREAL)


def polygonal(geometries: np.ndarray, *, smallest: float = 0.0) -> np.ndarray:
    """The polygons in each geometry; lines, points and polygons of at most ``smallest`` area are dropped.

    The result is a Polygon for one part, a MultiPolygon for several, and an empty Polygon for none or for None.
    """
    # collections may contain multipolygons: extract parts twice, and trace their owners through both
    outer, first = shapely.get_parts(geometries, return_index=True)
    parts, second = shapely.get_parts(outer, return_index=True)
    owner = first[second]
    keep = is_polygonal(parts) & (shapely.area(parts) > smallest)
    return _gathered(parts[keep], owner[keep], len(geometries))


def _gathered(parts: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    """Geometry of each of ``count`` owners, from polygon ``parts`` sorted by owner."""
    result = np.full(count, shapely.Polygon(), dtype=object)
    starts = np.searchsorted(owner, np.arange(count + 1))
    sizes = np.diff(starts)
    single = sizes == 1
    result[single] = parts[starts[:-1][single]]
    for k in np.flatnonzero(sizes > 1):
        result[k] = shapely.MultiPolygon(list(parts[starts[k] : starts[k + 1]]))
    return result


def repaired(polygons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Valid polygons, and (polygon,) bool which were invalid. Collapsed polygons become empty."""
    invalid = ~shapely.is_valid(polygons)
    result = polygons.copy()
    made = shapely.make_valid(polygons[invalid], method="structure", keep_collapsed=False)
    result[invalid] = polygonal(made)
    return result, invalid


def duplicates(polygons: np.ndarray, labels: Sequence[Hashable]) -> np.ndarray:
    """(polygon,) bool: whether an earlier polygon has the same label and the same vertices."""
    seen: set[tuple[Hashable, bytes]] = set()
    again = np.zeros(len(polygons), dtype=bool)
    for k, key in enumerate(zip(labels, shapely.to_wkb(shapely.normalize(polygons)), strict=True)):
        again[k] = key in seen
        seen.add(key)
    return again


def overlaps(polygons: np.ndarray, *, smallest: float) -> Pairs:
    """Pairs of valid polygons with an overlap larger than ``smallest``, sorted, with the earlier position first."""
    one, other = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    once = one < other
    one, other = one[once], other[once]
    # many neighbours only share an edge: excluding them is faster than computing their intersections
    inside = shapely.relate_pattern(polygons[one], polygons[other], "2********")
    one, other = one[inside], other[inside]
    area = shapely.area(shapely.intersection(polygons[one], polygons[other]))
    order = np.lexsort((other, one))
    order = order[area[order] > smallest]
    return one[order], other[order], area[order]


def separated(polygons: np.ndarray, labels: Sequence[Hashable], *, smallest: float) -> Separated:
    """Valid polygons without overlaps; parts of at most ``smallest`` (square map units) are dropped.

    An overlap of polygons with the same label is assigned to the earlier one. An overlap of polygons with different
    labels has an unknown label and is removed from both. All cuts use the unmodified input polygons, so the result does
    not depend on their order.
    """
    one, other, area = overlaps(polygons, smallest=smallest)
    codes = _codes(labels)
    same = codes[one] == codes[other]
    # (cut polygon, cutting polygon): the later one for equal labels, both for different labels
    cut = np.concatenate([other, one[~same]])
    by = np.concatenate([one, other[~same]])
    order = np.lexsort((by, cut))
    cut, by = cut[order], by[order]
    result = polygons.copy()
    reduced, starts = np.unique(cut, return_index=True)
    for k, cutters in zip(reduced, np.split(by, starts[1:]), strict=False):
        result[k] = shapely.difference(polygons[k], shapely.union_all(polygons[cutters]))
    result[reduced] = polygonal(result[reduced], smallest=smallest)
    return Separated(result, (one[same], other[same], area[same]), (one[~same], other[~same], area[~same]))


def _codes(labels: Sequence[Hashable]) -> np.ndarray:
    """An integer for each label; equal labels have equal integers."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], dtype=np.int64)


def evenly_divided(polygons: np.ndarray, longest: float) -> np.ndarray:
    """Polygons and multipolygons whose edges of more than ``longest`` map units are divided into equal parts.

    A common edge of two polygons gets the same points in both, to the last bit: they are computed from its lower end,
    or its left end if it is horizontal.
    """
    filled = ~shapely.is_empty(polygons)
    if not filled.any():
        return polygons
    kind, points, (rings, *others) = shapely.to_ragged_array(polygons[filled], include_z=False)
    here, ahead = points[:-1], points[1:]
    parts = np.maximum(np.ceil(np.hypot(*(ahead - here).T) / longest), 1).astype(np.int64)
    parts[rings[1:-1] - 1] = 1  # between the end of a ring and the start of the next one is no edge
    place = np.append(0, np.cumsum(parts))
    edge = np.repeat(np.arange(len(parts)), parts)
    step = np.arange(len(edge)) - place[edge]
    upward = (ahead[:, 1] > here[:, 1]) | ((ahead[:, 1] == here[:, 1]) & (ahead[:, 0] > here[:, 0]))
    low, high = np.where(upward[:, None], here, ahead)[edge], np.where(upward[:, None], ahead, here)[edge]
    share = np.where(upward[edge], step, parts[edge] - step) / parts[edge]
    divided = np.where((step == 0)[:, None], here[edge], low + share[:, None] * (high - low))
    offsets = np.append(place[rings[:-1]], place[-1] + 1)
    # empty polygons are left out: shapely 2.2 cannot read its own array of them
    result = polygons.copy()
    result[filled] = shapely.from_ragged_array(kind, np.vstack([divided, points[-1:]]), (offsets, *others))
    return result


def eroded(polygons: np.ndarray, distance: float) -> np.ndarray:
    """Polygons eroded by ``distance`` (map units); some may be empty."""
    return polygonal(shapely.buffer(polygons, -distance, join_style="mitre"))


def centres_inside(polygon: shapely.Geometry, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(y, x) bool: whether the pixel centre (x, y) is in the polygon. ``x`` ascends, ``y`` descends, in map units.

    Computed by scan lines with the even-odd rule. A centre on the common edge of two polygons is in exactly one of
    them: the one to the right, or the upper one for a horizontal edge.
    """
    # GDAL computes this in coordinates of the rasterized window, so that rounding differs from block to block. Here the
    # intersection of an edge with a row is the same number in all windows, and in both polygons that share the edge.
    x1, y1, x2, y2 = _edges(polygon)
    first, last = np.searchsorted(-y, -y2, side="right"), np.searchsorted(-y, -y1, side="right")
    count = last - first
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    crossing = x1[edge] + (y[row] - y1[edge]) * ((x2 - x1) / (y2 - y1))[edge]
    place = row * (len(x) + 1) + np.searchsorted(x, crossing)
    crossed = np.bincount(place, minlength=len(y) * (len(x) + 1)) % 2 == 1
    return np.logical_xor.accumulate(crossed.reshape(len(y), len(x) + 1), axis=1)[:, :-1]


def _edges(polygon: shapely.Geometry) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(x1, y1, x2, y2) of all edges that are not horizontal, each with its lower end first."""
    points, ring = shapely.get_coordinates(shapely.get_rings(shapely.get_parts(polygon)), return_index=True)
    start, end = points[:-1][ring[:-1] == ring[1:]], points[1:][ring[:-1] == ring[1:]]
    start, end = start[start[:, 1] != end[:, 1]], end[start[:, 1] != end[:, 1]]
    upward = (start[:, 1] < end[:, 1])[:, None]
    low, high = np.where(upward, start, end), np.where(upward, end, start)
    return low[:, 0], low[:, 1], high[:, 0], high[:, 1]


def squares_touch(outline: shapely.Geometry, x: np.ndarray, y: np.ndarray, size: tuple[float, float]) -> np.ndarray:
    """(pixel,) bool: whether the square of each pixel intersects ``outline``.

    Centres ``x``, ``y`` and ``size`` (width, height) are in units of the outline; a prepared outline is faster.
    """
    half_width, half_height = size[0] / 2, size[1] / 2
    squares = shapely.box(x - half_width, y - half_height, x + half_width, y + half_height)
    found: np.ndarray = shapely.intersects(outline, squares)
    return found
