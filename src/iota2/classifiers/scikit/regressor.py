"""Regressors of scikit-learn under the protocol of this program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from iota2.classifiers.base import LARGEST, SMALLEST
from iota2.classifiers.forest import RandomForestParams
from iota2.classifiers.options import Params
from iota2.classifiers.samples import Samples
from iota2.classifiers.scikit import predictor_of_values
from iota2.classifiers.scikit.method import ScikitMethod
from iota2.classifiers.scikit.options import RegressorParams, specification_of
from iota2.classifiers.scikit.specification import Specification
from iota2.classifiers.scikit.training import fitted_values, prepared, watched_convergence
from iota2.classifiers.trees import L2, TreesParams
from iota2.compute.quantiles import quantile_groups

_SINGLE_PRECISION = (
    "RandomForestRegressor",
    "ExtraTreesRegressor",
    "GradientBoostingRegressor",
    "DecisionTreeRegressor",
    "ExtraTreeRegressor",
)
"""Estimators that convert features to float32."""


class ScikitRegressor(ScikitMethod):
    """Any regressor of scikit-learn.

    Values are standardised to mean 0 and standard deviation 1 for the training, and predictions converted back.
    """

    Params: ClassVar[type[Params]] = RegressorParams

    @classmethod
    def specify(cls, parameters: Mapping[str, Any]) -> Specification:
        """The estimator that the parameters describe."""
        return specification_of(parameters, "regressor")

    def fit(
        self, x: np.ndarray, y: np.ndarray, *, weight: np.ndarray | None, groups: np.ndarray | None, seed: int
    ) -> None:
        """Fit to ``x`` (sample, feature) float32, values ``y``, weights and polygons, all (sample,).

        A grid search comes first, on the same samples. Raises ``ModelError`` with the message of scikit-learn if it
        cannot learn from these samples.
        """
        y = np.asarray(y, np.float64)
        mean, scale = float(y.mean()), float(y.std()) or 1.0
        samples = Samples(self._in_precision(x), (y - mean) / scale, weight, groups)
        estimator = prepared(
            self._with_few_neighbours(self.specification.unfitted(), len(y)), seed % 2**32, self.threads
        )
        estimator = estimator.set_params(**self._found)
        with self._training(f"{len(y)} samples", "Change its parameters, or add polygons."):
            estimator = self._searched(estimator, samples, seed, measure="r2", strata=quantile_groups(y))
            with watched_convergence() as unconverged:
                found = fitted_values(estimator, samples)
        self._converged, self._predictor = not unconverged, predictor_of_values(found, mean, scale)
        self._values = float(y.min()), float(y.max())

    _values: tuple[float, float] | None = None

    def _in_precision(self, x: np.ndarray) -> np.ndarray:
        """Features in the precision of the estimator: scikit-learn fits linear models in that of the features."""
        return x if self.specification.model_type in _SINGLE_PRECISION else x.astype(np.float64)

    @property
    def spreads(self) -> bool:
        """Whether the regressor knows how uncertain each value is."""
        return self.predictor.n_classes > 1

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Values (n,) float64 of ``x`` (n, feature) float32. ``ValueError`` for NaN."""
        return self.predictor.outputs(x)[:, 0]

    def predict_with_spread(self, x: np.ndarray) -> np.ndarray:
        """Values and their standard deviations (n, 2) float64 of ``x`` (n, feature) float32. ``ValueError`` for NaN."""
        return self.predictor.outputs(x)

    def summary(self) -> dict[str, int | float | str]:
        """As of all methods, and the range of the values of the samples, which forests do not leave."""
        found = super().summary()
        if self._values is not None:
            least, most = self._values
            found |= {SMALLEST: least, LARGEST: most}
        return found


class ForestOfValues(ScikitRegressor):
    """Random forest ``rf`` of a quantity: a leaf gives the mean of its samples."""

    Params: ClassVar[type[Params]] = RandomForestParams
    estimator = "RandomForestRegressor"

    @classmethod
    def specify(cls, parameters: Mapping[str, Any]) -> Specification:
        """The forest of scikit-learn, with the options of ``rf``."""
        given = {name: value for name, value in parameters.items() if name not in ("ra", "cat", "acc")}
        return Specification(cls.estimator, given, method="regressor")


class TreesOfValues(ScikitRegressor):
    """Mean ``trees`` of extra trees and gradient boosting of a quantity."""

    Params: ClassVar[type[Params]] = TreesParams

    @classmethod
    def specify(cls, parameters: Mapping[str, Any]) -> Specification:
        """A vote of the two ensembles of scikit-learn."""
        extra = {"model_type": "ExtraTreesRegressor", "n_estimators": parameters["extra"], "max_features": "sqrt"}
        boosting = {
            "model_type": "HistGradientBoostingRegressor",
            "max_iter": parameters["rounds"],
            "learning_rate": parameters["rate"],
            "l2_regularization": L2,
            "early_stopping": False,
        }
        members = {"extra": extra, "boosting": boosting}
        return Specification("VotingRegressor", {"estimators": members}, method="regressor")
