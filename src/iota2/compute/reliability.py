"""Reliability of probabilities: reliability diagram, expected calibration error and Brier score.

A probability is calibrated if, among the pixels with this probability, the share of correct ones is equal to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from iota2.compute.intervals import (
    BOOTSTRAP_REPLICATES,
    MAX_BOOTSTRAP_VALUES,
    MIN_BOOTSTRAP_POLYGONS,
    Bounds,
    including,
    percentiles,
    unresolved_range,
)

BINS = 15
"""Number of bins of equal mass."""


@dataclass(frozen=True, eq=False)
class Diagram:
    """Mean probability and share of correct cases in each bin; arrays (bin,) in ascending order of probability."""

    probability: np.ndarray
    correct: np.ndarray
    mass: np.ndarray
    """Share of all cases, with sum 1."""

    @property
    def mean_probability(self) -> float:
        """Mean probability of all cases; NaN without cases."""
        return float((self.mass * self.probability).sum()) if len(self.mass) else np.nan

    @property
    def share_correct(self) -> float:
        """Share of correct cases; NaN without cases."""
        return float((self.mass * self.correct).sum()) if len(self.mass) else np.nan

    @property
    def error(self) -> float:
        """Expected calibration error: mean over bins of |share of correct cases - probability|; NaN without cases."""
        return float((self.mass * np.abs(self.correct - self.probability)).sum()) if len(self.mass) else np.nan

    @property
    def excess(self) -> float:
        """Mean probability minus share of correct cases: above 0 for overconfidence; NaN without cases."""
        return self.mean_probability - self.share_correct


@dataclass(frozen=True, eq=False)
class Reliability:
    """Reliability of one kind of probability, with 95 % intervals over polygons; None if they are unknown.

    The numbers are NaN without cases.
    """

    diagram: Diagram
    brier: float
    """Mean squared difference between the probability and the case (1 correct, 0 wrong)."""
    polygons: int
    error_bounds: Bounds | None = None
    excess_bounds: Bounds | None = None
    brier_bounds: Bounds | None = None

    @property
    def error(self) -> float:
        """Expected calibration error."""
        return self.diagram.error

    @property
    def excess(self) -> float:
        """Mean probability minus share of correct cases."""
        return self.diagram.excess


def mass_bins(values: np.ndarray, mass: np.ndarray, bins: int = BINS) -> np.ndarray:
    """(case,) int64: bin of each value, 0 to ``bins`` - 1, ascending with the value; each bin has about the same mass.

    Equal values are in one bin: that of the middle of their mass. Bins can therefore be empty. The result does not
    depend on the order of the cases. ``mass`` (case,) is not negative.
    """
    if not len(values):
        return np.zeros(0, np.int64)
    _, place = np.unique(values, return_inverse=True)
    each = np.bincount(place.reshape(-1), mass)
    middle = (np.cumsum(each) - each / 2) / max(float(each.sum()), np.finfo(float).tiny)
    return np.clip((bins * middle).astype(np.int64), 0, bins - 1)[place.reshape(-1)]


def diagram(probability: np.ndarray, correct: np.ndarray, mass: np.ndarray | None = None, bins: int = BINS) -> Diagram:
    """Reliability diagram of cases: ``probability`` (case,) float, ``correct`` (case,) bool, ``mass`` (case,) or None.

    Bins of equal mass [Nguyen & O'Connor 2015, EMNLP]; empty ones are omitted.
    """
    mass = np.ones(len(probability)) if mass is None else np.asarray(mass, np.float64)
    return _diagram(_sums(mass_bins(probability, mass, bins), probability, correct, mass, bins))


def reliability(
    probability: np.ndarray,
    correct: np.ndarray,
    polygons: np.ndarray,
    mass: np.ndarray | None = None,
    *,
    rng: np.random.Generator | None = None,
    replicates: int = BOOTSTRAP_REPLICATES,
) -> Reliability:
    """Reliability of cases of ``polygons`` (case,) int, with intervals over polygons if ``rng`` is given.

    Arguments are those of ``diagram``. Intervals are percentiles of a bootstrap over polygons, each with all its cases,
    because the pixels of a polygon are correlated; the bins are those of all cases. The calibration error of a
    replicate is larger on average than that of all cases, as it contains the noise of the draw: its interval is
    cautious. Intervals are extended to include the value, and the values that follow from the ``unresolved_range`` of
    the share of correct cases if few polygons contain wrong cases, or few contain correct ones. They are None for fewer
    than ``MIN_BOOTSTRAP_POLYGONS``. Cases without mass are ignored.
    """
    mass = np.ones(len(probability)) if mass is None else np.asarray(mass, np.float64)
    probability, correct, polygons, mass = (values[mass > 0] for values in (probability, correct, polygons, mass))
    of = mass_bins(probability, mass)
    names, member = np.unique(polygons, return_inverse=True)
    member, squares = member.reshape(-1), mass * (probability - correct) ** 2
    whole, total = _sums(of, probability, correct, mass, BINS), mass.sum()
    found = Reliability(_diagram(whole), float(squares.sum() / total) if total > 0 else np.nan, len(names))
    if rng is None or len(names) < MIN_BOOTSTRAP_POLYGONS:
        return found
    table = _sums(member * BINS + of, probability, correct, mass, len(names) * BINS).reshape(3, len(names), BINS)
    drawn = _percentiles(table, np.bincount(member, squares, len(names)), rng, replicates)
    change = float((mass * np.abs(2 * probability - 1)).sum() / total)
    return _with_bounds(found, drawn, _unresolved_shares(found, table), change)


def _percentiles(
    table: np.ndarray, squares: np.ndarray, rng: np.random.Generator, replicates: int
) -> tuple[Bounds, Bounds, Bounds]:
    """Of error, excess and Brier score, from the sums of polygons: ``table`` (sum, polygon, bin), ``squares``
    (polygon,)."""
    polygons = len(squares)
    errors, excesses, briers = [], [], []
    at_once = max(1, MAX_BOOTSTRAP_VALUES // polygons)
    for start in range(0, replicates, at_once):
        size = min(at_once, replicates - start)
        draws = rng.multinomial(polygons, np.full(polygons, 1 / polygons), size=size).astype(np.float64)
        mass, expected, right = (np.einsum("dp,pb->db", draws, sums) for sums in table)
        total = mass.sum(axis=1)
        errors.append(np.abs(right - expected).sum(axis=1) / total)
        excesses.append((expected - right).sum(axis=1) / total)
        briers.append((draws @ squares) / total)
    error, excess, brier = (percentiles(np.concatenate(values)) for values in (errors, excesses, briers))
    return error, excess, brier


def _unresolved_shares(found: Reliability, table: np.ndarray) -> tuple[float, float]:
    """By how much the share of correct cases may be lower and higher than resampling shows; ``table`` as above."""
    share, (mass, _, right) = found.diagram.share_correct, table
    few = min(int((right > 0).any(axis=1).sum()), int((right < mass).any(axis=1).sum()))
    low, high = unresolved_range(share, found.polygons, few)
    return share - low, high - share


def _with_bounds(
    found: Reliability, drawn: tuple[Bounds, Bounds, Bounds], shares: tuple[float, float], change: float
) -> Reliability:
    """With intervals that include the values, and those for the unresolved ``shares`` of correct cases.

    ``change``: mean change of the squared difference of a case if it is correct instead of wrong, or the reverse.
    """
    (error, excess, brier), (fewer, more) = drawn, shares
    most = max(fewer, more)
    return replace(
        found,
        error_bounds=including(error, max(0.0, found.error - most), found.error + most),
        excess_bounds=including(excess, found.excess - more, found.excess + fewer),
        brier_bounds=including(brier, max(0.0, found.brier - more * change), found.brier + fewer * change),
    )


def _sums(of: np.ndarray, probability: np.ndarray, correct: np.ndarray, mass: np.ndarray, count: int) -> np.ndarray:
    """(3, count) float64: mass, mass × probability and mass of correct cases of each of ``count`` bins."""
    each = (mass, mass * probability, mass * correct)
    return np.stack([np.bincount(of, values, count) for values in each])


def _diagram(sums: np.ndarray) -> Diagram:
    mass, expected, right = sums[:, sums[0] > 0]
    return Diagram(expected / mass, right / mass, mass / mass.sum())


def grouped_mean(values: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """Mean of values (case,) and its standard error with ``groups`` (case,) as sampling units.

    The error is that of a ratio of totals of groups [Cochran 1977, section 6.4]; NaN without cases.
    """
    if not len(values):
        return np.nan, np.nan
    _, member = np.unique(groups, return_inverse=True)
    totals, counts = np.bincount(member.reshape(-1), values), np.bincount(member.reshape(-1))
    mean = float(totals.sum() / counts.sum())
    return mean, float(np.sqrt(((totals - mean * counts) ** 2).sum()) / counts.sum())


def brier_scores(probabilities: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(sample,) float64: Brier score of each sample [Brier 1950], the sum over classes of squared errors, 0 to 2.

    ``probabilities`` (sample, class), ``columns`` (sample,) column of the true class.
    """
    truth = probabilities[np.arange(len(columns)), columns]
    scores: np.ndarray = (probabilities**2).sum(axis=1) - 2 * truth + 1
    return scores


def confidence_of(probabilities: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Confidence (sample,) of the most probable class, the first of equals, and whether it is the true class."""
    produced = probabilities.argmax(axis=1)
    return probabilities[np.arange(len(columns)), produced], produced == columns


def expected_calibration_error(probabilities: np.ndarray, columns: np.ndarray, mass: np.ndarray | None = None) -> float:
    """Expected calibration error of the confidence [Guo et al. 2017, ICML], with ``BINS`` bins of equal mass."""
    return diagram(*confidence_of(probabilities, columns), mass).error


def classwise_errors(probabilities: np.ndarray, columns: np.ndarray, mass: np.ndarray | None = None) -> np.ndarray:
    """(class,) float64: expected calibration error of the probability of each class over all samples.

    Their mean is the classwise calibration error [Kull et al. 2019, NeurIPS].
    """
    classes = range(probabilities.shape[1])
    return np.array([diagram(probabilities[:, k], columns == k, mass).error for k in classes])
