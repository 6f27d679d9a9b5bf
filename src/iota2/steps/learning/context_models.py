"""Step: first models of the context of one model."""

from __future__ import annotations

from iota2 import layout
from iota2.classifiers.base import Classifier, Model, Regressor, Searching
from iota2.classifiers.context_training import CONTEXT_FOLDS, save_context_models, train_context_models
from iota2.classifiers.samples import Samples
from iota2.config.learner import training_seconds
from iota2.config.options.schema import Config
from iota2.core.cost import SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.tables import sample_columns
from iota2.io.files.atomic import replacing_folder
from iota2.io.tables.recipes import read_recipe
from iota2.steps.training_samples import INPUTS, MAX_THREADS, FirstModelParams, effective_weights, read_samples


def params(config: Config) -> FirstModelParams:
    """Parameters of training from the configuration."""
    arg_train = config.arg_train
    return FirstModelParams(config.learner, arg_train.seed, effective_weights(arg_train.class_weight))


def run(job: JobContext[FirstModelParams]) -> None:
    """Train a model on all samples, and one without the polygons of each fold."""
    recipe, seed = read_recipe(job.inp.recipe), job.params.random_seed + job.key.seed

    def train(samples: Samples, found: Classifier | Regressor | None) -> Model:
        return job.params.train(recipe, job.key, samples, job.use.threads, found=found)

    samples, polygons = read_samples(job.inp, job.key, sample_columns(recipe), job.params.class_weight)
    models = train_context_models(train, samples, polygons, seed=seed, region=job.key.model)
    with replacing_folder(job.out.models) as folder:
        save_context_models(models, folder)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: models are trained one after the other; those of folds on a copy of a part of the samples."""
    run = facts.run
    samples = run.samples_of_model(config.arg_train.runs)
    method, share = config.learner.untrained(), 1 - 1 / CONTEXT_FOLDS
    partly = method.training_memory(share * samples, run.features, run.class_count)
    memory = max(
        method.training_memory(samples, run.features, run.class_count), partly + int(4 * samples * run.features)
    )
    again = method.without_search() if isinstance(method, Searching) else method
    seconds = SECONDS_PER_JOB + training_seconds(method, samples, run.features, run.class_count)
    seconds += CONTEXT_FOLDS * training_seconds(again, share * samples, run.features, run.class_count)
    return Cost(max(facts.allowed, memory), seconds)


STEP = Step(
    name="contextModels",
    group="learning",
    about="Train the first models of the context (with `context`).",
    task="context_model_{region}{submodel}_seed_{seed}{source}",
    run=run,
    over=("region", "submodel", "seed", "source"),
    needs={**INPUTS, "samples": layout.LEARNED_SAMPLES},
    makes={"models": layout.CONTEXT_MODELS},
    params=params,
    when=layout.with_window,
    cost=cost,
    max_threads=MAX_THREADS,
)
