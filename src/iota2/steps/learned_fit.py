"""The fit of a trained model, which can be repeated with some of its samples, for predictions out of fold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from iota2 import layout
from iota2.classifiers.base import Model, Searching
from iota2.classifiers.evidence import FOLDS
from iota2.classifiers.fitting import Fitting, fit_seed
from iota2.classifiers.samples import Samples
from iota2.classifiers.transforms import Components
from iota2.compute.class_weights import Balanced
from iota2.config.learner import Learner, learned_features, learned_samples, training_seconds
from iota2.config.options.schema import Config
from iota2.core.cost import SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.files import read_text
from iota2.core.graph import Artifact, Key, Need, Paths, first, optional
from iota2.core.tables import sample_columns
from iota2.io.tables.classes import read_classes
from iota2.io.tables.samples import read_columns
from iota2.steps.sensor_models import read_seen
from iota2.steps.training_samples import (
    INPUTS,
    LabelledSamples,
    read_features,
    read_labelled,
    read_learned,
    weights_of,
    with_context,
)

FIT_INPUTS: Mapping[str, Artifact | Need] = {
    "groups": INPUTS["groups"],
    "classes": INPUTS["classes"],
    "target_values": optional(layout.TARGET_VALUES),
    "samples": first(layout.REDUCED_SAMPLES, *layout.LEARNED_SAMPLES.choices),
    "reduction": optional(layout.REDUCTION),
    "features": optional(layout.UNREDUCED_SAMPLES),
    "context": optional(layout.PART_CONTEXT),
    "chain": optional(layout.AUTOCONTEXT_MODELS),
    "model": layout.MODEL,
    "search_scores": optional(layout.SEARCH_SCORES),
}
"""Inputs of ``learned_fit``."""


@dataclass(frozen=True, eq=False)
class LearnedFit:
    """Samples from which the classifier of a model has learned, and its fitting."""

    fitting: Fitting
    samples: Samples
    """With what the classifier got as features: those of the recipe, or their components."""
    augmented: np.ndarray | None
    """(sample,) bool: whether it was made from others; None without such samples."""


def learned_fit(
    inp: Paths,
    key: Key,
    model: Model,
    learner: Learner,
    class_weight: Balanced | Mapping[str, float] | None,
    *,
    threads: int,
) -> LearnedFit:
    """The fit of ``model``, without its models of fewer sensors; a search for parameters is not repeated."""
    samples, x = _samples(inp, key, model)
    weight = weights_of(samples.codes, class_weight, read_classes(inp.classes))
    seed = fit_seed(model.meta.seed, model.meta.region)
    fitting = Fitting(learner.classifier, learner.parameters, model.learned, seed, threads, _best(inp))
    return LearnedFit(fitting, Samples(x, samples.codes, weight, samples.groups), samples.augmented)


def _samples(inp: Paths, key: Key, model: Model) -> tuple[LabelledSamples, np.ndarray]:
    """The samples from which the classifier of a model has learned, and what it got as their features."""
    recipe = model.recipe
    if not recipe.partial:
        samples, x, _ = read_learned(inp, key, recipe)
        return samples, with_context(inp, key, x, model.context)
    samples = read_labelled(inp, key)
    table = inp.features if "features" in inp else inp.samples
    rows = read_seen(table, recipe, samples.codes).of(model.learned.dated)
    if model.learned.dated == recipe.dated:
        return samples.where(rows), read_features(inp, model.learned)[0][rows]
    x = read_columns(table, sample_columns(model.learned))[rows]
    reduction = model.transforms[0] if "reduction" in inp else None
    return samples.where(rows), reduction.apply(x) if isinstance(reduction, Components) else x


def _best(inp: Paths) -> Mapping[str, Any]:
    """Parameters that the grid search of the model found; empty without."""
    if "search_scores" not in inp:
        return {}
    found: Mapping[str, Any] = json.loads(read_text(inp.search_scores)).get("best", {})
    return found


def cross_fitting_cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job with a model of each fold, trained one after the other, each on a copy of some of the samples."""
    run, region = facts.run, str(facts.key["region"])
    before = run.samples_of_model(config.arg_train.runs)
    samples = learned_samples(config.arg_train, before, run.class_count, facts.model, region)
    features = learned_features(config.dim_red, run.recipe)
    if layout.with_context(config):
        features += run.class_count
    method = config.learner.untrained()
    again = method.without_search() if isinstance(method, Searching) else method
    share = 1 - 1 / FOLDS
    memory = again.training_memory(share * samples, features, run.class_count) + int(4 * samples * features)
    seconds = SECONDS_PER_JOB + FOLDS * training_seconds(again, share * samples, features, run.class_count)
    return Cost(max(facts.allowed, memory), seconds)
