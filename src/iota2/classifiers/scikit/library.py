"""Estimators of scikit-learn that have no arrays of their own here, as a stage that calls the library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from iota2.compute.predictors.stage import require, require_count

METHODS = ("predict_proba", "decision_function", "predict", "transform")
ROWS = 256
"""Rows of all calls: sums of a library may depend on the number of rows."""


@dataclass(frozen=True, eq=False)
class LibraryStage:
    """Outputs of a method of a fitted estimator."""

    estimator: Any
    method: str
    n_features: int
    n_outputs: int

    def __post_init__(self) -> None:
        require(self.method in METHODS, f"method {self.method!r}")
        require(callable(getattr(self.estimator, self.method, None)), f"an estimator without {self.method}")
        require_count("inputs", self.n_features)
        require_count("outputs", self.n_outputs)

    @classmethod
    def of(cls, estimator: Any, method: str) -> LibraryStage:
        """The stage of a fitted estimator; ``ValueError`` if it lacks the method."""
        require(hasattr(estimator, method), f"{type(estimator).__name__} has no {method}")
        n = int(estimator.n_features_in_)
        return cls(estimator, method, n, _called(estimator, method, np.zeros((1, n))).size)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Outputs of the method; ``ValueError`` if it fails, or their number has changed."""
        result = np.empty((self.n_outputs, x.shape[1]))
        for first in range(0, x.shape[1], ROWS):
            part = x[:, first : first + ROWS].T
            rows = np.concatenate([part, np.repeat(part[:1], ROWS - len(part), axis=0)])
            found = _called(self.estimator, self.method, np.ascontiguousarray(rows))
            if found.shape not in ((ROWS, self.n_outputs), (ROWS,) if self.n_outputs == 1 else ()):
                raise ValueError(f"{type(self.estimator).__name__} returned {found.shape} for {ROWS} pixels")
            result[:, first : first + ROWS] = found.reshape(ROWS, -1)[: len(part)].T
        return result


def _called(estimator: Any, method: str, x: np.ndarray) -> np.ndarray:
    """Outputs of a method as float64; ``ValueError`` if it fails."""
    try:
        found = getattr(estimator, method)(x)
        return np.asarray(found.toarray() if hasattr(found, "toarray") else found, np.float64)
    except Exception as err:  # of any type, such as IndexError for an unknown category
        raise ValueError(f"{type(estimator).__name__} failed: {err}") from err
