"""Estimators of scikit-learn from a configuration: found by name among the library's own, never by an import path."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

from iota2.core.words import did_you_mean

Method = Literal["classifier", "regressor"]
"""What an estimator predicts: classes, or a quantity."""
TYPE, ARGUMENTS = "model_type", "keyword_arguments"
"""Keys of an estimator's name and of its arguments. Other keys of a nested estimator are arguments, too."""
FORMER_NAMES: Mapping[str, str] = {"SupportVectorClassification": "SVC"}
"""Names of earlier configurations, with those of the library."""
SET_BY_THE_RUN: Mapping[str, str] = {
    "n_jobs": "the run sets the number of threads, which does not change the result",
    "verbose": "a job has no terminal",
    "probability": "probabilities are always computed, by calibration on folds that keep polygons together",
}
"""Arguments without effect, with the reason."""
UNSUITABLE: Mapping[str, str] = {
    **dict.fromkeys(("ClassifierChain", "MultiOutputClassifier"), "predicts several labels for a pixel; a map has one"),
    **dict.fromkeys(
        ("FixedThresholdClassifier", "TunedThresholdClassifierCV"),
        "moves the threshold between two classes; the label of a pixel is the most probable class",
    ),
    **dict.fromkeys(
        (
            *("MultiOutputRegressor", "RegressorChain", "CCA", "PLSCanonical"),
            *("MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV"),
        ),
        "predicts several values for a pixel; a map has one",
    ),
    **dict.fromkeys(
        ("PoissonRegressor", "GammaRegressor", "TweedieRegressor"),
        "needs positive values; values are standardised, so that some are negative",
    ),
    "IsotonicRegression": "learns from a single feature",
    "RadiusNeighborsRegressor": "gives no value far from all samples",
    "TransformedTargetRegressor": "transforms the values, which are already standardised",
}
"""Classifiers and regressors of scikit-learn that cannot make a map, with the reason."""
WEIGHTS_ELSEWHERE = (
    "expected 'balanced' or None; estimators inside others number the classes anew. Give weights of single classes in "
    "arg_train.class_weight"
)
"""Message on weights by class code."""
NESTED = ("estimator", "final_estimator")
"""Arguments that are an estimator, by name or as a mapping."""
NAMED = ("estimators", "steps", "transformer_list")
"""Arguments that are several named estimators: a mapping from names to estimators, or a list of estimators."""
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "VotingClassifier": {"voting": "soft"},
    "RadiusNeighborsClassifier": {"outlier_label": "most_frequent"},
    "LGBMClassifier": {"deterministic": True, "force_col_wise": True, "verbosity": -1},
    "LGBMRegressor": {"deterministic": True, "force_col_wise": True, "verbosity": -1},
}
"""Arguments whose default has no probabilities, fails far from all samples, or depends on the number of threads."""
FINAL_ESTIMATORS: Mapping[str, str] = {"StackingClassifier": "LogisticRegression", "StackingRegressor": "RidgeCV"}
"""Final estimators of stacking that the library makes if none is given."""
OF_OTHER_PACKAGES: Mapping[str, tuple[str, str]] = dict.fromkeys(
    ("LGBMClassifier", "LGBMRegressor"), ("lightgbm", "boosting")
)
"""Classifiers and regressors of other packages: the module, and the extra of this program that installs it."""


def estimator_of(model_type: str, arguments: Mapping[str, Any], method: Method = "classifier") -> Any:
    """An unfitted classifier or regressor of scikit-learn; ``ValueError`` with one line per problem.

    A value of ``arguments`` may be an estimator itself: a mapping with the key ``model_type``, a name for an argument
    called ``estimator``, or named estimators for ``estimators`` and ``steps``.
    """
    maker = _Maker(method)
    found = maker.estimator(model_type, arguments, "", roles=(method, "pipeline"))
    if maker.problems:
        raise ValueError("\n".join(maker.problems))
    return found


def arguments_without_effect(arguments: Mapping[str, Any], where: str = ARGUMENTS) -> Iterator[str]:
    """One sentence for each argument, also of nested estimators, that the run sets itself."""
    for name, value in arguments.items():
        if name in SET_BY_THE_RUN:
            yield f"{where}.{name} has no effect: {SET_BY_THE_RUN[name]}"
        elif isinstance(value, Mapping):
            yield from arguments_without_effect(value, f"{where}.{name}")


def effective_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments without those that the run sets itself, also in nested estimators."""
    return {name: _effective(name, value) for name, value in arguments.items() if name not in SET_BY_THE_RUN}


def _effective(key: str, value: Any) -> Any:
    """The value of an argument, as in ``effective_arguments``."""
    if isinstance(value, Mapping) and key in NAMED:
        return {name: _effective("", item) for name, item in value.items()}
    if isinstance(value, Mapping) and (TYPE in value or key == ARGUMENTS):
        return effective_arguments(value)
    return [_effective("", item) for item in value] if isinstance(value, list) else value


@cache
def names_of(method: Method) -> tuple[str, ...]:
    """Names of all classifiers that predict one label, or of all regressors; ``Pipeline`` is one of them."""
    named = (name for name, cls in _known().items() if _role(cls) in (method, "pipeline"))
    return tuple(sorted(name for name in named if name not in UNSUITABLE))


@cache
def _known() -> Mapping[str, type]:
    """Estimators of scikit-learn, and of installed packages with its interface, by name."""
    # The import of all modules of scikit-learn takes seconds; only configurations with its models need them.
    from sklearn.pipeline import FeatureUnion, Pipeline  # noqa: PLC0415
    from sklearn.utils import all_estimators  # noqa: PLC0415

    listed = dict(all_estimators(type_filter=["classifier", "regressor", "transformer"]))
    found = {**listed, "Pipeline": Pipeline, "FeatureUnion": FeatureUnion}
    for name, (module, _) in OF_OTHER_PACKAGES.items():
        if find_spec(module) is not None:
            found[name] = getattr(import_module(module), name)
    return found


def _role(cls: type) -> str:
    """What a class is: a pipeline, a classifier, a regressor or a transformer."""
    if cls.__name__ == "Pipeline":
        return "pipeline"
    return next((role for role, mixin in _mixins().items() if issubclass(cls, mixin)), "transformer")


def _predicts(estimator: Any, method: Method) -> bool:
    """Whether an estimator is a classifier (or a regressor), or a pipeline that ends with one."""
    if _role(type(estimator)) == "pipeline":
        return not estimator.steps or _predicts(estimator.steps[-1][1], method)
    return _role(type(estimator)) == method


@cache
def _mixins() -> Mapping[str, type]:
    from sklearn.base import ClassifierMixin, RegressorMixin  # noqa: PLC0415

    return {"classifier": ClassifierMixin, "regressor": RegressorMixin}


@dataclass
class _Maker:
    """Makes estimators from a configuration, and collects the problems."""

    method: Method
    """What the outermost estimator predicts; nested estimators predict the same, or are transformers."""
    problems: list[str] = field(default_factory=list)

    def estimator(self, name: Any, arguments: Mapping[str, Any], where: str, *, roles: Sequence[str]) -> Any:
        """An estimator, or None after adding a problem."""
        cls = self._class(name, where, roles)
        if cls is None:
            return None
        before = len(self.problems)
        parameters = inspect.signature(cls).parameters.values()
        known = [one.name for one in parameters if one.name not in SET_BY_THE_RUN and one.kind is not one.VAR_KEYWORD]
        values = dict(DEFAULTS.get(cls.__name__, {}))
        for key, value in arguments.items():
            if key in SET_BY_THE_RUN:
                continue
            if key not in known:
                hint = did_you_mean(str(key), known) or f"; expected one of {', '.join(known)}"
                self.problems.append(f"{where}{key}: {cls.__name__} has no such argument{hint}")
                continue
            if key == "class_weight" and isinstance(value, Mapping):
                self.problems.append(f"{where}{key}: {WEIGHTS_ELSEWHERE}")
                continue
            values[key] = self.value(key, value, f"{where}{key}.")
        if len(self.problems) > before:
            return None
        made = self._made(cls, values, where)
        outermost = "transformer" not in roles
        if cls.__name__ == "Pipeline" and made is not None and outermost and not _predicts(made, self.method):
            self.problems.append(f"{where}steps: the last one must be a {self.method}")
        return made

    def value(self, key: str, value: Any, where: str) -> Any:
        """The value of an argument: estimators are made, texts of a configuration become None, True and False."""
        roles = (self.method, "pipeline") if key in NESTED else (self.method, "transformer", "pipeline")
        if key in NESTED and isinstance(value, str) and value.lower() != "none":
            return self.estimator(value, {}, where, roles=roles)
        if isinstance(value, Mapping) and TYPE in value:
            return self.estimator(*nested_parts(value), where, roles=roles)
        if key in NAMED:
            return self._named(value, where)
        if isinstance(value, Mapping):
            return {name: self.value("", item, where) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return tuple(self.value("", item, where) for item in value)
        words = {"none": None, "true": True, "false": False}
        return words.get(value.lower(), value) if isinstance(value, str) else value

    def _class(self, name: Any, where: str, roles: Sequence[str]) -> type | None:
        known = {key: cls for key, cls in _known().items() if _role(cls) in roles and key not in UNSUITABLE}
        wanted = FORMER_NAMES.get(name, name) if isinstance(name, str) else name
        place = f"{where}{TYPE}"
        if not isinstance(wanted, str):
            self.problems.append(f"{place}: expected the name of an estimator, got {wanted!r}")
        elif wanted in UNSUITABLE and wanted not in known:
            self.problems.append(f"{place}: {wanted} {UNSUITABLE[wanted]}. Choose another")
        elif wanted in OF_OTHER_PACKAGES and wanted not in _known():
            extra = OF_OTHER_PACKAGES[wanted][1]
            self.problems.append(f"{place}: {wanted} is not installed; pip install 'iota2[{extra}]'")
        elif wanted not in known:
            twin = str(wanted).removesuffix("Classifier").removesuffix("Regressor") + self.method.capitalize()
            near = did_you_mean(str(wanted), known)
            hint = (
                f"; did you mean {twin!r}?"
                if twin in known
                else near or f"; expected one of {', '.join(sorted(known))}"
            )
            kinds = " or ".join(role for role in roles if role != "pipeline")  # a pipeline is one of them
            self.problems.append(f"{place}: scikit-learn has no {kinds} {str(wanted)!r}{hint}")
        else:
            return known[wanted]
        return None

    def _made(self, cls: type, values: Mapping[str, Any], where: str) -> Any:
        """The estimator with its arguments checked by the library, or None after adding a problem."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # classes that a later version of the library removes
                made = cls(**values)
            check_parameters(made)
        except (TypeError, ValueError) as err:
            self.problems.append(f"{where or cls.__name__ + '.'}{err}".replace("\n", " "))
            return None
        if cls.__name__ == "VotingClassifier" and made.voting == "hard":
            self.problems.append(f"{where}voting: 'hard' has no probabilities; expected 'soft'")
        if cls.__name__ == "RadiusNeighborsClassifier" and made.outlier_label != "most_frequent":
            self.problems.append(f"{where}outlier_label: every pixel needs a class; expected 'most_frequent'")
        if cls.__name__ == "Pipeline" and not made.steps:
            self.problems.append(f"{where}steps: expected a dictionary of names and estimators")
        if cls.__name__ in FINAL_ESTIMATORS and made.final_estimator is None:
            # as the library does while fitting
            made.set_params(final_estimator=_known()[FINAL_ESTIMATORS[cls.__name__]]())
        return made

    def _named(self, value: Any, where: str) -> list[tuple[str, Any]] | None:
        """Named estimators, in the order of the configuration."""
        if isinstance(value, list | tuple):
            value = {f"{_name(item).lower()}{number}": item for number, item in enumerate(value, 1)}
        if not isinstance(value, Mapping) or not all(isinstance(item, str | Mapping) for item in value.values()):
            example = f"such as {{a: {{{TYPE}: SVC}}}}"
            self.problems.append(f"{where[:-1]}: expected a dictionary of names and estimators, {example}")
            return None
        found = []
        for name, item in value.items():
            given = {TYPE: item} if isinstance(item, str) else item
            roles = (self.method, "transformer", "pipeline")
            found.append((str(name), self.estimator(*nested_parts(given), f"{where}{name}.", roles=roles)))
        return found


def grid_of(grid: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Values to try for each parameter, converted as arguments are; ``ValueError`` with one line per problem."""
    maker = _Maker("classifier")
    problems = maker.problems
    found = {}
    for name, values in grid.items():
        key = name.rpartition("__")[2]
        if key in SET_BY_THE_RUN:
            problems.append(f"{name}: cannot be searched; {SET_BY_THE_RUN[key]}")
        elif not isinstance(values, list | tuple) or not values:
            problems.append(f"{name}: expected a list of values to try, got {values!r}")
        elif key == "class_weight" and any(isinstance(value, Mapping) for value in values):
            problems.append(f"{name}: {WEIGHTS_ELSEWHERE}")
        else:
            found[name] = tuple(maker.value(key, value, f"{name}.") for value in values)
            if any(hasattr(value, "get_params") for value in found[name]):
                problems.append(f"{name}: estimators cannot be searched; compare two runs")
    if problems:
        raise ValueError("\n".join(problems))
    return found


def check_parameters(estimator: Any) -> None:
    """Let scikit-learn check the parameters of an estimator: ``ValueError`` with its message."""
    if hasattr(estimator, "_parameter_constraints"):  # estimators of other packages have none
        estimator._validate_params()


def _name(item: Any) -> str:
    """Name of the type of an estimator in a list."""
    return str(item.get(TYPE, "") if isinstance(item, Mapping) else item)


def nested_parts(given: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """Name and arguments of a nested estimator."""
    arguments = given.get(ARGUMENTS) or {}
    others = {key: value for key, value in given.items() if key not in (TYPE, ARGUMENTS)}
    return given.get(TYPE), {**others, **(arguments if isinstance(arguments, Mapping) else {ARGUMENTS: arguments})}
