"""Forests as stages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iota2.compute.predictors.stage import require
from iota2.compute.trees import Forest


@dataclass(frozen=True, eq=False)
class Trees:
    """Class probabilities by a forest; inputs are rounded to float32, as in training."""

    forest: Forest

    def __post_init__(self) -> None:
        require(isinstance(self.forest, Forest), "trees without a forest")

    @property
    def n_features(self) -> int:
        """Features of the forest."""
        return self.forest.n_features

    @property
    def n_outputs(self) -> int:
        """Classes of the forest."""
        return self.forest.n_classes

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Probabilities of the classes."""
        return np.ascontiguousarray(self.forest.probabilities(x.astype(np.float32)).T)


@dataclass(frozen=True, eq=False)
class TreeScores:
    """Scores by a forest, before they are converted to probabilities; inputs are rounded to float32."""

    forest: Forest

    def __post_init__(self) -> None:
        require(isinstance(self.forest, Forest), "trees without a forest")

    @property
    def n_features(self) -> int:
        """Features of the forest."""
        return self.forest.n_features

    @property
    def n_outputs(self) -> int:
        """Scores of a pixel."""
        return self.forest.n_scores

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Scores."""
        return np.ascontiguousarray(self.forest.scores(x.astype(np.float32)).T)
