"""Classifiers and regressors of scikit-learn: converted to predictors from plain arrays, stored without pickle.

Scikit-learn and skops are imported only by functions that need them: a model whose arrays are stored is loaded and
evaluated without them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iota2.classifiers.scikit.store import load_predictor, save_predictor
from iota2.compute.predictors.predictor import Predictor

__all__ = ["load", "predictor_of", "predictor_of_values", "require_keepable", "save"]


def predictor_of(estimator: Any) -> Predictor:
    """The predictor of a fitted classifier, equal to its ``predict_proba`` in double precision within 1e-6.

    Columns follow ``estimator.classes_``. Parts without arrays of their own call scikit-learn. Raises ``ModelError``
    for a classifier without probabilities.
    """
    from iota2.classifiers.scikit.convert import predictor  # noqa: PLC0415

    return predictor(estimator)


def predictor_of_values(estimator: Any, mean: float = 0.0, scale: float = 1.0) -> Predictor:
    """The predictor of a fitted regressor, equal to its ``predict`` times ``scale`` plus ``mean``.

    A second output is the standard deviation of the value, if the regressor knows one.
    """
    from iota2.classifiers.scikit import convert  # noqa: PLC0415

    return convert.predictor_of_values(estimator, mean, scale)


def save(estimator: Any, folder: Path) -> None:
    """Write a fitted classifier into an existing folder, without pickle; the same classifier gives the same bytes.

    ``ModelError`` if it has no probabilities, or cannot be stored without pickle.
    """
    save_predictor(predictor_of(estimator), folder)


def load(folder: Path) -> Predictor:
    """The classifier that ``save`` wrote; ``ModelError`` if files are missing, damaged or inconsistent."""
    return load_predictor(folder)


def require_keepable(estimator: Any) -> None:
    """``ModelError`` if an unfitted estimator could not be stored after training: the part, and the remedy."""
    from iota2.classifiers.scikit.keepable import check  # noqa: PLC0415

    check(estimator)
