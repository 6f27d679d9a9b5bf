"""Log-likelihoods of classes with normal distributions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iota2.compute.predictors.kernels import add_products, add_weighted_squares, total
from iota2.compute.predictors.stage import require_array


@dataclass(frozen=True, eq=False)
class IndependentGaussians:
    """Scores of classes with independent features: constant minus half the weighted squared distance to the mean."""

    mean: np.ndarray
    """(class, feature) float64."""
    precision: np.ndarray
    """(class, feature) float64: inverse variances."""
    constant: np.ndarray
    """(class,) float64."""

    def __post_init__(self) -> None:
        require_array("mean", self.mean, (None, None))
        require_array("precision", self.precision, self.mean.shape)
        require_array("constant", self.constant, (len(self.mean),))

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.mean.shape[1]

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return len(self.mean)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Scores of the classes."""
        distances = np.zeros((len(self.mean), x.shape[1]))
        add_weighted_squares(x, self.mean, self.precision, distances)
        return self.constant[:, None] - 0.5 * distances


@dataclass(frozen=True, eq=False)
class Gaussians:
    """Scores of classes with a covariance of their own: constant minus half the squared Mahalanobis distance."""

    mean: np.ndarray
    """(class, feature) float64."""
    axes: np.ndarray
    """(class, axis, feature) float64: axes of each class, divided by the standard deviations along them."""
    constant: np.ndarray
    """(class,) float64."""

    def __post_init__(self) -> None:
        require_array("mean", self.mean, (None, None))
        require_array("axes", self.axes, (len(self.mean), None, self.mean.shape[1]))
        require_array("constant", self.constant, (len(self.mean),))

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.mean.shape[1]

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return len(self.mean)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Scores of the classes."""
        result = np.empty((len(self.mean), x.shape[1]))
        for number, (mean, axes) in enumerate(zip(self.mean, self.axes, strict=True)):
            along = np.zeros((len(axes), x.shape[1]))
            add_products(x - mean[:, None], axes, along)
            result[number] = self.constant[number] - 0.5 * total(np.square(along))
        return result
