"""Stages: computations on the features of a block of pixels, of which predictors are composed.

A stage is a frozen dataclass. Its fields are arrays, numbers, texts, and other stages, so that it can be stored without
code. Its constructor raises ``ValueError`` unless shapes, indices and values permit a safe evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

MAX_COUNT = 2**20
"""Limit of the numbers of features and outputs."""


class Stage(Protocol):
    """A computation on each pixel: transform of features, scores, or class probabilities."""

    @property
    def n_features(self) -> int:
        """Number of inputs of a pixel."""

    @property
    def n_outputs(self) -> int:
        """Number of outputs of a pixel; for probabilities, of classes."""

    def apply(self, x: np.ndarray) -> np.ndarray:
        """(output, pixel) float64 from ``x`` (feature, pixel), contiguous float64, which is not changed.

        The result of a pixel does not depend on the other pixels of ``x``. Infinite inputs, and sums that overflow, may
        give NaN.
        """


@dataclass(frozen=True, eq=False)
class Chain:
    """Stages in sequence: each gets the outputs of the previous one."""

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        require(self.stages, "a chain without stages")
        for first, second in zip(self.stages, self.stages[1:], strict=False):
            require(
                first.n_outputs == second.n_features,
                f"{type(second).__name__} has {second.n_features} inputs after {first.n_outputs} outputs",
            )

    @property
    def n_features(self) -> int:
        """Inputs of the first stage."""
        return self.stages[0].n_features

    @property
    def n_outputs(self) -> int:
        """Outputs of the last stage."""
        return self.stages[-1].n_outputs

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Outputs of the last stage."""
        for stage in self.stages:
            x = stage.apply(x)
        return x


@dataclass(frozen=True, eq=False)
class Concatenation:
    """The outputs of several stages on the same inputs, one after the other."""

    members: tuple[Stage, ...]

    def __post_init__(self) -> None:
        _require_same_inputs(self.members)

    @property
    def n_features(self) -> int:
        """Inputs of each member."""
        return self.members[0].n_features

    @property
    def n_outputs(self) -> int:
        """Sum of the outputs of the members."""
        return sum(member.n_outputs for member in self.members)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Outputs of all members."""
        return np.concatenate([member.apply(x) for member in self.members])


@dataclass(frozen=True, eq=False)
class Mean:
    """Weighted mean of the outputs of several stages on the same inputs."""

    members: tuple[Stage, ...]
    weights: np.ndarray
    """(member,) float64, at least 0, not all 0."""

    def __post_init__(self) -> None:
        _require_same_inputs(self.members)
        require(len({member.n_outputs for member in self.members}) == 1, "members with different outputs")
        require_array("weights", self.weights, (len(self.members),))
        require((self.weights >= 0).all() and 0 < self.weights.sum() < np.inf, "weights of a mean")

    @property
    def n_features(self) -> int:
        """Inputs of each member."""
        return self.members[0].n_features

    @property
    def n_outputs(self) -> int:
        """Outputs of each member."""
        return self.members[0].n_outputs

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Mean of the outputs."""
        result = np.zeros((self.n_outputs, x.shape[1]))
        for weight, member in zip(self.weights.tolist(), self.members, strict=True):
            result += weight * member.apply(x)
        result /= float(self.weights.sum())
        return result


@dataclass(frozen=True, eq=False)
class Columns:
    """Selected inputs, in a given order; an input may be selected several times."""

    n_features: int
    index: np.ndarray
    """(output,) int64: selected inputs."""

    def __post_init__(self) -> None:
        require_count("inputs", self.n_features)
        require_index("index", self.index, self.n_features)

    @property
    def n_outputs(self) -> int:
        """Number of selected inputs."""
        return len(self.index)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """The selected rows of ``x``."""
        return x[self.index]


@dataclass(frozen=True, eq=False)
class Placement:
    """Inputs at given places among the outputs; all other outputs are 0. Classes unknown to a member stay 0."""

    n_outputs: int
    index: np.ndarray
    """(feature,) int64: output of each input, all different."""

    def __post_init__(self) -> None:
        require_count("outputs", self.n_outputs)
        require_index("index", self.index, self.n_outputs)
        require(len(np.unique(self.index)) == len(self.index), "a place occurs twice")

    @property
    def n_features(self) -> int:
        """Number of inputs."""
        return len(self.index)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Rows of ``x`` at their places."""
        result = np.zeros((self.n_outputs, x.shape[1]))
        result[self.index] = x
        return result


@dataclass(frozen=True, eq=False)
class Constant:
    """The same outputs for every pixel."""

    n_features: int
    values: np.ndarray
    """(output,) float64."""

    def __post_init__(self) -> None:
        require_count("inputs", self.n_features)
        require_array("values", self.values, (None,))

    @property
    def n_outputs(self) -> int:
        """Number of values."""
        return len(self.values)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """The values, for each pixel."""
        return np.repeat(self.values[:, None], x.shape[1], axis=1)


def require(condition: Any, problem: str) -> None:
    """Raise ``ValueError`` with the problem unless the condition holds."""
    if not condition:
        raise ValueError(f"not a predictor: {problem}")


def require_count(name: str, count: Any) -> None:
    """Raise ``ValueError`` unless ``count`` is an integer above 0 within the limit."""
    require(type(count) is int and 0 < count < MAX_COUNT, f"number of {name} is {count!r}")


def require_array(name: str, array: Any, shape: Sequence[int | None], dtype: type = np.float64) -> None:
    """Raise ``ValueError`` unless ``array`` has the type and shape and finite values.

    None stands for any length above 0.
    """
    valid = isinstance(array, np.ndarray) and array.dtype == dtype and array.ndim == len(shape)
    valid = valid and all(
        length > 0 if want is None else length == want for length, want in zip(array.shape, shape, strict=True)
    )
    expected = tuple("any" if want is None else want for want in shape)
    found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
    require(valid, f"{name} is {found}, expected {np.dtype(dtype)} {expected}")
    require(np.isfinite(array).all(), f"{name} has values that are not finite")


def require_index(name: str, array: Any, limit: int, length: int | None = None) -> None:
    """Raise ``ValueError`` unless ``array`` is (length,) int64 with values from 0 to ``limit`` - 1."""
    require_array(name, array, (length,), np.int64)
    require(array.min() >= 0 and array.max() < limit, f"{name} has numbers outside 0..{limit - 1}")


def _require_same_inputs(members: Sequence[Stage]) -> None:
    require(members, "no members")
    require(len({member.n_features for member in members}) == 1, "members with different inputs")
