"""Conversion of fitted scikit-learn classifiers to predictors."""

from __future__ import annotations

from typing import Any

from iota2.classifiers.base import ModelError
from iota2.classifiers.scikit import ensembles, single, transformers
from iota2.classifiers.scikit.roles import probabilities
from iota2.compute.predictors.fusion import fused
from iota2.compute.predictors.predictor import Predictor

__all__ = ["ensembles", "predictor", "single", "transformers"]  # modules that fill the registries when imported


def predictor(estimator: Any) -> Predictor:
    """The predictor of a fitted classifier; parts without arrays of their own call scikit-learn.

    ``ModelError`` for a classifier without probabilities, and for one that is not fitted.
    """
    try:
        return Predictor(fused(probabilities(estimator)))
    except (ValueError, AttributeError) as err:
        raise ModelError(f"{type(estimator).__name__} cannot be used: {err}. Use another classifier.") from err
