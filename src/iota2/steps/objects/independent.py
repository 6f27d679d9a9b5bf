"""Step: predictions of the labelled segments of one region by models that have not learned from their labels."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from iota2 import layout
from iota2.classifiers.base import Model
from iota2.classifiers.evidence import FOLDS
from iota2.classifiers.models import load_model
from iota2.compute.class_weights import Balanced
from iota2.compute.folds import grouped_folds
from iota2.compute.sampling import BOTH
from iota2.config.learner import Learner, options_of_learner
from iota2.config.options.schema import Config
from iota2.core.graph import JobContext, Step
from iota2.core.nomenclature import Nomenclature
from iota2.core.random import generator
from iota2.core.recipe import FeatureRecipe
from iota2.core.tables import LEARN, REGION, VALIDATION
from iota2.core.target import Classes
from iota2.io.tables.classes import read_classes
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.segment_labels import CODE, NUMBER, REASON, SIDE, TILE, read_segment_labels
from iota2.io.tables.segments import LabelPredictions
from iota2.steps.labelled_parts import labelled_parts
from iota2.steps.learned_fit import FIT_INPUTS, LearnedFit, cross_fitting_cost, learned_fit
from iota2.steps.region_order import read_region_order
from iota2.steps.segment_features import block_of_segments, read_selected, value_files
from iota2.steps.training_samples import MAX_THREADS, effective_weights, groups_of

log = logging.getLogger(__name__)

ALL, NONE = -1, -2
"""In place of a fold: segments that the model of the run predicts, or no model."""
FOLD, GROUP = "fold", "group"


@dataclass(frozen=True)
class IndependentParams:
    """Classifier, weights of classes, and order of regions."""

    learner: Learner
    class_weight: Balanced | Mapping[str, float] | None
    region_priority: tuple[str, ...]

    def by_user_name(self) -> Mapping[str, Any]:
        """The parameters by option name of the configuration."""
        return {
            **options_of_learner(self.learner),
            "arg_train.class_weight": self.class_weight,
            "obia.region_priority": self.region_priority,
        }


def params(config: Config) -> IndependentParams:
    """Parameters of training from the configuration; the others are those of the model."""
    weights = effective_weights(config.arg_train.class_weight)
    return IndependentParams(config.learner, weights, config.obia.region_priority or ())


def run(job: JobContext[IndependentParams]) -> None:
    """Predict the labelled segments of the region that are used for learning or validation.

    The model of the run predicts a segment if it has not learned from the polygons that give the segment its class.
    Otherwise a model predicts it that has learned from the samples of other folds of polygons. Segments whose polygons
    are in several folds, or whose class the model has not learned, have no prediction. The table is empty for a model
    without samples.
    """
    classes, model = read_classes(job.inp.classes), load_model(job.inp.model)
    if model.without_samples:
        _no_predictions(classes).write(job.out.predictions)
        return
    fit = learned_fit(job.inp, job.key, model, job.params.learner, job.params.class_weight, threads=job.use.threads)
    folds = _folds(fit, model)
    segments = _segments(job, fit, folds)
    label = np.zeros(len(segments), np.int64)
    probabilities = np.zeros((len(segments), len(classes.codes)), np.float32)
    for fold in sorted({*segments[FOLD].tolist()} - {NONE}):
        one = model if fold == ALL else _without(fold, folds, fit, model, reduced="reduction" in job.inp)
        if one is None:
            continue
        own = segments[(segments[FOLD] == fold) & segments[CODE].isin(one.classes)]
        for rows, labels, found in _predictions(job, own, one):
            label[rows] = labels
            probabilities[np.ix_(rows, np.searchsorted(classes.codes, one.classes))] = found
    if missing := int((label == 0).sum()):
        log.info("%d of %d labelled segments have no prediction without their labels", missing, len(label))
    tile, number, side = (segments[name].to_numpy() for name in (TILE, NUMBER, SIDE))
    table = LabelPredictions(tile.astype(str), number, side.astype(str), label, probabilities)
    table.write(job.out.predictions)


def _no_predictions(classes: Nomenclature) -> LabelPredictions:
    """An empty table of predictions."""
    return LabelPredictions(
        tile=np.zeros(0, "U1"),
        number=np.zeros(0, np.int64),
        side=np.zeros(0, "U1"),
        label=np.zeros(0, np.int64),
        probabilities=np.zeros((0, len(classes.codes)), np.float32),
    )


def _folds(fit: LearnedFit, model: Model) -> np.ndarray:
    """(sample,) int64: fold of each sample; polygons that stay together are in one fold."""
    rng = generator(model.meta.seed, "folds of labelled segments", model.meta.region)
    return grouped_folds(fit.samples.y, fit.samples.polygons, FOLDS, rng)


def _segments(job: JobContext[IndependentParams], fit: LearnedFit, folds: np.ndarray) -> pd.DataFrame:
    """Home tile, number, side, class and fold of the labelled segments of the region, each once."""
    names = read_region_order(job.inp.regions, job.params.region_priority)
    labels = read_segment_labels(job.inp.labels)
    used = (labels[REASON] == "") & (labels[REGION] == names.index(job.key.region))
    labels = labels.loc[used, [TILE, NUMBER, SIDE, CODE]].reset_index(drop=True)
    labels[FOLD] = _folds_of(labels, _groups(job), dict(zip(fit.samples.polygons, folds, strict=True)))
    return labels.drop_duplicates([TILE, NUMBER]).reset_index(drop=True)


def _groups(job: JobContext[IndependentParams]) -> pd.DataFrame:
    """Groups of polygons that label the segments: tile, number, side, class, group."""
    parts = labelled_parts(job.inp, job.key.seed)
    groups = groups_of(job.inp, parts.polygon)
    table = parts.places.iloc[parts.segment].reset_index(drop=True).assign(**{CODE: parts.code, GROUP: groups})
    sides = [table[np.isin(parts.side, [side, BOTH])].assign(**{SIDE: side}) for side in (LEARN, VALIDATION)]
    return pd.concat(sides, ignore_index=True).drop(columns=REGION)


def _folds_of(labels: pd.DataFrame, groups: pd.DataFrame, fold_of: Mapping[int, int]) -> np.ndarray:
    """(segment,) int64: fold of the polygons of each segment; ``ALL`` if they have no samples."""
    found = labels.reset_index().merge(groups, on=[TILE, NUMBER, SIDE, CODE])
    folds = found[GROUP].map(fold_of).groupby(found["index"]).agg(["min", "max"]).reindex(labels.index)
    one = folds["min"].where(folds["min"] == folds["max"], NONE)
    return one.where(folds["min"].notna(), ALL).to_numpy().astype(np.int64)


def _without(fold: int, folds: np.ndarray, fit: LearnedFit, model: Model, *, reduced: bool) -> Model | None:
    """The model fitted to the samples of the other folds; None without any."""
    learned = np.flatnonzero(folds != fold)
    if not len(learned):
        return None
    samples = fit.samples.at(learned)
    fitted = fit.fitting.fit(samples)
    transforms = (*model.transforms[:1], *fitted.transforms) if reduced else fitted.transforms
    target = Classes(tuple(np.unique(samples.y).tolist()))
    return replace(model, classifier=fitted.method, target=target, transforms=transforms, alternatives=())


def _predictions(
    job: JobContext[IndependentParams], segments: pd.DataFrame, model: Model
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the predictions of the segments of each tile: their rows, labels, and probabilities (segment, class)."""
    recipe: FeatureRecipe = read_recipe(job.inp.recipe)
    for tile in segments[TILE].unique().tolist():
        row_of = segments[segments[TILE] == tile].reset_index().set_index(NUMBER)["index"]
        found = read_selected(value_files(job.inp, tile), row_of.index.to_numpy(), recipe)
        everywhere = np.ones((1, len(found.segment)), bool)
        predicted = model.predict(block_of_segments(found, recipe), everywhere, threads=job.use.threads)
        yield row_of.loc[found.segment].to_numpy(), predicted.labels[0], predicted.probabilities[:, 0].T


STEP = Step(
    name="labelledPredictions",
    group="validation",
    about="Predict the labelled segments by models that have not learned from their labels.",
    task="labelled_predictions_{region}{submodel}_seed_{seed}{source}",
    run=run,
    over=("region", "submodel", "seed", "source"),
    needs={
        **FIT_INPUTS,
        "recipe": layout.SEGMENT_RECIPE,
        "regions": layout.REGIONS,
        "reference": layout.REFERENCE,
        "labels": layout.SEGMENT_LABELS,
        "tables": layout.SEGMENT_TABLE,
        "shared": layout.SHARED_SEGMENTS,
        "parts": layout.LABELLED_PARTS,
        "part_values": layout.PART_SEGMENTS,
        "values": layout.TILE_SEGMENTS,
        "shared_values": layout.TILE_SHARED_SEGMENTS,
    },
    makes={"predictions": layout.LABEL_PREDICTIONS},
    params=params,
    cost=cross_fitting_cost,
    max_threads=MAX_THREADS,
)
