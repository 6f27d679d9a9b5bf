"""Map accuracy: confusion matrices, their measures, and means over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from iota2.compute.intervals import CONFIDENCE_LEVEL, Bounds, Intervals
from iota2.core.tables import Confusion

MIN_STUDENT_RUNS = 4
"""Minimum number of runs for a Student interval of the mean; for fewer runs, the range is given."""


@dataclass(frozen=True)
class Scores:
    """Measures of one confusion matrix; NaN where a measure is undefined.

    Arrays follow ``labels``. Pixels with the value 0 in the map are excluded from all measures.
    """

    labels: tuple[int, ...]
    precision: np.ndarray
    """(class,) float64: user's accuracy, the share of correct pixels among those mapped as the class."""
    recall: np.ndarray
    """(class,) float64: producer's accuracy, the share of correct pixels among reference pixels of the class."""
    f_score: np.ndarray
    """(class,) float64: harmonic mean of precision and recall; 0 for a class without any correct pixel."""
    support: np.ndarray
    """(class,) int64: mapped reference pixels of the class."""
    overall_accuracy: float
    kappa: float


@dataclass(frozen=True)
class Estimate:
    """Mean of a measure over seeds, with its interval."""

    mean: float
    """NaN if the measure is undefined for all seeds."""
    runs: int
    """Number of seeds for which the measure is defined; other seeds are excluded."""
    bounds: Bounds | None = None
    """Lower and upper bound, within the possible range of the measure; None if the spread is unknown."""
    kind: Literal["none", "polygons", "range", "student"] = "none"
    """Kind of the ``bounds``: 95 % interval over the validation polygons of one run, range of two or three runs, or
    95 % Student interval of the mean of four or more runs."""

    @property
    def half_width(self) -> float | None:
        """Half-width of a Student interval; None if it was clipped to the range of the measure, and for other kinds."""
        if self.bounds is None or self.kind != "student":
            return None
        below, above = self.mean - self.bounds[0], self.bounds[1] - self.mean
        return max(below, above) if math.isclose(below, above, rel_tol=1e-9, abs_tol=1e-12) else None


@dataclass(frozen=True)
class Summary:
    """Measures over seeds; sequences follow ``labels``."""

    labels: tuple[int, ...]
    runs: int
    mean_counts: np.ndarray
    """(reference, map) float64: mean confusion matrix."""
    precision: tuple[Estimate, ...]
    recall: tuple[Estimate, ...]
    f_score: tuple[Estimate, ...]
    overall_accuracy: Estimate
    kappa: Estimate


def confusion_matrix(reference: np.ndarray, produced: np.ndarray, labels: Iterable[int]) -> Confusion:
    """Pixel counts by reference class (rows) and mapped class (columns).

    ``reference`` and ``produced`` are integer arrays of equal shape; empty arrays give a matrix of zeros. Pixels
    mapped as 0 are counted in ``unmapped``. Raises ValueError for values that are not in ``labels``.
    """
    reference, produced = np.asarray(reference), np.asarray(produced)
    if reference.shape != produced.shape:
        raise ValueError(f"shapes differ: reference {reference.shape}, map {produced.shape}")
    ordered = tuple(sorted({int(label) for label in labels}))
    n = len(ordered)
    rows = _positions(reference, ordered, "reference")
    mapped = produced.ravel() != 0
    columns = _positions(produced.ravel()[mapped], ordered, "map")
    counts = np.bincount(rows[mapped] * n + columns, minlength=n * n).reshape(n, n)
    unmapped = np.bincount(rows[~mapped], minlength=n)
    return Confusion(ordered, counts.astype(np.int64), unmapped.astype(np.int64))


def scores(confusion: Confusion) -> Scores:
    """Precision, recall and F-score by class, overall accuracy and kappa (Cohen, 1960).

    All measures of a class without reference pixels are NaN. A class that has reference pixels but is never mapped has
    recall 0, F-score 0 and precision NaN. The F-score is 2 TP / (2 TP + FP + FN), as in scikit-learn.
    """
    counts = confusion.counts.astype(np.float64)
    right, rows, columns = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    validated = rows > 0
    precision = _ratio(right, np.where(validated, columns, 0))
    recall = _ratio(right, rows)
    f_score = _ratio(2 * right, np.where(validated, rows + columns, 0))
    overall, kappa = _agreement(confusion)
    support = confusion.counts.sum(axis=1).astype(np.int64)
    return Scores(confusion.labels, precision, recall, f_score, support, overall, kappa)


def not_validated(confusion: Confusion) -> tuple[int, ...]:
    """Classes without any mapped reference pixel: their accuracy is unknown."""
    rows = confusion.counts.sum(axis=1)
    return tuple(label for label, row in zip(confusion.labels, rows, strict=True) if row == 0)


def estimate(values: Iterable[float], lowest: float = 0.0) -> Estimate:
    """Mean and spread of a measure over runs, without NaN values; the measure ranges from ``lowest`` to 1.

    For two or three values, the spread is their range, because a Student interval would exceed the range of the
    measure. For n values from four on, it is the Student interval with n - 1 degrees of freedom, clipped to the range
    of the measure.
    """
    defined = np.array([value for value in values if not math.isnan(value)], dtype=np.float64)
    runs = len(defined)
    if runs == 0:
        return Estimate(math.nan, 0)
    mean = float(defined.mean())
    if runs == 1:
        return Estimate(mean, 1)
    if runs < MIN_STUDENT_RUNS:
        return Estimate(mean, runs, (float(defined.min()), float(defined.max())), "range")
    # Imported here: slow to import, and needed once at the end of a run.
    from scipy.special import stdtrit  # noqa: PLC0415

    quantile = float(stdtrit(runs - 1, (1 + CONFIDENCE_LEVEL) / 2))
    half_width = quantile * float(defined.std(ddof=1)) / math.sqrt(runs)
    return Estimate(mean, runs, (max(lowest, mean - half_width), min(1.0, mean + half_width)), "student")


def summarise(confusions: Mapping[Any, Confusion], intervals: Intervals | None = None) -> Summary:
    """Measures over the confusion matrices of all seeds, by seed or name; all matrices have the same labels.

    ``intervals`` are used with a single seed only. Raises ValueError without matrices, or if labels differ.
    """
    matrices = list(confusions.values())
    if len({matrix.labels for matrix in matrices}) != 1:
        raise ValueError("expected at least one confusion matrix, all with the same labels")
    each = [scores(matrix) for matrix in matrices]
    summary = Summary(
        labels=matrices[0].labels,
        runs=len(matrices),
        mean_counts=np.mean([matrix.counts for matrix in matrices], axis=0),
        precision=_by_class([one.precision for one in each]),
        recall=_by_class([one.recall for one in each]),
        f_score=_by_class([one.f_score for one in each]),
        overall_accuracy=estimate(one.overall_accuracy for one in each),
        kappa=estimate((one.kappa for one in each), lowest=-1.0),
    )
    return _over_polygons(summary, intervals) if intervals and len(matrices) == 1 else summary


def _positions(values: np.ndarray, labels: tuple[int, ...], what: str) -> np.ndarray:
    """Index of each value in the sorted ``labels``, as a flat int64 array."""
    flat = values.ravel()
    known = np.array(labels, dtype=np.int64)
    unknown = np.setdiff1d(flat, known)
    if unknown.size:
        shown = ", ".join(str(value) for value in unknown[:5])
        raise ValueError(f"{what} values {shown} are not among the labels {', '.join(map(str, labels))}")
    return np.searchsorted(known, flat).astype(np.int64)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where whole is 0."""
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _agreement(confusion: Confusion) -> tuple[float, float]:
    """Overall accuracy and kappa, with Python integers, because products of counts overflow 64 bits."""
    rows = [int(count) for count in confusion.counts.sum(axis=1)]
    columns = [int(count) for count in confusion.counts.sum(axis=0)]
    right, total = int(np.trace(confusion.counts)), sum(rows)
    if total == 0:
        return math.nan, math.nan
    chance = sum(row * column for row, column in zip(rows, columns, strict=True))
    kappa = (right * total - chance) / (total**2 - chance) if total**2 > chance else math.nan
    return right / total, kappa


def _by_class(measures: Sequence[np.ndarray]) -> tuple[Estimate, ...]:
    """Estimate of each class from the (class,) array of each seed."""
    return tuple(estimate(float(value) for value in values) for values in zip(*measures, strict=True))


def _over_polygons(summary: Summary, intervals: Intervals) -> Summary:
    """The measures of a single run with their intervals over validation polygons."""

    def by_class(values: tuple[Estimate, ...], bounds: tuple[Bounds | None, ...]) -> tuple[Estimate, ...]:
        return tuple(_bounded(value, found) for value, found in zip(values, bounds, strict=True))

    return replace(
        summary,
        precision=by_class(summary.precision, intervals.precision),
        recall=by_class(summary.recall, intervals.recall),
        f_score=by_class(summary.f_score, intervals.f_score),
        overall_accuracy=_bounded(summary.overall_accuracy, intervals.overall_accuracy),
        kappa=_bounded(summary.kappa, intervals.kappa),
    )


def _bounded(value: Estimate, bounds: Bounds | None) -> Estimate:
    return value if bounds is None or math.isnan(value.mean) else replace(value, bounds=bounds, kind="polygons")
