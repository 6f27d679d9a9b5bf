"""SLIC superpixels of an image: small connected segments of similar pixels, computed block by block.

Method: simple linear iterative clustering (Achanta et al. 2012, IEEE Trans. Pattern Anal. Mach. Intell. 34(11),
2274-2282). Pixels are compared with the seeds of the 3 x 3 cells around their own cell, as in its parallel form (Ren,
Prisacariu & Reid 2015, arXiv:1509.04232), instead of a window of twice the step around the moving seeds. A
segment therefore depends on a bounded neighbourhood, and a block with a margin has the segments of the whole image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.grid import Block, block_of

STEPS_PER_UNIT = 256
"""Values are rounded to this fraction, so that sums of them are exact in any order."""
LARGEST_VALUE = 127
"""Values are clipped to this size."""
JOIN_ROUNDS = 2
"""Rounds in which small pieces join a neighbour."""
MAX_CELL = 1000
"""Largest side of a cell."""
SUPERPIXEL_BYTES = 28
"""Bytes per pixel during the segmentation, without the bands; a band needs ``BAND_BYTES``."""
BAND_BYTES = 2
"""Bytes of a rounded value."""
_EDGE_TOLERANCE = 1e-3
"""Rounding errors of the edges of a grid, in pixels."""
REACH = 2
"""Cells between the cell of the seed and any pixel of a segment, after small pieces have joined it."""


@dataclass(frozen=True)
class SlicOptions:
    """Size and shape of superpixels."""

    cell: int = 10
    """Side of the cells in pixels: distance between seeds, from 1 to ``MAX_CELL``. Segments have about ``cell``²
    pixels."""
    compactness: float = 0.5
    """Difference of values that counts as much as a distance of ``cell`` pixels; large values give square segments."""
    iterations: int = 5
    """Number of assignments of pixels to seeds, from 1."""

    def __post_init__(self) -> None:
        if not 1 <= self.cell <= MAX_CELL or self.iterations < 1 or not self.compactness > 0:
            raise ValueError(f"{self}; expected cell 1 to {MAX_CELL}, compactness above 0, iterations from 1")

    @property
    def halo_cells(self) -> int:
        """Number of cells around the cells of a block on which its segments depend.

        The first assignment of a pixel depends on the seeds of the neighbouring cells. Each further one depends on
        seeds that have moved, to the mean of pixels at most two cells away. A small piece depends on the pieces around
        it: on assignments at most five cells away, and three more for each further round.
        """
        return 2 * self.iterations - 1 + 5 + 3 * (JOIN_ROUNDS - 1)

    @property
    def smallest(self) -> int:
        """Number of pixels below which a connected piece joins a neighbour."""
        return self.cell**2 // 4

    @property
    def extent(self) -> int:
        """Maximum rows, and maximum columns, of a segment, in pixels."""
        return (2 * REACH + 1) * self.cell


def on_cells(geobox: GeoBox, cell: int) -> GeoBox:
    """The north-up grid, enlarged at the top and left to whole cells counted from the origin of the map coordinates.

    Overlapping tiles with the same pixel grid have the same cells, and so the same segments where both show the same
    area, at least ``SlicOptions.halo_cells`` cells away from their edges.
    """
    (height, width), affine = geobox.shape, geobox.affine
    # rounded down, so that grids at half a pixel from the origin are all treated alike
    row, column = (math.floor(edge + _EDGE_TOLERANCE) for edge in (affine.f / affine.e, affine.c / affine.a))
    above, left = row % cell, column % cell
    return GeoBox((height + above, width + left), affine * Affine.translation(-left, -above), geobox.crs)


def block_with_halo(block: Block, options: SlicOptions, geobox: GeoBox) -> Block:
    """The block enlarged to whole cells, so that its segments equal those of the whole grid ``geobox``."""
    cell, halo = options.cell, options.halo_cells
    ranges = []
    for (first, last), size in zip((block.rows, block.cols), geobox.shape, strict=True):
        ranges.append((max(0, first // cell - halo) * cell, min(size, (-(-last // cell) + halo) * cell)))
    return block_of(block.tile, geobox, *ranges)


def superpixels(
    image: np.ndarray,
    valid: np.ndarray,
    options: SlicOptions,
    *,
    origin: tuple[int, int] = (0, 0),
    width: int | None = None,
) -> np.ndarray:
    """(y, x) uint32: number of the segment of each pixel; 0 for pixels that are not ``valid`` (y, x) bool.

    ``image`` is (band, y, x) float32, in units in which its values vary by about 1: they are rounded to
    1 / ``STEPS_PER_UNIT`` and clipped to ± ``LARGEST_VALUE``. Pixels with a value that is not finite are not valid.
    ``origin``: row and column of the first pixel on the whole image, whose cells start at its upper-left corner
    (``on_cells`` makes them those of other tiles); both must be multiples of the cell (ValueError). ``width``: columns
    of the whole image, by default those of ``image``.

    The number of a segment is 1 + the position of one of its pixels in the whole image, in scan order. Segments are
    connected by edges, and no larger than ``options.extent`` in rows and columns. Connected pieces of fewer than
    ``options.smallest`` pixels join the neighbouring larger piece with which they share most edges, of equal ones that
    with the smallest number. A piece without such a neighbour remains a segment. Segments of a block that was enlarged
    by ``block_with_halo`` equal those of the whole image, inside the block.
    """
    if image.shape[1:] != valid.shape:
        raise ValueError(f"image {image.shape} and valid pixels {valid.shape} differ in shape")
    if origin[0] % options.cell or origin[1] % options.cell:
        raise ValueError(f"the block starts at {origin}; expected multiples of {options.cell}")
    if not valid.size:
        return np.zeros(valid.shape, np.uint32)
    values, inside = _rounded(image, valid)
    cells = _Cells(options.cell, -(-valid.shape[1] // options.cell))
    seeds = _clustered(values, inside, cells, options.compactness * STEPS_PER_UNIT, options.iterations)
    pieces = _pieces(seeds)
    target = _joined(seeds, pieces, cells, options.smallest)
    return _numbered(pieces, target, origin, width or valid.shape[1])


class _Cells(NamedTuple):
    """Cells of an image: their side, and the number of columns of cells. A cell, and its seed, are numbered by row."""

    side: int
    columns: int


class _Moments(NamedTuple):
    """Sums (seed, band + 2) int64 and numbers (seed,) int64 of the pixels of each seed, and their mean.

    The last two columns are row and column from the corner of the seed's cell.
    """

    sums: np.ndarray
    counts: np.ndarray
    centres: np.ndarray


class _Pieces(NamedTuple):
    """Pieces: pixels of one seed that are connected by edges."""

    number: np.ndarray
    """(y, x) int32: number of the piece of each pixel, -1 outside; pieces are numbered in scan order."""
    pixels: np.ndarray
    """(pixel,) int32: positions of the pixels piece by piece; the first of a piece is its first one in scan order."""
    starts: np.ndarray
    """(piece + 1,) int64: start of each piece among the pixels, and the end of the last."""


def _rounded(image: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The image as int16 in steps, and the valid pixels whose values are all finite."""
    values, inside = np.empty(image.shape, np.int16), valid.copy()
    for band, layer in zip(image, values, strict=True):
        finite = np.isfinite(band)
        inside &= finite
        known = np.where(finite, band, np.float32(0))
        layer[...] = np.rint(np.clip(known, -LARGEST_VALUE, LARGEST_VALUE) * np.float32(STEPS_PER_UNIT))
    return values, inside


@numba.njit(nogil=True, cache=True)
def _clustered(
    values: np.ndarray, inside: np.ndarray, cells: _Cells, compactness: float, iterations: int
) -> np.ndarray:
    """(y, x) int32: number of the cell whose seed each pixel is assigned to; -1 outside."""
    bands, (height, width) = len(values), inside.shape
    side, columns = cells
    rows = -(-height // side)
    seeds = np.full((height, width), -1, np.int32)
    for y in range(height):
        for x in range(width):
            if inside[y, x]:
                seeds[y, x] = (y // side) * columns + x // side
    sums = np.empty((rows * columns, bands + 2), np.int64)
    moments = _Moments(sums, np.empty(rows * columns, np.int64), np.empty(sums.shape, np.float64))
    weight = (compactness / side) ** 2
    for _ in range(iterations):
        _move_seeds(values, seeds, cells, moments)
        for cell in range(rows * columns):
            _assign_cell(values, seeds, cells, moments, (cell, weight))
    return seeds


@numba.njit(nogil=True, cache=True)
def _move_seeds(values: np.ndarray, seeds: np.ndarray, cells: _Cells, moments: _Moments) -> None:
    """Move each seed to the mean of its pixels. The sums are integers, so they are exact in any order."""
    bands, (side, columns) = len(values), cells
    sums, counts, centres = moments
    sums[:] = 0
    counts[:] = 0
    for y in range(seeds.shape[0]):
        for x in range(seeds.shape[1]):
            seed = seeds[y, x]
            if seed >= 0:
                counts[seed] += 1
                for band in range(bands):
                    sums[seed, band] += values[band, y, x]
                sums[seed, bands] += y - seed // columns * side
                sums[seed, bands + 1] += x - seed % columns * side
    for seed in range(len(counts)):
        if counts[seed]:
            for k in range(bands + 2):
                centres[seed, k] = sums[seed, k] / counts[seed]


@numba.njit(nogil=True, cache=True)
def _assign_cell(
    values: np.ndarray, seeds: np.ndarray, cells: _Cells, moments: _Moments, given: tuple[int, float]
) -> None:
    """Assign the pixels of a cell to the nearest seed of the 3 x 3 cells around it; of equal ones, to the first.

    ``given``: number of the cell, and weight of a squared distance in pixels.
    """
    bands, (side, columns), (cell, weight) = len(values), cells, given
    rows, row, column = len(moments.counts) // columns, cell // columns, cell % columns
    top, left = row * side, column * side
    bottom, right = min(top + side, seeds.shape[0]), min(left + side, seeds.shape[1])
    best = np.full((bottom - top, right - left), np.inf)
    for near in range(max(0, row - 1), min(rows, row + 2)):
        for beside in range(max(0, column - 1), min(columns, column + 2)):
            seed = near * columns + beside
            if not moments.counts[seed]:
                continue
            centre = moments.centres[seed]
            for y in range(top, bottom):
                down = y - near * side - centre[bands]
                for x in range(left, right):
                    across = x - beside * side - centre[bands + 1]
                    distance = (down * down + across * across) * weight
                    for band in range(bands):
                        difference = values[band, y, x] - centre[band]
                        distance += difference * difference
                    if seeds[y, x] >= 0 and distance < best[y - top, x - left]:
                        best[y - top, x - left] = distance
                        seeds[y, x] = seed


@numba.njit(nogil=True, cache=True)
def _pieces(seeds: np.ndarray) -> _Pieces:
    """The connected pieces of the pixels of each seed."""
    height, width = seeds.shape
    piece = np.full((height, width), -1, np.int32)
    order = np.empty(height * width, np.int32)
    starts = [0]
    end = 0
    for y in range(height):
        for x in range(width):
            if seeds[y, x] < 0 or piece[y, x] >= 0:
                continue
            number = len(starts) - 1
            piece[y, x] = number
            order[end] = y * width + x
            done, end = end, end + 1
            while done < end:
                row, column = order[done] // width, order[done] % width
                done += 1
                for down, across in ((-1, 0), (0, -1), (0, 1), (1, 0)):
                    i, j = row + down, column + across
                    if 0 <= i < height and 0 <= j < width and piece[i, j] < 0 and seeds[i, j] == seeds[y, x]:
                        piece[i, j] = number
                        order[end] = i * width + j
                        end += 1
            starts.append(end)
    return _Pieces(piece, order, np.array(starts))


@numba.njit(nogil=True, cache=True)
def _joined(seeds: np.ndarray, pieces: _Pieces, cells: _Cells, smallest: int) -> np.ndarray:
    """(piece,) int64: the piece that each piece joins; itself for large pieces and those without a large neighbour."""
    sizes = np.diff(pieces.starts)
    target = np.arange(len(sizes))
    large = sizes >= smallest
    for _ in range(JOIN_ROUNDS):
        found = target.copy()
        for number in np.flatnonzero(~large):
            found[number] = _neighbour(int(number), seeds, pieces, cells, (target, large))
        large = large | (found != target)
        target = found
    return target


@numba.njit(nogil=True, cache=True)
def _neighbour(
    number: int, seeds: np.ndarray, pieces: _Pieces, cells: _Cells, given: tuple[np.ndarray, np.ndarray]
) -> int:
    """The large piece that shares most edges with a small one, and near enough to contain it; else the piece itself.

    ``given``: the piece that each piece has joined, and whether it is large or has joined a large one.
    """
    (height, width), (side, columns), (target, large) = seeds.shape, cells, given
    names, edges = [number], [0]
    top, left, bottom, right = height, width, 0, 0
    for at in pieces.pixels[pieces.starts[number] : pieces.starts[number + 1]]:
        row, column = at // width, at % width
        top, bottom, left, right = min(top, row), max(bottom, row), min(left, column), max(right, column)
        for down, across in ((-1, 0), (0, -1), (0, 1), (1, 0)):
            i, j = row + down, column + across
            if 0 <= i < height and 0 <= j < width and pieces.number[i, j] >= 0 and large[pieces.number[i, j]]:
                other = target[pieces.number[i, j]]
                if other not in names:
                    names.append(other)
                    edges.append(0)
                edges[names.index(other)] += 1
    best, most = number, 0
    for k in range(1, len(names)):
        seed = seeds.flat[pieces.pixels[pieces.starts[names[k]]]]
        row, column = seed // columns, seed % columns
        near = row - REACH <= top // side and bottom // side <= row + REACH
        near &= column - REACH <= left // side and right // side <= column + REACH
        if near and (edges[k] > most or (edges[k] == most and names[k] < best)):
            best, most = names[k], edges[k]
    return best


@numba.njit(nogil=True, cache=True)
def _numbered(pieces: _Pieces, target: np.ndarray, origin: tuple[int, int], whole_width: int) -> np.ndarray:
    """(y, x) uint32: 1 + the position in the whole image of the first pixel of the piece that each pixel joins."""
    height, width = pieces.number.shape
    out = np.zeros((height, width), np.uint32)
    for y in range(height):
        for x in range(width):
            piece = pieces.number[y, x]
            if piece >= 0:
                first = pieces.pixels[pieces.starts[target[piece]]]
                out[y, x] = 1 + (origin[0] + first // width) * whole_width + origin[1] + first % width
    return out
