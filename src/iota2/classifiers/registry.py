"""Registry of classifiers by configuration name; a classifier's module is imported on first use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from iota2.classifiers.base import Classifier, Regressor
from iota2.classifiers.options import split_text
from iota2.core.words import nearest, normalised_name
from iota2.errors import ConfigError


@dataclass(frozen=True)
class Kind:
    """Entry of the registry: name, description and import path of a classifier."""

    name: str
    about: str
    path: str
    """``module:Class`` of the implementation of ``Classifier``."""
    selectable: bool = True
    """Whether ``arg_train.classifier`` may name it."""

    @property
    def implementation(self) -> type[Classifier | Regressor]:
        """The class; its module is imported. ConfigError if this fails."""
        module, _, name = self.path.partition(":")
        try:
            found: type[Classifier | Regressor] = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as err:
            problem = f"classifier {self.name!r}: cannot import {self.path!r} ({err}); register it as 'module:Class'"
            raise ConfigError([problem]) from err
        return found


KINDS: dict[str, Kind] = {}
"""Registered classifiers by name."""


def register(name: str, about: str, path: str, *, selectable: bool = True) -> None:
    """Register a classifier; ``ValueError`` for a name already in use.

    ``path`` is ``module:Class``. Configurations that are read afterwards may use the name in ``arg_train.classifier``,
    unless it is not ``selectable``.
    """
    if not re.fullmatch(r"[A-Za-z]\w*", name):
        raise ValueError(f"classifier {name!r}: expected a name of letters, digits and _, a letter first")
    if normalised_name(name) in map(normalised_name, KINDS):
        raise ValueError(f"classifier {name!r} is already registered")
    KINDS[name] = Kind(name, about, path, selectable)


register("rf", "Random forest.", "iota2.classifiers.forest:RandomForest")
register(
    "sharkrf",
    "Random forest whose trees grow to a minimum node size, each from a random share of the samples.",
    "iota2.classifiers.forest:SharkForest",
)
register("trees", "Mean of extra trees and gradient boosting.", "iota2.classifiers.trees:Trees")

_TOOLBOX = "iota2.classifiers.scikit.toolbox"
register("libsvm", "Support vector machine.", f"{_TOOLBOX}:LibSvm")
register("svm", "Support vector machine, with the option names of OpenCV.", f"{_TOOLBOX}:Svm")
register("boost", "Boosted decision trees.", f"{_TOOLBOX}:Boost")
register("gbt", "Gradient boosting; nodes consider the square root of the number of features.", f"{_TOOLBOX}:Gbt")
register("dt", "Decision tree.", f"{_TOOLBOX}:Dt")
register("ann", "Neural network.", f"{_TOOLBOX}:Ann")
register(
    "normalbayes",
    "One normal distribution per class, whose covariance is mixed with 1 % of a diagonal one.",
    f"{_TOOLBOX}:NormalBayes",
)
register("knn", "Nearest neighbours, in the units of the features: they are not standardised.", f"{_TOOLBOX}:Knn")

SCIKIT = "scikit"
"""Name in the registry of the classifiers of ``scikit_models_parameters``."""
register(
    SCIKIT, "Any classifier of scikit-learn.", "iota2.classifiers.scikit.classifier:ScikitClassifier", selectable=False
)

QUANTITY = "quantity_"
"""Prefix of the names of the regressors that take the place of a classifier if the map contains a quantity."""
_REGRESSORS = "iota2.classifiers.scikit.regressor"
register(f"{QUANTITY}rf", "Random forest of a quantity.", f"{_REGRESSORS}:ForestOfValues", selectable=False)
register(
    f"{QUANTITY}trees",
    "Mean of extra trees and gradient boosting of a quantity.",
    f"{_REGRESSORS}:TreesOfValues",
    selectable=False,
)
register(f"{QUANTITY}{SCIKIT}", "Any regressor of scikit-learn.", f"{_REGRESSORS}:ScikitRegressor", selectable=False)


def is_scikit(classifier: str) -> bool:
    """Whether a registered method is the one of ``scikit_models_parameters``."""
    return classifier.removeprefix(QUANTITY) == SCIKIT


def regressor_of(classifier: str) -> str:
    """Name of the registered regressor for a name of the configuration; ``ConfigError`` if there is none."""
    if f"{QUANTITY}{classifier}" in KINDS:
        return f"{QUANTITY}{classifier}"
    if classifier in KINDS and hasattr(KINDS[classifier].implementation, "predict"):
        return classifier
    names = [name for name in selectable_names() if f"{QUANTITY}{name}" in KINDS]
    raise ConfigError(
        [
            f"classifier: {classifier!r} predicts classes, not a quantity; expected one of {', '.join(names)}, or give "
            "a regressor of scikit-learn in scikit_models_parameters.model_type."
        ]
    )


def method_name(classifier: str, parameters: Mapping[str, Any]) -> str:
    """Name of the classifier in cards and reports: the one of the configuration, such as ``rf`` or ``SVC``."""
    name = classifier.removeprefix(QUANTITY)
    return str(parameters.get("model_type") or name) if name == SCIKIT else name


def shown_parameters(classifier: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that cards and reports show: all, but the folds of a grid search only if there is one."""
    searched = not is_scikit(classifier) or bool(parameters.get("cross_validation_parameters"))
    return {name: value for name, value in parameters.items() if searched or not name.startswith("cross_validation_")}


def selectable_names() -> tuple[str, ...]:
    """Names that ``arg_train.classifier`` accepts."""
    return tuple(kind.name for kind in KINDS.values() if kind.selectable)


def untrained(classifier: str, parameters: Mapping[str, Any], *, threads: int = 1) -> Classifier | Regressor:
    """Unfitted classifier; ``parameters`` come from ``validate_options``."""
    return KINDS[classifier].implementation(parameters, threads=threads)


def as_options(classifier: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters for ``train_model`` by the users' option names; parameters without an option keep their name."""
    names = KINDS[classifier].implementation.Params.option_names() if classifier in KINDS else {}
    return {names.get(name, name): value for name, value in parameters.items()}


def validate_options(classifier: str, options: Mapping[str, object] | str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Parameters for ``train_model`` (plain values, all defaults filled in) and warnings.

    ``options`` is a mapping of option names to numbers (or their text), or one text in the legacy form:
    ``-classifier.rf.min 5 -classifier.rf.max 25``. Raises ``ConfigError`` with all problems.
    """
    if classifier not in KINDS:
        near = nearest(classifier, selectable_names())
        hint = f"did you mean {near}?" if near else f"expected one of {', '.join(selectable_names())}."
        raise ConfigError([f"classifier: {classifier!r} does not exist; {hint}"])
    try:
        given = split_text(options) if isinstance(options, str) else options
        params = KINDS[classifier].implementation.Params.read(given)
    except ValueError as err:
        place = "scikit_models_parameters" if is_scikit(classifier) else "otb_classifier_options"
        raise ConfigError(f"{place}: {line}" for line in str(err).splitlines()) from err
    return params.parameters(), params.warnings()
