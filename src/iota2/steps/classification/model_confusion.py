"""Step: confusion matrix of one model in validation pixels, by which models are combined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from iota2 import layout
from iota2.classifiers.models import load_model
from iota2.config.options.schema import Config
from iota2.core.cost import Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.tables import Confusion
from iota2.io.files.atomic import write_text
from iota2.io.tables.classes import read_classes
from iota2.io.tables.confusions import confusion_csv
from iota2.steps.validation_features import predicted, read_validation_samples

PIXELS_PER_CLASS = 1000
"""Number of validation pixels of a class, for the estimate of memory."""


def run(job: JobContext) -> None:
    """Predict the validation pixels of the model, and count them by reference class and label."""
    model, classes = load_model(job.inp.model).alone, read_classes(job.inp.classes)
    sample = read_validation_samples(job.inp.all("samples").values(), model)
    counts = np.zeros((len(classes.codes), len(classes.codes)))
    if len(sample.codes):
        labels = predicted(model, sample.values, job.use.threads)
        rows, columns = (np.searchsorted(classes.codes, codes) for codes in (sample.codes, labels))
        np.add.at(counts, (rows, columns), sample.weights)
    matrix = Confusion(tuple(classes.codes), np.rint(counts).astype(np.int64), np.zeros(len(counts), np.int64))
    write_text(job.out.confusion, confusion_csv(matrix))


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the pixels are in memory with their features."""
    usual = facts.raster_cost()
    memory = 3 * 4 * PIXELS_PER_CLASS * facts.run.class_count * facts.run.features
    return replace(usual, memory=max(usual.memory, memory))


STEP = Step(
    name="modelConfusion",
    group="classification",
    about="Measure each model in validation pixels (with `fusion_masses: validation`).",
    task="confusion_model_{region}{submodel}_seed_{seed}{source}",
    run=run,
    over=("region", "submodel", "seed", "source"),
    needs={"model": layout.MODEL, "samples": layout.TILE_VALIDATION_SAMPLES, "classes": layout.CODES},
    makes={"confusion": layout.VALIDATED_CONFUSION},
    when=layout.with_validated_masses,
    cost=cost,
)
