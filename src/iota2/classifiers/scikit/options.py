"""Options of ``scikit_models_parameters`` as parameters of a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import field_validator, model_validator

from iota2.classifiers.options import Params
from iota2.classifiers.scikit.build import FORMER_NAMES, Method, effective_arguments
from iota2.classifiers.scikit.specification import Specification
from iota2.options import default_of, option

FOLDS = ("cross_validation_folds", "cross_validation_grouped")
"""Options of the grid search only."""


class ScikitParams(Params):
    """Options of a classifier of scikit-learn."""

    method: ClassVar[Method] = "classifier"

    model_type: str = option("RandomForestClassifier", "Name of a classifier of scikit-learn, or `Pipeline`.")
    keyword_arguments: dict[str, Any] = option(
        {}, "Arguments of the classifier, such as `{'C': 10}`. Estimators in it are dictionaries with `model_type`."
    )
    standardization: bool = option(False, "Standardise the features by the samples of each model.")
    cross_validation_parameters: dict[str, Any] = option(
        {},
        "Grid search: lists of values to try, such as `{'C': [1, 10]}`; every combination is trained on folds.",
    )
    cross_validation_folds: int = option(5, "Number of folds of the grid search.", ge=2, le=1000)
    cross_validation_grouped: bool = option(
        False,
        "Keep the pixels of a polygon in one fold of the grid search. Without it the scores are too high, since "
        "neighbouring pixels resemble each other; the report has the scores of the best parameters for both.",
    )

    @model_validator(mode="after")
    def _trainable(self) -> Self:
        specification_of(self.parameters(), self.method).unfitted()
        return self

    @field_validator("model_type")
    @classmethod
    def _present_name(cls, given: str) -> str:
        """The name of the library for a name of earlier configurations."""
        return FORMER_NAMES.get(given, given)

    def parameters(self) -> dict[str, Any]:
        """Parameters of the training, without arguments that the run sets, and without folds if nothing is searched."""
        found = super().parameters() | {"keyword_arguments": effective_arguments(self.keyword_arguments)}
        if not self.cross_validation_parameters:
            fields = type(self).model_fields
            found |= {name: default_of(fields[name]) for name in FOLDS}
        return found

    def warnings(self) -> tuple[str, ...]:
        """Arguments without effect, and settings that rarely make sense."""
        unused = [] if self.cross_validation_parameters else [name for name in FOLDS if name in self.model_fields_set]
        return (
            *super().warnings(),
            *(f"{name} has no effect without cross_validation_parameters" for name in unused),
            *specification_of(super().parameters(), self.method).warnings(),
        )


class RegressorParams(ScikitParams):
    """Options of a regressor of scikit-learn."""

    method: ClassVar[Method] = "regressor"
    model_type: str = option("RandomForestRegressor", "Name of a regressor of scikit-learn, or `Pipeline`.")


def specification_of(parameters: Mapping[str, Any], method: Method = "classifier") -> Specification:
    """The estimator and its training, from ``ScikitParams.parameters``."""
    return Specification(
        model_type=parameters["model_type"],
        arguments=parameters["keyword_arguments"],
        standardised=parameters["standardization"],
        grid=parameters["cross_validation_parameters"],
        folds=parameters["cross_validation_folds"],
        grouped=parameters["cross_validation_grouped"],
        method=method,
    )
