"""How well a map agrees with reference pixels: confusion matrices, their measures, means over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from iota2.core.tables import Confusion

CONFIDENCE_LEVEL = 0.95
"""Of the intervals of means over seeds."""


@dataclass(frozen=True)
class Scores:
    """Measures of one confusion matrix; whatever is undefined is NaN.

    Arrays follow ``labels``. Pixels that the map left at 0 are in no measure.
    """

    labels: tuple[int, ...]
    precision: np.ndarray
    """(class,) float64: share of the pixels mapped as the class that are of it (user's accuracy)."""
    recall: np.ndarray
    """(class,) float64: share of the pixels of the class that are mapped as it (producer's accuracy)."""
    f_score: np.ndarray
    """(class,) float64: harmonic mean of precision and recall."""
    support: np.ndarray
    """(class,) int64: mapped reference pixels of the class."""
    overall_accuracy: float
    kappa: float


@dataclass(frozen=True)
class Estimate:
    """Mean of a measure over seeds, with the half-width of its 95 % interval."""

    mean: float
    """NaN when no seed defines the measure."""
    half_width: float | None
    """None with fewer than two defined values."""
    runs: int
    """Number of seeds that define the measure; the others are left out."""


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
    """Counts of pixels by reference class (rows) and mapped class (columns).

    ``reference`` and ``produced`` are integer arrays of one shape; no pixel gives a matrix of zeros. Pixels
    mapped as 0 are counted in ``unmapped``. Raises ValueError for a reference or mapped value that is none of
    ``labels``.
    """
    reference, produced = np.asarray(reference), np.asarray(produced)
    if reference.shape != produced.shape:
        raise ValueError(f"reference of shape {reference.shape}, map of shape {produced.shape}")
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

    A class without reference pixels is not validated: none of its measures is defined, because no pixel could
    have been right. A class that was never mapped has recall 0, and no precision or F-score.
    """
    counts = confusion.counts.astype(np.float64)
    right, rows, columns = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    validated = rows > 0
    precision = _ratio(right, np.where(validated, columns, 0))
    recall = _ratio(right, rows)
    f_score = _ratio(2 * right, np.where(validated & (columns > 0), rows + columns, 0))
    overall, kappa = _agreement(confusion)
    support = confusion.counts.sum(axis=1).astype(np.int64)
    return Scores(confusion.labels, precision, recall, f_score, support, overall, kappa)


def not_validated(confusion: Confusion) -> tuple[int, ...]:
    """Classes without any mapped reference pixel: nothing is known about their quality."""
    rows = confusion.counts.sum(axis=1)
    return tuple(label for label, row in zip(confusion.labels, rows, strict=True) if row == 0)


def estimate(values: Iterable[float]) -> Estimate:
    """Mean of the defined ``values`` and half-width of its 95 % Student interval.

    NaN values are left out; ``runs`` tells how many remain, and has one more than the degrees of freedom.
    """
    defined = np.array([value for value in values if not math.isnan(value)], dtype=np.float64)
    runs = len(defined)
    if runs == 0:
        return Estimate(math.nan, None, 0)
    if runs == 1:
        return Estimate(float(defined[0]), None, 1)
    # Needed once at the end of a run, and among what takes longest to import.
    from scipy.special import stdtrit  # noqa: PLC0415

    quantile = float(stdtrit(runs - 1, (1 + CONFIDENCE_LEVEL) / 2))
    half_width = quantile * float(defined.std(ddof=1)) / math.sqrt(runs)
    return Estimate(float(defined.mean()), half_width, runs)


def summarise(confusions: Mapping[int, Confusion]) -> Summary:
    """Measures over the matrices of several seeds, by seed; all of the same labels.

    Raises ValueError when there is none, or when labels differ.
    """
    matrices = list(confusions.values())
    if len({matrix.labels for matrix in matrices}) != 1:
        raise ValueError("confusion matrices of one set of labels are needed")
    each = [scores(matrix) for matrix in matrices]
    return Summary(
        labels=matrices[0].labels,
        runs=len(matrices),
        mean_counts=np.mean([matrix.counts for matrix in matrices], axis=0),
        precision=_by_class([one.precision for one in each]),
        recall=_by_class([one.recall for one in each]),
        f_score=_by_class([one.f_score for one in each]),
        overall_accuracy=estimate(one.overall_accuracy for one in each),
        kappa=estimate(one.kappa for one in each),
    )


def _positions(values: np.ndarray, labels: tuple[int, ...], what: str) -> np.ndarray:
    """Index of each value in the sorted ``labels``, as a flat int64 array."""
    flat = values.ravel()
    known = np.array(labels, dtype=np.int64)
    strange = np.setdiff1d(flat, known)
    if strange.size:
        shown = ", ".join(str(value) for value in strange[:5])
        raise ValueError(f"{what} values {shown} are none of the labels {', '.join(map(str, labels))}")
    return np.searchsorted(known, flat).astype(np.int64)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where whole is 0."""
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _agreement(confusion: Confusion) -> tuple[float, float]:
    """Overall accuracy and kappa. Python's integers, because products of counts overflow 64 bits."""
    rows = [int(count) for count in confusion.counts.sum(axis=1)]
    columns = [int(count) for count in confusion.counts.sum(axis=0)]
    right, total = int(np.trace(confusion.counts)), sum(rows)
    if total == 0:
        return math.nan, math.nan
    chance = sum(row * column for row, column in zip(rows, columns, strict=True))
    kappa = (right * total - chance) / (total**2 - chance) if total**2 > chance else math.nan
    return right / total, kappa


def _by_class(measures: Sequence[np.ndarray]) -> tuple[Estimate, ...]:
    """One estimate for each class from (class,) arrays, one for each seed."""
    return tuple(estimate(float(value) for value in values) for values in zip(*measures, strict=True))
