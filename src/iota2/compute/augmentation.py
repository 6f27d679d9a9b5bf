"""Additional samples of small classes: repeated, with noise, or interpolated between neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from iota2.core.random import generator
from iota2.core.recipe import MISSING

Method = Literal["replicate", "jitter", "smote"]
Wanted = Literal["minNumber", "balance", "byClass"]

DEFAULT_FACTOR, DEFAULT_NEIGHBOURS = 10.0, 5
"""Parameters of ``jitter`` and of ``smote``."""
SAMPLES_PER_STEP = 1024
"""Number of new samples computed at once in double precision."""
CONSTANT_SPREAD = 1e-12
"""Standard deviation of a constant feature, relative to its mean: larger than errors of rounding, and smaller than
that of a million values one of which differs in the last digit."""
DISTANCES_PER_STEP = 1 << 21
"""Number of distances between samples computed at once."""


@dataclass(frozen=True)
class Augmentation:
    """How new samples are made from existing ones."""

    method: Method
    factor: float = DEFAULT_FACTOR
    """``jitter``: standard deviation of a feature divided by that of its noise."""
    neighbours: int = DEFAULT_NEIGHBOURS
    """``smote``: number of nearest samples of the class, one of which is drawn."""


@dataclass(frozen=True, eq=False)
class NewSamples:
    """Samples made from existing ones."""

    values: np.ndarray
    """(new, feature) float32."""
    parents: np.ndarray
    """(new,) int64: position of the sample from which each new sample is made."""


def added(
    wanted: Wanted, counts: Mapping[int, int], *, smallest: int = 0, by_class: Mapping[int, int] | None = None
) -> dict[int, int]:
    """Number of samples to add by class code, ascending, for the classes that have samples and need more.

    ``counts``: samples by class code. ``minNumber``: up to ``smallest`` samples of each class; ``balance``: up to the
    number of the largest class; ``byClass``: up to the number in ``by_class``, and none for other classes.
    """
    match wanted:
        case "minNumber":
            goals = dict.fromkeys(counts, smallest)
        case "balance":
            goals = dict.fromkeys(counts, max(counts.values(), default=0))
        case "byClass":
            goals = dict(by_class or {})
    return {code: goals[code] - n for code, n in sorted(counts.items()) if 0 < n < goals.get(code, 0)}


def augmented(
    x: np.ndarray, codes: np.ndarray, numbers: Mapping[int, int], how: Augmentation, *, seed: int, region: str
) -> NewSamples:
    """New samples of the classes in ``numbers`` (samples to add by class code), by ascending code.

    ``x`` (sample, feature) float32, ``codes`` (sample,). The samples of a class depend only on its own samples in
    their order, ``how``, ``seed`` and ``region``. ``ValueError`` for a class without samples.
    """
    values, parents = [np.zeros((0, x.shape[1]), np.float32)], [np.zeros(0, np.int64)]
    for code, count in sorted(numbers.items()):
        of_class = np.flatnonzero(codes == code)
        new = new_samples(x[of_class], count, how, generator(seed, "augmentation", region, code))
        values.append(new.values)
        parents.append(of_class[new.parents])
    return NewSamples(np.concatenate(values), np.concatenate(parents))


def new_samples(x: np.ndarray, count: int, how: Augmentation, rng: np.random.Generator) -> NewSamples:
    """``count`` new samples of one class from its samples ``x`` (sample, feature) float32.

    ``replicate``: copies; every sample is the parent equally often, give or take one.
    ``jitter``: parents drawn with replacement, plus Gaussian noise in each feature with the standard deviation of the
    feature in the class, divided by ``how.factor``.
    ``smote``: points between a parent and one of its nearest neighbours, parent + u (neighbour − parent) with one u in
    [0, 1) for all features (Chawla et al., 2002, JAIR 16); parents as for ``replicate``. Neighbours are those of
    ``nearest``; with n samples there are at most n − 1.

    Values that are ``MISSING``, NaN or infinite in the parent stay, and the parent's value is used where the neighbour
    has none. A single sample is copied by every method. ``ValueError`` without samples.
    """
    if count and not len(x):
        raise ValueError("no sample from which new ones can be made")
    if how.method == "jitter":
        parents = rng.integers(len(x), size=count) if count else np.zeros(0, np.int64)
        return NewSamples(_with_noise(x, parents, how.factor, rng), parents)
    parents = _drawn_equally(len(x), count, rng)
    if how.method == "replicate" or len(x) < 2 or not count:
        return NewSamples(x[parents], parents)
    used, place = np.unique(parents, return_inverse=True)
    near = nearest(x, used, min(how.neighbours, len(x) - 1))
    neighbours = near[place, rng.integers(near.shape[1], size=count)]
    return NewSamples(_between(x, parents, neighbours, rng.random(count)), parents)


def nearest(x: np.ndarray, of: np.ndarray, count: int) -> np.ndarray:
    """(len(of), count) int64: the nearest other samples of the samples ``of``, by ascending distance, then position.

    ``x`` (sample, feature); ``count`` is less than the number of samples. Distances are Euclidean on features divided
    by their standard deviation in ``x``, so that no feature dominates by its unit. Features without a value in one
    of two samples count as the mean of that feature. A constant feature has no effect.
    """
    mean, std = _moments(x)
    varies = std > CONSTANT_SPREAD * np.abs(mean)
    scale = np.divide(1.0, std, out=np.zeros_like(std), where=varies)
    standard = np.where(_absent(x), 0.0, (x - mean) * scale)
    step = max(1, DISTANCES_PER_STEP // len(x))
    parts = [_nearest(standard, of[first : first + step], count) for first in range(0, len(of), step)]
    return np.concatenate([np.zeros((0, count), np.int64), *parts])


def _nearest(x: np.ndarray, of: np.ndarray, count: int) -> np.ndarray:
    """Nearest other samples of the samples ``of``.

    Distances from a matrix product, whose rounding depends on the library and its threads, exclude all samples that
    are certainly too far; those of the others are computed from differences, so that the result is exact.
    """
    squares = (x**2).sum(axis=1)
    sums = squares[of, np.newaxis] + squares
    rough = sums - 2 * (x[of] @ x.T)
    rough[np.arange(len(of)), of] = np.inf
    error = 4 * (x.shape[1] + 2) * np.finfo(np.float64).eps * sums
    farthest = np.partition(rough + error, count - 1, axis=1)[:, count - 1 : count]
    row, other = np.nonzero(rough - error <= farthest)
    exact = np.empty(len(row))
    for first in range(0, len(row), SAMPLES_PER_STEP):
        some = slice(first, first + SAMPLES_PER_STEP)
        exact[some] = ((x[of[row[some]]] - x[other[some]]) ** 2).sum(axis=1)
    order = np.lexsort((other, exact, row))
    first_of_row = np.searchsorted(row, np.arange(len(of)))
    return np.asarray(other[order][first_of_row[:, np.newaxis] + np.arange(count)], np.int64)


def _absent(x: np.ndarray) -> np.ndarray:
    """Whether each value is missing, (sample, feature) bool."""
    return (x == MISSING) | ~np.isfinite(x)


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each feature over its values, (feature,) float64; 0 without values."""
    present = ~_absent(x)
    count = np.maximum(present.sum(axis=0), 1)
    mean = np.where(present, x, 0.0).sum(axis=0, dtype=np.float64) / count
    variance = np.where(present, x - mean, 0.0)
    return mean, np.sqrt((variance**2).sum(axis=0) / count)


def _drawn_equally(samples: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count,) int64: ascending positions, each occurring as often as the others, give or take one."""
    if not count:
        return np.zeros(0, np.int64)
    rounds, rest = divmod(count, samples)
    times = np.full(samples, rounds, np.int64)
    times[rng.choice(samples, size=rest, replace=False)] += 1
    return np.repeat(np.arange(samples, dtype=np.int64), times)


def _with_noise(x: np.ndarray, parents: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray:
    spread = _moments(x)[1] / factor
    values = x[parents]
    for first in range(0, len(values), SAMPLES_PER_STEP):
        some = values[first : first + SAMPLES_PER_STEP]
        noisy = some + spread * rng.standard_normal(some.shape)
        some[:] = np.where(_absent(some), some, noisy)
    return values


def _between(x: np.ndarray, parents: np.ndarray, neighbours: np.ndarray, share: np.ndarray) -> np.ndarray:
    values = x[parents]
    for first in range(0, len(values), SAMPLES_PER_STEP):
        some = values[first : first + SAMPLES_PER_STEP]
        other = x[neighbours[first : first + SAMPLES_PER_STEP]]
        u = share[first : first + SAMPLES_PER_STEP, np.newaxis]
        with np.errstate(invalid="ignore"):  # infinite values, which are not used
            between = some + u * (other.astype(np.float64) - some)
        some[:] = np.where(_absent(some) | _absent(other), some, between)
    return values
