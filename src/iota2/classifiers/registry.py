"""Which classifiers exist, by the name that the configuration gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from iota2.classifiers.base import Classifier
from iota2.classifiers.forest import MISSING_IN_TREES, RF_OPTIONS, SHARKRF_OPTIONS, ForestClassifier
from iota2.classifiers.options import Option, parse, split_text
from iota2.core.words import nearest
from iota2.errors import ConfigError


class Build(Protocol):
    """Makes a classifier that is not fitted yet."""

    def __call__(self, parameters: Mapping[str, Any], *, threads: int) -> Classifier: ...


@dataclass(frozen=True)
class Kind:
    """One classifier of the registry."""

    name: str
    about: str
    options: tuple[Option, ...]
    build: Build
    load: Callable[[Path], Classifier]
    missing: str
    """How it treats missing values, a sentence."""


KINDS = {
    kind.name: kind
    for kind in (
        Kind("rf", "Random forest.", RF_OPTIONS, ForestClassifier, ForestClassifier.load, MISSING_IN_TREES),
        Kind(
            "sharkrf",
            "Random forest whose trees grow until their nodes are small, each from a part of the samples.",
            SHARKRF_OPTIONS,
            ForestClassifier,
            ForestClassifier.load,
            MISSING_IN_TREES,
        ),
    )
}


def as_options(classifier: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters for ``train_model`` under the names that users write; one that no option sets keeps its own."""
    names = {option.becomes: option.name for option in KINDS[classifier].options} if classifier in KINDS else {}
    return {names.get(name, name): value for name, value in parameters.items()}


def validate_options(classifier: str, options: Mapping[str, object] | str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Parameters for ``train_model`` (plain values, every default filled in) and warnings.

    ``options`` is a mapping of option names to numbers (or their text), or one text in the form of 2020:
    ``-classifier.rf.min 5 -classifier.rf.max 25``. Raises ``ConfigError`` with all problems.
    """
    if classifier not in KINDS:
        near = nearest(classifier, KINDS)
        hint = f"did you mean {near}?" if near else f"choose one of {', '.join(KINDS)}."
        raise ConfigError([f"classifier: {classifier!r} does not exist; {hint}"])
    try:
        given = split_text(options) if isinstance(options, str) else options
    except ValueError as err:
        raise ConfigError([f"otb_classifier_options: {err}"]) from err
    parameters, warnings, problems = parse(KINDS[classifier].options, given)
    if problems:
        raise ConfigError(f"otb_classifier_options: {problem}" for problem in problems)
    return parameters, warnings
