"""Predictors: stages that end in class probabilities or in a quantity, evaluated block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from iota2.compute.predictors.stage import Stage, require
from iota2.compute.predictors.trees import Trees
from iota2.compute.trees import Forest

BLOCK_BYTES = 512 * 1024
"""Bytes of the features of a block in double precision; the second-level cache also contains the outputs."""
TERM_SECONDS, LIBRARY_SECONDS = 0.15e-9, 20e-6
"""Estimated seconds per pixel and value of an array, and per pixel of a library's estimator."""


@dataclass(frozen=True, eq=False)
class Predictor:
    """A fitted classifier or regressor: class probabilities, or a quantity, from features.

    Threads may call it concurrently. Its results depend neither on the number of pixels nor on their order.
    """

    stage: Stage

    def __post_init__(self) -> None:
        require(hasattr(self.stage, "apply"), "no stage")

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.stage.n_features

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return self.stage.n_outputs

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """(n, class) float64: probabilities of the pixels ``x`` (n, feature) float32.

        ``ValueError`` for another number of features, for NaN, and where probabilities are not numbers because features
        are infinite or too large. The transpose of a contiguous (feature, n) array is fastest.
        """
        return self.pixel_probabilities(x.T)

    def pixel_probabilities(self, values: np.ndarray, at: np.ndarray | None = None) -> np.ndarray:
        """(n, class) float64: probabilities of the pixels at the positions ``at`` of ``values``, or of all pixels.

        ``values`` is (feature, pixel) float32. Errors as in ``probabilities``, also for positions outside ``values``.
        """
        if isinstance(self.stage, Trees):
            return self.stage.forest.probabilities(values, at)
        if values.ndim != 2 or len(values) != self.n_features:
            raise ValueError(f"features have shape {values.shape}; the classifier expects ({self.n_features}, pixels)")
        n = values.shape[1] if at is None else len(at)
        if at is not None and n and not 0 <= at.min() <= at.max() < values.shape[1]:
            raise ValueError(f"positions {at.min()} to {at.max()} are outside the {values.shape[1]} pixels")
        result = np.empty((self.n_classes, n))
        step = block_pixels(self.n_features)
        for first in range(0, n, step):
            block = slice(first, min(n, first + step))
            found = np.asarray(values[:, block if at is None else at[block]], np.float64, order="C")
            _reject_nan(found)
            with np.errstate(all="ignore"):
                result[:, block] = self.stage.apply(found)
        if np.isnan(result).any():
            raise ValueError("some results are not numbers: features are infinite or too large")
        return result.T

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """(n, output) float64 of the pixels ``x`` (n, feature) float32, for a quantity: value, and spread if there is
        one. Errors as in ``probabilities``."""
        return self.pixel_probabilities(x.T)

    @property
    def seconds_per_pixel(self) -> float:
        """Rough estimate of the seconds of prediction per pixel on one core."""
        seconds = 0.0
        for part in parts(self.stage):
            if isinstance(part, Forest):
                seconds += part.seconds_per_pixel
            elif isinstance(part, np.ndarray):
                seconds += TERM_SECONDS * part.size
            elif not is_dataclass(part):
                seconds += LIBRARY_SECONDS
        return seconds


def block_pixels(n_features: int) -> int:
    """Number of pixels of a block: a multiple of 64 whose features need about ``BLOCK_BYTES``."""
    return 64 * int(np.clip(BLOCK_BYTES // (8 * 64 * n_features), 1, 16))


def parts(value: Any) -> Iterator[Any]:
    """Forests, arrays and estimators of a library of which a stage consists."""
    if isinstance(value, Forest | np.ndarray):
        yield value
    elif isinstance(value, tuple):
        for member in value:
            yield from parts(member)
    elif is_dataclass(value):
        for field in fields(value):
            yield from parts(getattr(value, field.name))
    elif not isinstance(value, str | int | float):
        yield value


def _reject_nan(x: np.ndarray) -> None:
    missing = np.isnan(x).sum(axis=1)
    if missing.any():
        first = int(np.flatnonzero(missing)[0])
        raise ValueError(f"feature {first} is NaN at {missing[first]} of {x.shape[1]} pixels")
