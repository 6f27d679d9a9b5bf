"""Step: feature recipe, the same for all tiles."""

from __future__ import annotations

from collections.abc import Iterator

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.config.recipes import RecipeParams, build_recipe, recipe_params
from iota2.core.cost import Facts
from iota2.core.graph import Finding, JobContext, Step
from iota2.core.remarks import Remark
from iota2.core.user_features import EXOGENOUS
from iota2.io.archive.layers import EXOGENOUS_DATA, EXOGENOUS_SECTION
from iota2.io.files.atomic import write_json
from iota2.io.series.scene_file import read_scene


def run(job: JobContext[RecipeParams]) -> None:
    """Write the recipe of all tiles."""
    scenes = {key.tile: read_scene(path) for key, path in job.inp.each("scene")}
    write_json(job.out.recipe, build_recipe(scenes, job.params).to_json())


def check(config: Config, facts: Facts) -> Iterator[Finding]:
    """A remark on rasters for functions of the user that no function reads."""
    functions = facts.recipe.functions if config.external_features.exogenous else ()
    if functions and not any(EXOGENOUS in function.sensors for function in functions):
        text = (
            f"{EXOGENOUS_SECTION}.{EXOGENOUS_DATA}: no function reads these rasters. Remove the option: in a "
            "classification, pixels without their data have no label"
        )
        yield Finding.about(Remark(text, "options", sensor=EXOGENOUS))


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
    check=check,
)
