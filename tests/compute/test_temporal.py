from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iota2.compute.temporal import CHUNK_PIXELS, gapfill


def series(
    seed: int, times: int, bands: int, space: tuple[int, int], share: float, *, dtype: str = "int16"
) -> tuple[np.ndarray, np.ndarray]:
    """Random values and their validity; invalid values are extreme."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-500, 12000, (times, bands, *space)).astype(dtype)
    valid = rng.random((times, *space)) < share
    trap = -10000 if dtype == "int16" else np.nan
    return np.where(valid[:, None], values, trap).astype(dtype), valid


def slow(values: np.ndarray, valid: np.ndarray, days: np.ndarray, out_days: np.ndarray) -> np.ndarray:
    """``numpy.interp`` of the means of the valid values of each day, pixel by pixel."""
    _, bands, height, width = values.shape
    out = np.zeros((len(out_days), bands, height, width))
    for y, x in np.ndindex(height, width):
        ok = valid[:, y, x]
        if ok.any():
            known = np.unique(days[ok])
            for b in range(bands):
                means = [values[ok & (days == day), b, y, x].mean(dtype=float) for day in known]
                out[:, b, y, x] = np.interp(out_days, known, means)
    return out


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(736000, 736060), max_size=9).map(sorted),
    st.lists(st.integers(735990, 736070), min_size=1, max_size=6),
    st.floats(0, 1),
    st.sampled_from(["int16", "float32"]),
    st.integers(0, 999),
)
def test_result_equals_numpy_interp_on_the_valid_dates(
    days: list[int], out_days: list[int], share: float, dtype: str, seed: int
) -> None:
    values, valid = series(seed, len(days), 2, (3, 4), share, dtype=dtype)
    out = gapfill(values, valid, np.array(days), np.array(out_days))
    assert out.dtype == np.float32
    assert np.allclose(out, slow(values, valid, np.array(days), np.array(out_days)), rtol=0, atol=5e-3)


def test_a_valid_date_keeps_its_value_exactly_and_the_ends_are_constant() -> None:
    values = np.array([100, 7, 200, 9, 333], "int16").reshape(5, 1, 1, 1)
    valid = np.array([False, True, False, True, False]).reshape(5, 1, 1)
    out = gapfill(values, valid, np.array([1, 5, 6, 9, 20]), np.array([0, 1, 5, 7, 9, 20, 99]))
    assert out.ravel().tolist() == [7, 7, 7, 8, 9, 9, 9]


def test_no_valid_date_gives_zero() -> None:
    values, valid = series(0, 4, 2, (2, 2), 1.0, dtype="float32")
    values[:, :, 0, 1], valid[:, 0, 1] = np.nan, False
    out = gapfill(values, valid, np.arange(4), np.array([0, 2, 9]))
    assert (out[:, :, 0, 1] == 0).all()
    assert (out[:, :, 1, 1] != 0).all()


def test_two_products_of_one_day_give_their_mean_in_any_order() -> None:
    values = np.array([10, 20, 40, 60], "int16").reshape(4, 1, 1, 1)
    days, out_days = np.array([1, 3, 3, 5]), np.array([2, 3, 4])
    valid = np.ones((4, 1, 1), bool)
    assert gapfill(values, valid, days, out_days).ravel().tolist() == [20, 30, 45]
    assert gapfill(values[[0, 2, 1, 3]], valid, days, out_days).ravel().tolist() == [20, 30, 45]
    valid[1] = False
    assert gapfill(values, valid, days, out_days).ravel().tolist() == [25, 40, 50]


def test_interpolation_crosses_a_leap_day() -> None:
    days = np.array([date(2020, 2, 28).toordinal(), date(2020, 3, 1).toordinal()])
    values = np.array([0, 100], "int16").reshape(2, 1, 1, 1)
    leap = np.array([date(2020, 2, 29).toordinal()])
    assert gapfill(values, np.ones((2, 1, 1), bool), days, leap).item() == 50


def test_a_single_date_and_no_date() -> None:
    one = gapfill(np.full((1, 1, 2, 2), 8, "int16"), np.ones((1, 2, 2), bool), np.array([5]), np.array([1, 5, 9]))
    assert (one == 8).all()
    none = np.zeros((0, 3, 2, 2), "int16")
    out = gapfill(none, np.zeros((0, 2, 2), bool), np.array([], int), np.array([1, 5]))
    assert out.shape == (2, 3, 2, 2)
    assert (out == 0).all()


@pytest.mark.parametrize("space", [(0, 5), (4, 0)])
def test_an_empty_block_stays_empty(space: tuple[int, int]) -> None:
    values, valid = series(0, 3, 2, space, 0.5)
    assert gapfill(values, valid, np.arange(3), np.arange(4)).shape == (4, 2, *space)
    filled = series(0, 3, 2, (2, 2), 0.5)
    assert gapfill(*filled, np.arange(3), np.array([], int)).shape == (0, 2, 2, 2)


def test_chunks_do_not_change_the_result() -> None:
    values, valid = series(3, 6, 2, (3, CHUNK_PIXELS - 7), 0.3)
    days, out_days = np.array([1, 4, 4, 8, 9, 30]), np.arange(0, 40, 7)
    whole = gapfill(values, valid, days, out_days)
    assert np.allclose(whole[..., ::97], slow(values[..., ::97], valid[..., ::97], days, out_days), atol=5e-3)
    part = gapfill(values[:, :, 1:, 5:900], valid[:, 1:, 5:900], days, out_days)
    assert np.array_equal(part, whole[:, :, 1:, 5:900])


def test_output_may_be_a_view_of_a_larger_array() -> None:
    values, valid = series(5, 6, 2, (3, 4), 0.6)
    days, out_days = np.arange(6), np.array([1, 3, 8])
    expected = gapfill(values, valid, days, out_days)
    large = np.full((5, 4, 3, 4), 77, np.float32)
    part = large[1:4, ::2]
    assert gapfill(values, valid, days, out_days, out=part) is part
    assert np.array_equal(large[1:4, ::2], expected)
    assert (large[0] == 77).all()
    assert (large[:, 1::2] == 77).all()


def test_inconsistent_arguments_are_rejected() -> None:
    values, valid = series(0, 3, 1, (2, 2), 1.0)
    with pytest.raises(ValueError, match="must ascend"):
        gapfill(values, valid, np.array([1, 3, 2]), np.array([1]))
    with pytest.raises(ValueError, match="inconsistent: values"):
        gapfill(values, valid[:2], np.arange(3), np.array([1]))
    with pytest.raises(ValueError, match="inconsistent: values"):
        gapfill(values, valid.astype("uint8"), np.arange(3), np.array([1]))
    with pytest.raises(ValueError, match="expected"):
        gapfill(values, valid, np.arange(3), np.array([1]), out=np.zeros((1, 1, 2, 2)))
    with pytest.raises(ValueError, match="not contiguous"):
        gapfill(values, valid, np.arange(3), np.array([1]), out=np.zeros((1, 1, 2, 4), np.float32)[..., :2])
