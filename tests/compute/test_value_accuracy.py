"""Accuracy of a map of a quantity, and blending of values."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from iota2.compute.predict import Estimates
from iota2.compute.value_accuracy import MEASURES, ValuePixels, far_outside, value_accuracy
from iota2.compute.value_blending import ValueBlend


def pixels(count: int = 600, polygons: int = 40, *, offset: float = 0.0, seed: int = 0) -> ValuePixels:
    rng = np.random.default_rng(seed)
    polygon = np.sort(rng.integers(0, polygons, count))
    true = offset + rng.uniform(0, 30, polygons)[polygon]
    mapped = true + rng.normal(size=polygons)[polygon] + 0.5 * rng.normal(size=count)
    return ValuePixels(polygon, np.full(count, "1"), true, mapped, np.full(count, 3.0))


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.mark.parametrize("offset", [0.0, 1e7])
def test_measures_equal_those_of_scikit_learn(offset: float) -> None:
    found = pixels(offset=offset)
    accuracy = value_accuracy(found, rng())
    measures, error = accuracy.measures, found.mapped - found.true
    assert measures["r2"] == pytest.approx(r2_score(found.true, found.mapped), rel=1e-9)
    assert measures["rmse"] == pytest.approx(root_mean_squared_error(found.true, found.mapped), rel=1e-9)
    assert measures["mae"] == pytest.approx(mean_absolute_error(found.true, found.mapped), rel=1e-9)
    assert measures["bias"] == pytest.approx(error.mean(), rel=1e-9)
    assert measures["slope"] == pytest.approx(np.polyfit(found.true - offset, found.mapped, 1)[0], rel=1e-6)
    inside = np.abs(error) <= 1.5
    assert measures["coverage_pixels"] == pytest.approx(inside.mean())
    shares = [inside[found.polygon == one].mean() for one in np.unique(found.polygon)]
    assert measures["coverage"] == pytest.approx(np.mean(shares))
    assert (accuracy.pixels, accuracy.polygons, accuracy.width) == (600, 40, 3.0)


def test_intervals_have_polygons_as_units() -> None:
    """Copies of the pixels of each polygon bring no new information."""
    found = pixels()
    copies = ValuePixels(
        *(np.repeat(getattr(found, name), 9) for name in ("polygon", "region", "true", "mapped", "width"))
    )
    once, often = value_accuracy(found, rng()), value_accuracy(copies, rng())
    for name in MEASURES:
        assert often.bounds[name] == pytest.approx(once.bounds[name])
        low, high = once.bounds[name]
        assert low < once.measures[name] < high


def test_intervals_contain_the_true_error_as_often_as_stated() -> None:
    hits = 0
    for seed in range(100):
        low, high = value_accuracy(pixels(300, 60, seed=seed), np.random.default_rng(seed), 300).bounds["rmse"]
        hits += low <= math.sqrt(1.25) <= high
    assert 86 <= hits <= 100


def test_pixels_without_value_are_counted_and_not_measured() -> None:
    found = pixels()
    found.mapped[:50] = np.nan
    accuracy = value_accuracy(found, rng())
    assert (accuracy.unmapped, accuracy.pixels) == (50, 550)
    expected = value_accuracy(found.where(np.arange(600) >= 50), rng())
    assert accuracy.measures == expected.measures


def test_undefined_measures_are_nan() -> None:
    none = value_accuracy(pixels().where(np.zeros(600, bool)), rng())
    assert (none.pixels, none.polygons, none.bounds) == (0, 0, {})
    assert all(math.isnan(value) for value in none.measures.values())
    constant = pixels()
    constant.true[:] = 5.0
    measures = value_accuracy(constant, rng()).measures
    assert math.isnan(measures["r2"])
    assert math.isnan(measures["slope"])
    assert measures["rmse"] > 0
    without = pixels()
    without.width[:] = np.nan
    assert math.isnan(value_accuracy(without, rng()).measures["coverage"])


def test_few_polygons_have_no_intervals() -> None:
    assert value_accuracy(pixels(20, 4), rng()).bounds == {}


def estimates(values: list[float], widths: list[float] | None = None) -> Estimates:
    found = np.array([values], np.float32)
    return Estimates(found, found + 1 if widths is None else np.array([widths], np.float32))


def test_values_are_blended_by_weight() -> None:
    nan = math.nan
    blend = ValueBlend((1, 5))
    blend.add(estimates([10, 10, 10, nan, nan]), np.array([[1, 0.75, 0, 0.5, 0.5]], np.float32))
    blend.add(estimates([20, 20, 20, 20, nan]), np.array([[0, 0.25, 1, 0.5, 0.5]], np.float32))
    found = blend.result()
    np.testing.assert_allclose(found.values, [[10, 12.5, 20, 20, nan]])
    np.testing.assert_allclose(found.widths, [[11, 13.5, 21, 21, nan]])
    assert found.values.dtype == np.float32


def test_a_pixel_of_one_region_keeps_its_value_exactly() -> None:
    value = np.float32(0.1)
    blend = ValueBlend((1, 1))
    blend.add(estimates([float(value)]), np.array([[0.333]], np.float32))
    assert blend.result().values[0, 0] == value


def test_a_value_without_interval_is_kept() -> None:
    blend = ValueBlend((1, 2))
    blend.add(estimates([1, 1], [math.nan, 4]), np.ones((1, 2), np.float32))
    blend.add(estimates([3, 3], [2, 2]), np.ones((1, 2), np.float32))
    found = blend.result()
    assert found.values.tolist() == [[2, 2]]
    np.testing.assert_allclose(found.widths, [[math.nan, 3]])


def test_values_far_outside_are_beyond_the_range_by_more_than_its_width() -> None:
    values = np.array([-0.1, 0.0, 5.0, 20.0, 30.0, 30.1, -10.0, np.nan, -1e9])
    assert far_outside(values, 10.0, 20.0).tolist() == [-0.1, 30.1, -10.0, -1e9]
    assert far_outside(values[:0], 10.0, 20.0).tolist() == []
    assert far_outside(np.array([4.901], np.float32).astype(float), 4.901, 4.901).tolist() == []


def test_the_rounding_of_a_map_is_no_error_of_its_intervals() -> None:
    true = np.repeat([0.1, 0.7], 50)
    mapped = true.astype(np.float32).astype(float)
    pixels = ValuePixels(np.arange(100) // 10, np.full(100, "1"), true, mapped, np.zeros(100))
    assert value_accuracy(pixels, np.random.default_rng(0)).measures["coverage"] == 1
    wrong = replace(pixels, mapped=mapped + 1e-6)
    assert value_accuracy(wrong, np.random.default_rng(0)).measures["coverage"] == 0
