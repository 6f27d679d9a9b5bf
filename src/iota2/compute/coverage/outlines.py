"""Outlines of the patches of a cell, along the edges of its pixels or through the midpoints of these edges.

A patch is traced with its pixels on the right. Where two pixels of one patch touch at a corner only, the outline passes
from one to the other. Because they are also connected elsewhere, the two passes through that corner belong to different
rings, and no ring touches itself.

At a corner of pixels, up to four borders meet. A border separates different labels, or is part of the boundary of the
cell. A corner with three or four borders is a *node*. Corners where a line turns and nodes are vertices of all outlines
there. Both sides of a boundary have the same vertices, because labels beyond the boundary count, too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from iota2.compute.coverage.areas import PolygonAreas, transfer
from iota2.compute.coverage.lines import Lines

_ROWS = np.array([0, 1, 0, -1])
_COLS = np.array([1, 0, -1, 0])
"""Steps right, down, left, up."""


class _Cell(NamedTuple):
    """What outlines depend on."""

    patches: np.ndarray
    """(y + 2, x + 2) int32: numbers of patches, -1 outside."""
    turning: np.ndarray
    """(y + 1, x + 1) bool: corners of pixels that are vertices."""
    cut: np.ndarray
    """(y + 1, x + 1) bool: those that are cut off."""


def trace_outlines(labels: np.ndarray, patches: np.ndarray, minimum: np.ndarray, *, cut_corners: bool) -> Lines:
    """Outlines of the patches of a cell, as polygons in the order of patches.

    ``labels`` (y + 2, x + 2): those of the cell and of one pixel around it, 0 without label. ``patches`` (y + 2, x + 2)
    int32: numbers of patches from 0, -1 outside the cell and without label; 4-connected. ``minimum`` (patch,) float64:
    areas in pixels below which polygons must not fall.

    With ``cut_corners``, a corner of pixels where a line between two patches turns is cut off at the midpoints of the
    two edges. Nodes, the boundary of the cell and lines next to pixels without label do not change, nor do corners that
    the polygon needs for its minimum.
    """
    turning, free = _corners(labels)
    cut = free & cut_corners
    sizes = np.bincount(patches[patches >= 0], minlength=len(minimum)).astype(float)
    _keep_corners(patches, PolygonAreas(sizes, minimum), cut)
    capacity = _count_edges(patches)
    vertices = np.empty((2 * capacity if cut_corners else capacity, 2), np.int32)
    ends, owners = np.empty((2, capacity), np.int32)
    used, found = _trace(_Cell(patches, turning, cut), vertices, ends, owners)
    order, rings, polygons = _by_patch(ends[:found], owners[:found], len(minimum))
    points, members = _unique(vertices[:used], (2 * free.shape[0], 2 * free.shape[1]))
    (x, y), (half_x, half_y) = points.T // 2, points.T % 2
    return Lines(points / 2, free[y, x] | (half_x + half_y > 0), members[order], rings, polygons, minimum)


def _by_patch(ends: np.ndarray, owners: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Order of the vertices of rings by patch, first vertex of each ring, and first ring of each patch.

    The first ring of a patch, which is the exterior because it has the first pixel, stays first.
    """
    order = np.argsort(owners, kind="stable")
    lengths = np.diff(ends, prepend=0)
    starts, lengths = (ends - lengths)[order], lengths[order]
    rings = np.append(0, np.cumsum(lengths, dtype=np.int64))
    polygons = np.append(0, np.cumsum(np.bincount(owners, minlength=count), dtype=np.int64))
    return np.arange(rings[-1]) + np.repeat(starts - rings[:-1], lengths), rings, polygons


def _unique(vertices: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Different vertices (x, y), by row and column, and the number of each vertex among them.

    ``shape`` contains all vertices.
    """
    positions = np.ravel_multi_index((vertices[:, 1], vertices[:, 0]), shape)
    found = np.zeros(shape, bool)
    found.reshape(-1)[positions] = True
    numbers = np.cumsum(found, dtype=np.int32) - 1
    return np.argwhere(found)[:, ::-1], numbers[positions]


def _corners(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(y + 1, x + 1) bool each: corners that are vertices, and those of them that are free (``Lines``)."""
    up = labels[:-1, :-1] != labels[:-1, 1:]
    down = labels[1:, :-1] != labels[1:, 1:]
    left = labels[:-1, :-1] != labels[1:, :-1]
    right = labels[:-1, 1:] != labels[1:, 1:]
    up[:, [0, -1]] = down[:, [0, -1]] = True
    left[[0, -1], :] = right[[0, -1], :] = True
    # on a boundary, a corner with two borders is on a straight line
    degree = up.astype(np.int8) + down + left + right
    turning = (degree > 2) | ((degree == 2) & (up != down))
    missing = labels == 0
    missing = missing[:-1, :-1] | missing[:-1, 1:] | missing[1:, :-1] | missing[1:, 1:]
    return turning, turning & (degree == 2) & ~missing


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _keep_corners(patches: np.ndarray, polygons: PolygonAreas, cut: np.ndarray) -> None:
    """Remove corners from ``cut`` (y + 1, x + 1) bool that a patch needs for its minimum area.

    Three of the pixels at the corner are of one patch, and the fourth one of another, which loses an eighth of a pixel.
    """
    for y in range(cut.shape[0]):
        for x in range(cut.shape[1]):
            if cut[y, x]:
                left, right, below = patches[y, x], patches[y, x + 1], patches[y + 1, x]
                if left == right:
                    alone, around = below if below != left else patches[y + 1, x + 1], left
                else:
                    alone, around = (right, left) if below == left else (left, right)
                cut[y, x] = transfer(polygons, alone, around, 0.125)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _count_edges(patches: np.ndarray) -> int:
    """Number of edges of pixels on outlines, once for each patch."""
    height, width = patches.shape
    count = 0
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            here = patches[y, x]
            if here >= 0:
                count += (patches[y - 1, x] != here) + (patches[y + 1, x] != here)
                count += (patches[y, x - 1] != here) + (patches[y, x + 1] != here)
    return count


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _trace(cell: _Cell, vertices: np.ndarray, ends: np.ndarray, owners: np.ndarray) -> tuple[int, int]:
    """Write vertices (x, y in half pixels), and the end and the patch of each ring.

    Returns the number of vertices and of rings.
    """
    height, width = cell.patches.shape
    traced = np.zeros(cell.patches.shape, np.bool_)
    used = rings = 0
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            patch = cell.patches[y, x]
            if patch < 0 or cell.patches[y - 1, x] == patch or traced[y, x]:
                continue
            used = _trace_ring(cell, (y, x), traced, vertices, used)
            ends[rings], owners[rings] = used, patch
            rings += 1
    return used, rings


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _trace_ring(cell: _Cell, pixel: tuple[int, int], traced: np.ndarray, vertices: np.ndarray, used: int) -> int:
    """Write the vertices of the ring along the upper edge of a pixel, and mark it.

    Returns the new number of vertices.
    """
    patch = cell.patches[pixel]
    row, col = pixel[0] - 1, pixel[1] - 1
    ahead = 0
    while not (ahead == 0 and traced[row + 1, col + 1]):
        if ahead == 0:
            traced[row + 1, col + 1] = True
        row, col = row + _ROWS[ahead], col + _COLS[ahead]
        after = _next_direction(cell.patches, patch, (row, col), ahead)
        if cell.cut[row, col]:
            used = _cut_corner(cell, (row, col), (ahead, after), vertices, used)
        elif cell.turning[row, col]:
            vertices[used, 0], vertices[used, 1] = 2 * col, 2 * row
            used += 1
        ahead = after
    return used


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _next_direction(patches: np.ndarray, patch: int, corner: tuple[int, int], ahead: int) -> int:
    """Direction in which the outline of a patch leaves a corner, which it reaches in the direction ``ahead``."""
    # the pixels around the corner are rows row, row + 1 and columns col, col + 1 of the patches
    row, col = corner
    if patches[row + (ahead in {1, 2}), col + (ahead in {0, 1})] == patch:
        return (ahead + 3) % 4
    if patches[row + (ahead in {0, 1}), col + (ahead in {0, 3})] == patch:
        return ahead
    return (ahead + 1) % 4


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _cut_corner(
    cell: _Cell, corner: tuple[int, int], directions: tuple[int, int], vertices: np.ndarray, used: int
) -> int:
    """Write the midpoints of the edges before and after a corner, unless a line passes straight through them.

    If both ends of an edge are cut off, its midpoint belongs to the end that comes first.
    """
    (row, col), (ahead, after) = corner, directions
    if not cell.cut[row - _ROWS[ahead], col - _COLS[ahead]]:
        vertices[used, 0], vertices[used, 1] = 2 * col - _COLS[ahead], 2 * row - _ROWS[ahead]
        used += 1
    patch = cell.patches[row + (after in {0, 1}), col + (after in {0, 3})]
    row, col = row + _ROWS[after], col + _COLS[after]
    if not (cell.cut[row, col] and _next_direction(cell.patches, patch, (row, col), after) == ahead):
        vertices[used, 0], vertices[used, 1] = 2 * col - _COLS[after], 2 * row - _ROWS[after]
        used += 1
    return used
