"""Step: principal components of the features of one model, fitted to its samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from iota2 import layout
from iota2.classifiers.models import require_finite
from iota2.classifiers.transforms import Components
from iota2.compute.sensor_combinations import seen_by_any
from iota2.config.learner import learned_samples
from iota2.config.options.schema import Config
from iota2.config.sources import radar_sensors, recipe_of_source
from iota2.core.cost import POINT_BYTES, SAMPLE_BYTES, SAMPLE_VALUE_BYTES, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.recipe import FeatureRecipe
from iota2.core.reduction import ReductionMode, feature_groups, max_components
from iota2.core.tables import reduced_columns, sample_columns
from iota2.io.files.atomic import link_or_copy, replacing_folder
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.reductions import components_text, statistics_xml
from iota2.io.tables.sample_tables import write_points
from iota2.io.tables.samples import column_names, read_columns
from iota2.io.tables.vectors import read_samples


@dataclass(frozen=True)
class ReductionParams:
    """Groups of features, and their maximum number of components."""

    mode: ReductionMode
    target: int
    radar: tuple[str, ...] = ()
    """Names of radar sensors, if they have models of their own."""

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        fusion = {"arg_train.dempster_shafer_sar_opt_fusion": bool(self.radar)}
        return {"dim_red.reduction_mode": self.mode, "dim_red.target_dimension": self.target, **fusion}


def params(config: Config) -> ReductionParams:
    """Parameters of the reduction from the configuration."""
    return ReductionParams(config.dim_red.reduction_mode, config.dim_red.target_dimension, radar_sensors(config))


def run(job: JobContext[ReductionParams]) -> None:
    """Fit the components to the samples, and write them with the reduced samples."""
    whole = read_recipe(job.inp.recipe)
    recipe = recipe_of_source(whole, job.key.source, job.params.radar)
    features = sample_columns(recipe)
    x = read_columns(job.inp.samples, features)
    groups = feature_groups(recipe, job.params.mode)
    components = Components.fitted(_complete(x, recipe, job), groups, job.params.target)
    reduced = components.apply(x)
    del x  # so that features and attributes are not in memory together
    excluded = set(sample_columns(whole))
    attributes = [name for name in column_names(job.inp.samples) if name not in excluded]
    points = read_samples(job.inp.samples, attributes)
    write_points(points, reduced_columns(components.n_outputs), reduced, np.arange(len(points)), job.out.samples)
    link_or_copy(job.inp.samples, job.out.before)
    with replacing_folder(job.out.reduction) as folder:
        components.save(folder)
        _write_texts(components, recipe, folder)


def _complete(x: np.ndarray, recipe: FeatureRecipe, job: JobContext) -> np.ndarray:
    """The samples to which components are fitted, of ``x`` (sample, feature).

    In a partial recipe, those that all sensors see: components of the others have no value. With missing values, those
    that any sensor sees. Without any such sample, zeros in place of missing values; these components are not used.
    """
    if recipe.partial and np.isnan(x).any():
        complete = x[~np.isnan(x).any(axis=1)]
        x = complete if len(complete) else np.nan_to_num(x)
    if not (seen := seen_by_any(x, recipe)).all():
        x = x[seen] if seen.any() else np.zeros_like(x)
    require_finite(x, recipe.names, f"region {job.key.model}, seed {job.key.seed}")
    return x


def _write_texts(components: Components, recipe: FeatureRecipe, folder: Path) -> None:
    """Write the components and statistics of each group as text."""
    arrays = components.arrays
    for number, group in enumerate(components.groups):
        features, count = np.flatnonzero(arrays.group == number), arrays.counts[number]
        names = [recipe.names[position] for position in features]
        text = components_text(group, names, arrays.axes[features, :count], arrays.explained[number, :count])
        (folder / f"model_{number}").write_text(text, encoding="utf-8")
        statistics = statistics_xml(names, arrays.mean[features], arrays.scale[features])
        (folder / f"stats_{number}.xml").write_text(statistics, encoding="utf-8")


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the samples of a model are in memory, and written with their components."""
    run, given = facts.run, params(config)
    before = run.samples_of_model(config.arg_train.runs), run.samples / max(1, run.model_count * config.arg_train.runs)
    region = str(facts.key["region"])
    samples, mean = (learned_samples(config.arg_train, count, run.class_count, facts.model, region) for count in before)
    reduced = max_components(run.recipe, given.mode, given.target)
    copies = 2 if config.sensor_models or given.radar else 1  # the samples that sensors see
    memory = int(samples * (4 * (copies * run.features + reduced) + POINT_BYTES))
    disk = mean * (SAMPLE_BYTES + SAMPLE_VALUE_BYTES * reduced)
    return replace(facts.raster_cost(), memory=max(facts.allowed, memory), disk=disk)


STEP = Step(
    name="reduceFeatures",
    version=2,
    group="dimred",
    about="Replace the features of the samples by principal components (with `dim_red`).",
    task="reduction_model_{region}{submodel}_seed_{seed}{source}",
    run=run,
    over=("region", "submodel", "seed", "source"),
    needs={"recipe": layout.LEARNED_RECIPE, "samples": layout.LEARNED_SAMPLES},
    makes={
        "before": layout.UNREDUCED_SAMPLES,
        "samples": layout.REDUCED_SAMPLES,
        "reduction": layout.REDUCTION,
    },
    params=params,
    when=layout.with_reduction,
    cost=cost,
)
