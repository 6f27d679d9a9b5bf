"""Confidence intervals of accuracy measures: bootstrap over validation polygons."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from iota2.core.tables import PolygonCounts

CONFIDENCE_LEVEL = 0.95
"""Confidence level of all intervals of accuracy."""
BOOTSTRAP_REPLICATES = 1000
"""Number of bootstrap replicates."""
MIN_BOOTSTRAP_POLYGONS = 5
"""Minimum number of polygons for a bootstrap interval. With fewer, intervals of accuracies are at least as wide as
Wilson's, and other measures have none."""
ENOUGH_POLYGONS = 10
"""Number of polygons with wrong pixels, and of polygons with right ones, from which the bootstrap is used alone."""
MAX_BOOTSTRAP_VALUES = 2_000_000
"""Maximum number of values in memory during the bootstrap."""
_NORMAL_QUANTILE = 1.959963984540054
"""Quantile of the normal distribution at (1 + CONFIDENCE_LEVEL) / 2."""

Bounds = tuple[float, float]
"""Lower and upper bound of an interval."""


@dataclass(frozen=True)
class Intervals:
    """95 % intervals of the measures of one map; tuples follow the labels, None for an undefined measure."""

    precision: tuple[Bounds | None, ...]
    recall: tuple[Bounds | None, ...]
    f_score: tuple[Bounds | None, ...]
    overall_accuracy: Bounds | None
    kappa: Bounds | None


@dataclass(frozen=True)
class _Measures:
    """Measures of many confusion matrices at once: (matrix, class) and (matrix,) float64, NaN where undefined."""

    precision: np.ndarray
    recall: np.ndarray
    f_score: np.ndarray
    overall_accuracy: np.ndarray
    kappa: np.ndarray
    chance: np.ndarray
    """Agreement expected by chance."""


def polygon_intervals(
    counts: PolygonCounts, labels: tuple[int, ...], rng: np.random.Generator, replicates: int = BOOTSTRAP_REPLICATES
) -> Intervals:
    """95 % intervals with polygons as sampling units, since the pixels of a polygon are correlated.

    Stratified cluster bootstrap [Efron & Tibshirani 1993]: the validation polygons of each class are resampled with
    replacement, each with all its pixels. The interval ranges from the 2.5th to the 97.5th percentile of the measure,
    and is extended to include the measure itself and its ``unresolved_range``: if few polygons contain wrong pixels, or
    few contain right ones, replicates do not show how the other polygons of the class could be mapped. The interval of
    an F-score also includes the F-scores of the limits of these ranges of precision and recall, and that of kappa the
    values that follow from the range of the overall accuracy with constant chance agreement. Pixels mapped as 0 are
    excluded from all measures.
    """
    table = _Table.of(counts, labels)
    truth = _measures(table.matrix(np.ones((1, len(table.rows)))))
    drawn = [_measures(table.matrix(weights)) for weights in _weights(table, rng, replicates)]

    def intervals(measure: Callable[[_Measures], np.ndarray], evidence: _Evidence) -> tuple[_Interval | None, ...]:
        values = np.concatenate([measure(one) for one in drawn]) if drawn else np.zeros((0, len(evidence.polygons)))
        return tuple(
            _interval(float(value), values[:, k], int(evidence.polygons[k]), int(evidence.few[k]))
            for k, value in enumerate(measure(truth)[0])
        )

    precision = intervals(lambda one: one.precision, table.of_precision)
    recall = intervals(lambda one: one.recall, table.of_recall)
    f_score = intervals(lambda one: one.f_score, table.of_f_score)
    (overall,) = intervals(lambda one: one.overall_accuracy[:, None], table.of_overall)
    kappas = np.concatenate([one.kappa for one in drawn]) if drawn else np.zeros(0)
    return Intervals(
        precision=tuple(_bounds_or_none(one) for one in precision),
        recall=tuple(_bounds_or_none(one) for one in recall),
        f_score=tuple(_f_score_bounds(*of) for of in zip(f_score, precision, recall, strict=True)),
        overall_accuracy=_bounds_or_none(overall),
        kappa=_kappa_bounds(truth, kappas, overall),
    )


@dataclass(frozen=True)
class _Interval:
    """Interval of a proportion, with its unresolved range."""

    bounds: Bounds
    unresolved: Bounds


@dataclass(frozen=True, eq=False)
class _Evidence:
    """Numbers of polygons from which the measures of classes are computed; arrays (class,)."""

    polygons: np.ndarray
    few: np.ndarray
    """Of polygons with wrong pixels and of polygons with right pixels, the lower number."""

    @classmethod
    def of(cls, right: np.ndarray, wrong: np.ndarray) -> _Evidence:
        """From whether polygons (polygon, class) bool have right and wrong pixels of the measure of the class."""
        return cls((right | wrong).sum(axis=0), np.minimum(right.sum(axis=0), wrong.sum(axis=0)))


@dataclass(frozen=True, eq=False)
class _Table:
    """Mapped pixels by polygon and class in the map."""

    rows: np.ndarray
    """(polygon,) position of the reference class of each polygon, ascending."""
    pixels: np.ndarray
    """(polygon, class) float64: numbers of pixels; sums of integers are exact in any order."""

    @classmethod
    def of(cls, counts: PolygonCounts, labels: tuple[int, ...]) -> _Table:
        seen = counts.where(counts.produced > 0)
        rows, columns = (np.searchsorted(labels, values) for values in (seen.reference, seen.produced))
        keys, owner = np.unique(np.stack([rows, seen.polygon], axis=1), axis=0, return_inverse=True)
        pixels = np.zeros((len(keys), len(labels)))
        np.add.at(pixels, (owner.reshape(-1), columns), seen.pixels)
        return cls(keys[:, 0].astype(np.int64), pixels)

    def matrix(self, weights: np.ndarray) -> np.ndarray:
        """(draw, reference, map) float64: confusion matrices for polygon ``weights`` (draw, polygon)."""
        n = self.pixels.shape[1]
        found = np.zeros((len(weights), n, n))
        for k in np.unique(self.rows):
            members = self.rows == k
            found[:, k] = weights[:, members] @ self.pixels[members]
        return found

    @property
    def reference(self) -> np.ndarray:
        """(class,) number of polygons of the class."""
        return np.bincount(self.rows, minlength=self.pixels.shape[1])

    @property
    def of_precision(self) -> _Evidence:
        """Polygons with pixels mapped as the class."""
        return _Evidence.of(self._mapped & self._own, self._mapped & ~self._own)

    @property
    def of_recall(self) -> _Evidence:
        """Polygons of the class."""
        return _Evidence.of(self._mapped & self._own, self._missed)

    @property
    def of_f_score(self) -> _Evidence:
        """Polygons of the class, or with pixels mapped as the class."""
        return _Evidence.of(self._mapped & self._own, self._missed | (self._mapped & ~self._own))

    @property
    def of_overall(self) -> _Evidence:
        """All polygons, as a single class."""
        right, wrong = self._mapped & self._own, self._missed
        return _Evidence.of(np.any(right, axis=1)[:, None], np.any(wrong, axis=1)[:, None])

    @property
    def _own(self) -> np.ndarray:
        """(polygon, class) bool: whether the polygon is of the class."""
        return np.equal(np.arange(self.pixels.shape[1]), self.rows[:, None])

    @property
    def _mapped(self) -> np.ndarray:
        """(polygon, class) bool: whether pixels of the polygon are mapped as the class."""
        return self.pixels > 0

    @property
    def _missed(self) -> np.ndarray:
        """(polygon, class) bool: whether the polygon is of the class, and pixels of it are mapped as another one."""
        return self._own & (self._mapped & ~self._own).any(axis=1, keepdims=True)


def _weights(table: _Table, rng: np.random.Generator, replicates: int) -> Iterator[np.ndarray]:
    """(draw, polygon) float64: how often each polygon is drawn, in batches; the sum per class is constant."""
    polygons, classes = len(table.rows), table.pixels.shape[1]
    if polygons == 0:
        return
    sizes = table.reference
    at_once = max(1, min(replicates, MAX_BOOTSTRAP_VALUES // max(polygons, classes**2)))
    for start in range(0, replicates, at_once):
        draws = min(at_once, replicates - start)
        yield np.concatenate(
            [rng.multinomial(n, np.full(n, 1 / n), size=draws) for n in sizes[sizes > 0]], axis=1
        ).astype(np.float64)


def _measures(counts: np.ndarray) -> _Measures:
    """Measures of confusion matrices (draw, reference, map); NaN for a class without reference pixels."""
    right = np.diagonal(counts, axis1=1, axis2=2)
    rows, columns = counts.sum(axis=2), counts.sum(axis=1)
    validated, total = rows > 0, rows.sum(axis=1)
    overall = _ratio(right.sum(axis=1), total)
    chance = _ratio((rows * columns).sum(axis=1), total**2)
    return _Measures(
        precision=_ratio(right, np.where(validated, columns, 0)),
        recall=_ratio(right, rows),
        f_score=_ratio(2 * right, np.where(validated, rows + columns, 0)),
        overall_accuracy=overall,
        kappa=_ratio(overall - chance, 1 - chance),
        chance=chance,
    )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _bounds_or_none(interval: _Interval | None) -> Bounds | None:
    return None if interval is None else interval.bounds


def _interval(value: float, drawn: np.ndarray, polygons: int, few: int) -> _Interval | None:
    """Interval of a proportion ``value``; None if the value is NaN."""
    if math.isnan(value):
        return None
    unresolved = unresolved_range(value, polygons, few)
    return _Interval(including(percentiles(drawn), value, *unresolved), unresolved)


def _f_score_bounds(f_score: _Interval | None, precision: _Interval | None, recall: _Interval | None) -> Bounds | None:
    """Interval of an F-score, with the F-scores of the limits of the unresolved ranges of precision and recall."""
    if f_score is None or precision is None or recall is None:
        return _bounds_or_none(f_score)
    limits = zip(precision.unresolved, recall.unresolved, strict=True)
    return including(f_score.bounds, *(_harmonic(*pair) for pair in limits))


def _harmonic(a: float, b: float) -> float:
    """Harmonic mean; 0 if either value is 0."""
    return 2 * a * b / (a + b) if a + b > 0 else 0.0


def _kappa_bounds(truth: _Measures, drawn: np.ndarray, overall: _Interval | None) -> Bounds | None:
    """Interval of kappa, with the unresolved range of the overall accuracy for constant chance agreement."""
    value, chance = float(truth.kappa[0]), float(truth.chance[0])
    if math.isnan(value) or overall is None:
        return None
    unresolved = ((limit - chance) / (1 - chance) for limit in overall.unresolved)
    low, high = including(percentiles(drawn), value, *unresolved)
    return max(-1.0, low), min(1.0, high)


def unresolved_range(value: float, units: int, few: int) -> Bounds:
    """Range of a proportion that resampling its ``units`` does not resolve; (value, value) if it resolves all.

    Units are polygons, or cells of a map. ``few``: number of units with cases that count for the proportion, or with
    cases that count against it, whichever is lower. With 0, or less than ``MIN_BOOTSTRAP_POLYGONS`` units, the range is
    the Wilson interval with units as trials, as if all cases of a unit were equal: resampling cannot show what units
    that are not in the sample contain. It decreases linearly with ``few``, to nothing for ``ENOUGH_POLYGONS``, so that
    one more unit with an error does not narrow an interval abruptly.
    """
    weight = 1.0 if units < MIN_BOOTSTRAP_POLYGONS else max(0.0, 1 - few / ENOUGH_POLYGONS)
    low, high = (value + weight * (limit - value) for limit in wilson(value, units))
    return min(low, value), max(high, value)


def including(bounds: Bounds, *values: float) -> Bounds:
    """The bounds, extended to include the values; those of the values alone if the bounds are NaN."""
    known = [one for one in (*bounds, *values) if not math.isnan(one)]
    return min(known), max(known)


def percentiles(drawn: np.ndarray) -> Bounds:
    """2.5th and 97.5th percentile of the values without NaN; NaN without values."""
    defined = drawn[~np.isnan(drawn)]
    if not len(defined):
        return math.nan, math.nan
    low, high = np.quantile(defined, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2])
    return float(low), float(high)


def wilson(share: float, trials: int) -> Bounds:
    """Score interval [Wilson 1927] of a proportion; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    z2 = _NORMAL_QUANTILE**2 / trials
    centre = (share + z2 / 2) / (1 + z2)
    half = math.sqrt(z2 * (share * (1 - share) + z2 / 4)) / (1 + z2)
    return max(0.0, centre - half), min(1.0, centre + half)
