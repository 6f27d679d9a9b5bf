from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from iota2.compute.temporal_features import CHUNK_PIXELS, _merge_exchange, temporal_features
from iota2.core.recipe import MISSING, QUANTILES, STATISTIC_NAMES

Features = tuple[np.ndarray, np.ndarray]


def computed(series: np.ndarray, usable: np.ndarray | None = None) -> Features:
    """Differences and statistics of series (series, date, pixel)."""
    count, dates, pixels = series.shape
    differences = np.full((count, max(dates - 1, 0), pixels), 77, np.float32)
    statistics = np.full((count, len(STATISTIC_NAMES), pixels), 77, np.float32)
    rows = np.arange(count * dates).reshape(count, dates)
    temporal_features(series.reshape(count * dates, pixels), rows, differences, statistics, usable=usable)
    return differences, statistics


def slow(series: np.ndarray, usable: np.ndarray) -> Features:
    """The same by NumPy, series by series and pixel by pixel."""
    count, dates, pixels = series.shape
    differences = np.full((count, max(dates - 1, 0), pixels), MISSING, np.float32)
    statistics = np.full((count, len(STATISTIC_NAMES), pixels), MISSING, np.float32)
    for s, p in itertools.product(range(count), range(pixels)):
        one = series[s, :, p]
        at = np.flatnonzero(np.isfinite(one) & (one != MISSING) & usable[:, p])
        known = one[at]
        steps = np.diff(known)
        differences[s, at[1:] - 1, p] = steps
        if len(known):
            spread = (max(steps), min(steps)) if len(steps) else (MISSING, MISSING)
            places = at[known.argmax()] + 1, at[known.argmin()] + 1
            quantiles = np.quantile(known.astype(float), list(QUANTILES.values()))
            statistics[s, :, p] = *quantiles, known.mean(dtype=float), known.std(dtype=float), *places, *spread
    return differences, statistics


@settings(deadline=None, max_examples=60)
@example((3, 5, 128), 0.0, None, 1)
@given(
    st.tuples(
        st.integers(0, 3),
        st.one_of(st.integers(0, 9), st.just(33)),
        st.sampled_from([0, 1, 5, CHUNK_PIXELS, CHUNK_PIXELS + 3]),
    ),
    st.sampled_from([0.0, 0.1, 0.6, 1.0]),
    st.sampled_from([None, 0.0, 0.7, 1.0]),
    st.integers(0, 999),
)
def test_features_equal_those_of_numpy(
    shape: tuple[int, int, int], missing: float, usable: float | None, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    series = rng.integers(-20, 20, shape).astype(np.float32) * rng.choice([1, 600, 0.01])
    holes = rng.choice([MISSING, np.nan, np.inf, -np.inf], series.shape)
    series = np.where(rng.random(series.shape) < missing, holes, series).astype(np.float32)
    where = None if usable is None else rng.random(shape[1:]) < usable
    differences, statistics = computed(series, where)
    expected = slow(series, np.ones(shape[1:], bool) if where is None else where)
    assert np.array_equal(differences, expected[0])
    np.testing.assert_allclose(statistics, expected[1], rtol=1e-5, atol=1e-5)
    exact = [STATISTIC_NAMES.index(name) for name in ("maxdate", "mindate", "maxdiff", "mindiff")]
    assert np.array_equal(statistics[:, exact], expected[1][:, exact])


def test_a_worked_series() -> None:
    series = np.array([300, MISSING, 100, 500, np.nan, 500, 200], np.float32).reshape(1, 7, 1)
    differences, statistics = computed(series)
    assert differences.ravel().tolist() == [MISSING, -200, 400, MISSING, 0, -300]
    found = dict(zip(STATISTIC_NAMES, statistics.ravel().tolist(), strict=True))
    assert (found["q25"], found["q50"], found["q75"], found["mean"]) == (200, 300, 500, 320)
    assert (found["q05"], found["q90"]) == (pytest.approx(120), 500)
    assert found["std"] == pytest.approx(160)
    assert (found["maxdate"], found["mindate"], found["maxdiff"], found["mindiff"]) == (4, 3, 400, -300)


def test_a_difference_equal_to_the_missing_value_is_a_difference() -> None:
    differences, statistics = computed(np.array([11000, 1000, 1005], np.float32).reshape(1, 3, 1))
    assert differences.ravel().tolist() == [-10000, 5]
    assert statistics[0, -2:, 0].tolist() == [5, -10000]


def test_mean_and_deviation_of_large_numbers_are_accurate() -> None:
    series = (1e6 + np.arange(100, dtype=np.float32) / 8).astype(np.float32).reshape(1, 100, 1)
    found = dict(zip(STATISTIC_NAMES, computed(series)[1].ravel().tolist(), strict=True))
    assert found["std"] == pytest.approx(series.std(dtype=float), rel=1e-6)
    assert found["mean"] == pytest.approx(series.mean(dtype=float), rel=1e-7)


@pytest.mark.parametrize("missing", [0.0, 0.02])
def test_a_pixel_does_not_depend_on_the_others(missing: float) -> None:
    """With few missing values, some chunks contain only complete series."""
    rng = np.random.default_rng(5)
    series = rng.normal(3000, 900, (2, 12, 5 * CHUNK_PIXELS + 17)).astype(np.float32)
    series[:, :, rng.random(series.shape[2]) < missing] = MISSING
    series[0, 4, 2 * CHUNK_PIXELS + 3] = np.nan
    whole = computed(series)
    for start, stop in ((0, 1), (3, 2 * CHUNK_PIXELS), (CHUNK_PIXELS - 1, series.shape[2])):
        parts = computed(np.ascontiguousarray(series[:, :, start:stop]))
        for part, expected in zip(parts, whole, strict=True):
            assert part.tobytes() == np.ascontiguousarray(expected[:, :, start:stop]).tobytes()


def test_outputs_may_be_rows_of_the_input_and_either_may_be_omitted() -> None:
    rng = np.random.default_rng(0)
    series = rng.normal(size=(2, 5, 7)).astype(np.float32)
    expected = computed(series)
    values = np.concatenate([series.reshape(10, 7), np.full((8 + 2 * len(STATISTIC_NAMES), 7), 77, np.float32)])
    rows = np.arange(10).reshape(2, 5)
    differences = values[10:18].reshape(2, 4, 7)
    statistics = values[18:].reshape(2, -1, 7)
    temporal_features(values, rows, differences, statistics[:0])
    assert np.array_equal(differences, expected[0])
    assert (statistics == 77).all()
    temporal_features(values, rows, differences[:0], statistics)
    assert np.array_equal(statistics, expected[1])
    assert np.array_equal(values[:10], series.reshape(10, 7))


def test_series_may_have_their_dates_in_any_rows() -> None:
    series = np.random.default_rng(1).normal(size=(2, 4, 3)).astype(np.float32)
    by_date = np.ascontiguousarray(series.transpose(1, 0, 2)).reshape(8, 3)
    differences, statistics = np.empty((2, 3, 3), np.float32), np.empty((2, len(STATISTIC_NAMES), 3), np.float32)
    temporal_features(by_date, np.arange(8).reshape(4, 2).T, differences, statistics)
    for found, expected in zip((differences, statistics), computed(series), strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("count", range(11))
def test_the_network_sorts_zeros_and_ones(count: int) -> None:
    """By the zero-one principle it then sorts everything [Knuth 1998, theorem 5.3.4 Z]."""
    values = np.array([*itertools.product((0, 1), repeat=count)]).reshape(2**count, count)
    for a, b in _merge_exchange(count):
        values[:, [a, b]] = np.sort(values[:, [a, b]], axis=1)
    assert (np.diff(values, axis=1) >= 0).all()


@pytest.mark.parametrize("count", [33, 100, 365])
def test_the_network_sorts_long_series(count: int) -> None:
    values = np.random.default_rng(count).random((50, count))
    expected = np.sort(values, axis=1)
    for a, b in _merge_exchange(count):
        values[:, [a, b]] = np.sort(values[:, [a, b]], axis=1)
    assert np.array_equal(values, expected)


def test_inconsistent_arguments_are_rejected() -> None:
    values, rows = np.zeros((6, 4), np.float32), np.arange(6).reshape(2, 3)
    differences, statistics = np.zeros((2, 2, 4), np.float32), np.zeros((2, len(STATISTIC_NAMES), 4), np.float32)
    with pytest.raises(ValueError, match=r"differences of shape \(2, 3, 4\), expected \(2, 2, 4\)"):
        temporal_features(values, rows, np.zeros((2, 3, 4), np.float32), statistics)
    with pytest.raises(ValueError, match="statistics of shape"):
        temporal_features(values, rows, differences, statistics[:1])
    with pytest.raises(ValueError, match="rows 1 to 6 of 6"):
        temporal_features(values, rows + 1, differences, statistics)
    with pytest.raises(ValueError, match="usable dates of shape"):
        temporal_features(values, rows, differences, statistics, usable=np.ones((2, 4), bool))
