"""Polygons of the patches of a cell of a label raster: outlines, simplified and smoothed together.

The lines of a cell depend on its own pixels and on one pixel around it. The boundary of the cell, and lines next to
pixels without label, do not move, so the total area is that of the pixels. All points are computed in pixels, where
halves and quarters are exact, and converted to coordinates of the map at the end by one formula: both sides of a
boundary, and both polygons along a line, have exactly the same coordinates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from affine import Affine

from iota2.compute.coverage.outlines import trace_outlines
from iota2.compute.coverage.simplification import simplify
from iota2.compute.coverage.smoothing import smooth
from iota2.compute.patches import patches_of

CELL_PIXELS = 1024
"""Rows and columns of a cell; the last cells of a map are smaller."""
CellIndex = tuple[int, int]
"""Row and column of a cell among the cells of a map."""


@dataclass(frozen=True)
class LineOptions:
    """How the outlines of patches are drawn."""

    cut_corners: bool = False
    """Whether corners of pixels are cut off: lines pass through the midpoints of the edges of pixels."""
    tolerance: float = 0.0
    """Tolerance of the simplification in units of the map, from 0: a vertex is removed if the triangle with its
    neighbours is smaller than the square of the tolerance (Visvalingam and Whyatt, 1993)."""
    longest_segment: float = 0.0
    """Length in units of the map above which segments of smoothed lines are divided again; 0 is without smoothing."""
    minimum_area: float = 0.0
    """Area in squared units of the map: patches of this area or more are not drawn with a smaller one, and smaller
    patches do not lose any. This applies to the sum of the pieces of a patch in several cells."""


class CellSide(NamedTuple):
    """Pixels along one side of a cell, from the left or from the top."""

    patches: np.ndarray
    """(pixel,) int32: numbers of patches, -1 without label."""
    labels: np.ndarray
    """(pixel,) unsigned integers."""


class CellSides(NamedTuple):
    """Pixels along the four sides of a cell, by which patches continue in other cells."""

    top: CellSide
    bottom: CellSide
    left: CellSide
    right: CellSide


@dataclass(frozen=True, eq=False)
class CellPolygons:
    """Polygons of the patches of a cell."""

    polygons: np.ndarray
    """(patch,) shapely polygons, a valid coverage; patches in the order of their first pixels, by row and column."""
    labels: np.ndarray
    """(patch,) unsigned integers."""
    sides: CellSides


def cell_polygons(labels: np.ndarray, corner: tuple[int, int], transform: Affine, options: LineOptions) -> CellPolygons:
    """Polygons of the 4-connected patches of a cell.

    ``labels`` (y + 2, x + 2), unsigned integers: the cell and one pixel around it; 0 without label and outside the
    map. ``corner``: row and column in the map of the first pixel of the cell. ``transform``: from columns and rows of
    the map to its coordinates. Pixels without label are in no polygon.
    """
    patches, firsts = _numbered(labels)
    sizes = np.bincount(patches[patches >= 0], minlength=len(firsts))
    minimum = np.minimum(sizes, options.minimum_area / abs(transform.determinant))
    lines = trace_outlines(labels, patches, minimum, cut_corners=options.cut_corners)
    lines = simplify(lines, options.tolerance / math.sqrt(abs(transform.determinant)))
    lines = smooth(lines, transform, options.longest_segment)
    polygons = lines.to_polygons(_placed(lines.points, corner, transform))
    return CellPolygons(polygons, labels[1:-1, 1:-1].reshape(-1)[firsts], _sides(labels, patches))


def _numbered(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of patches (y + 2, x + 2) int32, -1 outside the cell and without label; first pixel of each patch."""
    inside = np.ascontiguousarray(labels[1:-1, 1:-1])
    first = patches_of(inside).first
    firsts = np.flatnonzero((first.reshape(-1) == np.arange(first.size)) & (inside.reshape(-1) != 0))
    numbers = np.full(first.size, -1, np.int32)
    numbers[firsts] = np.arange(len(firsts))
    return np.pad(numbers[first], 1, constant_values=-1), firsts


def _placed(points: np.ndarray, corner: tuple[int, int], transform: Affine) -> np.ndarray:
    """Points (vertex, 2) in pixels of the cell, in coordinates of the map."""
    col, row = points[:, 0] + corner[1], points[:, 1] + corner[0]
    x = transform.a * col + transform.b * row + transform.c
    y = transform.d * col + transform.e * row + transform.f
    return np.column_stack([x, y])


def _sides(labels: np.ndarray, patches: np.ndarray) -> CellSides:
    """Pixels along the sides of the cell."""
    sides = (1, slice(1, -1)), (-2, slice(1, -1)), (slice(1, -1), 1), (slice(1, -1), -2)
    return CellSides(*(CellSide(patches[side].copy(), labels[side].copy()) for side in sides))
