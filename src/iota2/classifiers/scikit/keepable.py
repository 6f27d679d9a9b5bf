"""Checks before training whether a scikit-learn classifier or regressor can be stored afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sklearn.base import BaseEstimator, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import SGDClassifier
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestCentroid, RadiusNeighborsClassifier
from sklearn.pipeline import FeatureUnion
from sklearn.semi_supervised import LabelPropagation, LabelSpreading
from sklearn.svm import SVC, SVR, NuSVC, NuSVR

from iota2.classifiers.base import ModelError
from iota2.classifiers.scikit.convert import transformers
from iota2.classifiers.scikit.kept import estimator_types
from iota2.classifiers.scikit.roles import PROBABILITIES, SCORES, TRANSFORMS, VALUES, VOTES, register_boosting

LIMITS: dict[type, Callable[[Any], str]] = {}
"""Functions that return what prevents storing a type, or an empty text."""


def limit(*types: type) -> Callable[[Callable[[Any], str]], Callable[[Any], str]]:
    """Decorator that registers a check for some types."""

    def register(function: Callable[[Any], str]) -> Callable[[Any], str]:
        LIMITS.update(dict.fromkeys(types, function))
        return function

    return register


def check(estimator: Any) -> None:
    """``ModelError`` with the first part that prevents storing, its parameters and the remedy."""
    found = next(_problems(estimator, type(estimator).__name__), None)
    if not found and not is_regressor(estimator):
        found = _without_probabilities(estimator)
    if found:
        raise ModelError(found)


def _problems(estimator: Any, path: str) -> Iterator[str]:
    """Problems of an estimator and of the estimators in its parameters."""
    kind = type(estimator)
    register_boosting(estimator)
    convertible = any(kind in registry for registry in (PROBABILITIES, SCORES, VOTES, VALUES, TRANSFORMS))
    if not isinstance(estimator, BaseEstimator) or not (convertible or kind in estimator_types()):
        yield f"{path}: models with {kind.__module__}.{kind.__qualname__} cannot be stored without pickle. Use another."
        return
    if TRANSFORMS.get(kind) is not transformers.selection:  # of selections only the selected features are stored
        for name, value in estimator.get_params(deep=False).items():
            yield from _problems_of_value(value, f"{path}.{name}")
    problem = LIMITS[kind](estimator) if kind in LIMITS else _boosting(estimator)
    if problem:
        yield f"{path}: {problem}"


def _problems_of_value(value: Any, path: str) -> Iterator[str]:
    """Problems of a parameter: estimators inside, and functions."""
    if isinstance(value, BaseEstimator):
        yield from _problems(value, path)
    elif isinstance(value, list | tuple):
        for number, member in enumerate(value):
            yield from _problems_of_value(member, f"{path}[{number}]")
    elif callable(value) and not isinstance(value, type) and not _is_kernel(value):
        yield f"{path}: functions cannot be stored without pickle. Use one of scikit-learn's named settings."


def _boosting(estimator: Any) -> str:
    """The problem of a classifier of LightGBM."""
    if type(estimator).__module__.partition(".")[0] != "lightgbm":
        return ""
    from iota2.classifiers.scikit.boosting import check_boosting  # noqa: PLC0415

    return check_boosting(estimator)


def _is_kernel(value: Any) -> bool:
    """Whether it is a kernel of Gaussian processes, an object that can be called."""
    return type(value).__module__ == "sklearn.gaussian_process.kernels"


def _without_probabilities(estimator: Any) -> str:
    """The problem of a classifier that predicts no probabilities."""
    kind = type(estimator)
    lacks = kind not in PROBABILITIES and not hasattr(estimator, "predict_proba")
    if kind is SGDClassifier:
        lacks = estimator.loss not in ("log_loss", "modified_huber")
    if lacks and kind is not VotingClassifier:
        return f"{kind.__name__} predicts no probabilities. Use CalibratedClassifierCV({kind.__name__}(...))."
    return ""


@limit(SVC, NuSVC, SVR, NuSVR)
def _kernel(estimator: Any) -> str:
    if estimator.kernel not in ("linear", "rbf", "poly", "sigmoid"):
        return f"kernel {estimator.kernel!r} cannot be stored; expected linear, rbf, poly or sigmoid."
    if getattr(estimator, "probability", False) is True:
        return "probability=True cannot be stored. Use CalibratedClassifierCV around it."
    return ""


@limit(KNeighborsClassifier, KNeighborsRegressor, RadiusNeighborsClassifier)
def _distance(estimator: Any) -> str:
    metric, powers = estimator.metric, (1, 2)
    known = ("euclidean", "l2", "manhattan", "l1", "cityblock")
    if not (metric in known or (metric == "minkowski" and estimator.p in powers)) or estimator.metric_params:
        return f"metric {metric!r} (p={estimator.p}) cannot be stored; expected euclidean or manhattan."
    if estimator.weights not in ("uniform", "distance", None):
        return f"weights {estimator.weights!r} cannot be stored; expected uniform or distance."
    return ""


@limit(NearestCentroid)
def _centroid(estimator: Any) -> str:
    return "" if estimator.metric == "euclidean" else f"metric {estimator.metric!r} gives no probabilities."


@limit(LabelPropagation, LabelSpreading)
def _graph(estimator: Any) -> str:
    return "" if estimator.kernel in ("rbf", "knn") else "this kernel cannot be stored; expected rbf or knn."


@limit(KernelRidge)
def _ridge_kernel(estimator: Any) -> str:
    known = ("linear", "rbf", "laplacian", "poly", "polynomial", "sigmoid")
    if estimator.kernel not in known or estimator.kernel_params:
        return f"kernel {estimator.kernel!r} cannot be stored; expected {', '.join(known)}."
    return ""


@limit(Nystroem)
def _approximation(estimator: Any) -> str:
    known = ("linear", "rbf", "laplacian", "poly", "polynomial", "sigmoid")
    if estimator.kernel not in known or estimator.kernel_params:
        return f"kernel {estimator.kernel!r} cannot be stored; expected {', '.join(known)}."
    return ""


@limit(GradientBoostingClassifier, GradientBoostingRegressor)
def _initial(estimator: Any) -> str:
    return "" if estimator.init in (None, "zero") else "init cannot be stored; expected None or 'zero'."


@limit(HistGradientBoostingRegressor)
def _loss(estimator: Any) -> str:
    if estimator.loss in ("poisson", "gamma"):
        return f"loss {estimator.loss!r} needs positive values; values are standardised, so that some are negative."
    return _categories(estimator)


@limit(HistGradientBoostingClassifier)
def _categories(estimator: Any) -> str:
    given = estimator.categorical_features
    return "" if given is None or isinstance(given, str) else "categorical_features cannot be stored; leave it out."


@limit(GaussianProcessClassifier)
def _pairs(estimator: Any) -> str:
    return "" if estimator.multi_class == "one_vs_rest" else "multi_class gives no probabilities; leave it out."


@limit(DummyClassifier)
def _chance(estimator: Any) -> str:
    return "its labels are drawn by chance. Use strategy 'prior'." if estimator.strategy == "stratified" else ""


@limit(VotingClassifier)
def _voting(estimator: Any) -> str:
    return "" if estimator.voting == "soft" else f"voting {estimator.voting!r} gives no probabilities; set soft."


@limit(StackingClassifier)
def _stack(estimator: Any) -> str:
    return "stack_method 'predict' cannot be stored; leave it out." if estimator.stack_method == "predict" else ""


@limit(AdaBoostClassifier, BaggingClassifier)
def _members(estimator: Any) -> str:
    member = estimator.estimator
    if member is None or type(member) in PROBABILITIES or type(member) in VOTES:
        return ""
    return f"{type(member).__name__} cannot be stored as a member; use a tree, a linear classifier or SVC."


@limit(FeatureUnion)
def _union(estimator: Any) -> str:
    if estimator.transformer_weights or any(step == "passthrough" for _, step in estimator.transformer_list):
        return "transformer_weights and passthrough cannot be stored."
    return ""


@limit(ColumnTransformer)
def _columns(estimator: Any) -> str:
    chosen = [columns for _, _, columns in estimator.transformers]
    return "columns chosen by functions cannot be stored; give their numbers." if any(map(callable, chosen)) else ""
