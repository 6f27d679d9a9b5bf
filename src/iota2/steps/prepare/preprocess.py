"""Step: working grid and dates of one tile, as files for the user."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import numpy as np

from iota2 import layout
from iota2.core.cost import Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.grid import blocks
from iota2.io.files.atomic import write_text
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.recipes import read_recipe
from iota2.steps.blocks import COPY_SHAPE


def run(job: JobContext) -> None:
    """Write the reference image and the lists of dates of each sensor."""
    scene, recipe = read_scene(job.inp.scene), read_recipe(job.inp.recipe)
    plans = {plan.sensor: plan for plan in recipe.sensors}
    for sensor in scene.series:
        name = sensor.spec.name
        with RasterWriter(job.out.at("reference", sensor=name), RasterProfile(scene.geobox, "uint8")) as writer:
            for block in blocks(scene.tile, scene.geobox, COPY_SHAPE):
                writer.write(block, np.ones(block.shape, np.uint8))
        write_text(job.out.at("input_dates", sensor=name), _lines(sensor.by_day))
        write_text(job.out.at("dates", sensor=name), _lines(plans[name].days))


def _lines(days: Iterable[date]) -> str:
    """The days as YYYYMMDD, one per line."""
    return "".join(f"{day:%Y%m%d}\n" for day in days)


def cost(config: object, facts: JobFacts) -> Cost:
    """Images of a single value compress to almost nothing."""
    return facts.raster_cost()


STEP = Step(
    name="sensorsPreprocess",
    group="init",
    about="Write the working grid and the dates of each tile.",
    task="preprocessing_{tile}",
    run=run,
    over=("tile",),
    needs={"scene": layout.SCENE, "recipe": layout.RECIPE},
    makes={
        "reference": layout.REFERENCE_IMAGE,
        "input_dates": layout.INPUT_DATES,
        "dates": layout.INTERPOLATION_DATES,
    },
    version=2,
    cost=cost,
)
