"""Weights of the models of regions near the borders of the regions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

WEIGHT_SCALE = 1000
"""Value of the weight 1 in rasters of weights."""
_FAR = 2**30
"""Number of rows to a pixel on the other side of the border, in a column without one."""


@dataclass(frozen=True)
class Blending:
    """Widths in metres of the blending at borders of regions, and the minimum weight of a model that is used."""

    interior: float
    """Distance from the border, inside a region, from which the weight of its model is 1."""
    exterior: float
    """Distance from the border, outside a region, up to which its model is used."""
    epsilon: float = 0.0

    @property
    def reach(self) -> float:
        """Distance in metres from the border beyond which weights are constant."""
        return max(self.interior, self.exterior)

    def halo(self, size: tuple[float, float]) -> tuple[int, int]:
        """Rows and columns around a block that its weights depend on; ``size``: smallest pixel (x, y) in metres."""
        across, down = (math.ceil(self.reach / side + 0.5) for side in size)
        return down, across


def signed_distances(inside: np.ndarray, size: tuple[float | np.ndarray, float], reach: float) -> np.ndarray:
    """Distance (y, x) float64 from the centre of each pixel to the border of a region, negative inside the region.

    ``inside``: (y, x) bool, the pixels of the region. ``size``: pixel size (x, y), in the unit of the result. The width
    may be that of each row, (y,): it applies to the distances of the pixels of this row. The border consists of the
    edges between pixels inside and outside, and the distance is Euclidean and exact: that of the first pixel on each
    side is half a pixel, -side / 2 inside and side / 2 outside. Distances above ``reach`` are infinite, and so are all
    distances without a border. The limits of the array are no border. The distance of a pixel depends on the pixels
    within ``reach`` only, so that a block with the halo of ``Blending.halo`` has the same values as the whole raster.
    """
    distances = np.empty(inside.shape)
    widths = np.ascontiguousarray(np.broadcast_to(np.asarray(size[0], np.float64), inside.shape[:1]))
    _fill_distances(np.ascontiguousarray(inside, bool), widths, float(size[1]), float(reach), distances)
    return np.where(inside, -distances, distances)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _fill_distances(inside: np.ndarray, widths: np.ndarray, height: float, reach: float, out: np.ndarray) -> None:
    """Fill ``out`` with the distance to the nearest pixel, as a rectangle, on the other side; infinity beyond.

    Two passes as in Meijster, Roerdink & Hesselink (2000): along columns, then along rows.
    """
    rows, cols = inside.shape
    steps = _rows_to_other_side(inside)
    for i in range(rows):
        width = widths[i]
        gap = _columns_to_border(inside[i], steps[i], reach / height + 1.5)
        for j in range(cols):
            best = ((steps[i, j] - 0.5) * height) ** 2
            for k in range(max(1, gap[j]), cols):
                across = (k - 0.5) * width
                if across > reach or across**2 >= best:
                    break
                for other in (j - k, j + k):
                    if 0 <= other < cols:
                        down = 0.0 if inside[i, other] != inside[i, j] else (steps[i, other] - 0.5) * height
                        best = min(best, across**2 + down**2)
            out[i, j] = np.sqrt(best) if best <= reach**2 else np.inf


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _columns_to_border(inside: np.ndarray, steps: np.ndarray, furthest: float) -> np.ndarray:
    """(x,) int32: number of columns in a row to the nearest one with a border beside it, or at most ``furthest`` rows
    above or below it. Nearer columns give no distance within reach."""
    cols = len(inside)
    gap = np.full(cols, _FAR, np.int32)
    for j in range(cols):
        beside = (j > 0 and inside[j] != inside[j - 1]) or (j < cols - 1 and inside[j] != inside[j + 1])
        gap[j] = 0 if beside or steps[j] <= furthest else (min(gap[j - 1] + 1, _FAR) if j > 0 else _FAR)
    for j in range(cols - 2, -1, -1):
        gap[j] = min(gap[j], gap[j + 1] + 1)
    return gap


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _rows_to_other_side(inside: np.ndarray) -> np.ndarray:
    """(y, x) int32: number of rows to the nearest pixel of the same column on the other side of the border."""
    rows, cols = inside.shape
    steps = np.full((rows, cols), _FAR, np.int32)
    for i in range(1, rows):
        for j in range(cols):
            steps[i, j] = 1 if inside[i, j] != inside[i - 1, j] else min(steps[i - 1, j] + 1, _FAR)
    for i in range(rows - 2, -1, -1):
        for j in range(cols):
            steps[i, j] = min(steps[i, j], 1 if inside[i, j] != inside[i + 1, j] else steps[i + 1, j] + 1)
    return steps


def weights(distances: np.ndarray, blending: Blending) -> np.ndarray:
    """Weights (y, x) float64 of a region's model, 0 to 1, from ``signed_distances``; 0 where the model is not used.

    The weight decreases linearly from 1 at the interior width to ``epsilon`` at the exterior width. It is not
    normalised: the weights of all regions at a pixel are divided by their sum when they are used.
    """
    share = (blending.exterior - distances) / (blending.interior + blending.exterior)
    return np.where(distances <= blending.exterior, np.clip(share, blending.epsilon, 1.0), 0.0)


def scaled_weights(inside: np.ndarray, size: tuple[float | np.ndarray, float], blending: Blending) -> np.ndarray:
    """Weights × 1000 (y, x) uint16 of a region's model; 0 where it is not used, and at least 1 elsewhere.

    Arguments as for ``signed_distances``; values next to the limits of the array require ``Blending.halo``.
    """
    if inside.all() or not inside.any():
        return np.where(inside, WEIGHT_SCALE, 0).astype(np.uint16)
    share = weights(signed_distances(inside, size, blending.reach), blending)
    return np.where(share > 0, np.maximum(np.rint(share * WEIGHT_SCALE), 1), 0).astype(np.uint16)
