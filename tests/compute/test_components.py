"""Principal components of groups, compared with scikit-learn and with a slow evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from iota2.compute.components import CHUNK_PIXELS, SAMPLES_PER_BATCH, GroupComponents, fit_components
from iota2.core.recipe import MISSING


def samples(count: int, features: int, seed: int = 0) -> np.ndarray:
    """Correlated features of different size and spread."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(count, features)) @ rng.normal(size=(features, features))
    return (mixed * rng.uniform(0.01, 500, features) + rng.normal(0, 2000, features)).astype(np.float32)


def slow(found: GroupComponents, x: np.ndarray) -> np.ndarray:
    """Components of each sample, group by group, without arrays of several samples."""
    rows = []
    for sample in x.astype(np.float64):
        row: list[float] = []
        for g, count in enumerate(found.counts):
            features = np.flatnonzero(found.group == g)
            known = [f for f in features if sample[f] != MISSING]
            values = {f: (sample[f] - found.mean[f]) / found.scale[f] for f in known}
            for c in range(count):
                row.append(sum(values[f] * found.axes[f, c] for f in known) if known else MISSING)
        rows.append(row)
    return np.array(rows)


def assert_equal_up_to_sign(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    for a, b in zip(found.T, expected.T, strict=True):
        size = np.abs(b).max()
        assert min(np.abs(a - b).max(), np.abs(a + b).max()) < 1e-4 * max(size, 1e-3)


@pytest.mark.parametrize("target", [1, 2, 4, 99])
def test_components_of_a_group_are_those_of_scikit_learn(target: int) -> None:
    x, group = samples(300, 9), np.array([0, 1, 2, 0, 1, 0, 0, 1, 0])
    found = fit_components(x, group, target)
    first = 0
    for g in range(3):
        features = group == g
        oracle = make_pipeline(StandardScaler(), PCA(min(target, features.sum()), svd_solver="full"))
        expected = oracle.fit_transform(x[:, features].astype(np.float64))
        assert found.counts[g] == expected.shape[1]
        assert_equal_up_to_sign(found.project(x)[:, first : first + found.counts[g]], expected)
        np.testing.assert_allclose(
            found.explained[g, : found.counts[g]], oracle[1].explained_variance_ratio_, rtol=1e-6, atol=1e-9
        )
        first += found.counts[g]
    assert found.n_outputs == first


@settings(max_examples=30)
@given(data=st.data())
def test_projection_equals_a_slow_evaluation(data: st.DataObject) -> None:
    features, count = data.draw(st.integers(1, 7)), data.draw(st.integers(0, 30))
    group = np.unique(data.draw(st.lists(st.integers(0, 3), min_size=features, max_size=features)), return_inverse=True)
    x = samples(count, features, data.draw(st.integers(0, 9)))
    missing = data.draw(st.sampled_from([0.0, 0.3, 0.9]))
    x[np.random.default_rng(1).random(x.shape) < missing] = MISSING
    found = fit_components(x, group[1], data.draw(st.integers(1, 4)))
    expected = slow(found, x).reshape(count, found.n_outputs)
    np.testing.assert_allclose(found.project(x), expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("pieces", [1, 7, CHUNK_PIXELS, CHUNK_PIXELS + 1, 700])
def test_a_sample_has_the_same_components_in_every_array(pieces: int) -> None:
    x = samples(700, 12)
    x[::5, 3] = MISSING
    found = fit_components(x, np.arange(12) % 3, 3)
    whole = found.project(x)
    cut = [found.project(x[first : first + pieces]) for first in range(0, len(x), pieces)]
    transposed = [found.project(x[k : k + pieces].T.copy().T) for k in range(0, len(x), pieces)]
    assert np.concatenate(cut).tobytes() == whole.tobytes() == np.concatenate(transposed).tobytes()


def test_the_largest_loading_is_positive_and_of_equal_ones_the_first() -> None:
    x = samples(500, 8)
    found = fit_components(x, np.zeros(8, int), 8)
    assert (found.axes[np.abs(found.axes).argmax(axis=0), np.arange(8)] > 0).all()
    # two standardised features: all loadings are equal up to rounding
    for seed in range(20):
        pair = fit_components(samples(50, 2, seed), np.zeros(2, int), 2)
        assert (pair.axes[0] > 0).all()


def test_the_result_does_not_depend_on_threads_or_on_the_order_in_memory() -> None:
    x = samples(3000, 40)
    expected = fit_components(x, np.arange(40) % 2, 4)
    with threadpool_limits(3):
        found = fit_components(np.asfortranarray(x), np.arange(40) % 2, 4)
    for name in ("mean", "scale", "axes", "explained"):
        assert getattr(found, name).tobytes() == getattr(expected, name).tobytes()


def test_constant_features_have_no_influence() -> None:
    x = samples(100, 3)
    wide = np.column_stack([np.full(100, 0.1), x, np.full(100, 5000.25)]).astype(np.float32)
    found, expected = fit_components(wide, np.zeros(5, int), 5), fit_components(x, np.zeros(3, int), 3)
    assert found.counts.tolist() == [3]
    np.testing.assert_array_equal(found.axes[[0, 4]], 0)
    np.testing.assert_allclose(found.project(wide), expected.project(x), rtol=1e-6, atol=1e-6)


def test_a_group_of_constant_features_and_one_sample_have_a_component_that_is_0() -> None:
    for x in (np.full((50, 2), 7, np.float32), samples(1, 2), samples(0, 2)):
        found = fit_components(x, np.zeros(2, int), 2)
        assert found.counts.tolist() == [1]
        assert found.explained.sum() == 0
        np.testing.assert_array_equal(found.project(samples(9, 2)), 0)


def test_fewer_samples_than_components_leave_the_directions_with_variance() -> None:
    found = fit_components(samples(3, 6), np.zeros(6, int), 4)
    assert found.counts.tolist() == [2]
    assert found.explained.sum() == pytest.approx(1)


def test_repeated_features_have_no_component_of_their_own() -> None:
    x = samples(200, 2)
    found = fit_components(np.column_stack([x, x * np.float32(2)]), np.zeros(4, int), 4)
    assert found.counts.tolist() == [2]


def test_missing_values_do_not_distort_means_and_components() -> None:
    x = samples(4000, 4)
    with_gaps = x.copy()
    with_gaps[:200] = MISSING
    found, expected = fit_components(with_gaps, np.zeros(4, int), 2), fit_components(x[200:], np.zeros(4, int), 2)
    np.testing.assert_allclose(found.mean, expected.mean)
    np.testing.assert_allclose(found.scale, expected.scale)
    np.testing.assert_allclose(found.axes, expected.axes, atol=1e-6)
    np.testing.assert_array_equal(found.project(with_gaps)[:200], MISSING)
    np.testing.assert_allclose(found.project(with_gaps)[200:], expected.project(x[200:]), rtol=1e-5, atol=1e-5)


def test_components_of_nan_are_nan_in_its_group_only() -> None:
    x = samples(50, 4)
    found = fit_components(x, np.array([0, 0, 1, 1]), 1)
    x[3, 0] = np.nan
    assert np.isnan(found.project(x)).tolist() == [[k == 3, False] for k in range(50)]


def test_samples_are_read_in_batches() -> None:
    x = samples(SAMPLES_PER_BATCH + 1, 3)
    found = fit_components(x, np.zeros(3, int), 1)
    np.testing.assert_allclose(found.mean, x.mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(found.scale, x.std(axis=0, dtype=np.float64))


@pytest.mark.parametrize("group", [[0, 0], [0, 2, 2], [1, 1, 1], [-1, 0, 0]])
def test_groups_are_numbered_without_gaps(group: list[int]) -> None:
    with pytest.raises(ValueError, match="without gaps"):
        fit_components(samples(5, 3), group, 1)
