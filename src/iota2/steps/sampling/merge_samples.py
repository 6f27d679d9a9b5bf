"""Step: samples of one model, merged over all tiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import SAMPLE_BYTES, SAMPLE_VALUE_BYTES, Cost, JobFacts
from iota2.core.graph import JobContext, Paths, Step
from iota2.core.recipe import MISSING, FeatureRecipe
from iota2.core.words import some
from iota2.errors import InputError
from iota2.io.tables.pixel_features import read_all_pixels
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.sample_tables import merge_tables, row_count


def run(job: JobContext[bool]) -> None:
    """Merge the model's samples of all tiles, in the order of tiles.

    InputError if there is none because layers have no data in any selected pixel, unless samples are copied later.
    """
    merge_tables(list(job.inp.all("samples").values()), job.out.merged)
    if job.params or row_count(job.out.merged):
        return
    if empty := _empty_layers(job.inp, read_recipe(job.inp.recipe)):
        raise InputError(
            f"Region {job.key.model}, seed {job.key.seed}: no pixel to learn from, because layers have no data in any "
            f"of its selected pixels: {some(empty)}. Check that the rasters of chain.user_feat_path cover the "
            "reference polygons, and their no-data value (userFeat.nodata); or leave the layers out "
            "(userFeat.patterns), or set chain.allow_missing_sensor to True."
        )


def _empty_layers(inp: Paths, recipe: FeatureRecipe) -> list[str]:
    """Names of the layers that have no data in any selected pixel; none without pixels."""
    static = [sensor.static for sensor in recipe.sensors for _ in sensor.names]
    parts: dict[str, list[Path]] = {}
    for key, path in inp.each("features"):
        parts.setdefault(key.tile, []).append(path)
    found = np.concatenate([read_all_pixels(paths, len(recipe.names))[0] for paths in parts.values()])
    return [recipe.names[k] for k in np.flatnonzero(static) if len(found) and (found[:, k] == MISSING).all()]


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: its disk space is a second copy of the samples of the tiles."""
    run = facts.run
    models = run.model_count * config.arg_train.runs
    disk = run.samples * (SAMPLE_BYTES + SAMPLE_VALUE_BYTES * run.features) / models
    return replace(facts.raster_cost(), disk=disk)


STEP = Step(
    name="samplesByModels",
    group="sampling",
    about="Merge the samples of each model.",
    task="merge_model_{region}{submodel}_seed_{seed}_usually",
    run=run,
    over=("region", "submodel", "seed"),
    needs={"recipe": layout.RECIPE, "samples": layout.TILE_SAMPLES, "features": layout.PART_FEATURES},
    makes={"merged": layout.MODEL_SAMPLES},
    params=layout.with_copies,
    cost=cost,
)
