"""Intervals of the values of a regressor, from out-of-fold residuals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from iota2.compute.conformal import LEVEL, MIN_GROUPS, floor_of, group_quantile
from iota2.compute.cross_fitting import Fit, out_of_fold_values
from iota2.compute.folds import grouped_folds
from iota2.compute.quantiles import quantile_groups
from iota2.core.random import generator
from iota2.core.words import counted

FOLDS = 5
"""Number of folds: models that learn from four fifths of the polygons have nearly the errors of the final model."""


@dataclass(frozen=True)
class ModelInterval:
    """The interval of a value: the value plus and minus ``factor``, or ``factor`` times the spread plus ``floor``."""

    level: float
    """Probability of the interval."""
    factor: float | None
    """None if there are too few polygons."""
    floor: float | None
    """Added to the spread of each value; None for intervals of one width, of regressors that know no spread."""
    polygons: int
    """Number of polygons, or groups of polygons that stay together, of the residuals."""
    samples: int
    rmse: float
    """Root mean square of the residuals, all samples having the same weight."""

    def __post_init__(self) -> None:
        numbers = [value for value in (self.level, self.factor, self.floor, self.rmse) if value is not None]
        if not all(type(value) is float and 0 <= value < math.inf for value in numbers) or self.level >= 1:
            raise ValueError("the interval has numbers of another type or range")

    @property
    def scaled(self) -> bool:
        """Whether widths differ between pixels."""
        return self.floor is not None

    def widths(self, found: np.ndarray) -> np.ndarray:
        """(n,) widths of the intervals of values (n, 1), or of values and spreads (n, 2); NaN if unknown."""
        if self.factor is None:
            return np.full(len(found), np.nan)
        if self.floor is None:
            return np.full(len(found), 2 * self.factor)
        return 2 * self.factor * (found[:, 1] + self.floor)

    def to_json(self) -> dict[str, Any]:
        """As JSON values for ``from_json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ModelInterval:
        """From the values of ``to_json``; TypeError or ValueError for others."""
        return cls(**content)

    @property
    def sentence(self) -> str:
        """How the interval was measured, or why there is none."""
        used = f"{counted(self.samples, 'sample')} of {counted(self.polygons, 'polygon')}"
        if self.factor is None:
            known = used if self.polygons else "no residuals are known"
            return f"No interval: {known}; at least {MIN_GROUPS} polygons are needed."
        width = "scaled by the spread of each value" if self.scaled else f"{2 * self.factor:.4g} wide everywhere"
        return (
            f"Interval of {100 * self.level:.0f} %, {width}: from residuals of {used}, each predicted by a model that "
            f"has not learned from the polygon (RMSE {self.rmse:.4g})."
        )


def fit_interval(fit: Fit, y: np.ndarray, groups: np.ndarray, *, seed: int, region: str) -> ModelInterval:
    """The interval of the values of a model of a region.

    ``fit`` fits further models, which return values and, if they know it, spread, (n, 1) or (n, 2). ``y`` (sample,) are
    values, ``groups`` (sample,) polygons. Samples without prediction (NaN) are left out. ``factor`` is None with fewer
    than ``MIN_GROUPS`` polygons.
    """
    folds = grouped_folds(quantile_groups(y), groups, FOLDS, generator(seed, "interval", region))
    found = out_of_fold_values(fit, folds)
    known = np.isfinite(found[:, 0])
    residuals, groups = np.abs(y - found[:, 0])[known], groups[known]
    rmse = float(np.sqrt(np.mean(residuals**2))) if len(residuals) else 0.0
    floor = None
    if found.shape[1] > 1 and len(residuals):
        floor = floor_of(found[known, 1])
        residuals = residuals / (found[known, 1] + floor)
    factor = group_quantile(residuals, groups)
    polygons = len(np.unique(groups))
    return ModelInterval(LEVEL, factor if math.isfinite(factor) else None, floor, polygons, len(groups), rmse)
