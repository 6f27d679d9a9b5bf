"""Fixed-phase separable resampling between two axis-aligned grids of one CRS.

The grids may differ by any constant ratio and shift. The weights of an axis depend only on the position of the output
pixel, so values do not depend on the division into blocks.

Kernels: ``cubic`` is cubic convolution with a = -0.5 (Keys, 1981, IEEE Trans. ASSP 29(6), eq. 15),
``bilinear`` the triangle, ``nearest`` the pixel that contains the centre. For coarser output pixels, cubic and
bilinear are stretched by the ratio, which makes them low-pass filters, as in GDAL's RasterIO.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

KERNEL_RADIUS = {"cubic": 2.0, "bilinear": 1.0, "nearest": 0.0}
"""Half-width of each kernel, in pixels of the coarser grid."""

EXACT_IN_FLOAT32 = ("uint8", "int8", "uint16", "int16", "float32")
"""Types that can be resampled with float32 arithmetic."""

_EDGE_TOLERANCE = 1e-10
"""Tolerance in pixels: a centre this close below a pixel edge counts as on the edge, because ratios are rounded."""
MIN_WEIGHT = 0.25
"""Minimum sum of the remaining weights; below it a mean would amplify noise, and the nearest pixel is used."""


@dataclass(frozen=True)
class AxisTaps:
    """Source pixels and weights of each output pixel along one axis."""

    first: np.ndarray
    """(n_out,) int64: first source pixel."""
    weights: np.ndarray
    """(n_out, k) float32 for the source pixels ``first`` … ``first + k - 1``; each row sums to 1."""
    nearest: np.ndarray
    """(n_out,) int64: source pixel that contains the output centre; -1 outside the file."""

    def part(self, first: int, last: int) -> AxisTaps:
        """The taps of the output pixels at positions ``first`` … ``last - 1``."""
        return AxisTaps(self.first[first:last], self.weights[first:last], self.nearest[first:last])


def axis_taps(*, ratio: float, offset: float, out: tuple[int, int], size: int, kernel: str) -> AxisTaps:
    """Taps of one axis for the output pixels of the half-open range ``out``.

    The centre of output pixel i lies at ``(i + 0.5) * ratio + offset`` in source coordinates (pixel edges at
    integers); ``size`` is the number of source pixels in the file. Weights outside the file are dropped and
    the others renormalised. A centre outside the file gets the edge pixel. Raises ValueError for an unknown
    kernel or an empty file.
    """
    if kernel not in KERNEL_RADIUS:
        raise ValueError(f"unknown resampling kernel {kernel!r}; expected one of {', '.join(KERNEL_RADIUS)}")
    if size < 1 or ratio <= 0:
        raise ValueError(f"cannot resample {size} pixels by a ratio of {ratio}")
    centre = (np.arange(*out) + 0.5) * ratio + offset
    nearest = np.floor(centre + _EDGE_TOLERANCE).astype(np.int64)
    inside = (nearest >= 0) & (nearest < size)
    edge = np.clip(nearest, 0, size - 1)
    if kernel == "nearest":
        first, weights = edge, np.ones((len(edge), 1))
    else:
        first, weights = _kernel_taps(centre, max(ratio, 1.0), size, kernel)
        at = first[:, None] + np.arange(weights.shape[1])
        weights = np.where(inside[:, None], weights, at == edge[:, None])
        weights = weights / weights.sum(axis=1, keepdims=True)
    return AxisTaps(first, weights.astype(np.float32), np.where(inside, nearest, -1))


def _kernel_taps(centre: np.ndarray, scale: float, size: int, kernel: str) -> tuple[np.ndarray, np.ndarray]:
    """First taps and raw weights of a kernel stretched by ``scale``.

    An open interval of length 2r contains at most ceil(2r) pixel centres. Number and positions of the taps do not
    depend on the block, so sums always have the same terms in the same order.
    """
    reach = KERNEL_RADIUS[kernel] * scale
    count = min(math.ceil(round(2 * reach, 9)), size)
    first = np.clip(np.floor(centre - reach - 0.5).astype(np.int64) + 1, 0, size - count)
    distance = (first[:, None] + np.arange(count) + 0.5 - centre[:, None]) / scale
    return first, kernel_at(distance, kernel == "cubic")


@numba.vectorize(cache=True)
def kernel_at(t: float, cubic: bool) -> float:
    """Keys' cubic convolution kernel with a = -0.5 or the triangle, at distances ``t`` from its centre."""
    t = abs(t)
    if not cubic:
        return max(1.0 - t, 0.0)
    if t < 1.0:
        return (1.5 * t - 2.5) * t * t + 1.0
    if t < 2.0:
        return ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
    return 0.0


def source_range(taps: AxisTaps) -> tuple[int, int]:
    """Half-open range of source pixels to read; (0, 0) without output pixels."""
    if not len(taps.first):
        return 0, 0
    return int(taps.first.min()), int(taps.first.max()) + taps.weights.shape[1]


def resample(
    values: np.ndarray, rows: AxisTaps, cols: AxisTaps, *, origin: tuple[int, int], nodata: float | None
) -> np.ndarray:
    """``values`` (n, source y, source x) on the output grid: (n, y, x) of the same type.

    ``values`` is the window of the source that starts at pixel ``origin`` (row, column). Integers of at most
    16 bits are rounded half away from zero and clipped to their type; float32 is not rounded. With ``nodata``, pixels
    without data (and NaN) are excluded and the other weights renormalised (normalised convolution, Knutsson & Westin,
    1993). The result is ``nodata`` where the nearest source pixel has no data or the centre is outside the file.
    Elsewhere it is never ``nodata``: a result equal to it is replaced by the next value. Without ``nodata``, NaN
    propagates, and a centre outside gets the edge pixel.

    Raises ValueError if the window lacks a required pixel, or if the type is unsupported or cannot represent
    ``nodata``.
    """
    _check(values, rows, cols, origin, nodata)
    out = np.empty((len(values), len(rows.first), len(cols.first)), values.dtype)
    if out.size:
        limits = np.array([*_range(values.dtype), *_marker(values.dtype, nodata)], np.float32)
        y, x = _axis(rows, origin[0]), _axis(cols, origin[1])
        _filter(values, y, x, limits, out)
        if nodata is not None:
            _recompute_near_nodata(values, y, x, limits, out)
    return out


def _axis(taps: AxisTaps, origin: int) -> _Axis:
    """First tap, weights (k, n_out) and nearest pixel (-1 outside), counted from the start of the window."""
    nearest = np.where(taps.nearest < 0, -1, taps.nearest - origin)
    return (taps.first - origin).astype(np.uint32), np.ascontiguousarray(taps.weights.T), nearest


def _range(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Minimum and maximum of an integer type; (0, 0), meaning no limits, for float32."""
    return (0, 0) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)


def _marker(dtype: np.dtype[Any], nodata: float | None) -> tuple[float, float]:
    """The nodata value, and the value that replaces results equal to it; both NaN without nodata."""
    if nodata is None or math.isnan(nodata):
        return math.nan, math.nan
    if dtype.kind == "f":
        return nodata, float(np.nextafter(np.float32(nodata), np.float32(np.inf)))
    return nodata, nodata - 1 if nodata == _range(dtype)[1] else nodata + 1


def _check(values: np.ndarray, rows: AxisTaps, cols: AxisTaps, origin: tuple[int, int], nodata: float | None) -> None:
    """Raise ValueError for an unsupported type, an unrepresentable nodata value, or a window that is too small."""
    if values.dtype.name not in EXACT_IN_FLOAT32:
        raise ValueError(f"cannot resample {values.dtype}; expected one of {', '.join(EXACT_IN_FLOAT32)}")
    if nodata is not None and values.dtype.kind != "f":
        low, high = _range(values.dtype)
        if not (low <= nodata <= high and float(nodata).is_integer()):
            raise ValueError(f"type {values.dtype} cannot represent the nodata value {nodata}")
    for axis, taps, start, length in zip("yx", (rows, cols), origin, values.shape[1:], strict=True):
        low, high = source_range(taps)
        if low < high and not start <= low < high <= start + length:
            raise ValueError(
                f"{axis}: pixels {low} to {high} are needed, but the window has {start} to {start + length}"
            )


_Axis = tuple[np.ndarray, np.ndarray, np.ndarray]


@numba.njit(nogil=True, cache=True)
def _filter(values: np.ndarray, y: _Axis, x: _Axis, limits: np.ndarray, out: np.ndarray) -> None:
    """Filter rows, then columns, of every layer; a ring buffer contains the filtered rows of one output row."""
    y_first, y_weights, _ = y
    taps, width = len(y_weights), out.shape[2]
    ring = np.empty((taps, width), np.float32)
    source = np.empty(values.shape[2], np.float32)
    total = np.empty(width, np.float32)
    for layer in range(len(values)):
        done = np.int64(0)
        for i in range(out.shape[1]):
            first = np.int64(y_first[i])
            for row in range(max(done, first), first + taps):
                source[:] = values[layer, row]
                _filter_row(source, x, ring[row % taps])
            done = first + taps
            _combine(ring, first, y_weights[:, i], total)
            _store(total, limits, out[layer, i])


@numba.njit(nogil=True, cache=True)
def _filter_row(source: np.ndarray, x: _Axis, out: np.ndarray) -> None:
    """Resample one source row to the output columns."""
    first, weights, _ = x
    for j in range(len(out)):
        out[j] = weights[0, j] * source[first[j]]
    for k in range(1, len(weights)):
        for j in range(len(out)):
            out[j] += weights[k, j] * source[first[j] + np.uint32(k)]


@numba.njit(nogil=True, cache=True)
def _combine(ring: np.ndarray, first: np.int64, weights: np.ndarray, total: np.ndarray) -> None:
    """Weighted sum of the rows ``first``, ``first + 1`` … in the ring buffer."""
    for k in range(len(weights)):
        row, weight = ring[(first + k) % len(ring)], weights[k]
        if k == 0:
            for j in range(len(total)):
                total[j] = weight * row[j]
        else:
            for j in range(len(total)):
                total[j] += weight * row[j]


@numba.njit(nogil=True, cache=True)
def _store(total: np.ndarray, limits: np.ndarray, out: np.ndarray) -> None:
    """Round half away from zero and clip (integers), replace values equal to nodata, write."""
    low, high, nodata, replacement = limits
    if low < high:
        for j in range(len(total)):
            total[j] = np.trunc(min(max(total[j], low), high) + np.copysign(np.float32(0.5), total[j]))
    for j in range(len(total)):
        out[j] = replacement if total[j] == nodata else total[j]


@numba.njit(nogil=True, cache=True)
def _recompute_near_nodata(values: np.ndarray, y: _Axis, x: _Axis, limits: np.ndarray, out: np.ndarray) -> None:
    """Recompute output pixels that depend on a source pixel without data or are outside the file."""
    nodata = limits[2]
    outside = y[2].min() < 0 or x[2].min() < 0
    missing = np.empty(values.shape[1:], np.bool_)
    one = np.empty(1, np.float32)
    for layer in range(len(values)):
        if not _find_missing(values[layer], nodata, missing) and not outside:
            continue
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                near_y, near_x = y[2][i], x[2][j]
                if near_y < 0 or near_x < 0 or missing[near_y, near_x]:
                    out[layer, i, j] = nodata
                elif _depends_on_missing(missing, y, x, i, j):
                    one[0] = _known_mean(values[layer], missing, y, x, (i, j))
                    _store(one, limits, out[layer, i, j : j + 1])


@numba.njit(nogil=True, cache=True)
def _find_missing(values: np.ndarray, nodata: float, missing: np.ndarray) -> bool:
    """Mark pixels without data; returns whether there are any."""
    count = 0
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            value = np.float32(values[i, j])
            absent = (value == nodata) | np.isnan(value)
            missing[i, j] = absent
            count += absent
    return count > 0


@numba.njit(nogil=True, cache=True)
def _depends_on_missing(missing: np.ndarray, y: _Axis, x: _Axis, i: int, j: int) -> bool:
    """Whether a tap of output pixel (i, j) has no data."""
    for k in range(len(y[1])):
        for m in range(len(x[1])):
            if missing[y[0][i] + k, x[0][j] + m]:
                return True
    return False


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _known_mean(values: np.ndarray, missing: np.ndarray, y: _Axis, x: _Axis, at: tuple[int, int]) -> float:
    """Weighted mean of the taps with data; the nearest pixel if their weight is below ``MIN_WEIGHT``."""
    i, j = at
    total, weights = 0.0, 0.0
    for k in range(len(y[1])):
        for m in range(len(x[1])):
            if not missing[y[0][i] + k, x[0][j] + m]:
                weight = y[1][k, i] * x[1][m, j]
                weights += weight
                total += weight * values[y[0][i] + k, x[0][j] + m]
    if weights < MIN_WEIGHT:
        return float(values[y[2][i], x[2][j]])
    return total / weights
