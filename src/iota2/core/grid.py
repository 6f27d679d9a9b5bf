"""Pixel grids of tiles, and their blocks and parts.

All grids are north up: columns increase eastwards, rows increase southwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS

PART_ROWS = 1024
"""Rows of a part, the unit of work of extraction, classification and features maps, and of a strip of the mosaic. Pixel
values do not depend on it, names do."""


Margins = tuple[int, int, int, int]
"""Numbers of rows above and below a block, and of columns to its left and right."""
NO_MARGINS: Margins = (0, 0, 0, 0)


@dataclass(frozen=True)
class Block:
    """A window of one tile: the unit of reading, computation and writing.

    ``rows`` and ``cols`` are half-open pixel ranges on the tile's working grid; ``geobox`` covers exactly this window.
    """

    tile: str
    rows: tuple[int, int]
    cols: tuple[int, int]
    geobox: GeoBox

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the block."""
        return self.rows[1] - self.rows[0], self.cols[1] - self.cols[0]

    def margins(self, part: Block) -> Margins:
        """Margins of this block around ``part``, a block inside it."""
        (top, bottom), (left, right) = self.rows, self.cols
        return part.rows[0] - top, bottom - part.rows[1], part.cols[0] - left, right - part.cols[1]

    def cut(self, values: np.ndarray, part: Block) -> np.ndarray:
        """The values on ``part``, a block inside this one, from ``values`` (…, y, x) of this block."""
        top, left = self.rows[0], self.cols[0]
        return values[..., part.rows[0] - top : part.rows[1] - top, part.cols[0] - left : part.cols[1] - left]


def block_of(tile: str, geobox: GeoBox, rows: tuple[int, int], cols: tuple[int, int]) -> Block:
    """The block of ``geobox`` with the given half-open row and column ranges."""
    return Block(tile, rows, cols, geobox[slice(*rows), slice(*cols)])


def padded(block: Block, pixels: int, geobox: GeoBox) -> Block:
    """The block enlarged by a number of pixels on each side, clipped to the tile's grid ``geobox``."""
    height, width = geobox.shape
    rows = max(0, block.rows[0] - pixels), min(height, block.rows[1] + pixels)
    return block_of(block.tile, geobox, rows, (max(0, block.cols[0] - pixels), min(width, block.cols[1] + pixels)))


def shift_corrected(geobox: GeoBox, shift: tuple[float, float]) -> GeoBox:
    """A grid moved left and up by ``shift`` (map units), which corrects a displacement to the right and down."""
    if shift == (0.0, 0.0):
        return geobox
    return GeoBox(geobox.shape, Affine.translation(-shift[0], shift[1]) * geobox.affine, geobox.crs)


def blocks(
    tile: str,
    geobox: GeoBox,
    shape: tuple[int, int],
    rows: tuple[int, int] | None = None,
    cols: tuple[int, int] | None = None,
) -> Iterator[Block]:
    """Non-overlapping blocks of at most ``shape`` that cover ``geobox``, or its ``rows`` and ``cols``, row by row."""
    height, width = geobox.shape
    first, last = rows or (0, height)
    west, east = cols or (0, width)
    for top in range(first, last, shape[0]):
        for left in range(west, east, shape[1]):
            yield block_of(tile, geobox, (top, min(top + shape[0], last)), (left, min(left + shape[1], east)))


def part_count(height: int) -> int:
    """Number of parts of a tile, or of strips of a mosaic, of ``height`` rows."""
    return max(1, math.ceil(height / PART_ROWS))


def part_rows(part: int, height: int) -> tuple[int, int]:
    """Half-open row range of a part of a tile, or of a strip of a mosaic, of ``height`` rows."""
    return part * PART_ROWS, min((part + 1) * PART_ROWS, height)


def resolution(geobox: GeoBox) -> tuple[float, float]:
    """Pixel size (x, y), both positive, in map units."""
    return abs(geobox.affine.a), abs(geobox.affine.e)


def pixel_centres(geobox: GeoBox, rows: np.ndarray, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(x, y) of pixel centres in map units, with the shape of ``rows`` and ``cols``."""
    affine = geobox.affine
    return affine.c + (cols + 0.5) * affine.a, affine.f + (rows + 0.5) * affine.e


def with_pixel_size(geobox: GeoBox, size: tuple[float, float]) -> GeoBox:
    """The grid of pixel ``size`` (x, y) with the upper-left corner of ``geobox`` that covers all of it."""
    res_x, res_y = resolution(geobox)
    if (res_x, res_y) == size:
        return geobox
    height, width = geobox.shape
    affine = geobox.affine
    shape = (math.ceil(round(height * res_y / size[1], 6)), math.ceil(round(width * res_x / size[0], 6)))
    return GeoBox(shape, Affine(size[0], 0.0, affine.c, 0.0, -size[1], affine.f), geobox.crs)


def aligned_grid(bounds: tuple[float, float, float, float], size: tuple[float, float], crs: str) -> GeoBox:
    """The grid whose pixel edges are multiples of ``size`` and that covers ``bounds`` (x0, y0, x1, y1)."""
    x0, y0, x1, y1 = bounds
    left, right = math.floor(x0 / size[0] + 1e-9), math.ceil(x1 / size[0] - 1e-9)
    bottom, top = math.floor(y0 / size[1] + 1e-9), math.ceil(y1 / size[1] - 1e-9)
    affine = Affine(size[0], 0.0, left * size[0], 0.0, -size[1], top * size[1])
    return GeoBox((max(1, top - bottom), max(1, right - left)), affine, crs)


def grid_covering(geobox: GeoBox, bounds: tuple[float, float, float, float]) -> GeoBox:
    """The smallest window of ``geobox`` that covers ``bounds`` (x0, y0, x1, y1); at least one pixel."""
    inverse, (height, width) = ~geobox.affine, geobox.shape
    left, top = inverse * (bounds[0], bounds[3])
    right, bottom = inverse * (bounds[2], bounds[1])
    first_row, first_col = (min(max(math.floor(v), 0), n - 1) for v, n in ((top, height), (left, width)))
    last_row, last_col = (
        max(min(math.ceil(v), n), first + 1) for v, n, first in ((bottom, height, first_row), (right, width, first_col))
    )
    return geobox[first_row:last_row, first_col:last_col]


MAX_SHIFT_PIXELS = 1e-3
"""Maximum displacement between aligned pixels, as a fraction of a pixel."""


def share_pixels(grid: GeoBox, other: GeoBox) -> bool:
    """Whether two grids of one CRS, of any extents, have aligned pixels of one size."""
    apart = np.array(_shift(grid, other))
    return _same_size(grid, other) and bool(np.abs(apart - np.round(apart)).max() <= MAX_SHIFT_PIXELS)


def misalignment(grid: GeoBox, other: GeoBox) -> str:
    """The difference of the pixels of ``grid`` from those of ``other``: projection, pixel size or position; empty if
    ``share_pixels``."""
    if grid.crs != other.crs:
        return f"are in {_crs_text(grid)}; those of the map are in {_crs_text(other)}"
    if not _same_size(grid, other):
        return f"measure {_size_text(grid)} map units; those of the map measure {_size_text(other)}"
    if share_pixels(grid, other):
        return ""
    corner = np.array(_shift(grid, other))
    right, down = np.round(corner - np.round(corner), 3)
    return f"are displaced from those of the map by {right:g} pixels to the right and {down:g} down"


def pixels_apart(grid: GeoBox, other: GeoBox) -> tuple[int, int]:
    """Upper-left corner of ``grid`` on ``other``, in pixels to the right and down; the grids share pixels."""
    right, down = _shift(grid, other)
    return round(right), round(down)


def overlap_share(grid: GeoBox, other: GeoBox) -> float:
    """Share of the pixels of ``other`` that are in ``grid``; the grids share pixels."""
    left, top = pixels_apart(grid, other)
    common = 1.0
    for first, size, whole in ((top, grid.shape.y, other.shape.y), (left, grid.shape.x, other.shape.x)):
        common *= max(0.0, min(first + size, whole) - max(first, 0)) / whole
    return common


def _size_text(grid: GeoBox) -> str:
    """Pixel size of a grid: ``10 x 10``."""
    return " x ".join(f"{side:.10g}" for side in resolution(grid))


def _same_size(grid: GeoBox, other: GeoBox) -> bool:
    """Whether two grids have the same pixel size: across the larger grid, the sizes add up to a displacement of at most
    MAX_SHIFT_PIXELS."""
    ratios = np.array(resolution(grid)) / resolution(other)
    cells = np.maximum(grid.shape.xy, other.shape.xy)
    return bool((np.abs(ratios - 1) * cells).max() <= MAX_SHIFT_PIXELS)


def _shift(grid: GeoBox, other: GeoBox) -> tuple[float, float]:
    """Upper-left corner of ``grid`` on ``other``, in pixels of ``other`` to the right and down."""
    width, height = resolution(other)
    return (grid.affine.c - other.affine.c) / width, (other.affine.f - grid.affine.f) / height


def crs_name(geobox: GeoBox) -> str:
    """The CRS of a grid: ``EPSG:n`` if it has an EPSG code, else WKT. ValueError for a grid without CRS."""
    if geobox.crs is None:
        raise ValueError(f"{geobox} has no coordinate reference system")
    return short_crs(geobox.crs.to_wkt())


def described(geobox: GeoBox) -> str:
    """Columns x rows, and CRS, of a grid: ``480 x 480, EPSG:32631``."""
    rows, columns = geobox.shape
    return f"{columns} x {rows}, {_crs_text(geobox)}"


def _crs_text(geobox: GeoBox) -> str:
    """EPSG code or name of the CRS of a grid."""
    crs = crs_name(geobox) if geobox.crs else "no CRS"
    return crs if len(crs) < 20 else CRS.from_wkt(crs).name


@cache
def short_crs(wkt: str) -> str:
    """``EPSG:n`` if the CRS has an EPSG code, else the WKT: equal for different WKT texts of one EPSG code."""
    epsg = CRS.from_wkt(wkt).to_epsg()
    return f"EPSG:{epsg}" if epsg else wkt
