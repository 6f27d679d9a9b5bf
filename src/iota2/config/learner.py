"""The classifier or regressor of a configuration: its name in the registry and its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from iota2.classifiers.base import Classifier, Estimator, Regressor, Rehearsing, Searching, TimedTraining
from iota2.classifiers.registry import (
    KINDS,
    SCIKIT,
    as_options,
    is_scikit,
    method_name,
    regressor_of,
    untrained,
    validate_options,
)
from iota2.classifiers.transforms import Standardisation
from iota2.config.options.train import ArgTrain, DimRed, ScikitModels
from iota2.core.recipe import FeatureRecipe
from iota2.core.reduction import max_components
from iota2.errors import InputError, OptionPath
from iota2.io.tables.class_counts import read_counts

AUGMENTATION_GROWTH = 2.0
"""Assumed growth of the samples of a model whose classes get as many samples as the largest."""


@dataclass(frozen=True)
class Learner:
    """A classifier or regressor of the registry with its parameters."""

    classifier: str
    parameters: Mapping[str, Any]

    def untrained(self, *, threads: int = 1) -> Classifier | Regressor:
        """An unfitted classifier."""
        return untrained(self.classifier, self.parameters, threads=threads)

    @property
    def standardised(self) -> bool:
        """Whether features are standardised before the classifier."""
        return Standardisation.fitted in self.untrained().transforms

    @property
    def searches(self) -> bool:
        """Whether the training searches parameters."""
        found = self.untrained()
        return isinstance(found, Searching) and found.searches


def training_seconds(method: Estimator, samples: float, features: int, classes: int) -> float:
    """Estimated seconds of one training; 0 for a method without an estimate."""
    return method.training_seconds(samples, features, classes) if isinstance(method, TimedTraining) else 0.0


def kind_of(arg_train: ArgTrain, scikit: ScikitModels) -> str:
    """Name in the registry of the classifier that options select: ``model_type`` has precedence."""
    return arg_train.classifier if scikit.model_type is None else SCIKIT


def learner_of(arg_train: ArgTrain, scikit: ScikitModels, *, quantity: bool = False) -> Learner:
    """The classifier, or the regressor of a ``quantity``, that options select.

    ``ConfigError`` with all problems of its options.
    """
    kind = kind_of(arg_train, scikit)
    given = scikit.model_dump() if kind == SCIKIT else arg_train.otb_classifier_options
    kind = regressor_of(kind) if quantity else kind
    return Learner(kind, validate_options(kind, given)[0])


def options_of_learner(learner: Learner) -> dict[str, Any]:
    """The classifier and its parameters by option name of the configuration."""
    if is_scikit(learner.classifier):
        return {f"{ScikitModels.section_name}.{name}": value for name, value in learner.parameters.items()}
    name = method_name(learner.classifier, learner.parameters)
    return {"arg_train.classifier": name, **as_options(learner.classifier, learner.parameters)}


def misfits(learner: Learner, *, features: int, classes: int, weighted: bool) -> Iterator[tuple[OptionPath, str]]:
    """Options of a classifier with which it cannot be trained, found by a rehearsal: place, and a sentence.

    Numbers and ``weighted`` as in ``Rehearsing``. None for classifiers without rehearsal.
    """
    method = learner.untrained()
    if not isinstance(method, Rehearsing):
        return
    for found in method.rehearse(features=features, classes=classes, weighted=weighted):
        scikit = is_scikit(learner.classifier)
        path = (ScikitModels.section_name, *found.option) if scikit else ("arg_train", "otb_classifier_options")
        yield path, found.text


def needs_series(arg_train: ArgTrain, scikit: ScikitModels) -> bool:
    """Whether the selected classifier, if it is known, learns from series of bands only."""
    kind = KINDS.get(kind_of(arg_train, scikit))
    return kind is not None and kind.implementation.needs_series


def learned_features(given: DimRed, recipe: FeatureRecipe) -> int:
    """Number of features from which the classifier learns: those of the recipe, or at most as many components."""
    return max_components(recipe, given.reduction_mode, given.target_dimension) if given.dim_red else len(recipe.names)


@lru_cache(maxsize=8)
def _sum_of_counts(path: Path, modified: int) -> int:
    """Sum of a table of counts; read once, since the estimate of every job needs it."""
    return sum(read_counts(path).values())


def learned_samples(given: ArgTrain, samples: float, classes: int, model: str | None = None, region: str = "") -> float:
    """Estimated number of samples after ``arg_train.sample_augmentation``, of ``samples`` before it.

    ``model`` and ``region``: its name and region; None for any model. Numbers of samples by class are unknown before
    the run: for ``minNumber`` and ``byClass`` this is an upper bound, for ``balance`` ``AUGMENTATION_GROWTH`` times
    ``samples``.
    """
    options = given.sample_augmentation
    if not options.activate or (model is not None and not options.targets(model, region)):
        return samples
    if options.samples == "minNumber":
        return samples + (options.smallest or 0) * classes
    if options.samples == "byClass" and options.byclass is not None:
        with suppress(InputError, OSError):  # reported by the step
            return samples + _sum_of_counts(options.byclass, options.byclass.stat().st_mtime_ns)
    return AUGMENTATION_GROWTH * samples
