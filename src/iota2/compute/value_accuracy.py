"""Accuracy of a map of a quantity in validation polygons, with intervals over polygons."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from iota2.compute.intervals import (
    BOOTSTRAP_REPLICATES,
    MAX_BOOTSTRAP_VALUES,
    MIN_BOOTSTRAP_POLYGONS,
    Bounds,
    including,
    percentiles,
)

MEASURES: Mapping[str, str] = {
    "r2": "R²",
    "rmse": "RMSE",
    "mae": "MAE",
    "bias": "bias",
    "slope": "slope",
    "coverage": "coverage",
    "coverage_pixels": "coverage of pixels",
}
"""Names of the measures."""
RESIDUAL_PERCENTILE = 98
"""Percentile of the size of residuals at the ends of colour ramps."""


@dataclass(frozen=True, eq=False)
class ValuePixels:
    """Validation pixels of a map of a quantity; all arrays are (pixel,)."""

    polygon: np.ndarray
    """``originfid`` of the polygon, int64."""
    region: np.ndarray
    """Name of the region, str."""
    true: np.ndarray
    """Value of the polygon, float64."""
    mapped: np.ndarray
    """Value in the map, float64; NaN for pixels without value."""
    width: np.ndarray
    """Width of the interval, float64; NaN if unknown."""

    def __len__(self) -> int:
        return len(self.polygon)

    def where(self, chosen: np.ndarray) -> ValuePixels:
        """The pixels of ``chosen`` (pixel,) bool."""
        return ValuePixels(**{one.name: getattr(self, one.name)[chosen] for one in fields(self)})

    def by_polygon(self) -> PolygonValues:
        """Means of the pixels that have a value, by polygon."""
        known = self.with_value
        names, first, member, counts = np.unique(
            known.polygon, return_index=True, return_inverse=True, return_counts=True
        )
        means = np.bincount(member, weights=known.mapped, minlength=len(names)) / np.maximum(counts, 1)
        return PolygonValues(names, known.true[first], means, counts)

    @property
    def with_value(self) -> ValuePixels:
        """The pixels that have a value in the map."""
        return self.where(~np.isnan(self.mapped))


class PolygonValues(NamedTuple):
    """Values of validation polygons, ascending by ``originfid``; all arrays are (polygon,)."""

    polygon: np.ndarray
    """``originfid``, int64."""
    true: np.ndarray
    """Value of the polygon, float64."""
    mapped: np.ndarray
    """Mean of the map, float64."""
    pixels: np.ndarray
    """Number of pixels, int64."""

    @property
    def residuals(self) -> np.ndarray:
        """(polygon,) float64: map minus truth."""
        return self.mapped - self.true


def residual_range(residuals: np.ndarray) -> float:
    """Size of the residuals (polygon,) at the ends of colour ramps, above 0: most are smaller."""
    return float(np.percentile(np.abs(residuals), RESIDUAL_PERCENTILE)) or 1.0 if len(residuals) else 1.0


@dataclass(frozen=True)
class ValueAccuracy:
    """Accuracy of a map of a quantity. Measures are those of ``MEASURES``, NaN if undefined."""

    pixels: int
    polygons: int
    unmapped: int
    """Validation pixels without value, which no measure includes."""
    measures: Mapping[str, float]
    """R² is 1 minus the mean square of errors divided by the variance of true values; bias is the mean of map minus
    truth; slope that of the least-squares line of map values over true values; coverage the share of the pixels of a
    polygon whose interval contains the true value, as a mean over polygons."""
    bounds: Mapping[str, Bounds]
    """95 % intervals over polygons, of measures for which they are known."""
    width: float
    """Mean width of the intervals."""
    true_mean: float
    """Mean of the true values."""
    true_std: float
    """Standard deviation of the true values."""


def value_accuracy(
    pixels: ValuePixels, rng: np.random.Generator, replicates: int = BOOTSTRAP_REPLICATES
) -> ValueAccuracy:
    """Accuracy in some validation pixels, all of the same weight.

    Intervals: cluster bootstrap, in which polygons are drawn with replacement, each with all its pixels; from the
    2.5th to the 97.5th percentile of each measure. None with fewer than ``MIN_BOOTSTRAP_POLYGONS`` polygons.
    """
    known = pixels.with_value
    sums = _polygon_sums(known)
    count = sums.shape[1]
    (measured,) = _measured(sums.sum(axis=1)[None]) if count else (np.full(len(MEASURES), np.nan),)
    bounds: dict[str, Bounds] = {}
    if count >= MIN_BOOTSTRAP_POLYGONS:
        drawn = np.concatenate([_measured(weights @ sums.T) for weights in _weights(count, rng, replicates)])
        for k, name in enumerate(MEASURES):
            if not math.isnan(measured[k]):
                bounds[name] = including(percentiles(drawn[:, k]), float(measured[k]))
    return ValueAccuracy(
        pixels=len(known),
        polygons=count,
        unmapped=len(pixels) - len(known),
        measures=dict(zip(MEASURES, measured.tolist(), strict=True)),
        bounds=bounds,
        width=_mean(known.width),
        true_mean=_mean(known.true),
        true_std=float(known.true.std()) if len(known) else math.nan,
    )


def far_outside(values: np.ndarray, least: float, most: float) -> np.ndarray:
    """The ``values`` (pixel,) that are farther from the range ``least`` to ``most`` than its width; no NaN.

    Values may be rounded to float32, also in a range of a single value.
    """
    beyond = np.maximum(least - values, values - most)
    found: np.ndarray = values[beyond > most - least + _rounding(np.array([least, most])).max()]
    return found


def _rounding(values: np.ndarray) -> np.ndarray:
    """Distance of values from the next ones that a map, which is float32, can contain, as float64."""
    return np.spacing(np.abs(values).astype(np.float32)).astype(np.float64)


def _mean(values: np.ndarray) -> float:
    """Mean without NaN; NaN without values."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _polygon_sums(found: ValuePixels) -> np.ndarray:
    """(sum, polygon) float64: sums over the pixels of each polygon from which all measures follow."""
    _, member = np.unique(found.polygon, return_inverse=True)
    error, count = found.mapped - found.true, int(member.max(initial=-1)) + 1
    # relative to a middle value, so that squares of large numbers lose no digits
    middle = float(found.true.mean()) if len(found) else 0.0
    true, mapped = found.true - middle, found.mapped - middle
    bounded = ~np.isnan(found.width)
    covered = bounded & ((2 * np.abs(error) <= found.width) | (np.abs(error) <= _rounding(found.true)))
    columns = (np.ones(len(found)), true, true**2, mapped, true * mapped, error, np.abs(error), error**2)
    sums = [np.bincount(member, weights=one, minlength=count) for one in (*columns, bounded, covered)]
    with_interval = sums[8] > 0
    shares = np.divide(sums[9], sums[8], out=np.zeros(count), where=with_interval)
    return np.array([*sums, with_interval, shares])


def _measured(sums: np.ndarray) -> np.ndarray:
    """(draw, measure) of sums (draw, sum), in the order of ``MEASURES``; NaN where undefined."""
    n, true, true2, mapped, both, error, absolute, square, bounded, covered, polygons, shares = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.maximum(true2 - true**2 / n, 0.0)
        variance = np.where(variance > 1e-12 * np.maximum(true2, 1e-300), variance, np.nan)
        return np.stack(
            [
                1 - square / variance,
                np.sqrt(square / n),
                absolute / n,
                error / n,
                (both - true * mapped / n) / variance,
                np.where(polygons > 0, shares / polygons, np.nan),
                np.where(bounded > 0, covered / bounded, np.nan),
            ],
            axis=1,
        )


def _weights(polygons: int, rng: np.random.Generator, replicates: int) -> Iterator[np.ndarray]:
    """Yield (draw, polygon): how often each polygon is drawn."""
    at_once = max(1, min(replicates, MAX_BOOTSTRAP_VALUES // polygons))
    for start in range(0, replicates, at_once):
        draws = min(at_once, replicates - start)
        yield rng.multinomial(polygons, np.full(polygons, 1 / polygons), size=draws).astype(np.float64)
