"""Dispatch of fitted scikit-learn estimators to the functions that convert them to stages.

An estimator has up to five roles, each with its own registry: class probabilities, scores (``decision_function``),
labels, values of a quantity, and transform. Types must match exactly: a subclass may predict something else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, TypeVar

import numpy as np

from iota2.classifiers.scikit.library import LibraryStage
from iota2.compute.predictors.simple import Link, Threshold
from iota2.compute.predictors.stage import Chain, Columns, Constant, Placement, Stage

Converter = Callable[[Any], Stage | None]
"""Function that returns the stage of a fitted estimator, None if arrays cannot represent it."""

PROBABILITIES: dict[type, Converter] = {}
"""Functions for ``predict_proba``."""
SCORES: dict[type, Converter] = {}
"""Functions for ``decision_function``."""
TRANSFORMS: dict[type, Converter] = {}
"""Functions for ``transform``."""
VOTES: dict[type, Converter] = {}
"""Functions for the scores of classes of which the greatest is the predicted label; one score for two classes may be
the only one. Needed where the label does not follow from the probabilities."""
VALUES: dict[type, Converter] = {}
"""Functions for ``predict`` of regressors: one output."""
SPREADS: dict[type, Converter] = {}
"""Functions of regressors that also know how uncertain a value is: two outputs, value and standard deviation."""


Function = TypeVar("Function", bound=Converter)


def converts(registry: dict[type, Converter], *types: type) -> Callable[[Function], Function]:
    """Decorator that registers a function for some types of estimators."""

    def register(function: Function) -> Function:
        registry.update(dict.fromkeys(types, function))
        return function

    return register


def converted(registry: dict[type, Converter], estimator: Any) -> Stage | None:
    """The stage of an estimator; None if there is no function for its type, or arrays cannot represent it."""
    register_boosting(estimator)
    function = registry.get(type(estimator))
    try:
        return None if function is None else function(estimator)
    except ValueError:  # arrays that the stages refuse, such as infinite logarithms of probabilities
        return None


def register_boosting(estimator: Any) -> None:
    """Register LightGBM's classifier if the estimator is one: LightGBM is optional, and imported by its users."""
    if type(estimator).__module__.partition(".")[0] == "lightgbm":
        import_module("iota2.classifiers.scikit.boosting")


def probabilities(estimator: Any) -> Stage:
    """Class probabilities; an estimator with one class gives 1."""
    if len(estimator.classes_) == 1:
        return Constant(int(estimator.n_features_in_), np.ones(1))
    return converted(PROBABILITIES, estimator) or LibraryStage.of(estimator, "predict_proba")


def scores(estimator: Any) -> Stage:
    """Decision values: one for two classes, otherwise one for each class."""
    return converted(SCORES, estimator) or LibraryStage.of(estimator, "decision_function")


def values(estimator: Any) -> Stage:
    """Values of a quantity, one output."""
    return converted(VALUES, estimator) or LibraryStage.of(estimator, "predict")


def transform(estimator: Any) -> Stage:
    """Transformed features."""
    return converted(TRANSFORMS, estimator) or LibraryStage.of(estimator, "transform")


def labels(estimator: Any) -> Stage | None:
    """1 for the predicted class, 0 for others; None if this does not follow from probabilities or scores."""
    stage = converted(VOTES, estimator)
    if stage is None and type(estimator) in PROBABILITIES:
        stage = probabilities(estimator)
    if stage is None:
        return None
    if stage.n_outputs == 1:
        return Chain((stage, Threshold(1, 0.0), Link(1, "pair")))
    return Chain((stage, Link(stage.n_outputs, "one hot")))


def response(estimator: Any) -> Stage:
    """Scores if the estimator has them, otherwise probabilities; of two classes those of the second only."""
    if hasattr(estimator, "decision_function"):
        return scores(estimator)
    stage = probabilities(estimator)
    return second(stage) if len(estimator.classes_) == 2 else stage


def second(stage: Stage) -> Stage:
    """The second output of a stage."""
    return Chain((stage, Columns(stage.n_outputs, np.array([1]))))


def on_classes(stage: Stage, known: Sequence[Any] | np.ndarray, classes: Sequence[Any] | np.ndarray) -> Stage:
    """The stage of a member that knows the classes ``known``, with an output for each of the ascending ``classes``."""
    if len(known) == len(classes):
        return stage
    return Chain((stage, Placement(len(classes), np.searchsorted(classes, known))))


def on_features(stage: Stage, n_features: int, selected: np.ndarray) -> Stage:
    """The stage of a member that was fitted to the features ``selected``, with all features as inputs."""
    selected = np.asarray(selected, np.int64)
    if np.array_equal(selected, np.arange(n_features)):
        return stage
    return Chain((Columns(n_features, selected), stage))


def floats(values: Any) -> np.ndarray:
    """Contiguous float64 array."""
    return np.ascontiguousarray(values, np.float64)
