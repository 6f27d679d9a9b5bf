"""Transforms of features before the classifier: fitted to training samples, stored as arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from iota2.classifiers.base import ModelError, Transform
from iota2.core.files import require_regular


@dataclass(frozen=True, eq=False)
class _Arrays:
    """A transform whose fields are float64 arrays."""

    name: ClassVar[str]
    keeps_features: ClassVar[bool]

    def save(self, folder: Path) -> None:
        """Write one ``.npy`` file per array."""
        for field in fields(self):
            np.save(folder / f"{field.name}.npy", getattr(self, field.name), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The transform that ``save`` wrote; ``ModelError`` if a file is missing or damaged."""
        return cls(**{field.name: _read(folder / f"{field.name}.npy") for field in fields(cls)})


@dataclass(frozen=True, eq=False)
class Standardisation(_Arrays):
    """Standardisation: features minus their mean, divided by their standard deviation; constant features become 0."""

    name: ClassVar[str] = "standardisation"
    keeps_features: ClassVar[bool] = True
    mean: np.ndarray
    """(feature,) float64."""
    scale: np.ndarray
    """(feature,) float64, above 0."""

    def __post_init__(self) -> None:
        if self.mean.ndim != 1 or self.mean.shape != self.scale.shape or not (self.scale > 0).all():
            raise ModelError(
                f"means {self.mean.shape} and scales {self.scale.shape} are not a standardisation; expected one mean "
                "and one positive scale per feature. Train the model again."
            )

    @classmethod
    def fitted(cls, x: np.ndarray) -> Self:
        """Standardisation fitted to samples (sample, feature)."""
        scale = x.std(axis=0, dtype=np.float64)
        return cls(x.mean(axis=0, dtype=np.float64), np.where(scale > 0, scale, 1.0))

    @property
    def n_inputs(self) -> int:
        """Number of features."""
        return len(self.mean)

    @property
    def n_outputs(self) -> int:
        """Number of features."""
        return len(self.mean)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Standardised features (sample, feature) float32."""
        return ((x - self.mean) / self.scale).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Projection(_Arrays):
    """Linear projection: features minus their mean, projected onto axes."""

    name: ClassVar[str] = "projection"
    keeps_features: ClassVar[bool] = False
    mean: np.ndarray
    """(feature,) float64."""
    axes: np.ndarray
    """(feature, component) float64."""

    def __post_init__(self) -> None:
        if self.mean.ndim != 1 or self.axes.ndim != 2 or len(self.axes) != len(self.mean):
            raise ModelError(
                f"means {self.mean.shape} and axes {self.axes.shape} are not a projection; expected (feature,) and "
                "(feature, component). Train the model again."
            )

    @classmethod
    def principal(cls, x: np.ndarray, components: int) -> Self:
        """Projection onto the principal components of samples (sample, feature); largest loadings are positive."""
        mean = x.mean(axis=0, dtype=np.float64)
        variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(x - mean, rowvar=False, bias=True)))
        axes = axes[:, np.argsort(variances)[::-1][:components]]
        signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
        return cls(mean, axes * signs)

    @property
    def n_inputs(self) -> int:
        """Number of features."""
        return len(self.mean)

    @property
    def n_outputs(self) -> int:
        """Number of components."""
        return self.axes.shape[1]

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Projected features (sample, component) float32."""
        return ((x - self.mean) @ self.axes).astype(np.float32)


LOADERS: Mapping[str, Callable[[Path], Transform]] = {
    Standardisation.name: Standardisation.load,
    Projection.name: Projection.load,
}
"""Transforms by their name in model folders."""


def _read(path: Path) -> np.ndarray:
    try:
        require_regular(path)
        array: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as err:
        raise ModelError(f"{path}: missing or damaged ({err}). Train the model again.") from err
    if not isinstance(array, np.ndarray) or array.dtype != np.float64 or not np.isfinite(array).all():
        raise ModelError(f"{path}: is not an array of finite float64 values. Train the model again.")
    return array
