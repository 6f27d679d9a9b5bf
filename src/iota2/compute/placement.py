"""Resampling of a block from another grid, in the same or in another CRS.

A placement belongs to one source grid and one block. Values depend only on the grids and on the
position of each pixel, so the result does not depend on how a grid is divided into blocks.

Between two CRS, coordinates are transformed exactly at knots every 32 pixels of the whole destination grid
and interpolated linearly between them: over 32 pixels, projections deviate from a straight line by far less than 0.01
pixel. GDAL's warper either transforms every pixel or approximates along the rows of the requested window, so its
result depends on the window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

import numba
import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from iota2.compute.resample import MIN_WEIGHT, AxisTaps, axis_taps, kernel_at, resample, source_range
from iota2.core.grid import crs_name, resolution, share_pixels

KNOT_SPACING = 32
"""Pixels of the destination grid between two knots."""

Range = tuple[int, int]
"""Half-open range of rows or columns."""

_EDGE_TOLERANCE = 1e-6
"""Tolerance in pixels: a centre this close below a pixel edge counts as on the edge, regardless of rounding."""
_KERNEL_RADIUS = {"cubic": 2.0, "bilinear": 1.0, "nearest": 0.5}
"""Half-width of each kernel, in pixels of the coarser grid."""


class Placement(Protocol):
    """Position of the pixels of a block on a source grid."""

    @property
    def window(self) -> tuple[Range, Range]:
        """Rows and columns of the source window to read; never empty."""

    @property
    def inside(self) -> np.ndarray:
        """(y, x) bool: whether the pixel centre lies in the source."""

    def part(self, rows: Range, cols: Range) -> Placement:
        """Placement of a part of the block; ranges are relative to the block.

        The window of the part lies in the window of the block.
        """

    def resample(self, values: np.ndarray, nodata: float | None) -> np.ndarray:
        """(n, y, x) from the source window (n, rows, columns), with the kernel of the placement and the same type.

        With ``nodata``, pixels without data are excluded, and the result is ``nodata`` where the nearest source pixel
        has no data or is outside.
        """

    def nearest(self, values: np.ndarray) -> np.ndarray:
        """(…, y, x) from a source window (…, rows, columns): the pixel that contains each centre; undefined outside."""


def placement(source: GeoBox, destination: GeoBox, rows: Range, cols: Range, kernel: str) -> Placement:
    """The placement of the block ``rows`` x ``cols`` of ``destination`` on the grid ``source``."""
    if source.crs == destination.crs:
        return _separable(source, destination, rows, cols, kernel)
    return _warped(source, destination, rows, cols, kernel)


@dataclass(frozen=True)
class SeparablePlacement:
    """A placement between grids of one CRS: the axes are independent."""

    rows: AxisTaps
    cols: AxisTaps
    same: bool
    """Whether the pixels of both grids coincide."""

    @cached_property
    def window(self) -> tuple[Range, Range]:
        """See Placement."""
        return source_range(self.rows), source_range(self.cols)

    @cached_property
    def inside(self) -> np.ndarray:
        """See Placement."""
        return (self.rows.nearest >= 0)[:, None] & (self.cols.nearest >= 0)

    def part(self, rows: Range, cols: Range) -> SeparablePlacement:
        """See Placement."""
        return SeparablePlacement(self.rows.part(*rows), self.cols.part(*cols), self.same)

    @cached_property
    def _untouched(self) -> bool:
        """Whether the source window equals the block."""
        return self.same and bool(self.inside.all())

    def resample(self, values: np.ndarray, nodata: float | None) -> np.ndarray:
        """See Placement."""
        if self._untouched:
            return values
        origin = (self.window[0][0], self.window[1][0])
        return resample(values, self.rows, self.cols, origin=origin, nodata=nodata)

    def nearest(self, values: np.ndarray) -> np.ndarray:
        """See Placement."""
        if self._untouched:
            return values
        (top, _), (left, _) = self.window
        rows, cols = np.maximum(self.rows.nearest - top, 0), np.maximum(self.cols.nearest - left, 0)
        return values[..., rows[:, None], cols]


def _separable(source: GeoBox, destination: GeoBox, rows: Range, cols: Range, kernel: str) -> SeparablePlacement:
    """The placement of a block on a grid of the same CRS."""
    (width, height), (out_width, out_height) = resolution(source), resolution(destination)
    ratios = (out_height / height, out_width / width)
    offsets = (
        round((source.affine.f - destination.affine.f) / height, 9),
        round((destination.affine.c - source.affine.c) / width, 9),
    )
    same = share_pixels(source, destination)
    if same:
        ratios, offsets = (1.0, 1.0), (round(offsets[0]), round(offsets[1]))
    taps = [
        axis_taps(ratio=ratio, offset=offset, out=out, size=size, kernel="nearest" if same else kernel)
        for ratio, offset, out, size in zip(ratios, offsets, (rows, cols), source.shape, strict=True)
    ]
    return SeparablePlacement(taps[0], taps[1], same)


@dataclass(frozen=True)
class WarpedPlacement:
    """A placement between grids of different CRS: each pixel has its own position and weights."""

    y: np.ndarray
    """(y, x) source row coordinate of each centre, pixel edges at integers; NaN if the transformation fails."""
    x: np.ndarray
    """(y, x) source column coordinate."""
    size: tuple[int, int]
    """Rows and columns of the source."""
    kernel: str
    scale: tuple[float, float]
    """Source pixels (rows, columns) per destination pixel, at least 1: the factor by which the kernel is stretched."""
    fallback: tuple[int, int] = (0, 0)
    """Row and column of the pixel that is read when no centre lies in the source."""

    def part(self, rows: Range, cols: Range) -> WarpedPlacement:
        """See Placement."""
        here = slice(*rows), slice(*cols)
        y, x = np.ascontiguousarray(self.y[here]), np.ascontiguousarray(self.x[here])
        (top, _), (left, _) = self.window
        return WarpedPlacement(y, x, self.size, self.kernel, self.scale, (top, left))

    @cached_property
    def _pixels(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of the source pixel that contains each centre, -1 outside."""
        return pixels_at(self.y, self.x, self.size)

    @cached_property
    def inside(self) -> np.ndarray:
        """See Placement."""
        return self._pixels[0] >= 0

    @cached_property
    def window(self) -> tuple[Range, Range]:
        """See Placement."""
        if not self.inside.any():
            row, col = self.fallback
            return (row, row + 1), (col, col + 1)
        ranges = []
        for pixels, scale, size in zip(self._pixels, self.scale, self.size, strict=True):
            margin = math.ceil(_KERNEL_RADIUS[self.kernel] * scale) + 1
            first, last = int(pixels[self.inside].min()), int(pixels[self.inside].max())
            ranges.append((max(0, first - margin), min(size, last + 1 + margin)))
        return ranges[0], ranges[1]

    def resample(self, values: np.ndarray, nodata: float | None) -> np.ndarray:
        """See Placement."""
        out = np.empty((len(values), *self.y.shape), values.dtype)
        if self.kernel == "nearest":
            for layer, picked in zip(values, out, strict=True):
                picked[...] = np.where(self.inside, self.nearest(layer), 0 if nodata is None else nodata)
            return out
        (top, _), (left, _) = self.window
        whole = values.dtype.kind in "iu"
        limits = (np.iinfo(values.dtype).min, np.iinfo(values.dtype).max) if whole else (-np.inf, np.inf)
        missing = math.nan if nodata is None else float(nodata)
        kind = self.kernel == "cubic", whole
        numbers = np.array([*self.scale, *limits, missing, _replacement_of(missing, values.dtype), *kind], float)
        at = (self.y, self.x, *self._pixels)
        _convolve(values, at, (top, left), numbers, out)
        return out

    def nearest(self, values: np.ndarray) -> np.ndarray:
        """See Placement."""
        (top, _), (left, _) = self.window
        row, col = self._pixels
        return values[..., np.where(self.inside, row - top, 0), np.where(self.inside, col - left, 0)]


def _warped(source: GeoBox, destination: GeoBox, rows: Range, cols: Range, kernel: str) -> WarpedPlacement:
    """The placement of a block on a grid of another CRS."""
    y, x = source_coordinates(source, destination, rows, cols)
    return WarpedPlacement(y, x, (source.shape.y, source.shape.x), kernel, pixel_ratio(source, destination))


def source_windows(source: GeoBox, destination: GeoBox, blocks: np.ndarray, kernel: str) -> np.ndarray:
    """(n, 4): windows of ``source`` that include those of the placements of n blocks of ``destination``.

    Windows and ``blocks`` (n, 4) are first row, row after the last, first column, column after the last. The window is
    the whole source if a corner of the block cannot be transformed. Only corners of blocks are transformed, so this is
    much faster than computing placements.
    """
    top, bottom, left, right = blocks.T
    y, x = exact_coordinates(
        source, destination, np.stack([top, top, bottom, bottom], 1), np.stack([left, right, left, right], 1)
    )
    if source.crs == destination.crs and share_pixels(source, destination):
        y, x, margin = np.round(y), np.round(x), [0, 0]
    else:
        margin = [math.ceil(_KERNEL_RADIUS[kernel] * scale) + 1 for scale in pixel_ratio(source, destination)]
    found, everywhere = np.empty((len(blocks), 4)), np.array([0, source.shape.y, 0, source.shape.x])
    for axis, (at, more) in enumerate(zip((y, x), margin, strict=True)):
        found[:, 2 * axis] = np.floor(at.min(axis=1) + _EDGE_TOLERANCE) - more
        found[:, 2 * axis + 1] = np.ceil(at.max(axis=1) - _EDGE_TOLERANCE) + more
    found[~np.isfinite(found).all(axis=1)] = everywhere
    outside = (found[:, 1::2] <= 0) | (found[:, ::2] >= everywhere[1::2])
    if source.crs != destination.crs:
        outside |= outside.any(axis=1, keepdims=True)
    found = np.clip(found, 0, np.repeat(everywhere[1::2], 2))
    found[:, ::2][outside], found[:, 1::2][outside] = 0, 1
    return found.astype(np.int64)


@lru_cache(maxsize=64)
def pixel_ratio(source: GeoBox, destination: GeoBox) -> tuple[float, float]:
    """Source pixels (rows, columns) per pixel at the centre of the destination grid, at least 1.

    Ratios up to 1.01 count as 1, so that values are not smoothed between projections with the same pixel size.
    """
    row, col = destination.shape.y // 2, destination.shape.x // 2
    y, x = exact_coordinates(source, destination, np.array([row, row + 1, row]), np.array([col, col, col + 1]))
    steps = np.hypot(y[1] - y[0], y[2] - y[0]), np.hypot(x[1] - x[0], x[2] - x[0])
    return tuple(float(step) if step > 1.01 else 1.0 for step in steps)  # type: ignore[return-value]


def source_coordinates(source: GeoBox, destination: GeoBox, rows: Range, cols: Range) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates on ``source`` of the pixel centres of a block of ``destination``: rows (y, x) and columns (y, x).

    Pixel edges are at integers. The error is below 0.01 source pixel, and values do not depend on the division into
    blocks. NaN where the transformation fails.
    """
    knot_rows, knot_cols = _knots(rows), _knots(cols)
    knots = np.meshgrid(knot_rows, knot_cols, indexing="ij")
    return tuple(  # type: ignore[return-value]
        _between(_between(values, knot_rows, rows).T, knot_cols, cols).T
        for values in exact_coordinates(source, destination, *knots)
    )


def _knots(pixels: Range) -> np.ndarray:
    """Positions of the knots around a range of pixels: multiples of ``KNOT_SPACING`` on the whole grid."""
    return np.arange(pixels[0] // KNOT_SPACING, -(-pixels[1] // KNOT_SPACING) + 1) * KNOT_SPACING


def _between(values: np.ndarray, knots: np.ndarray, pixels: Range) -> np.ndarray:
    """``values`` (knots, …) interpolated linearly at the centres of ``pixels`` along the first axis."""
    position = np.arange(*pixels)
    first = position // KNOT_SPACING - knots[0] // KNOT_SPACING
    share = ((position % KNOT_SPACING + 0.5) / KNOT_SPACING)[:, None]
    with np.errstate(invalid="ignore"):
        return values[first] * (1.0 - share) + values[first + 1] * share


def exact_coordinates(
    source: GeoBox, destination: GeoBox, row: np.ndarray, col: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Source coordinates (row, column) of positions on ``destination``, both with pixel edges at integers.

    NaN where the transformation fails.
    """
    x = destination.affine.c + destination.affine.a * col
    y = destination.affine.f + destination.affine.e * row
    if source.crs != destination.crs:
        x, y = _transformer(crs_name(destination), crs_name(source)).transform(x, y)
    with np.errstate(invalid="ignore"):
        at = (y - source.affine.f) / source.affine.e, (x - source.affine.c) / source.affine.a
    return np.where(np.isfinite(at[0]), at[0], np.nan), np.where(np.isfinite(at[1]), at[1], np.nan)


@lru_cache(maxsize=64)
def _transformer(from_crs: str, to_crs: str) -> Transformer:
    return Transformer.from_crs(from_crs, to_crs, always_xy=True)


def pixels_at(y: np.ndarray, x: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the source pixel that contains each coordinate; both -1 outside the source."""
    with np.errstate(invalid="ignore"):
        row, col = np.floor(y + _EDGE_TOLERANCE), np.floor(x + _EDGE_TOLERANCE)
        within = (row >= 0) & (row < size[0]) & (col >= 0) & (col < size[1])
    return np.where(within, row, -1).astype(np.int64), np.where(within, col, -1).astype(np.int64)


def _replacement_of(nodata: float, dtype: np.dtype) -> float:
    """Value next to ``nodata`` that replaces valid results equal to ``nodata``."""
    if dtype.kind == "f":
        return float(np.nextafter(np.float32(nodata), np.float32(np.inf)))
    return nodata - 1 if nodata == np.iinfo(dtype).max else nodata + 1


@numba.njit(nogil=True, cache=True)
def _weigh(centre: float, scale: float, cubic: bool, weights: np.ndarray) -> int:
    """Fill the weights of one axis; returns the source pixel of the first weight."""
    reach = 2.0 if cubic else 1.0
    first = int(np.floor(centre - reach * scale - 0.5)) + 1
    for k in range(len(weights)):
        weights[k] = kernel_at((first + k + 0.5 - centre) / scale, cubic)
    return first


@numba.njit(nogil=True, cache=True)
def _convolve(
    values: np.ndarray,
    at: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    origin: tuple[int, int],
    numbers: np.ndarray,
    out: np.ndarray,
) -> None:
    """Convolve each layer of the source window that starts at ``origin``, at each position.

    ``at``: row and column coordinates, nearest rows and columns (-1 outside). ``numbers``: scale of rows and
    columns, minimum and maximum of the type, nodata (NaN if none), its replacement, and whether the kernel is cubic and
    the values are integers. Taps without data are excluded and the other weights renormalised; if the remaining weight
    is below ``MIN_WEIGHT``, the result is the nearest pixel. Coordinates refer to the whole source, so that weights do
    not depend on the window. All layers have the same weights: their values are stored contiguously for each pixel,
    and each tap is added to all layers at once.
    """
    y, x, row, col = at
    scale_y, scale_x, nodata, cubic = numbers[0], numbers[1], numbers[4], numbers[6] != 0
    reach = 2.0 if cubic else 1.0
    weight_y = np.empty(int(np.ceil(2 * reach * scale_y)))
    weight_x = np.empty(int(np.ceil(2 * reach * scale_x)))
    taps = _layers_last(values)
    height, width, layers = taps.shape
    total, weights = np.empty(layers), np.empty(layers)
    line = np.empty((out.shape[2], layers), out.dtype)
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            if row[i, j] < 0:
                line[j] = 0 if np.isnan(nodata) else nodata
                continue
            first_y = _weigh(y[i, j], scale_y, cubic, weight_y) - origin[0]
            first_x = _weigh(x[i, j], scale_x, cubic, weight_x) - origin[1]
            total[:] = 0.0
            weights[:] = 0.0
            for k in range(max(0, -first_y), min(len(weight_y), height - first_y)):
                for m in range(max(0, -first_x), min(len(weight_x), width - first_x)):
                    _add_tap(taps[first_y + k, first_x + m], weight_y[k] * weight_x[m], nodata, total, weights)
            _finish(taps[row[i, j] - origin[0], col[i, j] - origin[1]], total, weights, numbers, line[j])
        for n in range(layers):
            out[n, i] = line[:, n]


@numba.njit(nogil=True, cache=True)
def _layers_last(values: np.ndarray) -> np.ndarray:
    """Copy of (layer, y, x) values as (y, x, layer)."""
    layers, height, width = values.shape
    out = np.empty((height, width, layers), values.dtype)
    for n in range(layers):
        for i in range(height):
            for j in range(width):
                out[i, j, n] = values[n, i, j]
    return out


@numba.njit(nogil=True, cache=True)
def _add_tap(values: np.ndarray, weight: float, nodata: float, total: np.ndarray, weights: np.ndarray) -> None:
    """Add one source pixel of all layers to the weighted sums, and its weight to the layers where it has data."""
    for n in range(len(values)):
        known = (values[n] != nodata) & (values[n] == values[n])
        total[n] += weight * values[n] if known else 0.0
        weights[n] += weight if known else 0.0


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _finish(nearest: np.ndarray, total: np.ndarray, weights: np.ndarray, numbers: np.ndarray, out: np.ndarray) -> None:
    """Write the results of one position from the sums of all layers; a nearest pixel without data is copied."""
    least = MIN_WEIGHT * numbers[0] * numbers[1]
    low, high, nodata, replacement, whole = numbers[2], numbers[3], numbers[4], numbers[5], numbers[7] != 0
    for n in range(len(out)):
        mean = total[n] / weights[n]
        mean = float(nearest[n]) if weights[n] < least else mean
        if whole:
            mean = np.trunc(min(max(mean, low), high) + np.copysign(0.5, mean))
        mean = replacement if mean == nodata else mean
        out[n] = mean if (nearest[n] != nodata) & (nearest[n] == nearest[n]) else nearest[n]
