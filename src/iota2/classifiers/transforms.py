"""Transforms of features before the classifier: fitted to training samples, stored as arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from iota2.classifiers.base import ModelError, Transform
from iota2.compute.components import GroupComponents, fit_components
from iota2.core.files import require_regular
from iota2.core.reduction import FeatureGroup


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


@dataclass(frozen=True, eq=False)
class Components:
    """Dimension reduction: principal components of groups of standardised features (``iota2.compute.components``)."""

    name: ClassVar[str] = "components"
    keeps_features: ClassVar[bool] = False
    groups: tuple[str, ...]
    """Names of the groups."""
    arrays: GroupComponents

    def __post_init__(self) -> None:
        problem = _component_problem(len(self.groups), self.arrays)
        if problem:
            raise ModelError(f"not a dimension reduction: {problem}. Train the model again.")

    @classmethod
    def fitted(cls, x: np.ndarray, groups: Sequence[FeatureGroup], target: int) -> Self:
        """At most ``target`` components of each group, fitted to samples (sample, feature) float32 without NaN."""
        group = np.zeros(x.shape[1], np.int64)
        for number, one in enumerate(groups):
            group[list(one.features)] = number
        return cls(tuple(one.name for one in groups), fit_components(x, group, target))

    @property
    def n_inputs(self) -> int:
        """Number of features."""
        return len(self.arrays.group)

    @property
    def n_outputs(self) -> int:
        """Number of components of all groups."""
        return self.arrays.n_outputs

    @property
    def sizes(self) -> np.ndarray:
        """(group,) int64: number of features of each group."""
        return np.bincount(self.arrays.group, minlength=len(self.groups))

    @property
    def explained(self) -> np.ndarray:
        """(group,) float64 in 0..1: share of the variance that the components explain; 1 for constant features."""
        total = self.arrays.explained.sum(axis=1)
        return np.where(total > 0, np.minimum(total, 1.0), 1.0)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Components (sample, output) float32: see ``GroupComponents.project``."""
        return self.arrays.project(x)

    def save(self, folder: Path) -> None:
        """Write one ``.npy`` file per array."""
        np.save(folder / "groups.npy", np.array(self.groups, dtype=np.str_), allow_pickle=False)
        for field in fields(self.arrays):
            np.save(folder / f"{field.name}.npy", getattr(self.arrays, field.name), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The transform that ``save`` wrote; ``ModelError`` if a file is missing, damaged or inconsistent."""
        names = _read(folder / "groups.npy", np.str_)
        if names.ndim != 1:
            raise ModelError(f"{folder / 'groups.npy'}: expected a list of names. Train the model again.")
        kinds = {"group": np.int64, "counts": np.int64}
        arrays = {
            field.name: _read(folder / f"{field.name}.npy", kinds.get(field.name, np.float64))
            for field in fields(GroupComponents)
        }
        return cls(tuple(names.tolist()), GroupComponents(**arrays))


def _component_problem(groups: int, arrays: GroupComponents) -> str:
    """What is wrong with the arrays of a dimension reduction with this number of groups; empty if nothing is."""
    features, most = arrays.group.size, arrays.axes.shape[-1] if arrays.axes.ndim == 2 else 0
    expected = {
        "group": (features,), "mean": (features,), "scale": (features,), "axes": (features, most),
        "explained": (groups, most), "counts": (groups,),
    }  # fmt: skip
    for name, shape in expected.items():
        if getattr(arrays, name).shape != shape:
            return f"{name} has the shape {getattr(arrays, name).shape}, expected {shape}"
    if not np.array_equal(np.unique(arrays.group), np.arange(groups)):
        return f"the groups of the features are not numbered from 0 to {groups - 1}"
    if not groups or arrays.counts.min() < 1 or arrays.counts.max() > most:
        return f"numbers of components are not from 1 to {most}"
    return "" if (arrays.scale > 0).all() else "a scale is not positive"


LOADERS: Mapping[str, Callable[[Path], Transform]] = {
    Standardisation.name: Standardisation.load,
    Projection.name: Projection.load,
    Components.name: Components.load,
}
"""Transforms by their name in model folders."""


def _read(path: Path, kind: type[np.generic] = np.float64) -> np.ndarray:
    """The array of a file; ``ModelError`` for another type of values, and for values that are not finite."""
    try:
        require_regular(path)
        array: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as err:
        raise ModelError(f"{path}: missing or damaged ({err}). Train the model again.") from err
    words = {np.float64: "finite float64 values", np.int64: "int64 values", np.str_: "names"}
    fits = isinstance(array, np.ndarray) and np.issubdtype(array.dtype, kind)
    if not fits or (kind is np.float64 and not np.isfinite(array).all()):
        raise ModelError(f"{path}: is not an array of {words[kind]}. Train the model again.")
    return array
