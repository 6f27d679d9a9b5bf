"""Step: additional samples of the small classes of one model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from iota2 import layout
from iota2.compute.augmentation import (
    DEFAULT_FACTOR,
    DEFAULT_NEIGHBOURS,
    Augmentation,
    NewSamples,
    added,
    augmented,
)
from iota2.compute.class_weights import counts_by_code
from iota2.config.learner import learned_samples
from iota2.config.options.schema import Config
from iota2.config.options.train import SampleAugmentation
from iota2.core.cost import SAMPLE_BYTES, SAMPLE_VALUE_BYTES, Cost, JobFacts
from iota2.core.graph import JobContext, Step, first
from iota2.core.nomenclature import Nomenclature
from iota2.core.recipe import FeatureRecipe
from iota2.core.tables import CODE, sample_columns
from iota2.io.files.atomic import write_text
from iota2.io.tables.augmentation_counts import augmentation_csv
from iota2.io.tables.class_counts import read_class_counts
from iota2.io.tables.classes import read_classes
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.sample_tables import append_samples
from iota2.io.tables.samples import read_columns
from iota2.steps.sensor_models import read_seen

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AugmentationParams:
    """Method and numbers of new samples, and random seed of the run."""

    sample_augmentation: SampleAugmentation
    random_seed: int


def params(config: Config) -> AugmentationParams:
    """Parameters of the augmentation from the configuration."""
    return AugmentationParams(config.arg_train.sample_augmentation.effective(), config.arg_train.seed)


def run(job: JobContext[AugmentationParams]) -> None:
    """Append new samples of small classes to those of the model; they keep the polygon of their parent."""
    model, options = job.key.model, job.params.sample_augmentation
    classes, recipe = read_classes(job.inp.classes), read_recipe(job.inp.recipe)
    names = sample_columns(recipe)
    codes = read_columns(job.inp.samples, [CODE], int)[:, 0]
    parents = _complete(job, recipe, codes)
    counts = counts_by_code(codes[parents])
    numbers = numbers_to_add(options, counts, classes) if counts and options.targets(model, job.key.region) else {}
    how = method(options)
    new = NewSamples(np.zeros((0, len(names)), np.float32), np.zeros(0, np.int64))
    if numbers:
        values = read_columns(job.inp.samples, names)
        if len(parents) < len(values):
            values = values[parents]
        seed = job.params.random_seed + job.key.seed
        new = augmented(values, codes[parents], numbers, how, seed=seed, region=model)
        new = replace(new, parents=parents[new.parents])
    append_samples(job.inp.samples, names, new.values, new.parents, job.out.augmented)
    write_text(job.out.counts, augmentation_csv(counts, numbers))
    for code, count in numbers.items():
        log.info("class %s: %d samples added to %d", classes.label(code), count, counts[code])
        if counts[code] == 1 and how.method != "replicate":
            log.warning("class %s has a single sample, which is copied: %s needs two", classes.label(code), how.method)


def _complete(job: JobContext, recipe: FeatureRecipe, codes: np.ndarray) -> np.ndarray:
    """Positions (sample,) int64 of the samples that all sensors see, from which new ones are made."""
    if not recipe.partial:
        return np.arange(len(codes))
    seen = read_seen(job.inp.samples, recipe, codes)
    return np.flatnonzero(seen.of(recipe.dated))


def numbers_to_add(options: SampleAugmentation, counts: Mapping[int, int], classes: Nomenclature) -> dict[int, int]:
    """Number of samples to add by class code in a model."""
    if options.samples is None:
        return {}
    by_class = None
    if options.byclass is not None and options.samples == "byClass":
        wanted, _ = read_class_counts(options.byclass, classes)
        by_class = {
            code: wanted[str(label)]
            for code, label in zip(classes.codes, classes.labels, strict=True)
            if str(label) in wanted
        }
    return added(options.samples, counts, smallest=options.smallest or 0, by_class=by_class)


def method(options: SampleAugmentation) -> Augmentation:
    """The method with its parameters; those that are not given have their default."""
    return Augmentation(
        options.strategy or "replicate",
        options.jitter_factor or DEFAULT_FACTOR,
        options.neighbors or DEFAULT_NEIGHBOURS,
    )


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the samples of the model and the new ones are in memory, and written again."""
    run, region = facts.run, str(facts.key["region"])
    before = run.samples_of_model(config.arg_train.runs), run.samples / max(1, run.model_count * config.arg_train.runs)
    in_memory, written = (
        learned_samples(config.arg_train, count, run.class_count, facts.model, region) for count in before
    )
    disk = written * (SAMPLE_BYTES + SAMPLE_VALUE_BYTES * run.features)
    return replace(facts.raster_cost(), memory=max(facts.allowed, int(in_memory * 4 * run.features)), disk=disk)


STEP = Step(
    name="samplesAugmentation",
    group="sampling",
    about="Add samples of small classes (with `sample_augmentation`).",
    task="augmentation_model_{region}{submodel}_seed_{seed}",
    run=run,
    over=("region", "submodel", "seed"),
    needs={
        "samples": first(layout.COPIED_SAMPLES, layout.MODEL_SAMPLES),
        "recipe": layout.LEARNED_RECIPE,
        "classes": layout.CODES,
    },
    makes={"augmented": layout.AUGMENTED_SAMPLES, "counts": layout.AUGMENTATION_COUNTS},
    params=params,
    when=layout.with_augmentation,
    cost=cost,
)
