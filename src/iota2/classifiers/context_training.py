"""First models of a context: one that learned from all samples, and one without each fold of polygons.

The second model learns from the context of training samples as it is elsewhere: the pixels around a sample are
predicted by a model that has not learned from the sample's polygon. A model that has learned from it would predict
these pixels too well, and the second model would rely on them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iota2.classifiers.base import Classifier, Model, ModelError, Regressor
from iota2.classifiers.models import load_model, save_model
from iota2.classifiers.samples import Samples
from iota2.compute.folds import grouped_folds
from iota2.compute.predict import Prediction
from iota2.core.cube import FeatureBlock
from iota2.core.files import read_text
from iota2.core.random import generator
from iota2.core.words import json_text

CONTEXT_FOLDS = 3
"""Number of folds."""
FILE = "folds.json"
"""File with the fold of each polygon, in the folder of the models."""
_FIRST, _FOLD = "first", "fold_{fold}"

TrainOne = Callable[[Samples, Classifier | Regressor | None], Model]
"""Function that trains a model on samples, with the parameters that the search of a fitted method found."""


@dataclass(frozen=True, eq=False)
class ContextModels:
    """The first models of a context, or the reason why there are none."""

    first: Model | None
    """The model that learned from all samples."""
    folds: Sequence[Model]
    """Models that learned from the polygons of all other folds."""
    fold_of: Mapping[int, int]
    """Fold by polygon."""
    reason: str = ""

    def out_of_fold(self, fold: int, features: FeatureBlock, where: np.ndarray, *, threads: int = 1) -> np.ndarray:
        """Probabilities (class, y, x) float32 of the pixels of ``where`` (y, x) bool by the model without a fold.

        The classes are those of ``first``; a class that the model has not learned has probability 0.
        """
        assert self.first is not None, "there are models"
        model = self.folds[fold]
        found: Prediction = model.predict(features, where, threads=threads)
        probabilities = np.zeros((len(self.first.classes), *where.shape), np.float32)
        probabilities[np.searchsorted(self.first.classes, model.classes)] = found.probabilities
        return probabilities


def train_context_models(
    train: TrainOne, samples: Samples, polygons: np.ndarray, *, seed: int, region: str
) -> ContextModels:
    """First models for ``samples``; none if they have one class, or too few polygons for two folds.

    ``polygons`` (sample,) int: polygon of each sample. The groups of ``samples`` (the polygons if there are none) stay
    in one fold.
    """
    groups = polygons if samples.groups is None else samples.groups
    folds, reason = context_folds(samples.y, groups, seed=seed, region=region)
    if reason:
        return ContextModels(None, (), {}, reason)
    first = train(samples, None)
    others = [train(samples.at(np.flatnonzero(folds != fold)), first.classifier) for fold in range(folds.max() + 1)]
    return ContextModels(first, others, dict(zip(polygons.tolist(), folds.tolist(), strict=True)))


def context_folds(classes: np.ndarray, groups: np.ndarray, *, seed: int, region: str) -> tuple[np.ndarray, str]:
    """Fold (sample,) of each sample, numbered from 0 without gaps, and the reason why there is no context.

    ``classes`` and ``groups`` are (sample,). The samples of a group are in one fold. The reason is empty if there are
    at least two classes and two folds.
    """
    drawn = grouped_folds(classes, groups, CONTEXT_FOLDS, generator(seed, "context folds", region))
    used, folds = np.unique(drawn, return_inverse=True)
    if len(np.unique(classes)) < 2:
        return folds, "the model has one class"
    if len(used) < 2:
        return folds, "all samples are of one polygon, or of polygons that stay together"
    return folds, ""


def save_context_models(models: ContextModels, folder: Path) -> None:
    """Write the models into an existing folder; the same models give the same bytes."""
    for name, model in _named(models).items():
        save_model(model, folder / name, folder / f"{name}.txt")
    content = {
        "folds": len(models.folds),
        "reason": models.reason,
        "fold_of": {str(polygon): fold for polygon, fold in sorted(models.fold_of.items())},
    }
    (folder / FILE).write_text(json_text(content, indent=1) + "\n", encoding="utf-8")


def _named(models: ContextModels) -> dict[str, Model]:
    if models.first is None:
        return {}
    return {_FIRST: models.first, **{_FOLD.format(fold=k): one for k, one in enumerate(models.folds)}}


def load_context_models(folder: Path, *, folds: bool = True) -> ContextModels:
    """The models that ``save_context_models`` wrote, without those of the folds if ``folds`` is False.

    ``ModelError`` if they are missing or damaged.
    """
    path = folder / FILE
    try:
        content = json.loads(read_text(path))
        count, reason = int(content["folds"]), str(content["reason"])
        fold_of = {int(polygon): int(fold) for polygon, fold in content["fold_of"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise ModelError(f"{path}: damaged ({type(err).__name__}: {err}). Train the models again.") from err
    if reason:
        return ContextModels(None, (), fold_of, reason)
    others = [load_model(folder / _FOLD.format(fold=k)) for k in range(count if folds else 0)]
    return ContextModels(load_model(folder / _FIRST), others, fold_of)
