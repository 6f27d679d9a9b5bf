"""Stages that work on single values or on the values of one pixel: scalings, activations, links to probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from iota2.compute.predictors.kernels import add_products, total
from iota2.compute.predictors.stage import require, require_array, require_count

LOG_OFFSET = 1e-12
"""Added to probabilities before their logarithm, as in scikit-learn's temperature scaling."""


def expit(x: np.ndarray) -> np.ndarray:
    """Logistic function 1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, 1.0) / (1.0 + small)


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0.0),
    "cosine": np.cos,
    "log": lambda x: np.log(x + LOG_OFFSET),
    "square": np.square,
}
"""Functions of single values."""


@dataclass(frozen=True, eq=False)
class Elementwise:
    """A function of each value."""

    n_features: int
    function: str

    def __post_init__(self) -> None:
        require_count("inputs", self.n_features)
        require(self.function in ACTIVATIONS, f"function {self.function!r}")

    @property
    def n_outputs(self) -> int:
        """As inputs."""
        return self.n_features

    def apply(self, x: np.ndarray) -> np.ndarray:
        """The function of each value."""
        return ACTIVATIONS[self.function](x)


@dataclass(frozen=True, eq=False)
class Affine:
    """Each input times its factor, plus its offset."""

    factor: np.ndarray
    """(feature,) float64."""
    offset: np.ndarray
    """(feature,) float64."""

    def __post_init__(self) -> None:
        require_array("factor", self.factor, (None,))
        require_array("offset", self.offset, self.factor.shape)

    @property
    def n_features(self) -> int:
        """Number of factors."""
        return len(self.factor)

    @property
    def n_outputs(self) -> int:
        """As inputs."""
        return len(self.factor)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Scaled values."""
        result = x * self.factor[:, None]
        result += self.offset[:, None]
        return result


@dataclass(frozen=True, eq=False)
class Limits:
    """Each input limited to an interval."""

    n_features: int
    low: float
    high: float

    def __post_init__(self) -> None:
        require_count("inputs", self.n_features)
        require(-np.inf < self.low < self.high < np.inf, f"interval {self.low}..{self.high}")

    @property
    def n_outputs(self) -> int:
        """As inputs."""
        return self.n_features

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Limited values."""
        return np.clip(x, self.low, self.high)


@dataclass(frozen=True, eq=False)
class Threshold:
    """1 for inputs above a threshold, otherwise 0."""

    n_features: int
    threshold: float

    def __post_init__(self) -> None:
        require_count("inputs", self.n_features)
        require(np.isfinite(self.threshold), f"threshold {self.threshold}")

    @property
    def n_outputs(self) -> int:
        """As inputs."""
        return self.n_features

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Zeros and ones."""
        return (x > self.threshold).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Linear:
    """Weighted sums of the inputs, plus an intercept: linear scores, projections, layers of networks."""

    weights: np.ndarray
    """(output, feature) float64."""
    intercept: np.ndarray
    """(output,) float64."""

    def __post_init__(self) -> None:
        require_array("weights", self.weights, (None, None))
        require_array("intercept", self.intercept, (len(self.weights),))

    @property
    def n_features(self) -> int:
        """Number of weights of an output."""
        return self.weights.shape[1]

    @property
    def n_outputs(self) -> int:
        """Number of sums."""
        return len(self.weights)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """The sums, of terms in the order of the inputs."""
        result = np.repeat(self.intercept[:, None], x.shape[1], axis=1)
        add_products(x, self.weights, result)
        return result


NORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "l1": lambda x: total(np.abs(x)),
    "l2": lambda x: np.sqrt(total(np.square(x))),
    "max": lambda x: np.abs(x).max(axis=0),
}


@dataclass(frozen=True, eq=False)
class UnitNorm:
    """Inputs of a pixel divided by their norm; a pixel of zeros stays 0."""

    n_features: int
    norm: str

    def __post_init__(self) -> None:
        require_count("inputs", self.n_features)
        require(self.norm in NORMS, f"norm {self.norm!r}")

    @property
    def n_outputs(self) -> int:
        """As inputs."""
        return self.n_features

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Values with norm 1."""
        norm = NORMS[self.norm](x)
        return x / np.where(norm == 0, 1.0, norm)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Exponentials of the scores (class, pixel), divided by their sum over the classes."""
    result = np.exp(scores - scores.max(axis=0))
    result /= total(result)
    return result


def shares(values: np.ndarray) -> np.ndarray:
    """Values (class, pixel) divided by their sum; equal shares where the sum is 0."""
    sums = total(values)
    return np.where(sums == 0, 1.0 / len(values), values / np.where(sums == 0, 1.0, sums))


def shares_or_zero(values: np.ndarray) -> np.ndarray:
    """Values (class, pixel) divided by their sum; 0 where the sum is 0."""
    sums = total(values)
    return values / np.where(sums == 0, 1.0, sums)


def pair(second: np.ndarray) -> np.ndarray:
    """Probabilities of two classes from that of the second, (1, pixel)."""
    return np.concatenate([1.0 - second, second])


def one_hot(values: np.ndarray) -> np.ndarray:
    """1 for the first of the greatest values of a pixel, otherwise 0."""
    result = np.zeros_like(values)
    result[values.argmax(axis=0), np.arange(values.shape[1])] = 1.0
    return result


LINKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "softmax": softmax,
    "shares": shares,
    "shares or zero": shares_or_zero,
    "pair": pair,
    "one hot": one_hot,
    "at most 1": lambda x: np.where((x > 1.0) & (x <= 1.0 + 1e-5), 1.0, x),
}
"""Functions of the values of a pixel that give probabilities."""


@dataclass(frozen=True, eq=False)
class Link:
    """Conversion of scores to probabilities.

    ``pair`` expects one input, the probability of the second class, and has two outputs; the others have as many
    outputs as inputs.
    """

    n_features: int
    link: str

    def __post_init__(self) -> None:
        require_count("inputs", self.n_features)
        require(self.link in LINKS, f"link {self.link!r}")
        require(self.link != "pair" or self.n_features == 1, f"pair of {self.n_features} inputs")

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return 2 if self.link == "pair" else self.n_features

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Probabilities."""
        return LINKS[self.link](x)


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and standard deviation from the mean and the mean of squares."""

    @property
    def n_features(self) -> int:
        """Mean and mean of squares."""
        return 2

    @property
    def n_outputs(self) -> int:
        """Mean and standard deviation."""
        return 2

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Mean, and standard deviation; 0 where rounding gives a negative variance."""
        return np.stack([x[0], np.sqrt(np.maximum(x[1] - x[0] ** 2, 0.0))])


@dataclass(frozen=True, eq=False)
class Steps:
    """Piecewise linear functions of the inputs, constant outside their points: isotonic calibration."""

    starts: np.ndarray
    """(feature + 1,) int64: first point of each function."""
    x: np.ndarray
    """(point,) float64: ascending for each function."""
    y: np.ndarray
    """(point,) float64."""

    def __post_init__(self) -> None:
        require_array("starts", self.starts, (None,), np.int64)
        require_array("x", self.x, (None,))
        require_array("y", self.y, self.x.shape)
        require(len(self.starts) > 1 and self.starts[0] == 0 and self.starts[-1] == len(self.x), "starts of functions")
        require((np.diff(self.starts) > 0).all(), "a function without points")
        rising = np.diff(self.x) >= 0
        rising[self.starts[1:-1] - 1] = True
        require(rising.all(), "points of a function do not ascend")

    @property
    def n_features(self) -> int:
        """Number of functions."""
        return len(self.starts) - 1

    @property
    def n_outputs(self) -> int:
        """As inputs."""
        return len(self.starts) - 1

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Interpolated values."""
        result = np.empty_like(x)
        for number, (first, last) in enumerate(zip(self.starts, self.starts[1:], strict=False)):
            result[number] = np.interp(x[number], self.x[first:last], self.y[first:last])
        return result
