"""Fitting of a learning method and its transforms to training samples, or to some of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from iota2.classifiers.base import Classifier, Regressor, Searching, Transform, as_series, transformed, values_of
from iota2.classifiers.registry import untrained
from iota2.classifiers.samples import Samples
from iota2.compute.cross_fitting import Fit, Predict
from iota2.core.random import generator
from iota2.core.recipe import FeatureRecipe


def fit_seed(seed: int, region: str) -> int:
    """Seed, 0..2³²-1, of the fits of the model of a region."""
    return int(generator(seed, "train_model", region).integers(2**32))


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted method with the transforms of the features that it learned from."""

    method: Classifier | Regressor
    transforms: tuple[Transform, ...]
    recipe: FeatureRecipe

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Probabilities (n, class) of samples (n, feature); the method is a classifier."""
        return cast(Classifier, self.method).predict_proba(self._inputs(x))

    def predict_values(self, x: np.ndarray) -> np.ndarray:
        """Values of samples (n, feature), and spreads if the method, a regressor, knows them: (n, 1) or (n, 2)."""
        return values_of(cast(Regressor, self.method), self._inputs(x))

    def _inputs(self, x: np.ndarray) -> np.ndarray:
        """Samples (n, feature) as the method learned from them."""
        values = transformed(self.transforms, x)
        return as_series(values, self.recipe) if self.method.needs_series else values


@dataclass(frozen=True)
class Fitting:
    """A classifier of the registry with everything that its fit needs, except samples."""

    classifier: str
    parameters: Mapping[str, Any]
    recipe: FeatureRecipe
    seed: int
    """Seed of the fit, 0..2³²-1."""
    threads: int = 1
    best: Mapping[str, Any] = field(default_factory=dict)
    """Parameters that an earlier search found, which is not repeated; empty without."""

    def fit(self, samples: Samples, found: Classifier | Regressor | None = None) -> Fitted:
        """The method and its transforms fitted to samples; with the parameters that the search of ``found`` found."""
        method, x = self._unfitted(found), samples.x
        transforms: list[Transform] = []
        for fit in method.transforms:
            transforms.append(fit(x))
            x = transforms[-1].apply(x)
        x = as_series(x, self.recipe) if method.needs_series else x
        method.fit(x, samples.y, weight=samples.weight, groups=samples.groups, seed=self.seed)
        return Fitted(method, tuple(transforms), self.recipe)

    def _unfitted(self, found: Classifier | Regressor | None) -> Classifier | Regressor:
        if isinstance(found, Searching) and found.searches:
            return found.without_search()
        method = untrained(self.classifier, self.parameters, threads=self.threads)
        return method.without_search(self.best) if self.best and isinstance(method, Searching) else method

    def to_some(self, samples: Samples, found: Classifier | Regressor | None = None) -> Fit:
        """Function that fits to the samples at given positions, and predicts samples at other positions.

        It predicts values if the method is a regressor. A search for parameters is not repeated if ``found``, fitted to
        all samples, has done it.
        """

        def fit(learned: np.ndarray) -> Predict:
            fitted = self.fit(samples.at(learned), found)
            predict = fitted.predict_proba if hasattr(fitted.method, "predict_proba") else fitted.predict_values
            return lambda at: predict(samples.x[at])

        return fit
