"""Step: training of one model."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from iota2 import layout
from iota2.classifiers.autocontext import load_autocontext
from iota2.classifiers.base import Model, Searching
from iota2.classifiers.calibrated import CALIBRATION_FOLDS, Choice
from iota2.classifiers.context import WindowContext
from iota2.classifiers.context_training import load_context_models
from iota2.classifiers.interval import FOLDS as INTERVAL_FOLDS
from iota2.classifiers.models import model_without_samples, save_model, train_model
from iota2.classifiers.superpixel_context import SuperpixelContext
from iota2.classifiers.transforms import Components, Standardisation
from iota2.compute.class_weights import Balanced
from iota2.compute.sensor_combinations import Combination
from iota2.config.learner import (
    Learner,
    learned_features,
    learned_samples,
    misfits,
    options_of_learner,
    training_seconds,
)
from iota2.config.options.schema import Config
from iota2.config.options.train import SUPERPIXELS
from iota2.config.sources import radar_sensors, recipe_of_source
from iota2.core.cost import SECONDS_PER_JOB, Cost, Facts, JobFacts
from iota2.core.graph import Finding, JobContext, Step, first, optional
from iota2.core.losses import NO_SEGMENT
from iota2.core.recipe import FeatureRecipe
from iota2.core.reduction import ReductionMode, feature_groups
from iota2.core.tables import reduced_columns, sample_columns
from iota2.core.target import Quantity
from iota2.io.files.atomic import replacing, replacing_folder, write_json, write_text
from iota2.io.tables.classes import read_classes
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.reductions import statistics_xml
from iota2.io.tables.sample_tables import row_count
from iota2.io.tables.samples import read_columns
from iota2.io.tables.sensor_combinations import read_combinations
from iota2.steps.sensor_models import model_of_sensors, read_seen
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

log = logging.getLogger(__name__)

PROBABILITY_BYTES = 48
"""Bytes per sample and class while a calibration is fitted: six copies of a probability in double precision."""

CALIBRATION_MODELS = CALIBRATION_FOLDS + 1
"""Number of models that are fitted for a calibration: one for each fold, and one without a third of the samples."""


@dataclass(frozen=True)
class TrainingParams:
    """Classifier, its parameters and the random seed of the run."""

    learner: Learner
    random_seed: int
    calibration: Choice = "none"
    class_weight: Balanced | Mapping[str, float] | None = None
    """``balanced``, or weights by the user's label."""
    radar: tuple[str, ...] = ()
    """Names of radar sensors, if they have models of their own."""
    share: float | None = None
    """Share of the pixels above which a combination of sensors gets its own model; None without such models."""
    reduction: tuple[ReductionMode, int] | None = None
    """Groups of features and their maximum number of components, for models of fewer sensors; None without."""
    window: int | None = None
    """Width of the window of the context in pixels; None without context."""
    iterations: int = 0
    """Number of models of auto-context before this one."""
    quantity: Quantity | None = None
    """What the map contains instead of classes; None for classes."""

    def by_user_name(self) -> Mapping[str, Any]:
        """The parameters by option name of the configuration."""
        sensors: dict[str, Any] = {}
        if self.share is not None:
            sensors["arg_classification.missing_sensors_share"] = self.share
        if self.reduction is not None:
            names = ("dim_red.reduction_mode", "dim_red.target_dimension")
            sensors |= dict(zip(names, self.reduction, strict=True))
        return {
            **options_of_learner(self.learner),
            "arg_train.class_weight": self.class_weight,
            "arg_train.context_window": self.window,
            "arg_train.autocontext_iterations": self.iterations or None,
            "arg_train.random_seed": self.random_seed,
            "arg_classification.calibration": self.calibration,
            "arg_train.dempster_shafer_sar_opt_fusion": bool(self.radar),
            **sensors,
            **({"quantity": self.quantity} if self.quantity else {}),
        }


def params(config: Config) -> TrainingParams:
    """Parameters of training from the configuration."""
    arg_train, maps, reduction = config.arg_train, config.arg_classification, config.dim_red
    components = (reduction.reduction_mode, reduction.target_dimension)
    return TrainingParams(
        config.learner,
        arg_train.seed,
        maps.calibration,
        effective_weights(arg_train.class_weight),
        radar=radar_sensors(config),
        share=maps.missing_sensors_share if config.sensor_models else None,
        reduction=components if config.sensor_models and reduction.dim_red else None,
        window=arg_train.window,
        iterations=arg_train.autocontext_iterations if arg_train.enable_autocontext else 0,
        quantity=config.target_quantity,
    )


def run(job: JobContext[TrainingParams]) -> None:
    """Train the classifier on the model's samples; write the model and its card."""
    recipe = recipe_of_source(read_recipe(job.inp.recipe), job.key.source, job.params.radar)
    model = _model(job, recipe)
    if "statistics" in job.out:
        write_text(job.out.statistics, _statistics(model))
    if "search" in job.out:
        _write_search(model, job)
    with replacing_folder(job.out.model) as folder, replacing(job.out.card) as card:
        save_model(model, folder, card)


def _model(job: JobContext[TrainingParams], recipe: FeatureRecipe) -> Model:
    """The model of a recipe; one without samples for a region without labelled segments."""
    if recipe.statistics and not row_count(job.inp.samples):
        return _without_samples(job, recipe, NO_SEGMENT)
    return _model_of_sensors(job, recipe) if recipe.partial else _model_of_all(job, recipe)


def _model_of_all(job: JobContext[TrainingParams], recipe: FeatureRecipe) -> Model:
    """The one model of all features of ``recipe``."""
    samples, x, reduction = read_learned(job.inp, job.key, recipe)
    if job.params.radar and not len(x):
        return _without_samples(job, recipe, _unseen(recipe))
    return _trained(job, recipe, samples, x, reduction)


def _unseen(recipe: FeatureRecipe) -> str:
    """Why a model of a region has no samples: no optical sensor sees them, or no radar sensor."""
    return f"no sample is seen by {' or '.join(recipe.dated)}"


def _without_samples(job: JobContext[TrainingParams], recipe: FeatureRecipe, reason: str) -> Model:
    """A model that gives no label, because its region has no samples for it; ``reason``: why, as a clause."""
    log.warning("region %s, seed %d: %s", job.key.model, job.key.seed, reason)
    return model_without_samples(
        job.params.learner.classifier,
        job.params.learner.parameters,
        recipe=recipe,
        seed=job.params.random_seed + job.key.seed,
        region=job.key.model,
        reason=reason,
    )


def _trained(
    job: JobContext[TrainingParams],
    recipe: FeatureRecipe,
    samples: LabelledSamples,
    x: np.ndarray,
    reduction: Components | None,
) -> Model:
    """A model of the features of ``recipe``, trained on ``x``: (sample, feature), or components of a reduction."""
    classes = read_classes(job.inp.classes)
    context = _context(job)
    return train_model(
        job.params.learner.classifier,
        job.params.learner.parameters,
        with_context(job.inp, job.key, x, context),
        samples.targets,
        recipe=recipe,
        seed=job.params.random_seed + job.key.seed,
        region=job.key.model,
        threads=job.use.threads,
        weight=weights_of(samples.codes, job.params.class_weight, classes),
        groups=samples.groups,
        reduction=reduction,
        calibration=job.params.calibration,
        augmented=samples.augmented,
        context=context,
        quantity=job.params.quantity,
        intervals=job.params.quantity is not None,
    )


def _model_of_sensors(job: JobContext[TrainingParams], recipe: FeatureRecipe) -> Model:
    """The models of all combinations of sensors; that of all sensors is the same as without the others."""
    samples = read_labelled(job.inp, job.key)
    table = job.inp.features if "features" in job.inp else job.inp.samples
    seen = read_seen(table, recipe, samples.codes)
    if job.params.radar and not seen.any:
        return _without_samples(job, recipe, _unseen(recipe))

    def train(names: Combination, rows: np.ndarray) -> Model:
        learned = replace(recipe.of_sensors(names), partial=False)
        if names == recipe.dated:
            x, reduction = read_features(job.inp, learned)
            return _trained(job, learned, samples.where(rows), x if rows.all() else x[rows], reduction)
        x, reduction = read_columns(table, sample_columns(learned))[rows], None
        if job.params.reduction is not None:
            mode, dimension = job.params.reduction
            reduction = Components.fitted(x, feature_groups(learned, mode), dimension)
            x = reduction.apply(x)
        return _trained(job, learned, samples.where(rows), x, reduction)

    pixels = [read_combinations(path) for path in job.inp.all("combinations").values()]
    share = job.params.share
    assert share is not None, "a partial recipe has a share"
    return model_of_sensors(recipe, seen, pixels, share, train)


def _context(job: JobContext[TrainingParams]) -> WindowContext | SuperpixelContext | None:
    """The context of the model; None if it was not requested."""
    if "chain" in job.inp:
        chain = load_autocontext(job.inp.chain)
        return SuperpixelContext(SUPERPIXELS.extent, job.params.iterations, chain.previous, chain.reason)
    if job.params.window is None:
        return None
    models = load_context_models(job.inp.first_models, folds=False)
    if models.first is None:
        log.warning("region %s, seed %d: no context: %s", job.key.model, job.key.seed, models.reason)
        return WindowContext(job.params.window, None, models.reason)
    return WindowContext(job.params.window, models.first)


def _statistics(model: Model) -> str:
    """The standardisation of a model as XML; without features if the model has no samples."""
    if model.without_samples:
        return statistics_xml((), np.zeros(0), np.ones(0))
    names: Sequence[str] = model.inputs
    for transform in model.transforms:
        if isinstance(transform, Standardisation):
            return statistics_xml(names, transform.mean, transform.scale)
        names = reduced_columns(transform.n_outputs)
    raise AssertionError("the model has no standardisation")


def _write_search(model: Model, job: JobContext[TrainingParams]) -> None:
    """Write the result of the grid search; no samples, and samples of one class, need none."""
    found = model.classifier.search_report if isinstance(model.classifier, Searching) else None
    samples = "There are no samples" if model.without_samples else "The samples have one class"
    write_text(job.out.search, found.text() if found else f"{samples}: nothing was searched.\n")
    write_json(job.out.search_scores, found.to_json() if found else {"candidates": []})


def check(config: Config, facts: Facts) -> Iterator[Finding]:
    """Problems if the classifier cannot use the weights of classes, or fails in a rehearsal of its training."""
    given, name = config.arg_train, config.scikit_models_parameters.model_type or config.arg_train.classifier
    # Classifiers of the user's own programs may be older than the attribute.
    weights = getattr(config.learner.untrained(), "weights", False)
    if given.class_weight is not None and not weights:
        text = (
            f"classifier '{name}' cannot use weights. Remove the option, choose another classifier, or "
            "add samples of small classes by arg_train.sample_augmentation."
        )
        yield Finding(text, ("arg_train", "class_weight"))
    features, classes = learned_features(config.dim_red, facts.recipe), len(facts.classes.codes) if facts.classes else 0
    weighted = given.class_weight is not None and weights
    for option, text in misfits(config.learner, features=features, classes=classes, weighted=weighted):
        yield Finding(text, option)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: its memory is that of training, or the memory limit if that is larger.

    A calibration, or the interval of a quantity, trains further models, one after the other, on a copy of some of the
    samples, without search.
    """
    run, region = facts.run, str(facts.key["region"])
    before = run.samples_of_model(config.arg_train.runs)
    samples = learned_samples(config.arg_train, before, run.class_count, facts.model, region)
    features = learned_features(config.dim_red, run.recipe)
    if layout.with_context(config):
        features += run.class_count
    method = config.learner.untrained()
    memory = method.training_memory(samples, features, run.class_count)
    if layout.with_context(config):
        memory += int(4 * samples * features)
    seconds = SECONDS_PER_JOB + training_seconds(method, samples, features, run.class_count)
    if config.quantity:
        again = method.without_search() if isinstance(method, Searching) else method
        share = 1 - 1 / INTERVAL_FOLDS
        seconds += INTERVAL_FOLDS * training_seconds(again, share * samples, features, run.class_count)
        memory += int(4 * share * samples * features)
    elif config.arg_classification.calibration != "none":
        share = 1 - 1 / CALIBRATION_FOLDS
        partly = method.training_memory(share * samples, features, run.class_count)
        memory = max(memory, partly + int(samples * (4 * features + PROBABILITY_BYTES * run.class_count)))
        again = method.without_search() if isinstance(method, Searching) else method
        seconds += CALIBRATION_MODELS * training_seconds(again, share * samples, features, run.class_count)
    if config.sensor_models:
        # Usually some pixels lack one sensor: one further model for each, of the features of the others. Samples that
        # all sensors see are copied.
        others = len(run.recipe.dated)
        seconds += others * (1 - 1 / max(1, others)) * (seconds - SECONDS_PER_JOB)
        memory += int(4 * samples * features)
    return Cost(max(facts.allowed, memory), seconds)


STEP = Step(
    name="learnModel",
    version=4,
    group="learning",
    about="Train one model per region and seed.",
    task="learning_model_{region}{submodel}_seed_{seed}{source}",
    run=run,
    over=("region", "submodel", "seed", "source"),
    needs={
        **INPUTS,
        "samples": first(layout.REDUCED_SAMPLES, *layout.LEARNED_SAMPLES.choices),
        "reduction": optional(layout.REDUCTION),
        "features": optional(layout.UNREDUCED_SAMPLES),
        "combinations": optional(layout.SENSOR_COMBINATIONS),
        "first_models": optional(layout.CONTEXT_MODELS),
        "context": optional(layout.PART_CONTEXT),
        "chain": optional(layout.AUTOCONTEXT_MODELS),
        "target_values": optional(layout.TARGET_VALUES),
    },
    makes={
        "model": layout.MODEL,
        "card": layout.MODEL_CARD,
        "statistics": layout.STANDARDISATION,
        "search": layout.SEARCH,
        "search_scores": layout.SEARCH_SCORES,
    },
    params=params,
    cost=cost,
    max_threads=MAX_THREADS,
    check=check,
)
