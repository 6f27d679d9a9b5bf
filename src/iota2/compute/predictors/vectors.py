"""Kernel functions between pixels and stored vectors: support vector machines, approximations of kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

from iota2.compute.predictors.kernels import STRIPE, add_absolutes, add_products, add_squares
from iota2.compute.predictors.stage import require, require_array

GROUP = 8 * STRIPE
"""Vectors whose kernel values are computed together; a multiple of the stripe, so that sums keep their order."""


@dataclass(frozen=True)
class Kernel:
    """A kernel function with its parameters, as in scikit-learn."""

    name: str
    gamma: float
    coef0: float
    degree: float

    def __post_init__(self) -> None:
        require(self.name in KERNELS, f"kernel {self.name!r}")
        require(np.isfinite([self.gamma, self.coef0, self.degree]).all(), "parameters of the kernel")

    def values(self, x: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """(vector, pixel) float64: kernel values of pixels ``x`` (feature, pixel)."""
        sums = np.zeros((len(vectors), x.shape[1]))
        return KERNELS[self.name](self, x, np.ascontiguousarray(vectors), sums)


def _linear(_kernel: Kernel, x: np.ndarray, vectors: np.ndarray, sums: np.ndarray) -> np.ndarray:
    add_products(x, vectors, sums)
    return sums


def _rbf(kernel: Kernel, x: np.ndarray, vectors: np.ndarray, sums: np.ndarray) -> np.ndarray:
    add_squares(x, vectors, sums)
    sums *= -kernel.gamma
    return np.exp(sums, out=sums)


def _laplacian(kernel: Kernel, x: np.ndarray, vectors: np.ndarray, sums: np.ndarray) -> np.ndarray:
    add_absolutes(x, vectors, sums)
    sums *= -kernel.gamma
    return np.exp(sums, out=sums)


def _scaled(kernel: Kernel, x: np.ndarray, vectors: np.ndarray, sums: np.ndarray) -> np.ndarray:
    add_products(x, vectors, sums)
    sums *= kernel.gamma
    sums += kernel.coef0
    return sums


def _poly(kernel: Kernel, x: np.ndarray, vectors: np.ndarray, sums: np.ndarray) -> np.ndarray:
    result: np.ndarray = _scaled(kernel, x, vectors, sums) ** kernel.degree
    return result


def _sigmoid(kernel: Kernel, x: np.ndarray, vectors: np.ndarray, sums: np.ndarray) -> np.ndarray:
    return np.tanh(_scaled(kernel, x, vectors, sums), out=sums)


KERNELS: dict[str, Callable[[Kernel, np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "linear": _linear,
    "rbf": _rbf,
    "laplacian": _laplacian,
    "poly": _poly,
    "sigmoid": _sigmoid,
}


@dataclass(frozen=True, eq=False)
class KernelValues:
    """Kernel values between a pixel and each of the vectors."""

    vectors: np.ndarray
    """(vector, feature) float64."""
    kernel: Kernel

    def __post_init__(self) -> None:
        require(isinstance(self.kernel, Kernel), "vectors without a kernel")
        require_array("vectors", self.vectors, (None, None))

    @property
    def n_features(self) -> int:
        """Features of a vector."""
        return self.vectors.shape[1]

    @property
    def n_outputs(self) -> int:
        """Number of vectors."""
        return len(self.vectors)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Kernel values."""
        return self.kernel.values(x, self.vectors)


@dataclass(frozen=True, eq=False)
class SupportVectors:
    """Decision values for each pair of classes (Chang and Lin, LIBSVM, 2011); positive for the second class.

    Pairs are (0, 1), (0, 2) … (1, 2) …; a class takes part in ``class - 1`` pairs, each with its own coefficients.
    """

    vectors: np.ndarray
    """(vector, feature) float64, grouped by class."""
    counts: np.ndarray
    """(class,) int64: number of vectors of each class."""
    coefficients: np.ndarray
    """(class - 1, vector) float64: row ``k`` is for the k-th other class."""
    intercept: np.ndarray
    """(pair,) float64."""
    kernel: Kernel

    def __post_init__(self) -> None:
        require(isinstance(self.kernel, Kernel), "vectors without a kernel")
        require_array("vectors", self.vectors, (None, None))
        require_array("counts", self.counts, (None,), np.int64)
        n = len(self.counts)
        require(1 < n <= 2**16 and (self.counts >= 0).all(), "fewer than two classes, or a negative count")
        require(sum(self.counts.tolist()) == len(self.vectors), "counts of vectors differ from the vectors")
        require_array("coefficients", self.coefficients, (n - 1, len(self.vectors)))
        require_array("intercept", self.intercept, (n * (n - 1) // 2,))

    @property
    def n_features(self) -> int:
        """Features of a vector."""
        return self.vectors.shape[1]

    @property
    def n_outputs(self) -> int:
        """Number of pairs."""
        return len(self.intercept)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Decision values of the pairs."""
        n = len(self.counts)
        result = np.repeat(self.intercept[:, None], x.shape[1], axis=1)
        number = {pair: row for row, pair in enumerate((i, j) for i in range(n) for j in range(i + 1, n))}
        last = np.cumsum(self.counts)
        for own, (first, stop) in enumerate(zip(last - self.counts, last, strict=True)):
            sums = np.zeros((n - 1, x.shape[1]))
            for start in range(first, stop, GROUP):
                group = slice(start, min(stop, start + GROUP))
                values = self.kernel.values(x, self.vectors[group])
                add_products(values, np.ascontiguousarray(self.coefficients[:, group]), sums)
            for row in range(n - 1):
                other = row if row < own else row + 1
                result[number[min(own, other), max(own, other)]] += sums[row]
        return result


@dataclass(frozen=True, eq=False)
class PairVotes:
    """Scores of classes from the values of their pairs: votes, and among equal votes the sum of values.

    Pairs as in ``SupportVectors``; a value above the threshold is a vote for the second class of the pair. Sums are
    mapped to -1/3 to 1/3, so that they decide only between equal votes; without ``sums`` only votes count.
    """

    n_outputs: int
    threshold: float
    sums: bool = True

    def __post_init__(self) -> None:
        require(type(self.n_outputs) is int and 1 < self.n_outputs <= 2**15, f"{self.n_outputs} classes")
        require(np.isfinite(self.threshold), f"threshold {self.threshold}")
        require(type(self.sums) is bool, f"sums is {self.sums!r}")

    @property
    def n_features(self) -> int:
        """Number of pairs."""
        return self.n_outputs * (self.n_outputs - 1) // 2

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Scores of the classes."""
        votes, sums = np.zeros((2, self.n_outputs, x.shape[1]))
        _vote(x, self.threshold, votes, sums)
        return votes + sums / (3.0 * (np.abs(sums) + 1.0)) if self.sums else votes


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _vote(x: np.ndarray, threshold: float, votes: np.ndarray, sums: np.ndarray) -> None:
    row = 0
    for i in range(votes.shape[0]):
        for j in range(i + 1, votes.shape[0]):
            for k in range(x.shape[1]):
                value = x[row, k]
                sums[i, k] -= value
                sums[j, k] += value
                votes[j if value > threshold else i, k] += 1.0
            row += 1
