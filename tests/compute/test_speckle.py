from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iota2.compute.speckle import multitemporal_filter

LOOKS = 4.4


def series(seed: int, times: int, bands: int, space: tuple[int, int], share: float) -> tuple[np.ndarray, np.ndarray]:
    """Random intensities and their validity; invalid values are NaN or extreme."""
    rng = np.random.default_rng(seed)
    values = rng.gamma(LOOKS, 0.02, (times, bands, *space)).astype(np.float32)
    valid = rng.random((times, *space)) < share
    trap = np.where(rng.random(valid.shape) < 0.5, np.nan, 1e6)
    return np.where(valid[:, None], values, trap[:, None]).astype(np.float32), valid


def slow(values: np.ndarray, valid: np.ndarray, radius: int) -> np.ndarray:
    """The filter pixel by pixel, in double precision."""
    out = values.astype(float)
    times, bands, height, width = values.shape
    for band, y, x in np.ndindex(bands, height, width):
        window = np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
        means = {t: values[t, band][window][valid[t][window]].mean(dtype=float) for t in range(times) if valid[t, y, x]}
        means = {t: mean for t, mean in means.items() if mean > 0}
        for t, mean in means.items():
            out[t, band, y, x] = mean * np.mean([float(values[i, band, y, x]) / means[i] for i in means])
    return out


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 5), st.integers(1, 7), st.integers(1, 9), st.integers(1, 4), st.floats(0, 1))
def test_result_equals_the_slow_filter(times: int, height: int, width: int, radius: int, share: float) -> None:
    values, valid = series(times + 10 * radius, times, 2, (height, width), share)
    np.testing.assert_allclose(multitemporal_filter(values, valid, radius), slow(values, valid, radius), rtol=2e-5)


def test_invalid_values_are_unchanged_and_excluded() -> None:
    values, valid = series(1, 6, 2, (20, 24), 0.7)
    filtered = multitemporal_filter(values, valid, 2)
    hidden = np.broadcast_to(~valid[:, None], values.shape)
    np.testing.assert_array_equal(filtered[hidden], values[hidden])
    others = np.where(hidden, np.float32(7.0), values)
    np.testing.assert_array_equal(multitemporal_filter(others, valid, 2)[~hidden], filtered[~hidden])


def test_without_valid_pixels_nothing_changes() -> None:
    values, valid = series(2, 3, 2, (5, 6), 0.0)
    np.testing.assert_array_equal(multitemporal_filter(values, valid, 2), values)


def test_a_single_date_does_not_change() -> None:
    values, valid = series(3, 1, 2, (30, 30), 0.9)
    np.testing.assert_allclose(multitemporal_filter(values, valid, 3), values, rtol=1e-5)


def test_zero_intensities_stay_zero() -> None:
    values = np.zeros((4, 1, 9, 9), np.float32)
    assert not multitemporal_filter(values, np.ones((4, 9, 9), bool), 2).any()


@pytest.mark.parametrize("dates", [5, 30])
def test_speckle_reduction_agrees_with_theory(dates: int) -> None:
    # To first order, with windows of W pixels, M dates and L looks, the squared coefficient of variation of a
    # homogeneous area is (1 / W + (1 - 1 / W) / M) / L: that of the local mean, and that of the mean of M ratios.
    rng = np.random.default_rng(4)
    levels = rng.uniform(0.02, 0.2, dates)[:, None, None, None]
    values = (levels * rng.gamma(LOOKS, 1 / LOOKS, (dates, 1, 200, 200))).astype(np.float32)
    filtered = multitemporal_filter(values, np.ones((dates, 200, 200), bool), 2)[:, 0, 2:-2, 2:-2]
    variation = filtered.std(axis=(1, 2)) / filtered.mean(axis=(1, 2))
    np.testing.assert_allclose(variation, np.sqrt((1 / 25 + (1 - 1 / 25) / dates) / LOOKS), rtol=0.1)
    np.testing.assert_allclose(filtered.mean(axis=(1, 2)), levels[:, 0, 0, 0], rtol=0.02)


def test_edges_between_fields_are_kept() -> None:
    # A bright field next to a dark one on all dates: a 5 x 5 mean would blur the edge over four pixels. The ratios to
    # the local means preserve it.
    rng = np.random.default_rng(5)
    level = np.where(np.arange(100) < 50, 0.02, 0.2)
    values = (level * rng.gamma(LOOKS, 1 / LOOKS, (40, 1, 100, 100))).astype(np.float32)
    filtered = multitemporal_filter(values, np.ones((40, 100, 100), bool), 2)[:, 0]
    np.testing.assert_allclose(filtered.mean(axis=(0, 1)), level, rtol=0.1)


def test_a_change_on_one_date_does_not_affect_other_dates() -> None:
    rng = np.random.default_rng(6)
    values = (0.05 * rng.gamma(LOOKS, 1 / LOOKS, (20, 1, 60, 60))).astype(np.float32)
    values[7, 0, 20:40, 20:40] *= 10.0
    filtered = multitemporal_filter(values, np.ones((20, 60, 60), bool), 2)[:, 0, 24:36, 24:36].mean(axis=(1, 2))
    assert filtered[7] == pytest.approx(0.5, rel=0.1)
    np.testing.assert_allclose(np.delete(filtered, 7), 0.05, rtol=0.1)


@pytest.mark.parametrize("part", [np.s_[10:17, 5:40], np.s_[0:3, 0:9], np.s_[22:30, 30:41]])
def test_a_block_with_its_margin_gives_the_same_bytes(part: tuple[slice, slice]) -> None:
    values, valid = series(7, 12, 2, (30, 41), 0.85)
    radius, (rows, cols) = 3, part
    top, left = max(0, rows.start - radius), max(0, cols.start - radius)
    around = np.s_[..., top : rows.stop + radius, left : cols.stop + radius]
    filtered = multitemporal_filter(values[around], valid[around], radius)
    height, width = rows.stop - rows.start, cols.stop - cols.start
    inner = filtered[..., rows.start - top :, cols.start - left :][..., :height, :width]
    whole = multitemporal_filter(values, valid, radius)[..., rows, cols]
    assert np.ascontiguousarray(inner).tobytes() == np.ascontiguousarray(whole).tobytes()
