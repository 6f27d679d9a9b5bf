"""Resampling from another projection, compared with the definition of the kernels pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.compute.placement import WarpedPlacement, placement
from iota2.compute.resample import MIN_WEIGHT

GRID = GeoBox((9, 11), Affine(10, 0, 450000, 0, -10, 4950000), "EPSG:32631")
ROWS, COLS = (2, 8), (1, 10)
NODATA = -10000


def source(pixel: int) -> GeoBox:
    """A grid of the UTM zone next to that of ``GRID``, which covers a part of it."""
    left, top, height, width = -25400, 4971300, 180, 120
    return GeoBox((height // pixel, width // pixel), Affine(pixel, 0, left, 0, -pixel, top), "EPSG:32632")


def cubic(t: float) -> float:
    """Keys' kernel with a = -0.5 (1981)."""
    t = abs(t)
    return 1.5 * t**3 - 2.5 * t**2 + 1 if t < 1 else (-0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0)


def linear(t: float) -> float:
    return max(0.0, 1 - abs(t))


def by_the_rule(layer: np.ndarray, y: float, x: float, place: WarpedPlacement) -> float:
    """The value of one pixel of one layer, from the definition of the kernel."""
    row, col = math.floor(y), math.floor(x)
    if not (0 <= row < layer.shape[0] and 0 <= col < layer.shape[1]):
        return NODATA
    if layer[row, col] == NODATA:
        return NODATA
    kernel = cubic if place.kernel == "cubic" else linear
    total = weights = 0.0
    for (k, m), value in np.ndenumerate(layer):
        if value != NODATA:
            weight = kernel((k + 0.5 - y) / place.scale[0]) * kernel((m + 0.5 - x) / place.scale[1])
            total, weights = total + weight * value, weights + weight
    least = MIN_WEIGHT * place.scale[0] * place.scale[1]
    return float(layer[row, col]) if weights < least else total / weights


@pytest.mark.parametrize("kind", [np.int16, np.float32])
@pytest.mark.parametrize("kernel", ["cubic", "bilinear"])
@pytest.mark.parametrize("pixel", [10, 30, 5])
def test_each_layer_equals_the_interpolation_by_definition(pixel: int, kernel: str, kind: type) -> None:
    grid = source(pixel)
    place = placement(grid, GRID, ROWS, COLS, kernel)
    assert isinstance(place, WarpedPlacement)
    rng = np.random.default_rng(pixel)
    whole = rng.integers(1, 9000, (4, *grid.shape)).astype(kind)
    whole[1][rng.random(grid.shape) < 0.3] = NODATA
    whole[2] = NODATA
    (top, bottom), (left, right) = place.window
    found = place.resample(whole[:, top:bottom, left:right], NODATA)
    expected = np.array(
        [[[by_the_rule(layer, y, x, place) for y, x in zip(*line, strict=True)]
          for line in zip(place.y, place.x, strict=True)] for layer in whole]
    )  # fmt: skip
    assert found.dtype == kind
    np.testing.assert_allclose(found, expected, atol=0.51 if kind is np.int16 else 0.01)
    outside = found[0] == NODATA
    assert 0 < np.count_nonzero(outside) < outside.size
    assert np.count_nonzero(found[1] == NODATA) > np.count_nonzero(outside)
    assert (found[2] == NODATA).all()
