"""Extreme values that look like no data, and skewed measurements that do not."""

from __future__ import annotations

import numpy as np
import pytest

from iota2.compute.isolated_values import isolated_values

HEIGHTS = np.random.default_rng(0).uniform(2, 30, 60).round(1)


@pytest.mark.parametrize(
    ("marks", "found"),
    [
        ([65535.0], [65535.0]),
        ([-99.0], [-99.0]),
        ([255.0], [255.0]),
        ([1e20], [1e20]),
        ([float(np.float32(1e20))], [float(np.float32(1e20))]),
        ([-1e25], [-1e25]),
        ([-9999.0, 65535.0], [-9999.0, 65535.0]),
        ([-9999.0] * 3 + [65535.0] * 2, [-9999.0, 65535.0]),
        ([777.0, 777.0], [777.0]),
        ([-500.0, -500.0], [-500.0]),
        ([777.0], []),
        ([60.0, 60.0], []),
        ([31.0], []),
    ],
)
def test_usual_numbers_and_repeated_values_far_from_all_others_are_found(
    marks: list[float], found: list[float]
) -> None:
    assert isolated_values(np.append(HEIGHTS, marks)) == found


def test_a_usual_number_among_others_is_a_value() -> None:
    rng = np.random.default_rng(0)
    assert isolated_values(np.append(rng.uniform(60, 180, 50), [99.0, 99.0])) == []
    assert isolated_values(np.append(rng.uniform(-50, 400, 50), [-99.0, 999.0 / 2])) == []
    assert isolated_values(np.append(rng.normal(-4000, 3000, 200), [-9999.0])) == []


def test_few_different_values_are_not_judged() -> None:
    assert isolated_values(np.zeros(0)) == []
    assert isolated_values(np.array([3.0])) == []
    assert isolated_values(np.array([1.0, 2.0, 3.0, 4.0, 65535.0])) == []
    assert isolated_values(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 65535.0])) == [65535.0]


@pytest.mark.parametrize("decimals", [0, 1, 6])
@pytest.mark.parametrize("polygons", [10, 60, 400, 3000])
def test_skewed_measurements_are_not_taken_for_no_data(polygons: int, decimals: int) -> None:
    """Log-normal biomass, also with many zeros, an upper limit, or the heavy tail of a power law."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        biomass = rng.lognormal(3, 1, polygons)
        quantities = {
            "biomass": biomass,
            "wide": rng.lognormal(2, 2, polygons),
            "zeros": np.where(rng.random(polygons) < 0.7, 0.0, biomass),
            "limited": np.minimum(biomass, 60.0),
            "gamma": rng.gamma(0.5, 40, polygons),
            "power law": rng.pareto(1.5, polygons) * 10,
        }
        for name, values in quantities.items():
            assert isolated_values(values.round(decimals)) == [], (seed, name)
