"""Votes of the training samples near a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from iota2.compute.predictors.kernels import add_absolutes, add_squares
from iota2.compute.predictors.stage import require, require_array, require_count

GROUP = 256
"""Samples whose distances are computed together."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Training samples with the distance to them: Euclidean (power 2) or the sum of absolute differences (power 1)."""

    x: np.ndarray
    """(sample, feature) float64."""
    votes: np.ndarray
    """(sample, class) float64, at least 0: class shares of each sample."""
    power: int

    def __post_init__(self) -> None:
        require_array("samples", self.x, (None, None))
        require_array("votes", self.votes, (len(self.x), None))
        require((self.votes >= 0).all(), "negative votes")
        require(type(self.power) is int and self.power in (1, 2), f"power {self.power!r}")

    def distances(self, x: np.ndarray, first: int) -> np.ndarray:
        """(sample, pixel): distances, squared if Euclidean, to the group of samples from ``first``."""
        group = self.x[first : first + GROUP]
        result = np.zeros((len(group), x.shape[1]))
        (add_squares if self.power == 2 else add_absolutes)(x, group, result)
        return result


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Shares of the classes among the nearest samples, all with equal weight or weighted by inverse distance.

    Of samples at equal distance, the first are nearest. With weights, samples at the place of a pixel outvote all
    others.
    """

    samples: Samples
    count: int
    weighted: bool

    def __post_init__(self) -> None:
        require(isinstance(self.samples, Samples), "neighbours without samples")
        require_count("neighbours", self.count)
        require(self.count <= len(self.samples.x), f"{self.count} neighbours of {len(self.samples.x)} samples")
        require(type(self.weighted) is bool, f"weighted is {self.weighted!r}")

    @property
    def n_features(self) -> int:
        """Features of a sample."""
        return self.samples.x.shape[1]

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return self.samples.votes.shape[1]

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Shares of the classes."""
        distance = np.full((x.shape[1], self.count), np.inf)
        index = np.zeros((x.shape[1], self.count), np.int64)
        for first in range(0, len(self.samples.x), GROUP):
            _keep_nearest(self.samples.distances(x, first), first, distance, index)
        if self.samples.power == 2:
            np.sqrt(distance, out=distance)
        result = np.zeros((self.n_outputs, x.shape[1]))
        _add_votes(index, distance, self.weighted, self.samples.votes, result)
        return result


@dataclass(frozen=True, eq=False)
class NeighboursWithin:
    """Shares of the classes among the samples within a radius, as ``Neighbours``.

    A pixel without a sample in the radius gets the shares ``outlier``; all of them 0 mean an error.
    """

    samples: Samples
    radius: float
    weighted: bool
    outlier: np.ndarray
    """(class,) float64."""

    def __post_init__(self) -> None:
        require(isinstance(self.samples, Samples), "neighbours without samples")
        require(0 <= self.radius < np.inf, f"radius {self.radius}")
        require(type(self.weighted) is bool, f"weighted is {self.weighted!r}")
        require_array("outlier", self.outlier, (self.samples.votes.shape[1],))

    @property
    def n_features(self) -> int:
        """Features of a sample."""
        return self.samples.x.shape[1]

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return self.samples.votes.shape[1]

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Shares of the classes; ``ValueError`` for a pixel without a sample, unless ``outlier`` has shares."""
        same, near = np.zeros((2, self.n_outputs, x.shape[1]))
        for first in range(0, len(self.samples.x), GROUP):
            distance = self.samples.distances(x, first)
            if self.samples.power == 2:
                np.sqrt(distance, out=distance)
            _add_within(distance, self.samples.votes[first : first + GROUP], self.radius, self.weighted, (same, near))
        votes = np.where(same.max(axis=0) > 0, same, near)
        empty = votes.max(axis=0) == 0
        if empty.any() and not self.outlier.any():
            raise ValueError(f"{np.count_nonzero(empty)} pixels have no sample within the radius {self.radius}")
        sums = np.zeros(x.shape[1])
        for row in votes:
            sums += row
        return np.where(empty, self.outlier[:, None], votes / np.where(empty, 1.0, sums))


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _keep_nearest(new: np.ndarray, first: int, distance: np.ndarray, index: np.ndarray) -> None:
    """Insert samples ``first`` … with distances ``new`` (sample, pixel) into the sorted lists (pixel, neighbour)."""
    last = distance.shape[1] - 1
    for s in range(new.shape[0]):
        for k in range(new.shape[1]):
            value = new[s, k]
            if value < distance[k, last]:
                at = last
                while at > 0 and value < distance[k, at - 1]:
                    distance[k, at] = distance[k, at - 1]
                    index[k, at] = index[k, at - 1]
                    at -= 1
                distance[k, at] = value
                index[k, at] = first + s


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _add_votes(index: np.ndarray, distance: np.ndarray, weighted: bool, votes: np.ndarray, out: np.ndarray) -> None:
    """Shares of classes (class, pixel) from the samples ``index`` (pixel, neighbour), sorted by distance."""
    for k in range(index.shape[0]):
        same = distance[k, 0] == 0.0
        total = 0.0
        for n in range(index.shape[1]):
            weight = 1.0
            if weighted:
                weight = (1.0 if distance[k, n] == 0.0 else 0.0) if same else 1.0 / distance[k, n]
            for c in range(votes.shape[1]):
                share = weight * votes[index[k, n], c]
                out[c, k] += share
                total += share
        for c in range(votes.shape[1]):
            out[c, k] /= total


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _add_within(
    distance: np.ndarray, votes: np.ndarray, radius: float, weighted: bool, sums: tuple[np.ndarray, np.ndarray]
) -> None:
    """Add the votes of samples within the radius to the second sums, with weights those at distance 0 to the first."""
    same, near = sums
    for s in range(distance.shape[0]):
        for k in range(distance.shape[1]):
            value = distance[s, k]
            if value <= radius:
                zero = weighted and value == 0.0
                for c in range(votes.shape[1]):
                    if zero:
                        same[c, k] += votes[s, c]
                    else:
                        near[c, k] += votes[s, c] / value if weighted else votes[s, c]
