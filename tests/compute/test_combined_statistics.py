"""Statistics of bands that are written, read and combined."""

from __future__ import annotations

import json
from functools import reduce

import numpy as np

from iota2.compute.band_statistics import CELL, BandStatistics, RasterStatistics

NODATA = -10000.0


def of(values: np.ndarray) -> BandStatistics:
    found = RasterStatistics(len(values), NODATA)
    found.add(0, 0, values)
    return found.result()


def same(one: BandStatistics, other: BandStatistics) -> bool:
    names = ("count", "minimum", "maximum", "mean", "squares", "std")
    return all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in names)


def drawn(bands: int) -> np.ndarray:
    values = np.random.default_rng(bands).normal(300, 0.1, (bands, CELL, 2 * CELL)).astype(np.float32)
    values[-1] = NODATA
    return values


def test_statistics_are_the_same_to_the_last_bit_after_json() -> None:
    found = of(drawn(3))
    assert np.isnan(found.mean[-1])
    assert same(BandStatistics.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))), found)
    empty = BandStatistics.empty(2)
    assert same(BandStatistics.from_json(empty.to_json()), empty)


def test_bands_that_are_computed_apart_are_gathered() -> None:
    values = drawn(5)
    parts = [(chosen, of(values[list(chosen)])) for chosen in ((3, 0), (4,), (1,))]
    found = BandStatistics.gathered(5, parts)
    values[2] = NODATA
    assert same(found, of(values))
    assert same(BandStatistics.gathered(5, []), BandStatistics.empty(5))


def test_strips_are_combined_to_the_statistics_of_the_whole() -> None:
    values = drawn(4)
    parts = [of(values[:, rows : rows + 16]) for rows in range(0, CELL, 16)]
    found, expected = reduce(BandStatistics.merged, parts), of(values)
    assert (found.count == expected.count).all()
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-14)
    np.testing.assert_allclose(found.std, expected.std, rtol=1e-9)
