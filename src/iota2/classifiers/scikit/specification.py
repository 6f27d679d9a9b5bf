"""What is trained: an estimator of scikit-learn with its arguments, its grid, and whether features are standardised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from iota2.classifiers.base import ModelError
from iota2.classifiers.scikit import require_keepable
from iota2.classifiers.scikit.build import (
    NAMED,
    TYPE,
    Method,
    arguments_without_effect,
    estimator_of,
    grid_of,
    nested_parts,
)
from iota2.classifiers.scikit.search import grid_problems
from iota2.classifiers.scikit.training import with_probabilities

GRID = "cross_validation_parameters"
SCALED_METHODS = (
    *("SVC", "NuSVC", "LinearSVC", "KNeighborsClassifier", "MLPClassifier", "SGDClassifier"),
    *("SVR", "NuSVR", "LinearSVR", "KNeighborsRegressor", "MLPRegressor", "SGDRegressor", "KernelRidge"),
    "GaussianProcessRegressor",
)
"""Methods whose result depends on the units of the features."""
SCALERS = (
    "StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "QuantileTransformer", "PowerTransformer"
)  # fmt: skip
"""Transformers after which features have comparable units."""


@dataclass(frozen=True)
class Specification:
    """An estimator before training."""

    model_type: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    standardised: bool = False
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Values to try for each parameter; empty for no search."""
    folds: int = 5
    grouped: bool = True
    """Whether the folds of the search keep the samples of a polygon together."""
    method: Method = "classifier"

    def made(self) -> Any:
        """The estimator; ``ValueError`` with one line per problem of its name and arguments."""
        return estimator_of(self.model_type, self.arguments, self.method)

    def unfitted(self) -> Any:
        """The estimator; ``ValueError`` with one line per problem of its name, arguments, grid or storage."""
        estimator = self.made()
        problems = grid_problems(estimator, self.tried)
        if problems:
            raise ValueError("\n".join(f"{GRID}: {problem}" for problem in problems))
        changes = [{}, *({name: value} for name, values in self.tried.items() for value in values)]
        for change in changes:
            changed = self.made().set_params(**change)
            _require_storable(with_probabilities(changed, None) if self.method == "classifier" else changed)
        return estimator

    @property
    def tried(self) -> Mapping[str, Sequence[Any]]:
        """The grid, with values converted as arguments are; ``ValueError`` with one line per problem."""
        try:
            return grid_of(self.grid)
        except ValueError as err:
            raise ValueError("\n".join(f"{GRID}: {line}" for line in str(err).splitlines())) from None

    def with_arguments(self, found: Mapping[str, Any]) -> Specification:
        """The same estimator with other values of arguments; ``svm__C`` is ``C`` of the part ``svm``."""
        return replace(self, arguments={**self.arguments, **found})

    def warnings(self) -> Iterator[str]:
        """Arguments without effect, and a method that depends on units without standardised features."""
        yield from arguments_without_effect(self.arguments)
        found = () if self.standardised else dict.fromkeys(_unscaled(self.model_type, self.arguments))
        for name in found:
            yield f"standardization: {name} weights features by their units, which are not standardised; set it to True"

    def text(self) -> str:
        """The estimator as text, such as ``SVC(C=10)``."""
        return f"{self.model_type}({', '.join(f'{name}={_text(value)}' for name, value in self.arguments.items())})"


def _unscaled(model_type: str, arguments: Mapping[str, Any]) -> Iterator[str]:
    """Methods of ``SCALED_METHODS`` among an estimator and its nested ones, except in pipelines that scale features."""
    if model_type in SCALED_METHODS:
        yield model_type
    nested = [*_nested(arguments)]
    if not any(name in SCALERS for name, _ in nested):
        for name, own in nested:
            yield from _unscaled(name, own)


def _nested(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and arguments of the estimators among arguments."""
    for key, value in arguments.items():
        for one in value.values() if key in NAMED and isinstance(value, Mapping) else (value,):
            if isinstance(one, Mapping) and TYPE in one:
                yield nested_parts(one)
            elif isinstance(one, str) and (key in NAMED or key in ("estimator", "final_estimator")):
                yield one, {}


def _require_storable(estimator: Any) -> None:
    """``ValueError`` for an estimator that cannot be kept without pickle."""
    try:
        require_keepable(estimator)
    except ModelError as err:
        raise ValueError(f"{TYPE}: {err}") from err


def _text(value: Any) -> str:
    """A value of an argument; nested estimators as ``SVC(C=10)``."""
    if isinstance(value, Mapping) and TYPE in value:
        return Specification(*nested_parts(value)).text()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_text(item)}" for name, item in value.items()) + "}"
    return repr(value)
