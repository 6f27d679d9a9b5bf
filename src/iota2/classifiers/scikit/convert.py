"""Conversion of fitted scikit-learn classifiers and regressors to predictors."""

from __future__ import annotations

from typing import Any

import numpy as np

from iota2.classifiers.base import ModelError
from iota2.classifiers.scikit import ensembles, quantities, single, transformers
from iota2.classifiers.scikit.roles import SPREADS, converted, probabilities, values
from iota2.compute.predictors.fusion import fused
from iota2.compute.predictors.predictor import Predictor
from iota2.compute.predictors.simple import Affine
from iota2.compute.predictors.stage import Chain

__all__ = [
    "ensembles",
    "predictor",
    "predictor_of_values",
    "quantities",
    "single",
    "transformers",
]  # modules that fill the registries when imported


def predictor(estimator: Any) -> Predictor:
    """The predictor of a fitted classifier; parts without arrays of their own call scikit-learn.

    ``ModelError`` for a classifier without probabilities, and for one that is not fitted.
    """
    try:
        return Predictor(fused(probabilities(estimator)))
    except (ValueError, AttributeError) as err:
        raise ModelError(f"{type(estimator).__name__} cannot be used: {err}. Use another classifier.") from err


def predictor_of_values(estimator: Any, mean: float, scale: float) -> Predictor:
    """The predictor of a fitted regressor: value, and standard deviation if the regressor knows one.

    ``mean`` and ``scale`` are those of the values before they were standardised for the training. ``ModelError`` for a
    regressor that is not fitted.
    """
    try:
        stage = converted(SPREADS, estimator) or values(estimator)
        scales, means = np.full(stage.n_outputs, scale), np.zeros(stage.n_outputs)
        means[0] = mean
        return Predictor(fused(Chain((stage, Affine(scales, means)))))
    except (ValueError, AttributeError) as err:
        raise ModelError(f"{type(estimator).__name__} cannot be used: {err}. Use another regressor.") from err
