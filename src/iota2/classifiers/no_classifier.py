"""The classifier of a model without samples: it knows no class and predicts no pixel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from iota2.classifiers.options import Params


class NoClassifier:
    """No classes; a model with it gives no label. It cannot be fitted, and has no files."""

    Params: ClassVar[type[Params]] = Params
    missing: ClassVar[str] = "The model has no samples."
    needs_series: ClassVar[bool] = False
    loaded_share: ClassVar[float] = 1.0
    transforms = ()
    weights = False
    importances = None
    n_classes = 0

    def __init__(self, n_features: int) -> None:
        self.n_features = n_features

    def training_memory(self, samples: float, features: int, classes: int) -> int:
        """Nothing is fitted."""
        return 0

    def pixel_seconds(self, samples: float, features: int, classes: int) -> float:
        """Nothing is predicted."""
        return 0.0

    def fit(
        self, x: np.ndarray, y: np.ndarray, *, weight: np.ndarray | None, groups: np.ndarray | None, seed: int
    ) -> None:
        """``ValueError``: there are no samples."""
        raise ValueError("a model without samples cannot be fitted")

    def summary(self) -> Mapping[str, int | float | str]:
        """Empty."""
        return {}

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """(n, 0) float64."""
        return np.zeros((len(x), 0))

    def save(self, folder: Path) -> None:
        """Write nothing: the list of classes of the model is empty."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """``ValueError``: ``load_model`` makes it from the number of features."""
        raise ValueError("a model without samples has no files")
