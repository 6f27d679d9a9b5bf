"""Windows of a scene: the pixels that an area covers."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real

from odc.geo.geobox import GeoBox
from odc.geo.geom import BoundingBox

from iota2.core.grid import Block, block_of, crs_name, grid_covering, share_pixels
from iota2.core.scene import Scene
from iota2.core.words import one_line
from iota2.errors import InputError
from iota2.options import shortened

Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top, in the CRS of the tile."""
Area = Bounds | BoundingBox | GeoBox


def window_of(scene: Scene, area: Area | None) -> Block:
    """The smallest block that covers an area; the whole scene for None. InputError for an area outside the scene."""
    if area is None:
        height, width = scene.geobox.shape
        return block_of(scene.tile, scene.geobox, (0, height), (0, width))
    return _of_geobox(scene, area) if isinstance(area, GeoBox) else _of_bounds(scene, area)


def _of_geobox(scene: Scene, area: GeoBox) -> Block:
    if area.crs != scene.geobox.crs or not share_pixels(area, scene.geobox):
        raise InputError(f"The geobox is not aligned with the grid of tile {scene.tile}. Use a part of scene.geobox.")
    if 0 in area.shape:
        raise InputError(f"The geobox has no pixels ({area.shape[0]} rows, {area.shape[1]} columns). Use a larger one.")
    (row, col), (height, width) = _corner(scene, area), scene.geobox.shape
    rows, cols = (row, row + area.shape[0]), (col, col + area.shape[1])
    if row < 0 or col < 0 or rows[1] > height or cols[1] > width:
        raise InputError(
            f"The geobox (rows {rows[0]} to {rows[1]}, columns {cols[0]} to {cols[1]}) is not inside tile "
            f"{scene.tile} ({height} rows, {width} columns). Use a part of scene.geobox."
        )
    return block_of(scene.tile, scene.geobox, rows, cols)


def _of_bounds(scene: Scene, area: Bounds | BoundingBox) -> Block:
    if isinstance(area, BoundingBox) and area.crs not in (None, scene.geobox.crs):
        raise InputError(
            f"The bounds are in {area.crs}, tile {scene.tile} is in {crs_name(scene.geobox)}. Convert them."
        )
    left, bottom, right, top = _four_numbers(area)
    west, south, east, north = scene.geobox.boundingbox.bbox
    if not (west <= left < right <= east and south <= bottom < top <= north):
        raise InputError(
            f"Bounds {left, bottom, right, top} are not inside tile {scene.tile}. Expected left, bottom, right, top "
            f"within {west, south, east, north}, in {crs_name(scene.geobox)}."
        )
    part = grid_covering(scene.geobox, (left, bottom, right, top))
    row, col = _corner(scene, part)
    return block_of(scene.tile, scene.geobox, (row, row + part.shape[0]), (col, col + part.shape[1]))


def _four_numbers(area: Bounds | BoundingBox) -> Bounds:
    """The numbers of bounds; InputError for anything else."""
    parts = tuple(area) if isinstance(area, Iterable) and not isinstance(area, str) else ()
    if len(parts) != 4 or not all(isinstance(part, Real) for part in parts):
        raise InputError(
            f"The area is {one_line(shortened(repr(area)))}. Expected left, bottom, right, top in the CRS of the tile, "
            "or a part of scene.geobox."
        )
    try:
        left, bottom, right, top = map(float, parts)
    except OverflowError as err:
        raise InputError("A number of the area is too large. Expected coordinates in the CRS of the tile.") from err
    return left, bottom, right, top


def _corner(scene: Scene, part: GeoBox) -> tuple[int, int]:
    """Row and column in the scene of the first pixel of an aligned grid."""
    col, row = ~scene.geobox.affine * (part.affine.c, part.affine.f)
    return round(row), round(col)
