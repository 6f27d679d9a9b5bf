"""Codes of features: bins between quantiles, limits that divide values exactly as codes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from iota2.compute import binning
from iota2.compute.binning import BINS, bin_features
from iota2.core.recipe import MISSING

values = arrays(
    np.float32,
    st.tuples(st.integers(1, 40), st.integers(1, 4)),
    elements=st.one_of(
        st.sampled_from([MISSING, 0.0, 1.0]),
        st.floats(allow_nan=False, allow_infinity=False, width=32),
        st.integers(0, 12).map(float),
    ),
)


def ramp(samples: int, features: int = 1) -> np.ndarray:
    """Distinct values in random order."""
    rng = np.random.default_rng(0)
    return np.stack([rng.permutation(samples) for _ in range(features)], axis=1).astype(np.float32)


@settings(max_examples=200, deadline=None)
@given(values)
def test_codes_and_limits_divide_values_identically(x: np.ndarray) -> None:
    found = bin_features(x)
    for limits, codes, column in zip(found.cuts, found.codes, x.T, strict=True):
        np.testing.assert_array_equal(codes, (column[:, None] > limits).sum(axis=1))
        assert (np.diff(limits[np.isfinite(limits)]) > 0).all()


@settings(max_examples=200, deadline=None)
@given(values)
def test_few_distinct_values_have_a_bin_each_with_limits_in_the_middle(x: np.ndarray) -> None:
    found = bin_features(x)
    for limits, centres, codes, column in zip(found.cuts, found.centres, found.codes, x.T, strict=True):
        distinct = np.unique(column)
        np.testing.assert_array_equal(codes, np.searchsorted(distinct, column))
        np.testing.assert_array_equal(centres[: len(distinct)], distinct)
        low, high = distinct[:-1], distinct[1:]
        middle = ((low.astype(np.float64) + high) / 2).astype(np.float32)
        np.testing.assert_array_equal(limits[: len(low)], np.where(middle < high, middle, low))
        assert np.isinf(limits[len(low) :]).all()


def test_many_distinct_values_are_divided_equally() -> None:
    found = bin_features(ramp(10_000))
    counts = np.bincount(found.codes[0], minlength=BINS)
    assert (counts.min(), counts.max()) == (39, 40)


def test_frequent_values_and_the_missing_value_have_their_own_bin() -> None:
    x = ramp(20_000)
    x[:6000] = 7777.25
    x[6000:16_000] = MISSING
    x[16_000] = MISSING - 1
    codes = bin_features(x).codes[0]
    for value in (7777.25, MISSING):
        alone = x[codes == codes[np.flatnonzero(x[:, 0] == value)[0]], 0]
        assert (alone == value).all()
    assert len(np.unique(codes)) == BINS, "frequent values leave the other bins to the other values"


def test_a_rare_missing_value_has_its_own_bin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binning, "QUANTILE_SAMPLES", 100)
    x = ramp(5000)
    x[1] = MISSING
    codes = bin_features(x).codes[0]
    assert np.flatnonzero(codes == codes[1]).tolist() == [1]
    counts = np.bincount(codes)
    assert len(counts) == 100, "of the chosen samples, all are distinct"


def test_the_highest_code_is_reached() -> None:
    assert bin_features(ramp(256)).codes.max() == 255


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_do_not_change_the_result(threads: int) -> None:
    x = ramp(3000, 50)
    one, many = bin_features(x), bin_features(x, threads=threads)
    for name in ("codes", "cuts", "centres"):
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name))


def test_the_order_of_memory_does_not_change_the_result() -> None:
    x = ramp(300, 5)
    np.testing.assert_array_equal(bin_features(np.asfortranarray(x)).codes, bin_features(x).codes)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_rejected(value: float) -> None:
    x = ramp(300, 20)
    x[250, 18] = value
    with pytest.raises(ValueError, match="features 16 to 19 contain values that are not finite"):
        bin_features(x)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,)])
def test_without_values_there_are_no_bins(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        bin_features(np.zeros(shape, np.float32))
