"""The classifier of a configuration: its name in the registry and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iota2.classifiers.base import Classifier, Regressor
from iota2.classifiers.registry import untrained, validate_options
from iota2.config.options.schema import Config
from iota2.core.recipe import FeatureRecipe
from iota2.core.reduction import max_components


@dataclass(frozen=True)
class Learner:
    """A classifier of the registry with its parameters."""

    classifier: str
    parameters: Mapping[str, Any]

    def untrained(self, *, threads: int = 1) -> Classifier | Regressor:
        """An unfitted classifier."""
        return untrained(self.classifier, self.parameters, threads=threads)


def learner_of(config: Config) -> Learner:
    """The classifier that a configuration selects; ``ConfigError`` with all problems of its options."""
    arg_train = config.arg_train
    parameters, _ = validate_options(arg_train.classifier, arg_train.otb_classifier_options)
    return Learner(arg_train.classifier, parameters)


def learned_features(config: Config, recipe: FeatureRecipe) -> int:
    """Number of features from which the classifier learns: those of the recipe, or at most as many components."""
    given = config.dim_red
    return max_components(recipe, given.reduction_mode, given.target_dimension) if given.dim_red else len(recipe.names)
