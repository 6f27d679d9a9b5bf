"""Step: feature recipe, the same for all tiles."""

from __future__ import annotations

from iota2 import layout
from iota2.config.recipes import RecipeParams, build_recipe, recipe_params
from iota2.core.graph import JobContext, Step
from iota2.io.files.atomic import write_json
from iota2.io.series.scene_file import read_scene


def run(job: JobContext[RecipeParams]) -> None:
    """Write the recipe of all tiles."""
    scenes = {key.tile: read_scene(path) for key, path in job.inp.each("scene")}
    write_json(job.out.recipe, build_recipe(scenes, job.params).to_json())


STEP = Step(
    name="featureRecipe",
    group="init",
    about="Define the features: bands, dates, indices.",
    task="feature_recipe",
    run=run,
    over=(),
    needs={"scene": layout.SCENE},
    makes={"recipe": layout.RECIPE},
    params=recipe_params,
)
