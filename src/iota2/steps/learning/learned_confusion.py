"""Step: confusion matrix of one model in learning samples, by which models are combined."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from iota2 import layout
from iota2.classifiers.base import Model, Searching
from iota2.classifiers.evidence import FOLDS, out_of_fold_confusion
from iota2.classifiers.fitting import Fitting, fit_seed
from iota2.classifiers.models import load_model
from iota2.classifiers.samples import Samples
from iota2.classifiers.transforms import Components
from iota2.compute.class_weights import Balanced
from iota2.config.learner import Learner, learned_features, learned_samples, options_of_learner, training_seconds
from iota2.config.options.schema import Config
from iota2.core.cost import SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.files import read_text
from iota2.core.graph import JobContext, Step, first, optional
from iota2.core.tables import sample_columns
from iota2.io.files.atomic import write_text
from iota2.io.tables.classes import read_classes
from iota2.io.tables.confusions import confusion_csv
from iota2.io.tables.samples import read_columns
from iota2.steps.sensor_models import read_seen
from iota2.steps.training_samples import (
    INPUTS,
    MAX_THREADS,
    LabelledSamples,
    effective_weights,
    read_features,
    read_labelled,
    read_learned,
    weights_of,
    with_context,
)


@dataclass(frozen=True)
class LearnedConfusionParams:
    """Classifier, and weights of classes."""

    learner: Learner
    class_weight: Balanced | Mapping[str, float] | None

    def by_user_name(self) -> Mapping[str, Any]:
        """The parameters by option name of the configuration."""
        return {**options_of_learner(self.learner), "arg_train.class_weight": self.class_weight}


def params(config: Config) -> LearnedConfusionParams:
    """Parameters of training from the configuration; the others are those of the model."""
    return LearnedConfusionParams(config.learner, effective_weights(config.arg_train.class_weight))


def run(job: JobContext[LearnedConfusionParams]) -> None:
    """Predict the samples of the model by models of other polygons, and count them by class and label."""
    model, classes = load_model(job.inp.model), read_classes(job.inp.classes)
    samples, x = _samples(job, model)
    weight = weights_of(samples.codes, job.params.class_weight, classes)
    seed, region = model.meta.seed, model.meta.region
    fit = Fitting(
        job.params.learner.classifier,
        job.params.learner.parameters,
        model.learned,
        fit_seed(seed, region),
        job.use.threads,
        _best(job),
    ).to_some(Samples(x, samples.codes, weight, samples.groups))
    confusion = out_of_fold_confusion(
        fit, samples.codes, samples.groups, classes.codes, seed=seed, name=region, augmented=samples.augmented
    )
    write_text(job.out.confusion, confusion_csv(confusion))


def _samples(job: JobContext[LearnedConfusionParams], model: Model) -> tuple[LabelledSamples, np.ndarray]:
    """The samples from which the classifier of a model has learned, and what it got as their features."""
    recipe = model.recipe
    if not recipe.partial:
        samples, x, _ = read_learned(job.inp, job.key, recipe)
        return samples, with_context(job.inp, job.key, x, model.context)
    samples = read_labelled(job.inp, job.key)
    table = job.inp.features if "features" in job.inp else job.inp.samples
    rows = read_seen(table, recipe, samples.codes).of(model.learned.dated)
    if model.learned.dated == recipe.dated:
        return samples.where(rows), read_features(job.inp, model.learned)[0][rows]
    x = read_columns(table, sample_columns(model.learned))[rows]
    reduction = model.transforms[0] if "reduction" in job.inp else None
    return samples.where(rows), reduction.apply(x) if isinstance(reduction, Components) else x


def _best(job: JobContext[LearnedConfusionParams]) -> Mapping[str, Any]:
    """Parameters that the grid search of the model found; empty without."""
    if "search_scores" not in job.inp:
        return {}
    found: Mapping[str, Any] = json.loads(read_text(job.inp.search_scores)).get("best", {})
    return found


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the models of the folds are trained one after the other, each on a copy of some of the samples."""
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


STEP = Step(
    name="learnedConfusion",
    group="learning",
    about="Measure each model in learning samples, by cross-validation (for the combination of models by accuracy).",
    task="learned_confusion_model_{region}{submodel}_seed_{seed}{source}",
    run=run,
    over=("region", "submodel", "seed", "source"),
    needs={
        "groups": INPUTS["groups"],
        "classes": INPUTS["classes"],
        "samples": first(layout.REDUCED_SAMPLES, *layout.LEARNED_SAMPLES.choices),
        "reduction": optional(layout.REDUCTION),
        "features": optional(layout.UNREDUCED_SAMPLES),
        "context": optional(layout.PART_CONTEXT),
        "chain": optional(layout.AUTOCONTEXT_MODELS),
        "model": layout.MODEL,
        "search_scores": optional(layout.SEARCH_SCORES),
    },
    makes={"confusion": layout.LEARNED_CONFUSION},
    params=params,
    when=layout.with_learned_masses,
    cost=cost,
    max_threads=MAX_THREADS,
)
