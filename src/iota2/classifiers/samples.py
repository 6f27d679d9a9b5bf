"""Training samples of a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Samples:
    """Training samples; weights and groups are None if there are none."""

    x: np.ndarray
    """(sample, feature) float32."""
    y: np.ndarray
    """(sample,) class codes, or values of a quantity."""
    weight: np.ndarray | None = None
    """(sample,)."""
    groups: np.ndarray | None = None
    """(sample,) int: the polygons of the samples."""

    def at(self, positions: np.ndarray) -> Samples:
        """The samples at ``positions`` (n,), copied."""
        weight, groups = (None if one is None else one[positions] for one in (self.weight, self.groups))
        return Samples(self.x[positions], self.y[positions], weight, groups)

    @property
    def polygons(self) -> np.ndarray:
        """(sample,) int: the groups; if there are none, each sample is its own group."""
        return np.arange(len(self.y)) if self.groups is None else self.groups
