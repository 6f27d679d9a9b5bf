"""Calibration of class probabilities by functions that keep the order of the classes of a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
from numba import njit

from iota2.compute.reliability import brier_scores

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.01, 10.0
"""Range of fitted temperatures; AdaBoost, whose probabilities are nearly equal, got 0.03 in the demo."""
MIN_UNIFORM, MAX_UNIFORM = 1e-6, 0.5
"""Range of fitted uniform shares; above 0, so that no class is impossible and the log-loss is finite."""
SLOPE = 1e-3
"""Share of the given probability in an isotonic calibration: keeps the order within the steps of the fit."""
PRIOR_SPREAD = 1.0
"""Standard deviation of the prior of log(temperature), whose mean is 0: two thirds of temperatures are 0.37 to 2.7.

Without it, a classifier without errors on its samples gets the lowest temperature, however few polygons there are.
"""
_TEMPERATURE_STEPS = 37
"""Number of temperatures that are tried before the search is refined."""

Method = Literal["temperature", "isotonic"]


class Calibration(Protocol):
    """A fitted calibration; the order of the classes of a sample, and thus its label, does not change."""

    name: ClassVar[Method]

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrated probabilities (n, class) float64 with row sums 1, from probabilities (n, class).

        Each row is computed separately, so that the result does not depend on the other rows. A row of zeros becomes
        the uniform distribution; rows with NaN are NaN.
        """

    def parameters(self) -> Mapping[str, float | list[float]]:
        """The fitted numbers; the constructor accepts them."""


@dataclass(frozen=True)
class Temperature:
    """Temperature scaling with a uniform share: p^(1 / temperature), normalised, then mixed with 1 / classes.

    Temperature scaling [Guo et al. 2017, ICML] applied to the logarithms of probabilities. The uniform share [part of
    the ensemble temperature scaling of Zhang, Kailkhura & Han 2020, ICML] is needed for forests, which give probability
    0 to classes of some samples. ``ValueError`` for numbers out of range.
    """

    name: ClassVar[Method] = "temperature"
    temperature: float
    """Above 1: probabilities become more equal; below 1: more extreme."""
    uniform: float
    """Weight of the uniform distribution, 0 to 1."""

    def __post_init__(self) -> None:
        if not (_is_number(self.temperature) and MIN_TEMPERATURE / 2 <= self.temperature <= 2 * MAX_TEMPERATURE):
            raise ValueError(f"temperature {self.temperature!r} is not a number from 0.005 to 20")
        if not (_is_number(self.uniform) and 0 <= self.uniform < 1):
            raise ValueError(f"uniform share {self.uniform!r} is not a number from 0 to 1")

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, as ``Calibration.apply``."""
        given = np.ascontiguousarray(probabilities, np.float64)
        calibrated: np.ndarray = _tempered(given, 1 / self.temperature, self.uniform)
        return calibrated

    def parameters(self) -> dict[str, float | list[float]]:
        """Temperature and uniform share."""
        return {"temperature": self.temperature, "uniform": self.uniform}


@dataclass(frozen=True)
class Isotonic:
    """Isotonic regression of all classes together: one increasing function of the probability, then normalised.

    The function [isotonic regression for multi-class calibration, Zhang, Kailkhura & Han 2020, ICML] is fitted to all
    pairs of a sample and a class. It is linear between the points ``given``, ``found``, and has the slope ``SLOPE``
    beyond them. A separate function for each class would need more polygons, and would change labels. ``ValueError`` if
    the points do not ascend in 0..1.
    """

    name: ClassVar[Method] = "isotonic"
    given: tuple[float, ...]
    """(point,) probabilities of the classifier, strictly ascending in 0..1."""
    found: tuple[float, ...]
    """(point,) shares of correct pairs, strictly ascending in 0..1."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "given", tuple(self.given))
        object.__setattr__(self, "found", tuple(self.found))
        if len(self.given) != len(self.found) or not self.given:
            raise ValueError(f"{len(self.given)} given and {len(self.found)} found points of an isotonic function")
        for name, values in (("given", self.given), ("found", self.found)):
            if not all(map(_is_number, values)) or not (values[0] >= 0 and values[-1] <= 1):
                raise ValueError(f"{name} points of an isotonic function are not numbers from 0 to 1")
            if (np.diff(values) <= 0).any():
                raise ValueError(f"{name} points of an isotonic function do not ascend")

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, as ``Calibration.apply``."""
        rows = np.ascontiguousarray(probabilities, np.float64)
        calibrated: np.ndarray = _mapped(rows, np.array(self.given), np.array(self.found))
        return calibrated

    def parameters(self) -> dict[str, float | list[float]]:
        """The points of the function."""
        return {"given": list(self.given), "found": list(self.found)}


METHODS: Mapping[Method, type[Temperature] | type[Isotonic]] = {"temperature": Temperature, "isotonic": Isotonic}
"""Calibrations by name."""


def fit_temperature(
    probabilities: np.ndarray,
    columns: np.ndarray,
    *,
    weight: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> Temperature:
    """The most probable temperature and uniform share: smallest log-loss, with a normal prior of log(temperature).

    ``probabilities`` (sample, class) of samples that the classifier has not learned from, ``columns`` (sample,) column
    of the true class, ``weight`` (sample,), ``groups`` (sample,) the polygons. The samples of a polygon count as one
    observation in comparison with the prior, whose standard deviation is ``PRIOR_SPREAD``; without ``groups``, each
    sample is an observation. Without samples, or with one class, probabilities do not change.
    """
    if not len(columns) or probabilities.shape[1] == 1:
        return Temperature(1.0, 0.0)
    # Imported here: slow to import, and needed for training only.
    from scipy.optimize import minimize_scalar  # noqa: PLC0415

    weights = _weights(columns, weight)
    observations = len(columns) if groups is None else len(np.unique(groups))
    with np.errstate(divide="ignore"):
        logarithms = np.log(probabilities / probabilities.max(axis=1, keepdims=True))

    def best(log_temperature: float) -> tuple[float, float]:
        """Log-loss with the prior, per observation, and the uniform share for which it is smallest."""
        tempered = np.exp(logarithms / np.exp(log_temperature))
        truth = tempered[np.arange(len(columns)), columns] / tempered.sum(axis=1)
        loss, share = _uniform_share(truth, weights, probabilities.shape[1])
        return loss + (log_temperature / PRIOR_SPREAD) ** 2 / 2 / observations, share

    steps = np.linspace(np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE), _TEMPERATURE_STEPS)
    nearest = int(np.argmin([best(step)[0] for step in steps]))
    between = steps[max(0, nearest - 1)], steps[min(len(steps) - 1, nearest + 1)]
    found = minimize_scalar(lambda step: best(step)[0], bounds=between, method="bounded", options={"xatol": 1e-4})
    return Temperature(float(np.exp(found.x)), best(found.x)[1])


def _uniform_share(truth: np.ndarray, weights: np.ndarray, classes: int) -> tuple[float, float]:
    """Smallest log-loss and its uniform share, for the probabilities (sample,) of the true classes.

    The log-loss is a convex function of the share, so that its derivative is bisected.
    """

    def slope(share: float) -> float:
        return float(-(weights * (1 / classes - truth) / ((1 - share) * truth + share / classes)).sum())

    low, high = MIN_UNIFORM, MAX_UNIFORM
    if slope(low) >= 0:
        high = low
    elif slope(high) <= 0:
        low = high
    while high - low > 1e-7:
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    share = (low + high) / 2
    return float(-(weights * np.log((1 - share) * truth + share / classes)).sum()), share


def fit_isotonic(probabilities: np.ndarray, columns: np.ndarray) -> Isotonic:
    """Increasing function with the smallest squared error over all pairs of a sample and a class.

    ``probabilities`` and ``columns`` are those of ``fit_temperature``. Without samples, or with one class,
    probabilities do not change.
    """
    if not len(columns) or probabilities.shape[1] == 1:
        return Isotonic((0.0, 1.0), (0.0, 1.0))
    # Imported here: slow to import, and needed for training only.
    from scipy.optimize import isotonic_regression  # noqa: PLC0415

    given, place = np.unique(probabilities, return_inverse=True)
    pairs = np.bincount(place.reshape(-1)).astype(np.float64)
    correct = np.bincount(place.reshape(probabilities.shape)[np.arange(len(columns)), columns], minlength=len(given))
    fitted = np.clip(isotonic_regression(correct / pairs, weights=pairs).x, 0.0, 1.0)
    corners = np.append(True, fitted[1:] > fitted[:-1]) | np.append(fitted[1:] > fitted[:-1], True)
    given, fitted = given[corners], (1 - SLOPE) * fitted[corners] + SLOPE * given[corners]
    rising = np.append(True, (np.diff(given) > 0) & (np.diff(fitted) > 0))
    return Isotonic(tuple(given[rising].tolist()), tuple(fitted[rising].tolist()))


def fit_calibration(
    method: Method,
    probabilities: np.ndarray,
    columns: np.ndarray,
    *,
    groups: np.ndarray | None = None,
) -> Calibration:
    """The calibration of the given method, with the arguments of ``fit_temperature``; isotonic ignores ``groups``."""
    if method == "isotonic":
        return fit_isotonic(probabilities, columns)
    return fit_temperature(probabilities, columns, groups=groups)


def cross_fitted(
    method: Method,
    probabilities: np.ndarray,
    columns: np.ndarray,
    folds: np.ndarray,
    *,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Probabilities (sample, class) calibrated by calibrations that were fitted to the other folds.

    ``folds`` (sample,) are the folds in which samples were predicted; other arguments as for ``fit_temperature``.
    """
    found = np.empty_like(probabilities)
    for fold in np.unique(folds):
        inside, outside = folds == fold, folds != fold
        own = None if groups is None else groups[outside]
        fitted = fit_calibration(method, probabilities[outside], columns[outside], groups=own)
        found[inside] = fitted.apply(probabilities[inside])
    return found


def cross_fitted_scores(
    methods: Sequence[Method],
    probabilities: np.ndarray,
    columns: np.ndarray,
    folds: np.ndarray,
    *,
    groups: np.ndarray | None = None,
) -> dict[Method | Literal["none"], np.ndarray]:
    """(sample,) Brier scores of the given probabilities (``none``), and after each cross-fitted calibration.

    The Brier score is a proper score and is finite for probabilities of 0, unlike the log-loss.
    """
    candidates: dict[Method | Literal["none"], np.ndarray] = {"none": probabilities}
    for method in methods:
        candidates[method] = cross_fitted(method, probabilities, columns, folds, groups=groups)
    return {name: brier_scores(found, columns) for name, found in candidates.items()}


def _weights(columns: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """(sample,) float64 weights with sum 1."""
    weights = np.ones(len(columns)) if weight is None else np.asarray(weight, np.float64)
    weights = weights / weights.sum()
    return weights


def _is_number(value: object) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and bool(np.isfinite(value))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _tempered(probabilities: np.ndarray, exponent: float, uniform: float) -> np.ndarray:
    """Rows to the power of ``exponent``, normalised, and mixed with the uniform distribution."""
    rows, classes = probabilities.shape
    found = np.empty((rows, classes))
    for row in range(rows):
        top = probabilities[row].max()
        total = 0.0
        for k in range(classes):
            share = probabilities[row, k]
            # Divided by the maximum, so that powers of small probabilities do not all become 0.
            power = (share / top) ** exponent if share != 0.0 else 0.0
            found[row, k] = power
            total += power
        for k in range(classes):
            share = found[row, k] / total if total != 0.0 else 1.0 / classes
            found[row, k] = (1.0 - uniform) * share + uniform / classes
    return found


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _mapped(probabilities: np.ndarray, given: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Rows mapped by a function that is linear between points, and normalised."""
    rows, classes = probabilities.shape
    found = np.empty((rows, classes))
    last = len(given) - 1
    for row in range(rows):
        total = 0.0
        for k in range(classes):
            share = probabilities[row, k]
            if np.isnan(share):
                value = share
            elif share <= given[0]:  # outside the points the slope keeps the order
                value = max(0.0, mapped[0] - SLOPE * (given[0] - share))
            elif share >= given[last]:
                value = min(1.0, mapped[last] + SLOPE * (share - given[last]))
            else:
                right = np.searchsorted(given, share)
                left = right - 1
                slope = (share - given[left]) / (given[right] - given[left])
                value = mapped[left] + slope * (mapped[right] - mapped[left])
            found[row, k] = value
            total += value
        for k in range(classes):
            found[row, k] = found[row, k] / total if total != 0.0 else 1.0 / classes
    return found
