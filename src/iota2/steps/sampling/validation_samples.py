"""Step: feature values of some validation pixels of one tile, from which the importance of features is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.compute.permutation import draw_evenly
from iota2.config.options.schema import Config
from iota2.core.cost import (
    POINT_BYTES,
    READING_SECONDS,
    SAMPLE_BYTES,
    SAMPLE_VALUE_BYTES,
    SECONDS_PER_JOB,
    Cost,
    JobFacts,
)
from iota2.core.graph import JobContext, Step
from iota2.core.grid import pixel_centres
from iota2.core.random import generator
from iota2.core.tables import CODE, ORIGIN, REGION, WEIGHT, sample_columns
from iota2.io.files.crs import to_crs
from iota2.io.rasters.rasterize import pixels_inside
from iota2.io.series.scene_file import read_feature_scene
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.sample_tables import write_points
from iota2.io.tables.vectors import read_sqlite
from iota2.steps.pixels import features_at

MOST_PIXELS = 1000
"""Maximum number of pixels of a class for each model, over all tiles."""
LEAST_PIXELS = 20
"""Number of pixels of a class and model that each tile may give in any case."""
PLACE = "place"
"""Column with the number of the pixel on the grid of the tile, in scan order."""


@dataclass(frozen=True)
class ValidationSampleParams:
    """Random seed of the run, and maximum number of pixels of a class for each model on a tile."""

    random_seed: int
    most: int


def params(config: Config) -> ValidationSampleParams:
    """Parameters of the draw from the configuration."""
    return ValidationSampleParams(config.arg_train.seed, most_pixels(len(config.chain.list_tile)))


def most_pixels(tiles: int) -> int:
    """Maximum number of pixels of a class and model on each of several tiles."""
    return max(LEAST_PIXELS, math.ceil(MOST_PIXELS / tiles))


def run(job: JobContext[ValidationSampleParams]) -> None:
    """Draw validation pixels of each model and seed, and write their features."""
    scene, recipe = read_feature_scene(job.inp), read_recipe(job.inp.recipe)
    drawn = {}
    for key, path in job.out.each("samples"):
        polygons = read_sqlite(job.inp.at("polygons", seed=key.seed))
        rng = generator(job.params.random_seed + key.seed, "validation samples", key.model, scene.tile)
        drawn[path] = draw_pixels(polygons[polygons[REGION] == key.model], scene.geobox, job.params.most, rng)
    places = np.unique(np.concatenate([frame[PLACE].to_numpy() for frame in drawn.values()]))
    values, clear = features_at(scene, recipe, *np.divmod(places, scene.geobox.shape[1]), job.use)
    for path, frame in drawn.items():
        at = np.searchsorted(places, frame[PLACE])
        points = frame[clear[at]].drop(columns=PLACE)
        write_points(points, sample_columns(recipe), values, at[clear[at]], path)


def draw_pixels(polygons: gpd.GeoDataFrame, geobox: GeoBox, most: int, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """At most ``most`` pixels of each class, as points in the projection of ``polygons``.

    Attributes: class code, polygon, number of pixels for which the pixel stands, and ``PLACE``.
    """
    owner, rows, cols = pixels_inside(to_crs(polygons, geobox.crs), geobox)
    codes, origins = (polygons[name].to_numpy().astype(np.int64)[owner] for name in (CODE, ORIGIN))
    weights = draw_evenly(codes, origins, most, rng)
    chosen = weights > 0
    table = {CODE: codes, ORIGIN: origins, WEIGHT: weights, PLACE: rows * geobox.shape[1] + cols}
    centres = gpd.points_from_xy(*pixel_centres(geobox, rows[chosen], cols[chosen]), crs=geobox.crs)
    geometry = gpd.GeoSeries(centres).to_crs(polygons.crs).to_numpy()
    columns = {name: column[chosen] for name, column in table.items()}
    return gpd.GeoDataFrame(columns, geometry=geometry, crs=polygons.crs)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the drawn pixels of the tile are in memory together with the blocks."""
    run = facts.run
    pixels = params(config).most * run.class_count * facts.regions * config.arg_train.runs
    seconds = facts.pixels * (READING_SECONDS * facts.layers + run.feature_seconds)
    return Cost(
        memory=facts.allowed + pixels * (4 * run.features + POINT_BYTES),
        seconds=SECONDS_PER_JOB + seconds,
        disk=pixels * (SAMPLE_BYTES + SAMPLE_VALUE_BYTES * run.features),
    )


STEP = Step(
    name="validationSamples",
    group="sampling",
    about="Compute the features of some validation pixels (with `feature_importance` or `fusion_masses`).",
    task="validation_samples_{tile}",
    run=run,
    over=("tile",),
    needs={**layout.FEATURE_IMAGES, "recipe": layout.RECIPE, "polygons": layout.VALIDATION_POLYGONS},
    makes={"samples": layout.TILE_VALIDATION_SAMPLES},
    params=params,
    when=layout.with_validation_samples,
    cost=cost,
)
