"""Step: models of auto-context before the last one, for one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from iota2 import layout
from iota2.classifiers.autocontext import SuperpixelSamples, save_autocontext, train_autocontext
from iota2.classifiers.base import Model
from iota2.classifiers.context_training import CONTEXT_FOLDS
from iota2.classifiers.samples import Samples
from iota2.classifiers.superpixel_context import SuperpixelContext
from iota2.config.learner import training_seconds
from iota2.config.options.schema import Config
from iota2.config.options.train import SUPERPIXELS
from iota2.core.cost import SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Paths, Step
from iota2.core.tables import sample_columns
from iota2.errors import InputError
from iota2.io.files.atomic import replacing_folder
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.superpixel_samples import SuperpixelPixels, merged, read_superpixels
from iota2.steps.training_samples import INPUTS, MAX_THREADS, FirstModelParams, effective_weights, read_samples


@dataclass(frozen=True)
class AutoContextParams(FirstModelParams):
    """Classifier, its parameters, the random seed of the run, and the number of iterations."""

    iterations: int

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {**super().by_user_name(), "arg_train.autocontext_iterations": self.iterations}


def params(config: Config) -> AutoContextParams:
    """Parameters of training from the configuration."""
    given = config.arg_train
    weights = effective_weights(given.class_weight)
    return AutoContextParams(config.learner, given.seed, weights, given.autocontext_iterations)


def run(job: JobContext[AutoContextParams]) -> None:
    """Train the models one after the other, each also without the polygons of each fold."""
    recipe, seed = read_recipe(job.inp.recipe), job.params.random_seed + job.key.seed

    def train(samples: Samples, context: SuperpixelContext | None) -> Model:
        return job.params.train(recipe, job.key, samples, job.use.threads, context=context)

    samples, _ = read_samples(job.inp, job.key, sample_columns(recipe), job.params.class_weight)
    around = _around(job.inp)
    if len(around.sample_segment) != len(samples.y):
        raise InputError(
            f"Region {job.key.model}, seed {job.key.seed}: {len(samples.y)} samples, but the superpixels of "
            f"{len(around.sample_segment)}. Run the step superpixelSamples again."
        )
    chain = train_autocontext(
        train,
        samples,
        around,
        extent=SUPERPIXELS.extent,
        iterations=job.params.iterations,
        seed=seed,
        region=job.key.model,
    )
    with replacing_folder(job.out.chain) as folder:
        save_autocontext(chain, folder)


def _around(inp: Paths) -> SuperpixelSamples:
    """The pixels of superpixels of all parts, by tile."""
    parts: dict[str, list[SuperpixelPixels]] = {}
    for key, path in inp.each("pixels"):
        parts.setdefault(key.tile, []).append(read_superpixels(path))
    return SuperpixelSamples(*merged([*parts.values()]))


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the pixels of superpixels are in memory twice; models are trained one after the other."""
    run, iterations = facts.run, config.arg_train.autocontext_iterations
    samples, features = run.samples_of_model(config.arg_train.runs), run.features + run.class_count
    method, share = config.learner.untrained(), 1 - 1 / CONTEXT_FOLDS
    pixels = min(float(run.all_pixels), samples * SUPERPIXELS.cell**2)
    memory = method.training_memory(samples, features, run.class_count)
    memory += int(4 * features * (2 * pixels + 2 * samples))
    once = training_seconds(method, samples, features, run.class_count)
    once += CONTEXT_FOLDS * training_seconds(method, share * samples, features, run.class_count)
    once += pixels * method.pixel_seconds(samples, features, run.class_count)
    return Cost(max(facts.allowed, memory), SECONDS_PER_JOB + iterations * once)


STEP = Step(
    name="autocontextModels",
    group="learning",
    about="Train the models of auto-context before the last one (with `enable_autocontext`).",
    task="autocontext_model_{region}{submodel}_seed_{seed}{source}",
    run=run,
    over=("region", "submodel", "seed", "source"),
    needs={**INPUTS, "samples": layout.LEARNED_SAMPLES, "pixels": layout.PART_SUPERPIXELS},
    makes={"chain": layout.AUTOCONTEXT_MODELS},
    when=layout.with_superpixels,
    params=params,
    cost=cost,
    max_threads=MAX_THREADS,
)
