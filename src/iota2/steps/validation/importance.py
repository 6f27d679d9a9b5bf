"""Step: importance of dates, bands and sensors for one model, by permutation of their values."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from iota2 import layout
from iota2.classifiers.models import load_model
from iota2.compute.permutation import PermutationLosses, permutation_losses
from iota2.config.learner import learned_features, learned_samples
from iota2.config.options.schema import Config
from iota2.core.cost import Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.importance import KINDS, GroupImportance, ModelImportance, importance_json
from iota2.core.random import generator
from iota2.core.reduction import FeatureGroup, feature_groups
from iota2.io.files.atomic import write_json
from iota2.steps.validation_features import predicted, read_validation_samples

REPEATS = 3
"""Number of permutations of each group."""
PIXELS_PER_CLASS = 1000
"""Number of validation pixels of a class, for the estimate of time and memory."""


@dataclass(frozen=True)
class ImportanceParams:
    """Random seed of the run."""

    random_seed: int


def params(config: Config) -> ImportanceParams:
    """Parameters of the measurement from the configuration."""
    return ImportanceParams(config.arg_train.seed)


def run(job: JobContext[ImportanceParams]) -> None:
    """Measure the loss in accuracy of the model without each group of features."""
    region, seed = job.key.model, job.key.seed
    model = load_model(job.inp.model).alone
    sample = read_validation_samples(job.inp.all("samples").values(), model)
    groups = {kind: feature_groups(model.recipe, kind) for kind in KINDS}
    listed = [group for kind in KINDS for group in groups[kind]]
    found = permutation_losses(
        lambda values: predicted(model, values, job.use.threads),
        sample,
        [group.features for group in listed],
        repeats=REPEATS,
        rng=generator(job.params.random_seed + seed, "importance", region),
    )
    by_group = {id(group): one for group, one in zip(listed, _importances(listed, found), strict=True)}
    importance = ModelImportance(
        region,
        seed,
        pixels=len(sample.codes),
        represented=float(sample.weights.sum()),
        polygons=len(np.unique(sample.polygons)),
        accuracy=found.accuracy,
        groups={kind: tuple(by_group[id(group)] for group in groups[kind]) for kind in KINDS},
    )
    write_json(job.out.importance, importance_json(importance))


def _importances(groups: list[FeatureGroup], found: PermutationLosses) -> list[GroupImportance]:
    rows = zip(groups, found.losses.tolist(), found.errors.tolist(), strict=True)
    return [GroupImportance(group.name, len(group.features), loss, error) for group, loss, error in rows]


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the pixels are predicted for each group and permutation."""
    run = facts.run
    pixels = PIXELS_PER_CLASS * run.class_count
    features = learned_features(config.dim_red, run.recipe)
    before, classes = run.samples / config.arg_train.runs, run.class_count * run.model_count
    samples = learned_samples(config.arg_train, before, classes)
    seconds = config.learner.untrained().pixel_seconds(samples, features, run.class_count)
    groups = sum(len(feature_groups(run.recipe, kind)) for kind in KINDS)
    usual = facts.raster_cost()
    memory = 3 * 4 * pixels * run.features
    return replace(usual, memory=max(usual.memory, memory), seconds=pixels * groups * REPEATS * seconds)


STEP = Step(
    name="featureImportance",
    group="validation",
    about="Measure the importance of dates, bands and sensors for each model (with `feature_importance`).",
    task="importance_model_{region}{submodel}_seed_{seed}{source}",
    run=run,
    over=("region", "submodel", "seed", "source"),
    needs={"model": layout.MODEL, "samples": layout.TILE_VALIDATION_SAMPLES},
    makes={"importance": layout.MODEL_IMPORTANCE},
    params=params,
    when=layout.with_importance,
    cost=cost,
)
