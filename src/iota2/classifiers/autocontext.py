"""Training of auto-context: a chain of models, each of which learns the shares of the classes that the one before
predicts in superpixels.

Shares around training samples are predicted by models that have not learned from the sample's polygon: beside the chain
of models that learn from all samples, there is one for each fold of polygons.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from iota2.classifiers.base import Model, ModelError
from iota2.classifiers.context_training import context_folds
from iota2.classifiers.models import load_model, save_model
from iota2.classifiers.samples import Samples
from iota2.classifiers.superpixel_context import SuperpixelContext, class_shares
from iota2.compute.cross_fitting import SAMPLES_PER_PREDICTION
from iota2.core.files import read_text
from iota2.core.words import json_text

FILE, SHARES, PREVIOUS = "chain.json", "shares.npy", "previous"
"""Files and the folder of a chain."""

TrainOne = Callable[[Samples, SuperpixelContext | None], Model]
"""Function that trains a model on samples whose features are followed by those of a context."""


@dataclass(frozen=True, eq=False)
class SuperpixelSamples:
    """Pixels of the superpixels that contain samples."""

    sample_segment: np.ndarray
    """(sample,) int64: number of the superpixel of each sample, from 0."""
    pixel_segment: np.ndarray
    """(pixel,) int64: number of the superpixel of each pixel."""
    values: np.ndarray
    """(pixel, feature) float32."""

    @property
    def count(self) -> int:
        """Number of superpixels."""
        return int(max(self.sample_segment.max(initial=-1), self.pixel_segment.max(initial=-1))) + 1


@dataclass(frozen=True, eq=False)
class AutoContext:
    """The chain of models before the last one, or the reason why there is none."""

    previous: Model | None
    shares: np.ndarray
    """(sample, class) float32: context of the samples for the last model, out of fold."""
    reason: str = ""


def train_autocontext(
    train: TrainOne,
    samples: Samples,
    around: SuperpixelSamples,
    *,
    extent: int,
    iterations: int,
    seed: int,
    region: str,
) -> AutoContext:
    """A chain of ``iterations`` models, and the context that the last model of the chain gives the samples.

    ``extent``: maximum extent of superpixels. The groups of the samples stay in one fold. There is no chain with one
    class, or with too few polygons for two folds.
    """
    previous, shares = None, np.zeros((len(samples.y), 0), np.float32)
    folds, reason = context_folds(samples.y, samples.polygons, seed=seed, region=region)
    if reason:
        return AutoContext(None, shares, reason)
    of_fold = {fold: np.zeros((around.count, 0), np.float32) for fold in range(folds.max() + 1)}
    for iteration in range(iterations):
        given = replace(samples, x=np.concatenate([samples.x, shares], axis=1))
        context = SuperpixelContext(extent, iteration, previous) if previous is not None else None
        model = train(given, context)
        found = np.zeros((len(samples.y), len(model.classes)), np.float32)
        for fold, before in of_fold.items():
            other = train(given.at(np.flatnonzero(folds != fold)), context)
            held_out = np.flatnonzero(folds == fold)
            of_fold[fold] = _shares(other, model.classes, around, around.sample_segment[held_out], before)
            found[held_out] = of_fold[fold][around.sample_segment[held_out]]
        previous, shares = model, found
    return AutoContext(previous, shares)


def _shares(
    model: Model, classes: tuple[int, ...], around: SuperpixelSamples, wanted: np.ndarray, before: np.ndarray
) -> np.ndarray:
    """(superpixel, class) float32: shares of the classes that a model predicts in the ``wanted`` superpixels.

    ``before`` (superpixel, class): the shares that are features of the model.
    """
    at = np.flatnonzero(np.isin(around.pixel_segment, wanted))
    columns = np.zeros(len(at), np.int64)
    codes = np.asarray(model.classes)
    for first in range(0, len(at), SAMPLES_PER_PREDICTION):
        some = at[first : first + SAMPLES_PER_PREDICTION]
        x = np.concatenate([around.values[some], before[around.pixel_segment[some]]], axis=1)
        labels = codes[model.probabilities_of(x).argmax(axis=1)]
        columns[first : first + len(some)] = np.searchsorted(classes, labels)
    return class_shares(around.pixel_segment[at], columns, around.count, len(classes))


def save_autocontext(chain: AutoContext, folder: Path) -> None:
    """Write a chain into an existing folder; the same chain gives the same bytes."""
    (folder / FILE).write_text(json_text({"reason": chain.reason}, indent=1) + "\n", encoding="utf-8")
    np.save(folder / SHARES, chain.shares, allow_pickle=False)
    if chain.previous is not None:
        save_model(chain.previous, folder / PREVIOUS, folder / f"{PREVIOUS}.txt")


def load_autocontext(folder: Path) -> AutoContext:
    """The chain that ``save_autocontext`` wrote; ``ModelError`` if it is missing or damaged."""
    try:
        reason = str(json.loads(read_text(folder / FILE))["reason"])
        shares = np.load(folder / SHARES, allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise ModelError(f"{folder}: damaged ({type(err).__name__}: {err}). Train the models again.") from err
    return AutoContext(None if reason else load_model(folder / PREVIOUS), shares, reason)
