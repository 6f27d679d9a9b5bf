"""Step: confusion matrix of one model in learning samples, by which models are combined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iota2 import layout
from iota2.classifiers.evidence import out_of_fold_confusion
from iota2.classifiers.models import load_model
from iota2.compute.class_weights import Balanced
from iota2.config.learner import Learner, options_of_learner
from iota2.config.options.schema import Config
from iota2.core.graph import JobContext, Step
from iota2.io.files.atomic import write_text
from iota2.io.tables.classes import read_classes
from iota2.io.tables.confusions import confusion_csv
from iota2.steps.learned_fit import FIT_INPUTS, cross_fitting_cost, learned_fit
from iota2.steps.training_samples import MAX_THREADS, effective_weights


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
    learned = learned_fit(job.inp, job.key, model, job.params.learner, job.params.class_weight, threads=job.use.threads)
    samples = learned.samples
    confusion = out_of_fold_confusion(
        learned.fitting.to_some(samples),
        samples.y,
        samples.polygons,
        classes.codes,
        seed=model.meta.seed,
        name=model.meta.region,
        augmented=learned.augmented,
    )
    write_text(job.out.confusion, confusion_csv(confusion))


STEP = Step(
    name="learnedConfusion",
    group="learning",
    about="Measure each model in learning samples, by cross-validation (for the combination of models by accuracy).",
    task="learned_confusion_model_{region}{submodel}_seed_{seed}{source}",
    run=run,
    over=("region", "submodel", "seed", "source"),
    needs=FIT_INPUTS,
    makes={"confusion": layout.LEARNED_CONFUSION},
    params=params,
    when=layout.with_learned_masses,
    cost=cross_fitting_cost,
    max_threads=MAX_THREADS,
)
