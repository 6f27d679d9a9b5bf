"""Statistics of rasters against NumPy, for any blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iota2.compute.band_statistics import CELL, BandStatistics, RasterStatistics

NODATA = -10000.0


def raster(seed: int, shape: tuple[int, int], missing: float) -> np.ndarray:
    """Three bands, the last with an offset that is large compared with its spread."""
    random = np.random.default_rng(seed)
    values = random.normal([[[0.0]], [[500.0]], [[1e6]]], [[[1.0]], [[300.0]], [[0.5]]], (3, *shape))
    values[random.random(values.shape) < missing] = NODATA
    return values.astype(np.float32)


def by_blocks(values: np.ndarray, shape: tuple[int, int]) -> BandStatistics:
    found = RasterStatistics(len(values), NODATA)
    for top in range(0, values.shape[1], shape[0]):
        for left in range(0, values.shape[2], shape[1]):
            found.add(top, left, values[:, top : top + shape[0], left : left + shape[1]])
    return found.result()


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 99), st.tuples(st.integers(1, 300), st.integers(1, 300)), st.sampled_from([0.0, 0.3, 0.999]),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
)  # fmt: skip
def test_statistics_equal_those_of_numpy_and_do_not_depend_on_blocks(
    seed: int, shape: tuple[int, int], missing: float, cells: tuple[int, int]
) -> None:
    values = raster(seed, shape, missing)
    found, whole = by_blocks(values, (CELL * cells[0], CELL * cells[1])), by_blocks(values, (CELL * 8, CELL * 8))
    for name in ("count", "minimum", "maximum", "mean", "squares"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name), name)
    for k, band in enumerate(values.astype(np.float64)):
        valid = band[band != NODATA]
        assert found.count[k] == len(valid)
        if not len(valid):
            assert np.isnan([found.minimum[k], found.maximum[k], found.mean[k], found.std[k]]).all()
            continue
        assert (found.minimum[k], found.maximum[k]) == (valid.min(), valid.max())
        assert found.mean[k] == pytest.approx(valid.mean(), rel=1e-12)
        assert found.std[k] == pytest.approx(valid.std(), rel=1e-9, abs=1e-9)


def test_nan_does_not_count() -> None:
    found = RasterStatistics(1, NODATA)
    found.add(0, 0, np.array([[[1.0, np.nan, 3.0]]], np.float32))
    assert (found.result().count[0], found.result().mean[0], found.result().maximum[0]) == (2, 2.0, 3.0)


def test_integers_are_counted_like_floats() -> None:
    values = raster(3, (70, 90), 0.2).round()[:2]
    ints, floats = by_blocks(values.astype(np.int16), (64, 64)), by_blocks(values, (64, 64))
    np.testing.assert_array_equal(ints.mean, floats.mean)
    np.testing.assert_array_equal(ints.std, floats.std)


def test_blocks_beside_the_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="expected multiples of 64"):
        RasterStatistics(1, NODATA).add(0, 32, np.zeros((1, 4, 4), np.float32))
